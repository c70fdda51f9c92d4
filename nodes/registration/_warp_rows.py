"""Interpolated rows: places of sixteen pixels at a time, sums of four, whose windows may stay where they lie."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numba
import numpy as np

from ._warp_lanes import LANES, LOWEST, MINUS, PLUS, WIDE, window_sums

PHASES = 4096
"""Phases from one pixel to the next in a table of weights."""
_NONE, _UNDERSHOOT, _LOBES = 0, 1, 2
_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")
# What is found out about pixels begins here: phases, and the first row and column of each window, row -1 for none.
_PHASE_X, _PHASE_Y, _ROW, _COLUMN = (np.uint64(n * LANES) for n in range(4))
_KINDS = {"none": _NONE, "undershoot": _UNDERSHOOT, "lobes": _LOBES}


@lru_cache
def kernel(taps: int, clamp: str) -> Callable[..., None]:
    """Return the kernel of *taps* by *taps* samples; *clamp* is ``none``, ``undershoot`` or ``lobes``.

    It takes a C-contiguous float32 plane, the place of its first sample in the image, where output pixels come from,
    the weights of each phase (in rows of `padded` taps), the sum of the positive ones, the noise, threshold and black
    of the clamp, and the output. It leaves NaN where the window reaches beyond the plane or holds a missing sample.
    """
    kind = _KINDS[clamp]

    @_jit
    def run(plane, oy, ox, at_x, at_y, weights, positive, noise, threshold, zero, out):  # type: ignore[no-untyped-def]
        windows, sums = np.zeros(taps * taps * LANES, np.float32), np.zeros((3, LANES))
        found = np.zeros(4 * LANES, np.int32)
        address, width = np.uint64(plane.ctypes.data), np.int64(plane.shape[1])
        beside, columns = np.uint64(windows.ctypes.data), out.shape[1]
        table, phases = np.uint64(weights.ctypes.data), np.uint64(found.ctypes.data)
        summed = np.uint64(sums.ctypes.data)
        for i in range(out.shape[0]):
            x, y, made = at_x[i], at_y[i], out[i]
            for j in range(0, columns, LANES):
                m = min(LANES, columns - j)
                turned = _find(x, y, np.uint64(j), np.uint64(m), oy, ox, taps, plane.shape[0], width, found)
                for k in range(0, m, WIDE):
                    n = np.uint64(min(WIDE, m - k))
                    source, down, right = beside, np.int64(taps * LANES), np.int64(LANES)
                    if _side_by_side(found, np.uint64(k), n):
                        first = found[_ROW + np.uint64(k)] * width + found[_COLUMN + np.uint64(k)] - k
                        source, down, right = address + np.uint64(4 * first), width, np.int64(1)
                    elif _copy(plane, found, np.uint64(k), n, taps, windows) == 0:
                        continue
                    window_sums(source, down, right, k, table, phases, summed, taps)
                if kind != _NONE:
                    _limit(kind, sums, found, np.uint64(m), positive, noise, threshold, zero)
                _write(sums, found, turned, np.uint64(j), np.uint64(m), made)

    made: Callable[..., None] = run
    return made


@_jit
def _find(at_x, at_y, j, m, oy, ox, taps, height, width, found):  # type: ignore[no-untyped-def]
    """Find the windows of some pixels; return whether they go leftward, and are found in turned order."""
    before = np.int32(taps // 2 - 1)
    oy, ox = np.int32(oy + before), np.int32(ox + before)
    last_row, last_column = np.int32(height - taps), np.int32(width - taps)
    zero, one, none = np.int32(0), np.int32(1), np.int32(-1)
    for k in range(m):
        x, y = at_x[j + k], at_y[j + k]
        # Places lie above -1, or are -9: after adding one, cutting off the fraction is the floor.
        fx, fy = np.int32(np.int32(x + 1.0) - one), np.int32(np.int32(y + 1.0) - one)
        kx, ky = np.int32((x - fx) * PHASES + 0.5), np.int32((y - fy) * PHASES + 0.5)
        c, r = np.int32(fx - ox), np.int32(fy - oy)
        good = (r >= zero) & (c >= zero) & (r <= last_row) & (c <= last_column) & (kx >= zero) & (ky >= zero)
        found[_PHASE_X + k], found[_PHASE_Y + k] = kx if good else zero, ky if good else zero
        found[_ROW + k], found[_COLUMN + k] = r if good else none, c if good else zero
    if m < np.uint64(LANES) or found[_COLUMN] <= found[_COLUMN + m - np.uint64(1)]:
        return False
    for n in (_PHASE_X, _PHASE_Y, _ROW, _COLUMN):
        for k in range(np.uint64(LANES // 2)):
            other = np.uint64(LANES - 1) - k
            found[n + k], found[n + other] = found[n + other], found[n + k]
    return True


@_jit
def _side_by_side(found, first, n):  # type: ignore[no-untyped-def]
    """Return whether the windows of `WIDE` pixels begin beside each other in one row."""
    row, column = found[_ROW + first], found[_COLUMN + first]
    off = np.int32(n) ^ np.int32(WIDE)
    for k in range(np.uint64(1), np.uint64(WIDE)):
        off |= (found[_ROW + first + k] ^ row) | (found[_COLUMN + first + k] ^ np.int32(column + np.int32(k)))
    return (off == 0) & (row >= 0)


@_jit
def _copy(plane, found, first, m, taps, windows):  # type: ignore[no-untyped-def]
    """Put the windows of some pixels side by side; return how many there are."""
    n, size, lanes = 0, np.uint64(taps), np.uint64(LANES)
    for k in range(first, first + m):
        if found[_ROW + k] >= 0:
            n += 1
            r, c = np.uint64(found[_ROW + k]), np.uint64(found[_COLUMN + k])
            for a in range(size):
                for b in range(size):
                    windows[(a * size + b) * lanes + k] = plane[r + a, c + b]
    return n


@_jit
def _write(sums, found, turned, j, m, out):  # type: ignore[no-untyped-def]
    """Write the pixels from column *j* on; where there is no window, nothing is known."""
    for k in range(m):
        lane = m - np.uint64(1) - k if turned else k
        out[j + k] = sums[PLUS, lane] + sums[MINUS, lane] if found[_ROW + lane] >= 0 else np.nan


@_jit
def _limit(kind, sums, found, m, positive, noise, threshold, zero):  # type: ignore[no-untyped-def]
    """Let no pixel be below what the clamp allows."""
    for k in range(m):
        plus, minus = sums[PLUS, k], sums[MINUS, k]
        value = plus + minus
        if kind == _UNDERSHOOT:
            low = sums[LOWEST, k]
            if value < low:
                sums[PLUS, k], sums[MINUS, k] = _raised(value, minus, low, noise, _lobe(positive, found, k)), 0.0
        else:
            made = _attenuated(value, plus, minus, threshold, zero, _lobe(positive, found, k))
            sums[PLUS, k], sums[MINUS, k] = made, 0.0


@_jit
def _lobe(positive, found, k):  # type: ignore[no-untyped-def]
    """Return the sum of the products of weights that are negative, without its sign."""
    y, x = positive[found[_PHASE_Y + k]], positive[found[_PHASE_X + k]]
    return y * (x - 1.0) + (y - 1.0) * x


@_jit
def _raised(value, minus, low, noise, lobe):  # type: ignore[no-untyped-def]
    """Return a value below the window's lowest sample, which is the floor.

    In noise an honest value lies a little below it now and then: there half a sigma more is left; where lobes pull by
    more than noise does (1.5 sigma; here 4 to 8), nothing.
    """
    pull = -minus - low * lobe
    room = 0.5 * noise
    if pull > 4.0 * noise:
        room = 0.0 if pull >= 8.0 * noise else room * (2.0 - pull / (4.0 * noise))
    return low - room if value < low - room else value


@_jit
def _attenuated(value, plus, minus, threshold, zero, lobe):  # type: ignore[no-untyped-def]
    """Return s+, s-, w+, w- and r = s- / s+ of the published formula, for samples above black."""
    light, pull = plus - zero * (1.0 + lobe), -minus - zero * lobe
    if pull > threshold * light:
        if pull >= light:
            return zero + light / (1.0 + lobe)
        q = (pull / light - threshold) / (1.0 - threshold)
        kept = 1.0 - q * q
        return zero + (light - pull * kept) / (1.0 + lobe - lobe * kept)
    return value
