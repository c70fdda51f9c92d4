"""The changes between two graphs, one by one, in the words of whoever edited them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..collector import paused
from ..document import Graph
from ..link_names import live, renamed, settled, text_of
from ..schema import Document, split_link
from .keys import Table, keys
from .pairing import pair
from .sides import Side, frozen, same_files

Kind = Literal["added", "removed", "replaced", "updated", "renamed", "retuned", "rewired", "described", "document"]
KINDS: tuple[Kind, ...] = (
    "removed", "added", "replaced", "updated", "renamed", "rewired", "retuned", "described", "document",
)  # fmt: skip
"""In the order in which they are told."""

_TOLD = frozenset(("name", "process", "version", "params", "feeds", "region", "links"))
# Layout is apart from meaning: moving a node on a canvas changes nothing.
_APART = frozenset(("format", "version", "layout"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change.

    Attributes
    ----------
    kind
        ``added`` and ``removed`` nodes; ``replaced``: another process in the same place; ``updated``: another version
        of the process; ``renamed``; ``rewired``: another feed of a port; ``retuned``: another parameter (or region);
        ``described``: another field of the node, such as notes; ``document``: a field of the whole graph.
    node
        The node as it is called after the change, before it where it was removed; empty for ``document``.
    item
        The parameter, port or field.
    before, after
        What stood there and what stands there now: a value, a node's document, or links as text.
    unit
        Of the parameter.
    was_set, is_set
        Whether the value was written in the graph; where not, it is the default, or there is none.
    """

    kind: Kind
    node: str
    item: str = ""
    before: Any = None
    after: Any = None
    unit: str = ""
    was_set: bool = True
    is_set: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All that differs between two graphs.

    Attributes
    ----------
    a, b
        The two sides.
    pairs
        Name in *a* -> name in *b* of every node found on both sides.
    changes
        The changes that lead from *a* to *b*, by kind and node.
    affected
        Nodes of *b* that were not changed themselves but give something else, since what feeds them was.
    new_results
        Nodes of *b* whose result *a* does not have: those added, changed or affected.
    outputs
        The outputs of *b* that give something else, or are new.
    moved_files
        Relative input paths written alike on both sides that name different files, as the graphs lie in two folders.
    """

    a: Side
    b: Side
    pairs: Mapping[str, str]
    changes: tuple[Change, ...]
    affected: tuple[str, ...]
    new_results: tuple[str, ...]
    outputs: tuple[str, ...]
    moved_files: int = 0

    def __bool__(self) -> bool:
        """Whether there is a difference."""
        return bool(self.changes)

    def of(self, *kinds: Kind) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if c.kind in kinds)


def diff(a: Graph | Document | Side, b: Graph | Document | Side) -> Difference:
    """Return what differs between *a* and *b*; nodes are paired by name, then key, then neighbourhood.

    Nothing but the graphs is read: no image, and no process needs to be installed.
    """
    with paused():
        return _difference(*(side if isinstance(side, Side) else Side.of(side) for side in (a, b)))


def _difference(a: Side, b: Side) -> Difference:
    moved = same_files(a, b)
    table: Table = {}
    alike = b.alike(a)
    key_a = keys(a, table)
    key_b = keys(b, table, key_a, alike)
    pairs = pair(a, b, key_a, key_b)
    back = {y: x for x, y in pairs.items()}
    found = list(_Comparison(a, b, pairs, alike).changes())
    found.sort(key=lambda c: (KINDS.index(c.kind), c.node, c.item))
    known = set(key_a.values())
    new = [n for n in key_b if key_b[n] not in known or (n in back and key_a[back[n]] != key_b[n])]
    touched = {c.node for c in found if c.kind in ("added", "replaced", "updated", "rewired", "retuned")}
    ends = [n for n in b.outputs if n not in back or key_a[back[n]] != key_b[n] or n in touched]
    return Difference(
        a=a,
        b=b,
        pairs=pairs,
        changes=tuple(found),
        affected=tuple(n for n in new if n not in touched),
        new_results=tuple(new),
        outputs=tuple(ends),
        moved_files=moved,
    )


class _Comparison:
    """Compares paired nodes field by field."""

    def __init__(self, a: Side, b: Side, pairs: Mapping[str, str], alike: frozenset[str]) -> None:
        self.a, self.b, self.pairs, self.alike = a, b, pairs, alike
        # Otherwise links that are written alike are alike.
        self.moved = len(pairs) < len(a.nodes) or any(x != y for x, y in pairs.items())
        # Images tell by what names outputs go, not where to: the paths in a graph say more than they can.
        self.free_outputs = a.digests is not None or b.digests is not None

    def changes(self) -> Iterator[Change]:
        paired = set(self.pairs.values())
        alike = self.alike if not self.moved else ()
        for name, node in self.a.nodes.items():
            if name not in self.pairs:
                yield Change(kind="removed", node=name, before=node)
            elif name not in alike:  # where no node has another name, those are paired with themselves
                yield from self._pair(node, self.b.nodes[self.pairs[name]])
        for name, node in self.b.nodes.items():
            if name not in paired:
                yield Change(kind="added", node=name, after=node)
        yield from self._document()

    def _pair(self, old: Document, new: Document) -> Iterator[Change]:
        name = new["name"]
        if name in self.alike and old["name"] == name:
            if self.moved and old.get("feeds"):
                yield from self._feeds(old, new)
            if self.moved and old.get("links"):
                yield from self._params(old, new)
            return
        if old["name"] != name:
            yield Change(kind="renamed", node=name, before=old["name"], after=name)
        if old["process"] != new["process"]:
            yield Change(kind="replaced", node=name, before=_what(old), after=_what(new))
        else:
            if old["version"] != new["version"]:
                yield Change(kind="updated", node=name, before=old["version"], after=new["version"])
            if old.get("params") or new.get("params") or old.get("links") or new.get("links"):
                yield from self._params(old, new)
            if old.get("links") or new.get("links"):
                yield from self._frozen(old, new)
        if old.get("region") != new.get("region"):
            yield Change(
                kind="retuned", node=name, item="region", before=old.get("region"), after=new.get("region"),
                unit="px", was_set="region" in old, is_set="region" in new,
            )  # fmt: skip
        if old.get("feeds") or new.get("feeds"):
            yield from self._feeds(old, new)
        for field in sorted((set(old) | set(new)) - _TOLD):
            if old.get(field) != new.get(field):
                yield Change(kind="described", node=name, item=field, before=old.get(field), after=new.get(field))

    def _params(self, old: Document, new: Document) -> Iterator[Change]:
        before, after = {**settled(old), **live(old)}, {**settled(new), **live(new)}
        specs = self.b.specs(new["name"])
        for param in sorted({*before, *after}):
            alike = self._same(old, new, param)
            # Without a default to compare with, a value that is null is still not one that is missing.
            if alike and ((param in before) == (param in after) or param in specs):
                continue
            spec = specs.get(param)
            if spec is not None and spec.file == "output" and self.free_outputs:
                continue
            yield Change(
                kind="retuned", node=new["name"], item=param, unit=spec.unit if spec else "",
                before=self.a.value(old["name"], param), after=self.b.value(new["name"], param),
                was_set=param in before, is_set=param in after,
            )  # fmt: skip

    def _same(self, old: Document, new: Document, param: str) -> bool:
        """Return whether a parameter has the same effect, or follows the same, whatever the nodes are called."""
        links = live(old), live(new)
        if param in links[0] and param in links[1]:
            return bool(self._called(links[0][param]) == links[1][param])
        if param in links[0] or param in links[1]:
            return False
        return bool(self.a.effect(old["name"], param) == self.b.effect(new["name"], param))

    def _called(self, link: Mapping[str, Any]) -> Document:
        """Return a link of *a* with nodes called as in *b*."""
        return renamed(link, self.a.names, lambda name: self.pairs.get(name, name))

    def _frozen(self, old: Document, new: Document) -> Iterator[Change]:
        """Yield what differs in links that are frozen on both sides: they only say where a value is from."""
        before, after = old.get("links", {}), new.get("links", {})
        for param in sorted({*before, *after} - {*live(old), *live(new)}):
            links = [self._called(before[param]) if param in before else None, after.get(param)]
            if links[0] != links[1]:
                texts: list[Any] = [None if link is None else text_of(link) for link in links]
                if texts[0] == texts[1]:
                    texts = [link and _how_taken(link) for link in links]
                yield Change(
                    kind="described", node=new["name"], item=f"links.{param}", before=texts[0], after=texts[1],
                    was_set=param in before, is_set=param in after,
                )  # fmt: skip

    def _feeds(self, old: Document, new: Document) -> Iterator[Change]:
        before, after = old.get("feeds", {}), new.get("feeds", {})
        for port in sorted({*before, *after}):
            if port in before and port in after and self._moved(before[port]) == after[port]:
                continue
            yield Change(
                kind="rewired", node=new["name"], item=port, before=before.get(port), after=after.get(port),
                was_set=port in before, is_set=port in after,
            )  # fmt: skip

    def _moved(self, feed: str | list[str]) -> str | list[str | None] | None:
        """Return links of *a* as they are written in *b*; None for those from nodes that are not there any more."""
        if not isinstance(feed, str):
            return [self._link(text) for text in feed]
        return self._link(feed)

    def _link(self, text: str) -> str | None:
        node, output = split_link(text)
        return f"{self.pairs[node]}.{output}" if node in self.pairs else None

    # -- the whole document ---------------------------------------------------------------------------

    def _document(self) -> Iterator[Change]:
        for field in sorted((set(self.a.rest) | set(self.b.rest)) - _APART):
            before, after = self.a.rest.get(field), self.b.rest.get(field)
            if not (_named(before) and _named(after)):
                if self._translated(field, before) != after:
                    yield Change(kind="document", node="", item=field, before=before, after=after)
                continue
            old, new = _by_name(before), _by_name(after)
            for name in sorted({*old, *new}):
                if self._translated(field, old.get(name)) != new.get(name):
                    item = f"{field}.{name}"
                    yield Change(kind="document", node="", item=item, before=old.get(name), after=new.get(name))

    def _translated(self, field: str, value: Any) -> Any:
        """Return a field of *a* with nodes called as in *b*."""
        if field == "outputs" and isinstance(value, str):
            return self.pairs.get(value)
        if isinstance(value, list):
            return [self._translated(field, v) for v in value]
        if not isinstance(value, Mapping):
            return value
        made = dict(value)
        if "node" in made:
            made["node"] = self.pairs.get(made["node"])
        if "sets" in made:
            made["sets"] = [self._link(text) for text in made["sets"]]
        return made


def _named(value: Any) -> bool:
    """Return whether *value* is a list of entries with names, such as inputs and settings; nothing is an empty one."""
    return value is None or (isinstance(value, list) and all(isinstance(v, Mapping) and "name" in v for v in value))


def _by_name(value: Iterable[Mapping[str, Any]] | None) -> dict[str, Mapping[str, Any]]:
    return {v["name"]: v for v in value or ()}


def _what(node: Document) -> Document:
    return {"process": node["process"], "version": node["version"], "params": node.get("params", {})}


def same(a: Any, b: Any) -> bool:
    """Return whether two values of documents mean the same: 1 is 1.0, but true is not 1."""
    return bool(frozen(a) == frozen(b))


def _how_taken(link: Mapping[str, Any]) -> Document | None:
    """Return how the value of a frozen link was taken, frames by their names alone."""
    taken: Document | None = link.get("taken")
    if taken is None or "frames" not in taken:
        return taken
    return {**taken, "frames": [one.get("frame", "") for one in taken["frames"]]}
