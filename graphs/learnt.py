"""LearnLinks that keep what they measured, and that measure again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from ..engine.errors import GraphError
from ..engine.graph import Link
from ..engine.links.joining import frozen_reads
from ..engine.links.references import Names
from ..engine.value_text import value_text
from .document import Graph

_LEARN = "measure.learn_link"
_PORTS = ("measures", "psf", "stars", "region")


def keep_learnt(graph: Graph, nodes: Iterable[str] | None = None, **options: Any) -> tuple[str, ...]:
    """Measure what LearnLinks measure, and let them give that from now on, on any image.

    Parameters
    ----------
    graph
        Is changed in place; as it was, where this fails.
    nodes
        Their names; default: all LearnLinks that measure anew, but for those that only frozen links read which hold a
        value for each frame of a series: such links keep all that is needed.
    options
        For `Graph.run`.

    Returns
    -------
    tuple of str
        The nodes that keep something now.

    Raises
    ------
    GraphError
        A node is no LearnLink, or it measures each frame of a series.
    """
    chosen = _chosen(graph, nodes, "relearn")
    if nodes is None:
        served = _served_by_links(graph)
        chosen = [n for n in chosen if n not in served]
    time = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    kept = {}
    if chosen:
        graph.run(chosen, provenance=False, **options)
    for node in chosen:
        told = {port: graph[node].output(port).value(**options) for port in _PORTS}
        if isinstance(told["region"], tuple):
            raise GraphError(
                f"node '{node}': it measures each of {len(told['region'])} frames of a series, so there is no one "
                "figure to be kept; freeze the parameters that follow it (each keeps a value a frame), or let it "
                "measure one image"
            )
        feed = graph.feeds(node)["image"]
        source = feed if isinstance(feed, Link) else feed[0]
        kept[node] = value_text(told | {"source": graph[source.node].output(source.port).image.key, "time": time})
    for node, text in kept.items():
        graph.set(node, "learnt", text)
        graph.set(node, "mode", "frozen")
    return tuple(kept)


def _served_by_links(graph: Graph) -> set[str]:
    """Return the nodes that nothing takes by a port, and of which frozen links keep a value for each frame."""
    names = Names(graph)
    of_frames: set[str] = set()
    live: set[str] = set()
    for (node, _), link in graph.parameter_links.items():
        if link.frames or link.mode == "live":
            (of_frames if link.frames else live).update(frozen_reads(names, node, link))
    return {n for n in of_frames - live if not graph.followers(n)}


def relearn(graph: Graph, nodes: Iterable[str] | None = None) -> tuple[str, ...]:
    """Let LearnLinks measure anew and forget what they kept; return those that had kept something.

    Raises
    ------
    GraphError
        A node is no LearnLink.
    """
    chosen = _chosen(graph, nodes, "frozen")
    for node in chosen:
        graph.set(node, "mode", "relearn")
        graph.set(node, "learnt", "")
    return tuple(chosen)


def _chosen(graph: Graph, nodes: Iterable[str] | None, mode: str) -> list[str]:
    names = list(graph) if nodes is None else list(nodes)
    for node in names if nodes is not None else ():
        if graph.spec(node).process != _LEARN:
            raise GraphError(f"node '{node}' is a {graph.spec(node).find().__name__}, not a LearnLink")
    return [n for n in names if graph.spec(n).process == _LEARN and graph.spec(n).params.get("mode", "relearn") == mode]
