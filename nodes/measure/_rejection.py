"""Robust Chauvenet rejection of samples that do not belong to the rest."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def survivors(samples: Floats, limit: float = 0.5) -> Floats:
    """Return the sorted *samples* that robust Chauvenet rejection keeps.

    A sample goes when fewer than *limit* samples as far off would be expected of as many normal ones. At
    first centre and width are the median and the 68.3 % point of the deviations from it, then mean and
    standard deviation (Maples et al. 2018, ApJS 238, 2, sections 2 and 3.1: bulk rejection of the farthest,
    one at a time, with the most robust techniques before the most precise ones).
    """
    x = np.sort(samples[np.isfinite(samples)])
    first, last = _kept(x, limit)
    return x[first:last]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _kept(x: Any, limit: Any) -> Any:
    """Return begin and end of what is kept of the sorted row *x*: what goes, goes at its ends."""
    first, last = 0, x.size
    while last - first > 2:
        n, m = last - first, (first + last) // 2
        centre = x[m] if n % 2 else 0.5 * (x[m - 1] + x[m])
        low, high = centre - x[first], x[last - 1] - centre
        if not _foreign(max(low, high), _width(x, first, last, centre), n, limit):
            break
        first, last = (first + 1, last) if low > high else (first, last - 1)
    # Sums about a middle that stays, from there outward, so that what goes leaves no rounding behind.
    middle = (first + last) // 2
    d = x - x[middle] if x.size else x
    sums, squares = _outward(d, middle), _outward(d * d, middle)
    while last - first > 2:
        n = last - first
        mean = (sums[last] + sums[first]) / n
        variance = max(0.0, (squares[last] + squares[first]) - n * mean * mean) / (n - 1)
        low, high = mean - d[first], d[last - 1] - mean
        if not _foreign(max(low, high), math.sqrt(variance), n, limit):
            break
        first, last = (first + 1, last) if low > high else (first, last - 1)
    return first, last


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _foreign(farthest: Any, width: Any, n: Any, limit: Any) -> Any:
    return width > 0.0 and n * math.erfc(farthest / (width * math.sqrt(2.0))) < limit


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _outward(d: Any, middle: Any) -> Any:
    """Return sums over what lies between *middle* and each place."""
    sums = np.zeros(d.size + 1)
    for i in range(middle, d.size):
        sums[i + 1] = sums[i] + d[i]
    for i in range(middle - 1, -1, -1):
        sums[i] = sums[i + 1] + d[i]
    return sums


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _width(x: Any, first: Any, last: Any, centre: Any) -> Any:
    """Return the 68.3 % point of the deviations from *centre*."""
    k = min(last - first - 1, int(0.683 * (last - first)))
    # The k + 1 nearest are neighbours. Further right their left arm is shorter and their right one longer, so the
    # best place is where the two cross, or the one before.
    low, high = first, last - k - 1
    while low < high:
        i = (low + high) // 2
        if centre - x[i] > x[i + k] - centre:
            low = i + 1
        else:
            high = i
    width = max(centre - x[low], x[low + k] - centre)
    if low > first:
        width = min(width, max(centre - x[low - 1], x[low + k - 1] - centre))
    return width


def mean_and_deviation(samples: Floats) -> tuple[float, float]:
    """Return mean and mean absolute deviation (about the median) of the survivors; NaN without any."""
    x = survivors(samples)
    if not x.size:
        return math.nan, math.nan
    return float(x.mean()), float(np.abs(x - np.median(x)).mean())
