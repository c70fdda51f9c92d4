"""Ways through a graph that also hold when it is broken: circles, nodes that are not there."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping

from ..engine.errors import LinkError, UnknownProcessError
from ..engine.graph import Graph, Link
from ..engine.links.grammar import parse
from ..engine.links.parameter import ParameterLink
from ..engine.links.references import Follower, NodeNames
from ..engine.ports import Port
from ..engine.process import Process

Sources = Mapping[str, tuple[str, ...]]
"""Node -> the nodes that feed it, each once."""
Processes = Mapping[str, type[Process] | None]
"""Node -> its process; None where it is not installed."""


def processes(graph: Graph) -> Processes:
    """Return the process of each node, None where it is not installed. Each process is looked up once."""
    seen: dict[tuple[str, int], type[Process] | None] = {}
    found: dict[str, type[Process] | None] = {}
    for node in graph:
        spec = graph.spec(node)
        key = spec.process, spec.version
        if key not in seen:
            try:
                seen[key] = spec.find()
            except UnknownProcessError:
                seen[key] = None
        found[node] = seen[key]
    return found


def sources(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Return the nodes that feed each node, in order of ports; nodes that are not there are left out."""
    return {
        n: tuple(dict.fromkeys(k.node for f in graph.feeds(n).values() for k in each(f) if k.node in graph))
        for n in graph
    }


def read_by(graph: Graph, node: str) -> list[str]:
    """Return the nodes whose Values or parameters the parameter links of *node* read, as far as they are there."""
    links = graph.links_of(node) if graph.parameter_links else {}
    return list(dict.fromkeys(n for _, n in _read(graph, {node: links}, NodeNames(graph)))) if links else []


def tuned(graph: Graph) -> list[tuple[str, str, str]]:
    """Return which nodes tune which: (node that is read, node, parameter), broken links left out.

    What reads a parameter of a node further down has no place in a drawing from top to bottom, and is left out, too.
    """
    if not graph.parameter_links:
        return []
    names = NodeNames(graph)
    by_node: dict[str, dict[str, ParameterLink]] = {}
    for (node, param), link in sorted(graph.parameter_links.items()):
        if node in graph:
            by_node.setdefault(node, {})[param] = link
    found = [(read, at.node, at.param) for at, read in _read(graph, by_node, names)]
    behind = _behind(graph)
    return [edge for edge in dict.fromkeys(found) if edge[0] not in behind(edge[1])]


def _read(
    graph: Graph, links: Mapping[str, Mapping[str, ParameterLink]], names: NodeNames
) -> Iterable[tuple[Follower, str]]:
    for node, of in links.items():
        for param, link in of.items():
            if link.mode == "live":
                for text in filter(None, (link.expr, link.fallback)):
                    try:
                        references = parse(text).references
                    except LinkError:
                        continue
                    for reference in references:
                        found = names.found(reference.parts)
                        if found is not None and found[0] != node:
                            yield Follower(node, param), found[0]


def _behind(graph: Graph) -> Callable[[str], frozenset[str]]:
    """Return a function from a node to itself and all that it feeds."""
    followers = inverted(sources(graph))
    known: dict[str, frozenset[str]] = {}

    def behind(node: str) -> frozenset[str]:
        if node not in known:
            seen, todo = {node}, [node]
            while todo:
                new = [f for f in followers[todo.pop()] if f not in seen]
                seen.update(new)
                todo += new
            known[node] = frozenset(seen)
        return known[node]

    return behind


def sources_and_read(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Return the nodes that feed each node or tune it, as `sources` and `tuned` give them."""
    found = sources(graph)
    for read, node, _ in tuned(graph):
        found[node] = tuple(dict.fromkeys((*found[node], read)))
    return found


def links_into(graph: Graph, node: str, process: type[Process] | None) -> list[tuple[str, Link]]:
    """Return (port, link) of every link into *node*, in the order that *process* declares the ports."""
    feeds = graph.feeds(node)
    place = {p.name: i for i, p in enumerate(inputs_of(process))}
    ordered = sorted(feeds, key=lambda port: (place.get(port, len(place)), port))
    return [(port, link) for port in ordered for link in each(feeds[port])]


def each(feed: Link | tuple[Link, ...]) -> tuple[Link, ...]:
    """Return the links of one feed."""
    return (feed,) if isinstance(feed, Link) else feed


def inputs_of(process: type[Process] | None) -> tuple[Port, ...]:
    return process.inputs if process else ()


def sources_first(of: Sources) -> list[str]:
    """Return all nodes, sources before what they feed, equals in order of name.

    Where links run in a circle, its first node by name comes before the one that feeds it.
    """
    waiting = {n: len(s) for n, s in of.items()}
    followers = inverted(of)
    ready = [n for n, k in waiting.items() if not k]
    heapq.heapify(ready)
    stuck = sorted(waiting, reverse=True)
    made: list[str] = []
    done: set[str] = set()
    while len(made) < len(waiting):
        if ready:
            node = heapq.heappop(ready)
        else:
            while stuck[-1] in done:
                stuck.pop()
            node = stuck[-1]
        if node in done:
            continue
        done.add(node)
        made.append(node)
        for f in followers[node]:
            waiting[f] -= 1
            if not waiting[f]:
                heapq.heappush(ready, f)
    return made


def inverted(of: Sources) -> dict[str, list[str]]:
    """Return the nodes that each node feeds."""
    followers: dict[str, list[str]] = {n: [] for n in of}
    for node, feeding in of.items():
        for s in feeding:
            followers[s].append(node)
    return followers


def circles(of: Sources) -> list[list[str]]:
    """Return one circle of links out of every knot of them, each beginning with its first node by name."""
    made = []
    for knot in _knots(of):
        inside = set(knot)
        if len(knot) > 1 or knot[0] in of[knot[0]]:
            made.append(_circle(min(knot), inside, of))
    return sorted(made)


def _circle(start: str, inside: set[str], of: Sources) -> list[str]:
    """Return the shortest circle through *start* within a knot, in the direction of the links."""
    came: dict[str, str] = {}
    todo = [start]
    for node in todo:
        for s in sorted(of[node]):
            if s == start:
                path = [node]
                while path[-1] != start:
                    path.append(came[path[-1]])
                # Collected from the last link back to the start, which are the links forward but for the start.
                return [start, *path[:-1]]
            if s in inside and s not in came:
                came[s] = node
                todo.append(s)
    raise AssertionError("a knot holds a circle through each of its nodes")


def _knots(of: Sources) -> Iterable[list[str]]:
    """Yield the sets of nodes that can all reach each other (Tarjan 1972), without recursion."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in of:
        if root in number:
            continue
        work = [(root, iter(of[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            for s in rest:
                if s not in number:
                    number[s] = low[s] = len(number)
                    stack.append(s)
                    on_stack.add(s)
                    work.append((s, iter(of[s])))
                    break
                if s in on_stack:
                    low[node] = min(low[node], number[s])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    yield _popped(stack, node, on_stack)


def _popped(stack: list[str], node: str, on_stack: set[str]) -> list[str]:
    """Take everything from the top of *stack* down to *node*."""
    knot = [stack.pop()]
    while knot[-1] != node:
        knot.append(stack.pop())
    on_stack.difference_update(knot)
    return knot
