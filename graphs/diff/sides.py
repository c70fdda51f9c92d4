"""One side of a comparison: a graph document taken apart, with values as they take effect."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...engine import registry
from ...engine.errors import UnknownProcessError
from ...engine.links.references import NodeNames
from ...engine.params import Spec
from ..document import Graph
from ..link_names import live, named, named_in, paths, renamed, settled, text_of, texts
from ..schema import Document
from ..subgraph import expanded

Specs = Mapping[str, Spec]
_NONE: Mapping[str, Any] = {}
_PLAIN = frozenset((str, float, int))


class Slot(NamedTuple):
    """A link as one of its ends sees it: the port it goes into, the node at the other end, the output it comes from."""

    port: str
    node: str
    output: str


@dataclass
class Side:
    """A graph taken apart for comparing.

    Attributes
    ----------
    nodes
        The nodes of the document by name.
    rest
        The other fields of the document.
    folder
        The folder that relative input paths are seen from; empty for the current one.
    title
        What to call this side.
    """

    nodes: dict[str, Document]
    rest: Document
    folder: str = ""
    title: str = ""
    digests: dict[str, str] | None = None
    """Input paths as written -> digest of what the file held; None for a graph that did not come out of an image."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Input paths as written -> what stands for the file on both sides; see `same_files`."""
    _twin: Side | None = None
    _alike: frozenset[str] = frozenset()
    _own: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _declared: dict[str, Specs] = field(default_factory=dict)
    _defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    _simple: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of the defaults those of parameters that shape the result and name no file."""

    @classmethod
    def of(cls, graph: Graph | Document, folder: str | None = None, title: str = "") -> Side:
        """Return the side of a graph, or of a checked document that lies in *folder*."""
        if isinstance(graph, Graph):
            return cls.of(graph.to_document(flat=True), graph.folder or folder, title)
        return cls.unopened(expanded(graph), folder, title)

    @classmethod
    def unopened(cls, graph: Document, folder: str | None = None, title: str = "") -> Side:
        """Return the side of a checked document whose saved graphs, if it has some, are single nodes."""
        nodes = {n["name"]: n for n in graph["nodes"]}
        return cls(nodes, {k: v for k, v in graph.items() if k != "nodes"}, folder or "", title)

    def told_by_file(self, digests: Mapping[tuple[str, str, int], str]) -> None:
        """Take note that the graph came out of an image, and of what its sources held: (node, parameter, which)."""
        self.digests = {}
        for (node, param, index), digest in digests.items():
            value = self.nodes.get(node, _NONE).get("params", _NONE).get(param)
            paths = value if isinstance(value, list) else [value]
            if index < len(paths) and isinstance(paths[index], str):
                self.digests[paths[index]] = digest

    def alike(self, other: Side) -> frozenset[str]:
        """Return the nodes that are written alike on both sides and mean the same; what is known of them is shared."""
        if self.folder != other.folder or self.paths or other.paths:
            return frozenset()
        nodes = other.nodes
        self._alike = frozenset([name for name, node in self.nodes.items() if nodes.get(name) == node])
        if apart := [n for n in self.linked if n in self._alike and self._meant(n) != other._meant(n)]:
            self._alike -= frozenset(apart)
        self._twin = other
        return self._alike

    @functools.cached_property
    def feeds(self) -> dict[str, list[Slot]]:
        """Links into each node."""
        feeds: dict[str, list[Slot]] = {}
        known = self._twin.feeds if self._twin else {}
        for name, node in self.nodes.items():
            if name in self._alike:
                feeds[name] = known[name]
                continue
            slots = feeds[name] = []
            if "feeds" not in node:
                continue
            for port, feed in node["feeds"].items():
                for text in (feed,) if isinstance(feed, str) else feed:
                    source, _, output = text.rpartition(".")
                    slots.append(tuple.__new__(Slot, (port, source, output)))  # half the time of a call of Slot
        if self.linked:
            self._add_read(feeds)
        return feeds

    @functools.cached_property
    def linked(self) -> list[str]:
        """The nodes that have parameter links."""
        return [name for name, node in self.nodes.items() if "links" in node]

    @functools.cached_property
    def names(self) -> NodeNames:
        return NodeNames(self.nodes)

    def _add_read(self, feeds: dict[str, list[Slot]]) -> None:
        """Add what parameter links read, as links into ports that are called like ``= shadows``.

        Values only: a parameter of a node further down may be read as well, and would close a circle.
        """
        for name in self.linked:
            found = [
                Slot(f"= {at.param}", at.node, at.rest)
                for at in named(self.nodes[name], self.names)
                if at.node != name and at.rest not in self.specs(at.node)
            ]
            feeds[name] = [*(slot for slot in feeds[name] if not slot.port.startswith("= ")), *dict.fromkeys(found)]

    @functools.cached_property
    def followers(self) -> dict[str, list[Slot]]:
        """Links out of each node."""
        found: dict[str, list[Slot]] = {n: [] for n in self.nodes}
        for name, slots in self.feeds.items():
            for port, source, output in slots:
                found[source].append(Slot(port, name, output))
        return found

    @property
    def outputs(self) -> list[str]:
        """Return the nodes that a user is meant to look at: those named as outputs, else those nothing follows."""
        if named := self.rest.get("outputs"):
            return [o if isinstance(o, str) else str(o["node"]) for o in named]
        followed = {slot.node for slots in self.feeds.values() for slot in slots}
        return [n for n in self.nodes if n not in followed]

    def document(self) -> Document:
        return {**self.rest, "nodes": list(self.nodes.values())}

    def graph(self) -> Graph:
        made = Graph.from_document(self.document())
        made.folder = self.folder or None
        return made

    # -- parameters -------------------------------------------------------------------------------

    def own(self, node: str) -> tuple[Any, ...]:
        """Return what a node does by itself, whatever feeds it."""
        if node in self._alike and self._twin is not None:
            return self._twin.own(node)
        found = self._own.get(node)
        if found is None:
            told = self.nodes[node]
            region = tuple(told["region"]) if "region" in told else None
            found = told["process"], told["version"], self.settings(node, content=True), region
            if "links" in told:
                found = *found, self._links(node)
            self._own[node] = found
        return found

    def _meant(self, node: str) -> list[Any]:
        """Return what the names in the links of a node stand for."""
        return [*named(self.nodes[node], self.names), *self._variables(node)]

    def _variables(self, node: str) -> list[Any]:
        """Return the variables of the graph that the live links of a node read, with their values."""
        read = [p[1] for link in live(self.nodes[node]).values() for p in paths(link) if p[0] == "project" and p[1:]]
        return [(name, frozen(self.rest.get("variables", _NONE).get(name))) for name in read]

    def _links(self, node: str) -> tuple[Any, ...]:
        """Return what the live links of a node say, whatever the nodes that they read are called."""
        told = self.nodes[node]
        shapes = []
        for param, link in live(told).items():
            read = [at.node for at in named_in(param, texts(link), self.names)]
            made = renamed(link, self.names, lambda name, read=read: f"node_{read.index(name)}")  # type: ignore[misc]
            shapes.append((param, *((k, frozen(v)) for k, v in sorted(made.items()) if k not in ("deadband", "mode"))))
        return (*shapes, *self._variables(node))

    def specs(self, node: str) -> Specs:
        """Return the declared parameters of a node's process; none where it is not installed."""
        process = self.nodes[node]["process"]
        if process not in self._declared:
            try:
                self._declared[process] = registry.find(process).params
            except UnknownProcessError:
                self._declared[process] = {}
            found = self._declared[process]
            defaults = self._defaults[process] = {n: frozen(s.default) for n, s in found.items() if not s.required}
            self._simple[process] = {
                n: default for n, default in defaults.items() if found[n].identity and found[n].file != "input"
            }
        return self._declared[process]

    def value(self, node: str, param: str) -> Any:
        """Return a parameter as it takes effect: what was set, else the default; None where neither is known."""
        told = self.nodes[node]
        if "links" in told and param in (links := live(told)):
            return text_of(links[param])
        params = settled(told)
        if param in params:
            return params[param]
        spec = self.specs(node).get(param)
        return None if spec is None or spec.required else plain(spec.default)

    def effect(self, node: str, param: str) -> Any:
        """Return a parameter in the form in which two sides are compared: paths by the file they name."""
        value, spec = self.value(node, param), self.specs(node).get(param)
        if spec is None or spec.file != "input" or not value:
            return frozen(value)
        return tuple(map(self.located, value)) if isinstance(value, list) else self.located(value)

    def located(self, path: Any) -> Any:
        return self.paths.get(path) or self.resolved(path) if isinstance(path, str) else frozen(path)

    def resolved(self, path: str) -> str:
        return os.path.normpath(os.path.join(os.path.abspath(self.folder or os.curdir), path))

    def settings(self, node: str, *, content: bool = False) -> tuple[tuple[str, Any], ...]:
        """Return the parameters that are not at their default, by name; *content*: only those that shape the result."""
        params = settled(self.nodes[node])
        if not params:
            return ()
        if "links" in self.nodes[node]:
            links = live(self.nodes[node])
            params = {k: v for k, v in params.items() if k not in links}
        found = []
        specs = self.specs(node)
        process = self.nodes[node]["process"]
        defaults, simple = self._defaults[process], self._simple[process]
        for name, value in params.items():
            if name in simple and type(value) in _PLAIN:
                # Most parameters are like this.
                if value != simple[name]:
                    found.append((name, value))
                continue
            spec = specs.get(name)
            if spec is not None and spec.file == "input":
                value = self.effect(node, name)
            elif content and spec is not None and not spec.identity:
                continue
            elif type(value) not in _PLAIN:
                value = frozen(value)
            if name not in defaults or value != defaults[name]:
                found.append((name, value))
        return tuple(found)

    def input_paths(self) -> Iterable[str]:
        """Yield every path of an input file that the nodes name, as it is written."""
        for name, node in self.nodes.items():
            params: Mapping[str, Any] = node.get("params", _NONE)
            for param, spec in self.specs(name).items() if params else ():
                if spec.file == "input" and param in params:
                    value = params[param]
                    yield from (v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str) and v)


