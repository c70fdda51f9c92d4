"""Fuzzing for a bounded time: each target tries examples until its seconds are used up.

LERAR_FUZZ_SECONDS sets the seconds of each target; a usual run of the tests spends little on them.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

SECONDS = float(os.environ.get("LERAR_FUZZ_SECONDS", "1.5"))


class Budget:
    """Calls a reader on one input after the other, and holds it to time, memory and an untouched folder.

    Attributes
    ----------
    tried
        How many inputs were tried before the time was up.
    slowest
        Seconds of the slowest of them.
    """

    def __init__(self, folder: Path, seconds: float, megabytes: float) -> None:
        self.folder, self.megabytes = folder, megabytes
        self.until = time.monotonic() + seconds
        self.tried, self.slowest = 0, 0.0

    @property
    def left(self) -> bool:
        return time.monotonic() < self.until

    def spend(self, run: Callable[[], None]) -> None:
        """Call *run*, which tries some examples, until the time is up."""
        while self.left:
            run()
        print(f"{self.tried} tried, the slowest took {self.slowest:.3f} s")

    def call(self, read: Callable[[], object]) -> None:
        before = sorted(p.name for p in self.folder.iterdir())
        start = time.process_time()
        tracemalloc.start()
        try:
            read()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        took = time.process_time() - start
        self.tried, self.slowest = self.tried + 1, max(self.slowest, took)
        assert took < 3.0, f"took {took:.1f} s"
        assert peak < self.megabytes * 1e6, f"took {peak / 1e6:.0f} MB"
        assert sorted(p.name for p in self.folder.iterdir()) == before, "something was written"


@pytest.fixture
def budget(tmp_path: Path) -> Callable[..., Budget]:
    """Return a function that gives a budget; *megabytes* bound what one example may allocate."""

    def make(megabytes: float = 40.0) -> Budget:
        return Budget(tmp_path, SECONDS, megabytes)

    return make
