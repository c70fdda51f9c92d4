"""Scale estimators beyond standard deviation and MAD: their sums tile by tile, and the pairwise ones Sn and Qn.

Formulas: Wilcox, "Introduction to Robust Estimation and Hypothesis Testing" (biweight and percentage bend
midvariance); Rousseeuw & Croux (1993), "Alternatives to the Median Absolute Deviation" (Sn, Qn).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BEND = 0.8
"""Where the percentage bend midvariance bends: at this fraction of the absolute deviations."""

# What makes each estimator equal the standard deviation of normal noise.
TO_SIGMA = {
    "avg_dev": 1.2533,
    "mad": 1.4826,
    "sqrt_bwmv": 0.9901,
    "sqrt_pbmv": 0.9709,
    "sn": 1.1926,
    "qn": 2.2191,
}


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _biweight(d: Any, inverse: Any) -> Any:
    """Return the two terms of the biweight midvariance of the deviation *d*."""
    y = d * inverse
    t = 1.0 - y * y
    if t <= 0.0:
        return 0.0, 0.0
    s = d * t * t
    return s * s, t * (1.0 - 5.0 * y * y)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def scale_sums(x: Any, above: Any, below: Any, centre: Any, inverse: Any, sums: Any) -> None:
    """Add what the samples of *x* strictly between *above* and *below* contribute to the midvariances.

    *inverse* holds one over 9 MAD, over 9 times the MAD of the lower and of the upper side, and over the
    bend. *sums*: absolute deviations; biweight numerator, denominator (all, lower, upper side); bent
    squares; samples short of the bend; samples of the lower side.
    """
    absolute = n_all = d_all = n_low = d_low = n_high = d_high = bent = short = lower = 0.0
    for i in range(x.size):
        v = np.float64(x[i])
        if not (v > above and v < below):
            continue
        d = v - centre
        absolute += abs(d)
        a, b = _biweight(d, inverse[0])
        n_all += a
        d_all += b
        if d <= 0.0:
            a, b = _biweight(d, inverse[1])
            n_low += a
            d_low += b
            lower += 1.0
        else:
            a, b = _biweight(d, inverse[2])
            n_high += a
            d_high += b
        y = abs(d) * inverse[3]
        if y < 1.0:
            bent += y * y
            short += 1.0
        else:
            bent += 1.0
    sums[0] += absolute
    sums[1] += n_all
    sums[2] += d_all
    sums[3] += n_low
    sums[4] += d_low
    sums[5] += n_high
    sums[6] += d_high
    sums[7] += bent
    sums[8] += short
    sums[9] += lower


SUMS = 10


def inverses(channel: Mapping[str, Any]) -> Floats:
    """Return the *inverse* argument of `scale_sums` for a channel with known MADs and bend; 0 for no dispersion."""
    widths = [9.0 * channel["mad"], 9.0 * channel["low_mad"], 9.0 * channel["high_mad"], channel["bend"]]
    return np.array([1.0 / w if w > 0.0 else 0.0 for w in widths])


def scales(channel: Mapping[str, Any], sums: Floats) -> dict[str, float]:
    """Return the estimators that `scale_sums` gathered; each is 0 where its deviations are."""
    n, lower = float(channel["count"]), float(sums[9])
    short = float(sums[8])
    bent = channel["bend"] * math.sqrt(n * sums[7]) / short if channel["bend"] > 0.0 and short else 0.0
    return {
        "avg_dev": float(sums[0]) / n,
        "sqrt_bwmv": _midvariance(n, channel["mad"], sums[1], sums[2]),
        "sqrt_bwmv_low": _midvariance(lower, channel["low_mad"], sums[3], sums[4]),
        "sqrt_bwmv_high": _midvariance(n - lower, channel["high_mad"], sums[5], sums[6]),
        "sqrt_pbmv": float(bent),
    }


def _midvariance(n: float, mad: float, numerator: float, denominator: float) -> float:
    if mad <= 0.0 or denominator == 0.0:
        return 0.0
    return math.sqrt(n * numerator) / abs(float(denominator))


def sn(samples: Floats) -> float:
    """Return Rousseeuw and Croux's Sn of *samples*, not scaled to a standard deviation.

    It is the low median over i of the high median over j of ``|x_i - x_j|``, exact, in O(n log n).
    """
    x = np.sort(samples)
    n = x.size
    distances = np.empty(n)
    _high_medians(x, distances)
    return float(np.partition(distances, (n + 1) // 2 - 1)[(n + 1) // 2 - 1])


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _high_medians(x: Any, distances: Any) -> None:
    # The h nearest of x[i], itself included, are h neighbours in the sorted row. Moving that window right
    # shortens its left arm and lengthens its right one, so the best place is where the two cross.
    n = x.size
    h = n // 2 + 1
    for i in range(n):
        lo, hi = max(0, i - h + 1), min(i, n - h)
        while lo < hi:
            mid = (lo + hi) // 2
            if x[i] - x[mid] > x[mid + h - 1] - x[i]:
                lo = mid + 1
            else:
                hi = mid
        best = max(x[i] - x[lo], x[lo + h - 1] - x[i])
        if lo > max(0, i - h + 1):
            best = min(best, max(x[i] - x[lo - 1], x[lo + h - 2] - x[i]))
        distances[i] = best


def qn(samples: Floats) -> float:
    """Return Rousseeuw and Croux's Qn of *samples*, not scaled to a standard deviation.

    It is the k-th smallest of the n(n-1)/2 distances, k = h(h-1)/2, h = n // 2 + 1, exact: the distance is
    bisected over the bit patterns of float64, each step counting in O(n) how many pairs are as near.
    """
    n = samples.size
    if n < 2:
        return 0.0
    h = n // 2 + 1
    x = np.sort(samples)
    wanted = h * (h - 1) // 2
    low, high = 0, int(np.float64(x[-1] - x[0]).view(np.int64))
    while low < high:
        middle = (low + high) // 2
        if _pairs_within(x, float(np.int64(middle).view(np.float64))) >= wanted:
            high = middle
        else:
            low = middle + 1
    return float(np.int64(low).view(np.float64))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _pairs_within(x: Any, distance: Any) -> Any:
    pairs = 0
    j = 0
    for i in range(x.size):
        while x[i] - x[j] > distance:
            j += 1
        pairs += i - j
    return pairs
