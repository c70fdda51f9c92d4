"""Warp against a plain implementation, against functions known everywhere, and in its manners at the edges."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from scipy.ndimage import gaussian_filter

from lerarlink import Graph
from lerarlink.engine.api import Box, Frame, Known, ParameterError, Port
from lerarlink.engine.errors import GraphError
from lerarlink.engine.process import Process, Tile, param
from lerarlink.engine.store import Store
from lerarlink.nodes.registration.warp import Warp

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.float32]
METHODS = ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos4", "lanczos5"]


def turned(degrees: float, dx: float = 0.0, dy: float = 0.0, scale: float = 1.0) -> Floats:
    c, s = (scale * f(math.radians(degrees)) for f in (math.cos, math.sin))
    return np.array([[c, -s, dx], [s, c, dy], [0.0, 0.0, 1.0]])


def by(matrix: Floats, **more: Any) -> dict[str, Any]:
    return {"kind": "affine", "inverse": [{"matrix": matrix}], **more}


def bent() -> dict[str, Any]:
    """A map with a polynomial, over an image of about 200 by 150."""
    coefficients = np.zeros((2, 4, 4))
    coefficients[0, 3, 0], coefficients[0, 1, 2], coefficients[1, 0, 3], coefficients[1, 2, 0] = 1.5, -0.7, 0.9, 2.0
    step = {"matrix": turned(4.0, 3.3, -5.1), "domain": [10.0, 5.0, 180.0, 140.0], "coefficients": coefficients}
    return {"kind": "polynomial", "inverse": [step]}


def warp(
    image: Pixels, transform: dict[str, Any], size: tuple[int, int] | None = None, columns: int = 0, **params: Any
) -> Pixels:
    """Return the whole result, made by calling the process as the engine does, some *columns* at a time."""
    tile = image if image.ndim == 3 else image[None]
    height, width = size or tile.shape[1:]
    frames = {"image": Frame(width=tile.shape[2], height=tile.shape[1], channels=tile.shape[0]),
              "reference": Frame(width=width, height=height)}  # fmt: skip
    process = Warp(**params)
    values = {"transform": transform}
    out = process.frame(Known(frames=frames, values=values))
    parts = []
    for left in range(0, width, columns or width):
        box = Box(0, left, height, min(left + (columns or width), width))
        known = Known(frames=frames, values=values, frame=out, box=box)
        need = process.needs(box, "image", known)
        part = np.ascontiguousarray(tile[:, need.y0 : need.y1, need.x0 : need.x1])
        part.flags.writeable = False
        parts.append(process.pixels(known, part, None))
    made = np.concatenate(parts, axis=2)
    return made if image.ndim == 3 else made[0]


def plain(image: Pixels, matrix: Floats, n: int) -> Floats:
    """Lanczos at exact phases, a pixel at a time, mirrored at the border."""
    height, width = image.shape
    out = np.full(image.shape, np.nan)
    for v in range(height):
        for u in range(width):
            x, y, w = matrix @ (u, v, 1.0)
            x, y = x / w, y / w
            if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
                continue
            xs, ys = (math.floor(c) + np.arange(1 - n, n + 1) for c in (x, y))
            wx, wy = (np.sinc(c - k) * np.sinc((c - k) / n) for c, k in ((x, xs), (y, ys)))
            window = image[np.ix_(folded(ys, height), folded(xs, width))]
            out[v, u] = (wy / wy.sum()) @ window @ (wx / wx.sum())
    return out


def folded(i: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    i = np.abs(i) % (2 * (size - 1))
    return np.minimum(i, 2 * (size - 1) - i)


def sky(shape: tuple[int, int], fwhm: float, seed: int = 0, matrix: Floats | None = None, stars: int = 25) -> Floats:
    """Return stars as Gaussian functions, in the frame that *matrix* maps from."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    m = np.eye(3) if matrix is None else matrix
    x, y = m[0, 0] * u + m[0, 1] * v + m[0, 2], m[1, 0] * u + m[1, 1] * v + m[1, 2]
    s2 = (fwhm / 2.3548) ** 2
    total = np.full(shape, 100.0)
    for _ in range(stars):
        cx, cy, peak = rng.uniform(20, shape[1] - 20), rng.uniform(20, shape[0] - 20), rng.uniform(100, 10000)
        total += peak * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * s2))
    return total


