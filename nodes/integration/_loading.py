"""Filling blocks of 64 pixels with the normalised samples of all frames of a stack.

+inf stands for what takes no part: a hole, a sample beyond the limits of range rejection, one that is not finite or was
rejected beforehand.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from ._rows import fill
from ._sorting import LANES, sample

# Columns of the table of frames: gain and offset before rejection; gain and offset of the output; weight;
# gain and offset of raw samples into the unit of the output; the value of a hole; limits of range rejection.
REJECT_GAIN, REJECT_OFFSET, GAIN, OFFSET, WEIGHT, RAW_GAIN, RAW_OFFSET, HOLE, RANGE_LOW, RANGE_HIGH = range(10)
COLUMNS = 10

# What became of a sample.
KEPT, LOW, HIGH, RANGE, MISSING = range(5)

FINITE = np.float32(np.finfo(np.float32).max)
NOTHING = np.float32(np.inf)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def usable(v: Any, frame: Any) -> Any:
    """Whether raw sample *v* takes part: finite, no hole, within the range."""
    low, high, hole = np.float32(frame[RANGE_LOW]), np.float32(frame[RANGE_HIGH]), np.float32(frame[HOLE])
    return (v > low) & (v < high) & (v != hole) & (abs(v) <= FINITE)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _load_row(raw: Any, given: Any, start: Any, m: Any, frame: Any, row: Any, counts: Any) -> Any:
    """Fill one row of a block with the normalised samples of a frame; +inf stands for none.

    Returns 1 where all lanes have a sample, else their samples are counted.
    """
    # Everything that does not change is taken out of the loop by hand: the compiler cannot know that writing
    # a row does not change the table of frames, and would not vectorise.
    low, high, hole = np.float32(frame[RANGE_LOW]), np.float32(frame[RANGE_HIGH]), np.float32(frame[HOLE])
    gain, offset = frame[REJECT_GAIN], frame[REJECT_OFFSET]
    if m == LANES:
        if fill(raw, given, start, gain, offset, low, high, hole, np.uint64(row.ctypes.data)):
            return 1
        _count(row, counts)
        return 0
    for lane in range(m):
        v = sample(raw, start + lane)
        y = np.float32(gain * np.float64(sample(given, start + lane)) + offset)
        ok = (v > low) & (v < high) & (v != hole) & (abs(v) <= FINITE) & (abs(y) <= FINITE)
        row[lane] = y if ok else NOTHING
    for lane in range(m, LANES):
        row[lane] = NOTHING
    _count(row, counts)
    return 0


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count(row: Any, counts: Any) -> None:
    """Add to each lane's count of samples whether this row has one."""
    for lane in range(LANES):
        counts[0, lane] += np.int32(1) if row[lane] <= FINITE else np.int32(0)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count_beyond(raw: Any, start: Any, m: Any, frame: Any, counts: Any) -> None:
    """Count finite samples at or beyond the limits of range rejection."""
    low, high = np.float32(frame[RANGE_LOW]), np.float32(frame[RANGE_HIGH])
    for lane in range(m):
        v = sample(raw, start + lane)
        finite = abs(v) <= FINITE
        counts[1, lane] += np.int32(1) if finite & (v <= low) else np.int32(0)
        counts[2, lane] += np.int32(1) if finite & (v >= high) else np.int32(0)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def load(
    raw: Any, given: Any, frames: Any, dropped: Any, start: Any, stop: Any, blocks: Any, counts: Any, whole: Any
) -> None:
    """Fill *blocks* with the pixels from *start* to *stop*, frame after frame.

    *counts* of each block: samples; below the range; above it; dropped as low; dropped as high. *whole*: whether all
    lanes of all rows hold a sample.
    """
    counts[:] = 0
    whole[:] = 0
    for i in range(raw.size):
        for k in range(blocks.shape[0]):
            at = start + LANES * k
            if at < stop:
                m = min(LANES, stop - at)
                whole[k] += _load_row(raw[i], given[i], at, m, frames[i], blocks[k, i], counts[k])
                if frames[i, RANGE_LOW] > -np.inf or frames[i, RANGE_HIGH] < np.inf:
                    _count_beyond(raw[i], at, m, frames[i], counts[k])
                if dropped.shape[0] > 0:
                    _drop(dropped[i], at, m, blocks[k, i], counts[k])
    for k in range(blocks.shape[0]):
        counts[k, 0] += np.int32(whole[k])
        whole[k] = whole[k] == raw.size and dropped.shape[0] == 0


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _drop(dropped: Any, start: Any, m: Any, row: Any, counts: Any) -> None:
    """Take the samples of a frame out that were rejected beforehand."""
    for lane in range(m):
        side = dropped[start + lane]
        if side != KEPT and row[lane] <= FINITE:
            row[lane] = NOTHING
            counts[0, lane] -= 1
            counts[2 + side, lane] += 1
