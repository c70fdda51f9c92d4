"""Pixels of one image output on disk: raw float32, memory-mappable, each strip whole or not at all.

    bytes 0..4095      header: magic, then msgpack {shape, rows}
    4096..             float32 little endian, strip after strip, each (channels, rows, columns)
    behind the pixels  one xxh3-64 checksum a strip; 0 means: not made yet

A strip's checksum is written after its pixels have been handed to the system, so a reader (or a later run)
believes a strip only when every byte of it is there.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgpack
import numpy as np
import xxhash

from .process import Tile
from .region import Box, strip_rows

_MAGIC = b"lerarlink pixels 1\n"
_HEADER = 4096


class Pixels(Protocol):
    """Pixels of one image output that are there already."""

    def read(self, box: Box) -> Tile | None:
        """Return the pixels of *box*; None where they are not there after all, and must be made."""


@dataclass(slots=True)
class StoredPixels:
    """A file of strips. Plain data: it opens the file for each strip, so it travels to worker processes."""

    path: Path
    shape: tuple[int, int, int]
    rows: int
    """Rows of a strip; the last may have fewer."""

    @classmethod
    def open(cls, path: Path, shape: tuple[int, int, int]) -> StoredPixels:
        """Return the file at *path*, made (empty) when it is not there or does not fit *shape*.

        Raises
        ------
        OSError
            It cannot be made, such as on a full disk; nothing is left behind.
        """
        made = cls(path, shape, strip_rows(shape[2]))
        if not made._fits():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            try:
                with part.open("wb") as f:
                    f.write(made._header())
                    f.truncate(made._end())
                part.replace(path)
            except OSError:
                part.unlink(missing_ok=True)
                raise
        return made

    def read(self, box: Box) -> Tile | None:
        """Return the pixels of *box*, or None unless every strip of it is there and whole."""
        first, last = box.y0 // self.rows, (box.y1 - 1) // self.rows
        parts = []
        for strip in range(first, last + 1):
            part = self._read_strip(strip)
            if part is None:
                return None
            y = strip * self.rows
            parts.append(part[:, max(box.y0 - y, 0) : box.y1 - y, box.x0 : box.x1])
        return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1))

    def write(self, box: Box, tile: Tile) -> None:
        """Put a full-width tile that consists of whole strips."""
        for y in range(box.y0, box.y1, self.rows):
            part = np.ascontiguousarray(tile[:, y - box.y0 : y - box.y0 + self.rows], "<f4")
            self._write_strip(y // self.rows, part)

    def complete(self) -> bool:
        """Return whether every strip was written (their checksums are looked at on reading)."""
        with self.path.open("rb") as f:
            f.seek(self._sums())
            return bool(np.frombuffer(f.read(8 * self._count()), "<u8").all())

    def _read_strip(self, strip: int) -> Tile | None:
        channels, height, width = self.shape
        rows = min(self.rows, height - strip * self.rows)
        with contextlib.suppress(OSError), self.path.open("rb", buffering=0) as f:
            f.seek(self._sums() + 8 * strip)
            told = int.from_bytes(f.read(8), "little")
            if not told:
                return None
            f.seek(self._offset(strip))
            data = bytearray(4 * channels * rows * width)
            if f.readinto(data) == len(data) and _sum(data) == told:
                return np.frombuffer(data, "<f4").reshape(channels, rows, width)
        return None

    def _write_strip(self, strip: int, part: Tile) -> None:
        data = part.tobytes()
        with self.path.open("r+b", buffering=0) as f:
            f.seek(self._offset(strip))
            f.write(data)
            f.seek(self._sums() + 8 * strip)
            f.write(_sum(data).to_bytes(8, "little"))

    def _fits(self) -> bool:
        with contextlib.suppress(OSError), self.path.open("rb") as f:
            return f.read(_HEADER) == self._header() and os.fstat(f.fileno()).st_size == self._end()
        return False

    def _header(self) -> bytes:
        packed: bytes = msgpack.packb({"shape": list(self.shape), "rows": self.rows})
        return (_MAGIC + packed).ljust(_HEADER, b"\0")

    def _count(self) -> int:
        return -(-self.shape[1] // self.rows)

    def _offset(self, strip: int) -> int:
        return _HEADER + 4 * strip * self.rows * self.shape[0] * self.shape[2]

    def _sums(self) -> int:
        return _HEADER + 4 * self.shape[0] * self.shape[1] * self.shape[2]

    def _end(self) -> int:
        return self._sums() + 8 * self._count()


def verify(path: Path) -> bool:
    """Return whether a pixel file is well formed and every strip it claims is whole."""
    with path.open("rb") as f:
        head = f.read(_HEADER)
    if not head.startswith(_MAGIC):
        return False
    told = msgpack.Unpacker(strict_map_key=False)
    told.feed(head[len(_MAGIC) :])
    try:
        fields = told.unpack()
        stored = StoredPixels(path, tuple(fields["shape"]), int(fields["rows"]))
    except (msgpack.UnpackException, ValueError, KeyError, TypeError):
        return False
    if not stored._fits():
        return False
    with path.open("rb") as f:
        f.seek(stored._sums())
        sums = np.frombuffer(f.read(8 * stored._count()), "<u8")
    return all(stored._read_strip(i) is not None for i in np.flatnonzero(sums).tolist())


def _sum(data: bytes | bytearray) -> int:
    # 0 is kept for "not made yet".
    return xxhash.xxh3_64_intdigest(data) or 1
