"""Two changed versions of a graph brought together, field by field, by what both were made of.

Nodes are found again as a comparison finds them (see `diff.pairing`), so renaming a node on one side and changing
it on the other go together. What both sides changed in different ways is a conflict, named to the parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from ..engine.errors import GraphError
from . import walk
from .diff.changes import same
from .diff.keys import Table, keys
from .diff.pairing import pair
from .diff.sides import Side
from .diff.text import value as told
from .document import Graph
from .merge_fields import Feed, Fields, Rest, Tuned, Uid, flat_fields, merged_lists, rest_written, written
from .merge_saved import opened_alike, saved, standalone
from .schema import SAVED, Document, checked_document

Prefer = Literal["", "ours", "theirs"]
UNSET: Final = type("Unset", (), {})()
"""Stands where a side has no such field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Something that both sides changed, each in its way.

    Attributes
    ----------
    graph
        The saved graph that it lies in, ``stack`` or ``stack/inner``; empty for the graph itself.
    node
        The node, as ours calls it (theirs or base, where ours has none); empty for what concerns the whole graph.
    item
        Parameter, port or field: ``params.midtones``, ``feeds.image``, ``name``, ``removed``.
    base, ours, theirs
        What stands there.
    text
        A sentence.
    """

    node: str
    item: str
    base: Any
    ours: Any
    theirs: Any
    text: str
    graph: str = ""

    def within(self, graph: str) -> Conflict:
        """Return the same conflict as it looks from a graph in which *graph* is saved."""
        path = f"{graph}/{self.graph}" if self.graph else graph
        return replace(self, graph=path, text=f"graph '{graph}', {self.text}")


@dataclass(frozen=True, slots=True)
class Merged:
    """The outcome of a merge: *document* is None where *conflicts* are left."""

    document: Document | None
    conflicts: tuple[Conflict, ...]


def merge(base: Graph | Document, ours: Graph | Document, theirs: Graph | Document, prefer: Prefer = "") -> Merged:
    """Return *ours* with what *theirs* changed since *base*.

    Paths are compared as they are written. A saved graph that is used as a node stays one; what both sides changed in
    it is merged in the same way. Only where one side has opened such a node it is opened in all.

    Parameters
    ----------
    prefer
        Whose word counts where both changed one thing. Links to nodes that are gone, names that two nodes share and
        circles remain conflicts.
    """
    sides = [s.to_document() if isinstance(s, Graph) else s for s in (base, ours, theirs)]
    return _Merge([Side.unopened(s) for s in opened_alike(sides)], prefer).merged()


class _Merge:
    def __init__(self, sides: list[Side], prefer: Prefer) -> None:
        self.base, self.ours, self.theirs = sides
        self.prefer = prefer
        self.conflicts: list[Conflict] = []
        self.uids = self._uids()
        self.names = [{uid: name for name, uid in of.items()} for of in self.uids]

    def _uids(self) -> list[dict[str, Uid]]:
        """Return name -> node of each side."""
        table: Table = {}
        at = [keys(side, table) for side in (self.base, self.ours, self.theirs)]
        found = [{n: ("base", n) for n in self.base.nodes}]
        for side, key, title in ((self.ours, at[1], "ours"), (self.theirs, at[2], "theirs")):
            back = {b: a for a, b in pair(self.base, side, at[0], key).items()}
            found.append({n: ("base", back[n]) if n in back else (title, n) for n in side.nodes})
        for name, uid in found[2].items():
            # A node that both added under one name is one node.
            twins = uid[0] == "theirs" and found[1].get(name) == ("ours", name)
            if twins and self.ours.nodes[name]["process"] == self.theirs.nodes[name]["process"]:
                found[2][name] = ("ours", name)
        return found

    def merged(self) -> Merged:
        sides = (self.base, self.ours, self.theirs)
        states = [flat_fields(side, uids) for side, uids in zip(sides, self.uids, strict=True)]
        order = dict.fromkeys(uid for of in (states[1], states[0], states[2]) for uid in of)
        nodes: dict[Uid, Fields] = {}
        for uid in order:
            made = self._node(uid, *(of.get(uid) for of in states))
            if made is not None:
                nodes[uid] = made
        self._check_links(nodes)
        self._check_names(nodes)
        rest = self._rest(nodes)
        if self.conflicts:
            return Merged(None, tuple(self.conflicts))
        document = self._checked({**rest, "nodes": [written(f, nodes) for f in nodes.values()]})
        return Merged(None if self.conflicts else document, tuple(self.conflicts))

    # -- nodes ------------------------------------------------------------------------------------

    def _node(self, uid: Uid, base: Fields | None, ours: Fields | None, theirs: Fields | None) -> Fields | None:
        if base is None and ours is not None and theirs is not None:
            base = {}
        if base is None:
            return ours or theirs
        if ours is None or theirs is None:
            return self._removed(uid, base, ours, theirs)
        made: Fields = {}
        fields = dict.fromkeys([*ours, *base, *theirs])
        if base and not ours["process"] == base["process"] == theirs["process"]:
            block = [f for f in fields if f in ("process", "version") or f.startswith("params.")]
            fields = {f: None for f in fields if f not in block}
            parts = [{f: s[f] for f in block if f in s} for s in (base, ours, theirs)]
            made |= self._settled(uid, "process", *parts)
        for item in fields:
            values = [s.get(item, UNSET) for s in (base, ours, theirs)]
            if (found := self._settled(uid, item, *values)) is not UNSET:
                made[item] = found
        return made

    def _removed(self, uid: Uid, base: Fields, ours: Fields | None, theirs: Fields | None) -> Fields | None:
        """Settle a node that one side took away (or both)."""
        kept = ours or theirs
        if kept is None:
            return None
        changed = [f for f in {*base, *kept} if f != "name" and not same(base.get(f, UNSET), kept.get(f, UNSET))]
        if not changed:
            return None
        keeper, remover = ("ours", "theirs") if ours else ("theirs", "ours")
        if self.prefer:
            return kept if self.prefer == keeper else None
        what = ", ".join(sorted(changed))
        text = f"removed by {remover}, changed by {keeper} ({what})"
        states = ("there", "changed" if ours else "removed", "changed" if theirs else "removed")
        self._conflict(uid, "removed", states, text)
        return kept

    def _settled(self, uid: Uid, item: str, base: Any, ours: Any, theirs: Any) -> Any:
        if same(ours, theirs) or same(theirs, base):
            return ours
        if same(ours, base):
            return theirs
        if item.startswith("feeds.") and (entries := merged_lists(base, ours, theirs)) is not None:
            return entries
        if self.prefer:
            return theirs if self.prefer == "theirs" else ours
        texts = [self._told(v) for v in (base, ours, theirs)]
        self._conflict(uid, item, texts, f"{item}: base {texts[0]}, ours {texts[1]}, theirs {texts[2]}")
        return ours

    def _told(self, value: Any) -> Any:
        """Return a value for people: links by the names of nodes."""
        if value is UNSET:
            return "not set"
        if isinstance(value, dict):
            return f"{value.get('process')} ({', '.join(f'{k[7:]}: {told(v)}' for k, v in value.items() if '.' in k)})"
        if isinstance(value, Feed | Tuned):
            return str(value)
        if isinstance(value, list) and value and isinstance(value[0], Feed):
            return f"[{', '.join(map(str, value))}]"
        return told(value)

    @staticmethod
    def _nodes(value: Document | None) -> str:
        return "none" if value is None else f"{len(value['nodes'])} nodes"

    def _conflict(self, uid: Uid, item: str, values: Iterable[Any], text: str) -> None:
        base, ours, theirs = values
        node = self._called(uid)
        text = f"node '{node}', {text}"
        self.conflicts.append(Conflict(node=node, item=item, base=base, ours=ours, theirs=theirs, text=text))

    def _called(self, uid: Uid) -> str:
        return next(of[uid] for of in (self.names[1], self.names[2], self.names[0]) if uid in of)

    # -- what holds the nodes together ----------------------------------------------------------------

    def _check_links(self, nodes: Mapping[Uid, Fields]) -> None:
        for uid, fields in nodes.items():
            for item, value in fields.items():
                read = value.uids if isinstance(value, Tuned) else ()
                if item.startswith("feeds."):
                    read = tuple(link.uid for link in (value if isinstance(value, list) else [value]))
                for other in read:
                    if other not in nodes:
                        text = f"{item}: linked to '{self._called(other)}' by one side, which the other removed"
                        self._conflict(uid, item, ("", str(value), "removed"), text)

    def _check_names(self, nodes: Mapping[Uid, Fields]) -> None:
        seen: dict[str, Uid] = {}
        for uid, fields in nodes.items():
            other = seen.setdefault(fields["name"], uid)
            if other != uid:
                texts = [f"{'a node of' if u[0] == 'base' else 'new in'} {u[0]}" for u in (other, uid)]
                text = f"name: two nodes are called '{fields['name']}': {texts[0]}, {texts[1]}"
                self._conflict(uid, "name", ("", *texts), text)

    def _checked(self, made: Document) -> Document:
        try:
            document = checked_document(made)
            self._check_circles(document)
        except GraphError as e:
            # Saved graphs and what uses them may not fit together any more, though neither side sees why.
            if "graphs" not in made and not any(n["process"].startswith(SAVED) for n in made["nodes"]):
                raise
            text = f"once both sides are in: {e}"
            self.conflicts.append(Conflict(node="", item="graphs", base="", ours="", theirs="", text=text))
            return made
        return document

    def _check_circles(self, document: Document) -> None:
        feeds = Side.of(document).feeds
        for circle in walk.circles({n: tuple(dict.fromkeys(s.node for s in slots)) for n, slots in feeds.items()}):
            path = " -> ".join([*circle, circle[0]])
            text = f"links run in a circle once both sides are in: {path}"
            self.conflicts.append(Conflict(node=circle[0], item="feeds", base="", ours="", theirs="", text=text))

    # -- the rest of the document ---------------------------------------------------------------------

    def _rest(self, nodes: Mapping[Uid, Fields]) -> Document:
        sides = self.base.rest, self.ours.rest, self.theirs.rest
        made: Document = {}
        for item in dict.fromkeys(f for rest in sides for f in rest):
            if item == "graphs":
                made[item] = self._graphs([{g["name"]: g for g in rest.get(item, ())} for rest in sides])
                continue
            values = [Rest(rest.get(item), uids).plain(item) for rest, uids in zip(sides, self.uids, strict=True)]
            if any(isinstance(v, dict) for v in values):
                found = self._entries(item, [v if isinstance(v, dict) else {} for v in values])
            else:
                found = self._whole(item, *values)
            if (kept := rest_written(item, found, nodes)) is not None:
                made[item] = kept
        return made

    def _graphs(self, sides: list[dict[str, Document]]) -> list[Document]:
        """Return the graphs saved in this one, each merged by itself."""
        base, ours, theirs = sides
        made = (self._graph(n, base.get(n), ours.get(n), theirs.get(n)) for n in dict.fromkeys((*ours, *base, *theirs)))
        return [g for g in made if g is not None]

    def _graph(self, name: str, base: Document | None, ours: Document | None, theirs: Document | None) -> Any:
        if ours is None or theirs is None or same(ours, theirs) or same(base, ours) or same(base, theirs):
            return self._whole(f"graphs.{name}", base, ours, theirs)
        found = merge(standalone(base), standalone(ours), standalone(theirs), self.prefer)
        self.conflicts += [c.within(name) for c in found.conflicts]
        return ours if found.document is None else saved(name, found.document)

    def _entries(self, item: str, values: list[dict[str, Any]]) -> dict[str, Any]:
        made = {}
        for name in dict.fromkeys(n for v in (values[1], values[0], values[2]) for n in v):
            found = self._whole(f"{item}.{name}" if isinstance(name, str) else item, *(v.get(name) for v in values))
            if found is not None:
                made[name] = found
        return made

    def _whole(self, item: str, base: Any, ours: Any, theirs: Any) -> Any:
        if same(ours, theirs) or same(theirs, base):
            return ours
        if same(ours, base):
            return theirs
        if item == "outputs" and (entries := merged_lists(base or [], ours or [], theirs or [])) is not None:
            return entries
        # Where nodes stand on a canvas is no quarrel.
        if self.prefer or item == "layout":
            return theirs if self.prefer == "theirs" else ours
        texts = [self._nodes(v) if item.startswith("graphs.") else told(v) for v in (base, ours, theirs)]
        text = f"the graph, {item}: base {texts[0]}, ours {texts[1]}, theirs {texts[2]}"
        self.conflicts.append(Conflict(node="", item=item, base=base, ours=ours, theirs=theirs, text=text))
        return ours