@pytest.mark.parametrize("method", METHODS)
def test_whole_shifts_and_half_turns_move_pixels_unchanged(method: str) -> None:
    image = np.random.default_rng(1).normal(100, 5, (31, 40)).astype(np.float32)
    shifted = warp(image, by(turned(0.0, 3.0, -2.0)), interpolation=method)
    assert np.array_equal(shifted[2:, :-3], image[:-2, 3:])
    assert np.isnan(shifted[:2]).all()
    assert np.isnan(shifted[:, -3:]).all()
    half = np.array([[-1.0, 0.0, 39.0], [0.0, -1.0, 30.0], [0.0, 0.0, 1.0]])
    assert np.array_equal(warp(image, by(half), interpolation=method), image[::-1, ::-1])


@pytest.mark.parametrize("n", [3, 4, 5])
def test_lanczos_is_that_of_the_formula(n: int) -> None:
    image = np.random.default_rng(2).normal(100, 5, (24, 29)).astype(np.float32)
    matrix = turned(17.0, 4.3, -2.2)
    matrix[2, 0] = 1e-3
    found = warp(image, by(matrix), interpolation=f"lanczos{n}", clamping="none")
    wanted = plain(image, matrix, n)
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    # Phases are exact to 1/8192 pixel, noise of 5 changes by some 5 a pixel and more.
    assert float(np.nanmax(np.abs(found - wanted))) < 5e-3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("degrees", [0.0, 0.4, 37.0, 90.0, 179.7, 180.0])
def test_a_pixel_does_not_depend_on_those_beside_it(method: str, degrees: float) -> None:
    image = np.random.default_rng(5).normal(100.0, 5.0, (90, 150)).astype(np.float32)
    image[30:34, 40:43], image[50, 60] = 5000.0, np.nan
    centre = turned(0.0, -75.0, -45.0)
    by_turn = by(np.linalg.inv(centre) @ turned(degrees, 0.31, -0.77) @ centre)
    for clamping in ("none", "undershoot", "lobes"):
        whole = warp(image, by_turn, interpolation=method, clamping=clamping)
        assert np.isfinite(whole).sum() > 2000
        for columns in (1, 7, 16, 53):
            assert (
                whole.tobytes()
                == warp(image, by_turn, columns=columns, interpolation=method, clamping=clamping).tobytes()
            )


@pytest.mark.parametrize(
    ("method", "worst"),
    [("bilinear", 0.1), ("bicubic", 0.02), ("lanczos3", 0.008), ("lanczos4", 0.004), ("lanczos5", 0.003)],
)
def test_a_smooth_sky_is_found_at_any_place(method: str, worst: float) -> None:
    matrix = turned(11.0, 20.2, -13.7, scale=1.05)
    image = sky((150, 200), 3.5).astype(np.float32)
    found = warp(image, by(matrix), interpolation=method)
    wanted = sky((150, 200), 3.5, matrix=matrix)
    inside = np.isfinite(found)
    assert inside.mean() > 0.6
    assert float(np.abs(found - wanted)[inside].max()) < worst * 10000


def test_flux_is_kept_under_shifts_and_rotations() -> None:
    image = np.zeros((60, 60), np.float32)
    v, u = np.mgrid[:60, :60]
    image += 1000 * np.exp(-((u - 30.3) ** 2 + (v - 29.1) ** 2) / (2 * 1.3**2))
    for matrix in (turned(0.0, 0.5, 0.37), turned(30.0, 19.0, -11.0)):
        found = warp(image + 50, by(matrix, noise=1.0)) - 50
        assert float(np.nansum(found.astype(np.float64))) == pytest.approx(float(image.sum()), rel=2e-4)


