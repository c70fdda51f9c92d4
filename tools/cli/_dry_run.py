"""What a run would do, found out from headers and the store alone."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...engine.dear import Dear
from ...engine.errors import EngineError, NodeFailed, SourceError
from ...engine.evaluation import Evaluation
from ...engine.keeping import dear_again, worth_keeping
from ...engine.links.resolving import Resolved
from ...engine.plan import Absent, Feed, Lowering, Plan
from ...engine.states import check_states
from ...engine.store import Store
from ..estimate import Estimate, estimate, kept_images

if TYPE_CHECKING:
    from ...engine.graph import Graph

Does = Literal["stored", "runs", "computes", "reads", "writes", "rests", "absent", "waits"]


@dataclass(slots=True)
class Outlook:
    """What would happen at one node, and why."""

    node: str
    process: str
    does: Does
    why: str


@dataclass(slots=True)
class Forecast:
    """What a run would do.

    Attributes
    ----------
    nodes
        In order of the graph, sources first.
    outputs
        Files that would be written.
    estimate
        How long that takes, and what is read.
    """

    nodes: list[Outlook] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    estimate: Estimate | None = None


class _Unread(Exception):
    """A source's digest is not remembered, and reading the whole file is not what a forecast may do."""


class _Glance(Store):
    """The store as it is: nothing is written, no source is read."""

    def content(self, path: Path) -> str:
        try:
            s = path.stat()
        except OSError as e:
            raise SourceError(f"cannot read {path}: {e.strerror or e}") from e
        try:
            told = self._note(path, s).read_text("ascii")
        except OSError:
            raise _Unread(str(path)) from None
        if len(told) != 32:
            raise _Unread(str(path))
        return told


def forecast(graph: Graph, targets: list[str], pins: list[str], workers: int | None = None) -> Forecast:
    """Return what running *targets* of *graph* would do, with so many workers (default: one a processor).

    Raises
    ------
    GraphError, SourceError
        As the run itself would, where headers are enough to see it.
    """
    return _Forecaster(graph, targets, pins).told(workers)


