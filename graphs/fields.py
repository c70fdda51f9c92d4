"""Values that graph documents are made of, and how each kind is checked."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..engine.errors import GraphError

Where = Any
"""Where a value stands, spelled out only when something is wrong: text, or (place, what joins, name or number)."""
Check = Callable[[Any, Where], Any]

# Far beyond what graphs need (series keep a night of 300 lights at some fifteen nodes), and small enough
# that a hostile file is refused before it fills the memory.
MAX_NODES = 100_000
MAX_NAME = 200
MAX_TEXT = 1_000_000
MAX_DEPTH = 16
MAX_EXPRESSION = 500
MAX_TAGS = 100

_NODE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PORT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMED = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PROCESS = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_PACK = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_LINK = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\.[A-Za-z_][A-Za-z0-9_]*")


def split_link(text: str) -> tuple[str, str]:
    """Return node and port (or parameter) of ``node.port``. Names of nodes may hold dots: the last one counts."""
    node, _, port = text.rpartition(".")
    return node, port


def place(where: Where) -> str:
    """Return where something stands, for people."""
    if not isinstance(where, tuple):
        return str(where)
    parent, joint, name = where
    if joint == "[":
        return f"{place(parent)}[{name}]"
    return f"{parent} {shown(name)}" if joint == "called" else f"{place(parent)}{joint}{name}"


def fail(where: Where, wanted: str, got: object) -> GraphError:
    return GraphError(f"{place(where)}: wanted {wanted}, got {shown(got)}")


def shown(value: object, most: int = 60) -> str:
    """Return *value* as a short text for messages, whatever it is."""
    if isinstance(value, dict):
        return f"a mapping of {len(value)} entries"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    # A long text or number is cut before it is written out: repr of a huge one is slow, or refused.
    if isinstance(value, str | bytes):
        return repr(value[:most]) + ("..." if len(value) > most else "")
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    return f"{value!r}"[: most * 2]


# -- texts and names -----------------------------------------------------------------------------------


def text(value: Any, where: Where) -> str:
    if not isinstance(value, str):
        raise fail(where, "text", value)
    if len(value) > MAX_TEXT:
        raise GraphError(f"{place(where)}: text of at most {MAX_TEXT:,} characters is allowed, got {len(value):,}")
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise fail(where, "text that UTF-8 can write", value) from None
    return value


def expression(value: Any, where: Where) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_EXPRESSION:
        raise fail(where, f"an expression of at most {MAX_EXPRESSION} characters", value)
    return text(value, where)


def _named(pattern: re.Pattern[str], what: str, *, few: bool = False) -> Check:
    """Return the check of a name; *few*: the same ones come again and again, so that looking them up is faster."""
    matches: Callable[[str], object] = functools.lru_cache(1024)(pattern.fullmatch) if few else pattern.fullmatch

    def check(value: Any, where: Where) -> str:
        if not isinstance(value, str) or len(value) > MAX_NAME or not matches(value):
            raise fail(where, f"{what} of at most {MAX_NAME} characters", value)
        return value

    return check


node_name = _named(_NODE, "a node name (letters, digits, '_', '-', '.', not a digit first)")
port_name = _named(_PORT, "a port or parameter name (letters, digits, '_', not a digit first)", few=True)
input_name = _named(_NAMED, "a name (letters, digits, '_', '-', not a digit first)")
process_name = _named(_PROCESS, "the id of a process, such as 'color.linear_fit',", few=True)
pack_name = _named(_PACK, "the name of a pack, such as 'lerar-stars',")


def link(value: Any, where: Where) -> str:
    if isinstance(value, str) and len(value) <= MAX_NAME and _LINK.fullmatch(value):
        return value
    if not isinstance(value, str) or "." not in value:
        raise fail(where, "'node.port'", value)
    node, port = split_link(value)
    return f"{node_name(node, where)}.{port_name(port, where)}"


def choice(*options: str) -> Check:
    wanted = " or ".join(f"'{o}'" for o in options)

    def check(value: Any, where: Where) -> str:
        if not isinstance(value, str) or value not in options:
            raise fail(where, wanted, value)
        return value

    return check


# -- numbers -------------------------------------------------------------------------------------------


def whole(low: int, high: int) -> Check:
    def check(value: Any, where: Where) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise fail(where, f"a whole number from {low} to {high}", value)
        return int(value)

    return check


def flag(value: Any, where: Where) -> bool:
    if not isinstance(value, bool):
        raise fail(where, "true or false", value)
    return value


def number(value: Any, where: Where) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= 1e300:
        raise fail(where, "a finite number", value)
    return float(value) + 0.0


def coordinate(value: Any, where: Where) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise fail(where, "a number", value)
    if not abs(value) <= 1e9:
        raise fail(where, "a number within 1e9", value)
    return float(value) + 0.0


_any_whole = whole(-(2**63), 2**64 - 1)
_WHOLE = {int}


def checked_value(value: Any, where: Where, depth: int = 0) -> Any:
    """Return the value of a parameter as plain data: lists for tuples, 0.0 for -0.0, which means the same.

    Raises
    ------
    GraphError
        It is not null, true, false, a finite number, text, or a list of these; or lists lie too deep.
    """
    kind = type(value)
    if kind is float and math.isfinite(value):
        return value + 0.0
    if isinstance(value, str):
        return text(value, where)
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        return _any_whole(value, where)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise fail(where, "a finite number", value)
        return float(value) + 0.0
    if isinstance(value, list | tuple):
        if depth >= MAX_DEPTH:
            raise GraphError(f"{place(where)}: lists may lie at most {MAX_DEPTH} deep")
        if set(map(type, value)) == _WHOLE and min(value) >= -(2**63) and max(value) < 2**64:
            return list(value)  # boxes, the most frequent lists, at once
        return [checked_value(v, (where, "[", i), depth + 1) for i, v in enumerate(value)]
    raise fail(where, "null, true, false, a number, text or a list of these", value)


# -- what holds others ---------------------------------------------------------------------------------


def listed(of: Check, *, length: int | None = None, most: int = 1_000_000) -> Check:
    def check(value: Any, where: Where) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise fail(where, "a list", value)
        if length is not None and len(value) != length:
            raise GraphError(f"{place(where)}: wanted a list of {length}, got {len(value)}")
        if len(value) > most:
            raise GraphError(f"{place(where)}: at most {most:,} entries are allowed, got {len(value):,}")
        return [of(v, (where, "[", i)) for i, v in enumerate(value)]

    return check


def mapping(key: Check, of: Check) -> Check:
    def check(value: Any, where: Where) -> dict[str, Any]:
        if type(value) is not dict and not isinstance(value, Mapping):
            raise fail(where, "a mapping", value)
        if len(value) > MAX_NODES:
            raise GraphError(f"{place(where)}: at most {MAX_NODES:,} entries are allowed, got {len(value):,}")
        at = where, ", ", "a name"
        if len(value) == 1:
            # By far the most mappings of a graph: one parameter that was set, one link.
            [(k, v)] = value.items()
            return {key(k, at): of(v, (where, ".", k))}
        names = sorted([key(k, at) for k in value])
        return {k: of(value[k], (where, ".", k)) for k in names}

    return check


def fields(value: Any, where: Where, known: Mapping[str, Check], needed: Iterable[str]) -> dict[str, Any]:
    """Return a mapping of known fields only, in the order they are declared."""
    if type(value) is not dict and not isinstance(value, Mapping):
        raise fail(where, "a mapping", value)
    if not value.keys() <= known.keys():
        name = next(k for k in value if k not in known)
        raise GraphError(f"{place(where)}: unknown field {shown(name)}; it may have {', '.join(known)}")
    for name in needed:
        if name not in value:
            raise GraphError(f"{place(where)}: field '{name}' is missing")
    return {k: check(value[k], (where, ", ", k)) for k, check in known.items() if k in value}


def unique(names: Iterable[str], where: Where) -> None:
    names = list(names)
    seen: set[str] = set(names)
    if len(seen) == len(names):
        return
    for name in names:
        if name not in seen:
            raise GraphError(f"{place(where)}: the name '{name}' stands there twice")
        seen.discard(name)
