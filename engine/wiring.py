"""The structure of a graph: named nodes and links. Holds no pixel and reads no file. The only door to networkx."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import networkx as nx

from . import registry
from .errors import GraphError, LinkError, ParameterError, UnknownProcessError, UnresolvedLinkError, unresolved
from .links.joining import circle_error, joined, renamed_links
from .links.parameter import ParameterLink, link_text
from .links.references import Follower, Vertex, expressions
from .params import checked
from .ports import MASK as MASK
from .process import Process
from .region import Box

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
        self.parameter_links: dict[tuple[str, str], ParameterLink] = {}
        """What parameters follow: (node, parameter) -> link."""
        self.variables: dict[str, Any] = {}
        """Values that expressions read as ``project.NAME``."""
        self.link_values: dict[tuple[str, str], Any] = {}
        """What live links gave last: (node, parameter) -> value."""
        self.revision = 0
        """Raised by every change of nodes and the links between their ports: what was made of them has to be asked for
        anew."""
        self.dragged = False
        """Whether this is looked at while somebody drags a region: then links keep to their dead bands."""

    # -- changing ---------------------------------------------------------------------------------

    def place(self, spec: NodeSpec, feeds: Feeds) -> None:
        """Add a node as it is, checked only for its name: documents may hold what is not installed here."""
        self._refuse_name(spec.name)
        self._g.add_node(spec.name, spec=spec)
        self.revision += 1
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
        self.revision += 1

    def _refuse_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise GraphError(f"'{name}' is no node name: wanted letters, digits, '_', '-', '.', not a digit first")
        if name in self:
            raise GraphError(f"there is already a node '{name}'")

    def link(self, feed: Link | tuple[Link, ...], node: str, port: str) -> None:
        """Link *feed* to input *port* of *node*, replacing what was linked there."""
        self.unlink(node, port)
        # Order within a `many` port is part of the edge's key; -1 marks a single link.
        numbered = [(-1, feed)] if isinstance(feed, Link) else list(enumerate(feed))
        for position, link in numbered:
            self._g.add_edge(link.node, node, key=(port, position, link.port), output=link.port)
        self.revision += 1

    def unlink(self, node: str, port: str) -> None:
        self._g.remove_edges_from([(u, v, k) for u, v, k in self._g.in_edges(node, keys=True) if k[0] == port])
        self.revision += 1

    def set(self, node: str, param: str, value: Any) -> None:
        """Change one parameter, checked at once; a text ``= expression`` makes it follow that.

        A value takes the place of the link there was.
        """
        if (text := link_text(value)) is not None:
            self.follow(node, param, ParameterLink(expr=text))
            return
        old = self.spec(node)
        new = replace(old, params={**old.params, param: value})
        check_params(new, set(self.links_of(node)) - {param})
        self._put(new)
        self.unfollow(node, param)

    def follow(self, node: str, param: str, link: ParameterLink) -> None:
        """Let a parameter follow *link*; what it names need not be there yet.

        Raises
        ------
        LinkError
            LNK-1, LNK-8: the expression cannot be read. LNK-2: the node has no such parameter.
        """
        check_link(self.spec(node), param, link)
        self.parameter_links[node, param] = link

    def unfollow(self, node: str, param: str) -> None:
        """Take a parameter link away; the parameter keeps the value it has."""
        self.parameter_links.pop((node, param), None)

    def replace(self, spec: NodeSpec) -> None:
        """Put *spec* in place of the node of the same name, keeping its links."""
        self.spec(spec.name)
        self._put(spec)

    def _put(self, spec: NodeSpec) -> None:
        self._g.nodes[spec.name]["spec"] = spec
        self.revision += 1

    def rename(self, node: str, name: str) -> None:
        """Call a node *name*; links keep to it, and so do expressions, which are written anew.

        Raises
        ------
        GraphError
            The name is none, or taken.
        """
        old = self.spec(node)
        self._refuse_name(name)
        links = renamed_links(self, node, name)
        nx.relabel_nodes(self._g, {node: name}, copy=False)
        self._put(replace(old, name=name))
        self.outputs = [name if n == node else n for n in self.outputs]
        self.parameter_links = links

    def remove(self, node: str) -> None:
        """Take a node out. Links from its outputs go with it; parameters that follow it stay, and are broken."""
        self.spec(node)
        self._g.remove_node(node)
        self.revision += 1
        self.outputs = [n for n in self.outputs if n != node]
        self.parameter_links = {at: link for at, link in self.parameter_links.items() if at[0] != node}
        # What a link gave last outlives what it was measured from, so that it can be shown, and kept by freezing.
        for at in joined(self).broken if self.link_values else ():
            if at in self.link_values:
                spec = self.spec(at[0])
                self._put(replace(spec, params={**spec.params, at[1]: self.link_values[at]}))

    def copy(self) -> Self:
        """Return an independent graph with the same nodes and links."""
        made = type(self)()
        made.folder, made.outputs = self.folder, list(self.outputs)
        made._g = self._g.copy()
        made.parameter_links, made.variables = dict(self.parameter_links), dict(self.variables)
        made.link_values = dict(self.link_values)
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

    def links_of(self, name: str) -> dict[str, ParameterLink]:
        """Return what parameters of node *name* follow, by parameter."""
        return {param: link for (node, param), link in self.parameter_links.items() if node == name}

    def followers(self, name: str) -> list[str]:
        return sorted(set(self._g.successors(name)))

    def ends(self) -> list[str]:
        """Return the nodes nothing follows, neither by their ports nor by parameter links, in order of insertion."""
        read = joined(self).read if self.parameter_links else ()
        return [n for n in self if self._g.out_degree(n) == 0 and n not in read]

    def order(self, targets: Iterable[str] | None = None) -> list[str]:
        """Return the nodes that *targets* (default: all) need, themselves included, sources first.

        Raises
        ------
        GraphError
            Links run in a circle (its nodes are named), or come from a node that is not there.
        LinkError
            A parameter link that is needed cannot be read, or names what is not there.
        """
        wanted = None if targets is None else frozenset(targets)
        for t in wanted or ():
            self.spec(t)
        if self.parameter_links:
            return self._order_with_links(wanted)
        g = self._g
        if wanted is not None:
            g = g.subgraph(wanted.union(*(nx.ancestors(self._g, t) for t in wanted)))
        self._refuse_missing(g)
        position = {n: i for i, n in enumerate(self._g)}
        try:
            return list(nx.lexicographical_topological_sort(g, key=position.__getitem__))
        except nx.NetworkXUnfeasible:
            circle = " -> ".join(u for u, *_ in nx.find_cycle(g))
            raise GraphError(f"links run in a circle: {circle} -> {circle.partition(' ')[0]}") from None

    def _refuse_missing(self, names: Iterable[str]) -> None:
        wanted = set(names)
        if not all(n in self for n in wanted):
            lost = next(at for at in self.links() if at[0].node not in self and at[1] in wanted)
            cure = f"add '{lost[0].node}', or link '{lost[2]}' to another node"
            raise UnresolvedLinkError(source_gone(self, *lost, cure=cure))

    def _order_with_links(self, wanted: frozenset[str] | None) -> list[str]:
        found = joined(self)
        g: nx.DiGraph[Vertex] = nx.DiGraph()
        g.add_nodes_from(self._g)
        g.add_edges_from((u, v) for u, v in self._g.edges())
        g.add_edges_from(found.edges)
        if wanted is not None:
            g = g.subgraph(wanted.union(*(nx.ancestors(g, t) for t in wanted)))
        self._refuse_missing(n for n in g if isinstance(n, str))
        for at in (n for n in g if isinstance(n, Follower)):
            if at in found.broken:
                raise found.broken[at]
        place = {n: i for i, n in enumerate(self._g)}
        # A parameter stands just before its node.
        position = {v: place[v.node] - 0.5 if isinstance(v, Follower) else float(place[v]) for v in g}
        try:
            order = list(nx.lexicographical_topological_sort(g, key=position.__getitem__))
        except nx.NetworkXUnfeasible:
            raise circle_error([u for u, *_ in nx.find_cycle(g)]) from None
        return [n for n in order if isinstance(n, str)]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} nodes>"


def check_link(spec: NodeSpec, param: str, link: ParameterLink) -> None:
    """Raise LinkError where a parameter link cannot be read, or the node has no such parameter."""
    process = spec.find()
    if param not in process.params:
        has = ", ".join(process.params) or "none"
        why = f"{process.__name__} has no such parameter"
        raise LinkError("LNK-2", why, node=spec.name, param=param, cure=f"it has {has}")
    try:
        list(expressions(link))
    except LinkError as e:
        raise e.at(spec.name, param) from None


def check_params(spec: NodeSpec, linked: Collection[str]) -> None:
    """Raise ParameterError where parameters are wrong; what the *linked* ones will be is not known yet."""
    try:
        spec.build()
        return
    except ParameterError:
        if not any(p in linked for p in spec.find().params):
            raise
    process = spec.find()
    for name, value in spec.params.items():
        if name not in process.params:
            spec.build()  # says so
        try:
            checked(process.params[name], value, process.__name__)
        except ParameterError as e:
            raise ParameterError(f"node '{spec.name}': {e}") from None
    missing = [s.name for s in process.params.values() if s.required and s.name not in {*spec.params, *linked}]
    if missing:
        spec.build()


def source_gone(graph: Wiring, source: Link, node: str, port: str, *, cure: str = "") -> str:
    """Return the message that an input is linked to a node which the graph does not have, with the nearest names."""
    close = difflib.get_close_matches(source.node, list(graph), n=3, cutoff=0.5)
    return unresolved(
        f"node '{node}', input '{port}'", f"linked to '{source}', but there is no node '{source.node}'",
        near=[f"near it: {', '.join(close)}"] if close else (), cure=cure,
    )  # fmt: skip


def _some(names: list[str], most: int = 8) -> str:
    shown = ", ".join(f"'{n}'" for n in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "") if names else "none"
