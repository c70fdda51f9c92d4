"""Explicit vector instructions between the frames of a stack and a block of 64 lanes: filling it, and its mean.

What each lane is given is the same, bit for bit, as `_stack` gives it lane by lane: products and sums in double
precision in the order of the frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._sorting import LANES, WIDE

_INT = ir.IntType(64)
_SINGLE, _DOUBLE = ir.VectorType(ir.FloatType(), WIDE), ir.VectorType(ir.DoubleType(), WIDE)
_MASK = ir.VectorType(ir.IntType(1), WIDE)
_FINITE = float(np.finfo(np.float32).max)
# Lanes summed up at a time: their sums stay in registers while all frames go by.
_TOGETHER = 2
# The frames of a stack are as many streams, more than processors see by themselves: samples this far ahead are asked
# for, a cache line at a time.
_AHEAD, _LINE = 512, 16


def _all(kind: Any, value: float) -> Any:
    return ir.Constant(kind, [value] * WIDE)


def _spread(builder: Any, kind: Any, scalar: Any) -> Any:
    """Return a vector whose lanes are all *scalar*."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), WIDE), [0] * WIDE)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), lanes)


def _place(builder: Any, address: Any, index: Any, kind: Any) -> Any:
    """Return a pointer to the vector of *kind* that begins *index* elements after *address*."""
    pointer = builder.inttoptr(address, kind.element.as_pointer())
    return builder.bitcast(builder.gep(pointer, [index]), kind.as_pointer())


def _at(builder: Any, address: Any, index: Any, kind: Any) -> Any:
    return builder.load(_place(builder, address, index, kind), align=4)


def _within(builder: Any, x: Any) -> Any:
    """Whether the lanes of *x* are finite."""
    magnitude = builder.call(_function(builder, "llvm.fabs.v8f32", _SINGLE), [x])
    return builder.fcmp_ordered("<=", magnitude, _all(_SINGLE, _FINITE))


def _function(builder: Any, name: str, kind: Any) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)


def _scaled(builder: Any, x: Any, gain: Any, offset: Any) -> Any:
    """Return gain times *x* plus offset, in double precision."""
    return builder.fadd(builder.fmul(gain, builder.fpext(x, _DOUBLE)), offset)


