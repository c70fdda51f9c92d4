"""LocalNormalization against simulated frames whose gradients, transparency and stars are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from scipy.interpolate import make_interp_spline
from scipy.ndimage import median_filter
from scipy.stats import norm

from lerarlink import Graph
from lerarlink.engine.api import Box, Frame, Known, ParameterError
from lerarlink.engine.errors import EngineError
from lerarlink.engine.store import Store
from lerarlink.nodes.integration import _local_cells as cells
from lerarlink.nodes.integration import _local_model as model
from lerarlink.nodes.integration._sliding_median import median_of_windows
from lerarlink.nodes.integration.local_normalization import LocalNormalization

Floats = npt.NDArray[np.float64]
HEIGHT, WIDTH = 500, 700
TRANSPARENCY = 0.7
SIGMA = 8.0
Y, X = np.mgrid[:HEIGHT, :WIDTH].astype(float)


def spots(seed: int, count: int) -> tuple[Floats, Floats]:
    """Return the light of *count* stars of FWHM 3.5 px, and their places."""
    rng = np.random.default_rng(seed)
    light, places = np.zeros((HEIGHT, WIDTH)), rng.uniform((20, 20), (HEIGHT - 20, WIDTH - 20), (count, 2))
    for cy, cx in places:
        part = np.s_[int(cy) - 12 : int(cy) + 13, int(cx) - 12 : int(cx) + 13]
        peak = 10 ** rng.uniform(1.8, 4.0)
        light[part] += peak * np.exp(-((Y[part] - cy) ** 2 + (X[part] - cx) ** 2) / (2 * 1.5**2))
    return light, places


STARS, PLACES = spots(5, 150)
LIGHT = STARS + 500 * np.exp(-((Y - 250) ** 2 + (X - 420) ** 2) / (2 * 60**2))
GRADIENT = 250 * X / WIDTH - 120 * (Y / HEIGHT) ** 2 + 40 * (X / WIDTH) * (Y / HEIGHT)


def noise(seed: int) -> Floats:
    return np.random.default_rng(seed).normal(0, SIGMA, (HEIGHT, WIDTH))


REFERENCE = 500 + LIGHT + noise(1)
IMAGE = 400 + TRANSPARENCY * LIGHT + GRADIENT + noise(2)
# What has to be added to the image over its transparency.
OFFSET = 500 - (400 + GRADIENT) / TRANSPARENCY


def saved(path: Path, pixels: Any, high: float = 65535.0) -> str:
    header = fits.Header([("LERBLO", 0.0), ("LERBHI", high), ("ROWORDER", "TOP-DOWN")])
    fits.PrimaryHDU(np.asarray(pixels, np.float32), header).writeto(path)
    return str(path)


def node(
    folder: Path, image: Any, reference: Any, stars: bool = False, cells_by: dict[str, Any] | None = None, **params: Any
) -> Any:
    """Return LocalNormalization of two images written to *folder*; LocalLevels by *cells_by* tells the reference's."""
    folder.mkdir(exist_ok=True)
    g = Graph()
    feeds = {
        name: g.add("ReadImage", name=name, path=saved(folder / f"{name}.fits", pixels))
        for name, pixels in (("image", image), ("reference", reference))
    }
    if stars:
        feeds |= {
            "stars": g.add("DetectStars", image=feeds["image"]),
            "reference_stars": g.add("DetectStars", image=feeds["reference"]),
        }
    if cells_by is not None:
        feeds["reference_levels"] = g.add("LocalLevels", image=feeds["reference"], **cells_by)
    return g.add("LocalNormalization", **feeds, **params)


def made(n: Any, **options: Any) -> tuple[Floats, dict[str, Any]]:
    """Return the first channel, float64, and the model."""
    return n.output("image").image.compute(**options)[0].astype(np.float64), n.output("model").value()


@pytest.mark.parametrize("stars", [True, False])
def test_gradient_and_transparency_go(tmp_path: Path, stars: bool) -> None:
    out, told = made(node(tmp_path, IMAGE, REFERENCE, stars))
    assert told["kind"] == "local"
    assert told["scale_from"] == ("psf_signal" if stars else "structures")
    assert told["pairs"] >= 30
    assert told["scale"][0] == pytest.approx(1 / TRANSPARENCY, rel=0.005)
    offset = out - told["scale"][0] * IMAGE
    assert np.std(offset - OFFSET) < 0.01 * np.std(OFFSET)
    assert np.abs(offset - OFFSET).max() < 0.02 * np.ptp(OFFSET)


