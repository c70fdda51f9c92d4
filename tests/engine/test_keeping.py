"""What many images went into is made once a run, in memory or in the store; everything else is made anew."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.api import Box, Frame, Known, Port, Process, Tile, param
from lerarlink.engine.graph import Graph, Node
from lerarlink.engine.store import Store

SHAPE = (700, 300)
MADE: Counter[str] = Counter()
LOCK = threading.Lock()


def count(what: str, box: Box) -> None:
    with LOCK:
        MADE[what] += box.height


class Noise(Process, id="keeping.noise"):
    """An image of its own for each seed."""

    inputs = ()
    seed: int = param(default=0, doc="tells images apart")

    def frame(self, known: Known) -> Frame:
        return Frame(width=SHAPE[1], height=SHAPE[0])

    def pixels(self, known: Known) -> Tile:
        count("noise", known.box)
        y, x = np.mgrid[known.box.y0 : known.box.y1, known.box.x0 : known.box.x1]
        return np.sin(y * 12.9898 + x * 78.233 + self.seed)[None].astype(np.float32)


class Added(Process, id="keeping.added"):
    """Adds many."""

    inputs = (Port("images", many=True),)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        count("added", known.box)
        return np.sum(np.stack(tiles[0]), axis=0, dtype=np.float32)


class Level(Process, id="keeping.level"):
    """Subtracts the mean, which it measures."""

    def measure(self, known: Known, *tiles: Any) -> Any:
        return float(tiles[0].sum(dtype=np.float64))

    def merge(self, a: Any, b: Any) -> Any:
        return a + b

    def finish(self, partial: Any, known: Known) -> Any:
        return partial / (SHAPE[0] * SHAPE[1])

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return tiles[0] - np.float32(known.measured)


def master(frames: int) -> Node:
    g = Graph()
    return g.add(Added, images=[g.add(Noise, seed=i) for i in range(frames)])


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    MADE.clear()


def test_a_master_that_is_measured_and_used_is_made_once(tmp_path: Path) -> None:
    node = master(8)
    level = node.output().graph.add(Level, image=node)
    level.compute(store=Store(tmp_path))
    assert {"noise": 8 * SHAPE[0], "added": SHAPE[0]} == MADE
    assert not list(tmp_path.glob("pixels/**/*")), "it is held in memory"


def test_few_images_are_made_again_rather_than_kept(tmp_path: Path) -> None:
    node = master(2)
    node.output().graph.add(Level, image=node).compute(store=Store(tmp_path))
    assert MADE["added"] == 2 * SHAPE[0]


def test_a_master_that_is_used_once_is_not_kept(tmp_path: Path) -> None:
    master(8).compute(store=Store(tmp_path))
    assert MADE["added"] == SHAPE[0]


def test_what_does_not_fit_into_the_budget_goes_to_the_store(tmp_path: Path) -> None:
    node = master(8)
    g = node.output().graph
    level = g.add(Level, image=node)
    g.add("WriteImage", image=level, path=str(tmp_path / "out.fits"))
    g.run(store=Store(tmp_path / "store"), memory=100_000)
    assert MADE["added"] == SHAPE[0]
    assert [p for p in (tmp_path / "store").glob("pixels/**/*") if p.is_file()]


@pytest.mark.parametrize("scheduler", ["threads", "sync"])
def test_kept_or_not_the_pixels_are_the_same(tmp_path: Path, scheduler: Any) -> None:
    wanted = sum(
        np.sin(np.mgrid[: SHAPE[0], : SHAPE[1]][0] * 12.9898 + np.mgrid[: SHAPE[0], : SHAPE[1]][1] * 78.233 + i).astype(
            np.float32
        )
        for i in range(8)
    )
    node = master(8)
    found = node.output().graph.add(Level, image=node).compute(store=Store(tmp_path), scheduler=scheduler)
    np.testing.assert_allclose(found[0], wanted - wanted.mean(dtype=np.float64), atol=1e-5)
    alone = master(8).compute(store=Store(tmp_path), scheduler=scheduler)
    np.testing.assert_array_equal(found, alone - np.float32(alone.sum(dtype=np.float64) / alone.size))


def test_masters_are_let_go_when_nothing_waits_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lerarlink.engine.kept import Kept

    most: list[int] = []
    place = Kept.place

    def watched(self: Any, feed: Any) -> Any:
        most.append(len(self._held))
        return place(self, feed)

    monkeypatch.setattr(Kept, "place", watched)
    g = Graph()
    node = g.add(Added, images=[g.add(Noise, seed=i) for i in range(8)])
    for n in range(4):
        levels = [
            g.add(Level, image=g.add(Added, images=[node, g.add(Noise, seed=100 + i + 10 * n)])) for i in range(7)
        ]
        node = g.add(Added, images=levels)
    node.compute(store=Store(tmp_path))
    assert len(most) == 4, "the last one is used once"
    assert max(most) <= 1, "a master is dropped once the next one is made of it"


class Chosen(Process, id="keeping.chosen"):
    """Takes one of many."""

    inputs = (Port("images", many=True),)
    choice: int = param(default=0, low=0, doc="which one")

    def needs(self, box: Box, port: str, known: Known) -> Box | tuple[Box, ...]:
        return tuple(box if i == self.choice else Box(0, 0, 0, 0) for i in range(len(known.frames[port])))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return tiles[0][self.choice].copy()


def test_one_of_many_is_no_master(tmp_path: Path) -> None:
    g = Graph()
    chosen = g.add(Chosen, images=[g.add(Noise, seed=i) for i in range(8)], choice=3)
    level = g.add(Level, image=chosen)
    g.add("WriteImage", image=level, path=str(tmp_path / "out.fits"))
    g.run(store=Store(tmp_path / "store"), memory=100)
    assert not (tmp_path / "store" / "pixels").exists()
    assert MADE["noise"] == 2 * SHAPE[0]


def test_a_file_that_holds_the_pixels_is_read_instead_of_making_them_again(tmp_path: Path) -> None:
    g = Graph()
    added = g.add(Added, images=[g.add(Noise, seed=i) for i in range(8)])
    g.add("WriteImage", image=added, path=str(tmp_path / "out.fits"))
    first = added.compute(store=Store(tmp_path / "store"))
    g.run(store=Store(tmp_path / "store"))
    MADE.clear()
    np.testing.assert_array_equal(added.compute(store=Store(tmp_path / "store")), first)
    assert not MADE
    # A file that was touched counts no more.
    with (tmp_path / "out.fits").open("ab") as f:
        f.write(bytes(2880))
    np.testing.assert_array_equal(added.compute(store=Store(tmp_path / "store")), first)
    assert MADE["added"] == SHAPE[0]


@pytest.mark.parametrize("name", ["out.xisf", "out.fits", "out.tif"])
def test_files_that_are_read_again_give_every_bit(tmp_path: Path, name: str) -> None:
    g = Graph()
    planes = [g.add(Added, images=[g.add(Noise, seed=i + 10 * c) for i in range(7)]) for c in range(3)]
    rgb = g.add("ChannelCombination", red=planes[0], green=planes[1], blue=planes[2])
    g.add("WriteImage", image=rgb, path=str(tmp_path / name))
    made = rgb.compute(store=Store(tmp_path / "other"))
    g.run(store=Store(tmp_path / "store"))
    found = rgb.compute(Box(13, 7, 400, 200), store=Store(tmp_path / "store"))
    np.testing.assert_array_equal(found, made[:, 13:400, 7:200])


def test_a_master_that_is_written_anyway_is_kept_in_its_file(tmp_path: Path) -> None:
    g = Graph()
    added = g.add(Added, images=[g.add(Noise, seed=i) for i in range(8)])
    level = g.add(Level, image=added)
    g.add("WriteImage", name="first", image=level, path=str(tmp_path / "level.fits"))
    g.add("WriteImage", name="second", image=added, path=str(tmp_path / "added.fits"))
    report = g.run(store=Store(tmp_path / "store"), memory=100)
    assert MADE["added"] == SHAPE[0]
    assert [Path(p).name for p in report.written] == ["added.fits", "level.fits"]
    assert not (tmp_path / "store" / "pixels").exists(), "nothing but the two files"


def test_a_file_that_the_graph_reads_is_not_written_before_the_end(tmp_path: Path) -> None:
    from astropy.io import fits

    paths = [tmp_path / f"{i}.fits" for i in range(8)]
    for i, path in enumerate(paths):
        fits.writeto(path, np.full(SHAPE, i, np.float32))
    g = Graph()
    added = g.add(Added, images=[g.add("ReadImage", path=str(p), bounds=(0.0, 1.0)) for p in paths])
    g.add("WriteImage", name="over", image=added, path=str(paths[3]))
    g.add("WriteImage", name="other", image=g.add(Level, image=added), path=str(tmp_path / "level.fits"))
    report = g.run(store=Store(tmp_path / "store"))
    assert [s.action for s in report.stages] == ["keep", "measure", "write"]
    assert float(fits.getdata(paths[3])[0, 0]) == 28.0


def test_a_pool_holds_masters_for_several_runs(tmp_path: Path) -> None:
    from lerarlink.engine.run import Pool

    store = Store(tmp_path / "store")
    g = Graph()
    added = g.add(Added, images=[g.add(Noise, seed=i) for i in range(8)])
    g.add("Statistics", name="numbers", image=added)
    g.add("WriteImage", name="write", image=g.add(Level, image=added), path=str(tmp_path / "level.fits"))
    with Pool() as pool:
        g.run(["numbers"], store=store, pool=pool)
        g.run(["write"], store=store, pool=pool)
        assert MADE["added"] == SHAPE[0]
        assert len(pool.held) == 1
    assert not pool.held
