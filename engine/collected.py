"""Strips gathered: into one array, or into pixels that are kept for the length of a run."""

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

    def room(self, box: Box) -> Tile | None:
        """Return where a strip may be made in place; None where it has to be handed over by `write`."""
        whole_rows = (box.x0, box.x1) == (self.box.x0, self.box.x1)
        if self._array is None or not whole_rows:
            return None
        return self._array[:, box.y0 - self.box.y0 : box.y1 - self.box.y0]

    def view(self) -> Tile:
        """Return the array as far as it is filled."""
        if self._array is not None:
            return self._array
        assert self.path is not None
        return np.memmap(self.path, np.float32, "r", shape=self.shape)

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


class Held:
    """Pixels of one image output for the length of a run; in a file where worker processes read them."""

    def __init__(self, taken: Collected) -> None:
        self._taken = taken
        self.nbytes = 4 * taken.shape[0] * taken.shape[1] * taken.shape[2]

    @property
    def path(self) -> Path | None:
        return self._taken.path

    def write(self, box: Box, tile: Tile) -> None:
        self._taken.write(box, tile)

    def room(self, box: Box) -> Tile | None:
        return self._taken.room(box)

    def read(self, box: Box) -> Tile:
        return np.ascontiguousarray(self._taken.view()[:, box.y0 : box.y1, box.x0 : box.x1])

    def abandon(self) -> None:
        self._taken.abandon()
