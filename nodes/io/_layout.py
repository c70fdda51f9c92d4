"""Uncompressed pixels at a known place of a file, read by memory map; writing them is `_raw_writer`'s."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Tile
from ._disk import mapped, release
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
        Raw integer that means "missing" and becomes NaN.
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

    def __post_init__(self) -> None:
        found = self.path.stat().st_size if self.held is None else len(self.held)
        require_bytes(self.path, self.offset + self.nbytes, found)

    @property
    def nbytes(self) -> int:
        return self.height * self.width * self.channels * np.dtype(self.dtype).itemsize

    def view(self) -> npt.NDArray[Any]:
        """Return the raw samples, ``(channels, rows, columns)`` of the file's own type; nothing is copied."""
        return self._samples(self._bytes())

    def _bytes(self) -> bytes | mmap.mmap:
        if self.held is not None:
            return self.held
        raw = mapped(self.path)
        require_bytes(self.path, self.offset + self.nbytes, len(raw))
        return raw

    def _samples(self, raw: bytes | mmap.mmap) -> npt.NDArray[Any]:
        samples = np.frombuffer(raw, self.dtype, self.height * self.width * self.channels, self.offset)
        if self.interleaved:
            return samples.reshape(self.height, self.width, self.channels).transpose(2, 0, 1)
        return samples.reshape(self.channels, self.height, self.width)

    def read(self, box: Box) -> Tile:
        """Return the physical values of *box* as a new tile."""
        raw = self._bytes()
        samples = self._samples(raw)[:, box.y0 : box.y1, box.x0 : box.x1]
        tile = physical(samples, self.scale, self.zero, self.blank)
        # A narrow box shares its pages with the next one; a strip is done with them.
        if not isinstance(raw, bytes) and 2 * box.width > self.width:
            self._release(raw, box)
        return tile

    def _release(self, raw: mmap.mmap, box: Box) -> None:
        row = self.width * np.dtype(self.dtype).itemsize
        planes, row = (1, row * self.channels) if self.interleaved else (self.channels, row)
        for c in range(planes):
            start = self.offset + (c * self.height + box.y0) * row
            release(raw, start, start + box.height * row)


def physical(raw: npt.NDArray[Any], scale: float = 1.0, zero: float = 0.0, blank: int | None = None) -> Tile:
    """Return ``zero + scale * raw`` as float32, NaN where *raw* is *blank*; *raw* may have any byte order."""
    tile = np.empty(raw.shape, np.float32)
    if blank is not None and raw.dtype.kind == "f":
        blank = None
    if raw.dtype == _SWAPPED and scale == 1.0 and zero == 0.0 and raw.strides[2] == 4:
        _swap_planes(raw, tile)
        return tile
    # Sums of 16-bit integers and a whole zero below 2**23 are exact in float32, so no float64 is needed.
    exact = scale == 1.0 and raw.dtype.itemsize <= 2 and float(zero).is_integer() and abs(zero) <= 2**23
    if blank is None and (exact or (scale == 1.0 and zero == 0.0)) and raw.dtype.kind in "iuf":
        with np.errstate(over="ignore", invalid="ignore"):
            np.copyto(tile, raw, casting="unsafe")
        if zero:
            tile += np.float32(zero)
        return tile
    rows = max(1, _CHUNK // max(1, raw.shape[2]))
    with np.errstate(over="ignore", invalid="ignore"):
        for c in range(raw.shape[0]):
            for y in range(0, raw.shape[1], rows):
                part = raw[c, y : y + rows]
                values = part.astype(np.float64)
                values *= scale
                values += zero
                tile[c, y : y + rows] = values
                if blank is not None:
                    tile[c, y : y + rows][part == blank] = np.nan
    return tile


_SWAPPED = np.dtype(np.float32).newbyteorder("S")


def _swap_planes(raw: npt.NDArray[Any], tile: Tile) -> None:
    """Put samples of foreign byte order, whose rows lie in one piece, into *tile*."""
    for source, target in zip(raw.view(np.uint32), tile.view(np.uint32), strict=True):
        if source.flags.c_contiguous:
            _swap(source.reshape(1, -1), target.reshape(1, -1))
        elif source.strides[0] > 0:
            # Rows at their full length lie in one piece, which the compiler can make vector instructions of; what
            # follows the last row of a box is never looked at.
            rows = np.lib.stride_tricks.as_strided(source, (len(source), source.strides[0] // 4), writeable=False)
            _swap(rows, target)
        else:
            target[...] = source.byteswap()


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _swap(source: Any, target: Any) -> None:
    """Swap the bytes of as many samples of each row of *source* as *target* has."""
    for y in range(target.shape[0]):
        row, out = source[y], target[y]
        for i in range(target.shape[1]):
            b = row[i]
            high = (b << np.uint32(24)) | ((b << np.uint32(8)) & np.uint32(0xFF0000))
            out[i] = high | ((b >> np.uint32(8)) & np.uint32(0xFF00)) | (b >> np.uint32(24))


def has_infinity(tile: Tile) -> bool:
    """Return whether any sample is infinite."""
    return bool(_any_infinity(tile.reshape(-1).view(np.uint32)))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _any_infinity(bits: Any) -> Any:
    n = np.uint32(0)
    for i in range(bits.size):
        n |= np.uint32((bits[i] & np.uint32(0x7FFFFFFF)) == np.uint32(0x7F800000))
    return n != 0
