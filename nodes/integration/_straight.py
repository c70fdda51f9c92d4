"""Sorting networks as straight-line code: each column of a block is sorted within the registers of the processor.

A table of comparators reads and writes two rows for each of them. Written out for one number of rows, a network keeps
all rows of some lanes in registers, or lets the compiler decide which of them wait in the cache: four times as fast.
The instructions are written as vectors at once, which compiles in a tenth of a second where loops for the compiler to
vectorise take seconds; compiled networks are cached on disk like all compiled code.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from ._sorting import LANES, WIDE, network, selection, sort_rows

# Few rows are sorted as fast by the table; above this number the code grows long and its rows leave the registers.
FEWEST, MOST = 6, 48
GOALS = WHOLE, MIDDLE, HIGH_MEDIAN = 0, 1, 2


@lru_cache(maxsize=256)
def sorter(rows: int, goal: int) -> int:
    """Return the address of a compiled function of a block's address, 0 where the table does as well.

    *goal*: `WHOLE` sorts; `MIDDLE` puts the rows of the median in place, `HIGH_MEDIAN` that of rank
    ``(rows + 1) // 2 - 1``.
    """
    if not FEWEST <= rows <= MOST:
        return 0
    made = _compiled(rows, goal)
    _held.append(made)
    return int(made.address)


_held: list[Any] = []
"""Compiled functions live as long as somebody holds them, and an address does not."""


def comparators(rows: int, goal: int) -> Any:
    """Return the table of comparators that `sorter` follows."""
    if goal == WHOLE:
        return network(rows)
    ranks = ((rows - 1) // 2, rows // 2) if goal == MIDDLE else ((rows + 1) // 2 - 1,)
    return selection(rows, *ranks)


def networks(rows: int, wanted: Iterable[int] = GOALS) -> tuple[Any, ...]:
    """Return for a kernel: the tables of comparators of all goals, and the addresses of the *wanted* functions."""
    tables = [comparators(rows, goal).copy() for goal in GOALS]
    chosen = set(wanted)
    return *tables, np.array([sorter(rows, goal) if goal in chosen else 0 for goal in GOALS], np.uint64)


def _compiled(rows: int, goal: int) -> Any:
    @numba.cfunc(types.void(types.uint64), cache=True, nopython=True)  # type: ignore[untyped-decorator]
    def sort(address: Any) -> None:
        _in_registers(address, rows, goal)

    return sort


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _in_registers(typing: Any, address: Any, rows: Any, goal: Any) -> Any:
    """Sort the block at *address* by the network for *rows* and *goal*, both constants."""
    if not (isinstance(rows, types.IntegerLiteral) and isinstance(goal, types.IntegerLiteral)):
        return None
    count, table = rows.literal_value, comparators(rows.literal_value, goal.literal_value).tolist()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.FloatType().as_pointer())
        vector = ir.VectorType(ir.FloatType(), WIDE)
        for lane in range(0, LANES, WIDE):
            places = [
                builder.bitcast(
                    builder.gep(pointer, [ir.Constant(ir.IntType(64), row * LANES + lane)]), vector.as_pointer()
                )
                for row in range(count)
            ]
            held = [builder.load(place, align=4) for place in places]
            for i, j in table:
                a, b = held[i], held[j]
                swapped = builder.fcmp_ordered("<", b, a)
                held[i], held[j] = builder.select(swapped, b, a), builder.select(swapped, a, b)
            for place, value in zip(places, held, strict=True):
                builder.store(value, place, align=4)
        return context.get_dummy_value()

    return types.void(types.uint64, rows, goal), generate


@intrinsic  # type: ignore[untyped-decorator]
def run(typing: Any, function: Any, address: Any) -> Any:
    """Call the compiled function at the address *function* with a block's address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [arguments[1]])
        return context.get_dummy_value()

    return types.void(types.uint64, types.uint64), generate


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sort(block: Any, sorter: Any, comparators: Any) -> None:
    """Sort the columns of *block* by the compiled function at *sorter*, or by a table where there is none."""
    if sorter:
        run(sorter, np.uint64(block.ctypes.data))
    else:
        sort_rows(block, comparators)