def test_a_larger_scale_keeps_surface_brightness() -> None:
    image = np.full((40, 40), 7.5, np.float32)
    found = warp(image, by(turned(0.0, 0.0, 0.0, scale=0.5)), size=(70, 70))
    assert np.allclose(found, 7.5)


def test_clamping_leaves_the_noise_of_the_sky_alone() -> None:
    image = np.random.default_rng(3).normal(1000, 10, (300, 300)).astype(np.float32)
    matrix = turned(1.0, 0.5, 0.37)
    free = warp(image, by(matrix), clamping="none")
    clamped = warp(image, by(matrix, noise=10.0))
    assert 0 < float(np.nanstd(clamped - free)) < 0.01 * float(np.nanstd(free))
    unknown = warp(image, by(matrix))
    assert float(np.nanstd(unknown - free)) < 0.03 * float(np.nanstd(free))
    dark = image - 980
    lobes, free = (warp(dark, by(matrix), clamping=kind) for kind in ("lobes", "none"))
    assert float(np.nanstd(lobes - free)) > 0.05 * float(np.nanstd(free)), "why it is not the default"


def test_clamping_gives_the_background_of_a_stack_no_structure() -> None:
    """A clamp that lifts noise by a phase leaves a moire of the phases; here 20 electrons of noise, 6 frames."""
    rng = np.random.default_rng(7)
    free, clamped = np.zeros((200, 260)), np.zeros((200, 260))
    for at in range(6):
        image = rng.normal(400, 20, (200, 260)).astype(np.float32)
        matrix = turned(0.1 * at - 0.25, 0.3 * at, 0.71 * at)
        free += warp(image, by(matrix), clamping="none") / 6
        clamped += warp(image, by(matrix, noise=20.0)) / 6
    difference = gaussian_filter((clamped - free)[10:-10, 10:-10], 8.0)
    assert float(np.abs(difference).max()) < 0.01


@pytest.mark.parametrize(("fwhm", "most"), [(2.0, 1.02), (2.5, 1.01), (3.0, 1.01)])
def test_a_stack_of_dithered_frames_is_as_sharp_as_one(fwhm: float, most: float) -> None:
    """A Gaussian star at 25 phases of a pixel; its width follows from flux over peak."""
    v, u = np.mgrid[:61, :61].astype(np.float64)
    total = np.zeros((61, 61))
    for dx, dy in np.ndindex(5, 5):
        frame = 1000 * np.exp(-((u - 30 - dx / 5) ** 2 + (v - 30 - dy / 5) ** 2) / (2 * (fwhm / 2.3548) ** 2))
        total += warp(frame.astype(np.float32), by(turned(0.0, dx / 5, dy / 5), noise=1.0)) / 25
    inner = total[15:46, 15:46]
    width = 2.3548 * math.sqrt(float(inner.sum()) / float(total[30, 30]) / (2 * math.pi))
    assert width / fwhm < most


def test_clamping_fills_the_rings_around_bright_undersampled_stars() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 10, (120, 120))
    image = sky((120, 120), 1.4, stars=12) + noise
    matrix = turned(0.0, 0.5, 0.5)
    free = warp(image.astype(np.float32), by(matrix), clamping="none")
    clamped = warp(image.astype(np.float32), by(matrix, noise=10.0))
    assert float(np.nanmin(free)) < 100 - 100
    assert float(np.nanmin(clamped)) > 100 - 60
    core = free > 1000
    assert np.array_equal(clamped[core], free[core])


