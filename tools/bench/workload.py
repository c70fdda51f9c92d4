"""What a workload is made of: data, entrants, what they must agree on, and the figures to be reached.

A workload says what is to be done; an entrant is one program that does it. Peers are other people's libraries; they
are looked for by name when a bench runs, and nothing of lerarlink depends on them.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

OURS = "lerarlink"
COPY = "cp"
Settings = Mapping[str, Any]
SizeName = Literal["small", "full"]


class Section(NamedTuple):
    """A part of an entrant's work whose cost is told apart.

    Attributes
    ----------
    cpu, wall
        Seconds, those of ended child processes counted.
    amount
        What was done, in the unit of the workload (mostly pixels); 0 where that does not matter.
    """

    name: str
    cpu: float
    wall: float
    amount: float = 0.0


@dataclass
class Task:
    """What an entrant is given, and where it notes what it did.

    Attributes
    ----------
    data, out
        Folder of the generated data; folder of its own results, made for it.
    size
        The settings of the workload's size.
    store
        Folder of lerarlink's store (for peers without meaning).
    siril
        The command of Siril, with whatever stands before it; empty where there is none.
    sections, facts
        What it tells: costs of parts, and anything else that JSON holds.
    """

    data: Path
    out: Path
    size: Settings
    store: Path
    siril: tuple[str, ...] = ()
    sections: list[Section] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def section(self, name: str, amount: float = 0.0) -> Iterator[None]:
        """Note what the block costs."""
        wall, cpu = time.perf_counter(), cpu_seconds()
        yield
        self.sections.append(Section(name, cpu_seconds() - cpu, time.perf_counter() - wall, amount))

    def best(self, name: str, function: Callable[[], Any], amount: float = 0.0, times: int = 3) -> Any:
        """Note the cheapest of *times* calls of *function*, after one that warms it up; return the last result."""
        function()
        found: list[Section] = []
        result: Any = None
        for _ in range(times):
            wall, cpu = time.perf_counter(), cpu_seconds()
            result = function()
            found.append(Section(name, cpu_seconds() - cpu, time.perf_counter() - wall, amount))
        self.sections.append(min(found, key=lambda s: s.cpu))
        return result

    def command(self, name: str, arguments: list[str], amount: float = 0.0, **how: Any) -> str:
        """Run a command as a section of the work and return what it printed.

        Raises
        ------
        RuntimeError
            It failed; says with what.
        """
        self.facts["external"] = True
        with self.section(name, amount):
            done: subprocess.CompletedProcess[str] = subprocess.run(
                arguments, capture_output=True, text=True, errors="replace", check=False, **how
            )
        if done.returncode:
            told = "\n".join((done.stdout + done.stderr).strip().splitlines()[-6:])
            raise RuntimeError(f"{' '.join(arguments[:4])} ended with {done.returncode}: {told}")
        return done.stdout

    def lerar(self, name: str, *arguments: str, amount: float = 0.0) -> str:
        """Run `lerar` as a section of the work."""
        environment = {**os.environ, "LERAR_CACHE_DIR": str(self.store)}
        return self.command(name, [sys.executable, "-m", "lerarlink.tools.cli", *arguments], amount, env=environment)

    def told(self, report: Any) -> None:
        """Note what a run's report says of its stages and of bytes."""
        self.facts["read"] = self.facts.get("read", 0) + report.bytes_read
        self.facts["passes"] = report.passes
        self.facts["stages"] = [
            {"action": s.action, "nodes": s.nodes[:6], "cpu": round(s.cpu_seconds, 3), "wall": round(s.seconds, 3)}
            for s in report.stages
        ]


def cpu_seconds() -> float:
    """Return the processor time of this process and its ended children, finer than the ticks of `os.times`."""
    try:
        import resource
    except ImportError:  # Windows has no such module
        t = os.times()
        return t.user + t.system + t.children_user + t.children_system
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in both)


def peer(name: str) -> Any:
    """Import a peer's library.

    Raises
    ------
    ImportError
        It is not installed.
    """
    return importlib.import_module(name)


@dataclass(frozen=True)
class Entrant:
    """One program that does the work.

    Attributes
    ----------
    name
        Of the program or library.
    work
        Does the work; runs in a process of its own.
    library
        What it imports, looked for beforehand; empty for none.
    memory
        Bytes that it needs, by the settings; it is left out where the machine has less free.
    keeps_store
        Whether lerarlink's store is left as the entrant before it left it.
    rehearsed
        Whether it does the small size first; not where that is too small for it, and nothing is to be compiled.
    """

    name: str
    work: Callable[[Task], None]
    library: str = ""
    memory: Callable[[Settings], float] = lambda size: 0.0
    keeps_store: bool = False
    rehearsed: bool = True

    @property
    def ours(self) -> bool:
        return self.name.startswith(OURS)


class Figure(NamedTuple):
    """One number that the bench is about, and what is wanted of it.

    Attributes
    ----------
    what, value, unit
        The number; None where it could not be measured.
    wanted
        To be reached; None where nothing is asked.
    least
        Whether the value should be at least what is wanted, not at most.
    """

    what: str
    value: float | None
    unit: str
    wanted: float | None = None
    least: bool = False

    @property
    def reached(self) -> bool | None:
        if self.value is None or self.wanted is None:
            return None
        return self.value >= self.wanted if self.least else self.value <= self.wanted


@dataclass(frozen=True)
class Workload:
    """Work to be done by several entrants on the same data.

    Attributes
    ----------
    name, title, about
        For the table and the page; `about` says what is done and what is counted.
    sizes
        Settings of the small and the full size.
    make
        Writes the data of some settings into a folder.
    shares
        What names the data, so that workloads with equal settings share it.
    entrants
        In order; the first is lerarlink.
    agree
        From the facts and output folder of each entrant at small size: why its result is wrong, empty where right.
    figures
        From the results of all entrants: what the bench is about.
    copied
        Files whose bytes `cp` copies; empty for none.
    by_section
        Whether costs are those of the sections, not of the whole process: where start-up is no part of the matter.
    """

    name: str
    title: str
    about: str
    sizes: Mapping[str, Settings]
    make: Callable[[Path, Settings], None]
    shares: str
    entrants: tuple[Entrant, ...]
    figures: Callable[[Any], list[Figure]]
    agree: Callable[[Mapping[str, tuple[dict[str, Any], Path]], Settings], dict[str, str]] = lambda found, size: {}
    copied: Callable[[Path, Settings], list[Path]] | None = None
    by_section: bool = False
