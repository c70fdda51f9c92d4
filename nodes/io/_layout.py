"""Uncompressed pixels at a known place of a file: reading by memory map, writing by disjoint ranges."""

from __future__ import annotations

import mmap
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numba
import numpy as np
import numpy.typing as npt
import xxhash

from ...engine.api import Box, Tile
from ._disk import mapped as mapped
from ._disk import publish as publish
from ._disk import put, release
from ._disk import reserve as reserve
from ._disk import temporary_name as temporary_name
from ._reader import require_bytes

# Samples converted at once where a float64 temporary is needed: 256 KiB of float64 stay in the L2 cache.
_CHUNK = 32 * 1024

_FLOAT32 = (np.dtype("<f4"), np.dtype(">f4"))


# -- reading ----------------------------------------------------------------------------------------


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
        raw: bytes | mmap.mmap | None = self.held
        if raw is None:
            raw = mapped(self.path)
            require_bytes(self.path, self.offset + self.nbytes, len(raw))
        samples = np.frombuffer(raw, self.dtype, self.height * self.width * self.channels, self.offset)
        if self.interleaved:
            return samples.reshape(self.height, self.width, self.channels).transpose(2, 0, 1)
        return samples.reshape(self.channels, self.height, self.width)

    def read(self, box: Box) -> Tile:
        """Return the physical values of *box* as a new tile."""
        raw = self.view()[:, box.y0 : box.y1, box.x0 : box.x1]
        tile = physical(raw, self.scale, self.zero, self.blank)
        # A narrow box shares its pages with the next one; a strip is done with them.
        if self.held is None and 2 * box.width > self.width:
            self._release(box)
        return tile

    def _release(self, box: Box) -> None:
        row = self.width * np.dtype(self.dtype).itemsize
        planes, row = (1, row * self.channels) if self.interleaved else (self.channels, row)
        for c in range(planes):
            start = self.offset + (c * self.height + box.y0) * row
            release(mapped(self.path), start, start + box.height * row)


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


# -- writing ----------------------------------------------------------------------------------------


def quantise(tile: Tile, bounds: tuple[float, float], dtype: npt.DTypeLike, zero: int = 0) -> npt.NDArray[Any]:
    """Return *tile* as integers: 0 at the lower bound, at the upper the largest that its bits hold.

    Values beyond the bounds are clamped, halves go to the even neighbour, missing samples become 0.

    Parameters
    ----------
    tile
        Physical values.
    bounds
        Physical values of black and white.
    dtype
        An integer type of at most 32 bits, of any byte order.
    zero
        What is subtracted from a level to give the stored integer, which may be signed.
    """
    out = np.empty(tile.shape, np.dtype(dtype))
    bits = out.itemsize * 8
    stored = out.view(f"u{out.itemsize}").reshape(-1)
    lo, hi = bounds
    values, top = np.ascontiguousarray(tile).reshape(-1), float(2**bits - 1)
    if bits == 32:
        _quantise_wide(values, lo, hi, top, stored)
        stored -= np.uint32(zero)
        return out.byteswap(inplace=True) if not out.dtype.isnative else out
    _quantise(values, lo, hi, top, zero, bits == 16 and not out.dtype.isnative, (lo, hi) != (0.0, 1.0), stored)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _quantise(values: Any, lo: float, hi: float, top: float, zero: int, swapped: bool, scaled: bool, out: Any) -> None:
    for i in range(values.size):
        x: Any = np.float64(values[i])
        if scaled:
            x = (x - lo) / (hi - lo)
        # Every branch is a choice between numbers at hand, so that the loop becomes vector code; NaN is not
        # above 0. Going by int32 is what processors have an instruction for.
        x = x if x > 0.0 else 0.0
        x = x if x < 1.0 else 1.0
        # Taken for unsigned, the difference wraps around to the bits of the signed one.
        level = np.uint32(np.int32(np.rint(x * top)) - np.int32(zero))
        if swapped:
            level = (level << np.uint32(8)) | ((level >> np.uint32(8)) & np.uint32(0xFF))
        out[i] = level


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _quantise_wide(values: Any, lo: float, hi: float, top: float, out: Any) -> None:
    for i in range(values.size):
        x: Any = (np.float64(values[i]) - lo) / (hi - lo)
        x = x if x > 0.0 else 0.0
        out[i] = np.uint32(np.int64(np.rint((x if x < 1.0 else 1.0) * top)))


