"""Pixels that took long in earlier runs are held in memory for the passes to come; results stay the same."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine import costs
from lerarlink.engine.api import Box, Frame, Known, Process, param
from lerarlink.engine.store import Store

Tile = npt.NDArray[np.float32]
SHAPE = (64, 50)
MADE: list[Box] = []


class Sky(Process, id="dear.sky"):
    """Gives waves."""

    inputs = ()

    def frame(self, known: Known) -> Frame:
        return Frame(width=SHAPE[1], height=SHAPE[0])

    def pixels(self, known: Known) -> Tile:
        y, x = np.mgrid[known.box.y0 : known.box.y1, known.box.x0 : known.box.x1]
        return np.cos(0.7 * y + 0.3 * x)[None].astype(np.float32)


class Toil(Process, id="dear.toil"):
    """Takes processor time for nothing."""

    seconds: float = param(default=0.0, doc="at each strip")

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        MADE.append(known.box)
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass
        return tiles[0] * np.float32(3.0)


class Centred(Process, id="dear.centred"):
    """Subtracts the mean, which it measures, and adds something."""

    level: float = param(default=0.0, doc="what is added")

    def measure(self, known: Known, *tiles: Any) -> Any:
        return float(tiles[0].sum(dtype=np.float64)) + 0.0 * self.level

    def merge(self, a: Any, b: Any) -> Any:
        return a + b

    def finish(self, partial: Any, known: Known) -> Any:
        return partial / (SHAPE[0] * SHAPE[1])

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return tiles[0] - np.float32(known.measured - self.level)


def rows_made(folder: Path, seconds: float, level: float, memory: int | None = None) -> tuple[int, Tile]:
    """Run a graph that goes twice over its pixels; return how many rows were made the slow way, and the image."""
    MADE.clear()
    g = Graph()
    slow = g.add(Toil, image=g.add(Sky), seconds=seconds)
    g.add("WriteImage", image=g.add(Centred, image=slow, level=level), path=str(folder / f"{level}.fits"))
    g.run(store=Store(folder / "store"), memory=memory, scheduler="sync")
    return sum(box.height for box in MADE), fits.getdata(folder / f"{level}.fits").astype(np.float32)


@pytest.fixture(autouse=True)
def every_run_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "_LEAST", 0.0)


def test_what_took_long_is_made_once_from_the_second_run_on(tmp_path: Path) -> None:
    first, _ = rows_made(tmp_path, 0.002, 0.0)
    second, b = rows_made(tmp_path, 0.002, 1.0)
    assert (first, second) == (2 * SHAPE[0], SHAPE[0])
    (tmp_path / "new").mkdir()
    again, c = rows_made(tmp_path / "new", 0.002, 1.0)
    assert again == 2 * SHAPE[0]
    np.testing.assert_array_equal(b, c)


def test_what_is_quick_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lerarlink.engine.dear.DEAR", 1.0)
    assert [rows_made(tmp_path, 0.0, level)[0] for level in (0.0, 1.0)] == [2 * SHAPE[0]] * 2


def test_without_room_it_is_made_again(tmp_path: Path) -> None:
    little = 4 * 4 * SHAPE[0] * SHAPE[1] - 8  # half of which may be held, half of that by what was measured
    rows_made(tmp_path, 0.002, 0.0)
    assert rows_made(tmp_path, 0.002, 1.0, little)[0] == 2 * SHAPE[0]
    assert rows_made(tmp_path, 0.002, 2.0, 4 * 4 * SHAPE[0] * SHAPE[1])[0] == SHAPE[0]
