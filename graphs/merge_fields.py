"""Graph documents with nodes in place of their names, as a merge handles them: there and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.links.references import NodeNames
from .diff.sides import Side, plain
from .link_names import frames_of, named_in, renamed, text_of, texts
from .schema import Document, split_link

Uid = tuple[str, str]
"""A node whatever it is called: the side that first had it, and its name there."""
Fields = dict[str, Any]
"""A node as flat fields: ``name``, ``process``, ``params.midtones``, ``feeds.image`` and so on."""

_OWN = frozenset(("name", "params", "feeds", "links"))


@dataclass(frozen=True, slots=True)
class Feed:
    """A link by node rather than by name."""

    uid: Uid
    port: str

    def __str__(self) -> str:
        return f"{self.uid[1]}.{self.port}"


@dataclass(frozen=True, slots=True)
class Tuned:
    """A parameter that has a link: the link, with nodes in place of their names, and the value beside it.

    Attributes
    ----------
    link
        Its fields as pairs, nodes called ``node_0``, ``node_1`` ...
    uids
        The nodes that these stand for; None for what names no node.
    text
        The link as people write it.
    value
        In a tuple of one; empty for none. What stands beside a live link, or one that holds a value for each frame,
        says nothing and is left out.
    """

    link: tuple[tuple[str, Any], ...]
    uids: tuple[Uid, ...]
    text: str
    value: tuple[Any, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tuned) and (self.link, self.uids, self.value) == (other.link, other.uids, other.value)

    def __hash__(self) -> int:
        return hash((self.link, self.uids))

    def __str__(self) -> str:
        return self.text if not self.value else f"{self.value[0]!r} ({self.text})"


def tuned(param: str, node: Document, side: Side, uids: Mapping[str, Uid]) -> Tuned:
    """Return a linked parameter of a node's document."""
    link = node["links"][param]
    read = list(dict.fromkeys(at.node for at in named_in(param, texts(link), side.names)))
    made = renamed(link, side.names, lambda name: f"node_{read.index(name)}")
    told = node.get("params", {})
    held = link.get("mode") == "frozen" and not frames_of(link)
    value = (_hashed_value(told[param]),) if held and param in told else ()
    fields = tuple((k, _hashed(v)) for k, v in sorted(made.items()))
    return Tuned(fields, tuple(uids[n] for n in read), text_of(link), value)


def _tuned_written(found: Tuned, called: Mapping[Uid, str]) -> Document:
    """Return the document of a link, its nodes by the names that they have now, or had where they are gone."""
    made = {k: _plain(v) for k, v in found.link}
    names = NodeNames(f"node_{i}" for i in range(len(found.uids)))
    return renamed(made, names, lambda name: called.get(uid := found.uids[int(name[5:])], uid[1]))


def _hashed_value(value: Any) -> Any:
    return tuple(map(_hashed_value, value)) if isinstance(value, list) else value


class _Mapping(tuple[tuple[str, Any], ...]):
    """A mapping as its pairs, which can be hashed."""


def _hashed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _Mapping((k, _hashed(v)) for k, v in value.items())
    return tuple(map(_hashed, value)) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    if isinstance(value, _Mapping):
        return {k: _plain(v) for k, v in value}
    return list(map(_plain, value)) if isinstance(value, tuple) else value


def flat_fields(side: Side, uids: Mapping[str, Uid]) -> dict[Uid, Fields]:
    """Return the nodes of a side as flat fields, their links by node rather than by name."""
    found = {}
    for name, node in side.nodes.items():
        made: Fields = {k: v for k, v in node.items() if k not in _OWN}
        made["name"] = name
        made |= {f"params.{k}": v for k, v in node.get("params", {}).items()}
        made |= {f"params.{k}": tuned(k, node, side, uids) for k in node.get("links", {})}
        made |= {f"feeds.{port}": by_uid(feed, uids) for port, feed in node.get("feeds", {}).items()}
        found[uids[name]] = made
    return found


def by_uid(feed: str | list[str], uids: Mapping[str, Uid]) -> Feed | list[Feed]:
    if not isinstance(feed, str):
        return [one_feed(text, uids) for text in feed]
    return one_feed(feed, uids)


