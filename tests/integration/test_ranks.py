"""Medians by histogram are those of a sorted array, whatever the samples."""

from __future__ import annotations

import numpy as np
import pytest

from lerarlink.nodes.integration._ranks import BINS, counted, deviation, median, ranked_middle

MADE = {
    "noise": lambda r, n: r.normal(1000, 30, n),
    "whole numbers": lambda r, n: np.round(r.normal(1000, 3, n)),
    "all alike": lambda r, n: np.full(n, 7.0),
    "heavy tails": lambda r, n: r.standard_cauchy(n) * 1e10,
    "mostly one value": lambda r, n: np.where(r.random(n) < 0.6, 5.0, r.normal(0, 1, n)),
    "tiny": lambda r, n: r.normal(0, 1e-30, n),
    "sorted": lambda r, n: np.sort(r.normal(0, 1, n)),
    "the ends of single precision": lambda r, n: np.where(r.random(n) < 0.4, -3e38, 3e38),
}


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 64, 65, 1000, 16384])
def test_a_median_is_exact_and_leaves_the_samples_alone(kind: str, n: int) -> None:
    v = MADE[kind](np.random.default_rng(n), n).astype(np.float32)
    before, ordered = v.copy(), np.sort(v).astype(np.float64)
    found = median(v, n, np.empty(BINS, np.int32), np.empty(n + 1, np.float32))
    assert found == 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])
    assert np.array_equal(v, before)


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 64, 65, 1000, 16384])
def test_a_median_deviation_is_exact(kind: str, n: int) -> None:
    v = MADE[kind](np.random.default_rng(n), n).astype(np.float32)
    bins, room = np.empty(BINS, np.int32), np.empty(n + 1, np.float32)
    first, scale = counted(v, n, bins, room)
    low, high = (n - 1) // 2, n // 2
    level = ranked_middle(v, n, first, scale, bins, room, low, high)
    counts = bins.copy()
    found = deviation(v, n, level, first, scale, bins, room)
    apart = np.sort(np.minimum(np.abs(v - np.float64(level)), np.finfo(np.float32).max).astype(np.float32))
    assert found == 0.5 * (np.float64(apart[low]) + np.float64(apart[high]))
    assert np.array_equal(bins, counts)  # ranks are asked of them again