@intrinsic  # type: ignore[untyped-decorator]
def fill(
    typing: Any, raw: Any, given: Any, start: Any, gain: Any, offset: Any, low: Any, high: Any, hole: Any, row: Any
) -> Any:
    """Fill the 64 lanes at address *row* with the samples *start* and following of a frame, gain and offset applied.

    *raw* and *given* are addresses of the frame's samples as they came and of those wanted; +inf is written where
    the raw sample is a hole, not finite or not within *low* and *high*, or the result is not finite. Returns whether
    all lanes hold a sample.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        gain, offset = arguments[3:5]
        full = cgutils.alloca_once(builder, ir.IntType(1))
        plain = builder.and_(
            builder.fcmp_ordered("==", gain, ir.Constant(ir.DoubleType(), 1.0)),
            builder.fcmp_ordered("==", offset, ir.Constant(ir.DoubleType(), 0.0)),
        )
        with builder.if_else(plain) as (as_it_is, otherwise):
            with as_it_is:
                builder.store(_filled(builder, arguments, True), full)
            with otherwise:
                builder.store(_filled(builder, arguments, False), full)
        return builder.load(full)

    f, d, u = types.float32, types.float64, types.uint64
    return types.boolean(u, u, types.int64, d, d, f, f, f, u), generate


def _fetch(builder: Any, address: Any, index: Any) -> None:
    """Ask for the cache line that holds sample *index*; asking beyond the end of an array does no harm."""
    byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
    ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    place = builder.gep(builder.inttoptr(address, ir.FloatType().as_pointer()), [index])
    # For reading, to be kept in all caches, data.
    builder.call(ask, [builder.bitcast(place, byte), *(ir.Constant(word, x) for x in (0, 3, 1))])


def _filled(builder: Any, arguments: Any, plain: bool) -> Any:
    """Fill a row; *plain*: gain is 1 and offset 0, which leaves a sample as it is (minus zero becomes zero)."""
    raw, given, start, gain, offset, low, high, hole, row = arguments
    gain, offset = (_spread(builder, _DOUBLE, x) for x in (gain, offset))
    low, high, hole = (_spread(builder, _SINGLE, x) for x in (low, high, hole))
    whole = _all(_MASK, 1)
    for line in range(0, LANES, _LINE):
        _fetch(builder, raw, builder.add(start, ir.Constant(_INT, _AHEAD + line)))
    for lane in range(0, LANES, WIDE):
        at = builder.add(start, ir.Constant(_INT, lane))
        v, y = _at(builder, raw, at, _SINGLE), _at(builder, given, at, _SINGLE)
        if plain:
            y = builder.fadd(y, ir.Constant(_SINGLE, None))
        else:
            y = builder.fptrunc(_scaled(builder, y, gain, offset), _SINGLE)
        good = builder.and_(builder.fcmp_ordered(">", v, low), builder.fcmp_ordered("<", v, high))
        good = builder.and_(good, builder.fcmp_ordered("!=", v, hole))
        good = builder.and_(good, builder.and_(_within(builder, v), _within(builder, y)))
        whole = builder.and_(whole, good)
        out = _place(builder, row, ir.Constant(_INT, lane), _SINGLE)
        builder.store(builder.select(good, y, _all(_SINGLE, float("inf"))), out, align=4)
    bits = builder.bitcast(whole, ir.IntType(WIDE))
    return builder.icmp_unsigned("==", bits, ir.Constant(ir.IntType(WIDE), (1 << WIDE) - 1))


def _mean(limited: bool) -> Any:
    """Return the intrinsic that adds the frames up: all their samples, or those within limits."""

    def sums(
        typing: Any, frames: Any, numbers: Any, columns: Any, n: Any, start: Any, block: Any, limits: Any, sums: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            for first in range(0, LANES, WIDE * _TOGETHER):
                _some(builder, arguments, [first + WIDE * k for k in range(_TOGETHER)], limited)
            return context.get_dummy_value()

        u, i = types.uint64, types.int64
        return types.void(u, u, i, i, i, u, u, u), generate

    return intrinsic(sums)


def _some(builder: Any, arguments: Any, lanes: list[int], limited: bool) -> None:
    """Add the frames up in some lanes."""
    frames, numbers, columns, n, start, block, limits, sums = arguments
    constants = [ir.Constant(_INT, lane) for lane in lanes]
    second = [ir.Constant(_INT, LANES + lane) for lane in lanes]
    weights, totals = (
        [cgutils.alloca_once_value(builder, ir.Constant(_DOUBLE, None)) for _ in lanes] for _ in ("weights", "totals")
    )
    bounds = [
        (_at(builder, limits, a, _SINGLE), _at(builder, limits, b, _SINGLE)) if limited else None
        for a, b in zip(constants, second, strict=True)
    ]
    for cell in (*weights, *totals):
        builder.store(ir.Constant(_DOUBLE, None), cell)
    with cgutils.for_range(builder, n) as loop:
        i = loop.index
        frame = builder.load(builder.gep(builder.inttoptr(frames, _INT.as_pointer()), [i]), align=8)
        table = builder.inttoptr(numbers, ir.DoubleType().as_pointer())
        base = builder.mul(i, columns)
        gain, offset, weight = (
            _spread(builder, _DOUBLE, builder.load(builder.gep(table, [builder.add(base, ir.Constant(_INT, c))])))
            for c in range(3)
        )
        for lane, total, weighed, bound in zip(constants, totals, weights, bounds, strict=True):
            z = _scaled(builder, _at(builder, frame, builder.add(start, lane), _SINGLE), gain, offset)
            share, add = weight, builder.fmul(weight, z)
            if bound is not None:
                y = _at(builder, block, builder.add(builder.mul(i, ir.Constant(_INT, LANES)), lane), _SINGLE)
                kept = builder.and_(
                    builder.fcmp_ordered(">=", y, bound[0]), builder.fcmp_ordered("<=", y, bound[1])
                )
                share, add = (builder.select(kept, x, ir.Constant(_DOUBLE, None)) for x in (share, add))
            builder.store(builder.fadd(builder.load(weighed), share), weighed)
            builder.store(builder.fadd(builder.load(total), add), total)
    for a, b, total, weighed in zip(constants, second, totals, weights, strict=True):
        builder.store(builder.load(weighed), _place(builder, sums, a, _DOUBLE), align=8)
        builder.store(builder.load(total), _place(builder, sums, b, _DOUBLE), align=8)


add_all = _mean(limited=False)
"""Write into the rows of *sums* (addresses throughout) the sum of weights and that of the weighted samples.

