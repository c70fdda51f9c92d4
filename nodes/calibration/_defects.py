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
def _sort(v, n):  # type: ignore[no-untyped-def]
    for i in range(1, n):
        x, k = v[i], i
        while k > 0 and v[k - 1] > x:
            v[k] = v[k - 1]
            k -= 1
        v[k] = x


@_jit
def median_of(v, n):  # type: ignore[no-untyped-def]
    """Return the median of the first *n* of *v*, which it reorders; NaN for none."""
    if n == 0:
        return np.nan
    _sort(v, n)
    return 0.5 * (v[(n - 1) // 2] + v[n // 2])


@_jit
def _ring(p, y, x, step, inner, outer, v):  # type: ignore[no-untyped-def]
    """Gather the finite samples between *inner* and *outer* steps of (y, x) into *v*; return their number."""
    n = 0
    for i in range(-outer, outer + 1):
        for j in range(-outer, outer + 1):
            if max(abs(i), abs(j)) > inner:
                s = p[y + i * step, x + j * step]
                if np.isfinite(s):
                    v[n] = s
                    n += 1
    return n


@_jit
def _beyond(p, y, x, step, low, high):  # type: ignore[no-untyped-def]
    """Return how many of the 8 neighbours lie below *low*, how many above *high*, and how many there are."""
    below = above = n = 0
    for i in range(-1, 2):
        for j in range(-1, 2):
            s = np.float64(p[y + i * step, x + j * step])
            if (i != 0 or j != 0) and np.isfinite(s):
                n += 1
                below += s < low
                above += s > high
    return below, above, n


@_jit
def replace_outliers(p, step, deviation, hot, cold, amount, out):  # type: ignore[no-untyped-def]
    """Write *p* without its margin of three steps, outliers replaced; *hot*, *cold* in deviations, negative: none."""
    margin = 3 * step
    near, far = np.empty(8), np.empty(48)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            y, x = i + margin, j + margin
            out[i, j] = p[y, x]
            t = np.float64(p[y, x])
            if not np.isfinite(t):
                continue
            # A sample can only be beyond the median of its neighbours if it is beyond half of them.
            below, above, n = _beyond(p, y, x, step, t - max(hot, 0.0) * deviation, t + max(cold, 0.0) * deviation)
            maybe_hot, maybe_cold = hot >= 0.0 and 2 * below >= n, cold >= 0.0 and 2 * above >= n
            if n == 0 or not (maybe_hot or maybe_cold):
                continue
            n = _ring(p, y, x, step, 0, 1, near)
            a = near[:n].sum() / n
            m = median_of(near, n)
            b = median_of(far, _ring(p, y, x, step, 1, 3, far))
            is_hot = a < b + 0.5 * deviation and t > b + deviation and t > m + hot * deviation
            is_cold = t + cold * deviation < b and t + cold * deviation < m
            if maybe_hot and is_hot:
                out[i, j] = a * amount + t * (1.0 - amount)
            elif maybe_cold and is_cold:
                out[i, j] = b * amount + t * (1.0 - amount)


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
