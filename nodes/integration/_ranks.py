"""Exact medians of some thousand samples, by a histogram that leads to the few samples which matter.

Bins grow with the samples, however these are rounded on the way to a bin, so the bin that holds a rank holds the
sample of that rank; only the samples of this bin are searched.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

BINS = 1024
# The bins cover the middle of a few samples that tell where most lie; the outermost take everything beyond.
_TOLD = 64
_WIDTH = 4.0
_MOST = float(np.finfo(np.float32).max)
_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def median(v, n, bins, room):  # type: ignore[no-untyped-def]
    """Return the median of the first *n* of *v* (float32, finite, n > 0), which stays as it is.

    *bins*: int32 of `BINS`, *room*: float32 of at least *n* + 1; both are written over.
    """
    first, scale = counted(v, n, bins, room)
    return ranked_middle(v, n, first, scale, bins, room, (n - 1) // 2, n // 2)


@_jit
def counted(v, n, bins, room):  # type: ignore[no-untyped-def]
    """Count the first *n* of *v* into *bins*; return where these begin and how many there are to a unit."""
    told = min(n, _TOLD)
    for k in range(told):
        x, j = v[k * n // told], k
        while j > 0 and room[j - 1] > x:
            room[j] = room[j - 1]
            j -= 1
        room[j] = x
    middle = room[told // 2]
    wide = np.float32(_WIDTH) * max(room[3 * told // 4] - middle, middle - room[told // 4])
    # Where these are all alike, or too far apart for single precision, any scale does: bins need only be in order.
    scale = np.float32(BINS / 2) / wide if 1e-25 < wide < 1e30 else np.float32(1.0)
    first = middle - np.float32(BINS / 2) / scale
    bins[:] = 0
    for k in range(n):
        bins[_bin(v[k], first, scale)] += 1
    return first, scale


@_jit
def _bin(x, first, scale):  # type: ignore[no-untyped-def]
    return np.int32(min(max((x - first) * scale, np.float32(0.0)), np.float32(BINS - 1)))


@_jit
def ranked_middle(v, n, first, scale, bins, room, low, high):  # type: ignore[no-untyped-def]
    """Return the mean of the samples of ranks *low* and *high* (equal, or one more) of what `counted` has seen."""
    at, before = 0, 0
    while before + bins[at] <= low:
        before += bins[at]
        at += 1
    held = 0
    for k in range(n):
        room[held] = v[k]
        held += _bin(v[k], first, scale) == at
    a = _taken(room, held, low - before)
    if high == low:
        return np.float64(a)
    b = np.float32(np.inf)
    if high - before < held:
        for k in range(low - before + 1, held):
            b = min(b, room[k])
    else:
        for k in range(n):
            b = min(b, v[k] if _bin(v[k], first, scale) > at else np.float32(np.inf))
    return 0.5 * (np.float64(a) + np.float64(b))


@_jit
def deviation(v, n, level, first, scale, bins, room):  # type: ignore[no-untyped-def]
    """Return the median of the distances (in single precision) of what `counted` has seen from *level*, its median.

    The bins on both sides of the level tell how far about half of the samples lie, but for a few bins; only samples at
    that distance are searched, once counting has shown that they hold the ranks asked for.
    """
    low, high = (n - 1) // 2, n // 2
    at = _bin(np.float32(level), first, scale)
    reach, near, inside = 0, 0, int(bins[at])
    while inside <= high and at - reach > 1 and at + reach < BINS - 2:
        near = reach if inside <= low else near
        reach += 1
        inside += int(bins[at - reach]) + int(bins[at + reach])
    least, most = np.float32((near - 2) / scale), np.float32((reach + 2) / scale)
    before = held = 0
    for k in range(n):
        d = np.float32(min(abs(v[k] - level), _MOST))
        before += int(d < least)
        room[held] = d
        held += int((d >= least) & (d <= most))
    if before <= low and high < before + held:
        return _middle(room, held, low - before, high - before)
    apart = np.empty(n, np.float32)
    for k in range(n):
        apart[k] = min(abs(v[k] - level), _MOST)
    return median(apart, n, np.empty(BINS, np.int32), room)


@_jit
def _middle(v, n, low, high):  # type: ignore[no-untyped-def]
    """Return the mean of the samples of ranks *low* and *high* (equal, or one more) of the first *n* of *v*."""
    a = _taken(v, n, low)
    b = a if high == low else np.float32(np.inf)
    for k in range(low + 1, n if high > low else 0):
        b = min(b, v[k])
    return 0.5 * (np.float64(a) + np.float64(b))


@_jit
def _taken(v, n, rank):  # type: ignore[no-untyped-def]
    """Return the sample of *rank* of the first *n* of *v*, put there with nothing less after it (Hoare's FIND)."""
    low, high = 0, n - 1
    while low < high:
        pivot, i, j = v[(low + high) // 2], low, high
        while i <= j:
            while v[i] < pivot:
                i += 1
            while v[j] > pivot:
                j -= 1
            if i <= j:
                v[i], v[j] = v[j], v[i]
                i, j = i + 1, j - 1
        if j < rank:
            low = i
        if rank < i:
            high = j
    return v[rank]
