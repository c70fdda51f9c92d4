"""Files on the disk: memory maps that a process shares, and files that appear whole or not at all.

The few calls that exist on some systems only (`posix_fallocate`, `pwrite`) have their plain fallback here.
"""

from __future__ import annotations

import errno
import mmap
import os
import secrets
import shutil
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import SourceError

# -- reading ----------------------------------------------------------------------------------------


Seen = tuple[int, int, int]
"""Size, time of change and inode of a file, which tell it from one that was written later."""


def seen(path: str | Path) -> Seen:
    """Return what a file looks like now; raises OSError."""
    s = os.stat(path)
    return s.st_size, s.st_mtime_ns, s.st_ino


class _Maps:
    """Memory maps of this process, the least recently used dropped first.

    A dropped map closes when the last view of it is gone, so a reader in another thread is never cut off.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._maps: OrderedDict[tuple[str, Seen], mmap.mmap] = OrderedDict()
        self._limit = _open_file_limit() // 4

    def get(self, path: Path, as_seen: Seen | None = None) -> mmap.mmap:
        name = os.fspath(path)
        with self._lock:
            if as_seen is not None and (name, as_seen) in self._maps:
                self._maps.move_to_end((name, as_seen))
                return self._maps[name, as_seen]
        key = (name, seen(path))
        with self._lock:
            found = self._maps.get(key)
            if found is None:
                with path.open("rb") as f:
                    found = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
                self._maps[key] = found
            self._maps.move_to_end(key)
            while len(self._maps) > self._limit:
                self._maps.popitem(last=False)
            return found

    def forget(self, path: Path) -> None:
        """Drop the maps of *path*, which is about to be replaced (Windows refuses while one is open)."""
        name = os.fspath(path)
        with self._lock:
            for key in [k for k in self._maps if k[0] == name]:
                del self._maps[key]


def _open_file_limit() -> int:
    """Return how many files this process may hold open; each memory map of Python holds one."""
    if sys.platform == "win32":
        return 2048
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return min(max(soft, 256), 4096) if soft != resource.RLIM_INFINITY else 4096


_MAPS = _Maps()


def mapped(path: Path, as_seen: Seen | None = None) -> mmap.mmap:
    """Return the memory map of *path*, shared by all readers of this process.

    A map that was made of the file *as_seen* is taken without asking the system about the file again.

    Raises
    ------
    SourceError
        The file cannot be opened, or is empty.
    """
    try:
        return _MAPS.get(path, as_seen)
    except (OSError, ValueError) as e:
        raise SourceError(f"{path}: cannot be read: {e}") from e


def release(raw: mmap.mmap, start: int, stop: int) -> None:
    """Let go of the pages behind bytes *start* to *stop*; they stay in the system's cache and come back when read.

    Without this the resident memory of a run grows with the files it has gone through.
    """
    if hasattr(mmap, "MADV_DONTNEED"):
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        raw.madvise(mmap.MADV_DONTNEED, first, stop - first)


# -- writing ----------------------------------------------------------------------------------------


def temporary_name(path: Path) -> Path:
    """Return a name beside *path* that nobody uses, under which it is written until it is whole."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")


def publish(temporary: Path, path: Path) -> None:
    """Give a file that is whole its final name, replacing what was there."""
    _MAPS.forget(path)
    temporary.replace(path)


def reserve(fd: int, size: int, path: Path) -> None:
    """Give the open file *fd* its full *size* on the disk, or raise OSError saying how much is missing."""
    free = shutil.disk_usage(path.parent).free
    short = OSError(errno.ENOSPC, f"the disk is full: {size} bytes wanted, {free} free", os.fspath(path))
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(fd, 0, size)
            return
        except OSError as e:
            if e.errno == errno.ENOSPC:
                raise short from e
            if e.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
    if free < size:
        raise short
    os.ftruncate(fd, size)


_SEEK = threading.Lock()


def put(fd: int, data: bytes | memoryview | npt.NDArray[Any], offset: int) -> None:
    """Write all of *data* at byte *offset* of *fd*, from any thread."""
    # A buffer of foreign byte order has no memoryview format to cast from; its bytes have.
    view = memoryview(data.reshape(-1).view(np.uint8).data if isinstance(data, np.ndarray) else data)
    if not hasattr(os, "pwrite"):
        with _SEEK:
            os.lseek(fd, offset, os.SEEK_SET)
            while view:
                view = view[os.write(fd, view) :]
        return
    while view:
        n = os.pwrite(fd, view, offset)
        view, offset = view[n:], offset + n
