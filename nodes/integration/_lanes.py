"""Explicit vector instructions over the 64 lanes of a block: what rejection repeats most often.

The compiler makes vector instructions of such loops where they stand alone, but not for certain once they are part of
a larger function. All rows are float32 without NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._sorting import LANES, WIDE

# Vectors worked on at a time: what they need fits the registers.
_AT_ONCE = 2
# Rows of a table tried at a time: their sums stay in the registers.
TOGETHER = 8
# More than what products of the smallest numbers lose by underflow.
_TINY = 1e-37
_VECTOR = ir.VectorType(ir.FloatType(), WIDE)


def _place(builder: Any, address: Any, row: Any, lane: int) -> Any:
    """Return a pointer to the vector at *lane* of row *row* of a block that begins at *address*."""
    pointer = builder.inttoptr(address, ir.FloatType().as_pointer())
    at = builder.add(builder.mul(row, ir.Constant(ir.IntType(64), LANES)), ir.Constant(ir.IntType(64), lane))
    return builder.bitcast(builder.gep(pointer, [at]), _VECTOR.as_pointer())


def _vectors(each: Callable[[list[int]], None]) -> None:
    """Call *each* with the first lanes of some vectors until all lanes had their turn."""
    for first in range(0, LANES, WIDE * _AT_ONCE):
        each([first + WIDE * k for k in range(_AT_ONCE)])


def _least(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


def _greatest(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", a, b), b, a)


@intrinsic  # type: ignore[untyped-decorator]
def clamped_sums(typing: Any, block: Any, rows: Any, limits: Any, sums: Any) -> Any:
    """Write sum and sum of squares of each column, its samples clamped.

    Arguments are addresses, *rows* the number of rows of *block*; *limits* has two rows, least and greatest, *sums*
    two, sums and sums of squares. Rows are added in their order.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, rows, limits, sums = arguments
        zero, one = ir.Constant(ir.IntType(64), 0), ir.Constant(ir.IntType(64), 1)

        def some(lanes: list[int]) -> None:
            bounds = [
                [builder.load(_place(builder, limits, row, lane), align=4) for row in (zero, one)] for lane in lanes
            ]
            totals = [[cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, None)) for _ in "12"] for _ in lanes]
            with cgutils.for_range(builder, rows) as loop:
                for lane, (low, high), (first, second) in zip(lanes, bounds, totals, strict=True):
                    x = builder.load(_place(builder, block, loop.index, lane), align=4)
                    x = _least(builder, _greatest(builder, x, low), high)
                    builder.store(builder.fadd(builder.load(first), x), first)
                    builder.store(builder.fadd(builder.load(second), builder.fmul(x, x)), second)
            for lane, (first, second) in zip(lanes, totals, strict=True):
                builder.store(builder.load(first), _place(builder, sums, zero, lane), align=4)
                builder.store(builder.load(second), _place(builder, sums, one, lane), align=4)

        _vectors(some)
        return context.get_dummy_value()

    return types.void(types.uint64, types.int64, types.uint64, types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def nearest_windows(typing: Any, block: Any, out: Any, row: Any, start: Any, count: Any, reach: Any) -> Any:
    """Write into row *row* of *out* how far its sample must reach to hold one of *count* windows of sorted columns.

    Window k goes from row ``start + k`` to row ``start + k + reach``; the distance to its farther end counts, and
    the least of all windows is written. *block* and *out* are addresses.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, out, row, start, count, reach = arguments

        def some(lanes: list[int]) -> None:
            own = [builder.load(_place(builder, block, row, lane), align=4) for lane in lanes]
            infinite = ir.Constant(_VECTOR, [float("inf")] * WIDE)
            least = [cgutils.alloca_once_value(builder, infinite) for _ in lanes]
            with cgutils.for_range(builder, count) as loop:
                first = builder.add(start, loop.index)
                last = builder.add(first, reach)
                for lane, x, best in zip(lanes, own, least, strict=True):
                    left = builder.fsub(x, builder.load(_place(builder, block, first, lane), align=4))
                    right = builder.fsub(builder.load(_place(builder, block, last, lane), align=4), x)
                    builder.store(_least(builder, _greatest(builder, left, right), builder.load(best)), best)
            for lane, best in zip(lanes, least, strict=True):
                builder.store(builder.load(best), _place(builder, out, row, lane), align=4)

        _vectors(some)
        return context.get_dummy_value()

    wide = (types.uint64, types.uint64, types.int64, types.int64, types.int64, types.int64)
    return types.void(*wide), generate


@intrinsic  # type: ignore[untyped-decorator]
def proved(typing: Any, block: Any, rows: Any, table: Any, columns: Any, most: Any, side: Any, calm: Any) -> Any:
    """Set bit *side* in *calm* (uint8) where a row of a table proves something of a sorted column.

    A table's row, float32, weighs the differences of the column's samples from the least one; it proves where their sum
    exceeds its last number times the difference of greatest and least. *most* rows (a multiple of `TOGETHER`) are
    tried of the table at *table*, whose rows are *columns* long. *block*, *table* and *calm* are addresses.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, rows, table, columns, most, side, calm = arguments
        zero, one = ir.Constant(ir.IntType(64), 0), ir.Constant(ir.IntType(64), 1)
        last, bits = builder.sub(rows, one), ir.VectorType(ir.IntType(8), WIDE)
        numbers = builder.inttoptr(table, ir.FloatType().as_pointer())
        infinite, tiny = ir.Constant(_VECTOR, [float("inf")] * WIDE), ir.Constant(_VECTOR, [_TINY] * WIDE)

        def number(row: Any, column: Any) -> Any:
            single = builder.load(builder.gep(numbers, [builder.add(builder.mul(row, columns), column)]))
            empty = ir.Constant(_VECTOR, ir.Undefined)
            first = builder.insert_element(empty, single, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(ir.IntType(32), WIDE), [0] * WIDE))

        for lane in range(0, LANES, WIDE):
            least = builder.load(_place(builder, block, zero, lane), align=4)
            span = builder.fsub(builder.load(_place(builder, block, last, lane), align=4), least)
            flags = builder.gep(builder.inttoptr(calm, ir.IntType(8).as_pointer()), [ir.Constant(ir.IntType(64), lane)])
            place = builder.bitcast(flags, bits.as_pointer())
            with cgutils.for_range_slice(builder, zero, most, ir.Constant(ir.IntType(64), TOGETHER)) as (row, _):
                tried = [builder.add(row, ir.Constant(ir.IntType(64), k)) for k in range(TOGETHER)]
                totals = [cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, None)) for _ in tried]
                for total in totals:
                    builder.store(ir.Constant(_VECTOR, None), total)
                with cgutils.for_range(builder, last) as loop:
                    j = builder.add(loop.index, one)
                    d = builder.fsub(builder.load(_place(builder, block, j, lane), align=4), least)
                    for k, total in zip(tried, totals, strict=True):
                        builder.store(builder.fadd(builder.load(total), builder.fmul(number(k, j), d)), total)
                found = builder.load(place, align=1)
                for k, total in zip(tried, totals, strict=True):
                    x, bound = builder.load(total), builder.fadd(builder.fmul(number(k, rows), span), tiny)
                    sure = builder.and_(builder.fcmp_ordered(">", x, bound), builder.fcmp_ordered("<", x, infinite))
                    spread = builder.shuffle_vector(
                        builder.insert_element(ir.Constant(bits, ir.Undefined), side, ir.Constant(ir.IntType(32), 0)),
                        ir.Constant(bits, ir.Undefined),
                        ir.Constant(ir.VectorType(ir.IntType(32), WIDE), [0] * WIDE),
                    )
                    found = builder.or_(found, builder.select(sure, spread, ir.Constant(bits, None)))
                builder.store(found, place, align=1)
        return context.get_dummy_value()

    wide = (types.uint64, types.int64, types.uint64, types.int64, types.int64, types.uint8, types.uint64)
    return types.void(*wide), generate
