"""Links as text, picture, page and data; of matchings and of graphs."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from lerarlink.engine.errors import ParameterError
from lerarlink.graphs.document import Graph
from lerarlink.graphs.preprocess.build import Options, build
from lerarlink.graphs.preprocess.links import FORMATS, files_of, matching_of, show
from lerarlink.graphs.preprocess.match import Matching, match
from lerarlink.graphs.preprocess.records import FrameRecord
from lerarlink.graphs.preprocess.stacks import stacks_of

MakeRecord = Callable[..., FrameRecord]
SVG = "{http://www.w3.org/2000/svg}"
RED = "#c62828"


@pytest.fixture
def night(make_record: MakeRecord) -> list[FrameRecord]:
    """Two filters, darks, flats; the dark flats are of R's exposure only."""
    words = "GAIN=100 SET-TEMP=-10.0"
    records = [make_record(f"d{i}.fits", f"IMAGETYP='DARK' EXPTIME=300.0 {words}") for i in range(5)]
    records += [make_record(f"df{i}.fits", f"IMAGETYP='DARKFLAT' EXPTIME=5.0 {words}") for i in range(5)]
    for name, exposure in (("R", 5.0), ("B", 2.5)):
        flat, light = f"IMAGETYP='FLAT' EXPTIME={exposure}", "IMAGETYP='LIGHT' EXPTIME=300.0"
        records += [make_record(f"l{name}{i}.fits", f"{light} FILTER='{name}' {words}") for i in range(4)]
        records += [make_record(f"f{name}{i}.fits", f"{flat} FILTER='{name}' {words}") for i in range(4)]
    return records


@pytest.fixture
def matching(night: list[FrameRecord]) -> Matching:
    return match(night)


def graph_of(matching: Matching) -> Graph:
    return build(matching, stacks_of(matching, register=False), Options(register=False, combine="none"))


def test_text_tells_links_with_reasons_and_misses_with_cures(matching: Matching) -> None:
    lines = show(matching, "ascii").splitlines()
    assert all(len(line) <= 100 and line.isascii() for line in lines)
    text = " ".join(" ".join(lines).replace("|", " ").split())
    assert "light R, gain 100: 4 lights" in text
    assert "<- dark dark 300 s, gain 100 exposure 300 s, gain 100, -10.0 C: 5 darks" in text
    assert "X dark flat unresolved link: dark flat of 2.5 s wanted, nearest is 5 s (5 dark flats)" in text
    assert "cure: add dark flats of 2.5 s" in text
    assert lines[-1] == "8 lights, 5 links, 1 unresolved link"


def test_the_picture_has_a_red_cross_for_each_missing_link_and_a_wire_for_each_other(matching: Matching) -> None:
    root = ET.fromstring(show(matching, "svg"))
    wires = [p for p in root.findall(f"{SVG}path") if not p.get("stroke-dasharray")]
    broken = [p for p in root.findall(f"{SVG}path") if p.get("stroke-dasharray")]
    crosses = [g for g in root.findall(f"{SVG}g") if g.get("stroke") == RED]
    assert (len(wires), len(broken), len(crosses)) == (5, 1, 1)
    assert broken[0].get("stroke") == RED
    told = crosses[0].findtext(f"{SVG}title")
    assert told is not None and told.startswith("Process Error: Lerar Link unresolved: flat B, gain 100:")
    texts = [t.text or "" for t in root.iter(f"{SVG}text") if t.get("fill") == RED]
    assert texts[0] == "dark flat of 2.5 s wanted, nearest is 5 s (5 dark flats)"
    assert texts[1].startswith("cure: ")


def test_all_of_the_picture_lies_on_it(matching: Matching) -> None:
    root = ET.fromstring(show(matching, "svg"))
    width, height = (float(v) for v in root.get("viewBox", "").split()[2:])
    boxes = [r for g in root.findall(f"{SVG}g") for r in g.findall(f"{SVG}rect")]
    assert len(boxes) == len(matching.groups)
    for box in boxes:
        x, y, w, h = (float(box.get(k, "nan")) for k in ("x", "y", "width", "height"))
        assert 0 < x < x + w < width and 0 < y < y + h < height


