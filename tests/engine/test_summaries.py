"""Summaries against numpy in float64: everything that is said to be exact is compared without tolerance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lerarlink.engine import order
from lerarlink.engine.order import SLOTS, keys_of, values_of
from lerarlink.engine.process import Again
from lerarlink.engine.region import Box, measure_block_rows, measure_tile_rows, strips, whole
from lerarlink.engine.summaries import Summaries, Summary

FRACTIONS = (0.0, 0.01, 0.25, 0.5, 0.9, 0.999, 1.0)
EVERYTHING = Summaries(fractions=FRACTIONS, bend=0.8, sides=True)


def taken(summaries: Summaries, image: np.ndarray) -> tuple[list[Summary], int, Any]:
    """Return the summaries of *image*, the number of passes and the largest partial measure."""
    box = whole(*image.shape[1:])
    state, passes, biggest = None, 0, None
    while True:
        total = None
        for block in strips(box, measure_block_rows(box.width)):
            part = None
            for b in strips(block, measure_tile_rows(box.width)):
                new = summaries.measure(image[:, b.y0 : b.y1], state, b)
                part = new if part is None else summaries.merge(part, new)
            total = part if total is None else summaries.merge(total, part)
        passes += 1
        biggest = max(biggest or 0, max(_size(p) for p in total))
        result = summaries.finish(total, state)
        if not isinstance(result, Again):
            return result, passes, biggest
        state = result.state


def _size(partial: dict[str, Any]) -> int:
    return sum(v.nbytes for v in partial.values() if isinstance(v, np.ndarray))


def assert_exact(s: Summary, plane: np.ndarray, fractions: tuple[float, ...] = FRACTIONS) -> None:
    x = plane[np.isfinite(plane)].astype(np.float64)
    median = np.median(x)
    d = np.sort(np.abs(x - median))
    low, high = median - x[x <= median], x[x > median] - median
    assert (s.count, s.missing) == (x.size, plane.size - x.size)
    assert (s.minimum, s.maximum, s.median) == (x.min(), x.max(), median)
    assert s.mad == np.median(d)
    assert s.bend == d[min(max(math.floor(0.8 * x.size + 0.5) - 1, 0), x.size - 1)]
    assert s.low_mad == np.median(low)
    assert s.high_mad == (np.median(high) if high.size else 0.0)
    assert s.quantiles == tuple(np.quantile(x, fractions))
    assert s.minimum_at == np.unravel_index(np.nanargmin(np.where(np.isfinite(plane), plane, np.nan)), plane.shape)
    assert plane[s.maximum_at] == x.max()


rng = np.random.default_rng(7)
SHAPE = (300, 701)


def _half_zero() -> np.ndarray:
    return np.where(rng.random(SHAPE) < 0.5, 0.0, rng.normal(0, 1, SHAPE))


CASES = {
    "sky": rng.normal(1000, 10, SHAPE),
    "tight noise on a high level": rng.normal(0.5, 1e-5, SHAPE),
    "noise about zero": rng.normal(0, 1, SHAPE),
    "level as large as the noise": rng.normal(1, 1.4, SHAPE),
    "level as large as the MAD": 1 + np.abs(rng.normal(0, 1, SHAPE)) * rng.choice([-0.999999, 1], SHAPE),
    "constant": np.full(SHAPE, 0.3),
    "zeros of both signs": rng.choice([-0.0, 0.0], SHAPE),
    "half zero": _half_zero(),
    "integers": rng.poisson(100, SHAPE),
    "saturated": np.minimum(rng.normal(60000, 8000, SHAPE), 65535),
    "two values": rng.choice([-1.0, 1.0], SHAPE),
    "all magnitudes": np.exp(rng.uniform(-85, 85, SHAPE)) * rng.choice([-1, 1], SHAPE),
    "positive magnitudes": np.exp(rng.uniform(-100, 0, SHAPE)),
    "denormal": rng.normal(0, 1e-42, SHAPE),
    "wide tails": rng.standard_cauchy(SHAPE),
    "stars": rng.normal(0.01, 1e-3, SHAPE) + 0.5 * (rng.random(SHAPE) < 0.01),
}


@pytest.mark.parametrize("name", CASES)
def test_order_statistics_are_exact_for(name: str) -> None:
    plane = CASES[name].astype(np.float32)
    plane[3, 5], plane[200, 20:30], plane[299, 700] = np.nan, np.inf, -np.inf
    (summary,), _, _ = taken(EVERYTHING, plane[None])
    assert_exact(summary, plane)


def test_an_even_split_takes_the_mean_of_the_two_central_values() -> None:
    plane = np.array([[-1e-3, 1e30, 1e-3, -1e30]], np.float32)
    (summary,), _, _ = taken(EVERYTHING, plane[None])
    assert_exact(summary, plane)


@pytest.fixture(scope="module")
def night_sky() -> np.ndarray:
    """Ten million samples with stars, a saturated core, missing pixels and ties."""
    r = np.random.default_rng(11)
    sky = r.standard_normal((3200, 3200), dtype=np.float32) * np.float32(12) + np.float32(900)
    sky[::7] = np.round(sky[::7])
    sky.reshape(-1)[r.integers(0, sky.size, 50_000)] += r.exponential(2000, 50_000).astype(np.float32)
    sky[1000:1020, 1000:1020] = 65535
    sky[:, 17] = np.nan
    return sky


def test_ten_million_samples_take_two_passes_and_stay_exact(night_sky: np.ndarray) -> None:
    (summary,), passes, biggest = taken(Summaries(fractions=(0.01, 0.99)), night_sky[None])
    x = night_sky[np.isfinite(night_sky)].astype(np.float64)
    median = np.median(x)
    assert (summary.median, summary.mad) == (median, np.median(np.abs(x - median)))
    assert summary.quantiles == tuple(np.quantile(x, (0.01, 0.99)))
    assert summary.mean == pytest.approx(x.mean(), rel=1e-13)
    assert summary.variance == pytest.approx(x.var(ddof=1), rel=1e-12)
    assert summary.total_absolute == pytest.approx(np.abs(x).sum(), rel=1e-12)
    assert summary.total_square == pytest.approx(np.square(x).sum(), rel=1e-12)
    assert passes == 2
    assert biggest <= 4 * SLOTS


def test_the_variance_survives_a_level_far_above_the_noise() -> None:
    plane = (1e6 + rng.choice([0.0, 1.0], SHAPE)).astype(np.float32)
    plane[0, 0] = 3e7
    (summary,), _, _ = taken(Summaries(), plane[None])
    assert summary.variance == pytest.approx(plane.astype(np.float64).var(ddof=1), rel=1e-12)


FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=150, deadline=None)
@given(samples=st.lists(FLOATS, min_size=1, max_size=40), cut=st.integers(0, 40))
@example(samples=[0.0, 1.0, 2.0, 2.0, -0.0, -0.0, -0.0, -0.0, -0.0], cut=0)
def test_any_samples_are_summarised_exactly_wherever_they_are_cut(samples: list[float], cut: int) -> None:
    plane = np.array([samples], np.float32)
    pieces = [(0, min(cut, plane.size)), (min(cut, plane.size), plane.size)]
    state = None
    while True:
        parts = [EVERYTHING.measure(plane[None, :, a:b], state, Box(0, a, 1, b)) for a, b in pieces]
        result = EVERYTHING.finish(EVERYTHING.merge(*parts), state)
        if not isinstance(result, Again):
            break
        state = result.state
    if np.isfinite(plane).any():
        assert_exact(result[0], plane)
    else:
        assert result[0].count == 0 and math.isnan(result[0].median)


@pytest.mark.parametrize("name", ["sky", "level as large as the MAD", "all magnitudes", "positive magnitudes"])
def test_counting_in_small_steps_takes_more_passes_and_gives_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = CASES[name].astype(np.float32)
    monkeypatch.setattr(order, "SLOTS", 1 << 14)
    (summary,), passes, biggest = taken(EVERYTHING, plane[None])
    assert_exact(summary, plane)
    assert passes > 2
    assert biggest <= 16 << 16


def test_a_hundred_percentiles_are_exact() -> None:
    fractions = tuple(np.linspace(0, 1, 101))
    plane = CASES["wide tails"].astype(np.float32)
    (summary,), _, _ = taken(Summaries(fractions=fractions, mad=False), plane[None])
    assert summary.quantiles == tuple(np.quantile(plane.astype(np.float64), fractions))


def test_only_samples_strictly_between_the_limits_are_counted() -> None:
    plane = np.array([[-1, 0, 0.25, 0.5, 0.75, 1, 2, np.nan]], np.float32)
    (summary,), _, _ = taken(Summaries(above=0.0, below=1.0), plane[None])
    assert (summary.count, summary.outside, summary.missing) == (3, 4, 1)
    assert (summary.minimum, summary.median, summary.maximum) == (0.25, 0.5, 0.75)


def test_channels_are_summarised_apart_and_an_empty_one_hinders_none() -> None:
    image = np.stack([CASES["sky"], np.full(SHAPE, np.nan), CASES["constant"]]).astype(np.float32)
    sky, empty, constant = taken(EVERYTHING, image)[0]
    assert_exact(sky, image[0])
    assert_exact(constant, image[2])
    assert empty.count == 0 and empty.missing == image[1].size
    assert math.isnan(empty.mad) and all(map(math.isnan, empty.quantiles))


def test_keys_sort_like_their_numbers_and_come_back() -> None:
    x = np.sort(np.concatenate([CASES["all magnitudes"].ravel(), [0.0, -1e-45, 1e-45]]).astype(np.float32))
    keys = keys_of(x)
    assert np.array_equal(np.sort(keys), keys)
    assert np.array_equal(values_of(keys), x.astype(np.float64))


def test_partials_that_may_not_be_written_are_left_alone() -> None:
    plane = CASES["sky"].astype(np.float32)[None]
    half = [EVERYTHING.measure(plane[:, a:b], None, Box(a, 0, b, 701)) for a, b in ((0, 150), (150, 300))]
    merged = EVERYTHING.merge(half[0], half[1])
    merged[0]["bins"].flags.writeable = False
    before = merged[0]["bins"].copy()
    EVERYTHING.merge(merged, half[1])
    assert np.array_equal(merged[0]["bins"], before)
