"""Drawings show every node and every link, always in the same way."""

from __future__ import annotations

import json
import random
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lerarlink import Graph
from lerarlink.engine.errors import ParameterError
from lerarlink.engine.graph import Link, NodeSpec
from lerarlink.graphs import ascii_drawing
from lerarlink.graphs.draw import FORMATS, draw
from lerarlink.graphs.layers import crossings, layered, places
from lerarlink.graphs.recipe import load_recipe

Edges = set[tuple[str, str]]


def made(edges: Edges, nodes: list[str], params: dict[str, Any] | None = None) -> Graph:
    g = Graph()
    for n in nodes:
        g.insert(NodeSpec(name=n, process="future.thing", version=1, params=params or {}), {})
    for n in nodes:
        feeding = sorted(a for a, b in edges if b == n)
        if feeding:
            g.link(tuple(Link(a, "image") for a in feeding), n, "images")
    return g


@st.composite
def acyclic(draw: Any) -> tuple[list[str], Edges]:
    count = draw(st.integers(1, 9))
    nodes = [f"n{i}" for i in range(count)]
    pairs = [(a, b) for i, b in enumerate(nodes) for a in nodes[:i]]
    return nodes, draw(st.sets(st.sampled_from(pairs), max_size=12)) if pairs else set()


# -- layers -------------------------------------------------------------------------------------------


@given(acyclic())
@settings(deadline=None, max_examples=60)
def test_every_link_leads_downward_and_every_node_stands_once(drawn: tuple[list[str], Edges]) -> None:
    nodes, edges = drawn
    layer = {n: i for i, names in enumerate(layered(made(edges, nodes))) for n in names}
    assert sorted(layer) == sorted(nodes)
    assert all(layer[a] < layer[b] for a, b in edges)


@given(acyclic())
@settings(deadline=None, max_examples=60)
def test_crossings_are_counted_right(drawn: tuple[list[str], Edges]) -> None:
    found = places(made(drawn[1], drawn[0]))
    total = 0
    for upper, lower in pairwise(found):
        ends = [(i, lower.index(q)) for i, p in enumerate(upper) for q in p.below]
        total += sum((a - c) * (b - d) < 0 for k, (a, b) in enumerate(ends) for c, d in ends[:k])
    assert crossings(found) == total


def test_crossings_that_need_not_be_are_taken_away() -> None:
    edges = {("a", "z"), ("b", "y"), ("c", "x"), ("z", "q"), ("y", "r"), ("x", "s")}
    assert crossings(places(made(edges, list("abcxyzqrs")))) == 0


def test_circles_and_links_from_nowhere_can_be_drawn() -> None:
    g = made({("a", "b"), ("b", "c"), ("c", "a"), ("d", "d")}, list("abcd"))
    g.link(Link("ghost", "image"), "b", "other")
    for form in set(FORMATS) - {"json"}:
        assert all(n in draw(g, form) for n in "abcd")
    assert layered(g) == [["a", "d"], ["b"], ["c"]]


# -- text ----------------------------------------------------------------------------------------------


def traced(text: str, names: list[str]) -> Edges:
    """Follow the lines of a drawing from box to box and return what they join."""
    rows = text.splitlines()
    wide = max(map(len, rows))
    grid = [row.ljust(wide) for row in rows]
    spans: dict[str, tuple[int, int, int, int]] = {}
    for y, row in enumerate(grid):
        for found in re.finditer(r"\| (n\d+) *\|", row):
            bottom = next(k for k in range(y, len(grid)) if grid[k][found.start()] == "+")
            spans[found[1]] = y - 1, bottom, found.start(), found.end() - 1
    assert sorted(spans) == sorted(names)
    edges: Edges = set()
    for name, (_, bottom, left, right) in spans.items():
        starts = [x for x in range(left, right + 1) if bottom + 1 < len(grid) and grid[bottom + 1][x] in "|+"]
        for x in starts:
            for y1, x1 in _ends(grid, bottom + 1, x):
                (target,) = (n for n, (t, _, lo, hi) in spans.items() if t == y1 + 1 and lo <= x1 <= hi)
                edges.add((name, target))
    return edges


