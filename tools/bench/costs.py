"""What a child process costs: processor and wall time, memory, bytes. Linux tells all of it, other systems some."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process and its children cost.

    Attributes
    ----------
    code
        What it returned.
    wall, user, system
        Seconds.
    resident
        Bytes resident at most in any one of the processes, mapped files counted; looked at fifty times a second.
    anonymous
        Bytes of anonymous memory at most, all processes together, looked at fifty times a second; 0 where the system
        does not tell.
    anonymous_below
        The same of its child processes only.
    read, written
        Bytes by calls such as `read` and `write`; pages of mapped files are not among them.
    """

    code: int
    wall: float
    user: float
    system: float
    resident: int
    anonymous: int
    anonymous_below: int
    read: int
    written: int

    @property
    def cpu(self) -> float:
        return self.user + self.system


def measured(command: Sequence[str], environment: Mapping[str, str] | None = None, errors: Path | None = None) -> Cost:
    """Run a command to its end and return what it cost.

    Parameters
    ----------
    environment
        Of the process; default: that of this one.
    errors
        File that takes what it says on stderr; default: nobody hears it.
    """
    sink = errors.open("wb") if errors else subprocess.DEVNULL
    start = time.perf_counter()
    try:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=sink
        )
    finally:
        if errors:
            sink.close()  # type: ignore[union-attr]
    if not hasattr(os, "wait4"):
        code = process.wait()
        return Cost(code, time.perf_counter() - start, 0.0, 0.0, 0, 0, 0, 0, 0)
    watch = _Watch(process.pid)
    watch.start()
    try:
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.perf_counter() - start
        watch.stop()
        read, written = _traffic(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        watch.stop()
        process.kill()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(
        process.returncode, wall, usage.ru_utime, usage.ru_stime, watch.resident or unit * usage.ru_maxrss,
        watch.whole, watch.below, read, written,
    )  # fmt: skip


class _Watch(threading.Thread):
    """Looks at the anonymous memory of a process and its children until told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._end = pid, threading.Event()
        self.whole = self.below = 0
        # What the kernel tells of an ended process counts what its parent had resident when it was started.
        self.resident = 0

    def run(self) -> None:
        while not self._end.is_set():
            children = [_memory(p) for p in _descendants(self._pid)]
            own = _memory(self._pid)
            below = sum(anonymous for anonymous, _ in children)
            self.below = max(self.below, below)
            self.whole = max(self.whole, below + own[0])
            self.resident = max(self.resident, *(peak for _, peak in (own, *children)))
            self._end.wait(_EVERY)

    def stop(self) -> None:
        self._end.set()
        self.join()


def _memory(pid: int) -> tuple[int, int]:
    """Return the anonymous bytes of a process, and the most it had resident; asking for these does not slow it down."""
    told = {}
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            told = {name: rest.split()[0] for name, _, rest in (line.partition(":") for line in f) if rest.strip()}
    except OSError:
        pass  # it has ended
    return 1024 * int(told.get("RssAnon", 0)), 1024 * int(told.get("VmHWM", 0))


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
                for child in map(int, f.read().split()):
                    found += [child, *_descendants(child)]
    except OSError:
        pass
    return found


def _traffic(pid: int) -> tuple[int, int]:
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as f:
            told = dict(line.split(":") for line in f.read().splitlines())
        return int(told["rchar"]), int(told["wchar"])
    except (OSError, KeyError, ValueError):
        return 0, 0
