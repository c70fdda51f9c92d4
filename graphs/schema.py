"""What a graph document may hold, checked to the last field before a graph is made of it.

A document is plain data: dicts with text keys, lists, text, numbers, true, false and null. This module
knows no file format; `format` turns bytes into documents and back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..engine.errors import GraphError

FORMAT = "lerarlink graph"
VERSION = 1

Document = dict[str, Any]
Check = Callable[[Any, str], Any]

# Far beyond what graphs need (series keep a night of 300 lights at some fifteen nodes), and small enough
# that a hostile file is refused before it fills the memory.
MAX_NODES = 100_000
MAX_NAME = 200
MAX_TEXT = 1_000_000
MAX_DEPTH = 16

_NODE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PORT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMED = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PROCESS = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def checked_document(document: object) -> Document:
    """Return *document* in its one canonical form: fixed order of fields, nodes and names sorted, no empty field.

    Raises
    ------
    GraphError
        Something is missing, unknown, of the wrong type or out of bounds; says where, what was wanted, what came.
    """
    made: Document = _fields(document, "the document", _DOCUMENT, needed=("format", "version", "nodes"))
    _unique([n["name"] for n in made["nodes"]], "nodes")
    made["nodes"].sort(key=lambda n: n["name"])
    _check_references(made)
    return {k: v for k, v in made.items() if k == "nodes" or v not in ([], {}, "")}


def split_link(text: str) -> tuple[str, str]:
    """Return node and port (or parameter) of ``node.port``. Names of nodes may hold dots: the last one counts."""
    node, _, port = text.rpartition(".")
    return node, port


# -- one function a kind of value --------------------------------------------------------------------


def _fail(where: str, wanted: str, got: object) -> GraphError:
    return GraphError(f"{where}: wanted {wanted}, got {shown(got)}")


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


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _fail(where, "text", value)
    if len(value) > MAX_TEXT:
        raise GraphError(f"{where}: text of at most {MAX_TEXT:,} characters is allowed, got {len(value):,}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _fail(where, "text that UTF-8 can write", value) from None
    return value


def _named(pattern: re.Pattern[str], what: str) -> Check:
    def check(value: Any, where: str) -> str:
        if not isinstance(value, str) or len(value) > MAX_NAME or not pattern.fullmatch(value):
            raise _fail(where, f"{what} of at most {MAX_NAME} characters", value)
        return value

    return check


_node_name = _named(_NODE, "a node name (letters, digits, '_', '-', '.', not a digit first)")
_port_name = _named(_PORT, "a port or parameter name (letters, digits, '_', not a digit first)")
_input_name = _named(_NAMED, "a name (letters, digits, '_', '-', not a digit first)")
_process_name = _named(_PROCESS, "the id of a process, such as 'color.linear_fit',")


def _link(value: Any, where: str) -> str:
    if not isinstance(value, str) or "." not in value:
        raise _fail(where, "'node.port'", value)
    node, port = split_link(value)
    return f"{_node_name(node, where)}.{_port_name(port, where)}"


def _whole(low: int, high: int) -> Check:
    def check(value: Any, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _fail(where, f"a whole number from {low} to {high}", value)
        return int(value)

    return check


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _fail(where, "true or false", value)
    return value


def _list(of: Check, *, length: int | None = None, most: int = 1_000_000) -> Check:
    def check(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise _fail(where, "a list", value)
        if length is not None and len(value) != length:
            raise GraphError(f"{where}: wanted a list of {length}, got {len(value)}")
        if len(value) > most:
            raise GraphError(f"{where}: at most {most:,} entries are allowed, got {len(value):,}")
        return [of(v, f"{where}[{i}]") for i, v in enumerate(value)]

    return check


def _mapping(key: Check, of: Check) -> Check:
    def check(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _fail(where, "a mapping", value)
        if len(value) > MAX_NODES:
            raise GraphError(f"{where}: at most {MAX_NODES:,} entries are allowed, got {len(value):,}")
        pairs = [(key(k, f"{where}, a name"), v) for k, v in value.items()]
        return {k: of(v, f"{where}.{k}") for k, v in sorted(pairs, key=lambda p: p[0])}

    return check


def _fields(value: Any, where: str, fields: Mapping[str, Check], needed: Iterable[str]) -> dict[str, Any]:
    """Return a mapping of known fields only, in the order they are declared."""
    if not isinstance(value, Mapping):
        raise _fail(where, "a mapping", value)
    if unknown := [k for k in value if k not in fields]:
        raise GraphError(f"{where}: unknown field {shown(unknown[0])}; it may have {', '.join(fields)}")
    if missing := [k for k in needed if k not in value]:
        raise GraphError(f"{where}: field '{missing[0]}' is missing")
    return {k: check(value[k], f"{where}, {k}") for k, check in fields.items() if k in value}


def checked_value(value: Any, where: str, depth: int = 0) -> Any:
    """Return the value of a parameter as plain data, lists for tuples.

    Raises
    ------
    GraphError
        It is not null, true, false, a finite number, text, or a list of these; or lists lie too deep.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        return _whole(-(2**63), 2**64 - 1)(value, where)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _fail(where, "a finite number", value)
        return float(value)
    if isinstance(value, list | tuple):
        if depth >= MAX_DEPTH:
            raise GraphError(f"{where}: lists may lie at most {MAX_DEPTH} deep")
        return [checked_value(v, where, depth + 1) for v in value]
    raise _fail(where, "null, true, false, a number, text or a list of these", value)


