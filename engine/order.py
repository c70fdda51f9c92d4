"""Exact order statistics of float32 samples of any number, found by refining cells of their bit patterns.

Read as integers, with the sign folded over, the bits of float32 numbers sort like the numbers. A *cell*
is a range of such keys together with how many samples fall into it. The first pass over the pixels counts
cells of 65536 keys (the upper 16 bits). Counts alone then say which cells can hold the wanted ranks, for
the distances from the median too, although the median is known only to its cell: the r-th smallest of
the least possible distances and the r-th smallest of the greatest possible ones enclose the true one.
Only those cells are counted again, finer. A statistic stands when its least and greatest possible values
are equal, so what comes out is exact for any data; nearly always the second pass is the last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

# Counters of one refining pass: 16 cells at full resolution, 4 MiB. More cells are refined in steps.
SLOTS = 1 << 20

Keys = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Cells(NamedTuple):
    """Ascending ranges of keys, both ends included, that hold all samples, and how many each holds."""

    first: Keys
    last: Keys
    held: Counts


class Windows(NamedTuple):
    """The cells to be counted finer. None reaches over a multiple of 65536 keys.

    Key k of window w falls into slot ``offset[w] + ((k - first[w]) >> shift[w])``.
    """

    first: Keys
    last: Keys
    shift: npt.NDArray[np.uint8]
    offset: npt.NDArray[np.int64]

    @property
    def slots(self) -> int:
        size = int(self.last[-1]) - int(self.first[-1]) if self.first.size else -1
        return 0 if size < 0 else int(self.offset[-1]) + (size >> int(self.shift[-1])) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which order statistics are asked for.

    Attributes
    ----------
    fractions
        Quantiles, as fractions of 1, by linear interpolation between the two nearest samples.
    mad
        The median of the absolute deviations from the median.
    bend
        The ``floor(bend * n + 1/2)``-th smallest absolute deviation from the median, as the percentage
        bend midvariance uses it.
    sides
        The median absolute deviations of the samples up to the median, and of those above it.
    """

    fractions: tuple[float, ...] = ()
    mad: bool = True
    bend: float | None = None
    sides: bool = False


@dataclass(slots=True)
class _Search:
    """What the cells say so far: statistics that stand, and cells that must be seen closer."""

    cells: Cells
    lo: Floats
    hi: Floats
    edge: Counts
    n: int
    near: Mask
    far: Mask
    keep: Mask
    found: dict[str, Any] = field(default_factory=dict)
    layer: Counts = field(default_factory=lambda: np.zeros(0, np.int64))


def keys_of(values: npt.ArrayLike) -> Keys:
    """Return the sorting keys of float32 *values*."""
    bits = np.ascontiguousarray(np.atleast_1d(np.asarray(values, np.float32))).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000)).astype(np.uint32)


def values_of(keys: Keys) -> Floats:
    """Return the numbers whose sorting keys are *keys*; both zeros come back as +0."""
    bits = np.where(keys >> 31, keys ^ np.uint32(0x80000000), ~keys).astype(np.uint32)
    return bits.view(np.float32).astype(np.float64) + 0.0


def first_cells(bins: Counts, first_bin: int, minimum: float, maximum: float) -> Cells:
    """Return the cells of the first pass: *bins* counts keys by their upper 16 bits, from *first_bin* on."""
    used = np.flatnonzero(bins)
    first = ((used + first_bin) << 16).astype(np.uint32)
    last = first | np.uint32(0xFFFF)
    # -0 and +0 are one number with two keys, so an extreme of zero reaches over both.
    first[0] = max(first[0], keys_of(minimum or -0.0)[0])
    last[-1] = min(last[-1], keys_of(maximum or 0.0)[0])
    return Cells(first, last, bins[used].astype(np.int64))


