"""What a graph document may hold, checked to the last field before a graph is made of it.

A document is plain data: dicts with text keys, lists, text, numbers, true, false and null. This module
knows no file format; `format` turns bytes into documents and back. The page on the format tells each field.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

from ..engine.errors import GraphError
from .fields import (
    MAX_NODES,
    MAX_TAGS,
    Check,
    Where,
    coordinate,
    expression,
    fail,
    fields,
    flag,
    input_name,
    link,
    listed,
    mapping,
    node_name,
    number,
    pack_name,
    place,
    port_name,
    process_name,
    text,
    unique,
    whole,
)
from .fields import checked_value as checked_value
from .fields import choice as choice
from .fields import shown as shown
from .fields import split_link as split_link

FORMAT = "lerarlink graph"
VERSION = 1

Document = dict[str, Any]

SAVED = "graph."
"""Begins the process of a node that stands for a saved graph: ``graph.NAME``."""
MAX_GRAPH_DEPTH = 6
_KINDS: tuple[type, ...] = (dict, list, str)


def checked_document(document: object) -> Document:
    """Return *document* in its one canonical form: fixed order of fields, nodes and names sorted, no empty field.

    Raises
    ------
    GraphError
        Something is missing, unknown, of the wrong type or out of bounds; says where, what was wanted, what came.
    """
    made: Document = fields(document, "the document", FIELDS["document"], needed=("format", "version", "nodes"))
    return _whole_graph(made, "")


def _whole_graph(made: Document, where: str) -> Document:
    """Return a graph, or one saved in it, whose fields were checked; *where* ends in ': ' or is empty."""
    nodes = made["nodes"]
    unique([n["name"] for n in nodes], f"{where}nodes")
    nodes.sort(key=operator.itemgetter("name"))
    _References(made, where).check()
    return _filled(made, kept="nodes")


def _filled(made: dict[str, Any], kept: str = "") -> dict[str, Any]:
    """Return *made* without the fields that say nothing."""
    return {k: v for k, v in made.items() if v or k == kept or not isinstance(v, _KINDS)}


# -- the parts of a document ---------------------------------------------------------------------------


def _format(value: Any, where: Where) -> str:
    if value != FORMAT:
        raise fail(where, repr(FORMAT), value)
    return FORMAT


def _feed(value: Any, where: Where) -> str | list[str]:
    if isinstance(value, str) or not isinstance(value, list | tuple):
        return link(value, where)
    if not value:
        raise GraphError(f"{place(where)}: wanted 'node.port' or a list of them, got an empty list; leave the port out")
    return [link(v, (where, "[", i)) for i, v in enumerate(value)]


def _tags(value: Any, where: Where) -> list[str]:
    found: list[str] = listed(input_name, most=MAX_TAGS)(value, where)
    return sorted(set(found))


def _node(value: Any, where: Where) -> dict[str, Any]:
    # Errors name the node rather than its place in the file, once it has a name.
    if type(value) is dict and isinstance(value.get("name"), str):
        where = ("node", "called", value["name"])
    made = fields(value, where, FIELDS["node"], needed=("name", "process", "version"))
    if len(made) == 3:
        return made
    if "params" in made:
        _take_links(made, where)
    return _filled(made)


def _take_links(node: dict[str, Any], where: Where) -> None:
    """Take parameters that are written as ``= expression`` for the links they mean."""
    typed = {k: v for k, v in node["params"].items() if type(v) is str and v.startswith("= ") and v[1:].strip()}
    if not typed:
        return
    links = node.get("links", {})
    for name, value in typed.items():
        if name in links:
            raise GraphError(f"{place(where)}: '{name}' has an expression among params and one among links")
        links = {**links, name: _parameter_link({"expr": value[1:].strip()}, (where, ", params.", name))}
        del node["params"][name]
    node["links"] = dict(sorted(links.items()))


def _input(value: Any, where: Where) -> dict[str, Any]:
    made = fields(value, where, FIELDS["input"], needed=("name", "node", "param"))
    return {k: v for k, v in made.items() if v not in (False, "")}


def _setting(value: Any, where: Where) -> dict[str, Any]:
    made = fields(value, where, FIELDS["setting"], needed=("name", "sets"))
    if not made["sets"]:
        raise GraphError(f"{place(where)}, sets: wanted at least one 'node.param', got an empty list")
    return _filled(made)


def _output(value: Any, where: Where) -> str | dict[str, Any]:
    if not isinstance(value, Mapping):
        return str(node_name(value, where))
    return _filled(fields(value, where, FIELDS["output"], needed=("name", "node", "port")))


def _parameter_link(value: Any, where: Where) -> dict[str, Any]:
    made = _filled(fields(value, where, FIELDS["parameter link"], needed=("expr",)))
    clamp = made.get("clamp")
    if clamp and clamp[0] > clamp[1]:
        raise fail((where, ", ", "clamp"), "the lower end first", f"{clamp[0]:g}, {clamp[1]:g}")
    # What is not written means live, and no dead band.
    return {k: v for k, v in made.items() if (k, v) not in (("mode", "live"), ("deadband", 0.0))}


def _taken_frame(value: Any, where: Where) -> dict[str, Any]:
    return _filled(fields(value, where, FIELDS["frame"], needed=("value",)), kept="value")


def _measurement(value: Any, where: Where) -> dict[str, Any]:
    return _filled(fields(value, where, FIELDS["measurement"], needed=()))


def _error(value: Any, where: Where) -> float | list[float]:
    found: list[float] = listed(number)(value, where) if isinstance(value, list | tuple) else []
    return found or number(value, where)


def _pack(value: Any, where: Where) -> dict[str, Any]:
    made = fields(value, where, FIELDS["pack"], needed=("name", "version", "processes"))
    if not made["processes"]:
        raise GraphError(f"{place(where)}, processes: wanted at least one, got an empty list")
    made["processes"] = sorted(set(made["processes"]))
    return made


def _packs(value: Any, where: Where) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = listed(_pack, most=1000)(value, where)
    unique([p["name"] for p in found], where)
    return sorted(found, key=lambda p: str(p["name"]))


def _saved_graphs(depth: int) -> Check:
    """Return the check of the graphs saved in another; *depth* counts how many lie around them."""

    def check(value: Any, where: Where) -> dict[str, Any]:
        if depth >= MAX_GRAPH_DEPTH:
            raise GraphError(f"{place(where)}: saved graphs may lie at most {MAX_GRAPH_DEPTH} deep in each other")
        known = {**FIELDS["saved graph"], "graphs": listed(_saved_graphs(depth + 1), most=1000)}
        made = fields(value, where, known, needed=("name", "nodes"))
        return _whole_graph(made, f"graph '{made['name']}', ")

    return check


_linked = mapping(port_name, _parameter_link)
_INSIDE: dict[str, Check] = {
    "inputs": listed(_input),
    "settings": listed(_setting),
    "variables": mapping(port_name, checked_value),
    "graphs": listed(_saved_graphs(0), most=1000),
    "nodes": listed(_node, most=MAX_NODES),
    "outputs": listed(_output),
    "layout": mapping(node_name, listed(coordinate, length=2)),
}
FIELDS: dict[str, dict[str, Check]] = {
    "document": {"format": _format, "version": whole(VERSION, VERSION), "doc": text, "packs": _packs, **_INSIDE},
    "node": {
        "name": node_name,
        "process": process_name,
        "version": whole(0, 1_000_000),
        "note": text,
        "tags": _tags,
        "params": mapping(port_name, checked_value),
        "links": _linked,
        "feeds": mapping(port_name, _feed),
        "region": listed(whole(-(2**31), 2**31), length=4),
    },
    "parameter link": {
        "expr": expression,
        "unit": text,
        "mode": choice("live", "frozen"),
        "clamp": listed(number, length=2),
        "fallback": expression,
        "deadband": number,
        "taken": _measurement,
    },
    "measurement": {"unit": text, "error": _error, "n": whole(0, 2**63), "source": text, "time": text,
                    "graph": text, "frames": listed(_taken_frame)},
    "frame": {"frame": text, "value": checked_value, "error": _error, "n": whole(0, 2**63), "source": text},
    "input": {"name": input_name, "node": node_name, "param": port_name, "optional": flag, "doc": text},
    "setting": {"name": input_name, "sets": listed(link), "doc": text},
    "output": {"name": port_name, "node": node_name, "port": port_name, "doc": text},
    "saved graph": {"name": port_name, "doc": text, **{k: v for k, v in _INSIDE.items() if k != "variables"}},
    "pack": {"name": pack_name, "version": text, "processes": listed(process_name)},
}
"""The fields of each part of a document, in the order in which they are written."""


# -- what names what -----------------------------------------------------------------------------------


class _References:
    """Raises GraphError where a name in one graph stands for nothing."""

    def __init__(self, document: Document, where: str) -> None:
        self.document, self.where = document, where
        self.nodes = {n["name"]: n for n in document["nodes"]}
        self.saved = {g["name"]: g for g in document.get("graphs", ())}

    def check(self) -> None:
        document, where = self.document, self.where
        unique([g["name"] for g in document.get("graphs", ())], f"{where}graphs")
        for node in document["nodes"]:
            if node["process"].startswith(SAVED):
                self._use(node)
        self._feeds()
        self._outputs()
        for name in document.get("layout", ()):
            self._known(name, "layout")
        unique([i["name"] for i in document.get("inputs", ())], f"{where}inputs")
        for item in document.get("inputs", ()):
            self._target(item["node"], item["param"], f"input '{item['name']}'", ("inputs",))
        unique([s["name"] for s in document.get("settings", ())], f"{where}settings")
        for item in document.get("settings", ()):
            for target in item["sets"]:
                self._target(*split_link(target), f"setting '{item['name']}'", ("inputs", "settings"))
        if where and (linked := next((n for n in document["nodes"] if "links" in n), None)):
            raise GraphError(f"{where}node '{linked['name']}', links: nodes of saved graphs have no parameter links")

    def _known(self, name: str, at: str) -> None:
        if name not in self.nodes:
            raise GraphError(f"{self.where}{at}: there is no node '{name}'")

    def _feeds(self) -> None:
        nodes, saved = self.nodes, bool(self.saved)
        for node in self.document["nodes"]:
            if "feeds" not in node:
                continue
            for port, feed in node["feeds"].items():
                for source in (feed,) if isinstance(feed, str) else feed:
                    name, _, output = source.rpartition(".")
                    if name not in nodes or saved:
                        at = f"node '{node['name']}', feeds.{port}"
                        self._known(name, at)
                        self._port(name, output, at)

    def _use(self, node: Document) -> None:
        """Check a node that stands for a saved graph."""
        at = f"{self.where}node '{node['name']}'"
        name = node["process"].removeprefix(SAVED)
        if name not in self.saved:
            raise GraphError(f"{at}: there is no saved graph '{name}'; there are {_names(self.saved)}")
        if node["version"] != VERSION or "region" in node:
            wrong = "region" if "region" in node else f"version {node['version']}"
            raise GraphError(f"{at}: a saved graph has version {VERSION} and no region, got {wrong}")
        inputs, settings = (_named(self.saved[name].get(k, ())) for k in ("inputs", "settings"))
        for field, may in (("params", {**inputs, **settings}), ("links", settings), ("feeds", inputs)):
            for port in node.get(field, ()):
                if port not in may:
                    raise GraphError(f"{at}, {field}: graph '{name}' has no '{port}'; it has {_names(may)}")
        if both := sorted(set(node.get("params", ())) & set(node.get("feeds", ()))):
            raise GraphError(f"{at}: '{both[0]}' is given both a file and a link")

    def _port(self, node: str, port: str, at: str) -> None:
        """Check that a saved graph has the output *port*; ports of processes are known to the processes."""
        if (saved := self._saved(node)) and port not in (has := outputs_of(saved)):
            raise GraphError(f"{self.where}{at}: graph '{saved['name']}' has no output '{port}'; it has {_names(has)}")

    def _target(self, node: str, param: str, at: str, may: Iterable[str]) -> None:
        self._known(node, at)
        if saved := self._saved(node):
            has = [e["name"] for field in may for e in saved.get(field, ())]
            if param not in has:
                raise GraphError(f"{self.where}{at}: graph '{saved['name']}' has no '{param}'; it has {_names(has)}")

    def _saved(self, node: str) -> Document | None:
        process: str = self.nodes[node]["process"]
        return self.saved[process.removeprefix(SAVED)] if process.startswith(SAVED) else None

    def _outputs(self) -> None:
        given = self.document.get("outputs", ())
        unique([o if isinstance(o, str) else o["name"] for o in given], f"{self.where}outputs")
        for item in given:
            name = item if isinstance(item, str) else item["node"]
            self._known(name, "outputs")
            if not isinstance(item, str):
                self._port(name, item["port"], f"output '{item['name']}'")


def outputs_of(saved: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the named outputs of a saved graph: name -> node and port."""
    return {o["name"]: (o["node"], o["port"]) for o in saved.get("outputs", ()) if not isinstance(o, str)}


def _named(entries: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {e["name"]: e for e in entries}


def _names(of: Iterable[str]) -> str:
    return ", ".join(f"'{n}'" for n in of) or "none"
