"""A contest: all entrants of a workload in turn, several rounds, in alternating order, and what each cost.

The machine may be shared, so costs are compared within one run, round by round; a lone `cp` would be no yardstick.
Input files are read through before each turn, so that the system has them at hand for everybody or for nobody. Before
the first round every entrant does the small size once: what is to be compiled is compiled, what cannot work is left
out, and what gives other results is told.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .child import work
from .costs import measured
from .machine import free_memory, load, machine
from .workload import COPY, OURS, Entrant, Section, SizeName, Task, Workload, peer

FORMAT = 1
_MEASURED_AFRESH = ("values", "pixels", "written", "journals", "sources")
Told = Callable[[str], None]


@dataclass
class Run:
    """What one entrant cost in one round."""

    round: int
    cpu: float
    wall: float
    resident: int
    anonymous: int
    read: int
    written: int
    sections: list[Section] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Results:
    """What all entrants cost; `skipped` tells why others took no part."""

    runs: dict[str, list[Run]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def least(self, entrant: str, section: str | None = None, what: str = "cpu") -> float | None:
        """Return the least cost of an entrant over all rounds; None if it took no part."""
        found = self._all(entrant, section, what)
        return min(found, default=None)

    def rate(self, entrant: str, section: str) -> float | None:
        """Return the amount of a section done in a CPU second, at best."""
        sections = [s for r in self.runs.get(entrant, []) for s in r.sections if s.name == section]
        rates = [s.amount / s.cpu for s in sections if s.cpu]
        return max(rates, default=None)

    def ratio(self, entrant: str, other: str, what: str = "cpu", section: str | None = None) -> float | None:
        """Return the median over the rounds of what *entrant* costs against *other* in the same round."""
        pairs = zip(self._all(entrant, section, what), self._all(other, None, what), strict=False)
        found = [a / b for a, b in pairs if b]
        return statistics.median(found) if found else None

    def fact(self, entrant: str, name: str) -> Any:
        runs = self.runs.get(entrant, [])
        return runs[-1].facts.get(name) if runs else None

    def _all(self, entrant: str, section: str | None, what: str) -> list[float]:
        runs = self.runs.get(entrant, [])
        if section is None:
            return [getattr(r, what) for r in runs]
        return [getattr(s, what) for r in runs for s in r.sections if s.name == section]


@dataclass(frozen=True)
class Contest:
    """How and where workloads are run.

    Attributes
    ----------
    folder
        Holds the data (made once), what entrants write, and the store.
    size
        ``small`` or ``full``.
    rounds
        How often each entrant does the work.
    only
        Names of entrants that take part; empty for all.
    siril
        The command of Siril, with whatever stands before it.
    tell
        Is told what goes on.
    """

    folder: Path
    size: SizeName = "full"
    rounds: int = 2
    only: tuple[str, ...] = ()
    siril: tuple[str, ...] = ()
    tell: Told = lambda text: None

    # -- data ---------------------------------------------------------------------------------------

    def data(self, chosen: Workload, size: SizeName | None = None) -> Path:
        """Return the folder of a workload's data, made if it is not there."""
        size = size or self.size
        folder = self.folder / "data" / f"{chosen.shares}-{size}"
        whole = folder / "whole.json"
        settings = dict(chosen.sizes[size])
        told = {k: v for k, v in settings.items() if not k.startswith("_")}
        if whole.exists() and json.loads(whole.read_text("utf-8")) == told:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.tell(f"{chosen.name}: making data in {folder}")
        chosen.make(folder, settings)
        whole.write_text(json.dumps(told), "utf-8")
        return folder

    # -- the contest --------------------------------------------------------------------------------

    def run(self, chosen: Workload) -> dict[str, Any]:
        """Let all entrants do the work; return the document of results."""
        results = Results()
        entrants = [e for e in chosen.entrants if not self.only or e.name in self.only]
        results.skipped.update({e.name: why for e in entrants if (why := self._missing(e))})
        entrants = [e for e in entrants if e.name not in results.skipped]
        before = load()
        disagree: dict[str, str] = {}
        if self.size != "small":
            entrants, disagree = self._warm(chosen, entrants, results)
        entrants = [e for e in entrants if self._room(chosen, e, results)]
        data = self.data(chosen)
        copied = chosen.copied(data, chosen.sizes[self.size]) if chosen.copied else []
        for number in range(self.rounds):
            self._round(chosen, entrants, copied, data, number, results)
        return self._document(chosen, results, before, disagree)

    def _round(
        self, chosen: Workload, entrants: list[Entrant], copied: list[Path], data: Path, number: int, results: Results
    ) -> None:
        # Entrants that build upon what another left in the store stay behind it.
        order = entrants if number % 2 == 0 or any(e.keeps_store for e in entrants) else entrants[::-1]
        for entrant in order:
            if entrant.name not in results.skipped:
                _read_through(copied)
                self._once(chosen, entrant, data, number, results)
        if copied:
            _read_through(copied)
            self._copy(chosen, copied, number, results)

    def _once(self, chosen: Workload, entrant: Entrant, data: Path, number: int, results: Results) -> None:
        out = self._out(chosen, entrant.name)
        with _emptied(out, keep=any(e.keeps_store for e in chosen.entrants)):
            try:
                run = self._apart(chosen, entrant, data, out, number)
            except RuntimeError as e:
                results.skipped[entrant.name] = str(e)
                results.runs.pop(entrant.name, None)
                self.tell(f"{chosen.name}: {entrant.name} failed: {e}")
                return
        results.runs.setdefault(entrant.name, []).append(run)
        self.tell(
            f"{chosen.name}: {entrant.name}, round {number + 1}: {run.cpu:.2f} CPU s, {run.wall:.2f} s, "
            f"{run.anonymous / 1e6:.0f} MB"
        )

    def _apart(self, chosen: Workload, entrant: Entrant, data: Path, out: Path, number: int) -> Run:
        """Let an entrant work in a process of its own.

        Raises
        ------
        RuntimeError
            It failed; says with what.
        """
        job = out.with_suffix(".json")
        job.parent.mkdir(parents=True, exist_ok=True)
        job.write_text(json.dumps(self._job(chosen, entrant, data, out)), "utf-8")
        result, said = job.with_suffix(".result"), job.with_suffix(".err")
        result.unlink(missing_ok=True)
        if not entrant.keeps_store:
            forget(self.store)
        cost = measured([sys.executable, "-m", f"{__package__}.child", str(job)], _environment(), said)
        if cost.code or not result.exists():
            last = said.read_text("utf-8", "replace").strip().splitlines()[-1:]
            raise RuntimeError(" ".join(last) or f"ended with {cost.code}")
        told = json.loads(result.read_text("utf-8"))
        sections = [Section(**s) for s in told["sections"]]
        facts = told["facts"]
        by_section = chosen.by_section or facts.get("external", False)
        return Run(
            round=number,
            cpu=sum(s.cpu for s in sections) if by_section and sections else cost.cpu,
            wall=sum(s.wall for s in sections) if by_section and sections else cost.wall,
            resident=cost.resident,
            anonymous=cost.anonymous_below if facts.get("external") else cost.anonymous,
            read=int(facts.get("read", cost.read)),
            written=cost.written,
            sections=sections,
            facts=facts,
        )

    def _copy(self, chosen: Workload, paths: list[Path], number: int, results: Results) -> None:
        out = self._out(chosen, COPY)
        with _emptied(out):
            cost = measured(["cp", *map(str, paths), str(out)])
        if cost.code:
            results.skipped[COPY] = f"ended with {cost.code}"
            return
        run = Run(number, cost.cpu, cost.wall, cost.resident, cost.anonymous, cost.read, cost.written)
        results.runs.setdefault(COPY, []).append(run)
        self.tell(f"{chosen.name}: cp, round {number + 1}: {run.cpu:.2f} CPU s, {run.wall:.2f} s")

    # -- before it ----------------------------------------------------------------------------------

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def _out(self, chosen: Workload, entrant: str) -> Path:
        return self.folder / "out" / chosen.name / entrant.replace(" ", "-")

    def _job(self, chosen: Workload, entrant: Entrant, data: Path, out: Path, size: str = "") -> dict[str, Any]:
        return {
            "workload": chosen.name, "entrant": entrant.name, "data": str(data), "out": str(out),
            "size": size or self.size, "store": str(self.store), "siril": list(self.siril),
        }  # fmt: skip

    def rehearse(
        self, chosen: Workload, entrants: Iterable[Entrant] | None = None
    ) -> tuple[dict[str, tuple[dict[str, Any], Path]], dict[str, str]]:
        """Let each entrant do the small size in this process.

        Returns
        -------
        found, failed
            Of each entrant that worked its facts and the folder of its results; of each other why it did not.
        """
        data = self.data(chosen, "small")
        found: dict[str, tuple[dict[str, Any], Path]] = {}
        failed: dict[str, str] = {}
        for entrant in chosen.entrants if entrants is None else entrants:
            if why := self._missing(entrant):
                failed[entrant.name] = why
                continue
            out = self.folder / "rehearsal" / chosen.name / entrant.name.replace(" ", "-")
            shutil.rmtree(out, ignore_errors=True)
            if not entrant.keeps_store:
                forget(self.store)
            with _store(self.store):
                try:
                    task = work(self._job(chosen, entrant, data, out, "small"))
                except Exception as e:  # whatever a peer raises, the others go on without it
                    if entrant.ours:
                        raise
                    failed[entrant.name] = " ".join(f"{type(e).__name__}: {e}".split())[:300]
                    continue
            found[entrant.name] = (task.facts, out)
        return found, failed

    def _warm(
        self, chosen: Workload, entrants: list[Entrant], results: Results
    ) -> tuple[list[Entrant], dict[str, str]]:
        self.tell(f"{chosen.name}: rehearsal")
        found, failed = self.rehearse(chosen, [e for e in entrants if e.rehearsed])
        for name, why in failed.items():
            self.tell(f"{chosen.name}: {name} takes no part: {why}")
        results.skipped.update(failed)
        disagree = {name: why for name, why in chosen.agree(found, chosen.sizes["small"]).items() if why}
        for name, why in disagree.items():
            self.tell(f"{chosen.name}: {name} gives other results: {why}")
        return [e for e in entrants if e.name in found or not e.rehearsed], disagree

    def _missing(self, entrant: Entrant) -> str:
        if entrant.name == "Siril":
            return "" if self.siril else "no siril-cli"
        if not entrant.library:
            return ""
        try:
            peer(entrant.library)
        except ImportError as e:
            return " ".join(str(e).split())
        return ""

    def _room(self, chosen: Workload, entrant: Entrant, results: Results) -> bool:
        wanted, free = entrant.memory(chosen.sizes[self.size]), free_memory()
        if wanted <= 0.9 * free:
            return True
        results.skipped[entrant.name] = f"needs about {wanted / 1e9:.0f} GB of memory, {free / 1e9:.0f} GB are free"
        return False

    # -- after it -----------------------------------------------------------------------------------

    def _document(self, chosen: Workload, results: Results, before: Any, disagree: Mapping[str, str]) -> dict[str, Any]:
        return {
            "format": "lerarlink bench",
            "version": FORMAT,
            "workload": chosen.name,
            "title": chosen.title,
            "about": chosen.about,
            "size": self.size,
            "settings": {k: v for k, v in chosen.sizes[self.size].items() if not k.startswith("_")},
            "day": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": machine(),
            "load": {"before": before, "after": load()},
            "rounds": self.rounds,
            "by_section": chosen.by_section,
            "entrants": [
                {
                    "name": name,
                    "ratio_to_cp": results.ratio(name, COPY),
                    "wall_ratio_to_cp": results.ratio(name, COPY, "wall"),
                    "runs": [{**asdict(r), "sections": [s._asdict() for s in r.sections]} for r in runs],
                }
                for name, runs in results.runs.items()
            ],
            "skipped": results.skipped,
            "disagree": dict(disagree),
            "figures": [{**f._asdict(), "reached": f.reached} for f in chosen.figures(results)],
        }


