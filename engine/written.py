"""Pixels in a file that a run wrote for the user: while it stays as it was, they need not be made again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .process import Tile
from .region import Box


@dataclass(frozen=True, slots=True)
class WrittenPixels:
    """A finished file of plain float32 samples, plane after plane, that hold an image output to the bit.

    Attributes
    ----------
    path, dtype, offset
        The file, the type of its samples with byte order, and the byte at which they begin.
    shape
        (channels, rows, columns).
    state
        Size, time and inode of the file when it was finished: a file that was touched since counts no more.
    """

    path: str
    dtype: str
    offset: int
    shape: tuple[int, int, int]
    state: tuple[int, int, int]

    @classmethod
    def of(cls, path: Path, shape: tuple[int, int, int], dtype: str, offset: int) -> WrittenPixels:
        """Return the pixels of the file at *path* as it is now."""
        return cls(os.fspath(path.resolve()), dtype, offset, shape, _state(path))

    def unchanged(self) -> bool:
        """Return whether the file is still the one that was written."""
        try:
            return _state(self.path) == self.state
        except OSError:
            return False

    def read(self, box: Box) -> Tile | None:
        """Return the pixels of *box*, or None when the file is not what it was."""
        item = np.dtype(self.dtype).itemsize
        channels, height, width = self.shape
        tile = np.empty((channels, box.height, box.width), np.float32)
        try:
            with open(self.path, "rb", buffering=0) as f:
                if _state(f.fileno()) != self.state:
                    return None
                for c in range(channels):
                    f.seek(self.offset + item * (c * height + box.y0) * width)
                    data = f.read(item * box.height * width)
                    if len(data) != item * box.height * width:
                        return None
                    tile[c] = np.frombuffer(data, self.dtype).reshape(box.height, width)[:, box.x0 : box.x1]
        except OSError:
            return None
        return tile


def _state(file: int | str | Path) -> tuple[int, int, int]:
    s = os.stat(file)
    return s.st_size, s.st_mtime_ns, s.st_ino
