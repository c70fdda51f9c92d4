"""Images given by arrays, as the beginning of a graph."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.api import Frame, Known, Process, Tile, param
from lerarlink.engine.graph import Graph

_PIXELS: dict[str, tuple[np.ndarray, Frame]] = {}


class Given(Process, id="test.given"):
    """Gives an array that was put aside under its digest."""

    inputs = ()
    digest: str = param(doc="of the pixels and their frame")

    def frame(self, known: Known) -> Frame:
        return _PIXELS[self.digest][1]

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        b = known.box
        return _PIXELS[self.digest][0][:, b.y0 : b.y1, b.x0 : b.x1].copy()


@pytest.fixture
def given() -> Callable[..., Any]:
    """Return a function that adds an image (channels, rows, columns) to a graph."""

    def add(graph: Graph, pixels: Any, **words: Any) -> Any:
        array = np.array(pixels, np.float32, ndmin=3)
        channels, height, width = array.shape
        words.setdefault("color", "rgb" if channels >= 3 else "gray")
        frame = Frame(width=width, height=height, channels=channels, **words)
        digest = f"{zlib.crc32(array.tobytes())} {frame!r}"
        _PIXELS[digest] = (array, frame)
        return graph.add(Given, digest=digest)

    return add


@pytest.fixture(autouse=True)
def many_small_measuring_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in tiles of some 7 rows, so that small images are merged from many, and cells are cut by tiles."""
    monkeypatch.setattr("lerarlink.engine.region.MEASURE_TILE_SAMPLES", 600)
    monkeypatch.setattr("lerarlink.engine.region.MEASURE_BLOCK_SAMPLES", 1800)