def test_stars_get_the_fluxes_of_the_reference_and_keep_their_ratios(tmp_path: Path) -> None:
    out, _ = made(node(tmp_path, IMAGE, REFERENCE, True))
    apertures = [np.s_[int(y) - 6 : int(y) + 8, int(x) - 6 : int(x) + 8] for y, x in PLACES]
    # The noise is known, so the pixels are compared without it.
    clean = out - (noise(2) / TRANSPARENCY)
    truth = np.array([(500 + LIGHT)[a].sum() for a in apertures]) - 500 * 14 * 14
    found = np.array([clean[a].sum() for a in apertures]) - 500 * 14 * 14
    bright = truth > 20000
    assert bright.sum() > 20
    assert np.abs(found[bright] / truth[bright] - 1).max() < 0.02
    assert np.median(found[bright] / truth[bright]) == pytest.approx(1, abs=0.005)


def test_a_gradient_stays_out_of_ragged_borders(tmp_path: Path) -> None:
    """A turned frame lacks its corners; the model beside them must not flatten out."""
    image = np.where(X + Y < 260, np.nan, IMAGE)
    image[:, -90:] = np.nan
    out, told = made(node(tmp_path, image, REFERENCE, True))
    assert np.array_equal(np.isnan(out), np.isnan(image))
    offset = out - told["scale"][0] * image
    assert np.nanmax(np.abs(offset - OFFSET)) < 0.02 * np.ptp(OFFSET)


def test_holes_stay_holes_and_missing_samples_missing(tmp_path: Path) -> None:
    image = IMAGE.copy()
    image[100:103, 50:60] = 0.0
    image[200, 300] = np.nan
    out, _ = made(node(tmp_path, image, REFERENCE, truncate=False))
    assert np.array_equal(out == 0.0, image == 0.0)
    assert np.argwhere(np.isnan(out)).tolist() == [[200, 300]]


def test_a_nebula_is_not_taken_for_a_gradient(tmp_path: Path) -> None:
    """Even at a scale well below the nebula's size: what both images show leaves no trace in the offset."""
    out, told = made(node(tmp_path, IMAGE, REFERENCE, True, scale=64))
    difference = (out - told["scale"][0] * IMAGE - OFFSET)[200:300, 370:470]
    assert abs(difference.mean()) < 0.004 * 500


def test_a_satellite_does_not_pull_the_offset(tmp_path: Path) -> None:
    trail = np.where(np.abs(Y - 0.6 * X - 50) < 9, 3000.0, 0.0)
    errors = []
    for name, rejection in (("on", True), ("off", False)):
        folder = tmp_path / name
        folder.mkdir()
        out, told = made(node(folder, IMAGE + trail, REFERENCE, True, rejection=rejection, scale=64))
        errors.append(np.abs(out - told["scale"][0] * (IMAGE + trail) - OFFSET).max())
    assert errors[0] < 0.02 * np.ptp(OFFSET)
    assert errors[0] < 0.3 * errors[1]


def test_small_scales_follow_bumps_that_large_scales_leave(tmp_path: Path) -> None:
    bumps = 60 * np.sin(2 * np.pi * X / 350)
    left = {}
    for scale in (64, 1024):
        folder = tmp_path / str(scale)
        folder.mkdir()
        out, told = made(node(folder, IMAGE + bumps, REFERENCE, scale=scale))
        left[scale] = np.std(out - told["scale"][0] * (IMAGE + bumps) - (OFFSET - bumps / TRANSPARENCY))
    before = np.std(bumps / TRANSPARENCY)
    assert left[64] < 0.1 * before
    assert left[1024] > 0.5 * before


def test_no_scale_keeps_the_light_and_global_takes_one_offset(tmp_path: Path) -> None:
    out, told = made(node(tmp_path, IMAGE, REFERENCE, no_scale=True, global_location_normalization=True))
    assert (told["kind"], told["scale"], told["scale_from"]) == ("global", [1.0], "no_scale")
    assert np.ptp(out - IMAGE) < 0.01
    assert np.median(out) == pytest.approx(np.median(REFERENCE), abs=3.0)


def test_bounds_of_another_extent_are_taken_over(tmp_path: Path) -> None:
    """A reference in 0..1 and an image in ADU: the result is what the reference would be."""
    g = Graph()
    image = g.add("ReadImage", name="image", path=saved(tmp_path / "i.fits", IMAGE))
    reference = g.add("ReadImage", name="reference", path=saved(tmp_path / "r.fits", REFERENCE / 65535, 1.0))
    n = g.add("LocalNormalization", image=image, reference=reference)
    out, told = made(n)
    assert n.output("image").image.frame.bounds == (0.0, 1.0)
    assert told["scale"][0] * 65535 == pytest.approx(1 / TRANSPARENCY, rel=0.005)
    assert np.median(out * 65535) == pytest.approx(np.median(REFERENCE), abs=3.0)


