"""From a parsed expression and the units of its references to closures of our own: units once, numbers often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..errors import LinkError
from .functions import OPERATIONS, OVER_CHANNELS, ChannelsDiffer, Quantity, each, truth
from .tree import Apply, Exponent, Expression, Number, Tree, Use
from .units import DEGREE, ONE, RADIAN, Unit

Run = Callable[[tuple[Any, ...]], Any]
"""Values of the references, then the written numbers from the last to the first -> value of the expression."""

_ALIKE = frozenset(("+", "-", "%", "<", "<=", ">", ">=", "==", "!=", "min", "max", "clamp", "mean", "median",
                    "coalesce", "hypot", "atan2"))  # fmt: skip
_COMPARE = frozenset(("<", "<=", ">", ">=", "==", "!="))
_KEEP = frozenset(("plus", "minus", "abs", "floor", "ceil", "round"))
_NUMBERS = frozenset(("exp", "log", "log10", "log2", "mtf"))


@dataclass(frozen=True, slots=True)
class Part:
    """A compiled part of an expression.

    Attributes
    ----------
    run
        Its arithmetic.
    unit
        Of its value; None where it holds written numbers only, which take any unit.
    """

    run: Run
    unit: Unit | None


_compiled: dict[tuple[str, tuple[Unit | None, ...]], Part] = {}
_MOST = 4096


def compiled(expression: Expression, units: tuple[Unit | None, ...]) -> Part:
    """Return an expression for references of *units* (None: takes any unit, as written numbers do).

    Expressions of one shape are compiled once, whatever their numbers.

    Raises
    ------
    LinkError
        LNK-3: units do not go together.
    """
    at = expression.shape, units
    found = _compiled.get(at)
    if found is None:
        if len(_compiled) >= _MOST:
            _compiled.clear()
        found = _compiled[at] = _part(expression.tree, units)
    return found


def evaluated(part: Part, values: tuple[Quantity, ...], numbers: tuple[Quantity, ...]) -> Quantity:
    """Return the value of a compiled expression; not finite where it has none.

    Parameters
    ----------
    values
        Of its references.
    numbers
        Those that are written in it.

    Raises
    ------
    LinkError
        LNK-6: numbers of channels differ.
    """
    try:
        return part.run(values + numbers[::-1])
    except ChannelsDiffer as e:
        raise LinkError("LNK-6", f"values of different numbers of channels meet: {e}",
                        cure="take one channel, such as sky.bg.median[0], or the mean of all") from None  # fmt: skip


def _part(tree: Tree, units: tuple[Unit | None, ...]) -> Part:
    if isinstance(tree, Number):
        place = -1 - tree.index
        return Part(lambda env: env[place], None)
    if isinstance(tree, Exponent):
        value = tree.value
        return Part(lambda env: value, None)
    if isinstance(tree, Use):
        index = tree.index
        return Part(lambda env: env[index], units[index])
    parts = [_part(t, units) for t in tree.operands]
    if tree.name in ("and", "or", "not"):
        return Part(_logic(tree.name, parts), ONE)
    if tree.name == "if":
        return _choice(tree, parts)
    if tree.name in _ALIKE:
        return _alike(tree, parts)
    return _other(tree, parts)


# -- units -----------------------------------------------------------------------------------------------


def _alike(tree: Apply, parts: list[Part]) -> Part:
    """Operands of one dimension, brought to the unit of the first that has one; written numbers take that unit."""
    same, unit = _same_unit(tree, parts)
    run = _applied(tree.name, [p.run for p in same])
    if tree.name in _COMPARE:
        return Part(run, ONE)
    if tree.name == "atan2":
        return Part(run, RADIAN)
    return Part(run, unit)


def _same_unit(tree: Apply, parts: list[Part]) -> tuple[list[Part], Unit | None]:
    known = [p.unit for p in parts if p.unit is not None]
    if not known:
        return parts, None
    # Of a pure number and samples of an image the image says more.
    unit = next((u for u in known if u.image_power), known[0]) if known[0].is_number else known[0]
    return [_converted(tree, p, unit) for p in parts], unit


def _converted(tree: Apply, part: Part, unit: Unit) -> Part:
    if part.unit is None or part.unit is unit:
        return part
    factor = part.unit.factor_to(unit)
    if factor is None:
        raise _misfit(tree, f"'{unit}' and '{part.unit}' do not go together")
    return part if factor == 1.0 else Part(_scaled(part.run, factor), unit)


def _in_unit(part: Part, unit: Unit) -> Part:
    """Return *part* in *unit* where it converts: how often seconds go into an hour is one number."""
    factor = None if part.unit is None else part.unit.factor_to(unit)
    return part if factor in (None, 1.0) else Part(_scaled(part.run, factor or 1.0), unit)


def _misfit(tree: Apply, why: str) -> LinkError:
    what = f"'{tree.name}'" if not tree.name.isalpha() else tree.name
    cure = "convert one of them in the expression"
    if "px" in why and ("arc" in why or "deg" in why):
        cure = "pixels become angles by the scale of the image: multiply by its wcs.scale"
    return LinkError("LNK-3", f"column {tree.column}: units of {what}: {why}", cure=cure)


def _scaled(run: Run, factor: float) -> Run:
    return lambda env: each(lambda x: x * factor, run(env))


def _choice(tree: Apply, parts: list[Part]) -> Part:
    (yes, no), unit = _same_unit(tree, parts[1:])
    test, first, second = parts[0].run, yes.run, no.run
    return Part(lambda env: first(env) if truth(test(env)) else second(env), unit)


def _other(tree: Apply, parts: list[Part]) -> Part:
    name, first = tree.name, parts[0]
    runs = [p.run for p in parts]
    if name in _KEEP:
        return Part(_applied(name, runs), first.unit)
    if name == "//" and all(p.unit is not None for p in parts):
        parts = [first, _in_unit(parts[1], first.unit or ONE)]
        runs = [p.run for p in parts]
    if name in ("*", "/", "//"):
        return Part(_applied(name, runs), _product(parts, 1 if name == "*" else -1))
    if name == "**":
        return Part(_applied(name, runs), _to_the(tree, parts))
    if name == "sqrt":
        return Part(_applied(name, runs), None if first.unit is None else first.unit.to_the(Fraction(1, 2)))
    if name == "isfinite":
        return Part(_applied(name, runs), ONE)
    if name in _NUMBERS:
        for p in parts:
            if p.unit is not None and not p.unit.is_number:
                raise _misfit(tree, f"a pure number is wanted, got '{p.unit}'")
        return Part(_applied(name, [_number(p) for p in parts]), _unit_of_all(parts))
    return _angular(tree, first)


def _number(part: Part) -> Run:
    """Return a pure number as such: 5 % is 0.05."""
    factor = 1.0 if part.unit is None else part.unit.factor_to(ONE)
    return part.run if factor in (None, 1.0) else _scaled(part.run, factor or 1.0)


def _unit_of_all(parts: list[Part]) -> Unit | None:
    return None if all(p.unit is None for p in parts) else ONE


def _product(parts: list[Part], sign: int) -> Unit | None:
    left, right = parts[0].unit, parts[1].unit
    if left is None and right is None:
        return None
    return (left or ONE).times(right or ONE, sign)


def _to_the(tree: Apply, parts: list[Part]) -> Unit | None:
    base, exponent = parts[0].unit, parts[1].unit
    if exponent is not None and not exponent.is_number:
        raise _misfit(tree, f"an exponent is a pure number, got '{exponent}'")
    if base is None or base.is_number:
        return _unit_of_all(parts)
    written = tree.operands[1]
    if not isinstance(written, Exponent):
        raise _misfit(tree, f"'{base}' to a power that is not written out has no unit")
    return base.to_the(Fraction(written.value).limit_denominator(64))


def _angular(tree: Apply, part: Part) -> Part:
    """Sine and its like take angles, or pure numbers in radians; `radians` and `degrees` say which angle is meant."""
    name, unit = tree.name, part.unit
    if unit is not None and not unit.is_number and not unit.is_angle:
        raise _misfit(tree, f"an angle or a pure number is wanted, got '{unit}'")
    run = part.run
    if unit is not None and unit.is_angle:
        run = _scaled(run, unit.factor_to(RADIAN) or 1.0)
        if name == "radians":
            return Part(run, RADIAN)
    made = _applied(name, [run])
    return Part(made, {"radians": RADIAN, "degrees": DEGREE}.get(name, ONE))


# -- arithmetic ------------------------------------------------------------------------------------------


def _applied(name: str, runs: list[Run]) -> Run:
    operation = OPERATIONS[name]
    if len(runs) == 1:
        return _over_channels(operation, runs[0]) if name in OVER_CHANNELS else _one(operation, runs[0])
    return _two(operation, *runs) if len(runs) == 2 else lambda env: each(operation, *[r(env) for r in runs])


def _one(operation: Callable[..., Any], run: Run) -> Run:
    return lambda env: each(operation, run(env))


def _two(operation: Callable[..., Any], left: Run, right: Run) -> Run:
    def run(env: tuple[Any, ...]) -> Any:
        x, y = left(env), right(env)
        if type(x) is float and type(y) is float:
            try:
                found = operation(x, y)
            except (ArithmeticError, ValueError):
                return float("nan")
            return found
        return each(operation, x, y)

    return run


def _over_channels(operation: Callable[..., Any], run: Run) -> Run:
    def over(env: tuple[Any, ...]) -> Any:
        value = run(env)
        return each(operation, *value) if type(value) is tuple else each(operation, value)

    return over


def _logic(name: str, parts: list[Part]) -> Run:
    runs = [p.run for p in parts]
    if name == "not":
        return lambda env: not truth(runs[0](env))
    if name == "and":
        return lambda env: all(truth(r(env)) for r in runs)
    return lambda env: any(truth(r(env)) for r in runs)
