"""Opened saved graphs put together again, so that a graph is saved as it was written."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..engine.errors import GraphError
from .schema import Document, checked_document, outputs_of, split_link
from .subgraph import Opened, expanded, uses_in, with_feeds


class Folded:
    """A document with saved graphs, and the same one opened.

    Attributes
    ----------
    whole
        The document as it was written; checked.
    flat
        What `expanded` gives for it.
    """

    def __init__(self, whole: Document) -> None:
        self.whole = whole
        self.flat = expanded(whole)
        self.opened = Opened(whole)

    @property
    def uses(self) -> list[str]:
        """The nodes that stand for saved graphs."""
        return list(self.opened.copies)

    def again(self, flat: Document) -> Document:
        """Return *flat*, what became of the opened document, with saved graphs where they are still as they were.

        A use whose nodes were changed by hand is written as what it is by now: nodes. What is returned always
        means what *flat* means.
        """
        if flat == self.flat:
            return copy.deepcopy(self.whole)
        intact = {name for name in self.uses if list(_inside(flat, name)) == list(_inside(self.flat, name))}
        if not intact:
            return flat
        try:
            made = checked_document(self._folded(flat, intact))
            return made if expanded(made) == flat else flat
        except GraphError:  # something was linked to the middle of a use
            return flat

    def opened_but(self, intact: set[str]) -> Document:
        """Return the document with all saved graphs opened but the uses *intact*."""
        if intact >= set(self.uses):
            return self.whole
        return checked_document(self._folded(self.flat, intact)) if intact else self.flat

    def _folded(self, flat: Document, intact: set[str]) -> Document:
        made = dict(flat)
        made["graphs"] = self.whole["graphs"]
        outer = self.outer_links(intact)
        hidden = {n["name"] for use in intact for n in _inside(flat, use)}
        made["nodes"] = [with_feeds(n, lambda t: outer.get(t, t)) for n in flat["nodes"] if n["name"] not in hidden]
        made["nodes"] += [self._use(n, intact) for n in uses_in(self.whole) if n["name"] in intact]
        made["inputs"] = [self._input(i, intact) for i in flat.get("inputs", ())]
        made["settings"] = [self._setting(s, intact) for s in flat.get("settings", ())]
        made["outputs"] = self._outputs(flat.get("outputs", []), intact, outer)
        places = {n: at for n, at in self.whole.get("layout", {}).items() if n in intact}
        made["layout"] = {**flat.get("layout", {}), **places}
        return made

    def outer_links(self, uses: Iterable[str]) -> dict[str, str]:
        """Return what links to nodes of *uses* are called from outside, as far as they have a name there."""
        found: dict[str, str] = {}
        for use in uses:
            for port in outputs_of(self.opened.copies[use].graph):
                link = self.opened.link(f"{use}.{port}")
                if isinstance(link, str) and link.startswith(f"{use}."):
                    found.setdefault(link, f"{use}.{port}")
        return found

    def _use(self, node: Document, intact: set[str]) -> Document:
        """Return the node of a use; what it is linked to may itself be opened for good."""
        gone = set(self.uses) - intact
        return with_feeds(node, lambda t: self.opened.link(t) if split_link(t)[0] in gone else t)

    def _input(self, item: Document, intact: set[str]) -> Document:
        for use in intact:
            for name, targets in self.opened.copies[use].behind.items():
                if [(item["node"], item["param"])] == [(f"{use}.{n}", p) for n, p in targets]:
                    return {**item, "node": use, "param": name}
        return item

    def _setting(self, item: Document, intact: set[str]) -> Document:
        sets = list(item["sets"])
        for use in sorted(intact):
            behind = self.opened.copies[use].behind
            for name in sorted(behind, key=lambda n: -len(behind[n])):
                targets = [f"{use}.{n}.{p}" for n, p in behind[name] if n not in self.opened.copies[use].fed]
                if targets and set(targets) <= set(sets):
                    sets[sets.index(targets[0])] = f"{use}.{name}"
                    sets = [t for t in sets if t not in targets]
        return {**item, "sets": sets}

    def _outputs(self, given: list[Any], intact: set[str], outer: Mapping[str, str]) -> list[Any]:
        texts = [o for o in given if isinstance(o, str)]
        for use in sorted(intact):
            shown = [n for n in texts if n.startswith(f"{use}.")]
            if shown:
                texts[texts.index(shown[0])] = use
                texts = [n for n in texts if n not in shown]
        named = []
        for item in given:
            if not isinstance(item, str):
                node, port = split_link(outer.get(link := f"{item['node']}.{item['port']}", link))
                named.append({**item, "node": node, "port": port})
        return [*texts, *named]


def _inside(flat: Document, use: str) -> Iterator[Document]:
    return (n for n in flat["nodes"] if n["name"].startswith(f"{use}."))