def test_clamping_by_lobes_is_the_published_formula() -> None:
    image = np.random.default_rng(5).uniform(0, 1, (12, 12)).astype(np.float32) ** 4
    found = warp(image, by(turned(0.0, 0.4, 0.7)), clamping="lobes", clamping_threshold=0.2)

    def lanczos(t: Floats) -> Floats:
        return np.sinc(t) * np.sinc(t / 3)

    k = np.arange(-2, 4)
    # 1638/4096 and 2867/4096 are the phases of the table.
    weight = np.outer(lanczos(2867 / 4096 - k), lanczos(1638 / 4096 - k))
    for v in range(3, 8):
        for u in range(3, 8):
            s = weight * image[v - 2 : v + 4, u - 2 : u + 4].astype(np.float64)
            up, down = s[s > 0].sum(), -s[s < 0].sum()
            w_up, w_down = weight[weight > 0].sum(), -weight[weight < 0].sum()
            r = down / up
            if r >= 1:
                wanted = up / w_up
            else:
                q = (r - 0.2) / 0.8
                keep = 1 - q * q if r > 0.2 else 1.0
                wanted = (up - down * keep) / (w_up - w_down * keep)
            assert found[v, u] == pytest.approx(wanted, abs=2e-6)


def test_missing_samples_stay_missing_and_spread_no_further_than_they_weigh() -> None:
    image = np.random.default_rng(6).normal(100, 5, (30, 30)).astype(np.float32)
    image[15, 12] = np.nan
    image[5, 20] = np.inf
    still = warp(image, by(np.eye(3)))
    assert np.argwhere(np.isnan(still)).tolist() == [[5, 20], [15, 12]]
    moved = warp(image, by(turned(0.0, 0.5, 0.5)), size=(29, 29))
    lost = np.isnan(moved)
    assert lost[14:16, 11:13].all()
    assert lost[4:6, 19:21].all()
    assert not lost[:, :8].any()
    assert lost.sum() < 40
    assert np.isfinite(moved[~lost]).all()
    assert float(np.abs(moved[~lost] - 100).max()) < 30


def test_no_overlap_is_nothing_but_missing() -> None:
    image = np.ones((10, 10), np.float32)
    assert np.isnan(warp(image, by(turned(0.0, 500.0, 0.0)))).all()
    assert np.isnan(warp(image, by(turned(0.0, 0.0, -1e7)))).all()


