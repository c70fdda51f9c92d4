"""DetectStars against simulated truth, and on real frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial import cKDTree

from lerarlink import Graph
from lerarlink.engine.api import Frame, Known, ParameterError
from lerarlink.engine.region import measure_tile_rows, strips
from lerarlink.nodes.registration._detection import field_of as prepare
from lerarlink.nodes.registration._detection import gain_of, maxima
from lerarlink.nodes.registration.detect_stars import DetectStars

SKY, NOISE = 1000.0, 10.0
Floats = npt.NDArray[np.float64]


def moffat(shape: tuple[int, int], stars: Floats, fwhm: float, beta: float = 3.5, ba: float = 1.0) -> Floats:
    """Return stars (rows of x, y, flux) integrated over pixels (5 x 5 points each); *ba* is short over long axis."""
    image = np.zeros(shape)
    s = fwhm / (2.0 * np.sqrt(2.0 ** (1.0 / beta) - 1.0))
    sx, sy = s / np.sqrt(ba), s * np.sqrt(ba)
    offsets = (np.arange(5) - 2) / 5
    for x, y, flux in stars:
        x0, x1 = max(0, int(x) - 24), min(shape[1], int(x) + 25)
        y0, y1 = max(0, int(y) - 24), min(shape[0], int(y) + 25)
        dx = (np.arange(x0, x1)[:, None] + offsets - x).ravel()[None, :]
        dy = (np.arange(y0, y1)[:, None] + offsets - y).ravel()[:, None]
        p = (beta - 1) / (np.pi * sx * sy) * (1 + (dx / sx) ** 2 + (dy / sy) ** 2) ** -beta
        image[y0:y1, x0:x1] += flux * p.reshape(y1 - y0, 5, x1 - x0, 5).mean(axis=(1, 3))
    return image


def grid(rows: int, columns: int, spacing: float, flux: float, seed: int) -> Floats:
    """Return isolated stars at random sub-pixel places."""
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[:rows, :columns] + 1.0).reshape(2, -1) * spacing + rng.uniform(-2, 2, (2, rows * columns))
    return np.column_stack([x, y, np.full(x.size, flux)])


def noisy(image: Floats, seed: int = 0) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (SKY + image + rng.normal(0, NOISE, image.shape)).astype(np.float32)


def detect(image: Any, **params: Any) -> dict[str, Any]:
    """Run the process tile by tile, as the engine does."""
    cfa = params.pop("cfa", None)
    tile = image[None] if image.ndim == 2 else image
    channels, height, width = tile.shape
    process = DetectStars(**params)
    color: Any = "rgb" if channels == 3 else "gray"
    frame = Frame(width=width, height=height, channels=channels, color=color, bounds=(0.0, 65535.0), cfa=cfa)

    def one_pass(state: Any) -> Any:
        partial: Any = None
        for box in strips(frame.box, measure_tile_rows(width)):
            known = Known(frames={"image": frame}, box=box, port="", state=state)
            b = process.needs(box, "image", known)
            part = process.measure(known, tile[:, b.y0 : b.y1, b.x0 : b.x1])
            partial = part if partial is None else process.merge(partial, part)
        return process.finish(partial, Known(frames={"image": frame}, state=state))

    found = one_pass(None)
    while not isinstance(found, dict):
        found = one_pass(found.state)
    return found


def column(stars: dict[str, Any], name: str) -> Floats:
    found: Floats = stars["table"][:, stars["columns"].index(name)]
    return found


def matched(stars: dict[str, Any], truth: Floats, within: float = 1.0) -> tuple[Any, Any]:
    """Return rows of the list and of the truth that belong together."""
    distance, at = cKDTree(stars["table"][:, :2]).query(truth[:, :2], distance_upper_bound=within)
    ok = np.isfinite(distance)
    return at[ok], np.flatnonzero(ok)


def test_centroids_at_snr_100_reach_two_hundredths_of_a_pixel() -> None:
    truth = grid(16, 16, 30, 7500.0, 1)
    stars = detect(noisy(moffat((520, 520), truth, 3.0)))
    at, of = matched(stars, truth)
    assert len(of) == len(truth)
    assert 90 < np.median(column(stars, "snr")[at]) < 130
    error = stars["table"][at, :2] - truth[of, :2]
    assert np.sqrt((error**2).mean()) < 0.02
    assert abs(error.mean(axis=0)).max() < 0.003


def test_all_stars_are_found_and_nothing_else() -> None:
    truth = grid(16, 16, 30, 3000.0, 2)
    stars = detect(noisy(moffat((520, 520), truth, 2.5)))
    assert len(matched(stars, truth)[1]) == len(truth)
    assert len(stars["table"]) <= len(truth) + 1


def test_the_brightest_are_kept_and_all_are_counted() -> None:
    truth = grid(8, 8, 30, 3000.0, 4)
    truth[:, 2] *= np.linspace(1.0, 5.0, len(truth))
    image = noisy(moffat((290, 290), truth, 2.5))
    every, few = detect(image), detect(image, max_stars=10)
    assert every["found"] == few["found"] == len(every["table"]) == 64
    np.testing.assert_array_equal(few["table"], every["table"][:10])


def test_numbers_have_no_digits_below_their_noise() -> None:
    stars = detect(noisy(moffat((290, 290), grid(8, 8, 30, 3000.0, 4), 2.5)))
    places = stars["table"][:, :2] * 2**14
    assert (places == np.rint(places)).all()
    mantissa, _ = np.frexp(stars["table"][:, 2:])
    assert (mantissa * 2**16 == np.rint(mantissa * 2**16)).all()


def test_the_place_of_a_pixels_centre_is_a_whole_number() -> None:
    truth = np.array([[40.0, 30.0, 50000.0]])
    stars = detect(noisy(moffat((64, 80), truth, 3.0)))
    assert stars["table"][0, :2] == pytest.approx([40.0, 30.0], abs=0.01)


def test_the_list_is_sorted_by_falling_flux() -> None:
    truth = grid(8, 8, 30, 1.0, 3)
    truth[:, 2] = np.geomspace(3000, 300000, len(truth))
    stars = detect(noisy(moffat((280, 280), truth, 3.0)))
    assert (np.diff(column(stars, "flux")) <= 0).all()
    at, of = matched(stars, truth)
    ratio = column(stars, "flux")[at] / truth[of, 2]
    # The matched Gaussian misses the same part of a Moffat's wings whatever the flux.
    assert np.std(ratio[truth[of, 2] > 20000]) < 0.01
    assert 0.85 < np.median(ratio) < 0.95


@pytest.mark.parametrize("fwhm", [2.0, 3.0, 5.0])
def test_widths_of_gaussians_are_theirs(fwhm: float) -> None:
    truth = grid(6, 6, 45, 60000.0, 4)
    y, x = np.mgrid[:320, :320]
    s = fwhm / 2.35482
    image = sum(f / (2 * np.pi * s * s) * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * s * s)) for a, b, f in truth)
    stars = detect(noisy(np.asarray(image)))
    assert stars["fwhm"] == pytest.approx(fwhm, rel=0.01)
    assert np.median(column(stars, "flux")) == pytest.approx(60000, rel=0.01)


def test_long_stars_tell_how_long_and_whither() -> None:
    truth = grid(8, 8, 35, 60000.0, 5)
    image = noisy(moffat((320, 320), truth, 3.5, ba=0.6))
    for picture, direction in ((image, 0.0), (np.ascontiguousarray(image.T), 90.0)):
        stars = detect(picture)
        assert stars["eccentricity"] == pytest.approx(0.8, abs=0.03)
        turned = (column(stars, "theta") - direction + 90.0) % 180.0 - 90.0
        assert abs(np.median(turned)) < 1.0


def test_each_star_is_found_once_wherever_the_tiles_meet() -> None:
    # Stars stand on every row of two borders of tiles, whole and half.
    columns = 8300
    assert measure_tile_rows(columns) == 63
    x = 40.0 + 40.0 * np.arange(60)
    y = np.where(np.arange(60) % 2, 63.0, 126.0) + np.linspace(-3, 3, 60)
    truth = np.column_stack([x, y, np.full(60, 20000.0)])
    image = noisy(moffat((190, columns), truth, 3.0))
    stars = detect(image, threshold=7.0)
    _at, of = matched(stars, truth)
    assert len(stars["table"]) == len(of) == 60
    whole = prepare(image, (0, 190), 1.0, 0.0, 65535.0)
    assert len(maxima(whole, (0, 190), 7.0, True)) == 60


def test_hot_pixels_are_no_stars_and_do_not_pull_them() -> None:
    truth = grid(6, 6, 45, 20000.0, 6)
    image = noisy(moffat((320, 320), truth, 2.5))
    rng = np.random.default_rng(7)
    hot = rng.integers(8, 312, (400, 2))
    image[hot[:, 0], hot[:, 1]] += 3000
    near = np.add(truth[:4, :2].round(), (6, 3)).astype(int)
    image[near[:, 1], near[:, 0]] += 8000
    stars = detect(image)
    _at, of = matched(stars, truth, 0.3)
    assert len(of) >= 34
    assert len(stars["table"]) <= len(truth) + 8
    assert len(detect(image, hot_pixel_filter=False)["table"]) > 150


def test_close_pairs_are_parted_and_flagged() -> None:
    truth = np.array([[50.0, 50.0, 50000.0], [56.0, 52.0, 20000.0], [120.0, 60.0, 40000.0]])
    stars = detect(noisy(moffat((128, 170), truth, 3.0)))
    at, of = matched(stars, truth)
    assert list(of) == [0, 1, 2]
    assert list(column(stars, "flags")[at].astype(int) & 4) == [4, 4, 0]


def test_noise_on_the_slope_of_a_bright_star_is_no_star() -> None:
    rng = np.random.default_rng(8)
    clean = SKY + moffat((200, 200), np.array([[100.3, 99.6, 1.5e6]]), 5.0)
    image = rng.poisson(clean).astype(np.float32)
    assert len(detect(image)["table"]) == 1


def test_saturated_stars_are_one_star_and_flagged() -> None:
    truth = np.array([[60.0, 50.0, 3e6], [140.0, 60.0, 30000.0], [60.0, 140.0, 4e5]])
    image = np.minimum(noisy(moffat((200, 200), truth, 4.0)), 65535)
    image[120:160] = np.minimum(image[120:160], 15000)  # a top cut off below the range, as after calibration
    stars = detect(image)
    at, of = matched(stars, truth, 1.5)
    assert len(stars["table"]) == len(of) == 3
    assert list(column(stars, "flags")[at].astype(int) & 1) == [1, 0, 1]
    assert len(detect(image, upper_limit=0.9)["table"]) == 2


def test_stars_at_the_edge_and_by_missing_samples_are_flagged() -> None:
    truth = np.array([[2.0, 80.0, 50000.0], [80.0, 157.0, 50000.0], [80.0, 80.0, 50000.0], [120.0, 40.0, 50000.0]])
    image = noisy(moffat((160, 160), truth, 3.0))
    image[82, 81] = np.nan
    stars = detect(image)
    at, _ = matched(stars, truth, 1.0)
    assert list(column(stars, "flags")[at].astype(int) & (2 | 8)) == [2, 2, 8, 0]
    assert np.isfinite(stars["table"]).all()


@pytest.mark.parametrize(
    "there",
    [np.s_[:, :300], np.s_[150:, :], np.s_[100:300, 200:500]],
    ids=["the left half", "the lower part", "an inner box"],
)
def test_missing_borders_change_neither_noise_nor_background(there: Any) -> None:
    image = noisy(moffat((400, 600), grid(10, 15, 36, 30000.0, 9), 3.0))
    cut = np.full_like(image, np.nan)
    cut[there] = image[there]
    whole, part = detect(image), detect(cut)
    assert part["noise"] == pytest.approx(whole["noise"], rel=0.15)
    assert part["background"] == pytest.approx(SKY, abs=1.0)
    y, x = (np.rint(column(part, name)).astype(int) for name in ("y", "x"))
    assert np.isfinite(cut[y, x]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_of_missing_samples_has_no_stars_and_no_figures(value: float) -> None:
    stars = detect(np.full((300, 200), value, np.float32))
    assert stars["table"].shape == (0, 10)
    assert all(np.isnan(stars[name]) for name in ("noise", "background", "fwhm", "eccentricity"))


def test_a_saturated_image_has_no_stars() -> None:
    assert not len(detect(np.full((300, 200), 65535.0, np.float32))["table"])


def test_a_lower_threshold_does_not_hide_broad_faint_stars_behind_noise() -> None:
    """At 3.5 sigma the sharp search finds hundreds of maxima of noise; the stars are still those of the broad one."""
    truth = grid(4, 6, 80, 4500.0, 3)
    image = noisy(moffat((400, 560), truth, 8.0))
    for threshold in (5.0, 3.5):
        at, _ = matched(detect(image, threshold=threshold), truth, 2.0)
        assert len(at) >= 0.9 * len(truth), threshold


def test_background_and_noise_are_those_of_the_sky() -> None:
    y, x = np.mgrid[:400, :600]
    slope = 0.5 * x + 0.2 * y
    truth = grid(10, 15, 36, 30000.0, 9)
    stars = detect(noisy(slope + moffat((400, 600), truth, 3.0)))
    assert stars["noise"] == pytest.approx(NOISE, rel=0.2)
    at, of = matched(stars, truth)
    level = SKY + 0.5 * truth[of, 0] + 0.2 * truth[of, 1]
    assert np.median(np.abs(column(stars, "background")[at] - level)) < 3.0
    assert len(of) == len(truth)


def test_snr_is_that_of_a_matched_window() -> None:
    truth = grid(12, 12, 30, 10000.0, 10)
    stars = detect(noisy(moffat((400, 400), truth, 3.0)))
    at, _ = matched(stars, truth)
    # Under a Gaussian window matched to a Gaussian star the error of the flux is noise * sqrt(4 pi) * s.
    expected = column(stars, "flux")[at] / (stars["noise"] * np.sqrt(4 * np.pi) * column(stars, "fwhm")[at] / 2.35482)
    assert np.median(column(stars, "snr")[at] / expected) == pytest.approx(1.0, rel=0.1)


def test_colour_images_are_searched_on_the_mean_of_their_channels() -> None:
    truth = grid(6, 6, 40, 20000.0, 11)
    clean = moffat((280, 280), truth, 3.0)
    image = np.stack([noisy(clean * k, i) for i, k in enumerate((0.5, 1.0, 1.5))])
    stars = detect(image)
    _at, of = matched(stars, truth, 0.2)
    assert len(of) == len(truth) == len(stars["table"])
    assert stars["noise"] == pytest.approx(NOISE / np.sqrt(3), rel=0.15)


@pytest.mark.parametrize("gains", [(0.5, 1.0, 1.0, 0.9), (1.0, 0.05, 0.05, 0.02)])
def test_mosaics_give_places_of_the_full_grid_whatever_the_colour(gains: tuple[float, ...]) -> None:
    truth = grid(9, 9, 40, 80000.0, 12)
    clean = moffat((400, 400), truth, 3.5) + 300
    for i, k in enumerate(gains):
        clean[i // 2 :: 2, i % 2 :: 2] *= k
    stars = detect(noisy(clean), cfa="RGGB")
    at, of = matched(stars, truth, 0.5)
    assert len(of) == len(truth) == len(stars["table"])
    error = stars["table"][at, :2] - truth[of, :2]
    assert abs(error.mean(axis=0)).max() < 0.02
    assert np.sqrt((error**2).mean()) < 0.06
    if gains[1] == 1.0:
        assert stars["fwhm"] == pytest.approx(3.5 * 1.14, rel=0.05)  # of a Moffat the matched Gaussian is wider


def test_other_mosaics_are_refused() -> None:
    with pytest.raises(ParameterError, match="debayer"):
        detect(np.zeros((36, 36), np.float32), cfa="GBGGRGRGRBGBGBGGRGGRGGBGBGBRGRGRGGBG")


@pytest.mark.parametrize("value", [0.0, 777.0, np.nan])
def test_pictures_without_anything_have_no_stars(value: float) -> None:
    stars = detect(np.full((50, 70), value, np.float32))
    assert stars["table"].shape == (0, 10)
    assert np.isnan(stars["fwhm"])


def test_noise_alone_shows_hardly_a_star() -> None:
    assert len(detect(noisy(np.zeros((1000, 1000))))["table"]) <= 6


def test_broad_faint_stars_are_found_in_a_second_pass() -> None:
    truth = grid(4, 6, 60, 1500.0, 13)
    image = noisy(moffat((300, 420), truth, 9.0))
    automatic, sharp = detect(image), detect(image, smoothing=1.0)
    assert len(matched(automatic, truth, 3.0)[1]) >= 18
    assert len(matched(automatic, truth, 3.0)[1]) > len(matched(sharp, truth, 3.0)[1])


def test_the_gain_of_smoothing_is_that_measured_on_noise() -> None:
    noise = np.random.default_rng(14).normal(0, 1, (300, 300)).astype(np.float32)
    field = prepare(noise, (0, 300), 1.5, 0.0, 1.0)
    assert 1.0 / field.smooth[10:-10, 10:-10].std() == pytest.approx(gain_of(1.5), rel=0.03)


def test_smoothing_between_zero_and_a_half_is_refused() -> None:
    with pytest.raises(ParameterError, match="at least"):
        DetectStars(smoothing=0.3)


def found_in(path: Path) -> dict[str, Any]:
    g = Graph()
    value = g.add("DetectStars", image=g.add("ReadImage", path=str(path))).output().value()
    assert isinstance(value, dict)
    return value


def test_between_frames_of_hatp32_stars_move_with_the_sky_and_not_with_the_detector(
    real_data: Callable[[str], Path],
) -> None:
    first, second = (
        found_in(real_data(f"hatp32-microobservatory/HATP-32171220{t}.fits.fz")) for t in ("043912", "042412")
    )
    moved = first["table"].copy()
    moved[:, :2] += (13.2, 1.8)
    assert len(matched(second, moved, 1.5)[1]) > 0.85 * len(moved)
    # Chance alone brings this many together; hot pixels would stay where they are.
    assert len(matched(second, first["table"], 1.5)[1]) < 0.06 * len(moved)


def test_a_raw_one_shot_colour_frame_shows_its_stars(real_data: Callable[[str], Path]) -> None:
    stars = found_in(real_data("seestar-m94/night1_Light_M94_10.0s_IRCUT_20250326-212629.fits.fz"))
    assert len(stars["table"]) > 60
    assert 2.0 < stars["fwhm"] < 4.5
    good = column(stars, "flags") == 0
    assert good.mean() > 0.8
