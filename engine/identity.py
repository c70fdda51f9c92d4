"""Identity: one canonical way to write values as bytes, and the digest of it.

Two results have the same key exactly when they have the same pixels. Every preimage begins with its
kind; what has no canonical form is refused.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt
import xxhash

# Raise by one when keys must not match those of earlier releases: another measuring grid, another
# way to write a preimage, another rounding in the engine.
EPOCH = 2

# msgpack extension codes of numpy arrays inside Values.
_ARRAY = 1
_SQUEEZED = 2

# Arrays of fewer bytes are not worth squeezing; rows of tables have at most so many columns.
_SMALL = 2048
_TABLE = 64


def digest(*preimage: Any) -> str:
    """Return the 128-bit digest of *preimage* as 32 hexadecimal digits; its first item says what it is."""
    return hashlib.blake2b(canonical(list(preimage)), digest_size=16).hexdigest()


def canonical(value: Any) -> bytes:
    """Return the one byte string of *value*: None, bool, int, float, str, bytes, lists, tuples, str-keyed dicts.

    Raises
    ------
    TypeError
        For any other type.
    ValueError
        For NaN, which equals nothing, not even itself.
    """
    packed: bytes = msgpack.packb(_plain(value), use_bin_type=True)
    return packed


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str | bytes):
        return value
    if type(value) is int:
        # Beyond 64 bits msgpack has no integers; text keeps them apart and exact.
        return value if -(2**63) <= value < 2**64 else ["int", str(value)]
    if type(value) is float:
        if math.isnan(value):
            raise ValueError("NaN has no identity: it cannot be part of a key")
        return 0.0 if value == 0.0 else value
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        if not all(isinstance(k, str) for k in value):
            raise TypeError("only dicts with text keys have an identity")
        return {k: _plain(value[k]) for k in sorted(value)}
    raise TypeError(f"{type(value).__name__} has no canonical form")


# Bytes of a file that are read at once for its digest: they stay in a core's cache.
_BLOCK = 1 << 18
_buffers = threading.local()


def digest_file(path: Path) -> str:
    """Return the xxh3-128 digest of a file's bytes as 32 hexadecimal digits."""
    h = xxhash.xxh3_128()
    # One buffer for all files of a thread: the system clears the pages of a new one, which costs more than small files.
    buffer = getattr(_buffers, "one", None)
    if buffer is None:
        # Memory of its own begins with a page; reading to 16 or 32 bytes past one, as into a bytearray, takes twice
        # as long.
        buffer = _buffers.one = mmap.mmap(-1, _BLOCK)
    with memoryview(buffer) as view, path.open("rb", buffering=0) as f:
        while n := f.readinto(buffer):
            h.update(view[:n])
    return h.hexdigest()


def checksum(data: Any) -> int:
    """Return the xxh3-64 checksum of a buffer."""
    return xxhash.xxh3_64_intdigest(data)


def pack(value: Any) -> bytes:
    """Write a Value (plain data and numpy arrays) as msgpack."""
    packed: bytes = msgpack.packb(value, default=_pack_array, use_bin_type=True)
    return packed


def pack_small(value: Any) -> bytes:
    """Write a Value as `pack` does, large arrays compressed without loss."""
    packed: bytes = msgpack.packb(value, default=_squeeze_array, use_bin_type=True)
    return packed


def unpack(data: bytes) -> Any:
    """Read what `pack` or `pack_small` wrote. Tuples come back as lists."""
    return msgpack.unpackb(data, ext_hook=_unpack_array, raw=False, strict_map_key=False)


def _pack_array(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return msgpack.ExtType(_ARRAY, _head(value) + value.tobytes())
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a Value cannot hold {type(value).__name__}")


def _squeeze_array(value: Any) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf" or value.nbytes < _SMALL:
        return _pack_array(value)
    # Bytes of equal weight (of a table: and of the same column) beside one another are alike.
    rows = np.ascontiguousarray(value).view(np.uint8).reshape(-1, _record(value.shape, value.dtype))
    return msgpack.ExtType(_SQUEEZED, _head(value) + zlib.compress(rows.T.tobytes(), level=1))


def _head(a: npt.NDArray[Any]) -> bytes:
    head: bytes = msgpack.packb([a.dtype.str, list(a.shape)])
    return head


def _record(shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Return after how many bytes those of equal weight come again."""
    columns = shape[-1] if len(shape) == 2 and shape[-1] <= _TABLE else 1
    return columns * dtype.itemsize


def _unpack_array(code: int, data: bytes) -> Any:
    if code not in (_ARRAY, _SQUEEZED):
        raise ValueError(f"unknown extension {code} in a Value")
    unpacker = msgpack.Unpacker()
    unpacker.feed(data)
    name, shape = unpacker.unpack()
    dtype, start = np.dtype(name), unpacker.tell()
    if code == _ARRAY:
        return np.frombuffer(data, dtype=dtype, offset=start).reshape(shape).copy()
    planes = np.frombuffer(zlib.decompress(memoryview(data)[start:]), np.uint8)
    return planes.reshape(_record(shape, dtype), -1).T.copy().view(dtype).reshape(shape)
