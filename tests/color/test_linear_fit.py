"""The L1 line against linear programming, perturbation, and lines that are known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, eye, hstack

from lerarlink.engine.api import Again, Frame, Known, ParameterError
from lerarlink.engine.fuse import run_pixel
from lerarlink.engine.region import Box, measure_block_rows, measure_tile_rows, sampled_rows, strips
from lerarlink.nodes.color import _line_fit
from lerarlink.nodes.color.linear_fit import LinearFit

rng = np.random.default_rng(13)


def frame_of(image: np.ndarray, bounds: tuple[float, float] = (0.0, 1.0), **more: Any) -> Frame:
    channels, height, width = image.shape
    color = "rgb" if channels >= 3 else "gray"
    return Frame(width=width, height=height, channels=channels, bounds=bounds, **{"color": color, **more})


def fitted(
    image: np.ndarray,
    reference: np.ndarray,
    process: LinearFit | None = None,
    frames: dict[str, Frame] | None = None,
) -> tuple[dict[str, Any], int]:
    """Return the line Value and the number of passes it took."""
    process = process or LinearFit()
    image, reference = image.astype(np.float32), reference.astype(np.float32)
    frames = frames or {"image": frame_of(image), "reference": frame_of(reference)}
    whole, state, passes = frames["image"].box, None, 0
    while True:
        total = None
        for block in strips(whole, measure_block_rows(whole.width)):
            for box in strips(block, measure_tile_rows(whole.width)):
                known = Known(frames=frames, box=box, state=state, port="")
                needed = process.needs(box, "image", known)
                rows = slice(needed.y0, needed.y1)
                part = process.measure(known, image[:, rows], reference[:, rows])
                total = part if total is None else process.merge(total, part)
        passes += 1
        result = process.finish(total, Known(frames=frames, state=state))
        if not isinstance(result, Again):
            return result, passes
        state = result.state


def used(image: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = (v.astype(np.float32).astype(np.float64).ravel() for v in (image, reference))
    keep = (x > 0) & (x < 0.92) & (y > 0) & (y < 0.92)
    return x[keep], y[keep]


def deviation(x: np.ndarray, y: np.ndarray, a: float, b: float) -> float:
    return float(np.abs(y - a - b * x).mean())


def least_deviation(x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean absolute deviation from the line that linear programming finds."""
    n = x.size
    lines = csr_matrix(np.column_stack([np.ones(n), x]))
    equations = hstack([lines, eye(n), -eye(n)])
    cost = np.concatenate([[0, 0], np.full(2 * n, 1 / n)])
    bounds = [(None, None)] * 2 + [(0, None)] * (2 * n)
    found = linprog(cost, A_eq=equations, b_eq=y, bounds=bounds, method="highs").x
    # Its own objective is only good to its tolerance of 1e-7 in each residual.
    return deviation(x, y, found[0], found[1])