def test_boxes_of_a_column_do_not_overlap(matching: Matching) -> None:
    root = ET.fromstring(show(matching, "svg"))
    boxes = [r for g in root.findall(f"{SVG}g") for r in g.findall(f"{SVG}rect")]
    spans = sorted((float(b.get("x", 0)), float(b.get("y", 0)), float(b.get("height", 0))) for b in boxes)
    for (x, y, tall), (other, below, _) in itertools.pairwise(spans):
        assert x != other or y + tall < below


def test_names_with_markup_stay_names(make_record: MakeRecord) -> None:
    record = make_record("<b>&.fits", "IMAGETYP='LIGHT' FILTER='<script>&' OBJECT='\"'")
    for form in ("svg", "html"):
        assert "<script>" not in show(match([record]), form)
    ET.fromstring(show(match([record]), "svg"))


def test_the_page_names_what_is_missing_and_the_cure(matching: Matching) -> None:
    class Text(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.text: list[str] = []

        def handle_data(self, data: str) -> None:
            self.text.append(data.strip())

    page = show(matching, "html")
    reader = Text()
    reader.feed(page)
    assert "Links: 1 unresolved link" in reader.text and "Unresolved links" in reader.text
    assert "dark flat of 2.5 s wanted, nearest is 5 s (5 dark flats)" in reader.text
    assert page.count("<svg") == 1 and "<script" not in page and "href" not in page


def test_data_holds_groups_and_links(matching: Matching) -> None:
    told = json.loads(show(matching, "json"))
    assert sorted(g["name"] for g in told["groups"]) == [
        "dark-300s", "darkflat-5s", "flat-B", "flat-R", "light-B", "light-R",
    ]  # fmt: skip
    broken = [link for link in told["links"] if link["status"] == "unresolved"]
    assert broken[0]["target"] == "flat-B" and broken[0]["role"] == "darkflat"
    assert (broken[0]["nearest"], broken[0]["wanted"], broken[0]["there"]) == ("darkflat-5s", "2.5 s", "5 s")
    assert told["unresolved"] == [str(link) for link in matching.broken]


def test_nothing_at_all_can_be_drawn() -> None:
    for form in FORMATS:
        assert show(Matching(), form)
    ET.fromstring(show(Matching(), "svg"))


def test_other_formats_are_refused(matching: Matching) -> None:
    with pytest.raises(ParameterError, match="one of ascii, svg, html, json, got 'png'"):
        show(matching, "png")


# -- links of graphs --------------------------------------------------------------------------------


def test_a_graph_shows_the_links_it_was_made_of(night: list[FrameRecord], matching: Matching) -> None:
    graph = graph_of(matching)
    again = matching_of(graph, {r.path: r for r in night})
    assert show(again, "json") == show(matching, "json")
    assert sorted(files_of(graph)) == sorted(r.path for r in night if not r.path.startswith("dfB"))


def test_a_link_taken_out_of_a_graph_is_shown_as_broken(night: list[FrameRecord], matching: Matching) -> None:
    graph = graph_of(matching)
    graph.unlink("calibrated-R", "dark")
    broken = matching_of(graph, {r.path: r for r in night}).broken
    assert [(b.target.name, b.role) for b in broken] == [("light-R", "dark"), ("flat-B", "darkflat")]
    assert broken[0].nearest is not None and broken[0].nearest.name == "dark-300s" and "link" in broken[0].cure


def test_a_link_against_the_rules_is_told(night: list[FrameRecord], matching: Matching) -> None:
    graph = graph_of(matching)
    graph.link(graph.feeds("calibrated-R")["flat"], "calibrated-B", "flat")
    links = matching_of(graph, {r.path: r for r in night}).links
    odd = next(link for link in links if link.target.name == "light-B" and link.role == "flat")
    assert odd.status == "linked" and odd.reason.startswith("although filter B is wanted, filter R is there")


def test_files_of_a_graph_that_cannot_be_read_are_told(night: list[FrameRecord], matching: Matching) -> None:
    found = matching_of(graph_of(matching), {r.path: r for r in night if r.path != "lR0.fits"})
    assert [o.path for o in found.left_out] == ["lR0.fits"]
