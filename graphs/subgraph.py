"""Saved graphs used as nodes: a document with all of them opened, under names that stay the same.

A node whose process is ``graph.NAME`` stands for the graph NAME that is saved in the same document. Opened, its
nodes are called ``use.node``. What is linked to an input of it takes the place of the node that would have read
the file; its parameters are the inputs and settings of the saved graph; its ports are the named outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..engine.errors import GraphError
from .fields import MAX_NODES, split_link
from .schema import SAVED, Document, checked_document, outputs_of

Feed = str | list[str]
Target = tuple[str, str]


def expanded(document: Document) -> Document:
    """Return a checked document with the nodes of saved graphs in place of the nodes that stand for them.

    Raises
    ------
    GraphError
        Opened it would have too many nodes, two of one name, or links in a circle outside of any node.
    """
    if "graphs" not in document:
        return document
    count = _count(document)
    if count > MAX_NODES:
        raise GraphError(f"nodes: at most {MAX_NODES:,} are allowed, opening the saved graphs would make {count:,}")
    return checked_document(Opened(document).document())


def uses_in(document: Document) -> list[Document]:
    """Return the nodes that stand for saved graphs."""
    return [n for n in document["nodes"] if n["process"].startswith(SAVED)]


def _count(graph: Document) -> int:
    """Return how many nodes an opened graph has. Whoever opens it must know: each level multiplies."""
    saved = {g["name"]: _count(g) for g in graph.get("graphs", ())}
    uses = uses_in(graph)
    return len(graph["nodes"]) - len(uses) + sum(saved[n["process"].removeprefix(SAVED)] for n in uses)


class Opened:
    """A graph, or one saved in it, with its saved graphs opened."""

    def __init__(self, graph: Document) -> None:
        self.graph = graph
        saved = {g["name"]: Opened(g).document() for g in graph.get("graphs", ())}
        self.copies = {n["name"]: _Copy(n, saved[n["process"].removeprefix(SAVED)], self) for n in uses_in(graph)}
        self._asking: set[str] = set()

    def document(self) -> Document:
        made = {k: v for k, v in self.graph.items() if k not in ("graphs", "layout")}
        made["nodes"] = [node for node in self.graph["nodes"] if node["name"] not in self.copies]
        made["nodes"] = [with_feeds(n, self.link) for n in made["nodes"]]
        for copy in self.copies.values():
            made["nodes"] += copy.nodes()
        made["inputs"] = [self._input(i) for i in made.get("inputs", ())]
        made["settings"] = [self._setting(s) for s in made.get("settings", ())]
        made["outputs"] = [o for item in made.get("outputs", ()) for o in self._output(item)]
        made["layout"] = {n: at for n, at in self.graph.get("layout", {}).items() if n not in self.copies}
        return made

    def link(self, text: str) -> Feed:
        """Return what a link means once saved graphs are opened: another link, or several of a series."""
        node, port = split_link(text)
        if node not in self.copies:
            return text
        if text in self._asking:
            raise GraphError(f"links run in a circle through saved graphs: {' -> '.join([*self._asking, text])}")
        self._asking.add(text)
        try:
            return self.copies[node].output(port)
        finally:
            self._asking.discard(text)

    def targets(self, node: str, param: str) -> list[Target]:
        """Return the parameters that one means: itself, or those behind an input or setting of a saved graph."""
        return self.copies[node].targets(param) if node in self.copies else [(node, param)]

    def _input(self, item: Document) -> Document:
        found = self.targets(item["node"], item["param"])
        if len(found) != 1:
            at = f"{item['node']}.{item['param']}"
            raise GraphError(f"input '{item['name']}': '{at}' wants a parameter of one node, got {len(found)}")
        return {**item, "node": found[0][0], "param": found[0][1]}

    def _setting(self, item: Document) -> Document:
        sets = [f"{n}.{p}" for text in item["sets"] for n, p in self.targets(*split_link(text))]
        return {**item, "sets": list(dict.fromkeys(sets))}

    def _output(self, item: str | Document) -> Iterator[str | Document]:
        if isinstance(item, str):
            yield from self.copies[item].shown() if item in self.copies else [item]
            return
        found = self.link(f"{item['node']}.{item['port']}")
        if not isinstance(found, str):
            raise GraphError(f"output '{item['name']}': wanted one link, got a series of {len(found)}")
        node, port = split_link(found)
        yield {**item, "node": node, "port": port}


class _Copy:
    """One use of a saved graph."""

    def __init__(self, use: Document, graph: Document, around: Opened) -> None:
        self.use, self.graph, self.around = use, graph, around
        self.name: str = use["name"]
        self.fed: dict[str, Feed] = {}
        """Node of the saved graph -> what is linked in its place."""
        inputs = {i["name"]: i for i in graph["inputs"]}
        self.behind = {i["name"]: [(i["node"], i["param"])] for i in graph["inputs"]}
        self.behind |= {s["name"]: [split_link(t) for t in s["sets"]] for s in graph["settings"]}
        for name, feed in use.get("feeds", {}).items():
            node = inputs[name]["node"]
            if node in self.fed:
                raise GraphError(f"node '{self.name}', feeds.{name}: '{node}' is fed already by another input")
            self._check_ports(node, name)
            self.fed[node] = feed

    def _check_ports(self, node: str, name: str) -> None:
        """Raise GraphError where one link cannot stand for a node, since it gives several things."""
        links = [split_link(t) for n in self.graph["nodes"] for f in n.get("feeds", {}).values() for t in as_list(f)]
        ports = {port for source, port in [*links, *outputs_of(self.graph).values()] if source == node}
        if len(ports) > 1:
            told = ", ".join(sorted(ports))
            raise GraphError(f"node '{self.name}', feeds.{name}: one link cannot stand for all of '{node}': {told}")

    def nodes(self) -> Iterator[Document]:
        params = self._given("params")
        links = self._given("links")
        for node in self.graph["nodes"]:
            name = node["name"]
            if name in self.fed:
                continue
            made = with_feeds(node, self._inside)
            made["name"] = f"{self.name}.{name}"
            for field, given in (("params", params), ("links", links)):
                if name in given:
                    made[field] = {**made.get(field, {}), **given[name]}
            yield made

    def _given(self, field: str) -> dict[str, dict[str, Any]]:
        """Return what the use says of parameters: node -> parameter -> value (or link)."""
        made: dict[str, dict[str, Any]] = {}
        for name, value in self.use.get(field, {}).items():
            targets = [t for t in self.behind[name] if t[0] not in self.fed]
            if not targets:
                raise GraphError(f"node '{self.name}', {field}: '{name}' is of no use: what it sets is linked instead")
            for node, param in targets:
                made.setdefault(node, {})[param] = value
        return made

    def _inside(self, text: str) -> Feed:
        node, port = split_link(text)
        if node in self.fed:
            return translated(self.fed[node], self.around.link)
        return f"{self.name}.{node}.{port}"

    def output(self, port: str) -> Feed:
        node, inner = outputs_of(self.graph)[port]
        return self._inside(f"{node}.{inner}")

    def targets(self, param: str) -> list[Target]:
        found = [(f"{self.name}.{n}", p) for n, p in self.behind[param] if n not in self.fed]
        if not found:
            raise GraphError(f"'{self.name}.{param}' is of no use: what it sets is linked instead")
        return found

    def shown(self) -> Iterable[str]:
        nodes = [o if isinstance(o, str) else o["node"] for o in self.graph["outputs"]]
        if not (kept := [f"{self.name}.{n}" for n in nodes if n not in self.fed]):
            raise GraphError(f"outputs: '{self.name}' has no outputs of its own; name a node")
        return dict.fromkeys(kept)


def as_list(feed: Feed) -> list[str]:
    """Return the links of one feed."""
    return [feed] if isinstance(feed, str) else feed


def translated(feed: Feed, link: Callable[[str], Feed]) -> Feed:
    """Return *feed* with every link as *link* gives it; a series in a list becomes part of the list."""
    if isinstance(feed, str):
        return link(feed)
    return [one for text in feed for one in as_list(link(text))]


def with_feeds(node: Document, link: Callable[[str], Feed]) -> Document:
    """Return a copy of *node* with translated feeds."""
    if "feeds" not in node:
        return dict(node)
    return {**node, "feeds": {port: translated(feed, link) for port, feed in node["feeds"].items()}}