def search(cells: Cells, wanted: Wanted) -> tuple[dict[str, Any] | None, Cells, Windows]:
    """Return the statistics *wanted*, or None with the cells so far and the windows to count next."""
    lo, hi = values_of(cells.first), values_of(cells.last)
    edge = np.cumsum(cells.held)
    none = np.zeros(lo.size, bool)
    s = _Search(cells, lo, hi, edge, int(edge[-1]), none, none.copy(), none.copy())
    low, high = _median(s)
    s.found["quantiles"] = tuple(_quantile(s, q) for q in wanted.fractions)
    s.layer = np.zeros(lo.size, np.int64)
    if wanted.mad or wanted.bend is not None:
        _deviations(s, low, high, wanted)
    if wanted.sides:
        _sides(s, low, high)
    wide = lo != hi
    s.near &= wide
    s.far &= wide
    if not (s.near | s.far).any():
        return s.found, cells, _no_windows()
    return None, _coalesced(s), _windows(s)


def split(cells: Cells, windows: Windows, counts: npt.NDArray[Any]) -> Cells:
    """Return *cells* with those inside *windows* replaced by what was counted there."""
    at = np.searchsorted(windows.first, cells.first, "right") - 1
    inside = (at >= 0) & (cells.first <= windows.last[np.maximum(at, 0)])
    slot = np.flatnonzero(counts)
    w = np.searchsorted(windows.offset, slot, "right") - 1
    step = np.int64(1) << windows.shift[w].astype(np.int64)
    first = windows.first[w].astype(np.int64) + (slot - windows.offset[w]) * step
    last = np.minimum(first + step - 1, windows.last[w])
    first = np.concatenate([cells.first[~inside].astype(np.int64), first])
    last = np.concatenate([cells.last[~inside].astype(np.int64), last])
    count = np.concatenate([cells.held[~inside], counts[slot].astype(np.int64)])
    order = np.argsort(first, kind="stable")
    return Cells(first[order].astype(np.uint32), last[order].astype(np.uint32), count[order])


def _rank(s: _Search, rank: int) -> int:
    """Return the cell that holds the sample of *rank*, and have it refined unless it is one number."""
    i = int(np.searchsorted(s.edge, min(max(rank, 0), s.n - 1), "right"))
    s.near[i] = s.keep[i] = True
    return i


def _middle(n: int) -> tuple[int, int]:
    return (n - 1) // 2, n // 2


def _median(s: _Search) -> tuple[float, float]:
    """Return the least and the greatest possible median."""
    a, b = (_rank(s, r) for r in _middle(s.n))
    low, high = 0.5 * (s.lo[a] + s.lo[b]), 0.5 * (s.hi[a] + s.hi[b])
    s.found["median"] = float(low)
    return float(low), float(high)


def _quantile(s: _Search, fraction: float) -> float:
    place = fraction * (s.n - 1)
    below = min(math.floor(place), s.n - 1)
    t = place - below
    a, b = s.lo[_rank(s, below)], s.lo[_rank(s, below + 1 if t else below)]
    # Seen from the nearer end, as numpy does, so that the result never leaves [a, b].
    return float(b - (b - a) * (1.0 - t) if t >= 0.5 else a + (b - a) * t)


def _deviations(s: _Search, low: float, high: float, wanted: Wanted) -> None:
    ranks = list(_middle(s.n)) if wanted.mad else []
    if wanted.bend is not None:
        ranks.append(min(max(math.floor(wanted.bend * s.n + 0.5) - 1, 0), s.n - 1))
    least = np.maximum(0.0, np.maximum(s.lo - high, low - s.hi))
    most = np.maximum(s.hi - low, high - s.lo)
    bottoms, tops = _order(least, s.cells.held, ranks), _order(most, s.cells.held, ranks)
    for bottom, top in zip(bottoms, tops, strict=True):
        within = (least <= top) & (most >= bottom)
        s.keep |= within
        s.layer += most < bottom
        if bottom < top:
            s.far |= within & (least < most)
    if wanted.mad:
        s.found["mad"] = float(0.5 * (bottoms[0] + bottoms[1]))
    if wanted.bend is not None:
        s.found["bend"] = float(bottoms[-1])


