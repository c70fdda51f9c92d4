"""Statistics against formulas written out in float64, astropy, and brute force over all pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.stats import biweight_midvariance

from lerarlink.engine.api import Again, Frame, Known, ParameterError
from lerarlink.engine.region import measure_block_rows, measure_tile_rows, strips
from lerarlink.nodes.measure._estimators import TO_SIGMA, qn, sn
from lerarlink.nodes.measure.statistics import Statistics

rng = np.random.default_rng(3)
SKY = rng.normal(1000, 20, (400, 500)) + 300 * (rng.random((400, 500)) < 0.02)


def measured(process: Statistics, image: np.ndarray, **frame: Any) -> dict[str, Any]:
    image = np.asarray(image, np.float32)
    image = image[None] if image.ndim == 2 else image
    channels, height, width = image.shape
    made = Frame(width=width, height=height, channels=channels, **{"bounds": (0.0, 65535.0), **frame})
    state = None
    while True:
        total = None
        for block in strips(made.box, measure_block_rows(width)):
            for box in strips(block, measure_tile_rows(width)):
                known = Known(frames={"image": made}, box=box, state=state)
                part = process.measure(known, image[:, box.y0 : box.y1])
                total = part if total is None else process.merge(total, part)
        result = process.finish(total, Known(frames={"image": made}, state=state))
        if not isinstance(result, Again):
            return result
        state = result.state


@pytest.fixture(scope="module")
def sky() -> dict[str, Any]:
    return measured(Statistics(), SKY)["channels"][0]


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return SKY.astype(np.float32).astype(np.float64).ravel()


def test_location_and_moments_agree_with_numpy(sky: dict[str, Any], truth: np.ndarray) -> None:
    assert sky["name"] == "K"
    assert (sky["count"], sky["missing"], sky["outside"]) == (truth.size, 0, 0)
    assert sky["median"] == np.median(truth)
    assert sky["mad"] == np.median(np.abs(truth - np.median(truth)))
    assert sky["sigma"] == 1.4826 * sky["mad"]
    assert sky["mean"] == pytest.approx(truth.mean(), rel=1e-14)
    assert sky["variance"] == pytest.approx(truth.var(ddof=1), rel=1e-11)
    assert sky["std_dev"] == pytest.approx(truth.std(ddof=1), rel=1e-11)
    assert sky["norm"] == pytest.approx(truth.sum(), rel=1e-13)
    assert sky["modulus"] == pytest.approx(np.abs(truth).sum(), rel=1e-13)
    assert sky["mean_of_squares"] == pytest.approx(np.square(truth).mean(), rel=1e-13)
    assert sky["sum_of_squares"] == pytest.approx(np.square(truth).sum(), rel=1e-13)


def test_extremes_are_where_they_are_said_to_be(sky: dict[str, Any]) -> None:
    image = SKY.astype(np.float32)
    assert image[tuple(sky["minimum_at"])] == sky["minimum"] == image.min()
    assert image[tuple(sky["maximum_at"])] == sky["maximum"] == image.max()


def test_percentiles_are_those_of_numpy(sky: dict[str, Any], truth: np.ndarray) -> None:
    wanted = [1.0, 5.0, 25.0, 75.0, 95.0, 99.0]
    assert sky["percentiles"] == [[p, v] for p, v in zip(wanted, np.percentile(truth, wanted), strict=True)]


def test_the_average_deviation_is_taken_about_the_median(sky: dict[str, Any], truth: np.ndarray) -> None:
    assert sky["avg_dev"] == pytest.approx(np.abs(truth - np.median(truth)).mean(), rel=1e-12)


def test_the_biweight_midvariance_is_that_of_astropy(sky: dict[str, Any], truth: np.ndarray) -> None:
    assert sky["sqrt_bwmv"] == pytest.approx(math.sqrt(biweight_midvariance(truth)), rel=1e-12)


def test_each_side_of_the_median_has_a_biweight_midvariance_of_its_own(sky: dict[str, Any], truth: np.ndarray) -> None:
    d = truth - np.median(truth)
    for side, name in ((d[d <= 0], "sqrt_bwmv_low"), (d[d > 0], "sqrt_bwmv_high")):
        y = side / (9 * np.median(np.abs(side)))
        side, y = side[np.abs(y) < 1], y[np.abs(y) < 1]
        below = ((1 - y**2) * (1 - 5 * y**2)).sum()
        n = (d <= 0).sum() if name.endswith("low") else (d > 0).sum()
        wanted = math.sqrt(n * (side**2 * (1 - y**2) ** 4).sum()) / abs(below)
        assert sky[name] == pytest.approx(wanted, rel=1e-12)


def test_the_percentage_bend_midvariance_follows_its_formula(sky: dict[str, Any], truth: np.ndarray) -> None:
    d = np.abs(truth - np.median(truth))
    w = np.sort(d)[math.floor(0.8 * d.size + 0.5) - 1]
    wanted = math.sqrt(d.size * w**2 * (np.clip(d / w, -1, 1) ** 2).sum()) / (d / w < 1).sum()
    assert sky["sqrt_pbmv"] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 10, 11, 100, 301])
@pytest.mark.parametrize("ties", [False, True])
def test_sn_and_qn_agree_with_all_pairs(n: int, ties: bool) -> None:
    x = rng.normal(0, 3, n)
    x = np.round(x) if ties else x
    d = np.abs(x[:, None] - x[None, :])
    h = n // 2 + 1
    high_medians = np.sort(d, axis=1)[:, h - 1]
    assert sn(x) == np.sort(high_medians)[(n + 1) // 2 - 1]
    assert qn(x) == np.sort(d[np.triu_indices(n, 1)])[h * (h - 1) // 2 - 1]


def test_normalized_scales_give_the_standard_deviation_of_normal_noise() -> None:
    noise = rng.normal(0, 5, (500, 500))
    channel = measured(Statistics(normalized=True), noise)["channels"][0]
    for name in TO_SIGMA:
        assert channel[name] == pytest.approx(5.0, rel=0.015), name


def test_small_images_use_every_pair_and_large_ones_an_odd_grid() -> None:
    small = measured(Statistics(), SKY[:100, :100])["channels"][0]
    assert (small["pair_step"], small["pair_count"]) == (1, 10_000)
    assert small["sn"] == sn(SKY[:100, :100].astype(np.float32).astype(np.float64).ravel())
    large = measured(Statistics(sample=1000), SKY)["channels"][0]
    step = large["pair_step"]
    grid = SKY.astype(np.float32).astype(np.float64)[::step, ::step]
    assert step % 2 == 1 and grid.size <= 1000
    assert large["pair_count"] == grid.size
    assert large["qn"] == qn(grid.ravel())


def test_range_clip_counts_within_the_bounds_only() -> None:
    image = np.array([[-1, 0, 10, 20, 30, 65535, 70000, np.nan, np.inf]])
    counts = {clip: measured(Statistics(range_clip=clip), image)["channels"][0] for clip in ("none", "open", "closed")}
    assert [counts[c]["count"] for c in ("none", "open", "closed")] == [7, 3, 5]
    assert [counts[c]["outside"] for c in ("none", "open", "closed")] == [0, 4, 2]
    assert counts["open"]["median"] == 20 and counts["closed"]["maximum"] == 65535
    assert counts["none"]["missing"] == 2


def test_a_box_limits_everything_to_itself() -> None:
    whole = measured(Statistics(sample=500), SKY[50:350, 20:400])["channels"][0]
    boxed = measured(Statistics(sample=500, box=(50, 20, 350, 400)), SKY)["channels"][0]
    for name in ("count", "median", "mad", "sqrt_bwmv_low", "sn", "qn", "percentiles", "pair_count"):
        assert boxed[name] == (pytest.approx(whole[name], rel=1e-12) if isinstance(whole[name], float) else whole[name])
    y, x = whole["maximum_at"]
    assert boxed["maximum_at"] == [y + 50, x + 20]


def test_a_box_beyond_the_image_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"rows 0:400, columns 0:500.*rows 0:401"):
        measured(Statistics(box=(0, 0, 401, 10)), SKY)
    with pytest.raises(ParameterError, match="must hold pixels"):
        Statistics(box=(5, 5, 5, 9))


def test_colour_channels_have_names_and_a_missing_one_is_not_a_number() -> None:
    image = np.stack([SKY, np.full(SKY.shape, np.nan), np.full(SKY.shape, 7.0), np.ones(SKY.shape)])
    value = measured(Statistics(), image, color="rgb", unit="ADU")
    red, green, blue, alpha = value["channels"]
    assert [c["name"] for c in value["channels"]] == ["R", "G", "B", "A"]
    assert (value["unit"], value["bounds"]) == ("ADU", [0.0, 65535.0])
    assert green["count"] == 0 and math.isnan(green["median"]) and math.isnan(green["sqrt_bwmv"])
    scales = [blue[n] for n in ("std_dev", "avg_dev", "mad", "sqrt_bwmv", "sqrt_bwmv_high", "sqrt_pbmv", "sn", "qn")]
    assert blue["mean"] == 7.0 and scales == [0.0] * 8
    assert red["count"] == SKY.size and alpha["median"] == 1.0


def test_a_real_image_agrees_with_numpy(real_data: Callable[[str], Path]) -> None:
    with fits.open(real_data("xdf-f105w-f160w/xdf_hst_wfc3ir_60mas_f160w_sci.fits")) as hdus:
        image = next(h.data for h in hdus if h.data is not None).astype(np.float32)
    channel = measured(Statistics(), image)["channels"][0]
    x = image[np.isfinite(image)].astype(np.float64)
    assert channel["median"] == np.median(x)
    assert channel["mad"] == np.median(np.abs(x - np.median(x)))
    assert channel["percentiles"][0][1] == np.percentile(x, 1)
