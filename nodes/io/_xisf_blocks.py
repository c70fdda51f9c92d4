"""Data blocks of XISF files: codecs, byte shuffling, checksums, and pixels read part by part.

Byte shuffling spans a whole block (all first bytes of the samples, then all second bytes ...); it is
done before a block is cut into sub-blocks and undone after they are joined.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...engine.api import SourceError
from ._layout import RawLayout
from ._lz4 import lz4_pieces
from ._unpacked import room
from ._xisf_location import Block

Bytes = npt.NDArray[np.uint8]

# Compressed input and decoded output are handled in pieces of this size.
STEP = 1 << 20
# No stream of these codecs can grow more than this (zstd: a run of 128 KiB in four bytes).
_MOST_GROWTH = {"zlib": 1033, "lz4": 256, "lz4hc": 256, "zstd": 33_000}


def stored_bytes(path: Path, block: Block) -> Bytes:
    """Return the bytes of *block* as they stand in the file, mapped, not copied."""
    if block.inline is not None:
        return np.frombuffer(block.inline, np.uint8)
    view: Bytes = RawLayout(path, block.position, "u1", 1, block.size).view().reshape(-1)
    return view


def check_growth(path: Path, block: Block) -> None:
    """Refuse a block that declares more bytes than its codec could make of it."""
    if block.codec and block.length > _MOST_GROWTH[block.codec] * block.size + 1024:
        raise SourceError(
            f"{path}: {block.size} bytes of {block.codec} cannot hold the declared {block.length} bytes"
        )


def verify(path: Path, block: Block) -> None:
    """Compare the stored bytes with the block's checksum, where it has one."""
    if block.checksum is None:
        return
    name, wanted = block.checksum
    digest = hashlib.new(name, usedforsecurity=False)
    stored = stored_bytes(path, block)
    for start in range(0, stored.size, STEP):
        digest.update(stored[start : start + STEP].data)
    if digest.hexdigest() != wanted:
        raise SourceError(f"{path}: {name} of the pixels is {digest.hexdigest()}, the header wants {wanted}")


# -- codecs -------------------------------------------------------------------------------------------


def compress(codec: str, data: Bytes) -> bytes:
    """Return *data* packed by *codec* as one sub-block."""
    if codec == "zlib":
        return zlib.compress(data.data)
    if codec == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=3).compress(data.data)
    import lz4.block

    mode = {"mode": "high_compression", "compression": 9} if codec == "lz4hc" else {}
    packed: bytes = lz4.block.compress(data.data, store_size=False, **mode)
    return packed


def decoded(path: Path, codec: str, stored: Bytes, length: int) -> Iterator[Bytes]:
    """Yield what *stored* unpacks to, in pieces; exactly *length* bytes or SourceError."""
    done = 0
    try:
        for piece in _pieces(codec, stored, length):
            done += piece.size
            if done > length:
                break
            yield piece
    except (ValueError, zlib.error) as error:
        raise SourceError(f"{path}: damaged {codec} data after {done} of {length} bytes: {error}") from error
    if done != length:
        found = "more" if done > length else f"{done}"
        raise SourceError(f"{path}: {codec} data wants to unpack to {length} bytes, found {found}")


def _pieces(codec: str, stored: Bytes, length: int) -> Iterator[Bytes]:
    if codec == "zlib":
        return _inflated(stored)
    if codec == "zstd":
        return _zstd_pieces(stored)
    return lz4_pieces(stored, length, STEP)


def _inflated(stored: Bytes) -> Iterator[Bytes]:
    engine = zlib.decompressobj()
    for start in range(0, stored.size, STEP):
        rest: memoryview | bytes = stored[start : start + STEP].data
        while len(rest) and not engine.eof:
            yield np.frombuffer(engine.decompress(rest, STEP), np.uint8)
            rest = engine.unconsumed_tail
    yield np.frombuffer(engine.flush(), np.uint8)


