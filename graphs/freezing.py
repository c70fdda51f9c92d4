"""Frozen and live parameter links: values kept as they were measured, or measured again wherever the graph runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..engine.errors import GraphError, LinkError
from ..engine.identity import digest
from ..engine.links.joining import joined
from ..engine.links.parameter import ParameterLink, Taken, TakenFrame
from ..engine.links.references import Meaning, Names, expressions
from ..engine.links.resolving import Resolved
from ..engine.links.tree import Reference
from ..engine.run import resolved
from .document import Graph, file_params
from .parts import frozen
from .schema import checked_value
from .walk import each

At = tuple[str, str]
"""A node and its parameter."""


def freeze(graph: Graph, only: Iterable[At] | None = None, **options: Any) -> tuple[Resolved, ...]:
    """Keep what live links give now as values: such a graph runs without measuring, with the same parameters.

    A value that differs from frame to frame is kept with each frame: such a link holds for that series alone, whose
    frames are told by their number and by the names of their files.

    Parameters
    ----------
    graph
        Is changed in place.
    only
        (node, parameter) pairs whose links are frozen; default: all that are live. Those that are broken keep the value
        they gave last, if they are named here.
    options
        See `lerarlink.engine.run.resolved`.

    Returns
    -------
    tuple of Resolved
        What the links gave.

    Raises
    ------
    GraphError
        There is no such link, or a value is none that graphs can hold.
    LinkError
        A link cannot be followed.
    """
    wanted = _wanted(graph, only, "live")
    if only is not None:
        wanted -= _kept_broken(graph, wanted)
    found = [r for r in resolved(graph, {node for node, _ in wanted}, **options) if (r.node, r.param) in wanted]
    time = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    values = _by_link(found)
    told = {at: told_digest(graph, *at) for at in values}
    made = {at: replace(_taken(frames), time=time, graph=told[at]) for at, frames in values.items()}
    for at, taken in made.items():
        link = replace(graph.parameter_links[at], mode="frozen", taken=taken)
        if not taken.frames:
            graph.set(*at, values[at][0].value)
        graph.follow(*at, link)
    return tuple(found)


def _kept_broken(graph: Graph, wanted: Iterable[At]) -> set[At]:
    """Freeze those links that are broken at the values they gave last; return them."""
    kept = set()
    for node, param in sorted(set(wanted) & set(joined(graph).broken)):
        params = graph.spec(node).params
        if (node, param) not in graph.link_values and param not in params:
            continue
        link = replace(graph.parameter_links[node, param], mode="frozen", taken=Taken())
        graph.set(node, param, graph.link_values.get((node, param), params.get(param)))
        graph.follow(node, param, link)
        kept.add((node, param))
    return kept


def _by_link(found: Iterable[Resolved]) -> dict[At, list[Resolved]]:
    """Return what links gave by node and parameter, frames in their order."""
    values: dict[At, list[Resolved]] = {}
    for one in sorted(found, key=lambda r: (r.node, r.param, r.frame or 0)):
        values.setdefault((one.node, one.param), []).append(one)
    return values


def _taken(frames: list[Resolved]) -> Taken:
    """Return how a value was taken: once, or at each frame where it differs."""
    first = frames[0]
    if all(r.value == first.value for r in frames):
        return Taken(unit=first.unit, error=first.error, n=first.n, source=first.source)
    where = f"node '{first.node}', parameter '{first.param}'"
    return Taken(
        unit=first.unit,
        frames=tuple(
            TakenFrame(
                value=frozen(checked_value(r.value, f"{where}, frame {i}")),
                frame=r.element, error=r.error, n=r.n, source=r.source,
            )
            for i, r in enumerate(frames, 1)
        ),
    )  # fmt: skip


def thaw(graph: Graph, only: Iterable[At] | None = None) -> None:
    """Let frozen links be measured again; the values that they had stay until then.

    Raises
    ------
    GraphError
        There is no such link.
    """
    for at in _wanted(graph, only, "frozen"):
        graph.follow(*at, replace(graph.parameter_links[at], mode="live", taken=None))


def _wanted(graph: Graph, only: Iterable[At] | None, mode: str) -> set[At]:
    links = graph.parameter_links
    if only is None:
        return {at for at, link in links.items() if link.mode == mode}
    wanted = set(only)
    if missing := sorted(at for at in wanted if at not in links):
        raise GraphError(f"parameter '{'.'.join(missing[0])}' follows nothing")
    return {at for at in wanted if links[at].mode == mode}


# -- whether a frozen value is out of date --------------------------------------------------------------


def stale(graph: Graph, node: str, param: str) -> str:
    """Return why a frozen link would be measured otherwise today, as far as the graph alone can tell; else nothing."""
    link = graph.parameter_links[node, param]
    try:
        names = Names(graph)
        names.waits_for(node, replace(link, mode="live"))
    except LinkError as e:
        return f"it cannot be measured any more: {e.why}"
    if link.taken is not None and link.taken.graph and link.taken.graph != told_digest(graph, node, param):
        return "what it was measured from has changed since"
    return ""


def told_digest(graph: Graph, node: str, param: str) -> str:
    """Return the digest of how the graph says that a link is measured: its text, and all nodes before what it reads."""
    link = graph.parameter_links[node, param]
    return digest("told", _Digests(graph).link(node, link))


class _Digests:
    """Digests of nodes by what the graph says of them and of all before them; names do not count."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.names = graph, Names(graph)
        self._known: dict[str, str] = {}

    def of(self, node: str, *, itself: bool = True) -> str:
        """Return the digest of a node, or of what is linked to it only."""
        for name in self.graph.order([node]):  # sources first: graphs may be ten thousand nodes deep
            if name not in self._known and (itself or name != node):
                self._known[name] = digest("told node", self._own(name), self._feeds(name))
        return self._known[node] if itself else digest("told feeds", self._feeds(node))

    def link(self, node: str, link: ParameterLink) -> list[Any]:
        """Return what a link says, and the digests of all that it reads."""
        told = [[e.shape, list(e.numbers)] for e in expressions(link)]
        read = [self._read(node, reference, meaning) for reference, meaning in self.names.reads(node, link)]
        return [told, link.unit, list(link.clamp or ()), read]

    def _read(self, node: str, reference: Reference, meaning: Meaning) -> list[Any]:
        if meaning.kind == "value":
            return [meaning.item, list(meaning.path), reference.channel, self.of(meaning.node)]
        if meaning.kind == "param":
            spec = self.graph.spec(meaning.node)
            link = self.graph.links_of(meaning.node).get(meaning.item)
            live = link is not None and link.mode == "live"
            kept = [one.value for one in link.frames] if link is not None and link.frames else None
            return [spec.process, meaning.item, None if live else kept or spec.params.get(meaning.item)]
        if meaning.kind == "project":
            return [meaning.item, self.graph.variables[meaning.item]]
        return [meaning.kind, meaning.item, list(meaning.path), self.of(node, itself=False)]

    def _own(self, node: str) -> list[Any]:
        spec = self.graph.spec(node)
        files = [p.name for p, _ in file_params(spec) if p.file == "output"]
        links = {p: link for p, link in self.graph.links_of(node).items() if link.mode == "live"}
        params = {k: v for k, v in spec.params.items() if k not in files and k not in links}
        told = {p: self.link(node, link) for p, link in links.items()}
        for param, link in self.graph.links_of(node).items():
            if link.frames:
                params[param] = [one.value for one in link.frames]
        return [spec.process, spec.version, params, list(spec.region or ()), told]

    def _feeds(self, node: str) -> dict[str, Any]:
        return {
            port: [[self._known[link.node], link.port] for link in each(feed)]
            for port, feed in self.graph.feeds(node).items()
        }