def _order(values: Floats, count: Counts, ranks: list[int]) -> Floats:
    """Return the values of *ranks* in ascending order, each value standing *count* times."""
    # Distances fall, then rise along the keys: two runs, which a merging sort takes in one go.
    order = np.argsort(values, kind="stable")
    return values[order][np.searchsorted(np.cumsum(count[order]), ranks, "right")]


def _sides(s: _Search, low: float, high: float) -> None:
    """Ask for the medians of the samples up to the median and above it; how many those are may be unsure yet."""
    # Where the median is known, this can still be the cell of +0 when the median is -0.
    unsure = (s.lo <= high) & (s.hi > low)
    s.near |= unsure
    s.keep |= unsure
    n1 = int(s.cells.held[s.hi <= low].sum())
    n2 = n1 + int(s.cells.held[unsure].sum())
    below = ((n1 - 1) // 2, n2 // 2)
    above = (n1 + (s.n - n1 - 1) // 2, n2 + (s.n - n2) // 2)
    for name, sign, (r1, r2), size in (("low_mad", 1, below, n1), ("high_mad", -1, above, s.n - n1)):
        a, b = _rank(s, r1), _rank(s, r2)
        s.found[name] = float(0.5 * sign * ((low - s.lo[a]) + (low - s.lo[b]))) if size > 0 else 0.0
        if n1 != n2:
            s.keep[a : b + 1] = True
            # Looking into all cells in between saves a pass; when they are many, the median comes first.
            s.far[a : b + 1] |= b - a < 64


def _coalesced(s: _Search) -> Cells:
    """Return the cells with runs of such that cannot matter any more joined into one."""
    layer = np.where(s.keep, -1, s.layer)
    start = s.keep.copy()
    start[0] = True
    start[1:] |= layer[1:] != layer[:-1]
    at = np.flatnonzero(start)
    ends = np.append(at[1:], layer.size) - 1
    return Cells(s.cells.first[at], s.cells.last[ends], np.add.reduceat(s.cells.held, at))


def _windows(s: _Search) -> Windows:
    wanted = s.near | s.far
    first, last = s.cells.first[wanted], s.cells.last[wanted]
    shift = _shifts(first, last, s.near[wanted])
    slots = ((last - first).astype(np.int64) >> shift) + 1
    return Windows(first, last, shift.astype(np.uint8), np.cumsum(slots) - slots)


def _shifts(first: Keys, last: Keys, near: Mask) -> npt.NDArray[np.int64]:
    """Return how coarse each window is counted so that all fit into SLOTS.

    Windows with wanted ranks come first; those for distances share the rest at one resolution in value,
    since a wide cell on one side of the median is what keeps narrow cells on the other side in doubt.
    Each pass splits at least the widest windows, so the search ends.
    """
    keys = (last - first).astype(np.int64)
    shift = np.zeros(keys.size, np.int64)
    every = np.ones(keys.size, bool)

    def total(which: Mask) -> int:
        return int(((keys[which] >> shift[which]) + 1).sum())

    if total(every) <= SLOTS:
        return shift
    while total(near) > SLOTS // 2 and shift[near].max() < 16:
        shift[near] += 1
    if near.all():
        return shift
    step = (values_of(last) - values_of(first)) / keys
    grain = float(step[~near].min())
    while total(every) > SLOTS and shift[~near].min() < 16:
        grain *= 2.0
        shift[~near] = np.clip(np.floor(np.log2(grain / step[~near])), 0, 16).astype(np.int64)
    return shift


def _no_windows() -> Windows:
    keys = np.zeros(0, np.uint32)
    return Windows(keys, keys, np.zeros(0, np.uint8), np.zeros(0, np.int64))
