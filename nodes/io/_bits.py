"""Loops over the bits of float32 samples: their bytes swapped, what is infinite."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

# Bits without the sign: from here on infinities and NaN.
_INFINITE = 0x7F800000
_UNSIGNED = 0x7FFFFFFF


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def swap(source: Any, target: Any) -> Any:
    """Swap the bytes of as many samples of each row of *source* as *target* has (both uint32, two axes).

    Returns whether all samples are finite: while they pass, that costs nothing.
    """
    most = np.uint32(0)
    for y in range(target.shape[0]):
        row, out = source[y], target[y]
        for i in range(target.shape[1]):
            b = row[i]
            high = (b << np.uint32(24)) | ((b << np.uint32(8)) & np.uint32(0xFF0000))
            b = np.uint32(high | ((b >> np.uint32(8)) & np.uint32(0xFF00)) | (b >> np.uint32(24)))
            out[i] = b
            # Kept to 32 bits at each step: numba's sums and maxima have 64, and half as many fit a register.
            most = np.uint32(max(most, np.uint32(b & np.uint32(_UNSIGNED))))
    return most < np.uint32(_INFINITE)


def infinite_as_missing(tile: npt.NDArray[np.float32]) -> None:
    """Make infinite samples of *tile*, which lies in one piece, NaN."""
    bits = tile.reshape(-1).view(np.uint32)
    if _any_infinity(bits):
        bits[(bits & np.uint32(_UNSIGNED)) == np.uint32(_INFINITE)] = np.uint32(0x7FC00000)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _any_infinity(bits: Any) -> Any:
    n = np.uint32(0)
    for i in range(bits.size):
        n = np.uint32(n | np.uint32(np.uint32(bits[i] & np.uint32(_UNSIGNED)) == np.uint32(_INFINITE)))
    return n != 0
