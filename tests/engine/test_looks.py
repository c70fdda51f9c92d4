"""Looks at a graph that did not change lower it once; whatever changes is seen by the next look."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine import looks
from lerarlink.engine.errors import GraphError, SourceError
from lerarlink.engine.graph import Node
from lerarlink.engine.params import param
from lerarlink.engine.process import Known, Process, Tile
from lerarlink.engine.region import Box
from lerarlink.engine.registry import register
from lerarlink.engine.store import Store

BOX = Box(10, 5, 30, 45)


class Counted(looks.Lowering):
    """Counts how often graphs are lowered."""

    times = 0

    def __init__(self, *given: Any) -> None:
        type(self).times += 1
        super().__init__(*given)


@pytest.fixture
def lowered(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Counted]]:
    Counted.times = 0
    monkeypatch.setattr(looks, "Lowering", Counted)
    yield Counted


def written(path: Path, level: float, width: int = 60) -> str:
    data = np.random.default_rng(3).normal(level, 5.0, (50, width)).astype(np.float32)
    fits.writeto(path, data, overwrite=True)
    return str(path)


@pytest.fixture
def picture(tmp_path: Path) -> Node:
    g = Graph()
    red = g.add("ReadImage", name="red", path=written(tmp_path / "red.fits", 300))
    blue = g.add("ReadImage", name="blue", path=written(tmp_path / "blue.fits", 200))
    fitted = g.add("LinearFit", name="fit", image=blue, reference=red)
    return g.add("Clip", name="clip", image=fitted, low=0.0, high=320.0, range_unit="physical")


def afresh(node: Node, box: Box = BOX) -> Tile:
    """Return what a graph without a past gives."""
    return node._graph.copy()[node.name].compute(box)


def test_boxes_of_one_image_lower_its_graph_once(picture: Node, lowered: type[Counted]) -> None:
    whole = picture.compute()
    parts = [picture.compute(Box(y, 0, y + 10, 60)) for y in range(0, 50, 10)]
    assert picture.image.frame.width == 60
    assert len(picture.image) == 1
    assert picture.image.key
    assert lowered.times == 1
    assert np.array_equal(np.concatenate(parts, axis=1), whole, equal_nan=True)


def test_looks_before_anything_is_measured_do_not_stand_in_the_way_of_later_ones(
    picture: Node, lowered: type[Counted]
) -> None:
    assert picture.image.frame.height == 50
    assert np.array_equal(picture.compute(BOX), afresh(picture))
    before = lowered.times
    assert np.array_equal(picture.compute(BOX), picture.compute(BOX))
    assert lowered.times == before


def test_what_headers_tell_does_not_depend_on_what_was_measured(tmp_path: Path) -> None:
    node = Graph().add("ReadImage", path=written(tmp_path / "one.fits", 300))
    before = node.image.frame
    node.compute(BOX)
    node.compute(BOX)
    assert node.image.frame == before
    assert before.bounds is None


EDITS = {
    "a parameter": lambda g: g.set("clip", "high", 290.0),
    "a spec": lambda g: g.replace(replace(g.spec("clip"), params={**g.spec("clip").params, "high": 280.0})),
    "a parameter changed in place": lambda g: g.spec("clip").params.update(high=270.0),
    "a link": lambda g: g.link(g["red"].output().link, "clip", "image"),
    "an expression": lambda g: g.set("clip", "high", "= 100 + 150"),
    "an expression of a variable": lambda g: (g.variables.update(top=230.0), g.set("clip", "high", "= project.top")),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edits_are_seen(picture: Node, edit: str) -> None:
    before = picture.compute(BOX)
    EDITS[edit](picture._graph)
    after = picture.compute(BOX)
    assert not np.array_equal(after, before)
    assert np.array_equal(after, afresh(picture))


def test_a_variable_that_changes_is_seen(picture: Node) -> None:
    g = picture._graph
    g.variables["top"] = 250.0
    g.set("clip", "high", "= project.top")
    before = picture.compute(BOX)
    g.variables["top"] = 240.0
    assert picture.compute(BOX).max() == 240.0 < before.max() == 250.0


def test_other_edits_are_seen_too(picture: Node) -> None:
    g = picture._graph
    before = picture.compute(BOX)
    g.remove("fit")
    g.link(g["blue"].output().link, "clip", "image")
    assert not np.array_equal(picture.compute(BOX), before)
    g.rename("clip", "last")
    assert np.array_equal(g["last"].compute(BOX), afresh(g["last"]))
    with pytest.raises(GraphError, match="no node 'clip'"):
        picture.compute(BOX)


def test_a_source_that_changes_is_seen(picture: Node, tmp_path: Path) -> None:
    before = picture.compute(BOX)
    written(tmp_path / "blue.fits", 120)
    assert picture.image.key == picture._graph.copy()["clip"].image.key
    written(tmp_path / "red.fits", 250)
    after = picture.compute(BOX)
    assert not np.array_equal(after, before)
    assert np.array_equal(after, afresh(picture))


def test_a_source_of_another_size_is_seen(picture: Node, tmp_path: Path) -> None:
    assert picture.image.frame.width == 60
    for name in ("red", "blue"):
        written(tmp_path / f"{name}.fits", 200, width=80)
    assert picture.image.frame.width == 80


def test_a_source_put_in_the_place_of_another_with_its_time_is_seen(picture: Node, tmp_path: Path) -> None:
    before = picture.compute(BOX)
    old = (tmp_path / "red.fits").stat()
    written(tmp_path / "new.fits", 260)
    os.utime(tmp_path / "new.fits", ns=(old.st_atime_ns, old.st_mtime_ns))
    (tmp_path / "new.fits").replace(tmp_path / "red.fits")
    assert not np.array_equal(picture.compute(BOX), before)


def test_a_source_that_is_gone_is_told(picture: Node, tmp_path: Path) -> None:
    picture.compute(BOX)
    (tmp_path / "red.fits").unlink()
    with pytest.raises(SourceError, match=r"red\.fits"):
        picture.compute(BOX)


def test_relative_paths_mean_other_files_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, level in (("a", 100.0), ("b", 900.0)):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder / "frame.fits", level)
    node = Graph().add("ReadImage", path="frame.fits")
    monkeypatch.chdir(tmp_path / "a")
    assert node.compute(BOX).mean() < 200
    monkeypatch.chdir(tmp_path / "b")
    assert node.compute(BOX).mean() > 800


def _times(factor: float) -> type[Process]:
    class Times(Process, id="test.times"):
        """A multiple of each sample."""

        much: float = param(default=1.0, doc="nothing")

        def pixels(self, known: Known, *tiles: Tile) -> Tile:
            return tiles[0] * np.float32(factor)

    return register(Times)


def test_a_process_that_is_registered_anew_is_seen(picture: Node) -> None:
    _times(2.0)
    node = picture._graph.add("test.times", image=picture)
    before = node.compute(BOX)
    _times(3.0)
    assert np.array_equal(node.compute(BOX), afresh(node))
    assert not np.array_equal(node.compute(BOX), before)


def test_values_are_told_to_every_store(picture: Node, tmp_path: Path) -> None:
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    assert np.array_equal(picture.compute(BOX, store=one), picture.compute(BOX, store=other))
    assert [e.key for e in one.entries() if e.kind == "values"] == [
        e.key for e in other.entries() if e.kind == "values"
    ]


def test_what_is_dragged_is_followed_anew(picture: Node, lowered: type[Counted]) -> None:
    g = picture._graph
    g.dragged = True
    picture.compute(BOX)
    picture.compute(BOX)
    assert lowered.times == 2


def test_few_nodes_are_remembered_and_graphs_are_let_go_of(picture: Node) -> None:
    g = picture._graph
    for high in range(12):
        g.add("Clip", image=picture, low=0.0, high=300.0 + high).compute(BOX)
    assert len(looks._kept[g]) == looks.MOST
    copied = g.copy()
    copied["clip"].compute(BOX)
    gone = weakref.ref(copied)
    del copied
    gc.collect()
    assert gone() is None
