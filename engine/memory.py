"""How much memory a run may use, and what for."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

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