@dataclass(kw_only=True)
class RawWriter:
    """Writes an uncompressed image file: a head, then the samples, then zeros and a tail.

    `start` makes the file under a temporary name beside the final one, at its full length, so that a
    full disk is found before any pixel is computed. Strips may then come in any order, from any thread
    and, as instances can be pickled, from any process. `finish` gives the file its final name.

    Attributes
    ----------
    path
        The final name.
    dtype
        Type of the samples with byte order. Floats keep physical values; unsigned levels
        (0 to the type's largest) are made by *bounds* for integers.
    height, width, channels, interleaved
        Size and order, as in `RawLayout`.
    head
        The bytes before the samples.
    tail_padding, tail
        How many zero bytes follow the samples, and the bytes after those.
    bounds
        Physical values that become the lowest and the highest level of an integer type.
    zero
        What is subtracted from a level to give the stored integer (32768 for FITS ``>i2``).
    temporary
        The name while writing; made up when empty.
    """

    path: Path
    dtype: str
    height: int
    width: int
    channels: int = 1
    interleaved: bool = False
    head: bytes = b""
    tail_padding: int = 0
    tail: bytes = b""
    bounds: tuple[float, float] | None = None
    zero: int = 0
    temporary: Path = Path()
    _fd: int | None = field(default=None, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    # One thread writes at a time: the system lets no two into one file, and has those that wait burn their time.
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.temporary == Path():
            self.temporary = temporary_name(self.path)
        if np.dtype(self.dtype).kind != "f" and self.bounds is None:
            raise ValueError(f"{self.path}: integer samples ({self.dtype}) want bounds, got none")

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_fd", "_lock", "_turn")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _fd=None, _lock=threading.Lock(), _turn=threading.Lock())

    def __del__(self) -> None:
        self.close()

    @property
    def offset(self) -> int:
        """The byte at which the samples begin."""
        return len(self.head)

    @property
    def exact(self) -> tuple[str, int] | None:
        """Type and first byte of the samples, where the file holds them as plain float32 planes; else None."""
        plain = np.dtype(self.dtype) in _FLOAT32 and (self.channels == 1 or not self.interleaved)
        return (self.dtype, self.offset) if plain else None

    @property
    def nbytes(self) -> int:
        """The bytes of the samples."""
        return self.height * self.width * self.channels * np.dtype(self.dtype).itemsize

    def start(self) -> Self:
        """Make the file at its full length, with its head; when this fails nothing is left behind."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = self._descriptor(os.O_CREAT | os.O_EXCL)
            end = self.offset + self.nbytes + self.tail_padding
            reserve(fd, end + len(self.tail), self.path)
            put(fd, self.head, 0)
            put(fd, self.tail, end)
        except BaseException:
            self.abandon()
            raise
        return self

    @property
    def token(self) -> str:
        """Equal for files that hold the same but for their samples."""
        shape = (self.channels, self.height, self.width)
        told = repr((os.path.abspath(self.path), self.dtype, shape, self.interleaved, self.bounds, self.zero))
        return xxhash.xxh3_128_hexdigest(told.encode() + b"\0" + self.head + b"\0" + self.tail)

    def adopt(self, temporary: Path) -> bool:
        """Go on with the file *temporary*, which a writer of the same token began; False if it does not fit."""
        if temporary.parent != self.temporary.parent.absolute() or temporary == self.temporary:
            return False
        try:
            with temporary.open("rb") as f:
                fits = os.fstat(f.fileno()).st_size == self.temporary.stat().st_size
                if not fits or f.read(len(self.head)) != self.head:
                    return False
        except OSError:
            return False
        self.abandon()
        self.temporary = temporary
        return True

    def checksum(self, box: Box) -> int:
        """Return the xxh3-64 of the bytes that hold the rows of *box*."""
        row = self.width * np.dtype(self.dtype).itemsize
        planes, row = (1, row * self.channels) if self.interleaved else (self.channels, row)
        found = xxhash.xxh3_64()
        with self.temporary.open("rb", buffering=0) as f:
            for c in range(planes):
                f.seek(self.offset + (c * self.height + box.y0) * row)
                found.update(f.read(box.height * row))
        return int(found.intdigest())

    def write(self, box: Box, tile: Tile) -> None:
        """Put *tile* at *box*, a strip over the full width."""
        self._put(box, tile)

    def write_summed(self, box: Box, tile: Tile) -> int:
        """Put *tile* at *box* and return what `checksum` will say of it."""
        found = xxhash.xxh3_64()
        stored = self._put(box, tile)
        for part in [stored] if self.interleaved else stored:
            found.update(part.data)
        return int(found.intdigest())

    def _put(self, box: Box, tile: Tile) -> npt.NDArray[Any]:
        if (box.x0, box.x1) != (0, self.width) or tile.shape != (self.channels, box.height, self.width):
            wanted = (self.channels, box.height, self.width)
            raise ValueError(f"{self.path}: {box} wants a strip of shape {wanted}, got {tile.shape}")
        fd = self._descriptor()
        stored = self.stored(tile)
        row = self.width * stored.dtype.itemsize
        with self._turn:
            if self.interleaved:
                put(fd, stored, self.offset + box.y0 * row * self.channels)
                return stored
            for c in range(self.channels):
                put(fd, stored[c], self.offset + (c * self.height + box.y0) * row)
        return stored

    def stored(self, tile: Tile) -> npt.NDArray[Any]:
        """Return *tile* in the type and order of the file."""
        dtype = np.dtype(self.dtype)
        ordered = tile.transpose(1, 2, 0) if self.interleaved else tile
        if dtype.kind == "f":
            return ordered.astype(dtype, order="C")
        assert self.bounds is not None
        return quantise(ordered, self.bounds, dtype, self.zero)

    def finish(self) -> None:
        """Flush to the disk, then let the file appear under its final name."""
        os.fsync(self._descriptor())
        self.close()
        publish(self.temporary, self.path)

    def abandon(self) -> None:
        """Remove what was written."""
        self.close()
        self.temporary.unlink(missing_ok=True)

    def close(self) -> None:
        """Close this process's descriptor; the next write opens it again."""
        with self._lock:
            fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _descriptor(self, extra: int = 0) -> int:
        with self._lock:
            if self._fd is None:
                flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | extra
                self._fd = os.open(self.temporary, flags, 0o666)
            return self._fd
