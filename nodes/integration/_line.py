"""The L1 line through a sorted stack: least sum of absolute deviations of the samples over their indices."""

from __future__ import annotations

from typing import Any

import numba

# Enough for any stack: each step goes to a neighbouring corner of the convex objective that lies lower.
_MOST_STEPS = 1000
# Samples are lifted by different tiny shares of their span, so that no three of them lie on one line; the
# search could otherwise stand still at a corner that is none. Far above rounding, far below noise. Squares of
# the index: multiples of one number, even modulo 1, are themselves on lines.
_JITTER = 1e-11
_GOLDEN = 0.6180339887498949


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def l1_line(v: Any, room: Any) -> Any:
    """Return a and b of the line ``a + b i`` through v[i]; *room* is scratch of at least 2 len(v) numbers.

    The best line passes through two samples. From a sample, the best slope is a weighted median of the slopes
    to all others; the sample that gives it is the next one to turn about, until turning about neither of the
    two helps: for a convex, piecewise linear objective without three samples on a line that is the minimum.
    """
    n = v.size
    y, slopes = room[:n], room[n : 2 * n]
    span = v[n - 1] - v[0]
    if span == 0.0:
        return v[0], 0.0
    for i in range(n):
        y[i] = v[i] + span * _JITTER * ((i * i * _GOLDEN) % 1.0)
    pivot, partner = n // 4, n - 1 - n // 4
    for step in range(_MOST_STEPS):
        following = _best_partner(y, pivot, partner, slopes)
        # The first partner is a guess, and nothing is known of turning about it yet.
        if following == partner and step > 0:
            break
        partner, pivot = pivot, following
    b = (y[pivot] - y[partner]) / (pivot - partner)
    return y[pivot] - b * pivot, b


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _best_partner(y: Any, pivot: Any, partner: Any, slopes: Any) -> Any:
    """Return the sample through which the best line through sample *pivot* passes; *partner* where it is as good.

    The weighted median is walked to from the slope to *partner*, which is seldom more than a few samples away.
    """
    n = y.size
    total = 0.5 * (pivot * (pivot + 1) + (n - 1 - pivot) * (n - pivot))
    for i in range(n):
        slopes[i] = (y[i] - y[pivot]) / (i - pivot)  # no number for the pivot itself, and so never chosen
    below = 0.0
    for i in range(n):
        below += abs(i - pivot) if slopes[i] < slopes[partner] else 0
    for _ in range(n):
        best = partner
        if 2.0 * below > total:
            for i in range(n):
                if slopes[i] < slopes[partner] and (best == partner or slopes[i] > slopes[best]):
                    best = i
            below -= abs(best - pivot)
        elif 2.0 * (below + abs(partner - pivot)) < total:
            for i in range(n):
                if slopes[i] > slopes[partner] and (best == partner or slopes[i] < slopes[best]):
                    best = i
            below += abs(partner - pivot)
        if best == partner:
            break
        partner = best
    return partner
