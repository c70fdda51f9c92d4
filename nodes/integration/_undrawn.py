"""Which stacks winsorized sigma clipping leaves whole, told for 64 of them at once.

The exact algorithm goes through each stack on its own, which is slow; but few stacks hold anything to reject. Here
its first round is followed in single precision, side by side, and a stack whose ends stay within the limits by more
than this can be wrong needs no more.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from . import _rejection as reject
from ._lanes import clamped_sums
from ._sorting import LANES

# The exact rounds end when sigma changes by less than CONVERGED; one round sooner or later, which rounding may
# decide, moves sigma and the mean by about as much.
_MARGIN = np.float32(0.01)
_ROUNDS = 24
_SN_TO_SIGMA, _TO_SIGMA = np.float32(reject.SN_TO_SIGMA), np.float32(reject.WINSORIZED_TO_SIGMA)
_WINSOR, _CONVERGED = np.float32(reject.WINSOR), np.float32(reject.CONVERGED)
_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def undrawn(block, sn, p, calm):  # type: ignore[no-untyped-def]
    """Set *calm* where nothing of the sorted columns of *block* (rows, LANES), float32, is rejected.

    *sn*: Sn of each column, unscaled; *p*: the numbers of the algorithm.
    """
    n = block.shape[0]
    deviations = np.empty((n, LANES), np.float32)
    sigma, mean = np.empty(LANES, np.float32), np.zeros(LANES, np.float32)
    limits, sums = np.empty((2, LANES), np.float32), np.empty((2, LANES), np.float32)
    limits[0], limits[1] = -np.inf, np.inf
    moving = np.ones(LANES, np.uint8)
    for lane in range(LANES):
        sigma[lane] = _SN_TO_SIGMA * sn[lane]
        calm[lane] = sigma[lane] == 0.0  # the algorithm leaves a stack without dispersion alone
    _centred(block, sigma, np.float32(p[reject.THIRD]), deviations)
    for _ in range(_ROUNDS):
        _drawn_in(sigma, mean, moving, limits[0], limits[1])
        clamped_sums(
            np.uint64(deviations.ctypes.data), n, np.uint64(limits.ctypes.data), np.uint64(sums.ctypes.data)
        )
        if not _again(sums[0], sums[1], np.float32(n), sigma, mean, moving):
            break
    middle, other = block[(n - 1) // 2], block[n // 2]
    down, up = np.float32(p[reject.LOW]) - _MARGIN, np.float32(p[reject.HIGH]) - _MARGIN
    for lane in range(LANES):
        centre = np.float32(0.5) * (middle[lane] + other[lane]) + mean[lane]
        inside = (block[0, lane] >= centre - down * sigma[lane]) & (block[n - 1, lane] <= centre + up * sigma[lane])
        calm[lane] |= inside & (moving[lane] == 0)


@_jit
def _centred(block, sigma, cutoff, deviations):  # type: ignore[no-untyped-def]
    """Write the deviations from the median, 0 for those beyond the cutoff."""
    n = block.shape[0]
    middle, other = block[(n - 1) // 2], block[n // 2]
    for j in range(n):
        row, out = block[j], deviations[j]
        for lane in range(LANES):
            d = row[lane] - np.float32(0.5) * (middle[lane] + other[lane])
            out[lane] = d if abs(d) <= cutoff * sigma[lane] else np.float32(0.0)


@_jit
def _drawn_in(sigma, mean, moving, low, high):  # type: ignore[no-untyped-def]
    """Draw the limits in: clamping again and again is one clamp whose bounds are clamped."""
    for lane in range(LANES):
        a, b = mean[lane] - _WINSOR * sigma[lane], mean[lane] + _WINSOR * sigma[lane]
        least, most = max(low[lane], a), max(high[lane], a)
        low[lane] = min(least, b) if moving[lane] else low[lane]
        high[lane] = min(most, b) if moving[lane] else high[lane]


@_jit
def _again(first, second, n, sigma, mean, moving):  # type: ignore[no-untyped-def]
    """Take over mean and sigma of the columns that still move; return whether any does."""
    some = np.uint8(0)
    one = np.float32(1.0)
    for lane in range(LANES):
        m = first[lane] / n
        s = _TO_SIGMA * np.sqrt(max(np.float32(0.0), (second[lane] - first[lane] * m) / (n - one)))
        goes_on = moving[lane] & (abs(sigma[lane] - s) >= _CONVERGED * sigma[lane])
        mean[lane] = m if moving[lane] else mean[lane]
        sigma[lane] = s if moving[lane] else sigma[lane]
        moving[lane] = goes_on
        some |= goes_on
    return some != 0
