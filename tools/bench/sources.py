"""Small processes of the benches: images held in memory, images without end, a median by itself, a sink for nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.api import Again, Box, Frame, Known, Port, Process, Summaries, Tile, Writer, param

_HELD: dict[str, Any] = {}
_SUMMARIES = Summaries(mad=True, moments=False)
_LOCK = threading.Lock()
# Samples of the endless sky, and how many of them one row begins after the other; both prime.
_ROUND, _STEP = 524_287, 104_729


def hold(name: str, planes: Any) -> str:
    """Keep an array (channels, rows, columns) of this process under *name* for `Held`; return the name."""
    _HELD[name] = planes
    return name


class Held(Process, id="bench.held"):
    """An image that lies in memory already: what a kernel costs, without files."""

    inputs = ()
    held: str = param(default="", doc="what it was put away under")

    def frame(self, known: Known) -> Frame:
        channels, height, width = _HELD[self.held].shape
        return Frame(width=width, height=height, channels=channels, bounds=(0.0, 1.0))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        b = known.box
        return np.ascontiguousarray(_HELD[self.held][:, b.y0 : b.y1, b.x0 : b.x1])


class Endless(Process, id="bench.endless"):
    """A sky of any size out of the same few samples: what it takes itself does not grow with the image."""

    inputs = ()
    width: int = param(default=1000, low=1, high=_ROUND, doc="columns")
    height: int = param(default=1000, low=1, doc="rows")
    channels: int = param(default=3, low=1, doc="channels")

    def frame(self, known: Known) -> Frame:
        return Frame(
            width=self.width, height=self.height, channels=self.channels, bounds=(0.0, 1.0),
            color="rgb" if self.channels == 3 else "gray",
        )  # fmt: skip

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        b = known.box
        noise = _noise(self.channels)
        tile = np.empty((self.channels, b.height, b.width), np.float32)
        for y in range(b.y0, b.y1):
            start = y * _STEP % _ROUND + b.x0
            tile[:, y - b.y0] = noise[:, start : start + b.width]
        return tile


def _noise(channels: int) -> Any:
    """Return samples of each channel, twice one after the other, so that rows may begin anywhere."""
    with _LOCK:
        name = f"noise {channels}"
        if name not in _HELD:
            made = np.random.default_rng(5).standard_normal((channels, _ROUND), dtype=np.float32)
            once = np.clip(np.float32(0.05) + np.float32(0.002) * made, 0, 1)
            _HELD[name] = np.concatenate([once, once], axis=1)
        return _HELD[name]


class Median(Process, id="bench.median"):
    """The median and the median absolute deviation of each channel, and nothing else."""

    inputs = (Port("image"),)
    outputs = (Port("measures", "measures", doc="median and mad of each channel"),)

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return _SUMMARIES.needs(box, _state(known))

    def looks(self, known: Known) -> bool:
        return _SUMMARIES.looks(_state(known))

    def measure(self, known: Known, *tiles: Any) -> Any:
        return _SUMMARIES.measure(tiles[0], _state(known), known.box)

    def merge(self, a: Any, b: Any) -> Any:
        return _SUMMARIES.merge(a, b)

    def finish(self, partial: Any, known: Known) -> Any:
        found: Any = _SUMMARIES.finish(partial, _state(known))
        return found if isinstance(found, Again) else _plain(found)


def _state(known: Known) -> Any:
    image = known.of("image")
    return known.state or _SUMMARIES.begin(image.width * image.height)


def _plain(summaries: Sequence[Any]) -> dict[str, Any]:
    return {"median": [s.median for s in summaries], "mad": [s.mad for s in summaries]}


class _Counted:
    """A writer that keeps nothing."""

    path = Path("nothing")

    def write(self, box: Box, tile: Tile) -> None:
        """Take pixels and forget them."""

    def finish(self) -> None:
        """Nothing is left to do."""

    def abandon(self) -> None:
        """Nothing is left to undo."""


class Forget(Process, id="bench.forget"):
    """Takes every pixel and writes none: what making them costs."""

    outputs = ()

    def writer(self, known: Known) -> Writer:
        return _Counted()
