"""Sorting many short columns side by side: Batcher's networks on blocks of 64 lanes.

A block is a row-major array of `LANES` columns: row i holds the i-th sample of 64 neighbouring pixels. A
comparator of the network orders two whole rows at once, written as explicit vector instructions: loops over
rows of one buffer are not vectorised by the compiler, which cannot see that rows do not overlap, and a network
written out as straight-line code takes seconds to compile for each number of frames. The table of comparators
is data, so one compiled kernel serves any number of frames.

Source of the network: K. E. Batcher (1968), "Sorting networks and their applications", odd-even merge sort.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

LANES = 64
# Samples of one vector instruction; machines with narrower registers get it split by the compiler.
WIDE = 8

Table = npt.NDArray[np.int64]


@lru_cache(maxsize=256)
def network(rows: int) -> Table:
    """Return the comparators that sort *rows* rows ascending, as pairs of row numbers; do not change it."""
    pairs = []
    p = 1
    while p < rows:
        k = p
        while k >= 1:
            for j in range(k % p, rows - k, 2 * k):
                for i in range(min(k, rows - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        pairs.append((i + j, i + j + k))  # noqa: PERF401 - four loops deep reads better so
            k //= 2
        p *= 2
    return _table(pairs)


@lru_cache(maxsize=256)
def selection(rows: int, *ranks: int) -> Table:
    """Return those comparators of `network` on which the rows *ranks* depend; do not change it."""
    wanted = set(ranks)
    kept = []
    for i, j in network(rows)[::-1].tolist():
        if i in wanted or j in wanted:
            wanted |= {i, j}
            kept.append((i, j))
    return _table(kept[::-1])


def _table(pairs: list[tuple[int, int]]) -> Table:
    made: Table = np.array(pairs, np.int64).reshape(-1, 2)
    made.flags.writeable = False
    return made


@intrinsic  # type: ignore[untyped-decorator]
def _order_rows(typing: Any, base: Any, first: Any, second: Any) -> Any:
    """Put the lesser of each pair of samples into row *first* and the greater into row *second*."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, i, j = arguments
        vector = ir.VectorType(ir.FloatType(), WIDE)
        pointer = builder.inttoptr(address, ir.FloatType().as_pointer())
        stride = ir.Constant(ir.IntType(64), LANES)
        low, high = builder.mul(i, stride), builder.mul(j, stride)
        for part in range(0, LANES, WIDE):
            shift = ir.Constant(ir.IntType(64), part)
            places = []
            for row in (low, high):
                place = builder.gep(pointer, [builder.add(row, shift)])
                places.append(builder.bitcast(place, vector.as_pointer()))
            a, b = (builder.load(place, align=4) for place in places)
            swapped = builder.fcmp_ordered("<", b, a)
            builder.store(builder.select(swapped, b, a), places[0], align=4)
            builder.store(builder.select(swapped, a, b), places[1], align=4)
        return context.get_dummy_value()

    return types.void(types.uint64, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def sample(typing: Any, address: Any, index: Any) -> Any:
    """Return the float32 number *index* samples after memory *address*.

    Kernels take the frames of a stack as an array of addresses: a tuple of arrays would be another type, and
    another compilation, for every number of frames.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.FloatType().as_pointer())
        return builder.load(builder.gep(pointer, [arguments[1]]), align=4)

    return types.float32(types.uint64, types.int64), generate


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sort_rows(block: Any, comparators: Any) -> None:
    """Sort the columns of *block* (rows, LANES), C-contiguous float32 without NaN, in place."""
    base = np.uint64(block.ctypes.data)
    for c in range(comparators.shape[0]):
        _order_rows(base, comparators[c, 0], comparators[c, 1])
