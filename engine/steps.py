"""The plan as data: single applications of processes, and how one process becomes several of them.

A plan is cheap to make and to send to another process. It holds no pixel and opens no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import registry
from .errors import GraphError
from .process import Composite, Process
from .wiring import Link


class Feed(NamedTuple):
    """One output port of one step."""

    step: int
    port: str


class Absent:
    """Stands for the outputs of an optional source that was not given, and of all that cannot do without it."""


ABSENT = Absent()
Lowered = Feed | tuple[Feed, ...] | Absent


@dataclass(eq=False, slots=True)
class Step:
    """One application of a process to single images and Values (or to tuples, for `many` ports)."""

    node: str
    process: Process
    inputs: dict[str, Feed | tuple[Feed, ...]]
    frame: int | None = None

    @property
    def label(self) -> str:
        return self.node if self.frame is None else f"{self.node}[{self.frame}]"

    def feeds(self) -> Iterable[Feed]:
        for feed in self.inputs.values():
            if isinstance(feed, Feed):
                yield feed
            else:
                yield from feed


@dataclass(eq=False, slots=True)
class Plan:
    """All steps, sources first, and where each node's outputs come from."""

    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, dict[str, Lowered]] = field(default_factory=dict)
    sinks: dict[str, tuple[int, ...]] = field(default_factory=dict)
    parts: dict[Any, int] = field(default_factory=dict)
    """Steps inside composites by process and inputs: a master is measured once, not once a light."""

    def sinks_of(self, feed: Feed) -> list[int]:
        """Return the steps that write *feed* as it is."""
        return [i for found in self.sinks.values() for i in found if feed in self.steps[i].feeds()]

    def feeds_of(self, link: Link) -> tuple[Feed, ...]:
        """Return the feeds behind a link: one, many for a series, none when absent."""
        found = self.outputs[link.node][link.port]
        if isinstance(found, Absent):
            return ()
        return (found,) if isinstance(found, Feed) else found


def apply(
    plan: Plan,
    node: str,
    process: Process | Sequence[Process],
    inputs: Mapping[str, Any],
    frame: int | None = None,
    *,
    part: bool = False,
) -> dict[str, Lowered]:
    """Add the steps of one process: one, or one a frame where a single port is fed a series.

    Where its parameters differ from frame to frame, *process* is a sequence with one for each. A *part* of a
    composite belongs to the *frame* its composite is at.
    """
    first = process if isinstance(process, Process) else process[0]
    mapped = mapped_ports(node, first, inputs)
    if not mapped:
        return _single(plan, node, first, inputs, frame, part)
    n = len(inputs[mapped[0]])
    processes = [process] * n if isinstance(process, Process) else process
    frames = [
        _single(plan, node, processes[i], {p: f[i] if p in mapped else f for p, f in inputs.items()}, i, part)
        for i in range(n)
    ]
    return {p.name: tuple(one for f in frames if isinstance(one := f[p.name], Feed)) for p in first.outputs}


def mapped_ports(node: str, process: Process | type[Process], inputs: Mapping[str, Any]) -> list[str]:
    """Return the ports over whose series a process is mapped; none where it is applied once.

    Raises
    ------
    GraphError
        The series differ in length.
    """
    many = {p.name for p in process.inputs if p.many}
    lengths = {port: len(f) for port, f in inputs.items() if port not in many and not isinstance(f, Feed)}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"'{port}' has {n}" for port, n in lengths.items())
        raise GraphError(f"node '{node}': series of one node must be equally long: {told} frames")
    return list(lengths)


def _single(
    plan: Plan, node: str, process: Process, inputs: Mapping[str, Any], frame: int | None, part: bool
) -> dict[str, Lowered]:
    if isinstance(process, Composite):
        return _opened(plan, node, process, inputs, frame)
    index = None
    identity = (process, tuple(inputs.items()))
    if part:
        index = plan.parts.get(identity)
    if index is None:
        index = len(plan.steps)
        plan.steps.append(Step(node, process, dict(inputs), frame))
        if part:
            plan.parts[identity] = index
    return {p.name: Feed(index, p.name) for p in process.outputs}


def _opened(
    plan: Plan, node: str, process: Composite, inputs: Mapping[str, Any], frame: int | None
) -> dict[str, Lowered]:
    def add(part: str, name: str, /, **given: Any) -> dict[str, Lowered]:
        cls = registry.find(part)
        ports = {p.name for p in cls.inputs}
        feeds = {k: v for k, v in given.items() if k in ports and v is not None}
        params = {k: v for k, v in given.items() if k not in ports}
        return apply(plan, f"{node}/{name}", cls.build(params), feeds, frame, part=True)

    outputs = dict(process.expand(add, inputs))
    if missing := {p.name for p in process.outputs} - set(outputs):
        raise GraphError(f"node '{node}': composite {type(process).__name__} gave no {sorted(missing)}")
    return outputs