def _ends(grid: list[str], y: int, x: int) -> set[tuple[int, int]]:
    """Return the arrow heads that a line beginning at row y, column x, leads to; lines go straight over others."""
    found: set[tuple[int, int]] = set()
    todo = [(y, x, 1, 0)]
    seen = set()
    while todo:
        y, x, dy, dx = at = todo.pop()
        if at in seen or not (0 <= y < len(grid) and 0 <= x < len(grid[0])):
            continue
        seen.add(at)
        here = grid[y][x]
        if here == "v":
            found.add((y, x))
        elif here == "+":
            todo += [(y, x - 1, 0, -1), (y, x + 1, 0, 1)] if dy else [(y, x + dx, 0, dx)]
            if y + 1 < len(grid) and grid[y + 1][x] in "|v":
                todo.append((y + 1, x, 1, 0))
        elif here != " ":
            assert here in ("|-" if dx else "|"), f"{here!r} in the way"
            todo.append((y + dy, x + dx, dy, dx))
    return found


@given(acyclic())
@settings(deadline=None, max_examples=80)
def test_lines_between_boxes_join_what_links_join(drawn: tuple[list[str], Edges]) -> None:
    nodes, edges = drawn
    text = draw(made(edges, nodes))
    if "+--" in text:  # else a list: boxes were too wide
        assert traced(text, nodes) == edges, "\n" + text
    assert max(map(len, text.splitlines())) <= ascii_drawing.WIDTH
    assert text.isascii()


def test_a_small_drawing_looks_like_this() -> None:
    g = Graph()
    a = g.add("ReadImage", name="a", path="/data/x.fits")
    stf = g.add("ScreenTransferFunction", name="stf", image=a, target_background=0.2)
    g.add("HistogramTransformation", name="end", image=a, display=stf.display)
    assert draw(g, notes={"stf": "median 0.01"}).splitlines() == [
        "+-----------+",
        "| a         |",
        "| ReadImage |",
        "| x.fits    |",
        "+-----------+",
        "      |",
        "      +----------------------+",
        "      v                      |",
        "+-------------------------+  |",
        "| stf                     |  |",
        "| ScreenTransferFunction  |  |",
        "| target_background = 0.2 |  |",
        "| median 0.01             |  |",
        "+-------------------------+  |",
        "             |               |",
        "             v               v",
        "        +-------------------------+",
        "        | end                     |",
        "        | HistogramTransformation |",
        "        +-------------------------+",
    ]


def test_what_is_too_wide_for_boxes_becomes_a_list() -> None:
    nodes = ["source", *(f"n{i}" for i in range(40)), "end"]
    g = made({("source", n) for n in nodes[1:-1]} | {(n, "end") for n in nodes[1:-1]}, nodes)
    lines = draw(g).splitlines()
    assert len(lines) == len(nodes)
    assert max(map(len, lines)) <= ascii_drawing.WIDTH
    assert lines[0] == "source  future.thing?"
    assert lines[1].startswith("n0      future.thing?  <- source")
    assert lines[-1].startswith("end     future.thing?  <- n0 > images, n1 > images")


@pytest.mark.parametrize("recipe", ["lrgb", "calibrate", "stretch"])
def test_recipes_fit_a_terminal(recipe: str) -> None:
    text = draw(load_recipe(recipe))
    assert max(map(len, text.splitlines())) <= 100
    assert "+--" in text


