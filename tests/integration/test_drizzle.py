"""Drizzling against exact polygon areas, known fluxes and the pixels of single frames."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.polynomial.chebyshev import chebval2d

from lerarlink.engine.api import Box, Frame, Known, ParameterError
from lerarlink.nodes.integration import _drizzle
from lerarlink.nodes.integration.drizzle_integration import DrizzleIntegration

Floats = npt.NDArray[np.float64]
H, W = 40, 50


def transform(dx: float = 0.0, dy: float = 0.0, degrees: float = 0.0, zoom: float = 1.0) -> dict[str, Any]:
    """Return the map from the reference to a frame turned about its centre and shifted."""
    a = math.radians(degrees)
    c, s, cx, cy = zoom * math.cos(a), zoom * math.sin(a), (W - 1) / 2, (H - 1) / 2
    matrix = [[c, -s, cx - c * cx + s * cy + dx], [s, c, cy - s * cx - c * cy + dy], [0.0, 0.0, 1.0]]
    return {"kind": "similarity", "inverse": [{"matrix": np.array(matrix)}]}


def known(frames: list[Frame], transforms: list[Any], box: Box, port: str = "image", plan: Any = None) -> Known:
    reference = Frame(width=W, height=H)
    values = {"transforms": tuple(transforms)} | ({} if plan is None else {"plan": plan})
    return Known(frames={"images": tuple(frames), "reference": reference}, values=values, box=box, port=port)


def drizzled(
    process: DrizzleIntegration, tiles: list[Any], transforms: list[Any], rows: int = 0, cfa: str | None = None,
    port: str = "image", plan: Any = None, bounds: tuple[float, float] = (0.0, 1.0),
) -> Floats:  # fmt: skip
    """Run a process by hand in strips of *rows* rows (0: all at once), handing it just the pixels it needs."""
    made = [np.atleast_3d(np.asarray(t, np.float32).T).T for t in tiles]
    frames = [
        Frame(width=t.shape[2], height=t.shape[1], channels=t.shape[0], cfa=cfa, bounds=bounds,
              color="rgb" if t.shape[0] == 3 else "gray") for t in made
    ]  # fmt: skip
    k = known(frames, transforms, Box(0, 0, 0, 0), port, plan)
    frame = process.frame(k)
    strips = []
    for y in range(0, frame.height, rows or frame.height):
        box = Box(y, 0, min(frame.height, y + (rows or frame.height)), frame.width)
        k = Known(frames=k.frames, values=k.values, box=box, port=port, frame=frame)
        boxes = process.needs(box, "images", k)
        cut = tuple(np.ascontiguousarray(t[:, b.y0 : b.y1, b.x0 : b.x1]) for t, b in zip(made, boxes, strict=True))
        strips.append(process.pixels(k, cut, np.empty((1, 0, 0), np.float32), None))
    return np.concatenate(strips, axis=1)


def star(dx: float = 0.0, dy: float = 0.0, sigma: float = 1.6) -> Floats:
    y, x = np.mgrid[:H, :W]
    return np.exp(-((x - 24.3 - dx) ** 2 + (y - 19.6 - dy) ** 2) / (2 * sigma**2)) + 1e-9


def test_an_unmoved_frame_at_scale_one_is_itself() -> None:
    image = np.random.default_rng(0).uniform(0.1, 1, (H, W)).astype(np.float32)
    for kernel in ("square", "circular", "gaussian"):
        out = drizzled(DrizzleIntegration(scale=1.0, drop_shrink=0.7, kernel_function=kernel), [image], [transform()])
        assert np.array_equal(out[0], image)


def test_at_scale_two_a_pixel_becomes_four() -> None:
    image = np.random.default_rng(0).uniform(0.1, 1, (H, W)).astype(np.float32)
    out = drizzled(DrizzleIntegration(drop_shrink=1.0), [image], [transform()])
    assert np.array_equal(out[0], image.repeat(2, axis=0).repeat(2, axis=1))
    small = drizzled(DrizzleIntegration(scale=3.0, drop_shrink=0.3), [image], [transform()])
    middle = np.zeros((3 * H, 3 * W), bool)
    middle[1::3, 1::3] = True
    assert np.array_equal(np.isfinite(small[0]), middle)


@pytest.mark.parametrize("seed", range(5))
def test_areas_in_common_are_exact(seed: int) -> None:
    """Against the lengths of many narrow columns within both figures."""
    rng = np.random.default_rng(seed)
    turn, side = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 2.0)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * side / 2
    c, s = np.cos(turn), np.sin(turn)
    px, py = (corners @ [[c, s], [-s, c]] + rng.uniform(-0.5, 0.5, 2)).T
    if seed % 2:
        px, py = px[::-1].copy(), py[::-1].copy()
    found = _drizzle._common(px, py, -0.45, 0.45, -0.4, 0.4)
    xs = np.linspace(-0.45, 0.45, 20001)
    low, high = np.full(xs.size, np.inf), np.full(xs.size, -np.inf)
    for k in range(4):
        x0, x1, y0, y1 = px[k], px[(k + 1) % 4], py[k], py[(k + 1) % 4]
        here = (xs >= min(x0, x1)) & (xs <= max(x0, x1))
        y = y0 + (y1 - y0) * (xs[here] - x0) / (x1 - x0)
        low[here], high[here] = np.minimum(low[here], y), np.maximum(high[here], y)
    span = np.clip(np.minimum(high, 0.4) - np.maximum(low, -0.4), 0, None)
    assert found == pytest.approx(np.trapezoid(span, xs), abs=2e-5)


@pytest.mark.parametrize("kernel", ["square", "circular", "gaussian"])
def test_flux_is_conserved(kernel: str) -> None:
    """Frames turned and dithered; each samples the same star, whose flux is known."""
    rng = np.random.default_rng(4)
    tiles, maps = [], []
    for _ in range(6):
        dx, dy, turn = *rng.uniform(-2, 2, 2), rng.uniform(0, 360)
        maps.append(transform(dx, dy, turn))
        x, y = _drizzle.applied(maps[-1]["inverse"], np.array([24.3]), np.array([19.6]))
        tiles.append(star(x[0] - 24.3, y[0] - 19.6))
    process = DrizzleIntegration(drop_shrink=1.0, kernel_function=kernel, kernel_grid_size=32)
    out = drizzled(process, tiles, maps)[0]
    part = out[2 * 9 : 2 * 30, 2 * 14 : 2 * 35].astype(float)
    assert np.isfinite(part).all()
    limit = 1e-4 if kernel == "square" else 5e-3
    assert part.sum() / 4 == pytest.approx(2 * np.pi * 1.6**2, rel=limit)
    y, x = np.mgrid[18:60, 28:70]
    # The centre of output pixel i is reference place (i + 0.5) / 2 - 0.5.
    assert ((part * x).sum() / part.sum() + 0.5) / 2 - 0.5 == pytest.approx(24.3, abs=0.01)
    assert ((part * y).sum() / part.sum() + 0.5) / 2 - 0.5 == pytest.approx(19.6, abs=0.01)


def test_flux_is_conserved_by_shrunk_drops_on_a_grid_of_dithers() -> None:
    shifts = [(i / 4, j / 4) for i in range(4) for j in range(4)]
    tiles = [star(dx, dy) for dx, dy in shifts]
    out = drizzled(DrizzleIntegration(drop_shrink=0.5), tiles, [transform(dx, dy) for dx, dy in shifts])[0]
    assert np.nansum(out[18:60, 28:70], dtype=float) / 4 == pytest.approx(2 * np.pi * 1.6**2, rel=1e-4)


def test_shrunk_drops_give_sharper_stars() -> None:
    rng = np.random.default_rng(2)
    shifts = rng.uniform(-1, 1, (40, 2))
    tiles, maps = [star(*d, sigma=0.8) for d in shifts], [transform(*d) for d in shifts]
    peaks = [np.nanmax(drizzled(DrizzleIntegration(drop_shrink=d), tiles, maps)) for d in (1.0, 0.5)]
    assert peaks[1] > 1.02 * peaks[0]


def test_strips_do_not_matter_to_drizzling() -> None:
    rng = np.random.default_rng(5)
    tiles = [rng.uniform(0, 1, (H, W)) for _ in range(3)]
    maps = [transform(1.3, -0.7, 12.0), transform(0.2, 3.1, 170.0), transform(zoom=1.1)]
    process = DrizzleIntegration(scale=1.7)
    whole = drizzled(process, tiles, maps)
    for rows in (1, 7):
        assert drizzled(process, tiles, maps, rows).tobytes() == whole.tobytes()


def test_mosaics_fill_each_channel_from_its_own_samples() -> None:
    """A scene of three plain colours; every channel has to be its colour exactly, whatever the dithers."""
    levels = np.array([0.2, 0.5, 0.8])
    cell = np.array([[0, 1], [1, 2]])
    mosaic = levels[np.tile(cell, (H // 2, W // 2))]
    rng = np.random.default_rng(6)
    maps = [transform(*rng.uniform(-3, 3, 2), rng.uniform(-5, 5)) for _ in range(25)]
    out = drizzled(DrizzleIntegration(scale=1.0, drop_shrink=1.0), [mosaic] * 25, maps, cfa="RGGB", rows=9)
    assert out.shape == (3, H, W)
    inner = out[:, 8:-8, 8:-8]
    assert np.isfinite(inner).all()
    assert np.abs(inner - levels[:, None, None]).max() < 1e-6
    weight = drizzled(
        DrizzleIntegration(scale=1.0, drop_shrink=1.0), [mosaic] * 25, maps, cfa="RGGB", port="weight"
    )[:, 8:-8, 8:-8]  # fmt: skip
    assert weight.mean(axis=(1, 2)) == pytest.approx([0.25, 0.5, 0.25], abs=0.02)


def test_missing_samples_and_holes_do_not_count() -> None:
    one, two = np.full((H, W), 0.5), np.full((H, W), 0.7)
    two[10:20, 10:20] = np.nan
    two[5, 30] = 0.0
    one[5, 31] = one[30:33, 30:33] = two[31, 31] = np.nan
    out = drizzled(DrizzleIntegration(scale=1.0, drop_shrink=1.0), [one, two], [transform(), transform()])[0]
    assert np.allclose(out[10:20, 10:20], 0.5)
    assert out[5, 30] == pytest.approx(0.5)
    assert out[5, 31] == pytest.approx(0.7)
    assert np.argwhere(np.isnan(out)).tolist() == [[31, 31]]
    assert out[0, 0] == pytest.approx(0.6)


def test_rounding_in_a_transform_does_not_fill_missing_pixels() -> None:
    image = np.full((H, W), 0.5)
    image[9, 9] = np.nan
    out = drizzled(DrizzleIntegration(scale=1.0, drop_shrink=1.0), [image], [transform(1e-13, -1e-13, 1e-13)])[0]
    assert np.argwhere(np.isnan(out)).tolist() == [[9, 9]]


def test_weight_says_how_much_of_a_pixel_is_covered() -> None:
    image = np.ones((H, W))
    maps = [transform(), transform(dx=10.0)]
    weight = drizzled(DrizzleIntegration(scale=1.0, drop_shrink=1.0), [image, image], maps, port="weight")[0]
    assert np.allclose(weight[:, :40], 1.0)
    assert np.allclose(weight[:, 40:], 0.5)
    shrunk = drizzled(DrizzleIntegration(scale=1.0, drop_shrink=0.5), [image], maps[:1], port="weight")[0]
    assert np.allclose(shrunk, 0.25)


def test_a_plan_normalises_weighs_and_leaves_out() -> None:
    tiles = [np.full((H, W), v) for v in (100.0, 50.0, 7.0)]
    told = [
        {"excluded": "", "weight": [1.0], "output": [[1.0, 0.0]]},
        {"excluded": "", "weight": [0.25], "output": [[2.0, 10.0]]},
        {"excluded": "too faint", "weight": [0.0], "output": [[1.0, 0.0]]},
    ]
    process = DrizzleIntegration(scale=1.0)
    maps = [transform()] * 3
    out = drizzled(process, tiles, maps, plan={"frames": told}, bounds=(0.0, 1000.0))[0]
    assert np.allclose(out, (100.0 + 0.25 * 110.0) / 1.25)
    assert process.needs(Box(0, 0, 9, 9), "images", known([Frame(width=W, height=H)] * 3, maps, Box(0, 0, 9, 9),
                         plan={"frames": told}))[2].empty  # fmt: skip


def test_a_distorted_frame_is_mapped_by_its_polynomials() -> None:
    coefficients = np.zeros((2, 3, 3))
    coefficients[0, 2, 0], coefficients[1, 1, 1] = 0.4, -0.3
    step = {"matrix": np.eye(3), "domain": [0, 0, W - 1, H - 1], "coefficients": coefficients}
    x, y = np.array([3.0, 40.0]), np.array([9.0, 21.0])
    found = _drizzle.applied([step], x, y)
    u, v = 2 * x / (W - 1) - 1, 2 * y / (H - 1) - 1
    assert np.allclose(found, [x + chebval2d(u, v, coefficients[0]), y + chebval2d(u, v, coefficients[1])], atol=1e-14)
    image = np.full((H, W), 0.3)
    out = drizzled(DrizzleIntegration(drop_shrink=1.0), [image], [{"kind": "polynomial", "inverse": [step]}])
    assert np.allclose(out[0, 4:-4, 4:-4], 0.3)


def test_frames_that_were_not_registered_are_told_or_left_out() -> None:
    lost = {"kind": "none", "why": "too few stars", "pairs": 0}
    image = np.full((H, W), 0.5)
    with pytest.raises(ParameterError, match="image 1 could not be registered: too few stars"):
        drizzled(DrizzleIntegration(), [image, image], [transform(), lost])
    process = DrizzleIntegration(on_failure="missing")
    out = drizzled(process, [image, image * np.nan], [transform(), lost])
    assert np.nanmin(out) == np.nanmax(out) == 0.5


def test_what_does_not_fit_together_is_refused() -> None:
    gray, cfa = Frame(width=W, height=H), Frame(width=W, height=H, cfa="RGGB")
    box = Box(0, 0, 1, 1)
    with pytest.raises(ParameterError, match="image 1 has the mosaic RGGB, image 0 has 1 channels"):
        DrizzleIntegration().frame(known([gray, cfa], [transform()] * 2, box))
    with pytest.raises(ParameterError, match="2 images, but 1 transforms"):
        DrizzleIntegration().frame(known([gray, gray], [transform()], box))
    with pytest.raises(ParameterError, match="made for an image of 9x9, this one is 50x40"):
        DrizzleIntegration().frame(known([gray], [transform() | {"width": 9, "height": 9}], box))
    wide = DrizzleIntegration(scale=1.5).frame(known([cfa], [transform()], box))
    assert (wide.width, wide.height, wide.channels, wide.color, wide.cfa) == (75, 60, 3, "rgb", None)
