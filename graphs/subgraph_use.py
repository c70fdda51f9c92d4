"""A saved graph put into another one as a node, and that node as Python code holds it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..engine.errors import EngineError, GraphError, UnknownProcessError
from ..engine.graph import Link, Node, Output
from .relocation import relocated
from .schema import FORMAT, SAVED, VERSION, Document, checked_document, outputs_of, split_link
from .subgraph import uses_in, with_feeds
from .subgraph_folding import Folded

if TYPE_CHECKING:
    from .document import Graph


class SavedNode(Node):
    """A node that stands for a saved graph; its outputs are those that the saved graph names."""

    def __init__(self, graph: Graph, name: str, ports: Mapping[str, Link]) -> None:
        super().__init__(graph, name)
        self._ports = ports

    def output(self, port: str | None = None) -> Output:
        found = next((link for name, link in self._ports.items() if port in (None, name)), None)
        if found is None:
            has = ", ".join(self._ports) or "none"
            raise GraphError(f"node '{self.name}' has no output '{port}'; it has {has}")
        return Output(self._graph, found)

    def _first_image(self) -> str:
        for name, link in self._ports.items():
            if any(p.name == link.port and p.is_image for p in self._graph.spec(link.node).find().outputs):
                return name
        raise GraphError(f"node '{self.name}' gives no image")

    def __repr__(self) -> str:
        return f"<node {self.name}: a saved graph with {', '.join(self._ports) or 'no outputs'}>"


def use(graph: Graph, saved: Graph, name: str, given: Mapping[str, Any]) -> Node:
    """Put *saved* into *graph* as node *name*; see `Graph.use`."""
    if taken := next((n for n in graph if n == name or n.startswith(f"{name}.")), None):
        raise GraphError(f"there is already a node '{taken}'")
    document = graph.to_document()
    definition = definition_of(saved, graph.folder)
    kept = document.setdefault("graphs", [])
    node = _node(name, _kept(definition, kept, name), given)
    if graph._folded:
        uses = [n["name"] for n in uses_in(document)]
        outer = graph._folded.outer_links(uses)
        node = with_feeds(node, lambda text: outer.get(text, text))
    folded = Folded(checked_document({**document, "nodes": [*document["nodes"], node]}))
    made = type(graph).from_document(folded.flat)
    for new in (n for n in made if n.startswith(f"{name}.")):
        graph.insert(made.spec(new), made.feeds(new))
    graph.notes, graph.tags, graph._folded = made.notes, made.tags, folded
    ports = {p: folded.opened.link(f"{name}.{p}") for p in outputs_of(definition)}
    return SavedNode(graph, name, {p: Link(*split_link(text)) for p, text in ports.items() if isinstance(text, str)})


def definition_of(saved: Graph, folder: str | None) -> Document:
    """Return *saved* as a graph within another one whose file lies in *folder*; nodes it shows become named outputs."""
    document = relocated(saved.to_document(), saved.folder, folder)
    made = {k: v for k, v in document.items() if k not in ("format", "version", "packs", "variables")}
    made["outputs"] = outputs = list(made.get("outputs", ()))
    named = set(outputs_of(made))
    for node in saved.outputs:
        port = _first_port(saved, node)
        if node.isidentifier() and node.isascii() and node not in named and port:
            outputs[outputs.index(node)] = {"name": node, "node": node, "port": port}
    return made


def _first_port(graph: Graph, node: str) -> str | None:
    try:
        return next((p.name for p in graph.spec(node).find().outputs), None)
    except UnknownProcessError:
        return None


def _kept(definition: Document, kept: list[Document], name: str) -> str:
    """Add *definition* to the *kept* graphs, unless it is there already; return its name."""
    plain = checked_document({"format": FORMAT, "version": VERSION, **definition})
    plain = {k: v for k, v in plain.items() if k not in ("format", "version")}
    taken = {g["name"]: {k: v for k, v in g.items() if k != "name"} for g in kept}
    if same := next((n for n, g in taken.items() if g == plain), None):
        return str(same)
    stem = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
    wanted = next(n for i in range(1, len(taken) + 2) if (n := stem if i == 1 else f"{stem}_{i}") not in taken)
    kept.append({"name": wanted, **plain})
    return wanted


def _node(name: str, saved: str, given: Mapping[str, Any]) -> Document:
    feeds: dict[str, Any] = {}
    params: dict[str, Any] = {}
    for key, value in given.items():
        one = value if isinstance(value, list | tuple) else [value]
        if one and all(isinstance(v, Node | Output) for v in one):
            links = [str((v.output() if isinstance(v, Node) else v).link) for v in one]
            feeds[key] = links if isinstance(value, list | tuple) else links[0]
        else:
            params[key] = os.fspath(value) if isinstance(value, os.PathLike) else value
    return {"name": name, "process": f"{SAVED}{saved}", "version": VERSION, "params": params, "feeds": feeds}


def behind(folded: Folded, node: str, param: str) -> tuple[tuple[str, str], ...]:
    """Return the parameters behind one; see `Graph.behind`."""
    if node in folded.uses and param not in folded.opened.copies[node].behind:
        has = ", ".join(folded.opened.copies[node].behind) or "none"
        raise GraphError(f"node '{node}' (a saved graph) has no input or setting '{param}'; it has {has}")
    return tuple(folded.opened.targets(node, param))


def retune(graph: Graph, node: str, param: str, value: Any) -> None:
    """Give *value* to all that one parameter of a saved graph stands for; all are changed, or none."""
    targets = graph.behind(node, param)
    document = graph.to_document()
    before = [graph.spec(name) for name, _ in targets]
    try:
        for name, one in targets:
            graph.set(name, one, value)
    except EngineError:
        for spec in before:
            graph.replace(spec)
        raise
    for found in uses_in(document):
        if found["name"] == node:
            found.setdefault("params", {})[param] = value
            graph._folded = Folded(checked_document(document))