# -- all formats ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_every_node_is_shown_and_the_order_of_building_does_not_matter(form: str) -> None:
    g = load_recipe("lrgb")
    order = list(g)
    random.Random(5).shuffle(order)
    other = Graph()
    for n in order:
        other.insert(g.spec(n), {})
    for n in order:
        for port, feed in g.feeds(n).items():
            other.link(feed, n, port)
    other.outputs, other.doc, other.inputs, other.settings = g.outputs, g.doc, g.inputs, g.settings
    text = draw(g, form)
    assert text == draw(other, form)
    text = draw(g, form, {n: f"note-{i}." for i, n in enumerate(g)})
    assert all(f"note-{i}." in text.replace("#45;", "-") for i in range(len(g)))
    if form != "ascii":
        assert all(n in text.replace("#45;", "-") for n in g)


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(ParameterError, match="format must be one of ascii, mermaid, dot, svg, json, got 'png'"):
        draw(Graph(), "png")


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_graph_has_a_drawing(form: str) -> None:
    assert draw(Graph(), form).endswith("\n")


NASTY = "</text><script>alert(1)</script>\"'&]]>\x00\x1b[31m\\N|`-->"


def test_svg_is_well_formed_without_scripts_and_holds_all_text_escaped() -> None:
    g = made({("a", "b")}, ["a", "b", "c"], {"k": NASTY})
    text = draw(g, "svg", {"a": NASTY})
    root = ET.fromstring(text)
    tags = {e.tag.partition("}")[2] for e in root.iter()}
    assert tags <= {"svg", "title", "defs", "marker", "path", "rect", "g", "text"}
    assert not any(name.startswith("on") or "href" in name for e in root.iter() for name in e.attrib)
    shown = "".join(root.itertext())
    assert "<script>alert(1)</script>" in shown
    assert text.count("http") == 1  # the name space
    assert {"a", "b", "c"} <= {e.text for e in root.iter("{http://www.w3.org/2000/svg}text")}


def test_svg_boxes_do_not_overlap_and_lie_within_the_picture() -> None:
    root = ET.fromstring(draw(load_recipe("lrgb"), "svg"))
    space = "{http://www.w3.org/2000/svg}"
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    boxes = []
    for e in root.iter(f"{space}g"):
        r = e.find(f"{space}rect")
        assert r is not None
        boxes.append([float(r.attrib[k]) for k in ("x", "y", "width", "height")])
    assert len(boxes) == 24
    for i, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height
        for x2, y2, w2, h2 in boxes[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_svg_tells_links_of_values_and_stretched_images_apart() -> None:
    text = draw(load_recipe("stretch"), "svg")
    assert text.count("stroke-dasharray") == 1  # display -> stretched
    assert text.count('fill="#fdf0dc"') == 1
    assert ">display</text>" in text


def test_mermaid_and_dot_hold_no_text_that_they_would_take_for_orders() -> None:
    g = made({("a", "b")}, ["a", "b"], {"k": NASTY})
    mermaid = draw(g, "mermaid")
    node, link = r'    n\d\["[\w #;<>/.=-]*"\]:::unknown\n', r"    n0 -->(\|[a-z#0-9;]+\|)? n1\n"
    assert re.fullmatch(rf"flowchart TD\n({node}){{2}}{link}(    classDef .*\n)+", mermaid)
    assert "<script" not in mermaid
    dot = draw(g, "dot")
    labels = re.findall(r'label="((?:[^"\\]|\\.)*)"', dot)
    assert len(labels) == 3
    assert dot.count('"') % 2 == 1 or '\\"' in dot


def test_json_is_the_document_with_its_layers() -> None:
    g = load_recipe("stretch")
    told = json.loads(draw(g, "json", {"image": "x"}))
    layers = told.pop("layers")
    assert layers == [["image"], ["display"], ["stretched"], ["write-picture", "write-stretched"]]
    assert told.pop("states")["stretched"] == "stretched"
    assert told.pop("notes") == {"image": "x"}
    assert told == g.to_document()


def test_large_graphs_are_drawn_in_reasonable_time() -> None:
    rng = random.Random(3)
    nodes = [f"n{i}" for i in range(600)]
    edges = {(f"n{rng.randrange(max(0, i - 30), i)}", f"n{i}") for i in range(1, 600) for _ in range(2)}
    g = made(edges, nodes)
    for form in FORMATS:
        assert "n599" in draw(g, form)
