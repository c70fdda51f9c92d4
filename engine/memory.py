"""How much memory a run may use, and what for."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from functools import cache

_QUARTER = 4


@dataclass(frozen=True, slots=True)
class Memory:
    """A budget in bytes: half for pixels kept between passes, the rest for strips at work, buffers and outputs."""

    total: int
    workers: int = 2

    @classmethod
    def default(cls, workers: int = 2) -> Memory:
        """Return a quarter of the machine's memory."""
        return cls(physical() // _QUARTER, workers)

    @property
    def held(self) -> int:
        """Bytes of pixels that may be kept between passes."""
        return self.total // 2

    @property
    def strip(self) -> int:
        """Samples that one worker may pull for a strip in all, every image it depends on counted."""
        return max(1, min(_LARGEST_STRIP, self.total // 4 // (4 * self.workers)))


# Beyond this (128 MB) thicker strips gain nothing.
_LARGEST_STRIP = 32 * 1024 * 1024


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what strips give back, up to 32 MiB a thread, for the next strips.

    By default glibc returns each larger buffer to the system at once, and the system hands it out again page by page,
    zeroed: measured as more than a third of all processor time of a pointwise chain. Elsewhere nothing is changed, nor
    where the user has set the C library's own variables.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_MMAP_THRESHOLD, _KEPT)
    mallopt(_TRIM_THRESHOLD, _KEPT)


# From malloc.h. Setting one switches off that glibc adapts both, so both are set.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 32 * 1024 * 1024


def peak_memory() -> int:
    """Return the most bytes that this process has had resident so far; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows has no such module
        return 0
    told = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return told if sys.platform == "darwin" else 1024 * told


def physical() -> int:
    """Return the bytes of memory that this machine (or the container it is) has."""
    found = _pages()
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(limit, encoding="ascii") as f:
                told = f.read().strip()
        except OSError:
            continue
        if told.isdecimal():
            found = min(found, int(told))
    return found


def _pages() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on every system
        return 8 * 1024**3
