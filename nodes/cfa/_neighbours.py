"""Colours from the nearest samples: whole cells, and means of the nearest neighbours of a colour."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import Tile

_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


def cells_to_pixels(plane: npt.NDArray[np.float32], colours: npt.NDArray[np.int64]) -> Tile:
    """Return a pixel for each cell of *plane*, the mean of its samples of each colour; missing if one is missing."""
    rows, columns = plane.shape[0] // 2, plane.shape[1] // 2
    total = np.zeros((3, rows, columns), np.float64)
    count = np.zeros((3, 1, 1))
    for i in range(2):
        for j in range(2):
            total[colours[i, j]] += plane[i::2, j::2]
            count[colours[i, j]] += 1.0
    total /= count
    total[:, ~np.isfinite(total).all(axis=0)] = np.nan
    return total.astype(np.float32)


def nearest_places(colours: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return, by place in the cell and colour, the offsets of the nearest places of that colour, and their number."""
    offsets = np.zeros((2, 2, 3, 4, 2), np.int64)
    counts = np.zeros((2, 2, 3), np.int64)
    around = sorted(((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)), key=lambda p: (p[0] ** 2 + p[1] ** 2, p))
    for y in range(2):
        for x in range(2):
            for colour in range(3):
                found = [p for p in around if colours[(y + p[0]) % 2, (x + p[1]) % 2] == colour]
                nearest = [p for p in found if p[0] ** 2 + p[1] ** 2 == found[0][0] ** 2 + found[0][1] ** 2]
                offsets[y, x, colour, : len(nearest)] = nearest
                counts[y, x, colour] = len(nearest)
    return offsets, counts


@_jit
def nearest_mean(plane, y, x, offsets, count):  # type: ignore[no-untyped-def]
    """Return the mean of the samples at *offsets* from (y, x), missing ones left out; NaN if all are missing."""
    total, n = 0.0, 0
    for k in range(count):
        v = np.float64(plane[y + offsets[k, 0], x + offsets[k, 1]])
        if np.isfinite(v):
            total += v
            n += 1
    return total / n if n else np.nan


@_jit
def bilinear(plane, margin, y0, x0, offsets, counts, out):  # type: ignore[no-untyped-def]
    """Write the three colours of each pixel.

    *plane* has *margin* pixels more than *out* on each side; *out* begins at (y0, x0) of the image.
    """
    for i in range(out.shape[1]):
        py = (y0 + i) % 2
        for first in range(2):
            px = (x0 + first) % 2
            for c in range(3):
                _row(plane, i + margin, margin, offsets[py, px, c], counts[py, px, c], first, out[c, i])


@_jit
def _row(plane, y, margin, offsets, count, first, out):  # type: ignore[no-untyped-def]
    """Write every second pixel of a row of one colour, beginning with *first*."""
    # With fewer neighbours than four their places are repeated: the mean is the same, the loop has no branch.
    a, b = offsets[0], offsets[1 % count]
    c, d = (offsets[2], offsets[3]) if count == 4 else (a, b)
    up, down = plane[y + a[0]], plane[y + b[0]]
    left, right = plane[y + c[0]], plane[y + d[0]]
    own = plane[y]
    for j in range(first, out.size, 2):
        x = j + margin
        total = (np.float64(up[x + a[1]]) + right[x + d[1]]) + (np.float64(down[x + b[1]]) + left[x + c[1]])
        if np.isfinite(total) and np.isfinite(own[x]):
            out[j] = 0.25 * total
        elif np.isfinite(own[x]):
            out[j] = nearest_mean(plane, y, x, offsets, count)
        else:
            out[j] = np.nan
