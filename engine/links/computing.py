"""Computing a compiled expression: its value in the unit of the parameter, with its standard error."""

from __future__ import annotations

import math
from typing import Any

from .entries import Entry
from .functions import Quantity
from .program import Part, evaluated
from .tree import Expression


def computed(part: Part, factor: float, entries: list[Entry], expression: Expression) -> tuple[Quantity, Any]:
    """Return the value of an expression in the unit of the parameter, and its standard error."""
    values = tuple(e.value for e in entries)
    value = _times(evaluated(part, values, expression.numbers), factor)
    if all(e.error is None for e in entries) or isinstance(value, bool):
        return value, None
    variance: Any = _times(value, 0.0)
    for i, entry in enumerate(entries):
        if entry.error is None:
            continue
        # First order, the derivative taken over one standard error to either side.
        ends = [
            _times(evaluated(part, (*values[:i], moved, *values[i + 1 :]), expression.numbers), factor)
            for moved in (_moved(entry.value, entry.error, sign) for sign in (1.0, -1.0))
        ]
        variance = _mapped(lambda v, a, b: v + (0.5 * (a - b)) ** 2, variance, *ends)
    return value, _mapped(lambda v: math.sqrt(v) if v >= 0.0 else math.nan, variance)


def _moved(value: Quantity, error: Any, sign: float) -> Quantity:
    return _mapped(lambda v, e: v + sign * e, value, error)


def _mapped(operation: Any, *operands: Any) -> Any:
    counts = [len(o) for o in operands if isinstance(o, tuple)]
    if not counts:
        return operation(*operands)
    wide = [o if isinstance(o, tuple) else (o,) * counts[0] for o in operands]
    return tuple(operation(*of) for of in zip(*wide, strict=False))


def _times(value: Quantity, factor: float) -> Quantity:
    if isinstance(value, bool) or factor == 1.0:
        return value
    return tuple(v * factor for v in value) if isinstance(value, tuple) else value * factor


def clamped(value: Quantity, clamp: tuple[float, float]) -> Quantity:
    if isinstance(value, tuple):
        return tuple(clamped(v, clamp) for v in value)
    return value if isinstance(value, bool) or value != value else min(max(value, clamp[0]), clamp[1])


def is_number(value: Any) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(isinstance(v, bool | int | float) for v in value)
    return isinstance(value, bool | int | float)


def is_finite(value: Quantity) -> bool:
    return all(map(is_finite, value)) if isinstance(value, tuple) else math.isfinite(value)


def text_of(value: Quantity) -> str:
    return f"({', '.join(map(text_of, value))})" if isinstance(value, tuple) else f"{value:g}"
