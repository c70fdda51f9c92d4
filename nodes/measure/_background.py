"""The sky of a region: its clipped median, and the plane through the medians of its blocks."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")

LOW, HIGH, ROUNDS = 4.0, 2.5, 8
"""Samples further below, and further above, so many sigma are left out; so many times at most."""
BINS, REACH = 1 << 16, 12.0
"""Bins of the histogram that is clipped, over so many sigma on both sides: 0.0004 sigma wide."""
BLOCK = 16


class Sky(NamedTuple):
    """Median, mean and 1.4826 MAD of a clipped sample, and its size."""

    median: float
    mean: float
    mad: float
    n: int

    @property
    def mode(self) -> float:
        """Return 2.5 median - 1.5 mean; the median where the two differ by more than 0.3 sigma (crowded fields)."""
        if abs(self.mean - self.median) > 0.3 * self.mad:
            return self.median
        return 2.5 * self.median - 1.5 * self.mean


class Span(NamedTuple):
    """Where the histogram of a channel begins, and the width of its bins."""

    low: float
    step: float


def span(median: float, mad: float) -> Span:
    """Return the histogram for a sample with this median and MAD."""
    sigma = 1.4826 * mad
    if not sigma > 0.0:
        sigma = max(abs(median), 1e-30) * 1e-6
    return Span(median - REACH * sigma, 2.0 * REACH * sigma / BINS)


@_jit
def histogram(plane, low, step, counts, sums):  # type: ignore[no-untyped-def]
    """Add the finite samples to bins: their number, and the sum of their distances from *low*."""
    last = counts.size
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            d = np.float64(plane[y, x]) - low
            at = d / step
            if at >= 0.0 and at < last:  # not for what is missing
                counts[int(at)] += 1
                sums[int(at)] += d


def sky(counts: npt.NDArray[np.int64], sums: Floats, at: Span) -> Sky:
    """Return what is left of a histogram's sample after clipping about its median."""
    n = np.concatenate([[0], np.cumsum(counts)])
    total = np.concatenate([[0.0], np.cumsum(sums)])
    first, last = 0, counts.size
    middle, mad = _median(n, first, last), 0.0
    for _ in range(ROUNDS):
        mad = 1.4826 * _deviation(n, first, last, middle)
        low = max(0, math.floor(middle - LOW * mad))
        high = min(counts.size, math.ceil(middle + HIGH * mad) + 1)
        if (low, high) == (first, last) or n[high] - n[low] < 8:
            break
        first, last = low, high
        middle = _median(n, first, last)
    kept = int(n[last] - n[first])
    if not kept:
        return Sky(math.nan, math.nan, math.nan, 0)
    mad = 1.4826 * _deviation(n, first, last, middle)
    mean = float(total[last] - total[first]) / kept
    return Sky(at.low + middle * at.step, at.low + mean, mad * at.step, kept)


def _median(n: Any, first: int, last: int) -> float:
    """Return the median, in bins, of those from *first* to before *last*."""
    half = 0.5 * (n[first] + n[last])
    k = int(np.searchsorted(n, half, side="left"))
    inside = n[k] - n[k - 1] if k else 0
    return float(k - 1 + (half - n[k - 1]) / inside) if inside else float(k)


def _deviation(n: Any, first: int, last: int, middle: float) -> float:
    """Return the median absolute deviation, in bins, by bisection on how many lie within a distance."""
    wanted = 0.5 * (n[last] - n[first])
    places = np.arange(n.size, dtype=np.float64)
    low, high = 0.0, float(last - first)
    for _ in range(48):
        d = 0.5 * (low + high)
        ends = np.interp([max(first, middle - d), min(last, middle + d)], places, n)
        if ends[1] - ends[0] >= wanted:
            high = d
        else:
            low = d
    return high


# -- blocks ------------------------------------------------------------------------------------------------


