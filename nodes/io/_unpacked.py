"""Room for pixels that had to be decoded: memory while it is little, else a nameless file that is mapped."""

from __future__ import annotations

import mmap
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Tile, scratch
from ._disk import reserve
from ._layout import physical

Bytes = npt.NDArray[np.uint8]

# Readers are kept by the hundred (a night of lights), so each may hold only this much memory.
_HELD = 1 << 20


def room(size: int) -> Bytes:
    """Return *size* bytes to be filled.

    Large rooms are files without a name in the scratch folder: the system may write them to the disk
    when memory is wanted elsewhere, and they vanish with their last user, however it ends.

    Raises
    ------
    OSError
        When the disk of the scratch folder has not that much left.
    """
    if size <= _HELD:
        return np.zeros(size, np.uint8)
    folder = scratch()
    with tempfile.TemporaryFile(dir=folder, prefix="unpacked-") as file:
        reserve(file.fileno(), size, folder / "unpacked")
        # The mapping keeps the file alive after it is closed.
        return np.frombuffer(mmap.mmap(file.fileno(), size), np.uint8)


class LazyPixels:
    """Pixels of a format that is decoded as a whole, which happens when the first tile is asked for.

    Parameters
    ----------
    shape
        ``(rows, columns, channels)`` for channels that change fastest, else ``(channels, rows, columns)``.
    dtype
        Type of the decoded samples, in the machine's byte order.
    decode
        Fills an array of that shape and type, which comes zeroed; called once.
    interleaved
        Which of the two shapes it is.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        dtype: npt.DTypeLike,
        decode: Callable[[npt.NDArray[Any]], None],
        interleaved: bool = True,
    ) -> None:
        self._shape, self._dtype, self._decode = shape, np.dtype(dtype), decode
        self._interleaved = interleaved
        self._lock = threading.Lock()
        self._samples: npt.NDArray[Any] | None = None

    def read(self, box: Box, scale: float = 1.0, zero: float = 0.0) -> Tile:
        """Return ``zero + scale * sample`` of *box* as a new tile."""
        samples = self._decoded()
        planes = samples.transpose(2, 0, 1) if self._interleaved else samples
        return physical(planes[:, box.y0 : box.y1, box.x0 : box.x1], scale, zero)

    def close(self) -> None:
        """Forget the pixels; a later `read` decodes them again."""
        with self._lock:
            self._samples = None

    def _decoded(self) -> npt.NDArray[Any]:
        with self._lock:
            if self._samples is None:
                size = int(np.prod(self._shape, dtype=np.int64)) * self._dtype.itemsize
                samples = room(size).view(self._dtype).reshape(self._shape)
                self._decode(samples)
                self._samples = samples
            return self._samples
