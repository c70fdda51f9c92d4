"""The large structures of a plane: a chain of medians of growing size.

The residual layer of a multiscale median transform (Starck, Murtagh & Bijaoui 1998, "Image Processing and Data
Analysis", section 3): each layer is the median of the one before in a square window of 2^(j+1) + 1 samples.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from ._planes import Plane

REDUCED = 4
"""Samples of a row or column of which one of the reduced plane is the mean."""

_RUNS = 64
"""Runs of ranks, and ranks in a run; counters of more than 4096 ranks would not stay in the processor's cache."""

_LEVELS = _RUNS * _RUNS


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def reduced(plane: Any) -> Any:
    """Return the means of the finite samples of each 4 x 4 (NaN without any); leftovers at the ends are dropped."""
    rows, columns = plane.shape[0] // REDUCED, plane.shape[1] // REDUCED
    out = np.empty((rows, columns), np.float32)
    for y in range(rows):
        for x in range(columns):
            total, n = 0.0, 0
            for i in range(REDUCED):
                for j in range(REDUCED):
                    v = plane[y * REDUCED + i, x * REDUCED + j]
                    if np.isfinite(v):
                        total += v
                        n += 1
            out[y, x] = total / n if n else np.nan
    return out


def large_scale(plane: Plane, layers: int) -> Plane:
    """Return *plane* without its *layers* finest median layers; missing samples take the plane's median.

    Where more than 4096 values occur, neighbours in rank are one.
    """
    missing = ~np.isfinite(plane)
    if missing.all():
        return plane
    c = np.where(missing, np.float32(np.median(plane[~missing])), plane).astype(np.float32)
    # Medians of ranks are ranks of medians, so ranks are made once.
    ordered = np.sort(c.reshape(-1))
    levels = ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]
    share = -(-levels.size // _LEVELS)
    ranks = np.searchsorted(levels[::share], c.reshape(-1), side="right").astype(np.int32).reshape(c.shape) - 1
    levels = levels[share // 2 :: share] if share > 1 else levels
    for j in range(layers):
        ranks = _of_nine(ranks) if j == 0 else _ranked(ranks, 1 << j)
    large: Plane = levels[np.minimum(ranks, levels.size - 1)]
    return large


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _of_nine(ranks: Any) -> Any:
    """Return the median of each sample and its eight neighbours, rows and columns mirrored.

    Each column of three is put in order. Of the nine, the median is that of the greatest of the least, the middle
    one of the middle ones and the least of the greatest (Smith 1996, "Implementing median filters in XC4000E FPGAs").
    """
    rows, columns = ranks.shape
    out, wide = np.empty_like(ranks), np.empty((3, columns + 2), np.int32)
    low, mid, high = wide[0, 1:], wide[1, 1:], wide[2, 1:]
    for y in range(rows):
        p, q, r = ranks[_mirrored(y - 1, rows)], ranks[y], ranks[_mirrored(y + 1, rows)]
        for x in range(columns):
            a, b = min(p[x], q[x]), max(p[x], q[x])
            low[x], high[x] = min(a, r[x]), max(b, r[x])
            mid[x] = min(b, max(a, r[x]))
        for line in wide:
            line[0], line[columns + 1] = line[1 + _mirrored(-1, columns)], line[1 + _mirrored(columns, columns)]
        low0, low1, low2 = wide[0, :columns], wide[0, 1:], wide[0, 2:]
        mid0, mid1, mid2 = wide[1, :columns], wide[1, 1:], wide[1, 2:]
        high0, high1, high2 = wide[2, :columns], wide[2, 1:], wide[2, 2:]
        made = out[y]
        for x in range(columns):
            a, c = max(low0[x], max(low1[x], low2[x])), min(high0[x], min(high1[x], high2[x]))
            b = max(min(mid0[x], mid1[x]), min(max(mid0[x], mid1[x]), mid2[x]))
            made[x] = max(min(a, b), min(max(a, b), c))
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _ranked(ranks: Any, radius: Any) -> Any:
    """Return the median rank about each sample, rows and columns mirrored.

    Every column keeps how often ranks occur in its part of the window, so that a window which moves by one column
    takes in a column's counts and gives one's up, whatever its size (Perreault & Hébert 2007, IEEE Trans. Image
    Process. 16, 2389). That is done for runs of ranks; for the ranks of a run only when the median lies in it.
    All counts are of what is not greater: the median's place is then found without a branch.
    """
    rows, columns = ranks.shape
    out = np.empty_like(ranks)
    run_columns = np.zeros((columns, _RUNS), np.int16)
    rank_columns = np.zeros((_RUNS, columns, _RUNS), np.int16)
    runs, inside = np.zeros(_RUNS, np.int32), np.zeros((_RUNS, _RUNS), np.int32)
    seen, before = np.empty(_RUNS, np.int64), -columns - 2 * radius - 2
    n = 2 * radius + 1
    half = np.int32(n * n // 2)
    places = np.empty(columns + 2 * radius, np.int64)
    for i in range(places.size):
        places[i] = _mirrored(i - radius, columns)
    for i in range(2 * radius):
        _count(ranks[_mirrored(i - radius, rows)], np.int16(1), run_columns, rank_columns)
    for y in range(rows):
        _count(ranks[_mirrored(y + radius, rows)], np.int16(1), run_columns, rank_columns)
        seen[:] = before
        last = before
        for x in range(columns):
            _catch_up(runs, run_columns, places, last, x, n)
            last = x
            run = _place(runs, half)
            left = half - runs[run - 1] if run > 0 else half
            _catch_up(inside[run], rank_columns[run], places, seen[run], x, n)
            seen[run] = x
            out[y, x] = run * _RUNS + _place(inside[run], left)
        _count(ranks[_mirrored(y - radius, rows)], np.int16(-1), run_columns, rank_columns)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count(line: Any, by: Any, run_columns: Any, rank_columns: Any) -> None:
    """Count the ranks of a line once more, or once less."""
    for x in range(line.size):
        run, rank = np.int16(line[x] >> 6), np.int16(line[x] & 63)
        a, b = run_columns[x], rank_columns[line[x] >> 6, x]
        for i in range(_RUNS):
            a[i] += by * np.int16(np.int16(i) >= run)
        for i in range(_RUNS):
            b[i] += by * np.int16(np.int16(i) >= rank)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _catch_up(counts: Any, columns: Any, places: Any, last: Any, x: Any, n: Any) -> None:
    """Make of the counts of the window that begins at *last* those of the one that begins at *x*."""
    if 2 * (x - last) >= n:
        counts[:] = 0
        for i in range(x, x + n):
            _add(counts, columns[places[i]])
        return
    for i in range(last, x):
        _exchange(counts, columns[places[i + n]], columns[places[i]])


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _add(counts: Any, new: Any) -> None:
    for i in range(_RUNS):
        counts[i] += np.int32(new[i])


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _exchange(counts: Any, new: Any, old: Any) -> None:
    for i in range(_RUNS):
        counts[i] += np.int32(new[i]) - np.int32(old[i])


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _place(counts: Any, half: Any) -> Any:
    """Return the first place at which more than *half* have been counted."""
    k = np.int32(0)
    for i in range(_RUNS):
        k += np.int32(counts[i] <= half)
    return k


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _mirrored(i: Any, size: Any) -> Any:
    if size == 1:
        return 0
    period = 2 * (size - 1)
    i = abs(i) % period
    return min(i, period - i)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def interpolated(model: Any, y: Any, x: Any) -> Any:
    """Return the model at samples (y, x) of the plane it was reduced from fourfold; bilinear, level beyond its ends."""
    out = np.empty(y.size)
    rows, columns = model.shape
    for k in range(y.size):
        v = min(max((y[k] - 1.5) / 4.0, 0.0), rows - 1.0)
        u = min(max((x[k] - 1.5) / 4.0, 0.0), columns - 1.0)
        i, j = min(int(v), max(0, rows - 2)), min(int(u), max(0, columns - 2))
        v -= i
        u -= j
        m, n = min(i + 1, rows - 1), min(j + 1, columns - 1)
        out[k] = (model[i, j] * (1.0 - u) + model[i, n] * u) * (1.0 - v) + (
            model[m, j] * (1.0 - u) + model[m, n] * u
        ) * v
    return out
