"""What processes cost: measured while they work, remembered from run to run, so that the next run can be foretold.

A cost is processor seconds for an amount of work. What is timed is called by what it does: ``pixels ID`` and
``measure ID`` for output (or measured) samples times images they are made of, ``compute ID`` and ``finish ID`` for
calls, ``write .fits`` for samples written. ``passes ID`` tells how often the pixels before a measure were made for it,
parts of an image counted as such. Costs have no say in any result.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from .identity import digest
from .plan import Feed, Plan
from .process import Process
from .store import Store

CALLS = ("compute", "finish", "passes")

# Of each kind of work so many times are remembered, the last ones.
REMEMBERED = 32
# Times of work of about the same amount tell more than others: tiny images cost more a sample, for the calls.
_NEAR = 4.0
_FEW = 5
# Times the rate that three quarters of the tasks keep.
_FAR = 2.0
# Seconds of a run that are worth some files of a few bytes.
_LEAST = 0.002


class Kind(NamedTuple):
    """A kind of work: what it does, and with which parameters (a digest)."""

    name: str
    own: str = ""


Spent = dict[tuple[str, int], list[float]]
"""Seconds and samples by what was done (``pixels``, ``measure``, ``write .fits``) and the step that did it."""


class Meter:
    """Adds up what each step takes for itself within one task, whatever it asks others for."""

    __slots__ = ("_below", "spent")

    def __init__(self) -> None:
        self.spent: Spent = {}
        self._below = 0.0

    def begin(self) -> tuple[float, float]:
        """Return what `end` wants; what is timed in between counts as the work of others."""
        outer, self._below = self._below, 0.0
        return time.thread_time(), outer

    def end(self, begun: tuple[float, float], what: str, shares: Iterable[tuple[int, float, float]]) -> None:
        """Note the time since *begun*: each share is a step, its part of the time, and samples."""
        total = time.thread_time() - begun[0]
        mine = total - self._below
        self._below = begun[1] + total
        for step, part, samples in shares:
            told = self.spent.setdefault((what, step), [0.0, 0.0])
            told[0] += mine * part
            told[1] += samples


class Times:
    """What the tasks of a run took, by kind of work."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._kinds: dict[tuple[str, int], tuple[Kind, int]] = {}
        self._tasks: dict[Kind, list[tuple[float, float]]] = {}
        self._later: dict[Kind, float] = {}

    def add(self, spent: Spent) -> None:
        """Take note of one task."""
        found: dict[Kind, tuple[float, float]] = {}
        for at, (seconds, samples) in spent.items():
            if at not in self._kinds:
                self._kinds[at] = kind_of(self._plan, *at)
            kind, images = self._kinds[at]
            if samples > 0:
                before = found.get(kind, (0.0, 0.0))
                found[kind] = before[0] + seconds, before[1] + samples * images
            else:  # samples that were counted before, in the first pass over them
                self._later[kind] = self._later.get(kind, 0.0) + seconds
        for kind, told in found.items():
            self._tasks.setdefault(kind, []).append(told)

    def call(self, what: str, step: int, told: float) -> None:
        """Take note of one call of ``compute`` or ``finish``: its seconds; or of the ``passes`` of one measure."""
        self.add({(what, step): [told, 1.0]})

    def told(self) -> Iterator[tuple[Kind, float, float]]:
        """Yield kind, seconds and amount of all work.

        Tasks that took far longer than most count as those do: the first ones of a run may have compiled their loops.
        """
        for kind, tasks in self._tasks.items():
            rates = sorted(s / a for s, a in tasks)
            limit = _FAR * rates[3 * (len(rates) - 1) // 4]
            seconds = sum(min(s, limit * a) for s, a in tasks)
            yield kind, seconds + self._later.get(kind, 0.0), sum(a for _, a in tasks)

    def forget(self) -> None:
        """Forget what was timed."""
        self._tasks.clear()
        self._later.clear()

    def remember(self, store: Store) -> None:
        """Keep all that was timed, beside what earlier runs took; of a run that took no time nothing."""
        told = list(self.told())
        self.forget()
        if sum(s for kind, s, _ in told if not kind.name.startswith("passes")) < _LEAST:
            return
        by_name: dict[str, list[list[Any]]] = {}
        for kind, seconds, amount in told:
            by_name.setdefault(kind.name, []).append([kind.own, amount, seconds])
        for name, found in by_name.items():
            store.put_costs(_key(name), [*(store.costs(_key(name)) or []), *found[-REMEMBERED:]][-REMEMBERED:])


class Memories:
    """What work took in earlier runs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, list[list[Any]]] = {}

    def seconds(self, kind: Kind, amount: float) -> float | None:
        """Return the processor seconds that *amount* of a kind of work will take, about; None where it was never timed.

        Runs with the same parameters and of about the same amount tell most.
        """
        if kind.name not in self._known:
            self._known[kind.name] = self._store.costs(_key(kind.name)) or []
        every = self._known[kind.name]
        told = [one for one in every if one[0] == kind.own] or every
        if not told or amount <= 0:
            return None if not told else 0.0
        told = sorted(told[::-1], key=lambda one: max(1.0, _ratio(one[1], amount) / _NEAR))[:_FEW]
        rates: list[float] = [seconds / done for _, done, seconds in told]
        return statistics.median_low(rates) * amount


def kind_of(plan: Plan, what: str, step: int) -> tuple[Kind, int]:
    """Return the kind of work that a step does, and how many images it does it to."""
    if what.startswith("write"):
        return Kind(what), 1
    process = plan.steps[step].process
    images = 0
    for port in process.inputs:
        linked = plan.steps[step].inputs.get(port.name)
        if port.is_image and linked is not None:
            images += 1 if isinstance(linked, Feed) else len(linked)
    calls = what in CALLS
    return Kind(f"{what} {process.id}", _own(process, images)), 1 if calls else max(1, images)


def _own(process: Process, images: int) -> str:
    params = {s.name: getattr(process, s.name) for s in process.params.values() if s.identity}
    try:
        return digest("work", process.version, params, images)
    except (TypeError, ValueError):  # such parameters have no key either, and are told when keys are made
        return ""


def _key(name: str) -> str:
    return digest("costs", name)


def _ratio(a: float, b: float) -> float:
    return max(a / b, b / a)
