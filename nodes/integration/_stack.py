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
from ._combining import (
    AVERAGE,
    MEDIAN,
    average,
    combine,
    finish,
    finish_cut,
    finish_whole,
    rows_of,
    same_samples,
    sum_of,
)
from ._cutting import cut_off, divide, single
from ._loading import (
    FINITE,
    GAIN,
    HIGH,
    KEPT,
    LOW,
    MISSING,
    NOTHING,
    OFFSET,
    RANGE,
    RANGE_HIGH,
    RANGE_LOW,
    WEIGHT,
    load,
    usable,
)
from ._sorting import LANES, sample
from ._straight import MIDDLE, WHOLE, sort

# Frames are read some blocks at a time, so that memory gives each of them in longer pieces; all rows together stay
# within the second-level cache. (Measured: with 1, 2, 4, 8, 16 blocks 20, 15, 10, 11, 12 ns a pixel of 32 frames.)
_BLOCKS, _ROWS = 4, 1024


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def integrate(
    raw: Any, rejected: Any, combined: Any, frames: Any, dropped: Any, how: Any, method: Any, fewest: Any, p: Any,
    sides: Any, map_range: Any, images: Any, table: Any, sorting: Any, choosing: Any, choose_sn: Any, sorters: Any,
    out: Any, fates: Any,
) -> None:  # fmt: skip
    """Integrate one channel.

    Parameters
    ----------
    raw, rejected, combined
        Addresses of each frame's float32 samples: as they came, those rejection looks at, those combined.
    frames
        See `_loading.REJECT_GAIN` and the following; float64 (frames, COLUMNS).
    dropped
        uint8 (frames, pixels): samples rejected beforehand, as LOW or HIGH; no rows for none.
    how, method, fewest, p, sides
        Combination, rejection, its fewest samples, its numbers, which of its sides are on.
    map_range, images
        Whether samples beyond the range count in the maps, and how many images the maps are a share of.
    table, sorting, choosing, choose_sn
        Numbers of the algorithm; comparators that sort a stack, find its median, find Sn's rank.
    sorters
        Addresses of compiled functions that do what these three do, 0 where there is none; see `_straight.sorter`.
    out
        float32 (4, pixels): image, rejected low, rejected high, weight.
    fates
        uint8 (frames, pixels) for what became of each sample; no rows where that is not asked for.
    """
    n = raw.size
    wide = max(1, min(_BLOCKS, _ROWS // n))
    blocks, ordered = np.empty((wide, n, LANES), np.float32), np.empty((n, LANES), np.float32)
    chosen, rows = np.empty((n, LANES), np.float32), np.empty(n, np.uint64)
    counted, whole = np.zeros((wide, 5, LANES), np.int32), np.zeros(wide, np.int64)
    cuts, limits, calm = np.zeros((4, LANES), np.int32), np.empty((2, LANES), np.float32), np.zeros(LANES, np.uint8)
    totals, bounds = np.zeros((2, LANES)), single(table, n if method == reject.LINEAR else 0)
    column, room, sums = np.empty(n), np.empty(3 * n), np.empty((2, n + 1))
    weights = frames[:, WEIGHT].sum()
    alike = same_samples(rejected, combined, frames)
    plain = alike and (frames[:, GAIN] == 1.0).all() and (frames[:, OFFSET] == 0.0).all()
    for first in range(0, out.shape[1], wide * LANES):
        stop = min(first + wide * LANES, out.shape[1])
        load(raw, rejected, frames, dropped, first, stop, blocks, counted, whole)
        for start in range(first, stop, LANES):
            k, m = (start - first) // LANES, min(LANES, stop - start)
            block, counts, full = blocks[k], counted[k], whole[k] > 0
            kept = full
            cuts[0, :], cuts[1, :] = 0, counts[0, :]
            limits[0, :], limits[1, :] = -FINITE, FINITE
            if method != reject.NONE:
                ordered[:] = block
                sort(ordered, sorters[WHOLE], sorting)
                cut, divided = cut_off(
                    ordered, counts, m, full, method, fewest, p, sides, table, chosen, choose_sn, sorters, column,
                    room, sums, bounds, calm, cuts, limits,
                )  # fmt: skip
                if divided:
                    divide(block, m, cuts, limits)
                kept = full and not cut
            if fates.shape[0] > 0:
                _tell(raw, frames, dropped, start, m, block, limits, fates)
            held = chosen
            if how == MEDIAN and kept and alike:
                held = block
                totals[0] = sum_of(frames[:, WEIGHT])
            elif how == AVERAGE and m == LANES:
                at = rows_of(block, rows) if plain else start
                average(rows if plain else combined, frames, at, block, limits, kept, totals)
            else:
                combine(combined, frames, start, m, block, limits, how, totals, chosen)
            if how == MEDIAN:
                # The shorter network finds the middle of whole stacks only.
                middle = MIDDLE if kept else WHOLE
                sort(held, sorters[middle], choosing if kept else sorting)
            if kept:
                finish_whole(n, how, weights, start, m, totals, held, out)
            elif full and how == AVERAGE:
                finish_cut(raw, frames, images, weights, start, cuts, totals, room, out)
            else:
                finish(raw, frames, how, map_range, images, weights, start, m, counts, cuts, totals, chosen, room, out)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _tell(raw: Any, frames: Any, dropped: Any, start: Any, m: Any, block: Any, limits: Any, fates: Any) -> None:
    """Write what became of each sample of a block in the order of the frames."""
    for i in range(block.shape[0]):
        for lane in range(m):
            v, y = sample(raw[i], start + lane), block[i, lane]
            w = np.float64(v)
            fate = KEPT
            if dropped.shape[0] > 0 and dropped[i, start + lane] != KEPT and y == NOTHING:
                fate = dropped[i, start + lane]
            elif not usable(v, frames[i]):
                outside = (w <= frames[i, RANGE_LOW]) | (w >= frames[i, RANGE_HIGH])
                fate = RANGE if outside and abs(v) <= FINITE else MISSING
            elif y < limits[0, lane]:
                fate = LOW
            elif not y <= limits[1, lane]:
                fate = HIGH
            fates[i, start + lane] = fate
