"""The arithmetic of integration: from the samples of all frames at a pixel to one, in blocks of 64 pixels.

A block of samples is normalised and sorted, the kept range of each sorted stack is found, and the frames
are gone through a second time to combine what was kept. Both times the frames are read in the order in which
they came, so that sums do not depend on how an image is cut.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from . import _rejection as reject
from ._lanes import nearest_windows
from ._sorting import LANES, sample, sort_rows
from ._undrawn import undrawn

COMBINATIONS = ("average", "median", "minimum", "maximum")
AVERAGE, MEDIAN, MINIMUM, MAXIMUM = range(len(COMBINATIONS))

# Columns of the table of frames: gain and offset before rejection; gain and offset of the output; weight;
# gain and offset of raw samples into the unit of the output; the value of a hole; limits of range rejection.
REJECT_GAIN, REJECT_OFFSET, GAIN, OFFSET, WEIGHT, RAW_GAIN, RAW_OFFSET, HOLE, RANGE_LOW, RANGE_HIGH = range(10)
COLUMNS = 10

# What became of a sample.
KEPT, LOW, HIGH, RANGE, MISSING = range(5)

_FINITE = np.float32(np.finfo(np.float32).max)
_NOTHING = np.float32(np.inf)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _usable(v: Any, frame: Any) -> Any:
    """Whether raw sample *v* takes part: finite, no hole, within the range."""
    low, high, hole = np.float32(frame[RANGE_LOW]), np.float32(frame[RANGE_HIGH]), np.float32(frame[HOLE])
    return (v > low) & (v < high) & (v != hole) & (abs(v) <= _FINITE)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _load_row(raw: Any, given: Any, start: Any, m: Any, frame: Any, row: Any, counts: Any) -> None:
    """Fill one row of a block with the normalised samples of a frame; +inf stands for none."""
    # Everything that does not change is taken out of the loop by hand: the compiler cannot know that writing
    # a row does not change the table of frames, and would not vectorise.
    low, high, hole = np.float32(frame[RANGE_LOW]), np.float32(frame[RANGE_HIGH]), np.float32(frame[HOLE])
    gain, offset = frame[REJECT_GAIN], frame[REJECT_OFFSET]
    for lane in range(m):
        v = sample(raw, start + lane)
        y = np.float32(gain * np.float64(sample(given, start + lane)) + offset)
        ok = (v > low) & (v < high) & (v != hole) & (abs(v) <= _FINITE) & (abs(y) <= _FINITE)
        row[lane] = y if ok else _NOTHING
    for lane in range(m, LANES):
        row[lane] = _NOTHING
    for lane in range(LANES):
        counts[0, lane] += np.int32(1) if row[lane] <= _FINITE else np.int32(0)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count_beyond(raw: Any, start: Any, m: Any, frame: Any, counts: Any) -> None:
    """Count finite samples at or beyond the limits of range rejection."""
    low, high = np.float32(frame[RANGE_LOW]), np.float32(frame[RANGE_HIGH])
    for lane in range(m):
        v = sample(raw, start + lane)
        finite = abs(v) <= _FINITE
        counts[1, lane] += np.int32(1) if finite & (v <= low) else np.int32(0)
        counts[2, lane] += np.int32(1) if finite & (v >= high) else np.int32(0)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _load(raw: Any, given: Any, frames: Any, dropped: Any, start: Any, m: Any, block: Any, counts: Any) -> None:
    """Fill *block*. *counts*: samples; below the range; above it; dropped as low; dropped as high."""
    counts[:] = 0
    for i in range(raw.size):
        _load_row(raw[i], given[i], start, m, frames[i], block[i], counts)
        if frames[i, RANGE_LOW] > -np.inf or frames[i, RANGE_HIGH] < np.inf:
            _count_beyond(raw[i], start, m, frames[i], counts)
        if dropped.shape[0] > 0:
            for lane in range(m):
                side = dropped[i, start + lane]
                if side != KEPT and block[i, lane] <= _FINITE:
                    block[i, lane] = _NOTHING
                    counts[0, lane] -= 1
                    counts[2 + side, lane] += 1


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _high_medians(block: Any, distances: Any) -> None:
    """Write for each sample of full, sorted columns the high median of its distances to all samples."""
    n = block.shape[0]
    h = n // 2 + 1
    base, out = np.uint64(block.ctypes.data), np.uint64(distances.ctypes.data)
    for i in range(n):
        start = max(0, i - h + 1)
        nearest_windows(base, out, i, start, min(i, n - h) + 1 - start, h - 1)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _calm(block: Any, method: Any, p: Any, table: Any, distances: Any, calm: Any, sums: Any) -> None:
    """Say of full, sorted columns whether the first round of a rejection leaves them whole for certain."""
    n = block.shape[0]
    calm[:] = 0
    if method == reject.LINEAR:
        _unbent(block, table, calm, sums)
    if method == reject.WINSORIZED:
        undrawn(block, distances[(n + 1) // 2 - 1], p, calm)
    if method != reject.SIGMA:
        return
    sums[:] = 0.0
    a, b = (n - 1) // 2, n // 2
    for j in range(n):
        for lane in range(LANES):
            centre = 0.5 * (np.float64(block[a, lane]) + np.float64(block[b, lane]))
            d = np.float64(block[j, lane]) - centre
            sums[0, lane] += d
            sums[1, lane] += d * d
    for lane in range(LANES):
        centre = 0.5 * (np.float64(block[a, lane]) + np.float64(block[b, lane]))
        s = np.sqrt(max(0.0, (sums[1, lane] - sums[0, lane] * sums[0, lane] / n) / (n - 1)))
        low = np.float64(block[0, lane]) >= centre - p[reject.LOW] * s
        calm[lane] = low & (np.float64(block[n - 1, lane]) <= centre + p[reject.HIGH] * s)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _unbent(block: Any, table: Any, calm: Any, sums: Any) -> None:
    """Say of full, sorted columns whether no line whatsoever would reject an end; see `line_bounds`."""
    n = block.shape[0]
    half = table.shape[0] // 2
    calm[:] = 0
    for k in range(table.shape[0]):
        if table[k, n - 1] == 0.0 and table[k, 0] == 0.0:
            continue
        sums[0] = 0.0
        for j in range(1, n):
            z = table[k, j]
            for lane in range(LANES):
                sums[0, lane] += z * (np.float64(block[j, lane]) - np.float64(block[0, lane]))
        side = np.uint8(1) if k < half else np.uint8(2)
        for lane in range(LANES):
            # Far more than rounding and the share by which the samples are lifted for the fit.
            least = 1e-8 * (np.float64(block[n - 1, lane]) - np.float64(block[0, lane]))
            calm[lane] |= side if sums[0, lane] > least else np.uint8(0)
    for lane in range(LANES):
        calm[lane] = np.uint8(1) if calm[lane] == 3 else np.uint8(0)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _kept_range(v: Any, n: Any, method: Any, p: Any, table: Any, sn: Any, room: Any, sums: Any) -> Any:
    """Return the kept range of the sorted stack v[:n]; may shift the stack."""
    if method == reject.MIN_MAX:
        return reject.min_max(n, p)
    if method == reject.SIGMA:
        return reject.sigma(v, n, p)
    if method == reject.WINSORIZED:
        return reject.winsorized(v, n, p, sn, room, sums)
    if method == reject.LINEAR:
        return reject.linear(v, n, p, room)
    if method == reject.ESD:
        return reject.esd(v, n, p, table)
    if method == reject.RCR:
        return reject.rcr(v, n, p, table, room)
    reject.lift(v, n)
    if method == reject.PERCENTILE:
        return reject.percentile(v, n, p)
    if method == reject.AVERAGED:
        return reject.averaged(v, n, p)
    return reject.ccd(v, n, p)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _cut(
    block: Any, counts: Any, m: Any, method: Any, fewest: Any, p: Any, sides: Any, table: Any, distances: Any,
    choose_sn: Any, column: Any, room: Any, sums: Any, lane_sums: Any, calm: Any, cuts: Any, limits: Any,
) -> Any:  # fmt: skip
    """Find the kept range of each sorted column.

    *cuts*: lo and hi of each lane; how many samples equal to the least kept are rejected, and how many equal to
    the greatest kept are kept (-1: all of them). *limits*: least and greatest kept sample. Returns whether equal
    samples were divided anywhere.
    """
    frames = block.shape[0]
    if method == reject.WINSORIZED and frames >= fewest:
        _high_medians(block, distances)
        sort_rows(distances, choose_sn)
    if frames >= fewest:
        _calm(block, method, p, table, distances, calm, lane_sums)
    divided = False
    for lane in range(m):
        n = counts[0, lane]
        lo, hi = 0, n
        full = n == frames
        if method != reject.NONE and n >= fewest and not (full and calm[lane]):
            for j in range(n):
                column[j] = block[j, lane]
            sn = np.float64(distances[(n + 1) // 2 - 1, lane]) if full and method == reject.WINSORIZED else -1.0
            lo, hi = _kept_range(column, n, method, p, table, sn, room, sums)
            lo, hi = lo if sides[0] else 0, hi if sides[1] else n
        cuts[0, lane], cuts[1, lane], cuts[2, lane], cuts[3, lane] = lo, hi, 0, -1
        # Where nothing is kept, the least sample rejected above still tells low from high.
        least, most = block[lo, lane] if lo < n else _NOTHING, block[hi - 1, lane] if hi > lo else -_NOTHING
        limits[0, lane], limits[1, lane] = least, most
        if (0 < lo < n and block[lo - 1, lane] == least) or (lo < hi < n and block[hi, lane] == most):
            divided = True
            cuts[3, lane] = 0
            for j in range(n):
                cuts[2, lane] += j < lo and block[j, lane] == least
                cuts[3, lane] += lo <= j < hi and block[j, lane] == most
    return divided


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _divide(block: Any, m: Any, cuts: Any, limits: Any) -> None:
    """Replace rejected samples that equal a kept one by -inf or +inf; of equals, low rejection takes the first."""
    for i in range(block.shape[0]):
        for lane in range(m):
            y = block[i, lane]
            if y == limits[0, lane] and cuts[2, lane] > 0:
                cuts[2, lane] -= 1
                block[i, lane] = -_NOTHING
            elif y == limits[1, lane] and cuts[3, lane] > 0:
                cuts[3, lane] -= 1
            elif y == limits[1, lane] and cuts[3, lane] == 0:
                block[i, lane] = _NOTHING


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _tell(raw: Any, frames: Any, dropped: Any, start: Any, m: Any, block: Any, limits: Any, fates: Any) -> None:
    """Write what became of each sample of a block in the order of the frames."""
    for i in range(block.shape[0]):
        for lane in range(m):
            v, y = sample(raw[i], start + lane), block[i, lane]
            w = np.float64(v)
            fate = KEPT
            if dropped.shape[0] > 0 and dropped[i, start + lane] != KEPT and y == _NOTHING:
                fate = dropped[i, start + lane]
            elif not _usable(v, frames[i]):
                outside = (w <= frames[i, RANGE_LOW]) | (w >= frames[i, RANGE_HIGH])
                fate = RANGE if outside and abs(v) <= _FINITE else MISSING
            elif y < limits[0, lane]:
                fate = LOW
            elif not y <= limits[1, lane]:
                fate = HIGH
            fates[i, start + lane] = fate


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _combined(
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
def _choose_row(
    address: Any, start: Any, m: Any, weight: Any, gain: Any, offset: Any, row: Any, limits: Any, sums: Any, chosen: Any
) -> None:
    """Write the kept samples of a frame, and +inf for the others."""
    for lane in range(m):
        y = row[lane]
        z = np.float32(gain * np.float64(sample(address, start + lane)) + offset)
        kept = (y >= limits[0, lane]) & (y <= limits[1, lane])
        chosen[lane] = z if kept else _NOTHING
    for lane in range(m, LANES):
        chosen[lane] = _NOTHING
    for lane in range(LANES):
        sums[0, lane] += weight if chosen[lane] < _NOTHING else 0.0


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
def _raw_median(raw: Any, frames: Any, at: Any, room: Any) -> Any:
    """Return the median of all finite raw samples of one pixel; NaN when there is none."""
    n = 0
    for i in range(raw.size):
        v = sample(raw[i], at)
        if not abs(v) <= _FINITE:
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
def integrate(
    raw: Any, rejected: Any, combined: Any, frames: Any, dropped: Any, how: Any, method: Any, fewest: Any, p: Any,
    sides: Any, map_range: Any, images: Any, table: Any, sorting: Any, choosing: Any, choose_sn: Any, out: Any,
    fates: Any,
) -> None:  # fmt: skip
    """Integrate one channel.

    Parameters
    ----------
    raw, rejected, combined
        Addresses of each frame's float32 samples: as they came, those rejection looks at, those combined.
    frames
        See `REJECT_GAIN` and the following; float64 (frames, COLUMNS).
    dropped
        uint8 (frames, pixels): samples rejected beforehand, as LOW or HIGH; no rows for none.
    how, method, fewest, p, sides
        Combination, rejection, its fewest samples, its numbers, which of its sides are on.
    map_range, images
        Whether samples beyond the range count in the maps, and how many images the maps are a share of.
    table, sorting, choosing, choose_sn
        Numbers of the algorithm; comparators that sort a stack, find its median, find Sn's rank.
    out
        float32 (4, pixels): image, rejected low, rejected high, weight.
    fates
        uint8 (frames, pixels) for what became of each sample; no rows where that is not asked for.
    """
    n = raw.size
    block, ordered = np.empty((n, LANES), np.float32), np.empty((n, LANES), np.float32)
    chosen = np.empty((n, LANES), np.float32)
    counts, cuts = np.zeros((5, LANES), np.int32), np.zeros((4, LANES), np.int32)
    limits, calm = np.empty((2, LANES), np.float32), np.zeros(LANES, np.uint8)
    totals, lane_sums = np.zeros((2, LANES)), np.zeros((2, LANES))
    column, room, sums = np.empty(n), np.empty(3 * n), np.empty((2, n + 1))
    weights = frames[:, WEIGHT].sum()
    for start in range(0, out.shape[1], LANES):
        m = min(LANES, out.shape[1] - start)
        _load(raw, rejected, frames, dropped, start, m, block, counts)
        cuts[0, :], cuts[1, :] = 0, counts[0, :]
        limits[0, :], limits[1, :] = -_FINITE, _FINITE
        if method != reject.NONE:
            ordered[:] = block
            sort_rows(ordered, sorting)
            divided = _cut(
                ordered, counts, m, method, fewest, p, sides, table, chosen, choose_sn, column, room, sums, lane_sums,
                calm, cuts, limits,
            )  # fmt: skip
            if divided:
                _divide(block, m, cuts, limits)
        if fates.shape[0] > 0:
            _tell(raw, frames, dropped, start, m, block, limits, fates)
        _combined(combined, frames, start, m, block, limits, how, totals, chosen)
        if how == MEDIAN:
            # The shorter network finds the middle of whole stacks only.
            whole = True
            for lane in range(m):
                whole &= cuts[1, lane] - cuts[0, lane] == n
            sort_rows(chosen, choosing if whole else sorting)
        _finish(raw, frames, how, map_range, images, weights, start, m, counts, cuts, totals, chosen, room, out)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _finish(
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
