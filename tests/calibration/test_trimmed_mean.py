"""The trimmed mean is that of the sorted samples, whatever the data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given as cases
from hypothesis import settings
from hypothesis import strategies as st

from lerarlink.engine.api import Again, Box
from lerarlink.engine.errors import ParameterError
from lerarlink.nodes.calibration._trimmed_mean import TrimmedMean


def by_passes(parts: list[np.ndarray], share: float, tiles: int = 3) -> list[float]:
    mean = TrimmedMean(share, "test")
    state: Any = None
    for _ in range(20):
        pieces = [np.array_split(p, tiles) for p in parts]
        partials = [mean.measure([p[i][None] for p in pieces], state, Box(0, 0, 1, 1)) for i in range(tiles)]
        merged = partials[0]
        for partial in partials[1:]:
            merged = mean.merge(merged, partial)
        found = mean.finish(merged, state)
        if not isinstance(found, Again):
            return found
        state = found.state
    raise AssertionError("no end of passes")


def by_sorting(part: np.ndarray, share: float) -> float:
    x = np.sort(part[np.isfinite(part)].astype(np.float64))
    trim = max(1, math.floor(share * x.size))
    return float(x[trim : x.size - trim].mean())


_TIES = st.sampled_from([-3.5, -1.0, 0.0, -0.0, 1.0, 1.25, 2.0, 1e10])


@settings(max_examples=300, deadline=None)
@cases(
    values=st.lists(_TIES | st.floats(-5, 5, width=32), min_size=3, max_size=130),
    share=st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.2, 0.25]),
)
def test_ties_gaps_and_small_numbers_of_samples(values: list[float], share: float) -> None:
    part = np.array(values, np.float32)
    rounding = 1e-14 * len(values) * float(np.abs(part).max())
    assert by_passes([part], share)[0] == pytest.approx(by_sorting(part, share), rel=1e-12, abs=rounding)


def test_parts_of_different_sizes_with_missing_samples() -> None:
    rng = np.random.default_rng(1)
    parts = [rng.normal(30000, 900, n).astype(np.float32) for n in (20_000, 40_001, 19_999)]
    parts[1][::7] = np.nan
    parts[2] = np.round(parts[2])
    for got, part in zip(by_passes(parts, 0.05), parts, strict=True):
        assert got == pytest.approx(by_sorting(part, 0.05), rel=1e-12)


def test_fewer_than_three_samples_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"at least 3 samples of each part are wanted, got \[2\]"):
        by_passes([np.array([1, np.nan, 2], np.float32)], 0.05)
