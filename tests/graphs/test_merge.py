"""A merge is what one gets by making both sides' edits, and names what both changed."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lerarlink.graphs.merge import merge
from lerarlink.graphs.schema import Document, checked_document, split_link

Edit = Callable[["Plan"], None]


class Plan:
    """A graph under edits: nodes keep their first name as identity, whatever they are called."""

    def __init__(self, document: Document) -> None:
        self.nodes = {n["name"]: copy.deepcopy(n) for n in document["nodes"]}
        self.rest = {k: v for k, v in document.items() if k != "nodes"}

    def document(self) -> Document:
        called = {uid: n["name"] for uid, n in self.nodes.items()}
        nodes = []
        for node in self.nodes.values():
            feeds = {p: renamed(f, called) for p, f in node.get("feeds", {}).items()}
            nodes.append({**node, "feeds": feeds})
        outputs = [called[n] for n in self.rest.get("outputs", []) if n in called]
        return checked_document({**self.rest, "nodes": nodes, "outputs": outputs})


def renamed(feed: Any, called: dict[str, str]) -> Any:
    if isinstance(feed, list):
        return [renamed(f, called) for f in feed]
    node, port = split_link(feed)
    return f"{called[node]}.{port}"


def base_graph(rng: random.Random, count: int) -> Document:
    nodes = []
    for i in range(count):
        node: Document = {"name": f"n{i}", "process": f"field.p{rng.randrange(4)}", "version": 1}
        node["params"] = {p: rng.randrange(10**6) for p in "abc"}
        if i:
            node["feeds"] = {port: f"n{rng.randrange(max(0, i - 9), i)}.image" for port in ("image", "reference")}
        nodes.append(node)
    return checked_document(
        {"format": "lerarlink graph", "version": 1, "nodes": nodes, "outputs": [f"n{count - 1}"], "doc": "a graph"}
    )


def retune(uid: str, param: str, value: int) -> Edit:
    return lambda plan: plan.nodes[uid]["params"].__setitem__(param, value)


def rename(uid: str, name: str) -> Edit:
    return lambda plan: plan.nodes[uid].__setitem__("name", name)


def rewire(uid: str, port: str, source: str) -> Edit:
    return lambda plan: plan.nodes[uid].setdefault("feeds", {}).__setitem__(port, f"{source}.image")


def insert(name: str, uid: str, port: str, value: int) -> Edit:
    """Put a new node into the link that goes into a port."""

    def edit(plan: Plan) -> None:
        feed = plan.nodes[uid]["feeds"][port]
        made = {"name": name, "process": "field.new", "version": 1, "params": {"a": value}}
        plan.nodes[name] = {**made, "feeds": {"image": feed}}
        plan.nodes[uid]["feeds"][port] = f"{name}.image"

    return edit


def remove(uid: str) -> Edit:
    return lambda plan: plan.nodes.__delitem__(uid) if uid in plan.nodes else None


def scripts(rng: random.Random, count: int) -> tuple[list[Edit], list[Edit]]:
    """Return the edits of two people who do not touch the same name, parameter, link or node that goes."""
    sides: tuple[list[Edit], list[Edit]] = [], []
    leaving = {i for i in range(count // 2, count) if rng.random() < 0.1}
    for i in range(count):
        if i in leaving:
            continue
        uid = f"n{i}"
        if rng.random() < 0.3:
            rng.choice(sides).append(rename(uid, f"called{i}"))
        if rng.random() < 0.3:
            rng.choice(sides).append(retune(uid, "a", 10**7 + i))
        elif rng.random() < 0.3:
            rng.choice(sides).append(retune(uid, "b", 10**7 + i))
        if i and rng.random() < 0.3:
            before = [j for j in range(i) if j not in leaving]
            if before:
                rng.choice(sides).append(rewire(uid, "image", f"n{rng.choice(before)}"))
        elif i and rng.random() < 0.2:
            rng.choice(sides).append(insert(f"new{i}", uid, "image", i))
    return sides


@given(st.integers(2, 200), st.integers(0, 2**32))
@settings(deadline=None, max_examples=80)
def test_edits_that_do_not_meet_are_all_in_the_merge(count: int, seed: int) -> None:
    rng = random.Random(seed)
    base = base_graph(rng, count)
    ours, theirs, both = Plan(base), Plan(base), Plan(base)
    for side, edits in zip((ours, theirs), scripts(rng, count), strict=True):
        for edit in edits:
            edit(side)
            edit(both)
    made = merge(base, ours.document(), theirs.document())
    assert made.conflicts == ()
    assert made.document == both.document()
    assert merge(base, theirs.document(), ours.document()).document == both.document()


@given(st.integers(1, 40), st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_what_one_side_did_alone_is_taken_over(count: int, seed: int) -> None:
    rng = random.Random(seed)
    base = base_graph(rng, count)
    edited = Plan(base)
    for edit in scripts(rng, count)[0]:
        edit(edited)
    after = edited.document()
    assert merge(base, after, base).document == after
    assert merge(base, base, after).document == after
    assert merge(base, after, after).document == after


# -- one case at a time -----------------------------------------------------------------------------


def chain(*edits: Edit, **rest: Any) -> Document:
    nodes = [{"name": "read", "process": "field.read", "version": 1, "params": {"path": "m31.fits"}}]
    for i, name in enumerate(("sharpen", "stretch", "write")):
        source = ("read", "sharpen", "stretch")[i]
        node = {"name": name, "process": f"field.{name}", "version": 1, "params": {"amount": 0.5, "radius": 2}}
        nodes.append({**node, "feeds": {"image": f"{source}.image"}})
    plan = Plan({"format": "lerarlink graph", "version": 1, "nodes": nodes, **rest})
    for edit in edits:
        edit(plan)
    return plan.document()


def test_a_parameter_that_both_changed_is_a_conflict_with_its_values() -> None:
    ours, theirs = chain(retune("stretch", "radius", 3)), chain(retune("stretch", "radius", 4))
    made = merge(chain(), ours, theirs)
    assert made.document is None
    (found,) = made.conflicts
    assert found.text == "node 'stretch', params.radius: base 2, ours 3, theirs 4"
    assert (found.node, found.item) == ("stretch", "params.radius")
    assert merge(chain(), ours, theirs, "ours").document == ours
    assert merge(chain(), ours, theirs, "theirs").document == theirs


def test_the_same_change_on_both_sides_is_one_change() -> None:
    both = chain(retune("stretch", "radius", 3), rename("read", "m31"))
    assert merge(chain(), both, both).document == both


def test_a_node_that_one_renamed_and_the_other_retuned_is_both() -> None:
    ours, theirs = chain(rename("stretch", "brighten")), chain(retune("stretch", "amount", 0.7))
    assert merge(chain(), ours, theirs).document == chain(
        rename("stretch", "brighten"), retune("stretch", "amount", 0.7)
    )


def test_two_new_names_are_a_conflict() -> None:
    made = merge(chain(), chain(rename("read", "a")), chain(rename("read", "b")))
    assert [c.text for c in made.conflicts] == ["node 'a', name: base read, ours a, theirs b"]


def test_a_node_that_one_removed_and_the_other_changed_is_a_conflict() -> None:
    ours = chain(rewire("stretch", "image", "read"), remove("sharpen"))
    theirs = chain(retune("sharpen", "radius", 9))
    texts = [c.text for c in merge(chain(), ours, theirs).conflicts]
    assert texts == ["node 'sharpen', removed by ours, changed by theirs (params.radius)"]
    assert merge(chain(), ours, theirs, "ours").document == ours
    assert merge(chain(), ours, chain()).document == ours


def test_a_new_link_to_a_node_that_is_gone_is_a_conflict() -> None:
    ours = chain(rewire("stretch", "image", "read"), remove("sharpen"))
    theirs = chain(insert("crop", "write", "image", 1), rewire("crop", "image", "sharpen"))
    texts = [c.text for c in merge(chain(), ours, theirs).conflicts]
    assert texts == ["node 'crop', feeds.image: linked to 'sharpen' by one side, which the other removed"]


def test_two_new_nodes_of_one_name_are_a_conflict_unless_they_are_alike() -> None:
    ours, theirs = chain(insert("crop", "write", "image", 1)), chain(insert("crop", "stretch", "image", 1))
    texts = [c.text for c in merge(chain(), ours, theirs).conflicts]
    assert texts == ["node 'crop', feeds.image: base not set, ours stretch.image, theirs sharpen.image"]
    assert merge(chain(), ours, ours).document == ours
    other = copy.deepcopy(theirs)
    next(n for n in other["nodes"] if n["name"] == "crop")["process"] = "field.other"
    texts = [c.text for c in merge(chain(), ours, other).conflicts]
    assert texts == ["node 'crop', name: two nodes are called 'crop': new in ours, new in theirs"]


def test_another_process_against_another_parameter_is_a_conflict() -> None:
    ours = chain()
    next(n for n in ours["nodes"] if n["name"] == "sharpen")["process"] = "field.deconvolve"
    theirs = chain(retune("sharpen", "radius", 9))
    (found,) = merge(chain(), ours, theirs).conflicts
    assert found.text == (
        "node 'sharpen', process: base field.sharpen (amount: 0.5, radius: 2), "
        "ours field.deconvolve (amount: 0.5, radius: 2), theirs field.sharpen (amount: 0.5, radius: 9)"
    )
    assert merge(chain(), ours, chain(retune("stretch", "radius", 9))).document is not None


def test_links_that_only_both_sides_together_close_to_a_circle_are_a_conflict() -> None:
    apart = [rewire("sharpen", "image", "read"), rewire("stretch", "image", "read")]
    ours = chain(*apart, rewire("sharpen", "reference", "stretch"))
    theirs = chain(*apart, rewire("stretch", "reference", "sharpen"))
    texts = [c.text for c in merge(chain(*apart), ours, theirs).conflicts]
    assert texts == ["links run in a circle once both sides are in: sharpen -> stretch -> sharpen"]


def test_lists_of_links_take_what_either_side_added_or_took_away() -> None:
    def stack(*links: str) -> Document:
        plan = Plan(chain())
        plan.nodes["write"]["feeds"] = {"images": [f"{n}.image" for n in links]}
        return plan.document()

    made = merge(stack("read", "sharpen"), stack("sharpen"), stack("read", "sharpen", "stretch"))
    assert made.document == stack("sharpen", "stretch")
    texts = [c.text for c in merge(stack("read", "sharpen"), stack("sharpen", "read"), stack("sharpen")).conflicts]
    assert len(texts) == 1
    assert "ours [sharpen.image, read.image]" in texts[0]


def test_inputs_settings_outputs_and_layout_follow_their_nodes() -> None:
    rest = {
        "doc": "a chain",
        "inputs": [{"name": "light", "node": "read", "param": "path"}],
        "settings": [{"name": "size", "sets": ["sharpen.radius", "stretch.radius"]}],
        "layout": {"read": [0.0, 0.0], "write": [0.0, 9.0]},
    }
    base = checked_document({**chain(), **rest})
    ours = checked_document({**chain(), **rest, "outputs": ["stretch"], "layout": {"write": [5.0, 5.0]}})
    theirs = checked_document(
        {
            **chain(rename("read", "m31"), rename("stretch", "brighten")),
            "doc": "a chain",
            "inputs": [{"name": "light", "node": "m31", "param": "path"}],
            "settings": [{"name": "size", "sets": ["sharpen.radius", "brighten.radius"]}],
            "layout": {"m31": [0.0, 0.0], "write": [0.0, 9.0]},
            "outputs": ["sharpen"],
        }
    )
    made = merge(base, ours, theirs).document
    assert made is not None
    assert made["outputs"] == ["brighten", "sharpen"]
    assert made["inputs"][0]["node"] == "m31"
    assert made["settings"][0]["sets"] == ["sharpen.radius", "brighten.radius"]
    assert made["layout"] == {"write": [5.0, 5.0]}
    both = [checked_document({**base, "doc": text}) for text in ("a", "b")]
    with_doc = merge(base, *both)
    assert [c.text for c in with_doc.conflicts] == ["the graph, doc: base a chain, ours a, theirs b"]


@pytest.mark.parametrize("prefer", ["", "ours", "theirs"])
def test_merging_needs_no_process_to_be_there_and_changes_no_side(prefer: Any) -> None:
    sides = [chain(), chain(retune("stretch", "radius", 3)), chain(rename("stretch", "brighten"))]
    before = copy.deepcopy(sides)
    assert merge(*sides, prefer=prefer).document is not None
    assert sides == before
