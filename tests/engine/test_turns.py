"""Stacks of different images are made one after the other, and what takes long is held between passes."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.api import Box, Frame, Known, Port, Process, Tile, param
from lerarlink.engine.errors import GraphError
from lerarlink.engine.graph import Graph, Node
from lerarlink.engine.kept import Kept, Pool
from lerarlink.engine.store import Store

SHAPE = (300, 200)
MADE: Counter[str] = Counter()
LOCK = threading.Lock()


def count(what: str, box: Box) -> None:
    with LOCK:
        MADE[what] += box.height


class Ramp(Process, id="turns.ramp"):
    """An image of its own for each seed."""

    inputs = ()
    seed: int = param(default=0, doc="tells images apart")

    def frame(self, known: Known) -> Frame:
        return Frame(width=SHAPE[1], height=SHAPE[0])

    def pixels(self, known: Known) -> Tile:
        y, x = np.mgrid[known.box.y0 : known.box.y1, known.box.x0 : known.box.x1]
        return np.cos(0.7 * y + 0.3 * x + self.seed)[None].astype(np.float32)


class Slow(Process, id="turns.slow"):
    """Stands for an interpolation."""

    dear = True

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        count("slow", known.box)
        return np.float32(2.0) * tiles[0]


class Centred(Process, id="turns.centred"):
    """Subtracts the mean, which it measures."""

    def measure(self, known: Known, *tiles: Any) -> Any:
        return float(tiles[0].sum(dtype=np.float64))

    def merge(self, a: Any, b: Any) -> Any:
        return a + b

    def finish(self, partial: Any, known: Known) -> Any:
        return partial / (SHAPE[0] * SHAPE[1])

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return tiles[0] - np.float32(known.measured)


class Stacked(Process, id="turns.stacked"):
    """Gives the sum of many images and, in a second channel, how many there are."""

    inputs = (Port("images", many=True),)

    def frame(self, known: Known) -> Frame:
        return known.frames["images"][0].with_(channels=2)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        count("stacked", known.box)
        total = np.sum(np.stack(tiles[0]), axis=0, dtype=np.float32)
        return np.concatenate([total, np.full_like(total, len(tiles[0]))])


class Part(Process, id="turns.part"):
    """Picks one of the two."""

    at: int = param(default=0, doc="which")

    def frame(self, known: Known) -> Frame:
        return known.of("image").with_(channels=1)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return tiles[0][self.at : self.at + 1].copy()


class Divided(Process, id="turns.divided"):
    """Divides."""

    inputs = (Port("image"), Port("by"))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return tiles[0] / tiles[1]


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    MADE.clear()


class Against(Process, id="turns.against"):
    """Divides by the mean of another image, whose pixels nothing else wants."""

    inputs = (Port("image"), Port("other"))
    by: float = param(default=1.0, doc="a factor")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return Box(0, 0, 0, 0) if (port == "other") == (known.measured is not None) else box

    def measure(self, known: Known, *tiles: Any) -> Any:
        return float(tiles[1].sum(dtype=np.float64))

    def merge(self, a: Any, b: Any) -> Any:
        return a + b

    def finish(self, partial: Any, known: Known) -> Any:
        return partial / (SHAPE[0] * SHAPE[1])

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return tiles[0] * np.float32(self.by / known.measured)


def night(folder: Path, filters: int = 3, lights: int = 7, by: float = 0.0) -> Graph:
    """Return a graph of stacks, each written, and of a picture that wants two outputs of every one of them.

    With a factor *by* of the last node, of the second outputs the picture wants a measure only.
    """
    g = Graph()
    pictures: list[Node] = []
    for f in range(filters):
        images = [g.add(Centred, image=g.add(Slow, image=g.add(Ramp, seed=100 * f + i))) for i in range(lights)]
        stack = g.add(Stacked, images=images)
        total, number = (g.add(Part, image=stack, at=at) for at in (0, 1))
        g.add("WriteImage", name=f"write-{f}", image=total, path=str(folder / f"{f}.fits"))
        wanting = g.add(Against, image=total, other=number) if by else g.add(Divided, image=total, by=number)
        pictures.append(wanting)
    both = g.add(Divided, image=pictures[0], by=pictures[1])
    both = g.add(Against, image=both, other=pictures[2], by=by) if by else both
    g.add("WriteImage", name="write-picture", image=both, path=str(folder / "picture.fits"))
    return g


def test_each_slow_step_and_each_stack_is_made_once(tmp_path: Path) -> None:
    night(tmp_path).run(store=Store(tmp_path / "store"))
    assert {"slow": 3 * 7 * SHAPE[0], "stacked": 3 * SHAPE[0]} == MADE


@pytest.mark.parametrize("pooled", [False, True])
def test_what_one_stack_held_is_gone_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pooled: bool
) -> None:
    most = 0
    hold = Kept.hold

    def watched(self: Kept, feed: Any, held: Any, **how: Any) -> None:
        nonlocal most
        hold(self, feed, held, **how)
        most = max(most, len(self._held))

    monkeypatch.setattr(Kept, "hold", watched)
    with Pool() as pool:  # masters may outlive the run, what takes long does not
        night(tmp_path).run(store=Store(tmp_path / "store"), pool=pool if pooled else None)
    assert most <= 7 + 3, "the images of one stack, and one small output of each stack"


def test_without_memory_to_hold_it_slow_steps_are_made_anew_and_pixels_stay_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    night(tmp_path / "a").run(store=Store(tmp_path / "store-a"))
    once = MADE["slow"]
    night(tmp_path / "b").run(store=Store(tmp_path / "store-b"), memory=1_000_000)
    assert MADE["slow"] > 2 * once
    for name in ("0.fits", "2.fits", "picture.fits"):
        a, b = ((tmp_path / side / name).read_bytes()[2880 * 3 :] for side in "ab")
        assert a == b


def test_one_file_of_two_nodes_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    g = night(tmp_path)
    other = g.add(Ramp, seed=5)
    g.add("WriteImage", name="again", image=other, path=str(tmp_path / "0.fits"))
    with pytest.raises(GraphError, match="is written by both 'write-0' and 'again'"):
        g.run(store=Store(tmp_path / "store"))
    assert not MADE


def test_another_late_parameter_makes_no_stack_and_no_slow_step_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    night(tmp_path, by=1.0).run(store=store)
    assert {"slow": 3 * 7 * SHAPE[0], "stacked": 3 * SHAPE[0]} == MADE
    before = fits.getdata(tmp_path / "picture.fits")
    MADE.clear()
    night(tmp_path, by=2.0).run(store=store)
    assert not MADE
    assert np.allclose(fits.getdata(tmp_path / "picture.fits"), 2 * before, rtol=1e-6)