def _coordinate(value: Any, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _fail(where, "a number", value)
    if not abs(value) <= 1e9:
        raise _fail(where, "a number within 1e9", value)
    return float(value)


# -- the parts of a document ---------------------------------------------------------------------------


def _feed(value: Any, where: str) -> str | list[str]:
    if not isinstance(value, list | tuple):
        return _link(value, where)
    if not value:
        raise GraphError(f"{where}: wanted 'node.port' or a list of them, got an empty list; leave the port out")
    found: list[str] = _list(_link)(value, where)
    return found


def _node(value: Any, where: str) -> dict[str, Any]:
    # Errors name the node rather than its place in the file, once it has a name.
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        where = f"node {shown(value['name'])}"
    made = _fields(value, where, _NODE_FIELDS, needed=("name", "process", "version"))
    return {k: v for k, v in made.items() if v != {}}


def _input(value: Any, where: str) -> dict[str, Any]:
    made = _fields(value, where, _INPUT_FIELDS, needed=("name", "node", "param"))
    return {k: v for k, v in made.items() if v not in (False, "")}


def _setting(value: Any, where: str) -> dict[str, Any]:
    made = _fields(value, where, _SETTING_FIELDS, needed=("name", "sets"))
    if not made["sets"]:
        raise GraphError(f"{where}, sets: wanted at least one 'node.param', got an empty list")
    return {k: v for k, v in made.items() if v != ""}


def _format(value: Any, where: str) -> str:
    if value != FORMAT:
        raise _fail(where, repr(FORMAT), value)
    return FORMAT


_NODE_FIELDS: dict[str, Check] = {
    "name": _node_name,
    "process": _process_name,
    "version": _whole(0, 1_000_000),
    "params": _mapping(_port_name, checked_value),
    "feeds": _mapping(_port_name, _feed),
    "region": _list(_whole(-(2**31), 2**31), length=4),
}
_INPUT_FIELDS: dict[str, Check] = {
    "name": _input_name,
    "node": _node_name,
    "param": _port_name,
    "optional": _flag,
    "doc": _text,
}
_SETTING_FIELDS: dict[str, Check] = {"name": _input_name, "sets": _list(_link), "doc": _text}
_DOCUMENT: dict[str, Check] = {
    "format": _format,
    "version": _whole(VERSION, VERSION),
    "doc": _text,
    "inputs": _list(_input),
    "settings": _list(_setting),
    "nodes": _list(_node, most=MAX_NODES),
    "outputs": _list(_node_name),
    "layout": _mapping(_node_name, _list(_coordinate, length=2)),
}


# -- what names what -----------------------------------------------------------------------------------


def _unique(names: list[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise GraphError(f"{where}: the name '{name}' stands there twice")
        seen.add(name)


def _check_references(document: Document) -> None:
    """Raise GraphError where a name stands for nothing."""
    nodes = {n["name"] for n in document["nodes"]}

    def known(name: str, where: str) -> None:
        if name not in nodes:
            raise GraphError(f"{where}: there is no node '{name}'")

    for node in document["nodes"]:
        for port, feed in node.get("feeds", {}).items():
            for link in [feed] if isinstance(feed, str) else feed:
                known(split_link(link)[0], f"node '{node['name']}', feeds.{port}")
    _unique(document.get("outputs", []), "outputs")
    for name in document.get("outputs", []):
        known(name, "outputs")
    for name in document.get("layout", {}):
        known(name, "layout")
    _unique([i["name"] for i in document.get("inputs", [])], "inputs")
    for item in document.get("inputs", []):
        known(item["node"], f"input '{item['name']}'")
    _unique([s["name"] for s in document.get("settings", [])], "settings")
    for item in document.get("settings", []):
        for target in item["sets"]:
            known(split_link(target)[0], f"setting '{item['name']}'")
