"""Exact order statistics of a large image in one pass over it, after a look at a sixteenth of its rows.

The look gives an even sample, whose ranks say, within five standard errors, between which numbers the wanted
ranks of all samples lie. The pass counts the samples below and above those *windows*, and counts every single
number within. `order.search` then proves the statistics from the counts, or finds that a window was
missed, which costs time but never the result: the passes of `summaries` follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from .order import SLOTS, Cells, Windows, keys_of
from .region import SAMPLED_ROWS, Box, sampled_rows

# Samples of the look, and the fewest that foretell anything.
LOOK = 1 << 20
_FEW = 4096
# Half width of a window in standard errors of a rank; more because neighbouring pixels are not independent.
_ERRORS = 5.0 * 1.5

_LOWEST, _HIGHEST = (int(k) for k in keys_of([-np.finfo(np.float32).max, np.finfo(np.float32).max]))

Plane = npt.NDArray[np.float32]


def looks(area: int) -> bool:
    """Return whether an image of *area* pixels is large enough for a look to spare time."""
    return area > SAMPLED_ROWS * LOOK


def looked(plane: Plane, box: Box, area: int) -> Plane:
    """Return the samples that the look keeps of *plane*, which holds the sampled rows of tile *box*."""
    x = np.ascontiguousarray(plane).reshape(-1)
    y0 = sampled_rows(box).y0
    turns = np.arange(y0 * box.width, y0 * box.width + x.size, dtype=np.uint64) * np.uint64(2654435761)
    share = min(1.0, LOOK * SAMPLED_ROWS / area)
    x = x[(turns & np.uint64(0xFFFFFFFF)) < np.uint64(share * 2**32)]
    return x[np.isfinite(x)]


def windows(sample: Plane, fractions: tuple[float, ...], mad: bool) -> Windows | None:
    """Return where the median, the quantiles and the edges of the MAD surely lie; None where that is too wide."""
    n = sample.size
    if n < _FEW:
        return None
    spans = [_span(sample, f) for f in (0.5, *fractions)]
    if mad:
        low, high = spans[0]
        near, far = _span(np.abs(sample - np.float32(0.5 * (low + high))), 0.5)
        spans += [(low - far, high - near), (low + near, high + far)]
    return _windows(np.array(spans))


def _span(sample: Plane, fraction: float) -> tuple[float, float]:
    n = sample.size
    ranks = fraction * (n - 1) + np.array([-1.0, 1.0]) * (_ERRORS * np.sqrt(fraction * (1.0 - fraction) * n) + 2.0)
    low, high = np.clip(np.round(ranks), 0, n - 1).astype(np.int64)
    parted = np.partition(sample, [low, high])
    return float(parted[low]), float(parted[high])


def _windows(spans: npt.NDArray[np.float64]) -> Windows | None:
    """Return *spans* of numbers as ascending ranges of keys that do not touch, each key with a slot of its own."""
    # Two keys beyond each end: float32 rounds to the nearest, and -0 stands below +0.
    keys = np.column_stack([keys_of(spans[:, 0]), keys_of(spans[:, 1])]).astype(np.int64)
    keys[:, 0], keys[:, 1] = np.maximum(keys[:, 0] - 2, _LOWEST), np.minimum(keys[:, 1] + 2, _HIGHEST)
    joined: list[list[int]] = []
    for first, last in sorted(keys.tolist()):
        if joined and first <= joined[-1][1] + 1:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([first, last])
    first, last = np.array(joined).T
    slots = last - first + 1
    if slots.sum() > SLOTS:
        return None
    return Windows(
        first.astype(np.uint32), last.astype(np.uint32), np.zeros(first.size, np.uint8), np.cumsum(slots) - slots
    )


def sifted(plane: Plane, given: Windows, area: int) -> dict[str, Any]:
    """Return the slots of the samples of *plane* within the windows, and how many lie below each edge."""
    x = np.ascontiguousarray(plane).reshape(-1)
    below, hits = np.zeros(2 * given.first.size + 1, np.int64), np.empty(x.size, np.uint32)
    n = _sift(x.view(np.uint32), given.first, given.last, given.offset, below, hits)
    counter = "u4" if area < 1 << 32 else "u8"
    return {"slots": given.slots, "counter": counter, "hits": hits[:n].copy(), "below": below, "size": x.size}


def cells(partial: Mapping[str, Any], given: Windows, counts: npt.NDArray[Any]) -> Cells:
    """Return all samples as cells: the ranges between the windows, and each number within."""
    below = np.asarray(partial["below"])
    slot = np.flatnonzero(counts)
    w = np.searchsorted(given.offset, slot, "right") - 1
    number = given.first[w].astype(np.int64) + (slot - given.offset[w])
    first = np.append(_LOWEST, given.last.astype(np.int64) + 1)
    last = np.append(given.first.astype(np.int64) - 1, _HIGHEST)
    held = np.append(below[:-1:2], below[-1]) - np.append(0, below[1:-1:2])
    some = held > 0
    first, last = np.append(first[some], number), np.append(last[some], number)
    held = np.append(held[some], counts[slot].astype(np.int64))
    order = np.argsort(first, kind="stable")
    return Cells(first[order].astype(np.uint32), last[order].astype(np.uint32), held[order])


_BLOCK = 512


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sift(bits: Any, first: Any, last: Any, offset: Any, below: Any, hits: Any) -> Any:
    """Count finite samples below each window's first and beyond its last key, and all; list slots; return how many."""
    keys = np.empty(_BLOCK, np.uint32)
    words = np.zeros(_BLOCK // 8, np.uint64)
    marks = words.view(np.uint8)
    found = 0
    for start in range(0, bits.size, _BLOCK):
        size = min(_BLOCK, bits.size - start)
        below[2 * first.size] += _keys(bits[start : start + size], keys, marks)
        for w in range(first.size):
            low, high = _mark(keys, size, first[w], last[w], np.uint8(w + 1), marks)
            below[2 * w] += low
            below[2 * w + 1] += high
        for k in range((size + 7) // 8):
            if words[k] == 0:
                continue
            for i in range(8 * k, min(size, 8 * k + 8)):
                if marks[i] != 0:
                    w = marks[i] - 1
                    hits[found] = np.uint32(offset[w] + (keys[i] - first[w]))
                    found += 1
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _keys(bits: Any, keys: Any, marks: Any) -> Any:
    """Put the sorting keys of one block into *keys*; return how many samples are finite."""
    n = np.int32(0)
    for i in range(bits.size):
        b = bits[i]
        finite = (b & np.uint32(0x7F800000)) != np.uint32(0x7F800000)
        key = b ^ (np.uint32(np.int32(b) >> np.int32(31)) | np.uint32(0x80000000))
        # What is missing stands above all, where no window reaches.
        keys[i] = key if finite else np.uint32(0xFFFFFFFF)
        marks[i] = 0
        n += np.int32(finite)
    return n


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _mark(keys: Any, size: Any, first: Any, last: Any, number: Any, marks: Any) -> Any:
    """Mark the keys within a window by *number*; return how many lie below it, and how many up to its end."""
    low = high = np.int32(0)
    for i in range(size):
        under, upto = keys[i] < first, keys[i] <= last
        low += np.int32(under)
        high += np.int32(upto)
        marks[i] += np.uint8(upto & ~under) * number
    return low, high