def test_beyond_the_horizon_of_a_perspective_is_nothing() -> None:
    image = np.random.default_rng(7).normal(100, 5, (40, 40)).astype(np.float32)
    matrix = np.eye(3)
    matrix[2, 0] = -1 / 20
    found = warp(image, by(matrix))
    assert np.isnan(found[:, 20:]).all()
    assert np.isfinite(found[0, :12]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_tiny_images_are_mirrored_about_their_edges(shape: tuple[int, int]) -> None:
    image = np.full(shape, 3.0, np.float32)
    for method in METHODS:
        assert np.allclose(warp(image, by(turned(0.0, 0.3, 0.2)), interpolation=method), 3.0)


def test_what_does_not_fit_is_refused_in_a_sentence() -> None:
    image = Frame(width=20, height=10)
    frames = {"image": image, "reference": image}
    for change, value, told in (
        ({"cfa": "RGGB"}, by(np.eye(3)), "put Debayer before"),
        ({}, {"kind": "none", "why": "too few stars"}, "could not be registered: too few stars"),
        ({}, by(np.eye(3), width=21, height=10), "image of 21x10, this image is 20x10"),
        ({}, by(np.eye(3), reference_width=20, reference_height=9), "reference of 20x9, this reference is 20x10"),
    ):
        with pytest.raises(ParameterError, match=told):
            Warp().frame(Known(frames={**frames, "image": image.with_(**change)}, values={"transform": value}))


def test_an_unregistered_image_may_be_missing_altogether() -> None:
    image = np.ones((2, 10, 10), np.float32)
    found = warp(image, {"kind": "none", "why": "-"}, on_failure="missing")
    assert found.shape == (2, 10, 10)
    assert np.isnan(found).all()


def test_size_and_sky_are_those_of_the_reference() -> None:
    wcs = (("CRPIX1", 5.0, ""),)
    frames = {"image": Frame(width=20, height=10, channels=3, color="rgb", wcs=(("CRPIX1", 1.0, ""),), unit="ADU"),
              "reference": Frame(width=30, height=40, orientation="bottom-up", wcs=wcs)}  # fmt: skip
    out = Warp().frame(Known(frames=frames, values={"transform": by(np.eye(3))}))
    assert (out.width, out.height, out.channels, out.color, out.unit) == (30, 40, 3, "rgb", "ADU")
    assert out.wcs == wcs
    assert out.orientation == "bottom-up"


class FixedTransform(Process, id="docs.fixed_transform"):
    """A transform that is known beforehand."""

    inputs = ()
    outputs = (Port("transform", "transform"),)

    which: str = param(default="bent", doc="bent, or an angle")

    def compute(self, known: Known) -> dict[str, Any]:
        shift = (190.0, 140.0) if self.which == "180" else (30.0, -20.0)
        return bent() if self.which == "bent" else by(turned(float(self.which), *shift))


@pytest.mark.parametrize("which", ["bent", "3", "70", "180"])
def test_strips_do_not_matter_and_no_pixel_of_the_reference_is_read(which: str, tmp_path: Path) -> None:
    image = np.random.default_rng(8).normal(100, 5, (150, 200)).astype(np.float32)
    image[40, 50:53] = np.nan
    fits.PrimaryHDU(image).writeto(tmp_path / "a.fits")

    class Unread(Process, id="docs.unread"):
        """A frame without pixels."""

        inputs = ()

        def frame(self, known: Known) -> Frame:
            return Frame(width=180, height=160)

        def pixels(self, known: Known, *tiles: Any) -> Tile:
            raise AssertionError("a pixel of the reference was read")

    made = []
    for n, samples in enumerate((10**9, 180, 900)):
        g = Graph()
        read = g.add("ReadImage", path=str(tmp_path / "a.fits"))
        fixed = g.add(FixedTransform, which=which)
        out = g.add("Warp", image=read, transform=fixed.output(), reference=g.add(Unread))
        made.append(out.compute(strip_samples=samples, store=Store(tmp_path / str(n)), workers=2))
    assert np.isfinite(made[0]).mean() > 0.1
    assert made[1].tobytes() == made[0].tobytes()
    assert made[2].tobytes() == made[0].tobytes()


def test_two_maps_are_composed_and_pixels_interpolated_once() -> None:
    image = sky((120, 160), 2.5).astype(np.float32)
    first, second = turned(20.0, 30.0, -10.0), turned(-20.0, -5.5, 8.25)
    frames = {"image": Frame(width=160, height=120), "reference": Frame(width=160, height=120)}
    values = {"transform": by(first), "view": by(second)}
    out = Warp().frame(Known(frames=frames, values=values))
    known = Known(frames=frames, values=values, frame=out, box=out.box)
    need = Warp().needs(out.box, "image", known)
    both = Warp().pixels(known, np.ascontiguousarray(image[None, need.y0 : need.y1, need.x0 : need.x1]), None)[0]
    once = warp(image, by(first @ second))
    assert np.allclose(both, once, equal_nan=True, rtol=1e-4)


def test_a_failure_names_the_node(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.full((50, 60), 7, np.int16)).writeto(tmp_path / "flat.fits")
    g = Graph()
    flat = g.add("ReadImage", path=str(tmp_path / "flat.fits"))
    stars = g.add("DetectStars", image=flat).output()
    match = g.add("MatchStars", stars=stars, reference=stars).output()
    out = g.add("Warp", name="onto", image=flat, transform=match, reference=flat)
    with pytest.raises(GraphError, match=r"'onto'.*could not be registered.*the image 0"):
        out.compute()


def test_a_box_needs_no_more_than_its_turned_self() -> None:
    frames = {"image": Frame(width=1000, height=800), "reference": Frame(width=1000, height=800)}
    known = Known(frames=frames, values={"transform": by(turned(0.5, 10.0, 20.0))})
    need = Warp().needs(Box(100, 0, 120, 1000), "image", known)
    assert need.height < 20 + 10 + 2 * 7
    assert Warp().needs(Box(100, 0, 120, 1000), "reference", known).empty