*numbers*: float64 table of *columns* columns that begins at gain, offset and weight of the first frame; *frames*: the
addresses of *n* frames, whose samples from *start* on are taken. *block* and *limits* are not looked at.
"""
add_kept = _mean(limited=True)
"""The same for samples whose row of *block* lies within the two rows of *limits*."""


@intrinsic  # type: ignore[untyped-decorator]
def within_sigma(typing: Any, block: Any, n: Any, low: Any, high: Any, calm: Any) -> Any:
    """Write whether the ends of *n* sorted rows lie within *low* and *high* standard deviations of the median.

    *block* and *calm* (64 bytes) are addresses. Deviations are those from the median, as in the rounds of sigma
    clipping; sums in double precision in the order of the rows.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        for first in range(0, LANES, WIDE * _TOGETHER):
            _ends(builder, arguments, [ir.Constant(_INT, first + WIDE * k) for k in range(_TOGETHER)])
        return context.get_dummy_value()

    u, d = types.uint64, types.float64
    return types.void(u, types.int64, d, d, u), generate


def _ends(builder: Any, arguments: Any, lanes: list[Any]) -> None:
    block, n, low, high, calm = arguments
    one, stride = ir.Constant(_INT, 1), ir.Constant(_INT, LANES)
    last = builder.sub(n, one)

    def row(index: Any, lane: Any) -> Any:
        x = _at(builder, block, builder.add(builder.mul(index, stride), lane), _SINGLE)
        return builder.fpext(x, _DOUBLE)

    half = builder.lshr(n, one), builder.lshr(last, one)
    centres = [
        builder.fmul(_all(_DOUBLE, 0.5), builder.fadd(row(half[1], lane), row(half[0], lane))) for lane in lanes
    ]
    sums = [[cgutils.alloca_once_value(builder, ir.Constant(_DOUBLE, None)) for _ in "12"] for _ in lanes]
    for cells in sums:
        for cell in cells:
            builder.store(ir.Constant(_DOUBLE, None), cell)
    with cgutils.for_range(builder, n) as loop:
        for lane, centre, (first, second) in zip(lanes, centres, sums, strict=True):
            d = builder.fsub(row(loop.index, lane), centre)
            builder.store(builder.fadd(builder.load(first), d), first)
            builder.store(builder.fadd(builder.load(second), builder.fmul(d, d)), second)
    count = _spread(builder, _DOUBLE, builder.sitofp(n, ir.DoubleType()))
    less = _spread(builder, _DOUBLE, builder.sitofp(last, ir.DoubleType()))
    down, up = (_spread(builder, _DOUBLE, x) for x in (low, high))
    for lane, centre, (first, second) in zip(lanes, centres, sums, strict=True):
        total, squares = builder.load(first), builder.load(second)
        left = builder.fsub(squares, builder.fdiv(builder.fmul(total, total), count))
        zero = ir.Constant(_DOUBLE, None)
        variance = builder.fdiv(left, less)
        variance = builder.select(builder.fcmp_ordered(">", variance, zero), variance, zero)
        sigma = builder.call(_function(builder, "llvm.sqrt.v8f64", _DOUBLE), [variance])
        above = builder.fcmp_ordered(
            ">=", row(ir.Constant(_INT, 0), lane), builder.fsub(centre, builder.fmul(down, sigma))
        )
        below = builder.fcmp_ordered("<=", row(last, lane), builder.fadd(centre, builder.fmul(up, sigma)))
        inside = builder.zext(builder.and_(above, below), ir.VectorType(ir.IntType(8), WIDE))
        builder.store(inside, _place(builder, calm, lane, ir.VectorType(ir.IntType(8), WIDE)), align=1)
