"""Strips gathered into one array."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from .folders import scratch
from .process import Tile
from .region import Box


class Collected:
    """Takes strips of *box* and gives them as one array; through a file where worker processes fill it."""

    def __init__(self, box: Box, channels: int, *, on_disk: bool) -> None:
        self.box = box
        self.shape = (channels, box.height, box.width)
        self.path: Path | None = None
        self._array: Tile | None = None
        if on_disk:
            with tempfile.NamedTemporaryFile(dir=scratch(), suffix=".pixels", delete=False) as f:
                f.truncate(4 * channels * box.height * box.width)
            self.path = Path(f.name)
        else:
            self._array = np.empty(self.shape, np.float32)

    def write(self, box: Box, tile: Tile) -> None:
        rows = slice(box.y0 - self.box.y0, box.y1 - self.box.y0)
        if self._array is not None:
            self._array[:, rows] = tile
        elif self.path is not None:
            np.memmap(self.path, np.float32, "r+", shape=self.shape)[:, rows] = tile

    def array(self) -> Tile:
        if self._array is None and self.path is not None:
            self._array = np.fromfile(self.path, np.float32).reshape(self.shape)
        assert self._array is not None
        return self._array

    def finish(self) -> None:
        """Nothing to do: the array is not a file of the user's."""

    def abandon(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
