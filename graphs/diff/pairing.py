"""Which node of one graph is which node of the other: by name, then by key, then by the shape of its neighbourhood."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from .sides import Side, Slot

# How much parameters count against feeds or followers: what a node does says more than where it stands.
_PARAMETERS = 1.2
# Evidence that is always missing, so that a candidate with more to say for it comes before one with less.
_DOUBT = 0.3
# A node that kept nothing but its feeds is still found; one that kept its parameters, but lost all neighbours, is not.
_ENOUGH = 0.38
# Unless at least this share of the parameters is kept, and more than one, or all: then the node was moved. That says
# more than one neighbour in common would, and less than all neighbours.
_KEPT = 0.5
_MOVED = 0.5
# Nodes alike in their parameters are tried against each other up to this number; beyond, neighbours must tell.
_MANY_ALIKE = 40


def pair(a: Side, b: Side, key_a: dict[str, int], key_b: dict[str, int]) -> dict[str, str]:
    """Return name in *a* -> name in *b* for all nodes found on both sides. The same graphs always pair alike."""
    made = _Pairing(a, b, key_a, key_b)
    made.by_name()
    if made.left():
        made.by_key()
        made.by_shape()
        made.replaced()
    return made.pairs


class _Pairing:
    def __init__(self, a: Side, b: Side, key_a: dict[str, int], key_b: dict[str, int]) -> None:
        self.a, self.b, self.key_a, self.key_b = a, b, key_a, key_b
        self.pairs: dict[str, str] = {}
        self.back: dict[str, str] = {}
        self._settings: dict[tuple[int, str], frozenset[Any]] = {}

    def take(self, a: str, b: str) -> None:
        self.pairs[a] = b
        self.back[b] = a

    def left(self) -> bool:
        return len(self.pairs) < min(len(self.a.nodes), len(self.b.nodes))

    def free(self, side: Side) -> list[str]:
        taken = self.pairs if side is self.a else self.back
        return [n for n in side.nodes if n not in taken]

    def by_name(self) -> None:
        theirs = self.b.nodes
        for name, node in self.a.nodes.items():
            if name in theirs and theirs[name]["process"] == node["process"]:
                self.pairs[name] = name
        self.back = dict(self.pairs)

    def by_key(self) -> None:
        """Pair what is the same and stands once on either side."""
        once_a = _once((self.key_a[n], n) for n in self.free(self.a))
        once_b = _once((self.key_b[n], n) for n in self.free(self.b))
        for key, name in once_a.items():
            if key in once_b:
                self.take(name, once_b[key])

    # -- the shape of the neighbourhood --------------------------------------------------------------

    def by_shape(self) -> None:
        """Pair the most alike first; each pair is evidence for its neighbours, which are looked at again."""
        alike = self._alike()
        heap: list[tuple[float, str, str]] = []
        for a in self.free(self.a):
            self._offer(heap, a, {*alike.get(a, ()), *self._around(a)})
        while heap:
            score, a, b = heapq.heappop(heap)
            if a in self.pairs or b in self.back:
                continue
            now = -self.likeness(a, b)
            if now != score:  # neighbours were paired meanwhile
                if -now >= _ENOUGH:
                    heapq.heappush(heap, (now, a, b))
                continue
            self.take(a, b)
            for slot in (*self.a.feeds[a], *self.a.followers[a]):
                if slot.node not in self.pairs:
                    self._offer(heap, slot.node, self._around(slot.node))

    def _offer(self, heap: list[tuple[float, str, str]], a: str, candidates: Iterable[str]) -> None:
        for b in candidates:
            score = self.likeness(a, b)
            if score >= _ENOUGH:
                heapq.heappush(heap, (-score, a, b))

    def _alike(self) -> dict[str, list[str]]:
        """Return the free nodes of *b* that share a process and parameters, or a key, with each free node of *a*."""
        found: dict[Any, list[str]] = defaultdict(list)
        for b in self.free(self.b):
            found[self.key_b[b]].append(b)
            process = self.b.nodes[b]["process"]
            for item in self.settings(self.b, b):
                found[process, item].append(b)
        made: dict[str, list[str]] = {}
        for a in self.free(self.a):
            process = self.a.nodes[a]["process"]
            same = [found.get(self.key_a[a], [])]
            same += [found.get((process, item), []) for item in self.settings(self.a, a)]
            made[a] = [b for group in same if len(group) <= _MANY_ALIKE for b in group]
        return made

    def _around(self, a: str) -> Iterator[str]:
        """Yield free nodes of *b* that stand to a paired neighbour as *a* does."""
        process = self.a.nodes[a]["process"]
        for near, far in ((self.a.feeds, self.b.followers), (self.a.followers, self.b.feeds)):
            for port, node, output in near[a]:
                other = self.pairs.get(node)
                for slot in far[other] if other is not None else ():
                    fits = slot.port == port and slot.output == output and slot.node not in self.back
                    if fits and self.b.nodes[slot.node]["process"] == process:
                        yield slot.node

    def likeness(self, a: str, b: str) -> float:
        """Return how alike two nodes of one process are, by parameters, feeds and followers; above 1 with equal keys.

        Neighbours that are not paired yet say nothing.
        """
        mine, theirs = self.settings(self.a, a), self.settings(self.b, b)
        total, weight, least = 0.0, _DOUBT, 0.0
        if mine or theirs:
            kept = len(mine & theirs)
            share = kept / len({n for n, _ in mine} | {n for n, _ in theirs})
            total += _PARAMETERS * share
            weight += _PARAMETERS
            least = _MOVED if share == 1.0 or (kept > 1 and share >= _KEPT) else 0.0
        for near, far in ((self.a.feeds, self.b.feeds), (self.a.followers, self.b.followers)):
            same = self._shared(near[a], far[b])
            if same is not None:
                total += same
                weight += 1.0
        return max(total / weight, least) + (self.key_a[a] == self.key_b[b])

    def _shared(self, near: list[Slot], far: list[Slot]) -> float | None:
        known_a = {Slot(s.port, self.pairs[s.node], s.output) for s in near if s.node in self.pairs}
        known_b = {s for s in far if s.node in self.back}
        every = len(known_a | known_b)
        return len(known_a & known_b) / every if every else None

    def settings(self, side: Side, node: str) -> frozenset[Any]:
        at = id(side), node
        if at not in self._settings:
            self._settings[at] = frozenset(side.settings(node))
        return self._settings[at]

    # -- another process in the same place -------------------------------------------------------------

    def replaced(self) -> None:
        """Pair nodes of different processes: those of one name, and those that alone take the same links."""
        for name in self.free(self.a):
            if name in self.b.nodes and name not in self.back:
                self.take(name, name)
        places: dict[Any, list[str]] = defaultdict(list)
        for b in self.free(self.b):
            places[_place(self.b, b, self.back)].append(b)
        for a in self.free(self.a):
            place = _place(self.a, a, self.pairs, self.pairs)
            if place is not None and len(places[place]) == 1:
                self.take(a, places.pop(place)[0])


def _place(side: Side, node: str, known: dict[str, str], names: dict[str, str] | None = None) -> Any:
    """Return all links of a node, where it has some on both sides and knows all its neighbours."""
    feeds, followers = side.feeds[node], side.followers[node]
    if not feeds or not followers or not all(s.node in known for s in (*feeds, *followers)):
        return None
    called = names or {s.node: s.node for s in (*feeds, *followers)}
    # Ports and outputs are named by processes, and these differ; the neighbours and their ports do not.
    return (
        frozenset((called[s.node], s.output) for s in feeds),
        frozenset((called[s.node], s.port) for s in followers),
    )


def _once(items: Iterable[tuple[int, str]]) -> dict[int, str]:
    found: dict[int, list[str]] = defaultdict(list)
    for key, name in items:
        found[key].append(name)
    return {key: names[0] for key, names in found.items() if len(names) == 1}
