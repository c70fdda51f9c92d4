"""Parameters: declared once, used by the check, the help, the key, the command line and the reference page."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

from .errors import ParameterError

FileRole = Literal["", "input", "output"]


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known of one parameter, read from its declaration."""

    name: str
    type: Any
    default: Any
    required: bool
    low: float | None
    high: float | None
    unit: str
    choices: tuple[Any, ...]
    doc: str
    file: FileRole
    identity: bool
    usual: tuple[float, float] | None = None

    @property
    def type_name(self) -> str:
        return getattr(self.type, "__name__", None) if isinstance(self.type, type) else str(self.type)  # type: ignore[return-value]

    @property
    def range_text(self) -> str:
        if self.choices:
            return " | ".join(str(c) for c in self.choices)
        if self.low is None and self.high is None:
            return ""
        low = "-inf" if self.low is None else f"{self.low:g}"
        high = "inf" if self.high is None else f"{self.high:g}"
        return f"{low} .. {high}" + (f", usual {self.usual[0]:g} .. {self.usual[1]:g}" if self.usual else "")


def param(
    *,
    default: Any = dataclasses.MISSING,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    choices: tuple[Any, ...] = (),
    doc: str,
    file: FileRole = "",
    identity: bool = True,
    usual: tuple[float, float] | None = None,
) -> Any:
    """Declare a parameter.

    Parameters
    ----------
    default
        Value when none is given; left out, the parameter is required.
    low, high
        Legal range, both ends included; for tuples it holds for every element.
    unit
        ``px``, ``sigma``, ``ADU``, ``deg`` ...; empty for pure numbers.
    choices
        The legal values, when they are few.
    doc
        One sentence.
    file
        ``input``: names a file (or a tuple of files) whose *content* enters the key instead of the name.
        ``output``: names a file to be written; never enters the key.
    identity
        Whether the value is part of the node's key.
    usual
        The range in which people choose; values far outside of it are allowed, and asked about (`lerar lint`).
    """
    meta = {
        "low": low, "high": high, "unit": unit, "choices": choices, "doc": doc, "file": file,
        "identity": identity and not file, "usual": usual,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=meta)


def specs_of(cls: type) -> dict[str, Spec]:
    """Return the parameters that *cls* declares, by name, in order of declaration."""
    hints = typing.get_type_hints(cls)
    found = {}
    for f in dataclasses.fields(cls):
        if not f.metadata:
            raise TypeError(f"{cls.__name__}.{f.name}: declare parameters with param(...)")
        required = f.default is dataclasses.MISSING
        found[f.name] = Spec(f.name, hints[f.name], None if required else f.default, required, **f.metadata)
    return found


def checked(spec: Spec, value: Any, owner: str) -> Any:
    """Return *value* in the declared type, or raise ParameterError naming *owner*, what was wanted and what came."""
    value = _typed(value, spec.type, spec, owner)
    for v in _leaves(value):
        if spec.choices and v not in spec.choices:
            raise ParameterError(f"{owner}: {spec.name} must be {wanted_text(spec)}, got {v!r}")
        if isinstance(v, float) and not math.isfinite(v):
            raise ParameterError(f"{owner}: {spec.name} must be finite, got {v!r}")
        if isinstance(v, int | float) and not isinstance(v, bool) and not _within(v, spec):
            raise ParameterError(
                f"{owner}: {spec.name} must lie in [{_end(spec.low)}, {_end(spec.high)}]"
                f"{' ' + spec.unit if spec.unit else ''}, got {v!r}"
            )
    return value


def _end(limit: float | None) -> str:
    return "any" if limit is None else f"{limit:g}"


def _within(v: float, spec: Spec) -> bool:
    return (spec.low is None or v >= spec.low) and (spec.high is None or v <= spec.high)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, tuple):
        return [leaf for v in value for leaf in _leaves(v)]
    return [] if value is None else [value]


def _typed(value: Any, wanted: Any, spec: Spec, owner: str) -> Any:
    """Types stay apart (True is no number), except that whole numbers serve as floats and lists as tuples."""
    origin = typing.get_origin(wanted)
    if origin in (types.UnionType, typing.Union):
        return _typed_union(value, wanted, spec, owner)
    if origin is tuple and isinstance(value, list | tuple):
        args = typing.get_args(wanted)
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_typed(v, args[0], spec, owner) for v in value)
        if len(args) == len(value):  # also turns named tuples such as Box into plain ones
            return tuple(_typed(v, a, spec, owner) for v, a in zip(value, args, strict=True))
    if origin is Literal and value in typing.get_args(wanted):
        return value
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(wanted, type) and origin is None and type(value) is wanted:
        return value
    raise ParameterError(f"{owner}: {spec.name} must be {wanted_text(spec)}, got {value!r}")


def _typed_union(value: Any, wanted: Any, spec: Spec, owner: str) -> Any:
    for option in typing.get_args(wanted):
        if option is types.NoneType:
            if value is None:
                return None
            continue
        try:
            return _typed(value, option, spec, owner)
        except ParameterError:
            continue
    raise ParameterError(f"{owner}: {spec.name} must be {wanted_text(spec)}, got {value!r}")


def wanted_text(spec: Spec) -> str:
    """Return what a parameter takes, for people: its choices or its type."""
    if spec.choices:
        return f"one of {', '.join(repr(c) for c in spec.choices)}"
    return _type_text(spec.type)


def _type_text(t: Any) -> str:
    return t.__name__ if isinstance(t, type) and typing.get_origin(t) is None else str(t)
