"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.api import Frame, Known, Process, Tile, param
from lerarlink.engine.graph import Graph

REAL = Path(os.environ.get("LERAR_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def private_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a store of its own, so that none is served by what another left."""
    folder = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("LERAR_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Return a function from a path inside the real-data folder to the file, which skips where it is absent."""

    def find(name: str) -> Path:
        path = REAL / name
        if not path.exists():
            pytest.skip(f"real data not here: {name} (set LERAR_TEST_DATA to the folder that holds it)")
        return path

    return find


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
