"""The L1 line through a sorted stack: least sum of absolute deviations of the samples over their indices."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

# Enough for any stack: each step goes to a neighbouring corner of the convex objective that lies lower.
_MOST_STEPS = 1000
# Samples are lifted by different tiny shares of their span, so that no three of them lie on one line; the
# search could otherwise stand still at a corner that is none. Far above rounding, far below noise. Squares of
# the index: multiples of one number, even modulo 1, are themselves on lines.
_JITTER = 1e-11
_GOLDEN = 0.6180339887498949
# Up to here comparing all slopes with all is faster than walking along them.
_FEW = 40


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def l1_line(v: Any, room: Any) -> Any:
    """Return a and b of the line ``a + b i`` through v[i]; *room* is scratch of at least 3 len(v) numbers.

    The best line passes through two samples. From a sample, the best slope is a weighted median of the slopes
    to all others; the sample that gives it is the next one to turn about. The line is the best one as soon as the
    others pull it up and down with no more force than the two samples it passes through can hold: for a convex,
    piecewise linear objective without three samples on a line that is the minimum.
    """
    n = v.size
    y, slopes, below = room[:n], room[n : 2 * n], room[2 * n : 3 * n]
    span = v[n - 1] - v[0]
    if span == 0.0:
        return v[0], 0.0
    for i in range(n):
        share = i * i * _GOLDEN
        y[i] = v[i] + span * _JITTER * (share - np.floor(share))
    pivot, partner = n // 4, n - 1 - n // 4
    for _ in range(_MOST_STEPS):
        following = _best_partner(y, pivot, partner, slopes, below)
        partner, pivot = pivot, following
        if _holds(y, pivot, partner):
            break
    b = (y[pivot] - y[partner]) / (pivot - partner)
    return y[pivot] - b * pivot, b


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _holds(y: Any, pivot: Any, partner: Any) -> Any:
    """Return whether no turn about sample *pivot* helps: the line is the best one about *partner* already.

    Each sample off the line pulls with a force of 1; what pulls at the lever of its distance from the pivot has to
    be held by the partner alone, with at most 1.
    """
    b = (y[pivot] - y[partner]) / (pivot - partner)
    torque = 0
    for i in range(y.size):
        lever = i - pivot
        r = y[i] - y[pivot] - b * lever
        pull = lever if r > 0.0 else -lever
        torque += pull if i != partner else 0
    return abs(torque) <= abs(partner - pivot)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _best_partner(y: Any, pivot: Any, partner: Any, slopes: Any, below: Any) -> Any:
    """Return the sample through which the best line through sample *pivot* passes; *partner* where it is as good.

    It gives the weighted median of the slopes to all others.
    """
    n = y.size
    total = (pivot * (pivot + 1) + (n - 1 - pivot) * (n - pivot)) // 2
    here = y[pivot]
    for i in range(n):
        slopes[i] = (y[i] - here) / (i - pivot)  # no number for the pivot itself, and so never chosen
    if n <= _FEW:
        return _by_ranks(slopes, pivot, partner, total, below)
    return _by_steps(slopes, pivot, partner, total)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _by_ranks(slopes: Any, pivot: Any, partner: Any, total: Any, below: Any) -> Any:
    """Return the weighted median, by the weight below every slope: many comparisons, but eight at a time."""
    n = slopes.size
    below[:] = 0.0
    for j in range(0, n - n % 4, 4):  # four a time: entering the inner loop costs as much as going through it
        s0, s1, s2, s3 = slopes[j], slopes[j + 1], slopes[j + 2], slopes[j + 3]
        w0, w1 = np.float64(abs(j - pivot)), np.float64(abs(j + 1 - pivot))
        w2, w3 = np.float64(abs(j + 2 - pivot)), np.float64(abs(j + 3 - pivot))
        for i in range(n):
            s = slopes[i]
            first = (w0 if s0 < s else 0.0) + (w1 if s1 < s else 0.0)
            below[i] += first + ((w2 if s2 < s else 0.0) + (w3 if s3 < s else 0.0))
    for j in range(n - n % 4, n):
        slope, weight = slopes[j], np.float64(abs(j - pivot))
        for i in range(n):
            below[i] += weight if slope < slopes[i] else 0.0
    if 2.0 * below[partner] <= total and 2.0 * (below[partner] + abs(partner - pivot)) >= total:
        return partner
    found = partner
    for i in range(n):
        fits = (2.0 * below[i] <= total) & (2.0 * (below[i] + abs(i - pivot)) >= total) & (i != pivot)
        found = i if fits else found
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _by_steps(slopes: Any, pivot: Any, partner: Any, total: Any) -> Any:
    """Return the weighted median, walking to it from the slope of *partner*, seldom more than a few samples away."""
    n = slopes.size
    below, slope = 0, slopes[partner]
    for i in range(n):
        below += abs(i - pivot) if slopes[i] < slope else 0
    while 2 * below > total:
        best = -np.inf
        for i in range(n):
            if slopes[i] < slope and slopes[i] > best:
                best, partner = slopes[i], i
        slope = best
        below -= abs(partner - pivot)
    while 2 * (below + abs(partner - pivot)) < total:
        below += abs(partner - pivot)
        best = np.inf
        for i in range(n):
            if slopes[i] > slope and slopes[i] < best:
                best, partner = slopes[i], i
        slope = best
    return partner
