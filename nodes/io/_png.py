"""PNG streams of 8 and 16 bits, read and written row by row (W3C "PNG Specification (Third Edition)").

Pillow reads 16-bit colours as 8 bits and holds whole pictures in memory; this module does neither.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import SourceError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by colour type
_COLOR_TYPES = {channels: kind for kind, channels in _CHANNELS.items()}
_STEP = 1 << 18
_UP = 2


@dataclass(frozen=True, slots=True)
class PngHeader:
    """What IHDR and the text chunks before the pixels say; *direct* files are those `decode_png` reads."""

    width: int
    height: int
    depth: int
    kind: int
    interlaced: bool
    texts: dict[str, str]

    @property
    def direct(self) -> bool:
        return self.kind in _CHANNELS and self.depth in (8, 16) and not self.interlaced

    @property
    def channels(self) -> int:
        return _CHANNELS[self.kind]

    @property
    def row_bytes(self) -> int:
        return self.width * self.channels * self.depth // 8


# -- reading ------------------------------------------------------------------------------------------


def _chunks(path: Path, file: IO[bytes], keep: Callable[[bytes], bool]) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and data of each chunk that *keep* wants, after comparing its checksum."""
    end = os.fstat(file.fileno()).st_size
    file.seek(len(SIGNATURE))
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise SourceError(f"{path}: truncated: the PNG file ends without IEND")
        size, name = struct.unpack(">I4s", head)
        if file.tell() + size + 4 > end:
            raise SourceError(f"{path}: truncated: chunk {name!r} ends at {file.tell() + size + 4}, the file at {end}")
        if not keep(name):
            file.seek(size + 4, os.SEEK_CUR)
            yield name, b""
            continue
        data = file.read(size)
        if zlib.crc32(data, zlib.crc32(name)) != int.from_bytes(file.read(4), "big"):
            raise SourceError(f"{path}: chunk {name!r} of the PNG file is damaged (its checksum differs)")
        yield name, data


def png_header(path: Path) -> PngHeader:
    """Return what stands before the pixels of a PNG file."""
    with path.open("rb") as file:
        chunks = _chunks(path, file, lambda name: name in (b"IHDR", b"tEXt"))
        name, data = next(chunks)
        if name != b"IHDR" or len(data) != 13:
            raise SourceError(f"{path}: a PNG file wants IHDR first, found {name!r}")
        width, height, depth, kind, _, _, interlace = struct.unpack(">IIBBBBB", data)
        texts = {}
        for name, data in chunks:
            if name == b"IDAT":
                break
            if name == b"tEXt":
                key, _, text = data.partition(b"\0")
                texts[key.decode("latin-1")] = text.decode("latin-1")
            elif name == b"IEND":
                raise SourceError(f"{path}: the PNG file has no pixels")
    if width == 0 or height == 0:
        raise SourceError(f"{path}: the picture has no pixels ({width}x{height})")
    return PngHeader(width, height, depth, kind, interlace != 0, texts)


def decode_png(path: Path, header: PngHeader, out: npt.NDArray[Any]) -> None:
    """Decode a *direct* PNG file into *out*, ``(rows, columns, channels)`` of uint8 or uint16."""
    stride = header.row_bytes
    bpp = max(1, header.channels * header.depth // 8)
    prior = np.zeros(stride, np.uint8)
    left, y = b"", 0
    for piece in _inflated(path):
        left += piece
        rows = min(len(left) // (stride + 1), header.height - y)
        if not rows:
            continue
        block = np.frombuffer(left, np.uint8, rows * (stride + 1)).reshape(rows, stride + 1).copy()
        left = left[rows * (stride + 1) :]
        if not _unfilter(block, prior, bpp):
            raise SourceError(f"{path}: row {y} or a later one has an unknown PNG filter")
        prior = block[-1, 1:]
        samples = np.ascontiguousarray(block[:, 1:]).view(f">u{header.depth // 8}")
        out[y : y + rows] = samples.reshape(rows, header.width, header.channels)
        y += rows
        if y == header.height:
            break
    if y < header.height:
        raise SourceError(f"{path}: wants {header.height} rows, the PNG data end after {y}")


def _inflated(path: Path) -> Iterator[bytes]:
    engine = zlib.decompressobj()
    try:
        with path.open("rb") as file:
            for name, data in _chunks(path, file, lambda name: name == b"IDAT"):
                if name == b"IEND":
                    yield engine.flush()
                    return
                for start in range(0, len(data), _STEP):
                    rest = data[start : start + _STEP]
                    while rest and not engine.eof:
                        yield engine.decompress(rest, _STEP)
                        rest = engine.unconsumed_tail
    except zlib.error as error:
        raise SourceError(f"{path}: damaged PNG data: {error}") from error


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _unfilter(rows: Any, prior: Any, bpp: int) -> bool:
    """Undo the filters of *rows* (each begins with its filter's number) in place; False at an unknown one."""
    for y in range(rows.shape[0]):
        kind = rows[y, 0]
        if kind > 4:
            return False
        for x in range(1, rows.shape[1]):
            a = np.int32(rows[y, x - bpp]) if x > bpp else np.int32(0)
            b = np.int32(prior[x - 1])
            c = np.int32(prior[x - 1 - bpp]) if x > bpp else np.int32(0)
            if kind == 1:
                guess = a
            elif kind == 2:
                guess = b
            elif kind == 3:
                guess = (a + b) // 2
            elif kind == 4:
                pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
                guess = a if pa <= pb and pa <= pc else b if pb <= pc else c
            else:
                guess = np.int32(0)
            rows[y, x] = np.uint8((np.int32(rows[y, x]) + guess) & 255)
        prior = rows[y, 1:]
    return True


# -- writing ------------------------------------------------------------------------------------------


def encode_png(file: IO[bytes], samples: npt.NDArray[Any], texts: dict[str, str]) -> None:
    """Write *samples*, ``(rows, columns, channels)`` of uint8 or big-endian uint16, as a PNG file.

    Every row is stored as the difference to the one above; equal samples give equal bytes.
    """
    height, width, channels = samples.shape
    depth = 8 * samples.dtype.itemsize
    file.write(SIGNATURE)
    ihdr = struct.pack(">IIBBBBB", width, height, depth, _COLOR_TYPES[channels], 0, 0, 0)
    _put_chunk(file, b"IHDR", ihdr)
    for key, text in texts.items():
        _put_chunk(file, b"tEXt", key.encode("latin-1") + b"\0" + text.encode("latin-1"))
    # Differences of rows of a photograph repeat nowhere: looking for repetitions other than runs takes seven times as
    # long and gives the same size.
    engine = zlib.compressobj(strategy=zlib.Z_RLE)
    stride = width * channels * depth // 8
    rows = max(1, _STEP // stride)
    above = np.zeros((1, stride), np.uint8)
    pending = b""
    for y in range(0, height, rows):
        block = np.ascontiguousarray(samples[y : y + rows]).view(np.uint8).reshape(-1, stride)
        filtered = np.full((len(block), stride + 1), _UP, np.uint8)
        np.subtract(block, np.concatenate([above, block[:-1]]), out=filtered[:, 1:])
        above = block[-1:].copy()
        pending += engine.compress(filtered.data)
        if len(pending) >= _STEP:
            _put_chunk(file, b"IDAT", pending)
            pending = b""
    _put_chunk(file, b"IDAT", pending + engine.flush())
    _put_chunk(file, b"IEND", b"")


def _put_chunk(file: IO[bytes], name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name + data)
    file.write(zlib.crc32(data, zlib.crc32(name)).to_bytes(4, "big"))
