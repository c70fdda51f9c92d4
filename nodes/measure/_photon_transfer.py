"""Gain and read noise from one image: how the variance of its noise rises with its brightness."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RANGE = 4.0
"""The brightest blocks are so many times as bright as the darkest ones, at least."""
_MOST = 1200


class Transfer(NamedTuple):
    """Electrons a unit, the noise without light in units, their errors, and the blocks they rest on."""

    gain: float
    read: float
    gain_error: float
    read_error: float
    n: int
    why: str = ""


def transfer(mean: Floats, variance: Floats) -> Transfer:
    """Return gain and read noise from means and variances of blocks: variance = mean / gain + read².

    The line is that of Theil (1950) and Sen (1968): the median of the slopes between pairs of blocks, here those that
    lie apart by a fifth of the range.
    """
    good = np.isfinite(mean) & np.isfinite(variance) & (variance > 0.0)
    mean, variance = mean[good], variance[good]
    low, high = np.quantile(mean, [0.02, 0.98]) if len(mean) else (math.nan, math.nan)
    if len(mean) < 8 or not (low > 0.0 and high >= RANGE * low):
        why = f"LRN-4: the blocks' brightness runs from {low:.4g} to {high:.4g}; a range of {RANGE:g} times is wanted"
        return Transfer(math.nan, math.nan, math.nan, math.nan, len(mean), why)
    order = np.argsort(mean, kind="stable")
    mean, variance = mean[order], variance[order]
    chosen = np.unique(np.linspace(0, len(mean) - 1, min(_MOST, len(mean))).astype(int))
    x, y = mean[chosen], variance[chosen]
    i, j = np.triu_indices(len(x), 1)
    far = x[j] - x[i] >= 0.2 * (high - low)
    slopes = (y[j] - y[i])[far] / (x[j] - x[i])[far]
    slope = float(np.median(slopes))
    rest = float(np.median(y - slope * x))
    if not slope > 0.0:
        why = f"LRN-4: the noise does not rise with brightness (slope {slope:.3g})"
        return Transfer(math.nan, math.nan, math.nan, math.nan, len(x), why)
    scatter = 1.4826 * float(np.median(np.abs(y - slope * x - rest)))
    slope_error = scatter / (float(x.std()) * math.sqrt(len(x)))
    rest_error = math.hypot(scatter / math.sqrt(len(x)), slope_error * float(x.mean()))
    read = math.sqrt(max(0.0, rest))
    return Transfer(
        1.0 / slope, read, slope_error / slope**2, rest_error / (2.0 * read) if read > 0.0 else math.sqrt(rest_error),
        len(x),
    )  # fmt: skip