def one_feed(text: str, uids: Mapping[str, Uid]) -> Feed:
    node, port = split_link(text)
    return Feed(uids[node], port)


def merged_lists(base: Any, ours: Any, theirs: Any) -> list[Any] | None:
    """Return lists with the entries that either side added or took away; None where that does not tell it all."""
    if not all(isinstance(v, list) for v in (base, ours, theirs)):
        return None
    if any(len(set(v)) < len(v) for v in (base, ours, theirs)):
        return None
    for side in (ours, theirs):
        if [x for x in base if x in side] != [x for x in side if x in base]:
            return None  # put into another order
    return [x for x in ours if x in theirs or x not in base] + [x for x in theirs if x not in base and x not in ours]


def written(fields: Fields, nodes: Mapping[Uid, Fields]) -> Document:
    """Return a node's document, its links by the names that nodes have now."""
    made: Document = {"params": {}, "feeds": {}, "links": {}}
    for item, value in fields.items():
        head, dot, name = item.partition(".")
        if head == "feeds" and dot:
            links = [f"{nodes[f.uid]['name']}.{f.port}" for f in (value if isinstance(value, list) else [value])]
            if links:
                made["feeds"][name] = links if isinstance(value, list) else links[0]
        elif isinstance(value, Tuned):
            made["links"][name] = _tuned_written(value, {uid: of["name"] for uid, of in nodes.items()})
            if value.value:
                made["params"][name] = plain(value.value[0])
        elif head == "params" and dot:
            made["params"][name] = value
        else:
            made[item] = value
    return made


@dataclass(frozen=True, slots=True)
class Rest:
    """A field of the whole document, with nodes in place of their names."""

    value: Any
    uids: Mapping[str, Uid]

    def plain(self, item: str) -> Any:
        value = self.value
        if item == "outputs" and isinstance(value, list):
            return [self.uids[o] if isinstance(o, str) else self._output(o) for o in value]
        if item == "layout" and isinstance(value, Mapping):
            return {self.uids[n]: at for n, at in value.items()}
        if isinstance(value, list) and value and all(isinstance(v, Mapping) and "name" in v for v in value):
            return {v["name"]: self._entry(v) for v in value}
        return value

    def _output(self, entry: Mapping[str, Any]) -> tuple[str, Uid, str, str]:
        return entry["name"], self.uids[entry["node"]], entry["port"], entry.get("doc", "")

    def _entry(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        made = dict(entry)
        if "node" in made:
            made["node"] = self.uids[made["node"]]
        if "sets" in made:
            made["sets"] = [one_feed(text, self.uids) for text in made["sets"]]
        return made


def rest_written(item: str, value: Any, nodes: Mapping[Uid, Fields]) -> Any:
    """Return a field of the document with names again; what is about nodes that are gone is left out."""
    if item == "outputs" and isinstance(value, list) and all(isinstance(v, tuple) for v in value):
        return [found for entry in value if (found := _output_written(entry, nodes)) is not None]
    if item == "layout" and isinstance(value, Mapping):
        return {nodes[uid]["name"]: at for uid, at in value.items() if uid in nodes}
    if not isinstance(value, dict) or not all(isinstance(v, dict) and "name" in v for v in value.values()):
        return value
    return [e for v in value.values() if (e := _entry_written(v, nodes)) is not None]


def _output_written(entry: tuple[Any, ...], nodes: Mapping[Uid, Fields]) -> Any:
    """Return one output as it is written: a node's name, or an entry with a name of its own."""
    if len(entry) == 2:
        return nodes[entry]["name"] if entry in nodes else None
    name, uid, port, doc = entry
    return {"name": name, "node": nodes[uid]["name"], "port": port, "doc": doc} if uid in nodes else None


def _entry_written(entry: Mapping[str, Any], nodes: Mapping[Uid, Fields]) -> dict[str, Any] | None:
    made = dict(entry)
    if "node" in made:
        if made["node"] not in nodes:
            return None
        made["node"] = nodes[made["node"]]["name"]
    if "sets" in made:
        made["sets"] = [f"{nodes[f.uid]['name']}.{f.port}" for f in made["sets"] if f.uid in nodes]
        if not made["sets"]:
            return None
    return made
