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

_LEVELS = 1 << 12
"""Ranks that are told apart; counters of more would not stay in the processor's cache."""


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
    levels, ranks = np.unique(c, return_inverse=True)
    share = -(-levels.size // _LEVELS)
    ranks = (ranks.reshape(c.shape) // share).astype(np.int32)
    levels = levels[share // 2 :: share] if share > 1 else levels
    for j in range(layers):
        ranks = _ranked(ranks, 1 << j, _LEVELS)
    large: Plane = levels[np.minimum(ranks, levels.size - 1)]
    return large


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _ranked(ranks: Any, radius: Any, levels: Any) -> Any:
    """Return the median rank about each sample, rows and columns mirrored.

    A window that moves by one column takes in a column and gives one up (Huang, Yang & Tang 1979). Counts are
    kept by rank and by runs of 64 ranks, so that the median is found in few steps however it moves.
    """
    rows, columns = ranks.shape
    out = np.empty_like(ranks)
    fine, coarse = np.zeros(levels, np.int16), np.zeros((levels >> 6) + 1, np.int32)
    half = ((2 * radius + 1) ** 2) // 2
    lines, places = np.empty(2 * radius + 1, np.int64), np.empty(columns + 2 * radius, np.int64)
    for i in range(places.size):
        places[i] = _mirrored(i - radius, columns)
    for y in range(rows):
        for i in range(lines.size):
            lines[i] = _mirrored(y - radius + i, rows)
        fine[:] = 0
        coarse[:] = 0
        for j in range(2 * radius):
            for i in range(lines.size):
                v = ranks[lines[i], places[j]]
                fine[v] += 1
                coarse[v >> 6] += 1
        for x in range(columns):
            for i in range(lines.size):
                v = ranks[lines[i], places[x + 2 * radius]]
                fine[v] += 1
                coarse[v >> 6] += 1
            left, c = half, 0
            while coarse[c] <= left:
                left -= coarse[c]
                c += 1
            k = c << 6
            while fine[k] <= left:
                left -= fine[k]
                k += 1
            out[y, x] = k
            for i in range(lines.size):
                v = ranks[lines[i], places[x]]
                fine[v] -= 1
                coarse[v >> 6] -= 1
    return out


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
