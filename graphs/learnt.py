"""LearnLinks that keep what they measured, and that measure again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from ..engine.errors import GraphError
from ..engine.graph import Link
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
        Their names; default: all LearnLinks that measure anew.
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
    time = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    kept = {}
    if chosen:
        graph.run(chosen, provenance=False, **options)
    for node in chosen:
        told = {port: graph[node].output(port).value(**options) for port in _PORTS}
        if isinstance(told["region"], tuple):
            raise GraphError(
                f"node '{node}': it measures each of {len(told['region'])} frames of a series, so there is no one "
                "figure to be kept; let it measure one image"
            )
        feed = graph.feeds(node)["image"]
        source = feed if isinstance(feed, Link) else feed[0]
        kept[node] = value_text(told | {"source": graph[source.node].output(source.port).image.key, "time": time})
    for node, text in kept.items():
        graph.set(node, "learnt", text)
        graph.set(node, "mode", "frozen")
    return tuple(kept)


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
