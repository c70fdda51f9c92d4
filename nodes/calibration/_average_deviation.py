"""The loops of AverageDeviation."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def between(plane, lo, end, white, out):  # type: ignore[no-untyped-def]
    """Copy *plane* with samples within *end* of *lo*, and those from *white* on, missing."""
    for i in range(plane.shape[0]):
        row, to = plane[i], out[i]
        for j in range(row.size):
            x = row[j]
            at_end = (abs(np.float64(x) - lo) <= end) | (np.float64(x) >= white)
            to[j] = np.float32(np.nan) if at_end else x


@_jit
def deviations(plane, lo, end, white, median, farthest):  # type: ignore[no-untyped-def]
    """Return the sum of absolute deviations from *median* of the same samples, and how many; up to *farthest*."""
    total, count = 0.0, 0
    for i in range(plane.shape[0]):
        # A sum for each row, so that long sums keep their digits.
        in_row = 0.0
        for j in range(plane.shape[1]):
            x = np.float64(plane[i, j])
            d = abs(x - median)
            if d <= farthest and abs(x - lo) > end and x < white:
                in_row += d
                count += 1
        total += in_row
    return total, count
