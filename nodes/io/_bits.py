"""Loops over the bits of float32 samples: their bytes swapped, what is infinite, the least and the greatest."""

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


def extremes(tile: npt.NDArray[np.float32]) -> tuple[float, float] | None:
    """Return the least and the greatest sample of *tile*, which lies in one piece; None where all are missing."""
    least, most = _extremes(tile.reshape(-1).view(np.int32))
    if least > most:
        return None
    keys = np.array([least, most], np.int32)
    low, high = np.where(keys < 0, keys ^ np.int32(_UNSIGNED), keys).view(np.float32).tolist()
    return low + 0.0, high + 0.0  # one zero, whatever its sign


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _extremes(bits: Any) -> Any:
    """Return the least and the greatest of whole numbers that are in the order of the samples, without NaN."""
    least, most = np.int32(_UNSIGNED), np.int32(-_UNSIGNED - 1)
    for i in range(bits.size):
        b = bits[i]
        missing = np.int32(b & np.int32(_UNSIGNED)) > np.int32(_INFINITE)
        key = np.int32(b ^ np.int32(np.int32(b >> np.int32(31)) & np.int32(_UNSIGNED)))
        least = np.int32(min(least, np.int32(_UNSIGNED) if missing else key))
        most = np.int32(max(most, np.int32(-_UNSIGNED - 1) if missing else key))
    return least, most
