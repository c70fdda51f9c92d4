"""Documents as YAML: written in one way only, read by a strict reader.

The writer is ours so that the bytes depend on the document alone, not on the release of a library. The
reader takes the parser's events and builds plain data of them: no tags, no anchors, no merging, scalars
by the core schema of YAML 1.2 (``no`` is text, ``1e-4`` is a number).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from ..engine.errors import GraphError

_FLOW_WIDTH = 100

# -- writing -------------------------------------------------------------------------------------------

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+(-][A-Za-z0-9_./+;,()'=-]*)*")
# Words that some YAML reader somewhere takes for null, true or false.
_WORDS = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))


def write(document: dict[str, Any]) -> str:
    """Return *document* (plain data, text keys) as YAML."""
    return "\n".join(_mapping(document, "")) + "\n"


def _mapping(value: dict[str, Any], indent: str) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(f"{indent}{_scalar(key)}:", item, indent)


def _entry(head: str, item: Any, indent: str) -> Iterator[str]:
    """Yield the lines of one ``key: value`` whose key stands in *head*."""
    if isinstance(item, dict) and item:
        yield head
        yield from _mapping(item, indent + "  ")
    elif isinstance(item, list) and _is_long(item):
        yield head
        yield from _items(item, indent)
    elif isinstance(item, str) and _is_block(item):
        yield f"{head} |-"
        yield from (f"{indent}  {line}" if line else "" for line in item.split("\n"))
    else:
        yield f"{head} {_flow(item)}"


def _is_long(values: list[Any]) -> bool:
    return any(isinstance(v, dict) for v in values) or len(_flow(values)) > _FLOW_WIDTH


def _items(values: list[Any], indent: str) -> Iterator[str]:
    for value in values:
        if not isinstance(value, dict) or not value:
            yield f"{indent}- {_flow(value)}"
            continue
        lines = _mapping(value, indent + "  ")
        yield f"{indent}- {next(lines)[len(indent) + 2 :]}"
        yield from lines


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_flow(v) for v in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_scalar(k)}: {_flow(v)}' for k, v in value.items())}}}"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, int):
        return str(value)
    text = str(value)
    # Commas and apostrophes are safe outside of flow lists only; quoting both everywhere is simpler.
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS and not set(text) & set(",'"):
        return text
    return _quoted(text)


def _float(value: float) -> str:
    """Return a number that every reader takes for a float: with a point before the exponent."""
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return text


def _quoted(text: str) -> str:
    made = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + "".join(c if c.isprintable() else _escape(ord(c)) for c in made) + '"'


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _is_block(text: str) -> bool:
    """Return whether *text* reads better as lines, and survives being written so."""
    lines = text.split("\n")
    return len(lines) > 1 and lines[0][:1] not in ("", " ") and lines[-1] != "" and all(
        line.isprintable() and line == line.rstrip() for line in lines
    )


# -- reading -------------------------------------------------------------------------------------------

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", "+.inf", "-.inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"), float("nan")),
}
# The parser in C gives the same events some twenty times faster, where it was built in.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(text: str, deepest: int) -> Any:
    """Return the plain data of the one document in *text*.

    Raises
    ------
    GraphError
        It is not YAML, or uses what documents must not: anchors, aliases, tags, keys that are not text or
        stand twice, nesting of more than *deepest*.
    """
    try:
        return _Reader(text, deepest).document()
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        raise GraphError(f"{_line(mark)}not YAML: {e.problem or e.context}") from None
    except yaml.YAMLError as e:
        raise GraphError(f"not YAML: {' '.join(str(e).split())}") from None


def _line(mark: Any) -> str:
    return "" if mark is None else f"line {mark.line + 1}: "


class _Reader:
    def __init__(self, text: str, deepest: int) -> None:
        self._events = yaml.parse(text, Loader=_LOADER)
        self._deepest = deepest

    def document(self) -> Any:
        next(self._events)  # the start of the stream
        if not isinstance(next(self._events), yaml.DocumentStartEvent):
            raise GraphError("the file is empty")
        made = self._value(next(self._events), 0)
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._refusal(after, "a second document follows; a graph file holds one")
        return made

    def _value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            raise self._refusal(event, f"alias *{event.anchor} is not allowed here; write the value out")
        if event.anchor is not None:
            raise self._refusal(event, f"anchor &{event.anchor} is not allowed here")
        if event.tag is not None:
            raise self._refusal(event, f"tag {event.tag} is not allowed here")
        if depth > self._deepest:
            raise self._refusal(event, "the document is nested too deeply")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._value(e, depth + 1) for e in self._until(yaml.SequenceEndEvent)]
        return self._mapping(depth)

    def _mapping(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._value(event, depth + 1)
            if not isinstance(key, str):
                raise self._refusal(event, f"wanted text as the name of a field, got {type(key).__name__}")
            if key in made:
                raise self._refusal(event, f"field '{key[:60]}' stands twice in one mapping")
            made[key] = self._value(next(self._events), depth + 1)
        return made

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.style not in (None, ""):  # the parser in C writes plain as an empty text
            return text  # quoted or a block: meant as text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INT.fullmatch(text):
            if len(text) > 40:
                raise self._refusal(event, "a number of more than 40 digits")
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) else text

    def _refusal(self, event: Any, why: str) -> GraphError:
        return GraphError(f"{_line(event.start_mark)}{why}")
