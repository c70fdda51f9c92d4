"""Uncompressed pixels at a known place of a file, written in disjoint ranges; reading them is `_layout`'s."""

from __future__ import annotations

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
from ._direct import LEAST, DirectFile, put_past, room
from ._disk import publish, put, reserve, temporary_name

_FLOAT32 = (np.dtype("<f4"), np.dtype(">f4"))


def quantise(
    tile: Tile,
    bounds: tuple[float, float],
    dtype: npt.DTypeLike,
    zero: int = 0,
    out: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
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
    out
        Where to put them: an array of the tile's shape and of *dtype*, in one piece.
    """
    out = np.empty(tile.shape, np.dtype(dtype)) if out is None else out
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
    reread
        Whether the file is read again at once: it stays in the system's cache, however large.
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
    reread: bool = False
    temporary: Path = Path()
    _fd: int | None = field(default=None, init=False, repr=False, compare=False)
    _direct: DirectFile | None = field(default=None, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    # One thread writes at a time: the system lets no two into one file, and has those that wait burn their time.
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.temporary == Path():
            self.temporary = temporary_name(self.path)
        if np.dtype(self.dtype).kind != "f" and self.bounds is None:
            raise ValueError(f"{self.path}: integer samples ({self.dtype}) want bounds, got none")

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_fd", "_direct", "_lock", "_turn")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _fd=None, _direct=None, _lock=threading.Lock(), _turn=threading.Lock())

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
        for part in self._put(box, tile):
            found.update(part.data)
        return int(found.intdigest())

    def _put(self, box: Box, tile: Tile) -> list[npt.NDArray[Any]]:
        """Write *tile* and return the pieces that were written."""
        if (box.x0, box.x1) != (0, self.width) or tile.shape != (self.channels, box.height, self.width):
            wanted = (self.channels, box.height, self.width)
            raise ValueError(f"{self.path}: {box} wants a strip of shape {wanted}, got {tile.shape}")
        fd, direct = self._descriptor(), self._past_the_cache()
        row = self.width * np.dtype(self.dtype).itemsize
        planes, row = ([tile.transpose(1, 2, 0)], row * self.channels) if self.interleaved else (list(tile), row)
        pieces = []
        for c, plane in enumerate(planes):
            place = self.offset + (c * self.height + box.y0) * row
            pieces.append(piece := self._stored(plane, place))
            if direct is not None:
                put_past(direct, fd, piece, place, self._turn)
                continue
            with self._turn:
                put(fd, piece, place)
        return pieces

    def _stored(self, plane: npt.NDArray[Any], place: int) -> npt.NDArray[Any]:
        """Return *plane* in the type of the file, as it lies at byte *place*."""
        out = room(plane.shape, self.dtype, place)
        if out.dtype.kind == "f":
            np.copyto(out, plane, casting="same_kind")
            return out
        assert self.bounds is not None
        return quantise(plane, self.bounds, self.dtype, self.zero, out)

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
            (fd, self._fd), (direct, self._direct) = (self._fd, None), (self._direct, None)
        if fd is not None:
            os.close(fd)
        if direct is not None:
            direct.close()

    def _descriptor(self, extra: int = 0) -> int:
        with self._lock:
            if self._fd is None:
                flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | extra
                self._fd = os.open(self.temporary, flags, 0o666)
            return self._fd

    def _past_the_cache(self) -> DirectFile | None:
        """Return what writes a large file directly."""
        if self.nbytes < LEAST or self.reread:
            return None
        with self._lock:
            if self._direct is None:
                self._direct = DirectFile(self.temporary)
            return self._direct