def test_strips_do_not_matter_at_all(tmp_path: Path) -> None:
    n = node(tmp_path, IMAGE, REFERENCE)
    whole = n.output("image").image.compute(strip_samples=10**9, store=Store(tmp_path / "a"))
    thin = n.output("image").image.compute(strip_samples=WIDTH * 3, workers=3, store=Store(tmp_path / "b"))
    assert whole.tobytes() == thin.tobytes()


def test_an_image_that_cannot_be_normalised_is_told_or_left_missing(tmp_path: Path) -> None:
    flat = 500 + noise(3)
    with pytest.raises(EngineError, match="nothing stands out of the sky in both images"):
        node(tmp_path, flat, REFERENCE).output("model").value()
    other, dark = tmp_path / "b", tmp_path / "c"
    other.mkdir()
    dark.mkdir()
    with pytest.raises(EngineError, match="between low_clipping_level and high_clipping_level"):
        node(dark, IMAGE - 5000, REFERENCE).output("model").value()
    out, told = made(node(other, flat, REFERENCE, on_failure="missing"))
    assert told["kind"] == "none"
    assert np.isnan(out).all()


def test_an_image_whose_scale_cannot_be_told_may_take_offsets_alone(tmp_path: Path) -> None:
    flat = 1.5 * noise(3) - 2.0
    out, told = made(node(tmp_path, flat, REFERENCE, on_failure="no_scale", low_clipping_level=-1.0))
    assert (told["scale"], told["scale_from"]) == ([1.0], "no_scale")
    assert "nothing stands out" in told["why"]
    assert abs(np.median(out - flat) - np.median(REFERENCE - flat)) < 10.0


def test_an_image_without_samples_stays_one(tmp_path: Path) -> None:
    out, told = made(node(tmp_path, np.full_like(IMAGE, np.nan), REFERENCE))
    assert "the image has no samples" in told["why"]
    assert np.isnan(out).all()


def test_misfitting_inputs_are_refused() -> None:
    frames = {"image": Frame(width=40, height=30), "reference": Frame(width=41, height=30)}
    with pytest.raises(ParameterError, match="of one size, got 40x30 and 41x30"):
        LocalNormalization().frame(Known(frames=frames))
    mosaic = Frame(width=40, height=30, cfa="RGGB")
    with pytest.raises(ParameterError, match="mosaic"):
        LocalNormalization().frame(Known(frames={"image": mosaic, "reference": mosaic}))
    gray = {"image": frames["image"], "reference": frames["image"]}
    with pytest.raises(ParameterError, match="both 'stars' and 'reference_stars'"):
        LocalNormalization().frame(Known(frames=gray, values={"stars": None}))
    with pytest.raises(ParameterError, match="background_sampling_delta must not exceed scale"):
        LocalNormalization(scale=32, background_sampling_delta=64)


# -- the parts ----------------------------------------------------------------------------------------


def test_every_cell_belongs_to_one_tile_whatever_the_tiles() -> None:
    grid = cells.Cells.of(103, 71, 32)
    assert (grid.rows, grid.columns) == (4, 3)
    for step in (1, 7, 40, 200):
        spans = [grid.starting_in(Box(y, 0, min(103, y + step), 71)) for y in range(0, 103, step)]
        assert [i for first, last in spans for i in range(first, last)] == [0, 1, 2, 3]
        boxes = [grid.pixels(*span) for span in spans if span[0] < span[1]]
        assert sum(b.height for b in boxes) == 103


def test_cells_tell_the_clipped_median_of_every_second_rows_samples_within_the_limits() -> None:
    plane = np.random.default_rng(0).normal(100, 5, (64, 64)).astype(np.float32)
    plane[3, :] = np.nan
    plane[10:14, 10:14] = 5000
    plane[40:44, 8:20] = 160
    grid = cells.Cells.of(64, 64, 32)
    found = cells.levels(plane, 0.0, 1000.0, *grid.edges(0, 2))
    for i, j in np.ndindex(2, 2):
        block = plane[32 * i : 32 * i + 32 : 2, 32 * j : 32 * j + 32].astype(float)
        good = block[(block >= 0) & (block <= 1000)]
        sigma = 1.4826 * np.median(np.abs(good - np.median(good)))
        kept = good
        for _ in range(2):
            kept = kept[np.abs(kept - np.median(kept)) <= 2.5 * sigma]
        assert found[cells.LEVEL, i, j] == pytest.approx(np.median(kept), rel=1e-6)
        assert found[cells.NOISE, i, j] == pytest.approx(sigma, rel=1e-5)
        assert found[cells.SHARE, i, j] == good.size / 512


