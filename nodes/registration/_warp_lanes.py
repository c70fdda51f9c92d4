"""The sums of an interpolation for four neighbouring pixels at a time, as explicit vector instructions.

The windows of neighbours begin beside each other where an image is shifted, turned by little or by half a turn: then
sample (a, b) of four windows is one piece of a row. Elsewhere windows are copied side by side first.
Sums are double precision and each pixel's are added in the same order wherever it stands among its neighbours.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

LANES, WIDE = 16, 4
"""Pixels whose places are found at a time, and doubles of one vector instruction.

Machines with narrower registers get an instruction split by the compiler.
"""
_FLOATS, _DOUBLES = ir.VectorType(ir.FloatType(), WIDE), ir.VectorType(ir.DoubleType(), WIDE)
PLUS, MINUS, LOWEST = 0, 1, 2
"""Rows of what `window_sums` writes."""


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def window_sums(
    typing: Any, samples: Any, down: Any, right: Any, first: Any, table: Any, phases: Any, out: Any, taps: Any
) -> Any:
    """Write the weighted sums of the windows of `WIDE` of `LANES` pixels, and the lowest sample of each.

    Parameters
    ----------
    samples
        Address where the window of pixel 0 would begin, float32; those of the next pixels follow it.
    down, right
        How many samples further the next row, and the next column, of a window begins.
    first
        The first of the pixels.
    table
        Address of the weights of all phases, float64 (phases, `padded` taps).
    phases
        Address of int32 (2, LANES): the phase of each pixel along rows, and along columns.
    out
        Address of float64 (3, LANES): sum over products of positive weights, sum over the others, lowest sample.
    taps
        Rows and columns of a window; a constant.
    """
    if not isinstance(taps, types.IntegerLiteral):
        return None
    count = taps.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        samples, down, right, first, table, phases, out, _ = arguments
        across, along = (_weights(builder, table, phases, _row(builder, n, first), count) for n in (0, 1))
        made = _sums(builder, across, along, (samples, down, right), first)
        for row, value in enumerate(made):
            builder.store(value, _place(builder, out, _row(builder, row, first), _DOUBLES), align=8)
        return context.get_dummy_value()

    addresses = (types.uint64, types.uint64, types.uint64)
    return types.void(types.uint64, types.int64, types.int64, types.int64, *addresses, taps), generate


def padded(taps: int) -> int:
    """Return how long the rows of a table of weights are, the unused ones zero."""
    return -(-taps // WIDE) * WIDE


def _weights(builder: Any, table: Any, phases: Any, first: Any, taps: int) -> list[Any]:
    """Return a vector for each tap with the weights of some pixels: rows of the table, turned over."""
    rows = []
    for lane in range(WIDE):
        at = builder.add(first, ir.Constant(ir.IntType(64), lane))
        phase = builder.load(builder.gep(builder.inttoptr(phases, ir.IntType(32).as_pointer()), [at]), align=4)
        rows.append(builder.mul(builder.sext(phase, ir.IntType(64)), ir.Constant(ir.IntType(64), padded(taps))))
    made = []
    for tap in range(0, taps, WIDE):
        a, b, c, d = (
            _loaded(builder, table, builder.add(row, ir.Constant(ir.IntType(64), tap)), _DOUBLES) for row in rows
        )
        # Pairs of pixels, then fours: a0 b0 a2 b2, a1 b1 a3 b3 and likewise c and d.
        even, odd = _mixed(builder, a, b, 0, 4, 2, 6), _mixed(builder, a, b, 1, 5, 3, 7)
        even2, odd2 = _mixed(builder, c, d, 0, 4, 2, 6), _mixed(builder, c, d, 1, 5, 3, 7)
        made += [_mixed(builder, even, even2, 0, 1, 4, 5), _mixed(builder, odd, odd2, 0, 1, 4, 5)]
        made += [_mixed(builder, even, even2, 2, 3, 6, 7), _mixed(builder, odd, odd2, 2, 3, 6, 7)]
    return made[:taps]


def _mixed(builder: Any, a: Any, b: Any, *lanes: int) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), WIDE), lanes))


def lobe(tap: int, taps: int) -> int:
    """Return which lobe of the filter *tap* always falls into, counted from the centre."""
    n = taps // 2
    return n - 1 - tap if tap < n else tap - n


def _sums(
    builder: Any, across: list[Any], along: list[Any], places: tuple[Any, ...], first: Any
) -> tuple[Any, Any, Any]:
    """Return sums over products of positive weights and over the others, and the lowest samples.

    Which weights are negative is a matter of the tap alone: the lobes of sinc alternate outward.
    """
    samples, down, right = places
    taps = len(across)
    ups = [b for b in range(taps) if lobe(b, taps) % 2 == 0]
    downs = [b for b in range(taps) if b not in ups]
    plus, minus, low = None, None, None
    start = first
    for a in range(taps):
        at, wide = start, []
        for _ in range(taps):
            v = _loaded(builder, samples, at, _FLOATS)
            low = v if low is None else builder.select(builder.fcmp_ordered("<", v, low), v, low)
            wide.append(builder.fpext(v, _DOUBLES))
            at = builder.add(at, right)
        up = _total(builder, [builder.fmul(wide[b], across[b]) for b in ups])
        rest = _total(builder, [builder.fmul(wide[b], across[b]) for b in downs])
        w = along[a]
        same, other = (up, rest) if a in ups else (rest, up)
        p, q = builder.fmul(w, same), builder.fmul(w, other)
        plus = p if plus is None else builder.fadd(plus, p)
        minus = q if minus is None else builder.fadd(minus, q)
        start = builder.add(start, down)
    return plus, minus, builder.fpext(low, _DOUBLES)


def _total(builder: Any, terms: list[Any]) -> Any:
    total = terms[0] if terms else ir.Constant(_DOUBLES, [0.0] * WIDE)
    for term in terms[1:]:
        total = builder.fadd(total, term)
    return total


def _row(builder: Any, row: int, first: Any) -> Any:
    return builder.add(first, ir.Constant(ir.IntType(64), row * LANES))


def _place(builder: Any, address: Any, index: Any, vector: Any) -> Any:
    pointer = builder.inttoptr(address, vector.element.as_pointer())
    return builder.bitcast(builder.gep(pointer, [index]), vector.as_pointer())


def _loaded(builder: Any, address: Any, index: Any, vector: Any) -> Any:
    return builder.load(_place(builder, address, index, vector), align=4 if vector is _FLOATS else 8)
