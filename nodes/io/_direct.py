"""Large files go to the disk past the system's cache.

A page of that cache is found, cleared and filled for every four KiB, which costs a large picture more processor time
than its arithmetic and drives out what others were reading. Linux can hand blocks of a program's memory to the disk as
they are (``O_DIRECT``, see open(2)), if they lie in the memory as they will in the file. The few bytes of a block that
two strips share go through the cache as ever. Where a system, a file system or a disk will not have it, or is slow at
it, everything does.
"""

from __future__ import annotations

import math
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._disk import put

LEAST = 64 << 20
"""Files of fewer bytes stay in the cache, where what comes next may want them."""

# What disks and pages count in: no system wants more, and most take an eighth of it.
_BLOCK = 4096
# A disk that takes less a second than _SLOW, after a while for getting going, is left to the system, which gathers.
_SLOW, _PATIENCE = 150e6, 0.5


def room(shape: tuple[int, ...], dtype: npt.DTypeLike, offset: int) -> npt.NDArray[Any]:
    """Return an empty array that lies within blocks of memory as its bytes will within blocks of a file.

    Parameters
    ----------
    shape, dtype
        As of `numpy.empty`.
    offset
        The byte of the file at which the array will stand. Where samples straddle what processors want (a head of odd
        length), the array lies anywhere, and goes through the cache.
    """
    size = np.dtype(dtype).itemsize
    if offset % size:
        return np.empty(shape, dtype)
    nbytes = math.prod(shape) * size
    raw = np.empty(nbytes + _BLOCK, np.uint8)
    start = (offset - raw.ctypes.data) % _BLOCK
    return raw[start : start + nbytes].view(dtype).reshape(shape)


def _write_blocks(fd: int, blocks: memoryview, offset: int) -> int:
    return os.pwrite(fd, blocks, offset)


class DirectFile:
    """A file of this process that is open for direct writing, from any thread.

    `put` takes arrays made by `room` and gives back what it did not write. Once something was refused, or the disk
    proved slow, it writes nothing more.
    """

    def __init__(self, path: Path) -> None:
        """Open *path*, which exists; where that cannot be, nothing will be written."""
        self._lock = threading.Lock()
        self._bytes, self._seconds = 0, 0.0
        self._fd: int | None = None
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_DIRECT)
        except (OSError, AttributeError):  # the file system has no such thing, or the system
            return

    def __del__(self) -> None:
        self.close()

    @property
    def usable(self) -> bool:
        """Whether more is to be written this way."""
        return self._fd is not None and self._seconds <= _PATIENCE + self._bytes / _SLOW

    def close(self) -> None:
        """Close the descriptor; nobody may be writing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def put(self, data: npt.NDArray[Any], offset: int) -> list[tuple[memoryview, int]]:
        """Write the whole blocks of *data*, which is to stand at byte *offset*; return the rest with its places."""
        view = memoryview(data.reshape(-1).view(np.uint8).data)
        first = min(-offset % _BLOCK, len(view))
        last = max(first, len(view) - (offset + len(view)) % _BLOCK)
        done = first + self._written(view[first:last], offset + first)
        parts = (view[:first], offset), (view[done:], offset + done)
        return [(part, place) for part, place in parts if part]

    def _written(self, blocks: memoryview, offset: int) -> int:
        """Write *blocks* and return how many bytes of them, all but where the system refuses the first time."""
        fd, start = self._fd, time.perf_counter()
        if fd is None or not blocks or not self.usable:
            return 0
        try:
            n = _write_blocks(fd, blocks, offset)
        except OSError:
            # What is really wrong, a full disk say, will be told when the same is written the usual way.
            self._seconds = math.inf
            return 0
        with self._lock:
            self._bytes += n
            self._seconds += time.perf_counter() - start
        return n


def put_past(direct: DirectFile, fd: int, data: npt.NDArray[Any], offset: int, turn: threading.Lock) -> None:
    """Write *data* at byte *offset*: its blocks by *direct*, what is left by the descriptor *fd*, in *turn*."""
    rest = direct.put(data, offset)
    if rest:
        with turn:
            for part, place in rest:
                put(fd, part, place)
