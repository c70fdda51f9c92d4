"""Uncompressed pixels at a known place of a file, read by memory map; writing them is `_raw_writer`'s."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Tile
from ._bits import infinite_as_missing, swap
from ._disk import Seen, mapped, release, seen
from ._reader import require_bytes

# Samples converted at once where a float64 temporary is needed: 256 KiB of float64 stay in the L2 cache.
_CHUNK = 32 * 1024


@dataclass(frozen=True)
class RawLayout:
    """Where and how the samples of an image lie in a file; building one checks the file's size.

    The physical value of a sample is ``zero + scale * raw``, computed in float64 and rounded once.

    Attributes
    ----------
    path, offset
        The file and the byte at which the first sample begins.
    dtype
        Type of the samples with byte order, such as ``>i2``.
    height, width, channels
        Size of the image.
    interleaved
        Channels change fastest, ``(rows, columns, channels)``; else plane after plane.
    scale, zero
        From raw to physical values.
    blank
        Raw integer that means "missing" and becomes NaN. So do infinite values.
    held
        The file's bytes where they were unpacked into memory; *path* then serves messages only.
    """

    path: Path
    offset: int
    dtype: str
    height: int
    width: int
    channels: int = 1
    interleaved: bool = False
    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None
    held: bytes | None = field(default=None, repr=False, compare=False)

    _seen: Seen | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.held is None:
            object.__setattr__(self, "_seen", seen(self.path))
        found = self._seen[0] if self._seen is not None else len(self.held or b"")
        require_bytes(self.path, self.offset + self.nbytes, found)

    @property
    def nbytes(self) -> int:
        return self.height * self.width * self.channels * np.dtype(self.dtype).itemsize

    def view(self) -> npt.NDArray[Any]:
        """Return the raw samples, ``(channels, rows, columns)`` of the file's own type; nothing is copied."""
        return self._samples(self._bytes(self.offset), self.offset)

    def _bytes(self, offset: int) -> bytes | mmap.mmap:
        raw = self.held if self.held is not None else mapped(self.path, self._seen)
        require_bytes(self.path, offset + self.nbytes, len(raw))
        return raw

    def _samples(self, raw: bytes | mmap.mmap, offset: int) -> npt.NDArray[Any]:
        samples = np.frombuffer(raw, self.dtype, self.height * self.width * self.channels, offset)
        if self.interleaved:
            return samples.reshape(self.height, self.width, self.channels).transpose(2, 0, 1)
        return samples.reshape(self.channels, self.height, self.width)

    def read(self, box: Box, further: int = 0) -> Tile:
        """Return the physical values of *box* as a new tile; of an image alike that begins *further* bytes on."""
        offset = self.offset + further
        raw = self._bytes(offset)
        samples = self._samples(raw, offset)[:, box.y0 : box.y1, box.x0 : box.x1]
        tile = physical(samples, self.scale, self.zero, self.blank)
        # A narrow box shares its pages with the next one; a strip is done with them.
        if not isinstance(raw, bytes) and 2 * box.width > self.width:
            self._release(raw, box, offset)
        return tile

    def _release(self, raw: mmap.mmap, box: Box, offset: int) -> None:
        row = self.width * np.dtype(self.dtype).itemsize
        planes, row = (1, row * self.channels) if self.interleaved else (self.channels, row)
        for c in range(planes):
            start = offset + (c * self.height + box.y0) * row
            release(raw, start, start + box.height * row)


def physical(raw: npt.NDArray[Any], scale: float = 1.0, zero: float = 0.0, blank: int | None = None) -> Tile:
    """Return ``zero + scale * raw`` as float32; *raw* may have any byte order.

    What is infinite is missing, NaN, like samples equal to *blank*.
    """
    tile = np.empty(raw.shape, np.float32)
    if raw.dtype == _SWAPPED and scale == 1.0 and zero == 0.0 and raw.strides[2] == 4:
        finite = _swapped(raw, tile)
    else:
        finite = _converted(raw, tile, scale, zero, None if raw.dtype.kind == "f" else blank)
    if not finite:
        infinite_as_missing(tile)
    return tile


def _converted(raw: npt.NDArray[Any], tile: Tile, scale: float, zero: float, blank: int | None) -> bool:
    """Put physical values into *tile*; return whether they are finite for certain."""
    # Sums of 16-bit integers and a whole zero below 2**23 are exact in float32, so no float64 is needed.
    exact = scale == 1.0 and raw.dtype.itemsize <= 2 and float(zero).is_integer() and abs(zero) <= 2**23
    with np.errstate(over="ignore", invalid="ignore"):
        if blank is None and (exact or (scale == 1.0 and zero == 0.0)) and raw.dtype.kind in "iuf":
            np.copyto(tile, raw, casting="unsafe")
            if zero:
                tile += np.float32(zero)
            return raw.dtype.kind != "f"
        rows = max(1, _CHUNK // max(1, raw.shape[2]))
        for c in range(raw.shape[0]):
            for y in range(0, raw.shape[1], rows):
                part = raw[c, y : y + rows]
                values = part.astype(np.float64)
                values *= scale
                values += zero
                tile[c, y : y + rows] = values
                if blank is not None:
                    tile[c, y : y + rows][part == blank] = np.nan
    return False


_SWAPPED = np.dtype(np.float32).newbyteorder("S")


def _swapped(raw: npt.NDArray[Any], tile: Tile) -> bool:
    """Put samples of foreign byte order, whose rows lie in one piece, into *tile*; return whether all are finite."""
    finite = True
    for source, target in zip(raw.view(np.uint32), tile.view(np.uint32), strict=True):
        if source.flags.c_contiguous:
            finite &= bool(swap(source.reshape(1, -1), target.reshape(1, -1)))
        elif source.strides[0] > 0:
            # Rows at their full length lie in one piece, which the compiler can make vector instructions of; what
            # follows the last row of a box is never looked at.
            rows = np.lib.stride_tricks.as_strided(source, (len(source), source.strides[0] // 4), writeable=False)
            finite &= bool(swap(rows, target))
        else:
            target[...] = source.byteswap()
            finite = False
    return finite
