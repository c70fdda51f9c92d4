"""Graphs that use saved graphs as nodes are merged as such, inside and outside."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from lerarlink import Graph
from lerarlink.graphs import format as file_format
from lerarlink.graphs.diff.changes import diff
from lerarlink.graphs.merge import merge
from lerarlink.graphs.schema import Document, checked_document
from lerarlink.tools.cli import lerar

Edit = Callable[[Document], None]


def node(name: str, process: str, feed: str = "", **more: Any) -> Document:
    return {"name": name, "process": process, "version": 1, **({"feeds": {"image": feed}} if feed else {}), **more}


def base() -> Document:
    """Return a graph that uses ``trim`` twice; ``trim`` itself uses ``edge``."""
    edge = {
        "name": "edge",
        "inputs": [{"name": "image", "node": "source", "param": "path"}],
        "outputs": [{"name": "image", "node": "cut", "port": "image"}],
        "nodes": [
            node("source", "io.read_image", params={"path": ""}),
            node("cut", "geometry.crop", "source.image", params={"left": 2, "top": 1}),
        ],
    }
    trim = {
        "name": "trim",
        "graphs": [edge],
        "inputs": [{"name": "image", "node": "source", "param": "path"}],
        "settings": [{"name": "midtones", "sets": ["shown.midtones"]}],
        "outputs": [{"name": "image", "node": "shown", "port": "image"}],
        "nodes": [
            node("source", "io.read_image", params={"path": ""}),
            node("inner", "graph.edge", "source.image"),
            node("shown", "stretch.histogram_transformation", "inner.image", params={"midtones": 0.5, "shadows": 0.1}),
        ],
    }
    nodes = [
        node("light", "io.read_image", params={"path": "light.fits"}),
        node("one", "graph.trim", "light.image", params={"midtones": 0.4}),
        node("two", "graph.trim", "one.image"),
        node("last", "math.invert", "two.image"),
    ]
    return checked_document({"format": "lerarlink graph", "version": 1, "graphs": [trim], "nodes": nodes})


def at(document: Document, *path: str) -> Document:
    """Return a node by its way: ``"trim", "edge", "cut"`` lies in a graph saved in a graph."""
    for name in path[:-1]:
        document = next(g for g in document["graphs"] if g["name"] == name)
    return next(n for n in document["nodes"] if n["name"] == path[-1])


def put(*path: str, **params: Any) -> Edit:
    return lambda document: at(document, *path).setdefault("params", {}).update(params)


def note(text: str, *path: str) -> Edit:
    return lambda document: at(document, *path).update(note=text)


def added(name: str, feed: str) -> Edit:
    return lambda document: document["nodes"].append(node(name, "math.invert", feed))


def edited(*edits: Edit) -> Document:
    made = copy.deepcopy(base())
    for edit in edits:
        edit(made)
    return checked_document(made)


EDITS: list[Edit] = [
    put("one", midtones=0.2),
    put("light", path="other.fits"),
    note("again", "two"),
    added("more", "one.image"),
    put("trim", "shown", shadows=0.3),
    put("trim", "shown", midtones=0.6),
    put("trim", "edge", "cut", left=9),
    put("trim", "edge", "cut", top=7),
    note("the border", "trim", "inner"),
]


@given(st.lists(st.sampled_from(["", "ours", "theirs", "both"]), min_size=len(EDITS), max_size=len(EDITS)))
def test_edits_inside_and_outside_of_saved_graphs_are_all_in_the_merge(whose: list[str]) -> None:
    ours = edited(*(e for e, who in zip(EDITS, whose, strict=True) if who in ("ours", "both")))
    theirs = edited(*(e for e, who in zip(EDITS, whose, strict=True) if who in ("theirs", "both")))
    made = merge(base(), ours, theirs)
    assert made.conflicts == ()
    assert made.document == edited(*(e for e, who in zip(EDITS, whose, strict=True) if who))
    assert not diff(merge(base(), theirs, ours).document or {}, made.document or {})


def test_a_conflict_inside_is_named_by_its_way() -> None:
    ours, theirs = edited(put("trim", "edge", "cut", left=3)), edited(put("trim", "edge", "cut", left=4))
    (found,) = merge(base(), ours, theirs).conflicts
    assert found.text == "graph 'trim', graph 'edge', node 'cut', params.left: base 2, ours 3, theirs 4"
    assert (found.graph, found.node, found.item) == ("trim/edge", "cut", "params.left")
    assert merge(base(), ours, theirs, "theirs").document == theirs
    (outside,) = merge(base(), edited(put("one", midtones=0.1)), edited(put("one", midtones=0.2))).conflicts
    assert outside.text == "node 'one', params.midtones: base 0.4, ours 0.1, theirs 0.2"
    assert outside.graph == ""


def test_a_use_that_one_side_opened_is_merged_node_by_node_and_others_stay() -> None:
    by_hand = Graph.from_document(base())
    by_hand.set("one.inner.cut", "top", 5)
    ours = by_hand.to_document()
    made = merge(base(), ours, edited(put("one", midtones=0.2), note("again", "two")))
    assert made.conflicts == ()
    assert made.document is not None
    names = {n["name"]: n for n in made.document["nodes"]}
    assert names["one.inner.cut"]["params"] == {"left": 2, "top": 5}
    assert names["one.shown"]["params"]["midtones"] == 0.2
    assert (names["two"]["process"], names["two"]["note"]) == ("graph.trim", "again")
    opened = Graph.from_document(made.document)
    assert opened.spec("two.shown").params == {"midtones": 0.5, "shadows": 0.1}


def test_a_saved_graph_that_one_side_took_away_and_the_other_changed_is_a_conflict() -> None:
    ours = edited()
    ours["nodes"] = [n for n in ours["nodes"] if n["name"] == "light"]
    del ours["graphs"]
    made = merge(base(), checked_document(ours), edited(put("trim", "shown", shadows=0.3)))
    assert "the graph, graphs.trim: base 3 nodes, ours none, theirs 3 nodes" in [c.text for c in made.conflicts]
    assert merge(base(), checked_document(ours), base()).document == checked_document(ours)


def test_a_new_use_of_what_the_other_side_took_away_is_a_conflict() -> None:
    def renamed_output(document: Document) -> None:
        trim = document["graphs"][0]
        trim["outputs"][0]["name"] = "shown"
        for name, feed in (("two", "one.shown"), ("last", "two.shown")):
            at(document, name)["feeds"] = {"image": feed}

    made = merge(base(), edited(renamed_output), edited(added("more", "one.image")))
    assert made.document is None
    (found,) = made.conflicts
    assert found.text.startswith("once both sides are in: node 'more', feeds.image: graph 'trim' has no output 'image'")


def test_two_new_saved_graphs_of_one_name_are_merged_as_far_as_they_are_alike() -> None:
    empty = checked_document({"format": "lerarlink graph", "version": 1, "nodes": []})
    assert merge(empty, base(), base()).document == base()
    texts = [c.text for c in merge(empty, base(), edited(put("trim", "shown", shadows=0.3))).conflicts]
    assert texts == ["graph 'trim', node 'shown', params.shadows: base not set, ours 0.1, theirs 0.3"]


@pytest.mark.parametrize("ending", [".lerar", ".yaml"])
def test_lerar_merge_keeps_saved_graphs(ending: str, tmp_path: Path) -> None:
    sides = base(), edited(EDITS[0], EDITS[4]), edited(EDITS[2], EDITS[6])
    paths = [tmp_path / f"{name}{ending}" for name in ("base", "ours", "theirs")]
    for path, side in zip(paths, sides, strict=True):
        file_format.write(path, side)
    done = CliRunner().invoke(lerar, ["merge", *map(str, paths), "-o", str(tmp_path / f"merged{ending}")])
    assert (done.exit_code, done.stderr) == (0, "")
    assert file_format.read(tmp_path / f"merged{ending}") == edited(EDITS[0], EDITS[2], EDITS[4], EDITS[6])


def test_a_comparison_names_what_lies_in_saved_graphs_by_its_way() -> None:
    found = diff(base(), edited(put("trim", "edge", "cut", left=9)))
    assert [(c.kind, c.node, c.item) for c in found.changes] == [
        ("retuned", "one.inner.cut", "left"), ("retuned", "two.inner.cut", "left"),
    ]  # fmt: skip
    assert found.outputs == ("last",)