@_jit
def _clipped_median(values):  # type: ignore[no-untyped-def]
    """Return median and 1.4826 MAD of sorted *values* after clipping, and how many are left."""
    first, last = 0, values.size
    middle, sigma = values[0], 0.0
    for _ in range(ROUNDS):
        m = last - first
        middle = 0.5 * (values[first + (m - 1) // 2] + values[first + m // 2])
        away = np.sort(np.abs(values[first:last] - middle))
        sigma = 1.4826 * 0.5 * (away[(m - 1) // 2] + away[m // 2])
        low, high = first, last
        while values[low] < middle - LOW * sigma:
            low += 1
        while values[high - 1] > middle + HIGH * sigma:
            high -= 1
        if high - low < 8 or (low == first and high == last):
            break
        first, last = low, high
    return middle, sigma, last - first


@_jit
def blocks(plane, detail, rows, columns, found):  # type: ignore[no-untyped-def]
    """Put x, y, clipped median, scatter of *detail* (1.4826 MAD), number and mean of blocks into *found*.

    *plane* and *detail* hold NaN where samples do not count; blocks that are less than half full are left out.
    *rows* and *columns* say where the blocks begin. Returns how many there are.
    """
    n = 0
    values, fine = np.empty(BLOCK * BLOCK), np.empty(BLOCK * BLOCK)
    for y0 in rows:
        for x0 in columns:
            m, sx, sy, total, k = 0, 0.0, 0.0, 0.0, 0
            for y in range(max(0, y0), min(plane.shape[0], y0 + BLOCK)):
                for x in range(max(0, x0), min(plane.shape[1], x0 + BLOCK)):
                    if np.isfinite(plane[y, x]):
                        values[m] = plane[y, x]
                        sx += x
                        sy += y
                        m += 1
                        if np.isfinite(detail[y, x]):
                            fine[k] = abs(detail[y, x])
                            k += 1
            if m < BLOCK * BLOCK // 2 or k < BLOCK * BLOCK // 4:
                continue
            middle, _, left = _clipped_median(np.sort(values[:m]))
            for i in range(m):
                total += values[i]
            around = np.sort(fine[:k])
            found[n, 0], found[n, 1], found[n, 2] = sx / m, sy / m, middle
            found[n, 3], found[n, 4], found[n, 5] = 1.4826 * around[k // 2], left, total / m
            n += 1
    return n


class PlaneFit(NamedTuple):
    """Slopes of a plane, their errors, and how many blocks it rests on."""

    dx: float
    dy: float
    dx_error: float
    dy_error: float
    n: int


def plane_fit(table: Floats) -> PlaneFit:
    """Return the plane through block medians; blocks that stand high above it (stars, nebulae) are left out."""
    x, y, z, weight = table[:, 0], table[:, 1], table[:, 2], table[:, 4]
    keep = np.ones(len(z), bool)
    nothing = PlaneFit(math.nan, math.nan, math.nan, math.nan, 0)
    if len(z) < 4:
        return nothing
    for _ in range(12):
        found, inverse, centre = _least_squares(x[keep], y[keep], z[keep], weight[keep])
        rest = z - (found[0] + found[1] * (x - centre[0]) + found[2] * (y - centre[1]))
        sigma = 1.4826 * float(np.median(np.abs(rest[keep] - np.median(rest[keep]))))
        now = (rest <= 2.0 * sigma) & (rest >= -LOW * sigma)
        if now.sum() < 4 or bool((now == keep).all()):
            break
        keep = now
    scatter = float((weight[keep] * rest[keep] ** 2).sum()) / max(1, int(keep.sum()) - 3)
    errors = np.sqrt(np.maximum(0.0, np.diag(inverse) * scatter))
    return PlaneFit(float(found[1]), float(found[2]), float(errors[1]), float(errors[2]), int(keep.sum()))


def _least_squares(x: Floats, y: Floats, z: Floats, weight: Floats) -> tuple[Floats, Floats, tuple[float, float]]:
    centre = float((weight * x).sum() / weight.sum()), float((weight * y).sum() / weight.sum())
    design = np.column_stack([np.ones(len(x)), x - centre[0], y - centre[1]])
    weighted = design * weight[:, None]
    # einsum, not a product of matrices: sums in one order, whatever the number of threads.
    inverse = np.linalg.pinv(np.einsum("ni,nj->ij", weighted, design), hermitian=True)
    return np.einsum("ij,j->i", inverse, np.einsum("ni,n->i", weighted, z)), inverse, centre