def _environment() -> dict[str, str]:
    """Return the environment of entrants: whatever is set here, Python compiles their sources once, as for users."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _read_through(paths: Iterable[Path]) -> None:
    """Read files once, so that no turn depends on what the system has kept of them; not where they fill the memory."""
    files = list(paths)
    if sum(p.stat().st_size for p in files) > free_memory() / 2:
        return
    buffer = bytearray(1 << 20)
    for path in files:
        with path.open("rb", buffering=0) as f:
            while f.readinto(buffer):
                pass


def forget(store: Path) -> None:
    """Empty a store of everything but compiled code, so that a run finds nothing it made before."""
    for kind in _MEASURED_AFRESH:
        shutil.rmtree(store / kind, ignore_errors=True)


def found_siril(given: str | None) -> tuple[str, ...]:
    """Return the command of Siril: what is given, or `siril-cli` if it is installed."""
    if given:
        return tuple(shlex.split(given))
    found = shutil.which("siril-cli")
    return (found,) if found else ()


@contextlib.contextmanager
def _emptied(out: Path, keep: bool = False) -> Iterator[None]:
    """Give an empty folder, and remove what was written into it: full sizes fill disks."""
    if not keep:
        shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    yield
    if not keep:
        shutil.rmtree(out, ignore_errors=True)


@contextlib.contextmanager
def _store(folder: Path) -> Iterator[None]:
    before = os.environ.get("LERAR_CACHE_DIR")
    os.environ["LERAR_CACHE_DIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("LERAR_CACHE_DIR", None)
        else:
            os.environ["LERAR_CACHE_DIR"] = before


__all__ = ["OURS", "Contest", "Results", "Run", "Task", "forget", "found_siril"]
