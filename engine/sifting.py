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

# Windows of which two fit each number of a byte.
_MOST_WINDOWS = 127

_LOWEST, _HIGHEST = (int(k) for k in keys_of([-np.finfo(np.float32).max, np.finfo(np.float32).max]))

Plane = npt.NDArray[np.float32]


def looks(area: int) -> bool:
    """Return whether an image of *area* pixels is large enough for a look to spare time."""
    return area > SAMPLED_ROWS * LOOK


def looked(plane: Plane, box: Box, area: int) -> Plane:
    """Return the samples that the look keeps of *plane*, which holds the sampled rows of tile *box*."""
    x = np.ascontiguousarray(plane).reshape(-1)
    share = min(1.0, LOOK * SAMPLED_ROWS / area)
    some = np.empty(x.size + 1, np.float32)
    n = _looked(x, np.uint64(sampled_rows(box).y0 * box.width), np.uint64(share * 2**32), some)
    return some[:n].copy()


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _looked(x: Any, first: Any, limit: Any, some: Any) -> Any:
    """Put finite samples whose pixel, counted from *first*, falls below *limit* into *some*; return how many.

    Multiples of the golden ratio fall evenly over a turn of 2**32.
    """
    n = 0
    for i in range(x.size):
        turn = np.uint64((first + np.uint64(i)) * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)
        some[n] = x[i]
        n += int((turn < limit) & np.isfinite(x[i]))
    return n


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
    if slots.sum() > SLOTS or slots.size > _MOST_WINDOWS:
        return None
    return Windows(
        first.astype(np.uint32), last.astype(np.uint32), np.zeros(first.size, np.uint8), np.cumsum(slots) - slots
    )


def sifted(plane: Plane, given: Windows, area: int) -> dict[str, Any]:
    """Return the slots of the samples of *plane* within the windows, and how many lie below each edge."""
    x = np.ascontiguousarray(plane).reshape(-1)
    edges, hits = _edges(given), np.empty(x.size + 1, np.uint32)
    below = np.zeros(edges.size + 1, np.int64)
    n = _sift(x.view(np.int32), given.first, given.offset, edges, below, hits)
    below = np.append(below[: 2 * given.first.size], below[-1])
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


# Samples that are counted at a time: they stay in the first cache.
_BLOCK = 512
# Windows that are counted at a time.
_TOGETHER = 3
# Where a block's marks tell of a hit: in the lowest bit of a byte.
_ODD = np.uint64(0x0101010101010101)
_TOP = np.uint32(0x80000000)


def _edges(given: Windows) -> npt.NDArray[np.int32]:
    """Return first and last key of each window as signed numbers, and of windows below everything to fill up."""
    n = given.first.size
    edges = np.full(2 * _TOGETHER * -(-n // _TOGETHER), np.iinfo(np.int32).min, np.int32)
    edges[0 : 2 * n : 2] = (given.first ^ _TOP).view(np.int32)
    edges[1 : 2 * n : 2] = (given.last ^ _TOP).view(np.int32)
    return edges


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sift(bits: Any, first: Any, offset: Any, edges: Any, below: Any, hits: Any) -> Any:
    """Count finite samples below each window's first and beyond its last key, and all; list slots; return how many.

    *edges* as of `_edges`; *below* has one number more than these; *hits* has room for one more than there are samples.
    """
    keys, words = np.empty(_BLOCK, np.int32), np.zeros(_BLOCK // 8, np.uint64)
    marks, some = words.view(np.uint8), np.empty(_BLOCK // 8 + 1, np.int64)
    # What turns a key into a slot, by how many of its windows lie above a sample.
    slots = np.zeros(first.size + 1, np.uint32)
    for w in range(first.size):
        slots[first.size - 1 - w] = np.uint32(np.uint32(offset[w]) - np.uint32(first[w] ^ _TOP))
    found = 0
    for start in range(0, bits.size, _BLOCK):
        size = min(_BLOCK, bits.size - start)
        marks[:] = 0
        # Whole arrays and where to begin: parts of them would cost more to keep count of than a window does.
        below[edges.size] += _keys(bits, np.uint64(start), size, keys)
        for k in range(0, edges.size, 2 * _TOGETHER):
            _count(keys, size, edges, k, marks, below)
        # A branch on each sample, or on each word of eight, would be foretold wrongly for most hits.
        n = 0
        for k in range(words.size):
            some[n] = k
            n += int((words[k] & _ODD) != 0)
        for k in range(n):
            for i in range(8 * some[k], 8 * some[k] + 8):
                hits[found] = np.uint32(np.uint32(keys[i]) + slots[marks[i] >> 1])
                found += int(marks[i] & 1)
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _keys(bits: Any, start: Any, size: Any, keys: Any) -> Any:
    """Put the sorting keys of *size* samples into *keys*, as signed numbers; return how many are finite."""
    n = np.int32(0)
    # Each step is kept to 32 bits: numba's own whole numbers have 64, and half as many fit a register.
    for i in range(size):
        b = bits[start + np.uint64(i)]
        finite = np.int32(b & np.int32(0x7F800000)) != np.int32(0x7F800000)
        key = np.int32(b ^ np.int32(np.int32(b >> np.int32(31)) & np.int32(0x7FFFFFFF)))
        # What is missing stands above all, where no window reaches.
        keys[i] = key if finite else np.int32(0x7FFFFFFF)
        n = np.int32(n + np.int32(finite))
    return n


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count(keys: Any, size: Any, edges: Any, k: Any, marks: Any, below: Any) -> None:
    """Add to *below* how many keys lie below the first key of each window, and up to its last, and to *marks* both.

    The windows are those whose edges begin at *k*. They do not touch: a mark is odd for keys within one, and half of
    it says how many whole windows lie above.
    """
    first, end, first_b = edges[k], edges[k + 1], edges[k + 2]
    end_b, first_c, end_c = edges[k + 3], edges[k + 4], edges[k + 5]
    n0 = n1 = n2 = n3 = n4 = n5 = np.int32(0)
    for i in range(size):
        key = keys[i]
        a, b = np.int32(key < first), np.int32(key <= end)
        c, d = np.int32(key < first_b), np.int32(key <= end_b)
        e, f = np.int32(key < first_c), np.int32(key <= end_c)
        n0, n1 = np.int32(n0 + a), np.int32(n1 + b)
        n2, n3 = np.int32(n2 + c), np.int32(n3 + d)
        n4, n5 = np.int32(n4 + e), np.int32(n5 + f)
        marks[i] += np.uint8(np.int32(np.int32(a + b) + np.int32(c + d)) + np.int32(e + f))
    for j, n in enumerate((n0, n1, n2, n3, n4, n5)):
        below[k + j] += n
