"""Noise, NoiseScale and LargeScaleBackground against slow versions written from the formulas, and known noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import convolve1d, median_filter

from lerarlink import Graph
from lerarlink.engine.api import Again, Frame, Known, Process
from lerarlink.engine.region import measure_tile_rows, strips
from lerarlink.nodes.measure._bins import Below, added, bin_of, empty, used
from lerarlink.nodes.measure._median_model import large_scale, reduced
from lerarlink.nodes.measure._starlet import LAYER_NOISE
from lerarlink.nodes.measure.large_scale_background import LargeScaleBackground
from lerarlink.nodes.measure.noise import Noise
from lerarlink.nodes.measure.noise_scale import NoiseScale

Floats = npt.NDArray[np.float64]
SIGMA = 7.3


def white(shape: tuple[int, ...], seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(1000, SIGMA, shape)


def field(height: int, width: int, nebula: float = 200.0) -> Floats:
    """Return noise, a nebula, a slope and stars."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:height, :width]
    image = white((height, width)) + 0.1 * x
    image += nebula * np.exp(-((y - height / 2) ** 2 + (x - width / 3) ** 2) / (2 * (width / 6) ** 2))
    for _ in range(height * width // 4000):
        cy, cx, peak = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(30, 3000)
        image += peak * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 3.4)
    return np.asarray(image)


def measured(process: Process, image: npt.NDArray[Any], **more: Any) -> Any:
    tile = np.asarray(image, np.float32)
    tile = tile[None] if tile.ndim == 2 else tile
    channels, height, width = tile.shape
    frame = Frame(width=width, height=height, channels=channels, **{"bounds": (0.0, 65535.0), **more})
    padded: Callable[[int], Any] = lambda h: np.pad(tile, ((0, 0), (h, h), (0, 0)), mode="reflect")  # noqa: E731
    state = None
    while True:
        partial: Any = None
        for box in strips(frame.box, measure_tile_rows(width)):
            known = Known(frames={"image": frame}, box=box, port="", state=state)
            b = process.needs(box, "image", known)
            h = max(0, -b.y0, b.y1 - height)
            part = process.measure(known, padded(h)[:, b.y0 + h : b.y1 + h])
            partial = part if partial is None else process.merge(partial, part)
        found = process.finish(partial, Known(frames={"image": frame}, state=state))
        if not isinstance(found, Again):
            return found
        state = found.state


def slow_mrs(image: Floats, layers: int = 4) -> float:
    """Return the MRS noise, in float64, guess by guess, from the whole image."""
    c, w = image, []
    for j in range(layers):
        taps = np.zeros(4 * 2**j + 1)
        taps[:: 2**j] = np.array([1, 4, 6, 4, 1]) / 16
        smooth = convolve1d(convolve1d(c, taps, axis=0, mode="mirror"), taps, axis=1, mode="mirror")
        w.append(c - smooth)
        c = smooth
    sigma = w[0].std(ddof=1)
    for _ in range(10):
        before, sigma = sigma, w[0][np.abs(w[0]) < 3 * sigma].std(ddof=1)
        if abs(before - sigma) <= 0.01 * sigma:
            break
    sigma /= LAYER_NOISE[0]
    for _ in range(16):
        calm = np.all([np.abs(x) <= 3 * sigma * k for x, k in zip(w, LAYER_NOISE, strict=False)], axis=0)
        before, sigma = sigma, (image - c)[calm].std(ddof=1)
        if abs(sigma - before) < 1e-4 * sigma:
            break
    return float(sigma / 0.974)


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_mrs_is_that_of_the_slow_version(layers: int) -> None:
    image = field(260, 900)
    fast = measured(Noise(layers=layers), image)
    assert fast["noise"] == pytest.approx(slow_mrs(image.astype(np.float32).astype(np.float64), layers), rel=5e-5)
    assert fast["channels"][0]["layers"] == layers


def test_mrs_finds_the_noise_under_a_nebula_and_stars() -> None:
    assert measured(Noise(), field(500, 500))["noise"] == pytest.approx(SIGMA, rel=0.015)
    assert measured(Noise(), white((500, 500)))["noise"] == pytest.approx(SIGMA, rel=0.012)


def test_the_noise_of_a_large_image_is_told_by_an_eighth_of_its_rows() -> None:
    image = white((2100, 2048))
    image[:180], image[400:690] = 50000.0, np.nan
    found = measured(Noise(whole_image=False), image)
    assert found["noise"] == pytest.approx(SIGMA, rel=0.012)
    assert found["channels"][0]["count"] == 4 * 64 * 2048
    assert measured(Noise(whole_image=False), image[:2000]) == measured(Noise(), image[:2000])


def test_noise_grows_with_the_image() -> None:
    image = field(200, 300)
    one, ten = (measured(Noise(), k * image)["noise"] for k in (1.0, 10.0))
    assert ten == pytest.approx(10 * one, rel=1e-3)


def test_missing_samples_do_not_count() -> None:
    image = white((300, 400))
    image[:, 100:130] = np.nan
    image[::17, ::13] = np.nan
    found = measured(Noise(), image)
    assert found["noise"] == pytest.approx(SIGMA, rel=0.02)
    assert found["channels"][0]["count"] < np.isfinite(image).sum()


def test_samples_outside_the_range_do_not_count() -> None:
    image = white((200, 300))
    image[:, :100] = 70000
    assert measured(Noise(), image)["channels"][0]["count"] == 200 * 200
    image[:, :100] = 0
    assert measured(Noise(), image)["channels"][0]["count"] == 200 * 300
    assert measured(Noise(range_low=0.00002), image)["channels"][0]["count"] == 200 * 200


