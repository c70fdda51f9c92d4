"""A graph as rules look at it: processes, who feeds whom, by images or at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...engine.graph import Feeds, Graph, Link
from .. import walk


@dataclass(frozen=True, slots=True)
class View:
    """A graph with what rules ask again and again.

    Attributes
    ----------
    graph
        The graph.
    processes
        The process of each node, None where it is not installed.
    feeds
        The links into each node, by port.
    followers
        The nodes that each node feeds, or whose parameters it tunes.
    """

    graph: Graph
    processes: walk.Processes
    feeds: Mapping[str, Feeds]
    followers: Mapping[str, list[str]]

    @classmethod
    def of(cls, graph: Graph) -> View:
        feeds = {name: graph.feeds(name) for name in graph}
        return cls(graph, walk.processes(graph), feeds, walk.inverted(walk.sources_and_read(graph)))

    def id(self, node: str) -> str:
        """Return the id of a node's process."""
        return self.graph.spec(node).process

    def value(self, node: str, param: str) -> Any:
        """Return a parameter as it takes effect; None where neither it nor a default is known."""
        params = self.graph.spec(node).params
        process = self.processes[node]
        if param in params or process is None or param not in process.params:
            return params.get(param)
        return process.params[param].default

    def sources(self, node: str, port: str) -> list[Link]:
        """Return what is linked to a port, as far as it is there."""
        feed = self.feeds[node].get(port)
        return [] if feed is None else [k for k in walk.each(feed) if k.node in self.processes]

    def image_sources(self, node: str) -> Iterator[str]:
        """Yield the nodes whose images come into *node*; all that feed it where its process is not installed."""
        process = self.processes[node]
        for port in self.feeds[node]:
            declared = next((p for p in walk.inputs_of(process) if p.name == port), None)
            if process is None or (declared is not None and declared.is_image):
                yield from (link.node for link in self.sources(node, port))

    def upstream(self, nodes: Iterable[str]) -> dict[str, None]:
        """Return *nodes* and all whose images lead to them, the nearest first."""
        found = dict.fromkeys(nodes)
        todo = list(found)
        for node in todo:
            for source in self.image_sources(node):
                if source not in found:
                    found[source] = None
                    todo.append(source)
        return found

    def chain(self, node: str) -> Iterator[str]:
        """Yield *node* and what it is made of, going up by the first image input only."""
        seen: set[str] = set()
        at: str | None = node
        while at is not None and at not in seen:
            seen.add(at)
            yield at
            ports = [p.name for p in walk.inputs_of(self.processes[at]) if p.is_image]
            at = next((links[0].node for p in ports if (links := self.sources(at, p))), None)
