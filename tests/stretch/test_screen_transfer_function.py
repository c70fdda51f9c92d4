"""The automatic display stretch against its formulas, written out here once more from numpy's statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lerarlink.engine.api import Again, Frame, Known
from lerarlink.nodes.stretch._mtf import mtf
from lerarlink.nodes.stretch.screen_transfer_function import ScreenTransferFunction

rng = np.random.default_rng(5)
SHAPE = (120, 150)
HI = 65535.0


def noise(level: float, sigma: float) -> np.ndarray:
    return rng.normal(level, sigma, SHAPE).astype(np.float32)


def display(process: ScreenTransferFunction, *planes: np.ndarray, bounds: tuple[float, float] = (0.0, HI)) -> Any:
    image = np.stack(planes).astype(np.float32)
    frame = Frame(
        width=SHAPE[1], height=SHAPE[0], channels=len(planes), bounds=bounds, color="rgb" if len(planes) > 2 else "gray"
    )
    state = None
    while True:
        known = Known(frames={"image": frame}, box=frame.box, state=state)
        result = process.finish(process.measure(known, image), known)
        if not isinstance(result, Again):
            return result
        state = result.state


def center_and_sigma(plane: np.ndarray) -> tuple[float, float]:
    x = plane[np.isfinite(plane)].astype(np.float64) / HI
    median = float(np.median(x))
    return median, 1.4826 * float(np.median(np.abs(x - median)))


def test_the_midtones_function_has_its_fixed_points_and_is_its_own_dual() -> None:
    for m in (0.01, 0.2, 0.5, 0.9):
        assert mtf(m, 0.0) == 0.0 and mtf(m, 1.0) == 1.0
        assert mtf(m, m) == pytest.approx(0.5)
        assert mtf(1 - m, mtf(m, 0.3)) == pytest.approx(0.3)
        assert mtf(mtf(0.25, m), m) == pytest.approx(0.25)


def test_a_gray_image_is_clipped_below_its_median_and_brought_to_the_target() -> None:
    plane = noise(1200, 40)
    median, sigma = center_and_sigma(plane)
    value = display(ScreenTransferFunction(), plane)
    ((c0, c1, m, r0, r1),) = value["rows"]
    assert c0 == pytest.approx(median - 2.8 * sigma, rel=1e-12)
    assert (c1, r0, r1) == (1.0, 0.0, 1.0)
    assert mtf(m, median - c0) == pytest.approx(0.25, abs=1e-12)
    assert (value["lo"], value["hi"], value["linked"]) == (0.0, HI, True)


def test_linked_channels_share_the_means_of_clip_and_median() -> None:
    planes = [noise(1000, 30), noise(1500, 50), noise(800, 20)]
    each = [center_and_sigma(p) for p in planes]
    rows = display(ScreenTransferFunction(), *planes)["rows"]
    c0 = sum(m - 2.8 * s for m, s in each) / 3
    assert rows[0] == rows[1] == rows[2]
    assert rows[0][0] == pytest.approx(c0, rel=1e-12)
    assert rows[0][2] == pytest.approx(mtf(0.25, sum(m for m, _ in each) / 3 - c0), rel=1e-12)


def test_unlinked_channels_are_stretched_each_for_itself() -> None:
    planes = [noise(1000, 30), noise(1500, 50), noise(60000, 20)]
    rows = display(ScreenTransferFunction(linked=False), *planes)["rows"]
    for plane, row in zip(planes, rows, strict=True):
        assert row == display(ScreenTransferFunction(), plane)["rows"][0]


def test_a_bright_image_is_stretched_from_its_highlights() -> None:
    plane = noise(60000, 200)
    median, sigma = center_and_sigma(plane)
    ((c0, c1, m, _, _),) = display(ScreenTransferFunction(), plane)["rows"]
    assert (c0, c1) == (0.0, pytest.approx(median + 2.8 * sigma, rel=1e-12))
    assert m == pytest.approx(mtf(c1 - median, 0.25), rel=1e-12)


def test_one_dark_channel_keeps_a_linked_image_from_being_inverted() -> None:
    rows = display(ScreenTransferFunction(), noise(60000, 200), noise(60000, 200), noise(900, 20))["rows"]
    assert rows[0][1] == 1.0


def test_a_channel_without_dispersion_clips_nothing_but_counts_in_the_mean() -> None:
    planes = [noise(1000, 30), noise(1500, 50), np.full(SHAPE, 700.0)]
    clips = [m - 2.8 * s for m, s in map(center_and_sigma, planes[:2])]
    rows = display(ScreenTransferFunction(), *planes)["rows"]
    assert rows[0][0] == pytest.approx(sum(clips) / 3, rel=1e-12)


def test_boost_multiplies_clipping_and_background() -> None:
    plane = noise(1200, 40)
    boosted = display(ScreenTransferFunction(boosted=True), plane)["rows"]
    assert (
        boosted == display(ScreenTransferFunction(shadows_clipping=-2.8 * 0.75, target_background=0.5), plane)["rows"]
    )


def test_bounds_say_what_black_and_white_are() -> None:
    plane = noise(1200, 40)
    (raw,) = display(ScreenTransferFunction(), plane)["rows"]
    (shifted,) = display(ScreenTransferFunction(), plane + np.float32(4096), bounds=(4096.0, 4096.0 + HI))["rows"]
    assert shifted == pytest.approx(raw, abs=1e-6)


def test_a_channel_without_samples_and_the_alpha_channel_count_for_nothing() -> None:
    sky = noise(1200, 40)
    hole = np.full(SHAPE, np.nan)
    rows = display(ScreenTransferFunction(), sky, hole, sky, np.full(SHAPE, HI))["rows"]
    assert len(rows) == 3
    assert rows[1] == [0.0, 1.0, 0.5, 0.0, 1.0]
    assert rows[0] == rows[2] == pytest.approx(display(ScreenTransferFunction(), sky)["rows"][0], rel=1e-12)


def test_an_image_without_any_sample_is_shown_as_it_is() -> None:
    rows = display(ScreenTransferFunction(), *[np.full(SHAPE, np.nan)] * 3)["rows"]
    assert rows == [[0.0, 1.0, 0.5, 0.0, 1.0]] * 3


def test_it_has_no_image_output() -> None:
    assert not any(port.is_image for port in ScreenTransferFunction.outputs)