def same_files(a: Side, b: Side) -> int:
    """Let both sides call a file by one name, and return how many relative paths are alike but name other files.

    Two paths mean one file where they lead to one place, or are written alike: a graph and a copy of it in
    another folder are compared by what they say. Where both sides know what their files held, that alone counts.
    """
    if a.digests is not None and b.digests is not None:
        a.paths = {path: f"content {digest}" for path, digest in a.digests.items()}
        b.paths = {path: f"content {digest}" for path, digest in b.digests.items()}
        return 0
    a.paths = b.paths = {}
    if os.path.abspath(a.folder or os.curdir) == os.path.abspath(b.folder or os.curdir):
        return 0
    theirs = {a.resolved(p): p for p in a.input_paths()}
    written = set(theirs.values())
    paths: dict[str, str] = {}
    for path in set(b.input_paths()):
        if b.resolved(path) not in theirs and path in written:
            paths[path] = a.resolved(path)
    b.paths = paths
    return len(paths)


def plain(value: Any) -> Any:
    """Return *value* as documents hold it: lists for tuples."""
    return [plain(v) for v in value] if isinstance(value, tuple | list) else value


def frozen(value: Any) -> Any:
    """Return *value* so that it can be compared and looked up: 1 is 1.0, but true is neither."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, bool):
        return bool, value
    return tuple(frozen(v) for v in value) if isinstance(value, list | tuple) else value
