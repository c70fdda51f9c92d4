"""What a difference says: values with units, what follows from it, and that what means the same is the same."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from lerarlink import Graph
from lerarlink.graphs.diff import drawing, text
from lerarlink.graphs.diff.changes import Difference, diff
from lerarlink.graphs.diff.sides import Side
from lerarlink.graphs.schema import Document, checked_document


def sky(path: str = "m31.fits", **changes: dict[str, Any]) -> Graph:
    """Return read -> crop -> stretch -> write, and numbers beside it, with some parameters changed."""
    g = Graph()
    image = g.add("ReadImage", name="read", path=path)
    g.add("Statistics", name="numbers", image=image, **changes.get("numbers", {}))
    cropped = g.add("Crop", name="crop", image=image, **{"box": (0, 0, 50, 50), **changes.get("crop", {})})
    shown = g.add("HistogramTransformation", name="stretch", image=cropped, **changes.get("stretch", {}))
    g.add("WriteImage", name="write", image=shown, **{"path": "out.fits", **changes.get("write", {})})
    return g


def lines(a: Graph | Document, b: Graph | Document) -> list[str]:
    return text.lines(diff(a, b))


def test_equal_graphs_have_nothing_to_say() -> None:
    assert lines(sky(), sky()) == []
    assert text.plain(diff(sky(), sky()))["equal"] is True


def test_values_are_told_with_unit_and_default_and_what_follows() -> None:
    assert lines(sky(), sky(crop={"box": (0, 0, 50, 60)}, stretch={"midtones": 0.3})) == [
        "retuned  crop: box [0, 0, 50, 50] -> [0, 0, 50, 60] px",
        "retuned  stretch: midtones 0.5 (default) -> 0.3",
        "affected write",
        "output write changes; 3 of 5 nodes give something else",
    ]


def test_what_is_written_out_but_means_the_same_is_no_change() -> None:
    assert lines(sky(), sky(stretch={"midtones": 0.5}, numbers={"normalized": False})) == []
    a, b = sky(), sky()
    a.set("stretch", "high_range", 1.0)
    document = b.to_document()
    next(n for n in document["nodes"] if n["name"] == "stretch")["params"] = {"high_range": 1}
    assert lines(a.to_document(), document) == []


def test_where_an_output_goes_changes_no_result() -> None:
    found = diff(sky(), sky(write={"path": "other.fits"}))
    assert [(c.kind, c.node, c.item) for c in found.changes] == [("retuned", "write", "path")]
    assert found.affected == ()
    assert found.outputs == ("write",)


def test_sorts_of_change_are_told_apart() -> None:
    b = sky()
    b.remove("numbers")
    b.remove("stretch")
    b.add("Invert", name="stretch", image=b["crop"])
    b.link(b["stretch"].output().link, "write", "image")
    document = b.to_document()
    next(n for n in document["nodes"] if n["name"] == "crop")["region"] = [0, 0, 9, 9]
    document |= {"doc": "a sky", "outputs": ["write"]}
    assert lines(sky(), checked_document(document)) == [
        "removed  numbers: Statistics",
        "replaced stretch: HistogramTransformation -> Invert",
        "retuned  crop: region (not set) -> [0, 0, 9, 9] px",
        "graph    doc none -> a sky",
        "graph    outputs none -> [write]",
        "affected write",
        "output write changes; 3 of 4 nodes give something else",
    ]


def test_another_version_of_a_process_and_other_fields_of_a_node_are_seen() -> None:
    a = plain_node("field.thing", version=1)
    found = diff(a, plain_node("field.thing", version=2))
    assert text.lines(found)[0] == "updated  n: version 1 -> 2"
    assert found.outputs == ("n",)
    b = plain_node("field.thing", version=1)
    b["nodes"][0]["notes"] = "why"
    assert text.lines(diff(a, b))[0] == "noted    n: notes none -> why"
    assert diff(a, b).new_results == ()


def plain_node(process: str, version: int) -> Document:
    return {"format": "lerarlink graph", "version": 1, "nodes": [{"name": "n", "process": process, "version": version}]}


def test_named_inputs_and_settings_follow_their_nodes() -> None:
    a = sky().to_document()
    a["inputs"] = [{"name": "light", "node": "read", "param": "path"}]
    a["settings"] = [{"name": "mid", "sets": ["stretch.midtones"]}]
    b = sky().to_document()
    for node in b["nodes"]:
        node["feeds"] = {p: f.replace("read.", "m31.") for p, f in node.get("feeds", {}).items()}
        node["name"] = "m31" if node["name"] == "read" else node["name"]
    b["inputs"] = [{"name": "light", "node": "m31", "param": "path"}]
    b["settings"] = [{"name": "mid", "sets": ["stretch.midtones", "stretch.shadows"]}]
    assert [line.split(maxsplit=1)[1].split(" ->")[0] for line in lines(a, b)[:2]] == [
        "m31 (was read)",
        "settings.mid name: mid, sets: [stretch.midtones]",
    ]


def test_paths_that_lead_to_one_file_from_two_folders_are_one(tmp_path: Path) -> None:
    a, b = (
        Side.of(sky(path).to_document(), str(tmp_path / folder))
        for path, folder in (("m31.fits", ""), ("../m31.fits", "x"))
    )
    assert not diff(a, b)


def test_a_copy_in_another_folder_is_compared_by_what_it_says_and_that_is_told(tmp_path: Path) -> None:
    found = diff(*(Side.of(sky().to_document(), str(tmp_path / folder)) for folder in "ab"))
    assert not found
    assert found.moved_files == 1
    (told,) = text.lines(found)
    assert told == f"note: 1 relative path is written alike, but seen from another folder: {tmp_path}/a, {tmp_path}/b"


def test_where_both_sides_know_what_files_held_that_alone_counts() -> None:
    def side(path: str, digest: str) -> Side:
        made = Side.of(sky(path))
        made.told_by_file({("read", "path", 0): digest})
        return made

    assert not diff(side("night1/m31.fits", "1" * 32), side("night2/m31.fits", "1" * 32))
    found = diff(side("m31.fits", "1" * 32), side("m31.fits", "2" * 32))
    assert text.lines(found)[0] == "retuned  read: path m31.fits -> m31.fits (another content)"
    assert set(found.new_results) == {"read", "crop", "numbers", "stretch", "write"}


def test_long_lists_are_told_by_what_came_and_went() -> None:
    old = [f"light{i}.fits" for i in range(20)]
    assert text.both(old, [*old[1:], "new.fits"]) == ("[20 items]", "[20 items; + 'new.fits', - 'light0.fits']")
    assert text.both(old, old[::-1]) == ("[20 items]", "[20 items; in another order]")
    before, after = "x" * 200 + "a", "x" * 200 + "b"
    assert all(told.endswith(f"{letter}'") for told, letter in zip(text.both(before, after), "ab", strict=True))


def test_layout_is_apart_from_meaning() -> None:
    a, b = sky(), sky()
    b.layout["read"] = 5.0, 5.0
    assert not diff(a, b)


def test_circles_and_unknown_processes_can_be_compared() -> None:
    nodes = [
        {"name": n, "process": "field.thing", "version": 1, "feeds": {"image": f"{m}.image"}} for n, m in ("ab", "ba")
    ]
    a = {"format": "lerarlink graph", "version": 1, "nodes": nodes}
    b = {**a, "nodes": [nodes[0], {**nodes[1], "params": {"x": 1}}]}
    assert text.lines(diff(a, b))[0] == "retuned  b: x (not set) -> 1"
    assert not diff(a, a)


# -- pictures -----------------------------------------------------------------------------------------


@pytest.fixture
def found() -> Difference:
    b = sky(stretch={"midtones": 0.3})
    b.remove("numbers")
    b.doc = "a <sky> & more"
    return diff(Side.of(sky(), title="old <1>"), Side.of(b, title="new"))


def test_both_drawings_stand_side_by_side_and_tell_by_colour(found: Difference) -> None:
    root = ET.fromstring(drawing.svg(found))
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("stretch") == 2
    assert texts.count("numbers") == 1
    assert {"old <1>", "new", "removed", "changed", "affected", "same"} <= set(texts)
    fills = [r.get("fill") for r in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert fills.count(drawing.TINTS["changed"][0]) == 3  # on both sides, and in the legend
    assert fills.count(drawing.TINTS["removed"][0]) == 2


def test_the_page_is_well_formed_and_needs_nothing_else(found: Difference) -> None:
    page = drawing.html(found, pixels=["rms < 3"], figures=[drawing.Figure("a & b", "data:image/png;base64,AA==")])
    root = ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    told = " ".join(root.itertext())
    assert "old <1> and new" in told
    assert "stretch: midtones 0.5 (default) -> 0.3" in told
    assert "rms < 3" in told
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_comparing_opens_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = sky(), sky("other.fits")
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr(os, "stat", None)
    monkeypatch.setattr(os, "open", None)
    assert diff(a, b)
