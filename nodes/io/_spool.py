"""Files compressed as a whole (``.gz``, ``.bz2``), unpacked once, into memory or the scratch folder."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import os
import zlib
from pathlib import Path
from typing import IO

from ...engine.api import SourceError, scratch
from ._disk import temporary_name

# What unpacks to no more than this stays in memory. Readers are kept by the hundred, so that a night of
# compressed lights may hold a few hundred MiB here; larger files are mapped from the scratch folder.
_HELD = 1 << 20
_BLOCK = 1 << 20


def is_packed(head: bytes) -> bool:
    """Return whether a file that begins with *head* is compressed as a whole."""
    return head.startswith((b"\x1f\x8b", b"BZh"))


def unpack(path: Path) -> Path | bytes:
    """Return the unpacked bytes of *path*, or the file that holds them.

    The unpacked file is named after path, size, time and inode, and appears whole or not at all; runs
    that need it at the same time may both make it, and the last one stays.
    """
    place = scratch() / f"{_digest(path)}.unpacked"
    if place.exists():
        return place
    temporary = temporary_name(place)
    try:
        with path.open("rb") as packed, _opened(packed) as source:
            first = source.read(_HELD + 1)
            if len(first) <= _HELD:
                return first
            with temporary.open("wb") as out:
                out.write(first)
                while block := source.read(_BLOCK):
                    out.write(block)
        temporary.replace(place)
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise SourceError(f"{path}: cannot be unpacked: {e}") from e
    except OSError as e:
        # A damaged bz2 stream is a bare OSError without number; a full scratch disk has one.
        raise SourceError(f"{path}: cannot be unpacked: {e.strerror or e}") from e
    finally:
        temporary.unlink(missing_ok=True)
    return place


def _opened(packed: IO[bytes]) -> bz2.BZ2File | gzip.GzipFile:
    head = packed.read(3)
    packed.seek(0)
    return bz2.BZ2File(packed) if head == b"BZh" else gzip.GzipFile(fileobj=packed)


def _digest(path: Path) -> str:
    s = path.stat()
    name = f"{path.absolute()}\0{s.st_size}\0{s.st_mtime_ns}\0{s.st_ino}"
    return hashlib.blake2b(os.fsencode(name), digest_size=16).hexdigest()
