"""Replacing samples that are known, or seen, to be defective."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from ...engine.api import Frame

_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")

HOT, COLD = 1, 2
OUTLIER_REACH = 3
"""Half the side, in steps, of the surroundings that `replace_outliers` looks at."""
REACH = 2
"""The same of `replace_marked`."""


def step_of(frame: Frame, cfa: bool | None) -> int:
    """Return how far the next sample of the same filter colour is: the side of the cell, 1 without a mosaic.

    *cfa* None: as the frame says; True: a mosaic, of 2 x 2 unless the frame says otherwise.
    """
    if cfa is False:
        return 1
    if frame.cfa is None:
        return 2 if cfa else 1
    return math.isqrt(len(frame.cfa))


@_jit
def median_of(v, n):  # type: ignore[no-untyped-def]
    """Return the median of the first *n* of *v*; NaN for none.

    Candidates are judged by counting what lies below them: for some dozens of values that is quicker than sorting,
    because counting needs no branches.
    """
    low, high = -np.inf, np.inf
    middle = (n - 1) // 2
    for i in range(n):
        x = v[i]
        if not low < x < high:
            continue
        less = within = 0
        for k in range(n):
            less += v[k] < x
            within += v[k] <= x
        if middle < less:
            high = x
        elif middle >= within:
            low = x
        elif n % 2 or within > n // 2:
            return np.float64(x)
        else:
            return 0.5 * (np.float64(x) + _least_above(v, n, x))
    return np.nan


@_jit
def _least_above(v, n, x):  # type: ignore[no-untyped-def]
    least = np.inf
    for k in range(n):
        least = min(least, v[k] if v[k] > x else np.inf)
    return least


@_jit
def _ring(p, y, x, step, inner, outer, v):  # type: ignore[no-untyped-def]
    """Gather the finite samples between *inner* and *outer* steps of (y, x) into *v*; return their number."""
    n = 0
    for i in range(-outer, outer + 1):
        row = p[y + i * step, x - outer * step : x + outer * step + 1]
        hole = inner if abs(i) <= inner else -1
        for k in range(2 * outer + 1):
            v[n] = row[k * step]  # perhaps overwritten by the next
            n += np.isfinite(v[n]) & (abs(k - outer) > hole)
    return n


@_jit
def _suspects(above, row, below, step, hot, cold, out):  # type: ignore[no-untyped-def]
    """Mark the places of *row* (margins of *step*) that may be beyond half of their finite neighbours.

    *hot* and *cold* are distances, single precision, rounded down: no place that is beyond stays unmarked.
    Written without branches, so that the compiler makes vector instructions of it.
    """
    m = out.size
    before, here, after = above[:m], above[step : step + m], above[2 * step :]
    left, middle, right = row[:m], row[step : step + m], row[2 * step :]
    first, second, third = below[:m], below[step : step + m], below[2 * step :]
    for k in range(m):
        low, high = middle[k] - hot, middle[k] + cold
        a, b, c, d = before[k], here[k], after[k], left[k]
        e, f, g, h = right[k], first[k], second[k], third[k]
        under = (np.int32(a <= low) + np.int32(b <= low) + np.int32(c <= low) + np.int32(d <= low)
                 + np.int32(e <= low) + np.int32(f <= low) + np.int32(g <= low) + np.int32(h <= low))
        over = (np.int32(a >= high) + np.int32(b >= high) + np.int32(c >= high) + np.int32(d >= high)
                + np.int32(e >= high) + np.int32(f >= high) + np.int32(g >= high) + np.int32(h >= high))
        n = (np.int32(a - a == 0.0) + np.int32(b - b == 0.0) + np.int32(c - c == 0.0) + np.int32(d - d == 0.0)
             + np.int32(e - e == 0.0) + np.int32(f - f == 0.0) + np.int32(g - g == 0.0) + np.int32(h - h == 0.0))
        out[k] = (2 * under >= n) | (2 * over >= n)


@_jit
def _median_below(v, n, level):  # type: ignore[no-untyped-def]
    """Return whether the median of the first *n* of *v* is below *level*; mostly by counting alone."""
    below = beyond = 0
    for k in range(n):
        below += v[k] < level
        beyond += v[k] >= level
    return below > n // 2 or (beyond <= n // 2 and median_of(v, n) < level)


@_jit
def _median_above(v, n, level):  # type: ignore[no-untyped-def]
    """Return whether the median of the first *n* of *v* is above *level*; mostly by counting alone."""
    above = beyond = 0
    for k in range(n):
        above += v[k] > level
        beyond += v[k] <= level
    return above > n // 2 or (beyond <= n // 2 and median_of(v, n) > level)


@_jit
def replace_outliers(p, step, deviation, hot, cold, amount, out):  # type: ignore[no-untyped-def]
    """Write *p* without its margin of three steps, outliers replaced; *hot*, *cold* in deviations, negative: none."""
    margin = 3 * step
    near, far = np.empty(9), np.empty(49)
    suspect = np.empty(out.shape[1], np.bool_)
    # An infinite distance marks nothing. Rounding down may mark too much, which the exact test below mends.
    down = np.float32(1.0 - 1e-6)
    to_hot = np.float32(hot * deviation) * down if hot >= 0.0 else np.float32(np.inf)
    to_cold = np.float32(cold * deviation) * down if cold >= 0.0 else np.float32(np.inf)
    for i in range(out.shape[0]):
        y = i + margin
        first, end = margin - step, margin + out.shape[1] + step
        rows = p[y - step, first:end], p[y, first:end], p[y + step, first:end]
        _suspects(rows[0], rows[1], rows[2], step, to_hot, to_cold, suspect)
        for j in range(out.shape[1]):
            out[i, j] = p[y, j + margin]
        for j in range(out.shape[1]):
            if suspect[j] and np.isfinite(p[y, j + margin]):
                out[i, j] = _judged(p, y, j + margin, step, deviation, hot, cold, amount, near, far)


@_jit
def _judged(p, y, x, step, deviation, hot, cold, amount, near, far):  # type: ignore[no-untyped-def]
    """Return the sample at (y, x), or what replaces it."""
    t = np.float64(p[y, x])
    n = _ring(p, y, x, step, 0, 1, near)
    if n == 0:
        return t
    a = near[:n].sum() / n
    maybe_hot = hot >= 0.0 and _median_below(near, n, t - hot * deviation)
    if not maybe_hot and not (cold >= 0.0 and _median_above(near, n, t + cold * deviation)):
        return t
    n = _ring(p, y, x, step, 1, 3, far)
    if maybe_hot:
        found = _median_below(far, n, t - deviation) and _median_above(far, n, a - 0.5 * deviation)
        return a * amount + t * (1.0 - amount) if found else t
    b = median_of(far, n)
    return b * amount + t * (1.0 - amount) if t + cold * deviation < b else t


@_jit
def replace_marked(p, marks, step, amount, out):  # type: ignore[no-untyped-def]
    """Write *p* without its margin of two steps, marked samples replaced by sound neighbours.

    HOT ones by the mean of the four diagonal neighbours, COLD ones by the median of the 5 x 5 neighbours off their
    own row and column. A sample without a sound neighbour there stays as it is.
    """
    margin = 2 * step
    v = np.empty(16)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            y, x = i + margin, j + margin
            out[i, j] = p[y, x]
            mark = marks[y, x]
            if mark == 0 or not np.isfinite(p[y, x]):
                continue
            n = _sound(p, marks, y, x, step, 1 if mark == HOT else 2, v)
            if n > 0:
                new = v[:n].sum() / n if mark == HOT else median_of(v, n)
                out[i, j] = new * amount + np.float64(p[y, x]) * (1.0 - amount)


@_jit
def _sound(p, marks, y, x, step, reach, v):  # type: ignore[no-untyped-def]
    n = 0
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            yy, xx = y + i * step, x + j * step
            if i != 0 and j != 0 and marks[yy, xx] == 0 and np.isfinite(p[yy, xx]):
                v[n] = p[yy, xx]
                n += 1
    return n