def test_a_mosaic_is_measured_colour_by_colour() -> None:
    rng = np.random.default_rng(3)
    image = np.empty((240, 320))
    for i, (level, sigma) in enumerate(((500, 5.0), (900, 8.0), (900, 8.0), (300, 4.0))):
        image[i // 2 :: 2, i % 2 :: 2] = rng.normal(level, sigma, (120, 160))
    found = measured(Noise(), image, cfa="RGGB")
    assert [c["name"] for c in found["channels"]] == list("RGGB")
    assert [c["noise"] for c in found["channels"]] == pytest.approx([5, 8, 8, 4], rel=0.03)
    assert found["noise"] == pytest.approx(6.0, rel=0.03)


def test_constant_and_empty_pictures_have_no_noise() -> None:
    assert measured(Noise(), np.full((40, 50), 300.0))["noise"] == 0.0
    assert np.isnan(measured(Noise(), np.full((40, 50), np.nan))["noise"])


def test_a_picture_full_of_structure_is_told_by_fewer_layers_or_by_clipping() -> None:
    y, x = np.mgrid[:200, :200]
    image = 1000 + 300 * np.sin(x / 2.0) * np.sin(y / 2.0) + np.random.default_rng(1).normal(0, 1, (200, 200))
    assert measured(Noise(), image)["channels"][0]["layers"] < 4


def test_sums_below_a_limit_are_those_of_sorting() -> None:
    x = np.abs(np.random.default_rng(2).normal(0, 3, 20000)).astype(np.float32)
    bins = empty(2)
    for v, bits in zip(x, x.view(np.uint32), strict=True):
        at = bin_of(bits)
        bins[0, at] += 1
        bins[1, at] += float(v)
    half = [used(bins), used(empty(2))]
    below = Below(added(*half))
    for limit in (0.001, 0.5, 1.0, 3.0, 9.0, 1e9):
        kept = x[x < limit].astype(np.float64)
        assert below(limit)[0] == pytest.approx(kept.size, abs=12)
        assert below(limit)[1] == pytest.approx(kept.sum(), rel=2e-3, abs=0.05)
    assert below(0.0)[0] == below(np.nan)[0] == 0


def test_the_noise_scale_is_that_of_the_formula() -> None:
    image = field(250, 900).astype(np.float32).astype(np.float64)
    median = np.median(image)
    found = measured(NoiseScale(), image)
    for name, side in (("low", median - image[image < median]), ("high", image[image > median] - median)):
        for _ in range(2):
            sigma = np.sqrt((side**2).mean())
            trimmed = side[side < 4 * sigma]
            sigma = np.sqrt((trimmed**2).mean())
            full, side = side, trimmed
        assert full.size >= trimmed.size
        assert found[name] == pytest.approx(sigma, rel=2e-3)
    assert found["median"] == pytest.approx(median, abs=1e-3)
    assert found["avg_dev"] == pytest.approx(np.abs(image - median).mean(), rel=1e-6)


@pytest.mark.parametrize("shape", [(40, 53), (9, 120), (70, 70)])
def test_the_large_scale_model_is_a_chain_of_medians(shape: tuple[int, int]) -> None:
    # Fewer values than ranks that are told apart, so the chain is exact.
    plane = np.random.default_rng(4).integers(0, 3000, shape).astype(np.float32)
    expected = plane
    for j in range(4):
        expected = median_filter(expected, size=2 * 2**j + 1, mode="mirror")
    assert np.array_equal(large_scale(plane, 4), expected)


def test_windows_far_larger_than_the_plane_are_medians_of_its_mirror_images() -> None:
    plane = np.random.default_rng(4).integers(0, 5, (40, 53)).astype(np.float32)
    expected = plane
    for j in range(8):
        expected = median_filter(expected, size=2 * 2**j + 1, mode="mirror")
    assert np.array_equal(large_scale(plane, 8), expected)


def test_the_large_scale_model_of_many_values_is_hardly_another() -> None:
    plane = white((90, 110)).astype(np.float32)
    expected = median_filter(median_filter(plane, size=3, mode="mirror"), size=5, mode="mirror")
    assert np.abs(large_scale(plane, 2) - expected).max() < 0.01 * SIGMA + 0.2


def test_reducing_takes_the_means_of_what_is_there() -> None:
    plane = np.arange(9 * 8, dtype=np.float32).reshape(9, 8)
    plane[0, 0] = np.nan
    plane[4:8, 4:8] = np.nan
    small = reduced(plane)
    assert small.shape == (2, 2)
    assert small[0, 0] == pytest.approx(np.nanmean(plane[:4, :4]))
    assert np.isnan(small[1, 1])


def test_m_star_and_n_star_see_the_sky_and_not_the_stars() -> None:
    image = field(600, 800, nebula=0.0)
    found = measured(LargeScaleBackground(), image)
    assert found["n_star"] == pytest.approx(SIGMA, rel=0.05)
    assert 1035 < found["m_star"] < 1045
    flat = measured(LargeScaleBackground(), white((600, 800)))
    assert flat["m_star"] == pytest.approx(1000, abs=0.5)
    assert flat["n_star"] == pytest.approx(SIGMA, rel=0.03)


def test_the_noise_of_raw_frames_of_one_night_is_one(real_data: Callable[[str], Path]) -> None:
    found = []
    for i in (1, 2, 3):
        g = Graph()
        image = g.add("ReadImage", path=str(real_data(f"m13-dithers/M13_blue_000{i}.fits.fz")))
        found.append(g.add("Noise", image=image).output().value()["noise"])
    # From differences of neighbouring samples: 24.1, rounded to whole ADU.
    assert all(22.0 < n < 25.5 for n in found)
    assert max(found) / min(found) < 1.02
