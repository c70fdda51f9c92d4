"""Medians over windows of a small grid: each step of the window costs its height, not its area.

Huang, Yang & Tang (1979), IEEE Trans. Acoust. 27, 13: a histogram of the window is kept while it slides. It counts
ranks instead of values, so any numbers will do, and the median is exact.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

_COARSE = 64
"""Ranks that one bin of the coarse histogram holds."""


def median_of_windows(grid: npt.NDArray[np.float64], size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return the median over *size* (odd) cells around each cell of *grid* (finite); beyond its edges it is mirrored.

    The same as scipy.ndimage.median_filter with mode "reflect".
    """
    flat = grid.ravel()
    order = np.argsort(flat, kind="stable")
    ranks = np.empty(flat.size, np.int32)
    ranks[order] = np.arange(flat.size, dtype=np.int32)
    half = size[0] // 2, size[1] // 2
    padded = np.pad(ranks.reshape(grid.shape), [(h, h) for h in half], mode="symmetric")
    found = np.empty(grid.shape, np.int32)
    _slide(padded, half[0], half[1], flat.size, found)
    return np.asarray(flat[order][found])


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _slide(padded: Any, below: Any, beside: Any, ranks: Any, found: Any) -> None:
    """Write the rank of the median of each window into *found*."""
    height, width = 2 * below + 1, 2 * beside + 1
    wanted = height * width // 2
    fine = np.zeros(ranks, np.int32)
    coarse = np.zeros(ranks // _COARSE + 1, np.int32)
    for y in range(found.shape[0]):
        fine[:] = 0
        coarse[:] = 0
        at = less = 0  # samples in coarse bins before *at*
        for x in range(found.shape[1]):
            fresh = 0 if x == 0 else width - 1
            for i in range(y, y + height):
                if x > 0:
                    r = padded[i, x - 1]
                    fine[r] -= 1
                    coarse[r // _COARSE] -= 1
                    less -= r // _COARSE < at
                for j in range(x + fresh, x + width):
                    r = padded[i, j]
                    fine[r] += 1
                    coarse[r // _COARSE] += 1
                    less += r // _COARSE < at
            while less > wanted:
                at -= 1
                less -= coarse[at]
            while less + coarse[at] <= wanted:
                less += coarse[at]
                at += 1
            seen, r = less, at * _COARSE
            while seen + fine[r] <= wanted:
                seen += fine[r]
                r += 1
            found[y, x] = r
