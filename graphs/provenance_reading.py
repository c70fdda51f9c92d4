"""Reading what an output tells of its making, field by field: files come from anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.errors import GraphError
from ..engine.process import Provenance
from . import format as file_format
from .document import Graph
from .provenance import FORMAT, VERSION, Told, provenance_of
from .schema import Document, shown

_DIGEST = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file that went into an output: which parameter of which node named it, and what it held.

    Attributes
    ----------
    node, param, index
        The node, its parameter, and which file of it, from 0.
    name, bytes, digest
        Name without folders, size, and xxh3-128 of the content.
    """

    node: str
    param: str
    index: int
    name: str
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """What an output file tells of its making."""

    told: Told

    @property
    def document(self) -> Document:
        """The graph as a document."""
        found: Document = self.told["graph"]
        return found

    @property
    def node(self) -> str:
        """The node that wrote the file."""
        return str(self.told["output"]["node"])

    @property
    def image(self) -> str:
        """What was written: ``node.port``."""
        return str(self.told["output"]["image"])

    @property
    def index(self) -> int | None:
        """Which frame of a series the file holds, from 0; None outside a series."""
        found: int | None = self.told["output"]["index"]
        return found

    @property
    def key(self) -> str:
        """The key of the image."""
        return str(self.told["output"]["key"])

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(Source(**one) for one in self.told["sources"])

    @property
    def roles(self) -> Mapping[str, Told]:
        """By what words the files of each reading node were alike."""
        found: Mapping[str, Told] = self.told["roles"]
        return found

    @property
    def keys(self) -> Mapping[str, str]:
        """Node -> key."""
        found: Mapping[str, str] = self.told["keys"]
        return found

    @property
    def versions(self) -> Told:
        found: Told = self.told["versions"]
        return found

    @property
    def private(self) -> bool:
        return bool(self.told["private"])

    def provenance(self) -> Provenance:
        """Return what the file holds, to be put into another that is made the same way."""
        return provenance_of(self.told)

    def graph(self, folder: str | None = None) -> Graph:
        """Return the graph; names without folders, as private outputs have them, are seen from *folder*."""
        made = Graph.from_document(self.document)
        made.folder = folder
        return made


def decoded(data: bytes) -> Embedded:
    """Return what *data*, the text out of a file, tells.

    Raises
    ------
    GraphError
        It is no provenance, of a newer version, or breaks a rule; says where.
    """
    told = _json(data)
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        got = shown(told.get("format", "none")) if isinstance(told, dict) else shown(told)
        raise GraphError(f"wanted text with format '{FORMAT}', got {got}")
    version = told.get("version")
    if isinstance(version, int) and version > VERSION:
        raise GraphError(f"written by a newer version (provenance {shown(version)}, this one reads up to {VERSION})")
    _check(_whole(version) and version == VERSION, "version", f"{VERSION}", version)
    for name, check in _FIELDS.items():
        _check(name in told, "the provenance", f"field '{name}'", "none")
        check(told[name], name)
    graph = Graph.from_document(told["graph"])
    node = told["output"]["node"]
    _check(node in graph, "output", "a node of the graph", node)
    return Embedded({**told, "graph": graph.to_document(flat=True)})


def _json(data: bytes) -> Any:
    if len(data) > file_format.MAX_BYTES:
        raise GraphError(f"wanted at most {file_format.MAX_BYTES:,} bytes, got {len(data):,}")
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        raise GraphError(f"the text of the provenance is not JSON: {str(e)[:200]}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"wanted finite numbers, got {name}")


# -- fields -------------------------------------------------------------------------------------------


def _check(condition: object, where: str, wanted: str, got: object) -> None:
    if not condition:
        raise GraphError(f"{where}: wanted {wanted}, got {shown(got)}")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 1000


def _texts(value: Any, where: str) -> None:
    _check(isinstance(value, dict) and all(map(_text, value.values())), where, "a mapping of texts", value)


def _versions(value: Any, where: str) -> None:
    _check(isinstance(value, dict) and _text(value.get("lerarlink")), where, "the version of lerarlink", value)
    _texts(value.get("packs"), f"{where}, packs")


def _private(value: Any, where: str) -> None:
    _check(isinstance(value, bool), where, "true or false", value)


def _output(value: Any, where: str) -> None:
    _check(isinstance(value, dict) and set(value) == {"node", "image", "index", "key"}, where, "node and image", value)
    _check(all(_text(value[k]) for k in ("node", "image", "key")), where, "texts", value)
    _check(value["index"] is None or _whole(value["index"]), f"{where}, index", "a whole number", value["index"])


def _sources(value: Any, where: str) -> None:
    _check(isinstance(value, list), where, "a list", value)
    names = set(Source.__dataclass_fields__)
    for i, one in enumerate(value):
        at = f"{where}[{i}]"
        _check(isinstance(one, dict) and set(one) == names, at, f"the fields {', '.join(sorted(names))}", one)
        _check(all(_text(one[k]) for k in ("node", "param", "name", "digest")), at, "texts", one)
        _check(_DIGEST.fullmatch(one["digest"]), f"{at}, digest", "32 hexadecimal digits", one["digest"])
        _check(_whole(one["index"]) and _whole(one["bytes"]), at, "whole numbers", one)


def _roles(value: Any, where: str) -> None:
    _check(isinstance(value, dict) and all(isinstance(v, dict) for v in value.values()), where, "mappings", value)
    for node, role in value.items():
        for word, said in role.items():
            _check(word in _WORDS, f"{where}, {node}", f"words out of {', '.join(_WORDS)}", word)
            _check(_WORDS[word](said), f"{where}, {node}, {word}", "a value of its kind", said)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_WORDS: dict[str, Callable[[Any], bool]] = {
    "kind": _text,
    "master": lambda v: isinstance(v, bool),
    "filter": _text,
    "exposure": _number,
    "gain": _number,
    "binning": lambda v: isinstance(v, list) and len(v) == 2 and all(map(_whole, v)),
}


def _graph(value: Any, where: str) -> None:
    _check(isinstance(value, dict), where, "a graph document", value)


_FIELDS: dict[str, Callable[[Any, str], None]] = {
    "versions": _versions,
    "private": _private,
    "output": _output,
    "sources": _sources,
    "roles": _roles,
    "keys": _texts,
    "graph": _graph,
}
