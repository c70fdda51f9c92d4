"""Calibration of simulated frames whose truth is known, and of a real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.errors import EngineError, GraphError, ParameterError
from lerarlink.engine.graph import Graph

HEIGHT, WIDTH = 61, 83
ADU = {"bounds": (0.0, 65535.0), "unit": "ADU"}
RNG = np.random.default_rng(12)
Y, X = np.mgrid[:HEIGHT, :WIDTH]
BIAS = 1000 + 5 * np.sin(X / 9.0)
DARK = 20 + RNG.exponential(30, (HEIGHT, WIDTH)) + 3000 * (RNG.random((HEIGHT, WIDTH)) < 0.02)
VIGNETTE = 1.1 - 0.4 * (((X - 40) / 80) ** 2 + ((Y - 30) / 80) ** 2)
SCENE = 400 + 20000 * np.exp(-((X - 50) ** 2 + (Y - 20) ** 2) / 8.0)


def trimmed_mean(x: np.ndarray, share: float = 0.05) -> float:
    x = np.sort(x.ravel().astype(np.float64))
    trim = max(1, int(share * x.size))
    return float(x[trim : x.size - trim].mean())


def light(k: float = 1.0) -> np.ndarray:
    return SCENE * VIGNETTE + k * DARK + BIAS


def calibrated(given: Any, images: dict[str, Any], **options: Any) -> tuple[np.ndarray, dict[str, Any], Any]:
    """Images by port: an array, or an array and words of its frame."""
    g = Graph()
    feeds = {}
    for name, image in images.items():
        pixels, words = image if isinstance(image, tuple) else (image, {})
        feeds[name] = given(g, pixels, **{**ADU, **words})
    node = g.add("ImageCalibration", **feeds, **options)
    got = node.compute()
    assert np.array_equal(got, node.compute(strip_samples=3 * WIDTH), equal_nan=True)
    return got, node.value("measures"), node


def test_truth_is_recovered_with_prepared_masters(given: Any) -> None:
    images = {"image": light(), "bias": BIAS, "dark": DARK, "flat": VIGNETTE * 30000}
    got, told, node = calibrated(given, images, optimize_darks=False)
    scale = trimmed_mean(VIGNETTE)
    np.testing.assert_allclose(got[0], SCENE * scale, rtol=2e-6, atol=0.01)
    assert told["k"] == [1.0]
    np.testing.assert_allclose(told["flat_scale"], [scale * 30000], rtol=1e-6)
    frame = node.image.frame
    assert (frame.bounds, frame.unit, frame.state) == ((0.0, 65535.0), "ADU", "linear")


def test_truth_is_recovered_with_raw_masters(given: Any) -> None:
    images = {"image": light(), "bias": BIAS, "dark": DARK + BIAS, "flat": VIGNETTE * 30000 + DARK + BIAS}
    options = {"calibrate_dark": True, "calibrate_flat": True, "optimize_darks": False}
    got, _, _ = calibrated(given, images, **options)
    np.testing.assert_allclose(got[0], SCENE * trimmed_mean(VIGNETTE), rtol=3e-6, atol=0.01)


@pytest.mark.parametrize("k", [0.0, 0.37, 1.0, 2.5])
def test_the_dark_scale_of_a_flat_scene_is_found(given: Any, k: float) -> None:
    noise = RNG.normal(0, 2, (HEIGHT, WIDTH))
    images = {"image": 500 + k * DARK + BIAS + noise, "bias": BIAS, "dark": DARK + BIAS}
    got, told, _ = calibrated(given, images, calibrate_dark=True)
    assert told["k"][0] == pytest.approx(k, abs=0.01)
    np.testing.assert_allclose(got[0], 500 + noise + (k - told["k"][0]) * DARK, atol=0.02)


def test_no_other_dark_scale_leaves_a_smaller_deviation(given: Any) -> None:
    t, d = light(0.8).astype(np.float32).astype(float), DARK.astype(np.float32).astype(float)
    _, told, _ = calibrated(given, {"image": t, "bias": BIAS, "dark": d})
    threshold = np.median(d) + 3 * 1.4826 * np.median(np.abs(d - np.median(d)))
    hot = d >= threshold
    (k,) = told["k"]
    best = (t - k * d)[hot].std()
    assert all((t - other * d)[hot].std() > best for other in (k - 1e-3, k + 1e-3, 0.0, 2 * k))


def test_a_dark_that_anticorrelates_is_not_added(given: Any) -> None:
    _, told, _ = calibrated(given, {"image": 9000 - DARK, "dark": DARK})
    assert told["k"] == [0.0]


def test_raw_flats_have_a_dark_scale_of_their_own(given: Any) -> None:
    flat = VIGNETTE * 300 + 0.1 * DARK + BIAS
    images = {"image": light(1.5), "bias": BIAS, "dark": DARK, "flat": flat}
    _, told, _ = calibrated(given, images, calibrate_flat=True)
    assert told["flat_k"][0] == pytest.approx(0.1, abs=0.03)
    assert told["k"][0] == pytest.approx(1.5, abs=0.6)  # the star lies on some hot pixels


# -- mosaics ------------------------------------------------------------------------------------------

GAINS = {"R": 0.5, "G": 1.0, "B": 0.7}


def mosaic(pattern: str) -> np.ndarray:
    side = 2 if len(pattern) == 4 else 6
    letters = np.array(list(pattern)).reshape(side, side)[Y % side, X % side]
    return np.vectorize(GAINS.get)(letters).astype(float)


XTRANS = "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG"


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG", XTRANS])
def test_each_filter_colour_of_a_flat_has_its_scale(given: Any, pattern: str) -> None:
    gains = mosaic(pattern)
    cfa = {"cfa": pattern}
    images = {"image": (SCENE * VIGNETTE, cfa), "flat": (30000 * VIGNETTE * gains, cfa)}
    got, told, _ = calibrated(given, images)
    expected = SCENE.copy()
    for i, (colour, gain) in enumerate(GAINS.items()):
        seen = gains == gain
        scale = trimmed_mean(VIGNETTE[seen])
        assert told["flat_scale"][i] == pytest.approx(30000 * gain * scale, rel=1e-6), colour
        expected[seen] *= scale / gain * gain
    np.testing.assert_allclose(got[0], expected, rtol=3e-6, atol=0.01)
    one, told, _ = calibrated(given, images, separate_cfa_flat_scaling_factors=False)
    np.testing.assert_allclose(one[0], SCENE / gains * trimmed_mean(VIGNETTE * gains), rtol=3e-6, atol=0.01)
    assert len(told["flat_scale"]) == 1


@pytest.mark.parametrize(("pattern", "side"), [("RGGB", 2), (XTRANS, 3)])
def test_mosaics_are_averaged_over_cells_before_the_dark_is_scaled(given: Any, pattern: str, side: int) -> None:
    t = (900 + 0.6 * DARK + 400 * mosaic(pattern) + RNG.normal(0, 3, DARK.shape)).astype(np.float32)
    cfa = {"cfa": pattern}
    _, told, _ = calibrated(given, {"image": (t, cfa), "dark": (DARK, cfa)})

    def cells(x: np.ndarray) -> np.ndarray:
        h, w = HEIGHT // side, WIDTH // side
        return x[: h * side, : w * side].astype(np.float64).reshape(h, side, w, side).mean(axis=(1, 3))

    small, target = cells(DARK.astype(np.float32)), cells(t)
    deviation = np.median(np.abs(small - np.median(small)))
    hot = small >= np.median(small) + 3 * 1.4826 * deviation
    expected = np.cov(target[hot], small[hot])
    assert told["k"][0] == pytest.approx(expected[0, 1] / expected[1, 1], rel=1e-5)


def test_patterns_that_differ_are_refused_unless_one_is_given(given: Any) -> None:
    images = {"image": (light(), {"cfa": "RGGB"}), "flat": (VIGNETTE, {"cfa": "RGGB"}), "dark": DARK}
    told = "pattern of dark is unknown, that of (image|flat) is RGGB; .* by cfa_pattern"
    with pytest.raises(EngineError, match=told):
        calibrated(given, images)
    got, _, _ = calibrated(given, images, cfa_pattern="RGGB")
    assert np.isfinite(got).all()
    calibrated(given, images, enable_cfa=False)


def test_a_central_window_limits_what_scales_the_dark(given: Any) -> None:
    # Outside the window the dark shows three times as strong.
    inside = (abs(Y - 30) <= 20) & (abs(X - 41) <= 20)
    t = 500 + np.where(inside, 1, 3) * DARK
    _, told, _ = calibrated(given, {"image": t, "dark": DARK}, dark_optimization_window=41)
    assert told["k"][0] == pytest.approx(1, abs=1e-5)


# -- pedestals ----------------------------------------------------------------------------------------


def test_pedestals_are_taken_from_headers_by_their_magnitude_and_not_left_there(given: Any) -> None:
    words = {"header": (("OBJECT", "M 1", ""), ("PEDESTAL", -100, "DN"))}
    bias = (BIAS + 7, {"header": (("pedestal", 7.0, ""),)})
    got, _, node = calibrated(given, {"image": (light() + 100, words), "bias": bias})
    np.testing.assert_allclose(got[0], light() - BIAS, atol=0.01)
    assert node.image.frame.header == (("OBJECT", "M 1", ""),)


def test_literal_and_custom_pedestals(given: Any) -> None:
    images = {"image": light() + 50}
    got, _, _ = calibrated(given, images, pedestal=50.0, pedestal_mode="literal")
    np.testing.assert_allclose(got[0], light(), atol=0.01)
    images = {"image": (light(), {"header": (("BLACK", "-50.0", ""), ("PEDESTAL", 3, ""))})}
    got, _, _ = calibrated(given, images, pedestal_mode="custom", pedestal_keyword="BLACK")
    np.testing.assert_allclose(got[0], light() + 50, atol=0.01)
    with pytest.raises(ParameterError, match="wants a pedestal_keyword"):
        Graph().add("SubtractPedestal", image=None, pedestal_mode="custom")


def test_a_literal_output_pedestal_is_added_and_noted(given: Any) -> None:
    got, told, node = calibrated(given, {"image": light(), "bias": BIAS}, output_pedestal=150.0)
    np.testing.assert_allclose(got[0], light() - BIAS + 150, atol=0.01)
    assert told["pedestal"] == 150
    assert node.image.frame.card("PEDESTAL") == 150


@pytest.mark.parametrize("limit", [0.0, 0.001, 0.01])
def test_the_automatic_pedestal_lifts_all_but_a_share_above_black(given: Any, limit: float) -> None:
    sky = RNG.normal(20, 15, (HEIGHT, WIDTH))
    images = {"image": sky + BIAS, "bias": BIAS}
    got, told, node = calibrated(given, images, output_pedestal_mode="auto", auto_pedestal_limit=limit)
    below = np.sort((sky + BIAS - BIAS).ravel())
    n = max(1, int(limit * sky.size))
    assert told["pedestal"] == max(1, round(abs(below[n - 1])))
    np.testing.assert_allclose(got[0], np.maximum(0, sky + told["pedestal"]), atol=0.01)
    assert (sky + told["pedestal"] < -0.5).sum() < n  # pedestals are whole numbers
    assert node.image.frame.card("PEDESTAL") is None  # before it is measured
    with_card = node.output().graph.add("SubtractPedestal", image=node.output("image"))
    np.testing.assert_allclose(with_card.compute()[0], got[0] - told["pedestal"], atol=0.01)


def test_without_samples_below_black_no_automatic_pedestal(given: Any) -> None:
    got, told, _ = calibrated(given, {"image": light(), "bias": BIAS}, output_pedestal_mode="auto")
    assert told["pedestal"] == 0
    np.testing.assert_allclose(got[0], light() - BIAS, atol=0.01)


def test_truncation_can_be_left_out(given: Any) -> None:
    images = {"image": BIAS - 30, "bias": BIAS}
    assert (calibrated(given, images)[0] == 0).all()
    np.testing.assert_allclose(calibrated(given, images, truncate=False)[0], -30, atol=0.01)


# -- frames -------------------------------------------------------------------------------------------


def test_missing_samples_of_any_image_are_missing(given: Any) -> None:
    images = {"image": light(), "bias": BIAS + 0, "dark": DARK + 0, "flat": VIGNETTE + 0}
    for i, image in enumerate(images.values()):
        image[i, 2] = (np.nan, np.inf)[i % 2]
    got, _, _ = calibrated(given, images)
    assert np.isnan(got).sum() == 4
    assert np.isnan(got[0, :4, 2]).all()


def test_masters_in_another_range_are_converted_by_their_bounds(given: Any) -> None:
    unit = {"bounds": (0.0, 1.0), "unit": ""}
    images = {
        "image": light(), "bias": (BIAS / 65535, unit), "dark": (DARK / 65535, unit), "flat": (VIGNETTE / 2, unit)
    }  # fmt: skip
    got, _, _ = calibrated(given, images, optimize_darks=False)
    np.testing.assert_allclose(got[0], SCENE * trimmed_mean(VIGNETTE), rtol=3e-6, atol=0.02)


def test_colour_frames_are_calibrated_channel_by_channel(given: Any) -> None:
    lights = np.stack([light(k) for k in (0.5, 1.0, 2.0)] + [np.full_like(DARK, 7)])
    flats = np.stack([VIGNETTE, VIGNETTE * 2, VIGNETTE**2])
    images = {"image": lights, "bias": np.stack([BIAS] * 3), "dark": np.stack([DARK] * 3), "flat": flats}
    got, told, _ = calibrated(given, images)
    for c, k in enumerate((0.5, 1.0, 2.0)):
        assert told["k"][c] == pytest.approx(k, abs=0.6)
        expected = (lights[c] - BIAS - told["k"][c] * DARK) / flats[c] * trimmed_mean(flats[c])
        np.testing.assert_allclose(got[c], np.clip(expected, 0, 65535), rtol=3e-6, atol=0.02)
    assert (got[3] == 7).all()


def test_masters_of_another_size_or_number_of_channels_are_refused(given: Any) -> None:
    with pytest.raises(GraphError, match="flat is 82x61, image is 83x61"):
        calibrated(given, {"image": light(), "flat": (VIGNETTE[:, 1:], {})})
    with pytest.raises(GraphError, match="bias has 3 channels, image has 1"):
        calibrated(given, {"image": light(), "bias": np.stack([BIAS] * 3)})


def test_darks_and_flats_that_tell_nothing_are_refused(given: Any) -> None:
    with pytest.raises(EngineError, match=r"at least 16 pixels .* got \[0\]; lower dark_optimization_low"):
        calibrated(given, {"image": light(), "dark": np.zeros_like(DARK)})
    with pytest.raises(EngineError, match="the mean of channel 0 of the flat must be above 0, got 0"):
        calibrated(given, {"image": light(), "flat": np.zeros_like(DARK)})


# -- overscan -----------------------------------------------------------------------------------------


def with_overscan(image: np.ndarray, left: float, right: float) -> np.ndarray:
    """The image between 6 columns of one level on the left and 5 of another on the right."""
    edges = [np.full((HEIGHT, n), level) for n, level in ((6, left), (5, right))]
    return np.hstack([edges[0], image, edges[1]])


def test_overscan_levels_are_averaged_subtracted_and_cut_off(given: Any) -> None:
    whole = (0, 6, HEIGHT, 6 + WIDTH)
    regions = ((0, 0, HEIGHT, 5, *whole), (3, 6 + WIDTH, 50, 11 + WIDTH, *whole))
    cards = (("CRPIX1", 10.0, ""), ("CRPIX2", 20.0, ""), ("CTYPE1", "RA---TAN", ""), ("CTYPE2", "DEC--TAN", ""),
             ("CRVAL1", 10.0, ""), ("CRVAL2", 20.0, ""), ("CD1_1", -0.001, ""), ("CD2_2", 0.001, ""),
             ("CD1_2", 0.0, ""), ("CD2_1", 0.0, ""))  # fmt: skip
    frame = {"cfa": "RGGB", "wcs": cards}
    images = {
        "image": (with_overscan(SCENE * VIGNETTE + 700, 600, 800), frame),
        "flat": (with_overscan(VIGNETTE * 20000 + 300, 250, 350), {"cfa": "RGGB"}),
    }
    options = {"overscan_regions": regions, "overscan_image": whole, "separate_cfa_flat_scaling_factors": False}
    got, _, node = calibrated(given, images, calibrate_flat=True, **options)
    assert got.shape == (1, HEIGHT, WIDTH)
    np.testing.assert_allclose(got[0], SCENE * trimmed_mean(VIGNETTE), rtol=3e-6, atol=0.01)
    words = dict((k, v) for k, v, _ in node.image.frame.wcs)
    assert (words["CRPIX1"], words["CRPIX2"]) == (4.0, 20.0)
    assert node.image.frame.cfa == "RGGB"


def test_an_odd_crop_shifts_the_mosaic_and_prepared_masters_are_already_cropped(given: Any) -> None:
    box = (1, 6, HEIGHT, 6 + WIDTH)
    image = with_overscan(SCENE + 700, 700, 700)
    flat = (np.full((HEIGHT - 1, WIDTH), 0.5), {"cfa": "GBRG"})
    images = {"image": (image, {"cfa": "RGGB"}), "flat": flat}
    options = {"overscan_regions": ((0, 0, HEIGHT, 5, *box),), "overscan_image": box}
    got, _, node = calibrated(given, images, **options)
    np.testing.assert_allclose(got[0], SCENE[1:], rtol=1e-6, atol=0.01)
    assert node.image.frame.cfa == "GBRG"


def test_overscan_regions_outside_or_without_samples_are_told(given: Any) -> None:
    g = Graph()
    image = given(g, light(), **ADU)
    with pytest.raises(GraphError, match=r"source region rows 0:62, columns 0:5 must lie in the frame of 61 rows"):
        _ = g.add("OverscanCorrection", image=image, regions=((0, 0, 62, 5, 0, 0, 5, 5),)).image.frame
    black = given(g, np.zeros((HEIGHT, WIDTH)), **ADU)
    with pytest.raises(EngineError, match="has no sample within the range"):
        g.add("OverscanCorrection", image=black, regions=((0, 0, 5, 5, 0, 0, 5, 5),)).compute()
    with pytest.raises(ParameterError, match="a region must hold pixels"):
        g.add("OverscanCorrection", image=image, regions=((5, 0, 5, 5, 0, 0, 5, 5),))


# -- a series, and real data --------------------------------------------------------------------------


def test_each_light_of_a_series_has_a_dark_scale_of_its_own(given: Any, tmp_path: Path) -> None:
    scales = (0.4, 1.0, 1.7)
    for i, k in enumerate(scales):
        fits.writeto(tmp_path / f"{i}.fits", (500 + k * DARK).astype(np.float32))
    g = Graph()
    lights = g.add("ReadSeries", paths=tuple(str(tmp_path / f"{i}.fits") for i in range(3)))
    node = g.add("ImageCalibration", image=lights, dark=given(g, DARK, **ADU))
    told = node.value("measures")
    assert [t["k"][0] for t in told] == pytest.approx(scales, abs=1e-5)
    for i in range(3):
        np.testing.assert_allclose(node.image[i].compute(), 500, atol=0.1)


def test_each_light_of_a_real_set_is_calibrated(real_data: Callable[[str], Path]) -> None:
    folder = real_data("ccdproc-workshop-kelt16/README.md").parent
    g = Graph()
    names = {
        "image": "kelt-16-b-S001-R001-C084-r", "bias": "combined_bias",
        "dark": "combined_dark_90.000", "flat": "combined_flat_filter_r",
    }  # fmt: skip
    images = {port: g.add("ReadImage", path=str(folder / f"{name}.fit.gz")) for port, name in names.items()}
    node = g.add("ImageCalibration", **images, truncate=False)
    got = node.compute()
    told = node.value("measures")
    t, b, d, f = (images[n].compute().astype(float) for n in names)
    expected = (t - b - told["k"][0] * d) / (f / trimmed_mean(f))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-3)
    assert told["k"][0] == pytest.approx(1, abs=0.02)  # both were exposed for 90 s
    assert np.median(got) == pytest.approx(1102 - 1050.9 - 4.7, abs=1.5)
    hot = (d > 50) & (d < 5000)
    assert hot.sum() > 50
    assert abs(np.median(got[hot]) - np.median(got)) < 0.1 * np.median(d[hot])  # hot pixels are gone
