"""Keys of nodes as the graphs alone can tell: equal where process, parameters and all that feeds them are equal.

They stand for the keys of results (see the page on identity) as long as files stay what they are: names of nodes do
not count, nor do defaults that were written out. Being whole numbers shared by two sides they cost little, so that
graphs of ten thousand nodes are compared in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .sides import Side

Table = dict[tuple[Any, ...], int]
"""What a node is -> its key; shared by the sides that are compared."""
_NONE: Mapping[str, int] = {}


def keys(
    side: Side, table: Table, known: Mapping[str, int] = _NONE, alike: frozenset[str] = frozenset()
) -> dict[str, int]:
    """Return the key of every node, sources before what they feed.

    Nodes in a circle, and what they feed, have keys of their own by name.

    Parameters
    ----------
    known, alike
        Keys on another side, and the nodes that are written alike there.
    """
    made = _Keys(side, table, known, alike)
    found, nodes = made.found, side.nodes
    # In the order of the other side sources mostly come first already.
    for root in (*known, *nodes) if known else nodes:
        if root in found or root not in nodes:
            continue
        try:
            found[root] = made.key(root)
        except KeyError:
            made.reach(root)
    for name in side.nodes:
        if name not in made.found:
            made.found[name] = table.setdefault(("circle", name, side.settings(name)), len(table))
    return made.found


class _Keys:
    """Finds the keys of one side, without recursion: graphs may be ten thousand nodes deep."""

    def __init__(self, side: Side, table: Table, known: Mapping[str, int], alike: frozenset[str]) -> None:
        self.side, self.table, self.known, self.alike = side, table, known, alike
        self.found: dict[str, int] = {}
        self.waiting: set[str] = set()
        self.lost: set[str] = set()
        """Nodes in a circle or behind one."""

    def reach(self, root: str) -> None:
        """Find the key of *root* and of all before it that have none yet."""
        found, waiting, feeds = self.found, self.waiting, self.side.feeds
        todo = [root]
        while todo:
            name = todo[-1]
            if name in found or name in self.lost:
                todo.pop()
                continue
            try:
                found[name] = self.key(name)
            except KeyError:
                if name in waiting:
                    self.lost.add(name)
                    continue
                waiting.add(name)
                todo += [s for _, s, _ in feeds[name] if s not in found and s not in waiting and s not in self.lost]

    def key(self, name: str) -> int:
        """Return the key of a node; KeyError where one before it has none yet."""
        side, found, known = self.side, self.found, self.known
        slots = side.feeds[name]
        if name in self.alike and all([found[source] == known[source] for _, source, _ in slots]):
            return known[name]
        feeds = tuple([(port, found[source], output) for port, source, output in slots])
        return self.table.setdefault((side.own(name), feeds), len(self.table))
