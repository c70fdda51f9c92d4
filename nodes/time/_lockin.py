"""Sums over the frames of a series, pixel by pixel: what every fit over time is made of.

Frames come in chunks, always in the order of time, and every pixel's sums are taken frame after frame. So it makes no
difference how frames are cut into chunks or images into strips. Samples are taken against a pedestal, the pixel's
median: without it sums of squares would lose in float32 what little varies on a bright sky.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Tiles = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

BLOCK = 512
"""Pixels whose sums are carried at once: with 64 frames of a chunk they stay in the nearest caches."""
CHUNK = 64
"""Frames of a chunk; a multiple of eight, which are added to a sum in one go."""
LANES = 256
"""Pixels that are sorted at once: enough that choosing the rows to compare costs little, few enough for the caches."""
_MAD = 1.4826022185056018


# -- median and clipping limits ---------------------------------------------------------------------


def median_and_deviation(samples: Tiles) -> tuple[Tiles, Tiles]:
    """Return the median of each pixel of *samples* ``(frames, pixels)`` and 1.4826 times its median absolute
    deviation from it; missing samples do not count, and pixels without any are missing."""
    medians, deviations = np.empty(samples.shape[1], np.float32), np.empty(samples.shape[1], np.float32)
    _fill_medians(np.ascontiguousarray(samples), medians, deviations)
    return medians, np.float32(_MAD) * deviations


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fill_medians(samples: Any, medians: Any, deviations: Any) -> None:
    """Write the median of each column, and that of the distances from it; NaN where nothing is finite."""
    frames, pixels = samples.shape
    block = np.empty((frames, LANES), np.float32)
    there = np.empty(LANES, np.int64)
    last = np.float32(np.inf)
    for p0 in range(0, pixels, LANES):
        n = min(LANES, pixels - p0)
        there[:] = 0
        for i in range(frames):
            for p in range(n):
                v = samples[i, p0 + p]
                finite = abs(v) < last
                there[p] += finite
                block[i, p] = v if finite else last
            for p in range(n, LANES):
                block[i, p] = last
        _sort_lanes(block)
        _middles(block, there, medians[p0 : p0 + n])
        for i in range(frames):
            for p in range(n):
                # What is missing stays last; of a pixel without anything NaN, which no comparison moves.
                block[i, p] = abs(block[i, p] - medians[p0 + p])
        _sort_lanes(block)
        _middles(block, there, deviations[p0 : p0 + n])


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _middles(block: Any, there: Any, out: Any) -> None:
    for p in range(len(out)):
        n = there[p]
        if n == 0:
            out[p] = np.float32(np.nan)
            continue
        low, high = block[(n - 1) // 2, p], block[n // 2, p]
        out[p] = low + np.float32(0.5) * (high - low)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sort_lanes(block: Any) -> None:
    """Sort all columns at once by merging with exchanges (Batcher 1968, AFIPS 32, 307; Knuth 5.2.2, algorithm M):
    which rows are compared does not depend on what is in them, so one instruction compares many columns."""
    n = block.shape[0]
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                for i in range(j, min(j + k, n - k)):
                    if i // (2 * p) == (i + k) // (2 * p):
                        a, b = block[i], block[i + k]
                        for lane in range(LANES):
                            x, y = a[lane], b[lane]
                            a[lane] = x if x < y else y
                            b[lane] = y if x < y else x
            k //= 2
        p *= 2


# -- sums -------------------------------------------------------------------------------------------


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _cleaned(row: Any, pedestal: Any, limit: Any, spread: Any, v: Any, bad: Any, bit: Any) -> Any:
    """Write samples above the pedestal to *v*, zero where missing or an outlier, which sets *bit* in *bad*.

    Returns how many are missing.
    """
    missing = np.int32(0)
    most = np.float32(3.0e38)
    for p in range(len(pedestal)):
        d = row[p] - pedestal[p]
        size = abs(d)
        inside = size <= limit[p] * spread
        v[p] = d if inside else np.float32(0.0)
        bad[p] |= np.uint8(0) if inside else bit
        missing += np.int32(0) if size <= most else np.int32(1)
    return missing


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _widened(v: Any, out: Any) -> None:
    """Copy samples to float64; an assignment of slices takes four times as long."""
    for p in range(len(out)):
        out[p] = v[p]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _add8(total: Any, v: Any, x: Any, c: int) -> None:
    """Add eight frames, one after the other, to the sums of a block of pixels."""
    x0, x1, x2, x3, x4, x5, x6, x7 = x[c], x[c + 1], x[c + 2], x[c + 3], x[c + 4], x[c + 5], x[c + 6], x[c + 7]
    for p in range(len(total)):
        s = total[p]
        s += x0 * v[0, p]
        s += x1 * v[1, p]
        s += x2 * v[2, p]
        s += x3 * v[3, p]
        s += x4 * v[4, p]
        s += x5 * v[5, p]
        s += x6 * v[6, p]
        s += x7 * v[7, p]
        total[p] = s


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _add8_pair(total: Any, other: Any, v: Any, x: Any, y: Any, c: int) -> None:
    """Do `_add8` for two columns at once, whose samples are then loaded once."""
    x0, x1, x2, x3, x4, x5, x6, x7 = x[c], x[c + 1], x[c + 2], x[c + 3], x[c + 4], x[c + 5], x[c + 6], x[c + 7]
    y0, y1, y2, y3, y4, y5, y6, y7 = y[c], y[c + 1], y[c + 2], y[c + 3], y[c + 4], y[c + 5], y[c + 6], y[c + 7]
    for p in range(len(total)):
        s, r = total[p], other[p]
        s += x0 * v[0, p]
        r += y0 * v[0, p]
        s += x1 * v[1, p]
        r += y1 * v[1, p]
        s += x2 * v[2, p]
        r += y2 * v[2, p]
        s += x3 * v[3, p]
        r += y3 * v[3, p]
        s += x4 * v[4, p]
        r += y4 * v[4, p]
        s += x5 * v[5, p]
        r += y5 * v[5, p]
        s += x6 * v[6, p]
        r += y6 * v[6, p]
        s += x7 * v[7, p]
        r += y7 * v[7, p]
        total[p], other[p] = s, r


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _add8_squares(total: Any, v: Any, x: Any, c: int) -> None:
    x0, x1, x2, x3, x4, x5, x6, x7 = x[c], x[c + 1], x[c + 2], x[c + 3], x[c + 4], x[c + 5], x[c + 6], x[c + 7]
    for p in range(len(total)):
        s = total[p]
        s += x0 * (v[0, p] * v[0, p])
        s += x1 * (v[1, p] * v[1, p])
        s += x2 * (v[2, p] * v[2, p])
        s += x3 * (v[3, p] * v[3, p])
        s += x4 * (v[4, p] * v[4, p])
        s += x5 * (v[5, p] * v[5, p])
        s += x6 * (v[6, p] * v[6, p])
        s += x7 * (v[7, p] * v[7, p])
        total[p] = s


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def add_chunk(
    tiles: Any, first: int, pedestal: Any, limit: Any, spread: Any, weights: Any, columns: Any, sides: Any,
    squares: Any, sums: Any, side_sums: Any, bad: Any, missing: Any,
) -> None:  # fmt: skip
    """Add a chunk of frames to the sums of all pixels.

    Parameters
    ----------
    tiles
        ``(frames, pixels)``, float32, frames by time.
    first
        Place of the first of them in the series, a multiple of eight.
    pedestal, limit
        Of each pixel: what is subtracted, and beyond which distance from it samples are outliers.
    spread, weights
        Of each frame of the chunk: its noise against one of weight 1, and its weight. These and the columns are
        filled up with zeros to a multiple of eight.
    columns, sides
        ``(columns, frames)``: what samples are multiplied with; *sides* in float32.
    squares, sums, side_sums
        ``(pixels,)``, ``(columns, pixels)`` in float64 and ``(sides, pixels)`` in float32: added to.
    bad
        ``(ceil(N / 8), pixels)``, bits: frames that were missing or outliers.
    missing
        ``(pixels,)``: how many were missing.
    """
    frames = tiles.shape[0]
    v, v64 = np.empty((8, BLOCK), np.float32), np.empty((8, BLOCK))
    for p0 in range(0, tiles.shape[1], BLOCK):
        p1 = min(p0 + BLOCK, tiles.shape[1])
        n = p1 - p0
        for c in range(0, frames, 8):
            byte = bad[(first + c) // 8, p0:p1]
            for e in range(8):
                if c + e >= frames:
                    v[e, :n] = 0.0
                    continue
                row = tiles[c + e, p0:p1]
                bit = np.uint8(1 << e)
                if _cleaned(row, pedestal[p0:p1], limit[p0:p1], spread[c + e], v[e, :n], byte, bit):
                    for p in range(n):
                        missing[p0 + p] += not np.isfinite(row[p])
            for e in range(8):
                _widened(v[e, :n], v64[e, :n])
            _add8_squares(squares[p0:p1], v64, weights, c)
            for k in range(0, columns.shape[0] - 1, 2):
                _add8_pair(sums[k, p0:p1], sums[k + 1, p0:p1], v64, columns[k], columns[k + 1], c)
            if columns.shape[0] % 2:
                k = columns.shape[0] - 1
                _add8(sums[k, p0:p1], v64, columns[k], c)
            for k in range(0, sides.shape[0] - 1, 2):
                _add8_pair(side_sums[k, p0:p1], side_sums[k + 1, p0:p1], v, sides[k], sides[k + 1], c)
            if sides.shape[0] % 2:
                k = sides.shape[0] - 1
                _add8(side_sums[k, p0:p1], v, sides[k], c)


@dataclass(eq=False, slots=True)
class Sums:
    """The sums of one set of pixels over the frames that were added so far."""

    pedestal: Tiles
    limit: Tiles
    squares: Floats
    sums: Floats
    side_sums: Tiles
    bad: npt.NDArray[np.uint8]
    missing: npt.NDArray[np.int32]
    frames: int = 0

    @classmethod
    def of(cls, sample: Tiles, frames: int, columns: int, sides: int, clip: float) -> Sums:
        """Return empty sums of the pixels of *sample* ``(frames of the sample, pixels)``.

        Outliers are samples more than *clip* robust sigmas from the sample's median (0: none are); a pixel whose
        deviation is zero has no outliers.
        """
        pedestal, deviation = median_and_deviation(sample)
        pixels = len(pedestal)
        limit = np.full(pixels, 3.0e38, np.float32)
        if clip:
            np.multiply(deviation, np.float32(clip), out=limit, where=deviation > 0)
        return cls(
            np.where(np.isfinite(pedestal), pedestal, np.float32(0.0)), limit, np.zeros(pixels),
            np.zeros((columns, pixels)), np.zeros((sides, pixels), np.float32),
            np.zeros(((frames + 7) // 8, pixels), np.uint8), np.zeros(pixels, np.int32),
        )  # fmt: skip

    def add(self, tiles: Tiles, weights: Floats, columns: Floats, sides: Tiles) -> None:
        """Add the next frames of the series; *weights*, *columns* and *sides* are of these frames.

        Their number must be a multiple of eight, except in the last chunk.
        """
        more = -len(tiles) % 8
        spread = np.asarray(1.0 / np.sqrt(weights), np.float32)
        w, x, z = (np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, more)]) for a in (weights, columns, sides))
        add_chunk(
            tiles, self.frames, self.pedestal, self.limit, spread, w, x, z, self.squares, self.sums, self.side_sums,
            self.bad, self.missing,
        )  # fmt: skip
        self.frames += len(tiles)


def bytes_per_pixel(frames: int, columns: int, sides: int, held: int) -> int:
    """Return what the sums of a pixel and *held* of its samples take."""
    return 8 * (1 + columns) + 4 * sides + (frames + 7) // 8 + 12 + 4 * (held + CHUNK)
