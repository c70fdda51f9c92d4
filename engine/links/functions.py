"""The operations of parameter links on plain numbers. Numbers of several channels are tuples, taken one by one."""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Callable
from typing import Any

Scalar = float | bool
Quantity = Any
"""A number, a truth value, or a tuple of numbers with one for each channel."""

CONSTANTS: dict[str, Scalar] = {
    "true": True, "false": False, "pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan,
}  # fmt: skip

_MANY = 1000
ARITY: dict[str, tuple[int, int]] = {
    "min": (1, _MANY), "max": (1, _MANY), "abs": (1, 1), "sqrt": (1, 1), "exp": (1, 1), "log": (1, 1),
    "log10": (1, 1), "log2": (1, 1), "sin": (1, 1), "cos": (1, 1), "tan": (1, 1), "atan2": (2, 2), "hypot": (2, 2),
    "floor": (1, 1), "ceil": (1, 1), "round": (1, 1), "clamp": (3, 3), "mean": (1, _MANY), "median": (1, _MANY),
    "coalesce": (1, _MANY), "isfinite": (1, 1), "mtf": (2, 2), "radians": (1, 1), "degrees": (1, 1),
}  # fmt: skip
"""Function -> fewest and most arguments."""

OVER_CHANNELS = frozenset(("min", "max", "mean", "median"))
"""With a single argument these look at all channels of it."""


class ChannelsDiffer(ValueError):
    """Operands have different numbers of channels."""


def each(operation: Callable[..., Any], *operands: Quantity) -> Quantity:
    """Return *operation* of the operands, channel by channel where they have several; not finite where it fails.

    Raises
    ------
    ChannelsDiffer
        Operands have different numbers of channels.
    """
    if tuple not in map(type, operands):
        return _tried(operation, operands)
    counts = {len(o) for o in operands if type(o) is tuple}
    if len(counts) > 1:
        raise ChannelsDiffer(" and ".join(str(n) for n in sorted(counts)))
    wide = [o if type(o) is tuple else (o,) * max(counts) for o in operands]
    return tuple(_tried(operation, of) for of in zip(*wide, strict=True))


def _tried(operation: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
    try:
        found = operation(*operands)
    except (ArithmeticError, ValueError):
        return math.nan
    return math.nan if isinstance(found, complex) else found


def truth(value: Quantity) -> bool:
    """Return whether a condition holds; a number holds unless it is 0 or no number.

    Raises
    ------
    ChannelsDiffer
        It has several channels.
    """
    if type(value) is tuple:
        if len(value) > 1:
            raise ChannelsDiffer(f"a condition has one value, got {len(value)} channels")
        value = value[0]
    return bool(value) and value == value


def mtf(midtones: float, x: float) -> float:
    """Return the midtones transfer function, 0 at 0, 1/2 at *midtones*, 1 at 1."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    return (midtones - 1.0) * x / ((2.0 * midtones - 1.0) * x - midtones)


def _power(x: float, exponent: float) -> float:
    if not abs(exponent) <= 64:
        return math.nan
    return float(x**exponent) if not (x < 0 and exponent != int(exponent)) else math.nan


def _clamp(x: float, low: float, high: float) -> float:
    if x != x or not low <= high:
        return math.nan
    return min(max(x, low), high)


def _round(x: float) -> float:
    return float(math.floor(x + 0.5))  # halves up, everywhere


def _coalesce(*values: float) -> float:
    return next((v for v in values if math.isfinite(v)), math.nan)


def _all_numbers(of: Callable[..., Any]) -> Callable[..., Any]:
    """Return *of*, which is no number where one of its arguments is none: comparing does not show it."""
    return lambda *values: math.nan if any(v != v for v in values) else float(of(values))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": _power, "plus": operator.pos, "minus": operator.neg,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
    "min": _all_numbers(min), "max": _all_numbers(max), "mean": _all_numbers(statistics.fmean),
    "median": _all_numbers(statistics.median), "abs": abs, "sqrt": math.sqrt, "exp": math.exp, "log": math.log,
    "log10": math.log10, "log2": math.log2, "sin": math.sin, "cos": math.cos, "tan": math.tan,
    "atan2": math.atan2, "hypot": math.hypot, "floor": lambda x: float(math.floor(x)),
    "ceil": lambda x: float(math.ceil(x)), "round": _round, "clamp": _clamp, "coalesce": _coalesce,
    "isfinite": math.isfinite, "mtf": mtf, "radians": math.radians, "degrees": math.degrees,
}  # fmt: skip
