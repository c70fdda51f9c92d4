"""Links of ports and of parameters as one order of things: what a link reads comes before the node it tunes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import GraphError, LinkError
from .grammar import rewritten
from .parameter import ParameterLink
from .references import Follower, Names, NodeNames, Vertex

if TYPE_CHECKING:
    from ..wiring import Wiring


@dataclass
class Joined:
    """What parameter links add to the order of a graph.

    Attributes
    ----------
    edges
        What comes before what: nodes before the parameters that read them, parameters before their nodes.
    broken
        The links that cannot be read, and why.
    read
        The nodes whose Values are read.
    """

    edges: list[tuple[Vertex, Vertex]] = field(default_factory=list)
    broken: dict[Follower, LinkError] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)


def joined(graph: Wiring) -> Joined:
    """Return what the parameter links of *graph* add to its order."""
    found = Joined()
    names = Names(graph)
    for (node, param), link in graph.parameter_links.items():
        if node not in graph:
            continue
        at = Follower(node, param)
        found.edges.append((at, node))
        if link.mode == "frozen":
            found.read |= frozen_reads(names, node, link)
            continue
        try:
            before = names.waits_for(node, link)
        except LinkError as e:
            found.broken[at] = _with_last_value(e.at(node, param), graph)
            continue
        except GraphError as e:  # its own process is not installed
            found.broken[at] = LinkError("LNK-2", str(e), node=node, param=param)
            continue
        for vertex in before:
            found.edges.append((vertex, at))
            if isinstance(vertex, str):
                found.read.add(vertex)
    return found


def _with_last_value(error: LinkError, graph: Wiring) -> LinkError:
    """Return the error of a broken link with the value it gave last, where that is known, and what can be done."""
    at = (error.node, error.param)
    params = graph.spec(error.node).params
    if at not in graph.link_values and error.param not in params:
        return error
    value = graph.link_values.get(at, params.get(error.param))
    text = repr(value)
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    cure = "; ".join(filter(None, [error.cure, "freeze it to keep that value, or link it anew"]))
    why = f"{error.why}; its last value was {shown}"
    return LinkError(error.code, why, node=error.node, param=error.param, wants=error.wants, cure=cure)


def frozen_reads(names: Names, node: str, link: ParameterLink) -> set[str]:
    """Return the nodes that a frozen link would read: they are there for it, and no ends of the graph."""
    try:
        return {v for v in names.waits_for(node, replace(link, mode="live")) if isinstance(v, str)}
    except GraphError:
        return set()


def renamed_links(graph: Wiring, node: str, name: str) -> dict[tuple[str, str], ParameterLink]:
    """Return the parameter links of *graph* as they are once *node* is called *name*."""
    names = NodeNames(graph)
    new = tuple(name.replace("-", "_").split("."))

    def change(path: tuple[str, ...]) -> tuple[str, ...]:
        found = names.found(path)
        return (*new, *path[found[1] :]) if found is not None and found[0] == node else path

    made = {}
    for (owner, param), link in graph.parameter_links.items():
        texts = [_rewritten(text, change) for text in (link.expr, link.fallback)]
        made[name if owner == node else owner, param] = replace(link, expr=texts[0], fallback=texts[1])
    return made


def _rewritten(text: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> str:
    try:
        return rewritten(text, change) if text else text
    except LinkError:  # what cannot be read names nothing
        return text


def circle_error(circle: Iterable[Vertex]) -> GraphError:
    """Return the error of a circle, which may lead through parameters; names every node in it."""
    found = list(circle)
    followers = [v for v in found if isinstance(v, Follower)]
    path = " -> ".join(str(v) for v in [*found, found[0]])
    if not followers:
        return GraphError(f"links run in a circle: {path}")
    return LinkError(
        "LNK-4", f"links run in a circle: {path}", node=followers[0].node, param=followers[0].param,
        cure="what is made of a node cannot tune that node, nor anything before it",
    )  # fmt: skip
