"""The user's graph: named nodes and links. Holds no pixel and reads no file. The only door to networkx."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import networkx as nx

from . import registry
from .errors import GraphError, ParameterError, UnknownProcessError
from .process import Process
from .region import Box

if TYPE_CHECKING:
    from .image import ImageHandle
    from .run import Report

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


class Node:
    """A node as Python code holds it; linking it means linking its first output.

    Outputs are attributes: ``stf.display`` is the output port ``display`` of node ``stf``.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        self._graph = graph
        self.name = name

    def output(self, port: str | None = None) -> Output:
        """Return an output port; the first when *port* is None."""
        ports = self._graph.spec(self.name).find().outputs
        if not ports:
            raise GraphError(f"node '{self.name}' has no outputs to link")
        found = next((p for p in ports if port in (None, p.name)), None)
        if found is None:
            raise GraphError(
                f"node '{self.name}' has no output '{port}'; it has {', '.join(p.name for p in ports)}"
            )
        return Output(self._graph, Link(self.name, found.name))

    def __getattr__(self, port: str) -> Output:
        if port.startswith("_"):
            raise AttributeError(port)
        try:
            return self.output(port)
        except GraphError as e:
            raise AttributeError(str(e)) from None

    @property
    def image(self) -> ImageHandle:
        """The handle of the first image output."""
        return self.output(self._first_image()).image

    def _first_image(self) -> str:
        ports = self._graph.spec(self.name).find().outputs
        found = next((p.name for p in ports if p.is_image), None)
        if found is None:
            raise GraphError(f"node '{self.name}' gives no image")
        return found

    def value(self, port: str | None = None, **options: Any) -> Any:
        """Measure and return the Value of an output (the first Value output when *port* is None)."""
        if port is None:
            ports = self._graph.spec(self.name).find().outputs
            port = next((p.name for p in ports if not p.is_image), None)
        return self.output(port).value(**options)

    def compute(self, box: Box | None = None, **options: Any) -> Any:
        return self.image.compute(box, **options)

    def preview(self, **options: Any) -> Any:
        return self.image.preview(**options)

    def to_dask(self) -> Any:
        return self.image.to_dask()

    def _repr_html_(self) -> str:
        return self.image._repr_html_()

    def __repr__(self) -> str:
        return f"<node {self.name}: {self._graph.spec(self.name).process}>"


@dataclass(frozen=True)
class Output:
    """One output port of one node, ready to be linked or looked at."""

    graph: Graph
    link: Link

    @property
    def image(self) -> ImageHandle:
        """The handle of this output's image; reading its frame reads headers, no pixels."""
        from .image import ImageHandle

        return ImageHandle(self.graph, self.link)

    def value(self, **options: Any) -> Any:
        """Measure and return this output's Value (a tuple for a series)."""
        from .run import evaluate

        return evaluate(self.graph, self.link, **options)


class Graph:
    """A directed acyclic graph of nodes.

    Building one touches no pixel and opens no file.
    """

    def __init__(self) -> None:
        self._g: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        self.outputs: list[str] = []
        """Names of the nodes a user is meant to look at; empty: every node nothing follows."""
        self.folder: str | None = None
        """Folder against which relative input paths are resolved (that of the graph file); None: the current one."""

    # -- building ---------------------------------------------------------------------------------

    def add(
        self,
        process: str | type[Process],
        /,
        *,
        name: str | None = None,
        mask: Node | Output | None = None,
        region: Box | tuple[int, int, int, int] | None = None,
        **feeds_and_params: Any,
    ) -> Node:
        """Add a node.

        Parameters
        ----------
        process
            Class name (``LinearFit``), id (``color.linear_fit``) or class.
        name
            Unique in the graph; by default made from the process.
        mask
            An image of the same size: result = mask * new + (1 - mask) * old, the mask in units of its bounds.
        region
            ``y0, x0, y1, x1``: outside it the first input is left as it is.
        feeds_and_params
            Nodes or outputs go to input ports (lists of them to a `many` port), all else to parameters.
        """
        cls = registry.find(process) if isinstance(process, str) else registry.register(process)
        ports = {p.name: p for p in cls.inputs}
        feeds = {k: v for k, v in feeds_and_params.items() if k in ports and v is not None}
        params = {k: v for k, v in feeds_and_params.items() if k not in ports}
        if wrong := next((k for k, v in params.items() if _is_feed(v)), None):
            raise GraphError(f"{cls.__name__} has no input '{wrong}'; it has {', '.join(ports) or 'none'}")
        spec = NodeSpec(
            name=self._new_name(name, cls.id),
            process=cls.id,
            version=cls.version,
            params=params,
            region=None if region is None else Box(*region),
        )
        spec.build()
        links = {port: _links(feed, port, ports[port].many) for port, feed in feeds.items()}
        if mask is not None:
            links[MASK] = _links(mask, MASK, False)
        return self.insert(spec, links)

    def insert(self, spec: NodeSpec, feeds: Feeds) -> Node:
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
        return Node(self, spec.name)

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

    def copy(self) -> Graph:
        """Return an independent graph with the same nodes and links."""
        made = Graph()
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

    def __getitem__(self, name: str) -> Node:
        self.spec(name)
        return Node(self, name)

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

    # -- doing ------------------------------------------------------------------------------------

    def run(self, targets: Iterable[str] | None = None, **options: Any) -> Report:
        """Run the graph: write the outputs of all sinks (or make *targets*), measuring what is needed on the way.

        See `lerarlink.engine.run.run` for the options.
        """
        from .run import run

        return run(self, targets, **options)

    def _new_name(self, name: str | None, process_id: str) -> str:
        if name is not None:
            return name
        stem = process_id.rpartition(".")[2]
        if stem not in self:
            return stem
        return next(f"{stem}-{i}" for i in range(2, len(self) + 3) if f"{stem}-{i}" not in self)

    def __repr__(self) -> str:
        return f"<Graph of {len(self)} nodes>"


def _is_feed(value: Any) -> bool:
    if isinstance(value, Node | Output):
        return True
    return isinstance(value, list | tuple) and bool(value) and all(_is_feed(v) for v in value)


def _links(feed: Any, port: str, many: bool) -> Link | tuple[Link, ...]:
    if isinstance(feed, Node):
        return feed.output().link
    if isinstance(feed, Output):
        return feed.link
    if isinstance(feed, Link):
        return feed
    if many and isinstance(feed, list | tuple):
        return tuple(one for item in feed if isinstance(one := _links(item, port, False), Link))
    raise GraphError(f"input '{port}' takes a node or an output{' (or a list of them)' if many else ''}, got {feed!r}")


def _some(names: list[str], most: int = 8) -> str:
    shown = ", ".join(f"'{n}'" for n in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "") if names else "none"
