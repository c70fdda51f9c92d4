"""A difference names exactly the edits that were made, and leads from one graph to the other."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lerarlink.graphs.diff.changes import Change, Difference, diff
from lerarlink.graphs.schema import Document, checked_document, split_link

STABLE = tuple(f"field.stable_{i}" for i in range(4))
LEAVING = tuple(f"field.leaving_{i}" for i in range(3))
COMING = tuple(f"field.coming_{i}" for i in range(3))


def base_graph(rng: random.Random, count: int) -> Document:
    """Return a graph of processes that nobody has installed, so that every value is its own."""
    nodes = []
    for i in range(count):
        node: Document = {"name": f"n{i}", "process": rng.choice(STABLE + LEAVING), "version": 1}
        node["params"] = {p: rng.randrange(10**6) for p in "abc"}
        if i and rng.random() < 0.9:
            ports = ["image"] + (["reference"] if rng.random() < 0.4 else [])
            node["feeds"] = {port: f"n{rng.randrange(max(0, i - 12), i)}.image" for port in ports}
            if rng.random() < 0.1:
                node["feeds"]["images"] = [f"n{rng.randrange(i)}.image" for _ in range(3)]
        nodes.append(node)
    return checked({"format": "lerarlink graph", "version": 1, "nodes": nodes, "outputs": [nodes[-1]["name"]]})


def checked(document: Document) -> Document:
    return checked_document(document)


@dataclass
class Script:
    """Makes random edits, and knows by which node is which what came of them."""

    rng: random.Random
    base: Document
    nodes: dict[str, Document] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    fresh: int = 0
    gaps: set[tuple[str, str]] = field(default_factory=set)
    rewired: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.nodes = {n["name"]: copy.deepcopy(n) for n in self.base["nodes"]}
        self.origin = {n: n for n in self.nodes}

    def run(self, steps: int) -> Document:
        for _ in range(steps):
            edits = self.rename, self.retune, self.rewire, self.remove, self.add, self.insert, self.swap
            self.rng.choice(edits)()
        return checked(
            {
                "format": "lerarlink graph",
                "version": 1,
                "nodes": list(self.nodes.values()),
                "outputs": [n for n, o in self.origin.items() if o in self.base["outputs"]],
            }
        )

    def any(self, *kinds: tuple[str, ...], old: bool = True) -> str | None:
        processes = {p for kind in kinds for p in kind}
        wanted = sorted(n for n, d in self.nodes.items() if d["process"] in processes and (n in self.origin or not old))
        return self.rng.choice(wanted) if wanted else None

    def new_name(self) -> str:
        self.fresh += 1
        return f"fresh{self.fresh}"

    def number(self) -> int:
        self.fresh += 1
        return 10**7 + self.fresh

    def links(self) -> Iterator[tuple[str, str, int | None, str]]:
        for name, node in self.nodes.items():
            for port, feed in node.get("feeds", {}).items():
                if isinstance(feed, str):
                    yield name, port, None, split_link(feed)[0]
                else:
                    for i, text in enumerate(feed):
                        yield name, port, i, split_link(text)[0]

    def put(self, name: str, port: str, place: int | None, link: str) -> None:
        feeds = self.nodes[name]["feeds"]
        if place is None:
            feeds[port] = link
        else:
            feeds[port][place] = link

    def rename(self) -> None:
        old = self.any(STABLE, LEAVING)  # a node that got another process is known by its name alone
        if old is None:
            return
        new = self.new_name()
        for name, port, place, source in list(self.links()):
            if source == old:
                self.put(name, port, place, f"{new}.image")
        self.nodes[new] = {**self.nodes.pop(old), "name": new}
        self.origin[new] = self.origin.pop(old)
        for ports in (self.gaps, self.rewired):
            ports |= {(new, port) for name, port in ports if name == old}

    def retune(self) -> None:
        # Of three parameters two are left alone: a node that also got a new name stays known by them.
        if name := self.any(STABLE, LEAVING):
            self.nodes[name]["params"]["a"] = self.number()

    def rewire(self) -> None:
        if not (name := self.any(STABLE, LEAVING)):
            return
        feeds = self.nodes[name].get("feeds", {})
        ports = [p for p, f in feeds.items() if isinstance(f, str) and (name, p) not in self.gaps]
        before = [n for n in self.nodes if n in self.origin and not self.reaches(name, n)]
        if ports and before:
            port = self.rng.choice(ports)
            self.nodes[name]["feeds"][port] = f"{self.rng.choice(sorted(before))}.image"
            self.rewired.add((name, port))

    def reaches(self, source: str, node: str) -> bool:
        """Return whether *node* depends on *source*, itself included."""
        todo, seen = [node], {node}
        while todo:
            for feed in self.nodes[todo.pop()].get("feeds", {}).values():
                for text in [feed] if isinstance(feed, str) else feed:
                    if (n := split_link(text)[0]) not in seen:
                        seen.add(n)
                        todo.append(n)
        return source in seen

    def remove(self) -> None:
        if (name := self.any(LEAVING)) is None or len(self.nodes) < 3:
            return
        for node in self.nodes.values():
            feeds = node.get("feeds", {})
            for port in list(feeds):
                feed = feeds[port]
                left = [t for t in ([feed] if isinstance(feed, str) else feed) if split_link(t)[0] != name]
                if not left:
                    del feeds[port]
                    self.gaps.add((node["name"], port))
                elif not isinstance(feed, str):
                    feeds[port] = left
        del self.nodes[name], self.origin[name]

    def add(self) -> None:
        name, source = self.new_name(), self.any(STABLE, LEAVING, COMING, old=False)
        made: Document = {"name": name, "process": self.rng.choice(COMING), "version": 1}
        made["params"] = {p: self.number() for p in "abc"}
        made["feeds"] = {"image": f"{source}.image"} if source else {}
        self.nodes[name] = made

    def insert(self) -> None:
        """Put a new node into a link."""
        # Not into lists: one that lost a node and got another in its place says no more which was meant.
        ends = [k for k in self.links() if k[0] in self.origin and k[3] in self.origin]
        # Nor where something else was linked before, or the new node stands just where an old one did.
        links = sorted(k for k in ends if k[2] is None and k[:2] not in self.rewired)
        if links:
            name, port, place, source = self.rng.choice(links)
            new = self.new_name()
            made: Document = {"name": new, "process": self.rng.choice(COMING), "version": 1}
            made["params"] = {p: self.number() for p in "abc"}
            self.nodes[new] = made | {"feeds": {"image": f"{source}.image"}}
            self.put(name, port, place, f"{new}.image")

    def swap(self) -> None:
        """Put another process in the place of one that keeps its name."""
        name = self.any(LEAVING)
        if name is not None and self.origin[name] == name:
            self.nodes[name] |= {"process": self.rng.choice(COMING), "params": {p: self.number() for p in "abc"}}

    # -- what came of it ------------------------------------------------------------------------------

    def truth(self) -> set[tuple[str, str, str]]:
        old = {n["name"]: n for n in self.base["nodes"]}
        called = {o: n for n, o in self.origin.items()}
        found = {("removed", n, "") for n in old if n not in called}
        found |= {("added", n, "") for n in self.nodes if n not in self.origin}
        for name, origin in self.origin.items():
            was, now = old[origin], self.nodes[name]
            if name != origin:
                found.add(("renamed", name, ""))
            if was["process"] != now["process"]:
                found.add(("replaced", name, ""))
            else:
                found |= {("retuned", name, p) for p in was["params"] if was["params"][p] != now["params"][p]}
            before, after = was.get("feeds", {}), now.get("feeds", {})
            for port in {*before, *after}:
                if moved(before.get(port), called) != after.get(port):
                    found.add(("rewired", name, port))
        outputs = [n for n, o in self.origin.items() if o in self.base["outputs"]]
        if [called.get(n) for n in self.base["outputs"]] != outputs:
            found.add(("document", "", "outputs"))
        return found


def moved(feed: Any, called: dict[str, str]) -> Any:
    if feed is None:
        return None
    if isinstance(feed, list):
        return [moved(f, called) for f in feed]
    node, port = split_link(feed)
    return f"{called.get(node, '(gone)')}.{port}"


def told(found: Difference) -> set[tuple[str, str, str]]:
    return {(c.kind, c.node, c.item) for c in found.changes}


def applied(found: Difference, a: Document) -> Document:
    """Return *a* after the changes of *found*, made from what they say alone."""
    names = dict(found.pairs)
    nodes = {names[n["name"]]: copy.deepcopy(n) for n in a["nodes"] if n["name"] in names}
    for name, node in nodes.items():
        node["name"] = name
        node["feeds"] = {p: moved(f, names) for p, f in node.get("feeds", {}).items()}
    for c in found.changes:
        apply_one(c, nodes)
    rest = {k: v for k, v in a.items() if k != "nodes"}
    outputs = [names[n] for n in a.get("outputs", []) if n in names]
    for c in found.of("document"):
        assert c.item == "outputs"
        outputs = c.after or []
    return checked({**rest, "nodes": list(nodes.values()), "outputs": outputs})


def apply_one(c: Change, nodes: dict[str, Document]) -> None:
    if c.kind == "added":
        nodes[c.node] = copy.deepcopy(c.after)
    elif c.kind == "replaced":
        nodes[c.node] |= copy.deepcopy(c.after)
    elif c.kind in ("retuned", "rewired"):
        where = nodes[c.node].setdefault("params" if c.kind == "retuned" else "feeds", {})
        where.pop(c.item, None)
        if c.is_set:
            where[c.item] = c.after
    elif c.kind == "updated":
        nodes[c.node]["version"] = c.after


@given(st.integers(1, 200), st.integers(1, 20), st.integers(0, 2**32))
@settings(deadline=None, max_examples=80)
def test_the_changes_are_exactly_the_edits_that_were_made(count: int, steps: int, seed: int) -> None:
    rng = random.Random(seed)
    script = Script(rng, base_graph(rng, count))
    after = script.run(steps)
    found = diff(script.base, after)
    assert told(found) == script.truth()
    assert applied(found, script.base) == after
    assert bool(found) == bool(script.truth())


def renamed_graph(document: Document, called: dict[str, str]) -> Document:
    nodes = []
    for node in document["nodes"]:
        feeds = {p: moved(f, called) for p, f in node.get("feeds", {}).items()}
        nodes.append({**node, "name": called[node["name"]], "feeds": feeds})
    outputs = [called[n] for n in document.get("outputs", [])]
    return checked({**document, "nodes": nodes, "outputs": outputs})


@given(st.integers(1, 200), st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_names_alone_change_no_result(count: int, seed: int) -> None:
    rng = random.Random(seed)
    base = base_graph(rng, count)
    some = {n["name"]: f"other{i}" if rng.random() < 0.7 else n["name"] for i, n in enumerate(base["nodes"])}
    found = diff(base, renamed_graph(base, some))
    assert {(c.before, c.after) for c in found.changes} == {(a, b) for a, b in some.items() if a != b}
    assert (found.affected, found.new_results, found.outputs) == ((), (), ())


@given(st.integers(2, 60), st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_new_names_are_seen_through_by_shape_where_all_results_are_new(count: int, seed: int) -> None:
    """Processes without parameters in a chain with branches: only links tell which node is which."""
    rng = random.Random(seed)
    nodes: list[Document] = [{"name": "n0", "process": "field.read", "version": 1, "params": {"path": "a"}}]
    for i in range(1, count):
        # No two nodes are fed alike, or they could not be told apart by anybody.
        feeds = {"image": f"n{i - 1}.image"}
        if i > 1 and rng.random() < 0.3:
            feeds["reference"] = f"n{rng.randrange(i - 1)}.image"
        nodes.append({"name": f"n{i}", "process": rng.choice(STABLE), "version": 1, "feeds": feeds})
    base = checked({"format": "lerarlink graph", "version": 1, "nodes": nodes})
    called = {f"n{i}": f"m{i}" for i in range(1, count)} | {"n0": "n0"}
    after = renamed_graph(base, called)
    source = next(n for n in after["nodes"] if n["name"] == "n0")
    source["params"] = {"path": "b"}
    found = diff(base, after)
    assert told(found) == {("renamed", f"m{i}", "") for i in range(1, count)} | {("retuned", "n0", "path")}
    assert set(found.affected) == {f"m{i}" for i in range(1, count)}


@st.composite
def any_graph(draw: Any) -> Document:
    """Return a graph in which everything may look like everything else."""
    count = draw(st.integers(0, 6))
    names = draw(st.permutations("abcdefgh"))[:count]
    nodes = []
    for i, name in enumerate(names):
        node: Document = {
            "name": name,
            "process": draw(st.sampled_from(["p.x", "p.y"])),
            "version": draw(st.integers(1, 2)),
        }
        node["params"] = draw(
            st.dictionaries(st.sampled_from("uv"), st.sampled_from([None, 0, 1.0, "1", [1]]), max_size=2)
        )
        links = st.sampled_from([f"{n}.{port}" for n in names[:i] for port in ("image", "mask")]) if i else st.nothing()
        if i:
            node["feeds"] = draw(
                st.dictionaries(st.sampled_from(["in", "on"]), links | st.lists(links, min_size=1, max_size=2))
            )
        nodes.append(node)
    outputs = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    return checked({"format": "lerarlink graph", "version": 1, "nodes": nodes, "outputs": outputs})


@given(any_graph(), any_graph())
@settings(deadline=None, max_examples=100)
def test_changes_lead_from_any_graph_to_any_other(a: Document, b: Document) -> None:
    found = diff(a, b)
    assert applied(found, a) == b
    assert bool(found) == (a != b)
    assert not diff(a, a).changes
    assert not diff(b, copy.deepcopy(b)).affected