def _zstd_pieces(stored: Bytes) -> Iterator[Bytes]:
    import zstandard

    # The window is the memory a frame asks for; the highest level without "--ultra" wants 2**27.
    engine = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    try:
        with engine.stream_reader(stored.data, read_across_frames=True) as reader:
            while piece := reader.read(STEP):
                yield np.frombuffer(piece, np.uint8)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


# -- byte lanes ---------------------------------------------------------------------------------------


def put_shuffled(out: Bytes, item: int, position: int, piece: Bytes) -> None:
    """Put *piece*, which stands at *position* of the shuffled stream, where it belongs in *out*."""
    items = out.size // item
    body = items * item
    lanes = out[:body].reshape(items, item)
    while piece.size and position < body:
        lane, first = divmod(position, items)
        n = min(items - first, piece.size)
        lanes[first : first + n, lane] = piece[:n]
        position, piece = position + n, piece[n:]
    out[position : position + piece.size] = piece


def take_shuffled(data: Bytes, item: int, start: int, stop: int) -> Bytes:
    """Return bytes *start* to *stop* of the shuffled form of *data* (bytes in natural order)."""
    if item == 1:
        return data[start:stop]
    items = data.size // item
    body = items * item
    lanes = data[:body].reshape(items, item)
    found = []
    while start < min(stop, body):
        lane, first = divmod(start, items)
        n = min(items - first, stop - start)
        found.append(np.ascontiguousarray(lanes[first : first + n, lane]))
        start += n
    return np.concatenate([*found, data[start:stop]]) if start < stop else np.concatenate(found)


class UnpackedBlock:
    """A compressed block whose sub-blocks are decoded when a strip first needs them, each once.

    The checksum, where there is one, covers the whole stored block and is compared before the first of
    them is decoded.
    """

    def __init__(self, path: Path, block: Block) -> None:
        self._path, self._block = path, block
        sizes = np.array(block.parts, np.int64).reshape(-1, 2)
        self._stored = np.concatenate([[0], np.cumsum(sizes[:, 0])])
        self._starts = np.concatenate([[0], np.cumsum(sizes[:, 1])])
        self._lock = threading.Lock()
        self._out: Bytes | None = None
        self._parts: dict[int, Future[None]] = {}

    def natural(self, start: int, stop: int) -> Bytes:
        """Return bytes *start* to *stop* of the block, decoded and unshuffled."""
        out = self._prepared()
        for a, b in self._ranges(start, stop):
            part = int(np.searchsorted(self._starts, a, side="right")) - 1
            while a < b:
                self._need(part, out)
                part += 1
                a = int(self._starts[part])
        return out[start:stop]

    def _prepared(self) -> Bytes:
        with self._lock:
            if self._out is None:
                verify(self._path, self._block)
                self._out = room(self._block.length)
            return self._out

    def _ranges(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of the shuffled stream that hold natural bytes *start* to *stop*."""
        item, length = self._block.item, self._block.length
        items = length // item
        first, last = min(start // item, items), min(-(-stop // item), items)
        if first < last:
            yield from ((lane * items + first, lane * items + last) for lane in range(item))
        if stop > items * item:
            yield items * item, length

    def _need(self, part: int, out: Bytes) -> None:
        with self._lock:
            future = self._parts.get(part)
            mine = future is None
            if future is None:
                future = self._parts[part] = Future()
        if mine:
            try:
                self._decode(part, out)
                future.set_result(None)
            except BaseException as error:
                future.set_exception(error)
        future.result()

    def _decode(self, part: int, out: Bytes) -> None:
        stored = stored_bytes(self._path, self._block)[self._stored[part] : self._stored[part + 1]]
        position, end = int(self._starts[part]), int(self._starts[part + 1])
        for piece in decoded(self._path, self._block.codec, stored, end - position):
            put_shuffled(out, self._block.item, position, piece)
            position += piece.size