def sky(n: int, noise: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Return an image and a reference that is 0.02 + 0.7 of it, both with noise, of n x 100 pixels."""
    truth = 0.1 + 0.03 * rng.random((1, n, 100))
    truth[rng.random(truth.shape) < 0.03] += 0.4
    return truth + rng.normal(0, noise, truth.shape), 0.02 + 0.7 * truth + rng.normal(0, noise, truth.shape)


def _cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    image, reference = sky(20)
    uniform = rng.random((2, 1, 20, 100))
    half = np.where(rng.random(image.shape) < 0.5, image, rng.random(image.shape) * 0.3)
    return {
        "sky and stars": (image, reference),
        "no relation": (uniform[0], uniform[1]),
        "eight bits": (np.round(image * 255) / 255, np.round(reference * 255) / 255),
        "half identical": (image, half),
        "a constant reference": (image, np.full_like(image, 0.3)),
        "wide tails": (image, 0.3 + 1e-3 * rng.standard_cauchy(image.shape)),
        "two values": (rng.choice([0.2, 0.4], image.shape), rng.random(image.shape)),
        "two values each": (rng.choice([0.2, 0.4], image.shape), rng.choice([0.2, 0.4], image.shape)),
        "three pixels": (np.array([[[0.1, 0.2, 0.4]]]), np.array([[[0.1, 0.5, 0.2]]])),
    }


CASES = _cases()


@pytest.mark.parametrize("name", CASES)
def test_no_line_deviates_less_says_linear_programming_for(name: str) -> None:
    image, reference = CASES[name]
    line = fitted(image, reference)[0]["channels"][0]
    x, y = used(image, reference)
    assert line["count"] == x.size
    assert line["fraction"] == x.size / image.size
    assert line["sigma"] == pytest.approx(deviation(x, y, line["a"], line["b"]), abs=1e-14)
    least = least_deviation(x, y)
    assert least - 1e-7 <= line["sigma"] <= least * (1 + 1e-13) + 1e-15


@pytest.mark.parametrize("name", ["sky and stars", "no relation", "eight bits", "half identical", "two values each"])
def test_thinning_to_keep_memory_bounded_gives_the_same_minimum(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image, reference = CASES[name]
    at_once, passes = fitted(image, reference)
    monkeypatch.setattr(_line_fit, "SAMPLE", 200)
    monkeypatch.setattr(_line_fit, "CAPACITY", 400)
    thinned, more = fitted(image, reference)
    assert (passes, more > 1) == (1, True)
    assert thinned["channels"][0]["sigma"] == pytest.approx(at_once["channels"][0]["sigma"], rel=1e-13)


@pytest.fixture(scope="module")
def large() -> tuple[np.ndarray, np.ndarray]:
    return sky(15_000)


def test_a_large_image_takes_two_passes_and_no_step_aside_deviates_less(
    large: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_line_fit, "SAMPLE", 1 << 17)
    value, passes = fitted(*large)
    line = value["channels"][0]
    x, y = used(*large)
    least = deviation(x, y, line["a"], line["b"])
    steps = [(s * t, s * u) for s in (1e-3, 1e-5, 1e-7) for t, u in ((1, 0), (0, 1), (-1, 8), (1, -8), (-0.13, 1))]
    assert passes == 2
    assert line["sigma"] == pytest.approx(least, rel=1e-12)
    for da, db in [*steps, *((-p, -q) for p, q in steps)]:
        assert deviation(x, y, line["a"] + da, line["b"] + db) >= least * (1 - 1e-13)


def test_a_sixteenth_of_the_rows_and_one_look_at_all_pixels_give_the_same_line(
    large: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    measure = LinearFit.measure

    def counting(self: LinearFit, known: Known, image: Any, reference: Any) -> Any:
        looked.append(image.size)
        return measure(self, known, image, reference)

    expected = fitted(*large)[0]["channels"][0]
    monkeypatch.setattr(LinearFit, "measure", counting)
    monkeypatch.setattr(_line_fit, "SAMPLE", 1 << 14)
    value, passes = fitted(*large)
    line = value["channels"][0]
    assert passes == 3
    assert sum(looked) < 1.15 * large[0].size
    assert line == pytest.approx(expected, rel=1e-11)


def test_rows_that_hold_nothing_to_fit_leave_the_line_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_line_fit, "SAMPLE", 64)
    image, reference = sky(100)
    image[:, 10:] = np.nan
    line = fitted(image, reference)[0]["channels"][0]
    x, y = used(image, reference)
    assert line["count"] == x.size
    assert line["sigma"] == pytest.approx(least_deviation(x, y), rel=1e-6)


@pytest.mark.parametrize("height", [1, 8, 27, 400])
def test_about_a_sixteenth_of_all_rows_is_looked_at_whatever_the_height_of_a_tile(height: int) -> None:
    tiles = [Box(y, 0, y + height, 9) for y in range(0, 400 * height, height)]
    parts = [sampled_rows(tile) for tile in tiles]
    assert all(tile.contains(part) for tile, part in zip(tiles, parts, strict=True))
    assert sum(p.height for p in parts) == pytest.approx(400 * height / 16, rel=0.03)
    odd = sum(1 for p in parts for y in range(p.y0, p.y1) if y % 2)
    assert odd == pytest.approx(200 * height / 16, rel=0.15)


def test_a_true_relation_is_found_whatever_a_quarter_of_the_pixels_says() -> None:
    image = 0.1 + 0.3 * rng.random((1, 100, 100))
    reference = 0.05 + 0.6 * image
    reference[rng.random(reference.shape) < 0.25] = 0.8
    line = fitted(image, reference)[0]["channels"][0]
    assert (line["a"], line["b"]) == pytest.approx((0.05, 0.6), abs=1e-6)


def test_an_image_fits_itself_exactly() -> None:
    image, _ = sky(50)
    line = fitted(image, image)[0]["channels"][0]
    assert (line["a"], line["b"], line["sigma"]) == pytest.approx((0.0, 1.0, 0.0), abs=1e-12)


def test_only_pixels_strictly_between_the_limits_in_both_images_are_used() -> None:
    image = np.array([[[0.0, 0.5, 0.1, 0.2, 0.3, 0.92, 0.5, np.nan, np.inf, 0.4]]])
    reference = np.array([[[0.5, 0.0, 0.1, 0.2, 0.3, 0.5, 0.92, 0.5, 0.5, np.nan]]])
    line = fitted(image, reference)[0]["channels"][0]
    assert (line["count"], line["fraction"]) == (3, 0.3)
    assert (line["a"], line["b"]) == pytest.approx((0.0, 1.0), abs=1e-7)


def test_lines_are_told_in_physical_units() -> None:
    image = rng.random((1, 40, 50)) * 3000 + 200
    reference = (0.5 * image + 30) / 4096
    frames = {"image": frame_of(image, (0.0, 4095.0)), "reference": frame_of(image, (0.0, 1.0), unit="e")}
    value, _ = fitted(image, reference, frames=frames)
    line = value["channels"][0]
    assert (line["a"], line["b"]) == pytest.approx((30 / 4096, 0.5 / 4096), rel=1e-4)
    assert (value["bounds"], value["unit"]) == ([0.0, 1.0], "e")


def test_channels_are_fitted_apart_and_one_reference_channel_serves_all() -> None:
    image = np.concatenate([sky(30)[0] for _ in range(3)])
    reference = np.stack([0.1 + 0.5 * image[0], 0.2 + 0.4 * image[1], 0.3 * image[2]])
    apart = fitted(image, reference)[0]["channels"]
    assert [c["b"] for c in apart] == pytest.approx([0.5, 0.4, 0.3], abs=1e-6)
    single = fitted(image, reference[:1])[0]["channels"]
    assert single[0] == apart[0]
    assert single[1] == fitted(image[1:2], reference[:1])[0]["channels"][0]


def applied(process: LinearFit, image: np.ndarray, **known: Any) -> np.ndarray:
    image = image.astype(np.float32)
    out = process.frame(Known(**known))
    return run_pixel(process, Known(frame=out, box=out.box, **known), image)


LINE = {
    "channels": [{"a": 0.1, "b": 2.0, "sigma": 0.0, "count": 3, "fraction": 1.0}],
    "bounds": [0.0, 1.0],
    "unit": "",
}


def test_the_line_is_applied_and_truncated_to_the_bounds_of_the_reference() -> None:
    image = np.array([[[-0.5, 0.0, 0.2, 0.8, np.nan]]])
    known = {"frames": {"image": frame_of(image), "reference": frame_of(image)}, "measured": LINE}
    np.testing.assert_array_equal(
        applied(LinearFit(), image, **known), np.array([[[0.0, 0.1, 0.5, 1.0, np.nan]]], np.float32)
    )
    whole = applied(LinearFit(truncate=False), image, **known)
    np.testing.assert_array_equal(whole, np.array([[[-0.9, 0.1, 0.5, 1.7, np.nan]]], np.float32))


def test_a_linked_line_is_applied_without_a_reference() -> None:
    image = np.array([[[0.2, 0.3]]])
    known = Known(frames={"image": frame_of(image)}, values={"line": LINE})
    assert not LinearFit().measures(known)
    assert LinearFit().compute(known) == LINE
    out = applied(LinearFit(), image, frames=known.frames, values=known.values)
    np.testing.assert_allclose(out, [[[0.5, 0.7]]], rtol=1e-6)


def test_an_alpha_channel_keeps_its_place_within_the_bounds() -> None:
    image = np.stack([np.full((2, 2), 1000.0), np.full((2, 2), 65535.0)])
    frames = {"image": frame_of(image, (0.0, 65535.0)), "reference": frame_of(image[:1])}
    out = applied(LinearFit(), image, frames=frames, measured=LINE)
    assert np.all(out[1] == 1.0)


@pytest.mark.parametrize(
    ("image", "reference", "message"),
    [
        (np.full((1, 3, 3), 0.4), rng.random((1, 3, 3)), "channel 0: a line wants samples that differ.* 9 .*0.4"),
        (np.full((1, 1, 2), 0.4), np.full((1, 1, 2), 0.4), "at least 3 pixels .*got 2"),
        (np.full((1, 3, 3), 0.95), rng.random((1, 3, 3)), "at least 3 pixels .*got 0"),
    ],
)
def test_too_little_for_a_line_is_an_error(image: np.ndarray, reference: np.ndarray, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        fitted(image, np.clip(reference, 0.01, 0.9))


def test_frames_and_links_that_do_not_fit_are_refused() -> None:
    gray, wide, rgb = (np.zeros(s) for s in ((1, 4, 5), (1, 4, 6), (3, 4, 5)))
    for frames, values, message in (
        ({"image": gray, "reference": wide}, {}, "same size, got 5x4 and 6x4"),
        ({"image": gray, "reference": rgb}, {}, "1 channel or the image's 1, got 3"),
        ({"image": gray}, {}, "got neither"),
        ({"image": gray, "reference": gray}, {"line": LINE}, "got both"),
    ):
        with pytest.raises(ParameterError, match=message):
            LinearFit().frame(Known(frames={k: frame_of(v) for k, v in frames.items()}, values=values))
    with pytest.raises(ParameterError, match="reject_low must be below"):
        LinearFit(reject_low=0.5, reject_high=0.5)


def test_two_filters_of_a_real_field_are_matched(real_data: Callable[[str], Path]) -> None:
    images = []
    for band in ("f105w", "f160w"):
        with fits.open(real_data(f"xdf-f105w-f160w/xdf_hst_wfc3ir_60mas_{band}_sci.fits")) as hdus:
            images.append(next(h.data for h in hdus if h.data is not None).astype(np.float32)[None, :60, :60])
    line = fitted(images[0], images[1])[0]["channels"][0]
    x, y = used(*images)
    assert line["count"] == x.size > 1000
    assert line["sigma"] <= least_deviation(x, y) * (1 + 1e-13)