class _Forecaster:
    def __init__(self, graph: Graph, targets: list[str], pins: list[str]) -> None:
        self.graph, self.targets = graph, targets
        self.lowering = Lowering(graph, [*targets, *pins])
        plan = self.plan = self.lowering.plan
        self.evaluation = Evaluation(plan)
        self.store = _Glance()
        self.recalled: set[int] = set()
        self.unread: dict[int, str] = {}
        self._follow()
        self.sinks = {i for name in targets for i in plan.sinks.get(name, ())}
        self.pins = {f.step for name in pins for f in _feeds(plan, name)}
        wanted = [f.step for name in targets for f in _feeds(plan, name)]
        measured_first = [i for behind in self.lowering.awaited().values() for i in behind]
        self.ends = sorted({*wanted, *self.sinks, *self.pins, *measured_first})
        self.kept: dict[Feed, str] = {}
        self.held: set[int] = set()

    def _follow(self) -> None:
        """Follow the parameter links whose Values the store has."""
        while self.lowering.waiting:
            awaited = self.lowering.awaited()
            steps = sorted({i for behind in awaited.values() for i in behind})
            _, blocked = self.evaluation.pending(steps, self._recall)
            known = [n for n, behind in awaited.items() if not blocked.intersection(behind) or self._sized(n, behind)]
            if not known or not self.lowering.go_on(self.evaluation, known):
                return

    def _sized(self, node: str, steps: list[int]) -> bool:
        """Return whether only the size of a node's image is asked for, and headers tell it."""
        if not self.lowering.sizes_only(node):
            return False
        try:
            for i in steps:
                for port in self.plan.steps[i].process.outputs:
                    if port.is_image:
                        self.evaluation.frame(Feed(i, port.name))
        except NodeFailed:  # it needs what is not measured yet
            return False
        return True

    def told(self, workers: int | None = None) -> Forecast:
        self._look_at_frames()
        ready, waiting = self.evaluation.pending(self.ends, self._recall)
        self._check_states()
        measured = self._measured(ready, waiting)
        self.kept = kept_images(self.evaluation, self.store, self.evaluation.upstream(self.ends))
        used = self._used(measured)
        self.held = self._held(measured)
        found = Forecast()
        for name in self.graph.order(self.graph):
            found.nodes.append(self._outlook(name, measured, used, set(ready)))
        found.outputs = [p for i in sorted(self.sinks) if (p := self._path(i))]
        made = sorted(self.sinks | self.pins)
        found.estimate = estimate(self.evaluation, self.store, measured, made, kept=self.kept, workers=workers)
        return found

    def _look_at_frames(self) -> None:
        for i in self.evaluation.upstream(self.ends):
            for port in self.plan.steps[i].process.outputs:
                if port.is_image:
                    self._frame(Feed(i, port.name))

    def _frame(self, feed: Feed) -> None:
        with contextlib.suppress(NodeFailed):  # it needs what is not measured yet
            self.evaluation.frame(feed)

    def _check_states(self) -> None:
        with contextlib.suppress(NodeFailed):  # it is checked again when the values are there
            check_states(self.evaluation, self.ends)

    def _recall(self, index: int) -> bool:
        try:
            value = self.store.value(self.evaluation.key(index, self.store.content))
        except _Unread as e:
            self.unread[index] = str(e)
            return False
        except (KeyError, EngineError):
            return False
        self.evaluation.learn(index, value)
        self.recalled.add(index)
        return True

    def _measured(self, ready: list[int], waiting: set[int]) -> set[int]:
        """Return the steps whose pixels would be measured."""
        return {i for i in waiting if i in ready or self.plan.steps[i].process.answers("measure")}

    def _used(self, measured: set[int]) -> set[int]:
        """Return the steps whose pixels would be made on the way to files, kept pixels and measures."""
        used = set(self.sinks | self.pins | measured)
        todo = list(used)
        while todo:
            step = self.plan.steps[todo.pop()]
            for port in step.process.inputs:
                linked = step.inputs.get(port.name)
                if not port.is_image or linked is None:
                    continue
                for feed in [linked] if isinstance(linked, Feed) else linked:
                    if feed.step not in used and feed not in self.kept:
                        used.add(feed.step)
                        todo.append(feed.step)
        return used

    def _held(self, measured: set[int]) -> set[int]:
        """Return the steps whose pixels would be kept from one pass to the next."""
        made = self.sinks | self.pins
        dear = dear_again(self.evaluation, measured, self.ends, self.kept, Dear(self.evaluation, self.store))
        masters = worth_keeping(self.evaluation, made, measured, self.kept)
        return {f.step for f in dear}.union(f.step for group in masters for f in group)

    def _outlook(self, name: str, measured: set[int], used: set[int], ready: set[int]) -> Outlook:
        spec = self.graph.spec(name)
        does, why = self._judged(name, measured, used, ready)
        return Outlook(name, spec.process, does, why)

    def _judged(self, name: str, measured: set[int], used: set[int], ready: set[int]) -> tuple[Does, str]:
        if name in self.lowering.waiting:
            return "waits", self.lowering.waiting[name]
        if name not in self.plan.outputs:
            return "rests", "nothing asked for needs it"
        steps = [i for i, s in enumerate(self.plan.steps) if s.node == name or s.node.startswith(f"{name}/")]
        if not steps:
            return self._no_steps(name)
        process = self.plan.steps[steps[-1]].process
        if sinks := [i for i in steps if i in self.sinks]:
            return "writes", ", ".join(filter(None, (self._path(i) for i in sinks)))
        if pending := [i for i in steps if i in measured]:
            return "runs", self._why(pending, steps, ready)
        places = dict.fromkeys(place for feed, place in self.kept.items() if feed.step in steps)
        if places and not any(i in used for i in steps):
            return "stored", f"its pixels are in {', '.join(places)}"
        if all(i in self.recalled for i in steps if self.plan.steps[i].process.answers("measure")) and any(
            i in self.recalled for i in steps
        ):
            more = "; its pixels are made again" if any(i in used for i in steps) else ""
            return "stored", f"its value is in the store{more}"
        if not any(i in used for i in steps):
            if process.answers("compute"):
                return "computes", "from values alone"
            return "rests", "what needs its pixels is stored"
        if not process.inputs:
            return "reads", self._size(steps[0])
        if any(i in self.held for i in steps):
            return "runs", "its pixels are made once and kept for later passes, as far as memory goes"
        return "runs", "its pixels are made strip by strip where they are needed"

    def _no_steps(self, name: str) -> tuple[Does, str]:
        outputs = self.plan.outputs[name].values()
        if all(isinstance(o, Absent) for o in outputs):
            return "absent", "the optional source before it, or itself, was not given"
        return "rests", "hands on its first input: the optional source of another was not given"

    def _why(self, pending: list[int], steps: list[int], ready: set[int]) -> str:
        many = f"{len(pending)} of {len(steps)} frames: " if len(steps) > 1 else ""
        first = pending[0]
        if first in self.unread:
            return f"{many}{self.unread[first]} was not read before"
        if first not in ready:
            before = next((f for f in self.plan.steps[first].feeds() if f.step not in self.evaluation.measured), None)
            after = f" of '{self.plan.steps[before.step].node}'" if before is not None else ""
            return f"{many}waits for values{after} that are measured first"
        return f"{many}its value is not in the store"

    def _size(self, index: int) -> str:
        port = next(p.name for p in self.plan.steps[index].process.outputs if p.is_image)
        frame = self.evaluation.frame(Feed(index, port))
        return f"{frame.width} x {frame.height} x {frame.channels}"

    def _path(self, index: int) -> str:
        process: Any = self.plan.steps[index].process
        return next((str(getattr(process, s.name)) for s in process.params.values() if s.file == "output"), "")


def _feeds(plan: Plan, name: str) -> list[Feed]:
    found: list[Feed] = []
    for lowered in plan.outputs.get(name, {}).values():
        if isinstance(lowered, Feed):
            found.append(lowered)
        elif not isinstance(lowered, Absent):
            found += lowered
    return found


def recalled(graph: Graph, targets: list[str]) -> tuple[dict[str, Any], tuple[Resolved, ...]]:
    """Return the Values that *targets* of *graph* need and the store has, by node label, and what links give with them.

    Nothing is computed.

    Raises
    ------
    GraphError, SourceError
        As the run itself would, where headers are enough to see it.
    """
    looking = _Forecaster(graph, targets, [])
    looking.told()
    plan = looking.plan
    values = {plan.steps[i].label: looking.evaluation.measured[i] for i in sorted(looking.recalled)}
    return values, looking.lowering.resolver.results()