def test_the_spline_is_the_bicubic_one_through_the_cells() -> None:
    rng = np.random.default_rng(3)
    grid = rng.normal(0, 1, (9, 11))
    step, size = 8.0, (72, 88)
    rows, columns = model.weights(0, size[0], step), model.weights(0, size[1], step)
    out = np.empty(size, np.float32)
    numbers = np.array([0.0, -1.0, 0.0, -np.inf, np.inf])
    model.normalise(np.ones(size, np.float32), out, model.spline(grid), *rows, *columns, numbers)
    padded = np.pad(grid, 2, mode="reflect", reflect_type="odd")
    y, x = ((np.arange(n) + 0.5) / step - 0.5 + 2 for n in size)
    truth = make_interp_spline(np.arange(13), padded, k=3, axis=0)(y)
    truth = make_interp_spline(np.arange(15), truth, k=3, axis=1)(x)
    # The other library ends its spline differently; inside, both are the same curve.
    assert np.abs(out - truth)[24:-24, 24:-24].max() < 0.01
    coefficients = model.spline(grid)
    nodes = (coefficients[1:-1, :] * 4 + coefficients[:-2, :] + coefficients[2:, :]) / 6
    nodes = (nodes[:, 1:-1] * 4 + nodes[:, :-2] + nodes[:, 2:]) / 6
    assert np.allclose(nodes, padded[1:-1, 1:-1], atol=1e-12)


def test_weights_of_the_spline_sum_to_one() -> None:
    at, taps = model.weights(0, 100, 7.3)
    assert np.allclose(taps.sum(axis=1), 1, atol=1e-15)
    assert at.min() >= 0
    assert at.max() + 4 <= 14 + 2 * model.PAD


@pytest.mark.parametrize("outliers", [0, 30])
def test_the_clipped_mean_is_that_of_the_many(outliers: int) -> None:
    rng = np.random.default_rng(8)
    x = np.concatenate([rng.normal(1.4, 0.02, 200), rng.uniform(2, 9, outliers)])
    assert model.clipped_mean(x) == pytest.approx(1.4, abs=0.006)
    assert model.clipped_mean(np.array([2.0, 2.0, 2.0, 7.0])) == 2.0


def test_chauvenet_keeps_what_is_to_be_expected() -> None:
    x = norm.ppf((np.arange(100) + 0.5) / 100) + 10
    assert model.clipped_mean(x) == pytest.approx(x.mean(), abs=1e-12)


@pytest.mark.parametrize("scale", [40.0, 256.0])
def test_scales_as_wide_as_the_image_leave_the_trend(scale: float) -> None:
    y, x = np.mgrid[:90, :120].astype(float)
    slope = 2 * x + y
    bump = 100 * np.exp(-((y - 40) ** 2 + (x - 60) ** 2) / 18)
    assert np.abs(model.large_scale(slope + bump, np.ones(slope.shape, bool), scale) - slope).max() < 0.02


def test_large_scale_structures_keep_slopes_to_the_very_edge() -> None:
    y, x = np.mgrid[:30, :40].astype(float)
    slope = 3 * x - 2 * y + 0.05 * x * x
    spots_ = slope.copy()
    spots_[10:13, 20:23] += 500
    valid = np.ones(slope.shape, bool)
    valid[:8, :8] = False
    assert np.abs(model.large_scale(spots_, valid, 16.0) - slope).max() < 1e-6


@pytest.mark.parametrize("shape", [(96, 128), (5, 7), (1, 30), (33, 2)])
@pytest.mark.parametrize("size", [3, 9, 33])
def test_medians_of_windows_are_scipys(shape: tuple[int, int], size: int) -> None:
    grid = np.random.default_rng(size).normal(size=shape)
    grid[0] = 3.0  # equal values
    window = min(size, 2 * shape[0] + 1), min(size, 2 * shape[1] + 1)
    np.testing.assert_array_equal(median_of_windows(grid, window), median_filter(grid, window, mode="reflect"))


@pytest.mark.parametrize("stars", [True, False])
def test_cells_of_the_reference_measured_once_give_the_same(tmp_path: Path, stars: bool) -> None:
    plain, told = made(node(tmp_path / "plain", IMAGE, REFERENCE, stars))
    again, told_again = made(node(tmp_path / "linked", IMAGE, REFERENCE, stars, cells_by={}))
    np.testing.assert_array_equal(plain, again)
    assert told_again["scale"] == told["scale"] and told_again["pairs"] == told["pairs"]


def test_cells_asked_otherwise_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"'reference_levels' must be those of the reference.*wanted \[32.*got \[16"):
        made(node(tmp_path, IMAGE, REFERENCE, cells_by={"background_sampling_delta": 16}))
