"""What was kept of a block of stacks, combined: averages, extremes, samples of a median, and the maps beside them."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from . import _rejection as reject
from ._loading import COLUMNS, FINITE, GAIN, NOTHING, OFFSET, RAW_GAIN, RAW_OFFSET, REJECT_GAIN, REJECT_OFFSET, WEIGHT
from ._rows import add_all, add_kept
from ._sorting import LANES, sample

COMBINATIONS = ("average", "median", "minimum", "maximum")
AVERAGE, MEDIAN, MINIMUM, MAXIMUM = range(len(COMBINATIONS))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def combine(
    combined: Any, frames: Any, start: Any, m: Any, block: Any, limits: Any, how: Any, sums: Any, chosen: Any
) -> None:
    """Combine what lies within *limits*. *sums*: weights; weighted samples, or the least or greatest sample."""
    sums[0], sums[1] = 0.0, 0.0
    if how == MINIMUM:
        sums[1] = np.inf
    if how == MAXIMUM:
        sums[1] = -np.inf
    for i in range(block.shape[0]):
        weight, gain, offset = frames[i, WEIGHT], frames[i, GAIN], frames[i, OFFSET]
        if how == AVERAGE:
            _add_row(combined[i], start, m, weight, gain, offset, block[i], limits, sums)
            continue
        _choose_row(combined[i], start, m, weight, gain, offset, block[i], limits, sums, chosen[i])
        if how == MINIMUM:
            for lane in range(LANES):
                sums[1, lane] = min(sums[1, lane], np.float64(chosen[i, lane]))
        if how == MAXIMUM:
            for lane in range(LANES):
                z = np.float64(chosen[i, lane])
                sums[1, lane] = max(sums[1, lane], z) if z < np.inf else sums[1, lane]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def average(combined: Any, frames: Any, start: Any, block: Any, limits: Any, whole: Any, sums: Any) -> None:
    """Sum up weights and weighted samples of 64 lanes; *whole*: of all samples."""
    numbers = np.uint64(frames.ctypes.data) + np.uint64(8 * GAIN)
    of, n = np.uint64(combined.ctypes.data), combined.size
    cells, ends, into = np.uint64(block.ctypes.data), np.uint64(limits.ctypes.data), np.uint64(sums.ctypes.data)
    if whole:
        add_all(of, numbers, COLUMNS, n, start, cells, ends, into)
    else:
        add_kept(of, numbers, COLUMNS, n, start, cells, ends, into)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _choose_row(
    address: Any, start: Any, m: Any, weight: Any, gain: Any, offset: Any, row: Any, limits: Any, sums: Any, chosen: Any
) -> None:
    """Write the kept samples of a frame, and +inf for the others."""
    for lane in range(m):
        y = row[lane]
        z = np.float32(gain * np.float64(sample(address, start + lane)) + offset)
        kept = (y >= limits[0, lane]) & (y <= limits[1, lane])
        chosen[lane] = z if kept else NOTHING
    for lane in range(m, LANES):
        chosen[lane] = NOTHING
    for lane in range(LANES):
        sums[0, lane] += weight if chosen[lane] < NOTHING else 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _add_row(
    address: Any, start: Any, m: Any, weight: Any, gain: Any, offset: Any, row: Any, limits: Any, sums: Any
) -> None:
    for lane in range(m):
        y = row[lane]
        z = gain * np.float64(sample(address, start + lane)) + offset
        kept = (y >= limits[0, lane]) & (y <= limits[1, lane])
        sums[0, lane] += weight if kept else 0.0
        sums[1, lane] += weight * z if kept else 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def rows_of(block: Any, rows: Any) -> Any:
    """Write the addresses of the rows of a block, which are samples like those of frames; return their first."""
    for i in range(rows.size):
        rows[i] = np.uint64(block.ctypes.data) + np.uint64(4 * LANES * i)
    return 0


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def same_samples(rejected: Any, combined: Any, frames: Any) -> Any:
    """Whether the samples rejection looks at are the very ones that are combined."""
    for i in range(rejected.size):
        if rejected[i] != combined[i] or frames[i, GAIN] != frames[i, REJECT_GAIN]:
            return False
        if frames[i, OFFSET] != frames[i, REJECT_OFFSET]:
            return False
    return True


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sum_of(column: Any) -> Any:
    """Return the sum in the order of the frames, as sums over lanes have it."""
    total = 0.0
    for x in column:
        total += x
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _raw_median(raw: Any, frames: Any, at: Any, room: Any) -> Any:
    """Return the median of all finite raw samples of one pixel; NaN when there is none."""
    n = 0
    for i in range(raw.size):
        v = sample(raw[i], at)
        if not abs(v) <= FINITE:
            continue
        x = frames[i, RAW_GAIN] * np.float64(v) + frames[i, RAW_OFFSET]
        j = n
        while j > 0 and room[j - 1] > x:
            room[j] = room[j - 1]
            j -= 1
        room[j] = x
        n += 1
    return reject.median_of(room, 0, n) if n else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def finish(
    raw: Any, frames: Any, how: Any, map_range: Any, images: Any, weights: Any, start: Any, m: Any, counts: Any,
    cuts: Any, totals: Any, chosen: Any, room: Any, out: Any,
) -> None:  # fmt: skip
    """Write the four results of a block."""
    for lane in range(m):
        at = start + lane
        lo, hi = cuts[0, lane], cuts[1, lane]
        low, high = lo + counts[3, lane], counts[0, lane] - hi + counts[4, lane]
        if map_range:
            low, high = low + counts[1, lane], high + counts[2, lane]
        value = totals[1, lane]
        if hi <= lo:
            value = _raw_median(raw, frames, at, room)
        elif how == AVERAGE:
            value /= totals[0, lane]
        elif how == MEDIAN:
            value = 0.5 * (np.float64(chosen[(hi - lo - 1) // 2, lane]) + np.float64(chosen[(hi - lo) // 2, lane]))
        out[0, at] = value
        known = hi > lo or value == value
        out[1, at] = low / images if known else np.nan
        out[2, at] = high / images if known else np.nan
        out[3, at] = totals[0, lane] / weights if known else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def finish_whole(n: Any, how: Any, weights: Any, start: Any, m: Any, totals: Any, chosen: Any, out: Any) -> None:
    """Write the four results where nothing is missing and nothing rejected."""
    image, weight = out[0, start : start + m], out[3, start : start + m]
    low, high = chosen[(n - 1) // 2], chosen[n // 2]
    for lane in range(m):
        if how == AVERAGE:
            image[lane] = totals[1, lane] / totals[0, lane]
        elif how == MEDIAN:
            image[lane] = 0.5 * (np.float64(low[lane]) + np.float64(high[lane]))
        else:
            image[lane] = totals[1, lane]
        weight[lane] = totals[0, lane] / weights
    out[1, start : start + m] = 0.0
    out[2, start : start + m] = 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def finish_cut(
    raw: Any, frames: Any, images: Any, weights: Any, start: Any, cuts: Any, totals: Any, room: Any, out: Any
) -> None:
    """Write the four results of averages where nothing is missing and some is rejected."""
    n, stop = raw.size, start + LANES
    image, low, high, weight = out[0, start:stop], out[1, start:stop], out[2, start:stop], out[3, start:stop]
    for lane in range(LANES):
        image[lane] = totals[1, lane] / totals[0, lane]
        weight[lane] = totals[0, lane] / weights
    for lane in range(LANES):
        low[lane], high[lane] = cuts[0, lane] / images, (n - cuts[1, lane]) / images
    for lane in range(LANES):
        if cuts[1, lane] <= cuts[0, lane]:
            image[lane] = _raw_median(raw, frames, start + lane, room)
            if np.isnan(image[lane]):
                low[lane], high[lane], weight[lane] = np.nan, np.nan, np.nan
