"""What looks at a graph have found out, kept for the next look: its steps, their frames, Values and keys.

Whoever pans a view asks for box after box of one image. Lowering the graph, taking the keys of its steps and looking
up their Values would cost as much as the pixels of a box, each time. So what one look knew is handed to the next as
long as nothing has changed that it was made of: the graph, the processes, the files that it reads.
"""

from __future__ import annotations

import copy
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from . import registry
from .evaluation import Evaluation
from .plan import Lowering
from .process import Process
from .schedule import Lane
from .session import Session
from .store import Store
from .wiring import NodeSpec, Wiring

# Nodes of one graph that are remembered, those that were looked at last.
MOST = 8

_State = tuple[int, int, int, int]


@dataclass(eq=False)
class _Known:
    """What was known after a look, and what it was made of."""

    grounds: _Grounds
    processes: set[type[Process]]
    files: dict[str, _State]
    evaluation: Evaluation
    headers: Evaluation
    """The same before anything was measured but what parameters follow."""

    def holds(self, grounds: _Grounds) -> bool:
        """Return whether nothing has changed since; files are asked anew each time."""
        return (
            self.grounds.equals(grounds)
            and all(registry.is_current(p) for p in self.processes)
            and _states(self.files) == self.files
        )


class _Grounds:
    """What a graph said of itself when it was looked at."""

    def __init__(self, graph: Wiring, root: Path) -> None:
        # First, so that an edit made meanwhile is found out by its number.
        self.revision = graph.revision
        self.root, self.folder = root, graph.folder
        self.links, self.values = dict(graph.parameter_links), dict(graph.link_values)
        self.variables = graph.variables
        self.specs: list[tuple[NodeSpec, Any]] = []

    def hold(self, specs: Iterable[NodeSpec]) -> None:
        """Keep as it is what somebody may change in place: the parameters of nodes, and the variables."""
        self.variables = copy.deepcopy(self.variables)
        self.specs = [(spec, copy.deepcopy(dict(spec.params))) for spec in specs]

    def equals(self, now: _Grounds) -> bool:
        """Return whether the graph is as it was."""
        if (self.revision, self.root, self.folder) != (now.revision, now.root, now.folder):
            return False
        try:
            told = self.links == now.links and self.values == now.values and self.variables == now.variables
            return bool(told) and all(spec.params == kept for spec, kept in self.specs)
        except ValueError:  # arrays have no single answer
            return False


_kept: WeakKeyDictionary[Wiring, OrderedDict[str, _Known]] = WeakKeyDictionary()
_lock = threading.Lock()


class Look:
    """One look at the outputs of a node: its session, with what earlier looks found out.

    With *headers_only* it does not know what those measured: what headers tell must not depend on the past.
    """

    def __init__(self, graph: Wiring, node: str, lane: Lane, store: Store, *, headers_only: bool = False) -> None:
        self._graph, self._node, self._headers_only = graph, node, headers_only
        # What is dragged keeps to values that changed since; it is followed anew each time.
        self._keeps = not graph.dragged
        self._grounds = _Grounds(graph, store.root)
        self._before = self._found() if self._keeps else None
        if self._before is not None:
            evaluation = self._told(self._before).copy()
            self.session = Session(evaluation.plan, lane, store, None, None, evaluation=evaluation)
            return
        if self._keeps:
            self._grounds.hold(graph.spec(name) for name in graph.order([node]))
        lowering = Lowering(graph, [node])
        self._files = _states(_inputs(self._grounds, lowering)) if self._keeps else None
        self.session = Session(lowering.plan, lane, store, None, None)
        self.session.follow(lowering)
        self._headers = self.session.evaluation.copy()
        self._grounds.values = dict(graph.link_values)  # following told the graph what links gave

    def remember(self) -> None:
        """Keep what is known by now for looks to come."""
        known = self.session.evaluation
        if self._before is not None:
            if known.knows_more_than(self._told(self._before)):
                now, before = known.copy(), self._before
                self._keep(replace(before, headers=now) if self._headers_only else replace(before, evaluation=now))
            return
        if self._files is None or _states(self._files) != self._files:
            return  # a file is missing, or was changed while it was read
        processes = {type(step.process) for step in known.plan.steps}
        processes |= {spec.find() for spec, _ in self._grounds.specs}
        headers = known if self._headers_only else self._headers
        self._keep(_Known(self._grounds, processes, self._files, known.copy(), headers.copy()))

    def _told(self, known: _Known) -> Evaluation:
        return known.headers if self._headers_only else known.evaluation

    def _found(self) -> _Known | None:
        with _lock:
            looks = _kept.get(self._graph)
            if looks is None or self._node not in looks:
                return None
            looks.move_to_end(self._node)
            known = looks[self._node]
        return known if known.holds(self._grounds) else None

    def _keep(self, known: _Known) -> None:
        with _lock:
            looks = _kept.setdefault(self._graph, OrderedDict())
            looks[self._node] = known
            looks.move_to_end(self._node)
            while len(looks) > MOST:
                looks.popitem(last=False)


def _inputs(grounds: _Grounds, lowering: Lowering) -> Iterator[str]:
    """Yield the files that are read: those that nodes name, and those of what the nodes were opened into."""
    for spec, params in grounds.specs:
        for one in spec.find().params.values():
            if one.file == "input":
                paths = _each(params.get(one.name, one.default))
                yield from (os.path.join(grounds.folder or "", p) for p in paths)
    for step in lowering.plan.steps:
        for one in step.process.params.values():
            if one.file == "input":
                yield from _each(getattr(step.process, one.name))


def _each(given: Any) -> Iterator[str]:
    if isinstance(given, str | os.PathLike):
        given = (given,)
    yield from (os.fspath(p) for p in (given if isinstance(given, tuple | list) else ()) if p)


def _states(paths: Iterable[str]) -> dict[str, _State] | None:
    """Return what tells whether files are as they were; None where one of them is not there."""
    found: dict[str, _State] = {}
    try:
        for path in paths:
            if path not in found:
                s = os.stat(path)
                found[path] = s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns
    except OSError:
        return None
    return found
