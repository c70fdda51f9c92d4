"""The median of 5 x 5 samples at every place, by a selection network.

A loop over places whose body is straight-line code of minima and maxima is vectorised by the compiler; written with
comparisons it is not. So the network is written out as a small module, with minimum and maximum as single instructions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from ...engine.api import generated_module

SIDE = 5

_HEAD = '''"""Generated: medians of 5 x 5 samples. Safe to delete."""
import numba
import numpy as np
from numba.extending import intrinsic


@intrinsic
def low(typingctx, a, b):
    def code(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[0], args[1])
    return a(a, b), code


@intrinsic
def high(typingctx, a, b):
    def code(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[1], args[0])
    return a(a, b), code


@numba.njit(cache=True, nogil=True, error_model="numpy")
def medians(r0, r1, r2, r3, r4, out):
    for i in range(out.size):
'''


@functools.cache
def row_of_medians() -> Callable[..., None]:
    """Return ``f(r0, r1, r2, r3, r4, out)``: out[i] is the median of samples i..i+4 of the five rows.

    It is not to be used where one of these is not finite.
    """
    medians: Callable[..., None] = generated_module("median25", _text()).medians
    return medians


def _text() -> str:
    samples = [f"r{k}[i + {m}]" for k in range(SIDE) for m in range(SIDE)]
    names = [f"v{n}" for n in range(len(samples))]
    lines = [f"{name} = {sample}" for name, sample in zip(names, samples, strict=True)]
    # Of 14 of 25 samples neither the least nor the greatest is the median: forget both, take one more, and so on.
    held, waiting = names[:14], names[14:]
    while len(held) > 1:
        held = _without_ends(held, lines)
        if waiting:
            held.append(waiting.pop(0))
    lines.append(f"out[i] = {held[0]}")
    return _HEAD + "".join(f"        {line}\n" for line in lines)


def _without_ends(held: list[str], lines: list[str]) -> list[str]:
    """Write the exchanges that bring the least and the greatest of *held* to the ends; return the others."""

    def exchange(a: str, b: str) -> None:
        lines.append(f"{a}, {b} = low({a}, {b}), high({a}, {b})")

    half = len(held) // 2
    for a, b in zip(held[:half], reversed(held), strict=False):
        exchange(a, b)
    lows, highs = held[: len(held) - half], held[half:]
    for other in lows[1:]:
        exchange(lows[0], other)
    for other in highs[:-1]:
        exchange(other, highs[-1])
    return [name for name in held if name not in (lows[0], highs[-1])]

