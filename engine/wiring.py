"""The structure of a graph: named nodes and links. Holds no pixel and reads no file. The only door to networkx."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import networkx as nx

from . import registry
from .errors import GraphError, ParameterError, UnknownProcessError
from .process import Process
from .region import Box

MASK = "mask"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Link(NamedTuple):
    """Where a feed comes from: a node and one of its output ports."""

    node: str
    port: str

    def __str__(self) -> str:
        return f"{self.node}.{self.port}"


Feeds = dict[str, "Link | tuple[Link, ...]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """One use of a process: its name, the parameters that were set, and an optional region of effect."""

    name: str
    process: str
    version: int
    params: Mapping[str, Any] = field(default_factory=dict)
    region: Box | None = None

    def build(self) -> Process:
        """Return the process with these parameters.

        Raises
        ------
        UnknownProcessError
            The process is not installed, or only in an older version.
        ParameterError
            A parameter is unknown, missing, or of the wrong type or range.
        """
        cls = self.find()
        try:
            return cls.build(self.params)
        except ParameterError as e:
            raise ParameterError(f"node '{self.name}': {e}") from None

    def find(self) -> type[Process]:
        """Return the process class."""
        try:
            cls = registry.find(self.process)
        except UnknownProcessError as e:
            raise UnknownProcessError(f"node '{self.name}': {e}") from None
        if self.version > cls.version:
            raise UnknownProcessError(
                f"node '{self.name}': the graph wants {cls.id} version {self.version}, installed is {cls.version}"
            )
        return cls


class Wiring:
    """A directed acyclic graph of nodes, as data: what `plan.lower` reads and documents hold."""

    def __init__(self) -> None:
        self._g: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        self.outputs: list[str] = []
        """Names of the nodes a user is meant to look at; empty: every node nothing follows."""
        self.folder: str | None = None
        """Folder against which relative input paths are resolved (that of the graph file); None: the current one."""

    # -- changing ---------------------------------------------------------------------------------

    def place(self, spec: NodeSpec, feeds: Feeds) -> None:
        """Add a node as it is, checked only for its name: documents may hold what is not installed here."""
        if not _NAME.fullmatch(spec.name):
            raise GraphError(
                f"'{spec.name}' is no node name: wanted letters, digits, '_', '-', '.', not a digit first"
            )
        if spec.name in self:
            raise GraphError(f"there is already a node '{spec.name}'")
        self._g.add_node(spec.name, spec=spec)
        for port, feed in feeds.items():
            self.link(feed, spec.name, port)

    def fill(self, nodes: Iterable[tuple[NodeSpec, Feeds]]) -> None:
        """Put the nodes and links of a checked document into an empty graph, all at once."""
        found = list(nodes)
        self._g.add_nodes_from((spec.name, {"spec": spec}) for spec, _ in found)
        edges: Any = (
            (link.node, spec.name, (port, position, link.port), {"output": link.port})
            for spec, feeds in found
            for port, feed in feeds.items()
            for position, link in ([(-1, feed)] if isinstance(feed, Link) else enumerate(feed))
        )
        # After all nodes: a link to one that comes later would put it out of its place.
        self._g.add_edges_from(edges)

    def link(self, feed: Link | tuple[Link, ...], node: str, port: str) -> None:
        """Link *feed* to input *port* of *node*, replacing what was linked there."""
        self.unlink(node, port)
        # Order within a `many` port is part of the edge's key; -1 marks a single link.
        numbered = [(-1, feed)] if isinstance(feed, Link) else list(enumerate(feed))
        for position, link in numbered:
            self._g.add_edge(link.node, node, key=(port, position, link.port), output=link.port)

    def unlink(self, node: str, port: str) -> None:
        self._g.remove_edges_from([(u, v, k) for u, v, k in self._g.in_edges(node, keys=True) if k[0] == port])

    def set(self, node: str, param: str, value: Any) -> None:
        """Change one parameter, checked at once."""
        old = self.spec(node)
        new = replace(old, params={**old.params, param: value})
        new.build()
        self._g.nodes[node]["spec"] = new

    def replace(self, spec: NodeSpec) -> None:
        """Put *spec* in place of the node of the same name, keeping its links."""
        self.spec(spec.name)
        self._g.nodes[spec.name]["spec"] = spec

    def remove(self, node: str) -> None:
        self.spec(node)
        self._g.remove_node(node)
        self.outputs = [n for n in self.outputs if n != node]

    def copy(self) -> Self:
        """Return an independent graph with the same nodes and links."""
        made = type(self)()
        made.folder, made.outputs = self.folder, list(self.outputs)
        made._g = self._g.copy()
        return made

    # -- looking ----------------------------------------------------------------------------------

    def __contains__(self, name: object) -> bool:
        # networkx forgets the attributes, not the node, when an edge names a node that was never added.
        return isinstance(name, str) and "spec" in self._g.nodes.get(name, {})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[str]:
        return (n for n, data in self._g.nodes(data=True) if "spec" in data)

    def spec(self, name: str) -> NodeSpec:
        """Return the declaration of node *name*."""
        if name not in self:
            raise GraphError(f"there is no node '{name}'; the graph has {_some(sorted(self))}")
        spec: NodeSpec = self._g.nodes[name]["spec"]
        return spec

    def feeds(self, name: str) -> Feeds:
        """Return the links into node *name* by port; a tuple for ports that were given a list."""
        ports: dict[str, list[tuple[int, Link]]] = {}
        for source, _, (port, position, _), data in self._g.in_edges(name, keys=True, data=True):
            ports.setdefault(port, []).append((position, Link(source, data["output"])))
        found: Feeds = {}
        for port, links in sorted(ports.items()):
            links.sort(key=lambda item: item[0])
            found[port] = links[0][1] if links[0][0] < 0 else tuple(link for _, link in links)
        return found

    def links(self) -> Iterator[tuple[Link, str, str]]:
        """Yield every link as (source, node, port)."""
        for source, node, (port, _, output) in self._g.edges(keys=True):
            yield Link(source, output), node, port

    def followers(self, name: str) -> list[str]:
        return sorted(set(self._g.successors(name)))

    def ends(self) -> list[str]:
        """Return the nodes nothing follows, in order of insertion."""
        return [n for n in self if self._g.out_degree(n) == 0]

    def order(self, targets: Iterable[str] | None = None) -> list[str]:
        """Return the nodes that *targets* (default: all) need, themselves included, sources first.

        Raises
        ------
        GraphError
            Links run in a circle (its nodes are named), or come from a node that is not there.
        """
        g = self._g
        if targets is not None:
            wanted = set(targets)
            for t in wanted:
                self.spec(t)
            g = g.subgraph(wanted.union(*(nx.ancestors(self._g, t) for t in wanted)))
        if missing := sorted(n for n in g if n not in self):
            raise GraphError(f"links come from {_some(missing)}, which the graph does not have")
        position = {n: i for i, n in enumerate(self._g)}
        try:
            return list(nx.lexicographical_topological_sort(g, key=position.__getitem__))
        except nx.NetworkXUnfeasible:
            circle = " -> ".join(u for u, *_ in nx.find_cycle(g))
            raise GraphError(f"links run in a circle: {circle} -> {circle.partition(' ')[0]}") from None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} nodes>"


def _some(names: list[str], most: int = 8) -> str:
    shown = ", ".join(f"'{n}'" for n in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "") if names else "none"
