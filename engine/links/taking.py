"""Taking the result of a link as the value of a parameter: its type first, then its range."""

from __future__ import annotations

import functools
import types
import typing
from typing import Any

import numpy as np

from ..errors import LinkError, ParameterError
from ..params import Spec, checked, wanted_text
from .functions import Quantity


def shaped(spec: Spec, value: Quantity) -> Any:
    """Return *value* in a type that the parameter takes.

    Raises
    ------
    LinkError
        LNK-6: it takes none such; names both types.
    """
    kinds = _kinds(spec.type)
    if isinstance(value, tuple):
        if "tuple" not in kinds:
            raise _misfit(spec, f"{len(value)} values, one for each channel or frame",
                          "take one channel, as in ref[0], or mean(ref)")  # fmt: skip
        return _tuple(spec, value)
    if isinstance(value, bool):
        if "bool" not in kinds:
            raise _misfit(spec, "a truth value", "a number comes from: 1 if condition else 0")
        return value
    if isinstance(value, float):
        return _one(spec, value, kinds)
    if "tuple" in kinds and isinstance(value, (np.ndarray, list)):
        return _tuple(spec, _nested(value))
    wanted = {"str": str, "dict": dict, "list": list}
    if not any(isinstance(value, t) for name, t in wanted.items() if name in kinds):
        raise _misfit(spec, "text" if isinstance(value, str) else type(value).__name__, "")
    return value


def _nested(value: Any) -> Any:
    """Return rows of numbers, such as a kernel's pixels, as tuples of tuples."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return tuple(map(_nested, value)) if isinstance(value, list | tuple) else value


def _one(spec: Spec, value: float, kinds: frozenset[str]) -> Any:
    if "float" in kinds:
        return value
    if "int" in kinds:
        if value != int(value):
            raise _misfit(spec, f"{value:.6g}", "make it whole: round(...)")
        return int(value)
    if "tuple" in kinds:
        return _tuple(spec, (value,))
    raise _misfit(spec, "a number", "compare it with something" if "bool" in kinds else "")


def _tuple(spec: Spec, value: tuple[Any, ...]) -> Any:
    whole = tuple(int(v) if isinstance(v, float) and v.is_integer() else v for v in value)
    for option in (value, whole):
        try:
            return checked(spec, option, "")
        except ParameterError as e:
            found = e
    if "must be" in str(found) and not spec.choices:
        raise _misfit(spec, f"{len(value)} numbers", "")
    return value


def in_range(spec: Spec, value: Any) -> str:
    """Return why a value lies outside of what the parameter takes; empty where it does not."""
    try:
        checked(spec, value, "")
    except ParameterError as e:
        return f"is {value!r}, but {str(e).removeprefix(': ').rpartition(', got ')[0]}"
    return ""


def _misfit(spec: Spec, came: str, cure: str) -> LinkError:
    return LinkError("LNK-6", f"{came} came where {wanted_text(spec)} is wanted", cure=cure)


@functools.lru_cache(1024)
def _kinds(of: Any) -> frozenset[str]:
    """Return the names of the plain types that a declared type takes."""
    origin = typing.get_origin(of)
    if origin in (types.UnionType, typing.Union):
        return frozenset().union(*map(_kinds, typing.get_args(of)))
    if origin is typing.Literal:
        return frozenset(type(v).__name__ for v in typing.get_args(of))
    return frozenset((getattr(origin or of, "__name__", ""),))
