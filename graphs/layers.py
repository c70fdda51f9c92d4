"""Where nodes stand in a drawing: in layers, sources above what they feed, with few crossings.

Sugiyama's method in its plain form: longest paths give the layers, links over several layers are broken by
bends, and the order within layers follows the mean place of neighbours (the barycentre) in a few sweeps.
The same graph always gives the same drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ..engine.graph import Graph
from . import walk

_SWEEPS = 8
# A link over more layers than this many in all would cost more than a drawing is worth.
MAX_BENDS = 50_000


@dataclass(eq=False, slots=True)
class Place:
    """A node in its layer, or a bend of a link that passes through (then *node* is its source)."""

    node: str
    layer: int
    bend: bool = False
    above: list[Place] = field(default_factory=list)
    below: list[Place] = field(default_factory=list)


def layered(graph: Graph) -> list[list[str]]:
    """Return the names of the nodes layer by layer, from left to right."""
    return [[p.node for p in layer if not p.bend] for layer in places(graph)]


def places(graph: Graph) -> list[list[Place]]:
    """Return all places layer by layer, from left to right. Links join neighbouring layers only.

    Several links between two nodes are one; links that run backward in a circle are left out.
    """
    sources = walk.sources_and_read(graph)
    order = walk.sources_first(sources)
    layer_of = _layers(sources, order)
    depth = 1 + max(layer_of.values(), default=-1)
    made: list[list[Place]] = [[] for _ in range(depth)]
    at = {}
    for node in order:
        at[node] = Place(node, layer_of[node])
        made[layer_of[node]].append(at[node])
    _join(sources, order, at, made)
    _untangle(made)
    return made


def _layers(sources: walk.Sources, order: Sequence[str]) -> dict[str, int]:
    """Return the length of the longest path to each node; sources move down next to what they feed."""
    place = {n: i for i, n in enumerate(order)}
    found: dict[str, int] = {}
    for node in order:
        found[node] = 1 + max((found[s] for s in sources[node] if place[s] < place[node]), default=-1)
    followers = walk.inverted(sources)
    for node in order:
        after = [found[f] for f in followers[node] if place[f] > place[node]]
        if not sources[node] and after:
            found[node] = min(after) - 1
    return found


def _join(
    sources: walk.Sources, order: Sequence[str], at: dict[str, Place], made: list[list[Place]]
) -> None:
    """Link places to their neighbours, through bends where a link passes layers; links of one node share bends."""
    bends: dict[tuple[str, int], Place] = {}
    for node in order:
        for source in sources[node]:
            upper, lower = at[source], at[node]
            if upper.layer >= lower.layer:
                continue  # backward, in a circle
            for layer in range(upper.layer + 1, lower.layer):
                bend = bends.get((source, layer))
                if bend is None and len(bends) < MAX_BENDS:
                    bend = bends[source, layer] = Place(source, layer, bend=True)
                    made[layer].append(bend)
                    _link(upper, bend)
                upper = bend or upper
            _link(upper, lower)


def _link(upper: Place, lower: Place) -> None:
    upper.below.append(lower)
    lower.above.append(upper)


def _untangle(made: list[list[Place]]) -> None:
    """Order each layer by the barycentre of its neighbours, downward and upward in turn; keep the best order."""
    best, fewest = [list(layer) for layer in made], crossings(made)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        for layer in made[1:] if down else made[-2::-1]:
            index = _positions(made, layer[0].layer + (-1 if down else 1))
            weights = {id(p): _barycentre(p.above if down else p.below, index) for p in layer}
            _reorder(layer, weights)
        if (n := crossings(made)) < fewest:
            best, fewest = [list(layer) for layer in made], n
    made[:] = best


def _positions(made: list[list[Place]], layer: int) -> dict[int, int]:
    return {id(p): i for i, p in enumerate(made[layer])}


def _barycentre(neighbours: list[Place], index: dict[int, int]) -> float | None:
    found = [index[id(p)] for p in neighbours if id(p) in index]
    return sum(found) / len(found) if found else None


def _reorder(layer: list[Place], weights: dict[int, float | None]) -> None:
    """Sort the places that have neighbours; those that have none keep their seats."""
    seats = [i for i, p in enumerate(layer) if weights[id(p)] is not None]
    moved = sorted((layer[i] for i in seats), key=lambda p: weights[id(p)] or 0.0)
    for i, place in zip(seats, moved, strict=True):
        layer[i] = place


def crossings(made: list[list[Place]]) -> int:
    """Return how many pairs of links cross."""
    total = 0
    for upper, lower in pairwise(made):
        index = {id(p): i for i, p in enumerate(lower)}
        ends = [j for p in upper for j in sorted(index[id(q)] for q in p.below if id(q) in index)]
        total += _inversions(ends, len(lower))
    return total


def _inversions(ends: list[int], size: int) -> int:
    """Return the pairs out of order, counted with a tree of partial sums (Fenwick 1994)."""
    tree = [0] * (size + 1)
    total = 0
    for seen, end in enumerate(ends):
        i, below = end + 1, 0
        while i:
            below += tree[i]
            i &= i - 1
        total += seen - below
        i = end + 1
        while i <= size:
            tree[i] += 1
            i += i & -i
    return total
