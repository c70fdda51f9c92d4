"""From the user's graph to single steps: series are mapped frame by frame, composites opened, masks blended in.

A plan is plain data, cheap to make and to send to another process. It holds no pixel and opens no file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from . import registry
from .blend import Blend
from .errors import GraphError, UnresolvedLinkError
from .ports import Port
from .process import Composite, Process
from .wiring import MASK, Feeds, Link, NodeSpec, Wiring


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


def lower(graph: Wiring, targets: Iterable[str] | None = None) -> Plan:
    """Return the plan of what *targets* (default: every node) need.

    Raises
    ------
    UnresolvedLinkError
        A required input has nothing linked to it.
    GraphError
        Links that do not fit: unknown ports, types, series of different lengths, circles.
    """
    plan = Plan()
    for name in graph.order(targets):
        _Lowering(graph, plan, graph.spec(name)).run(graph.feeds(name))
    return plan


class _Lowering:
    """Lowers one node."""

    def __init__(self, graph: Wiring, plan: Plan, spec: NodeSpec) -> None:
        self.graph, self.plan, self.spec = graph, plan, spec
        self.process = _located(spec.build(), graph.folder)

    def run(self, feeds: Feeds) -> None:
        inputs = self._inputs(feeds)
        name = self.spec.name
        if inputs is None or self._is_absent_source():
            self.plan.outputs[name] = {p.name: ABSENT for p in self.process.outputs}
            self.plan.sinks[name] = ()
            return
        mask = inputs.pop(MASK, None)
        if self._bypassed(feeds):
            first = next(iter(inputs.values()))
            self.plan.outputs[name] = {p.name: first for p in self.process.outputs}
            return
        start = len(self.plan.steps)
        outputs: Mapping[str, Lowered] = apply(self.plan, name, self.process, inputs)
        if mask is not None or self.spec.region is not None:
            outputs = self._blended(outputs, inputs, mask)
        self.plan.outputs[name] = dict(outputs)
        if not self.process.outputs:
            self.plan.sinks[name] = tuple(range(start, len(self.plan.steps)))

    def _is_absent_source(self) -> bool:
        values = vars(self.process)
        files = [s.name for s in self.process.params.values() if s.file == "input"]
        return bool(values.get("optional")) and bool(files) and all(not values[f] for f in files)

    def _inputs(self, feeds: Feeds) -> dict[str, Any] | None:
        """Return the lowered feeds by port; None when a required one is absent."""
        name = self.spec.name
        ports = {p.name: p for p in self.process.inputs}
        known = {*ports, MASK}
        if unknown := sorted(set(feeds) - known):
            raise GraphError(f"node '{name}' has no input '{unknown[0]}'; it has {', '.join(ports) or 'none'}")
        found: dict[str, Any] = {}
        for port in [*ports.values(), Port(MASK, optional=True)]:
            if port.name not in feeds:
                if not port.optional:
                    raise UnresolvedLinkError(self._unresolved(port))
                continue
            lowered = self._lowered(feeds[port.name], port)
            if isinstance(lowered, Absent):
                if not port.optional:
                    return None
                continue
            found[port.name] = lowered
        return found

    def _bypassed(self, feeds: Feeds) -> bool:
        return any(
            p.bypass and p.name in feeds and isinstance(self._lowered(feeds[p.name], p), Absent)
            for p in self.process.inputs
        )

    def _lowered(self, feed: Link | tuple[Link, ...], port: Port) -> Lowered:
        links = [feed] if isinstance(feed, Link) else list(feed)
        parts = [self._linked(link, port) for link in links]
        if isinstance(feed, Link) and not port.many:
            return parts[0]
        if not port.many:
            raise GraphError(f"node '{self.spec.name}': input '{port.name}' takes one link, got {len(links)}")
        flat: list[Feed] = []
        for part in parts:
            if not isinstance(part, Absent):
                flat += [part] if isinstance(part, Feed) else part
        return tuple(flat) if flat else ABSENT

    def _linked(self, link: Link, port: Port) -> Lowered:
        source = self.graph.spec(link.node).find()
        output = next((p for p in source.outputs if p.name == link.port), None)
        if output is None:
            has = ", ".join(p.name for p in source.outputs) or "none"
            raise GraphError(
                f"node '{self.spec.name}', input '{port.name}': node '{link.node}' has no output "
                f"'{link.port}'; it has {has}"
            )
        if output.type != port.type:
            raise GraphError(
                f"node '{self.spec.name}', input '{port.name}' wants {port.type}, "
                f"'{link}' gives {output.type}"
            )
        return self.plan.outputs[link.node][link.port]

    def _unresolved(self, port: Port) -> str:
        offers = [
            f"node '{n}' offers {p.name}"
            for n in self.graph
            if n != self.spec.name
            for p in self.graph.spec(n).find().outputs
            if p.type == port.type
        ]
        near = f"; {', '.join(offers[:3])}" if offers else ""
        return (
            f"Process Error: Lerar Link unresolved: node '{self.spec.name}', input '{port.name}' "
            f"(wants {port.type}): nothing is linked{near}"
        )

    def _blended(
        self, outputs: Mapping[str, Lowered], inputs: Mapping[str, Any], mask: Any
    ) -> Mapping[str, Lowered]:
        name = self.spec.name
        old = next((inputs[p.name] for p in self.process.inputs if p.is_image and p.name in inputs), None)
        if not self.process.maskable or old is None:
            raise GraphError(f"node '{name}': {type(self.process).__name__} takes no mask and no region")
        blend = Blend(window=self.spec.region)
        first = next(p.name for p in self.process.outputs if p.is_image)
        feeds = {"new": outputs[first], "old": old, **({} if mask is None else {"mask": mask})}
        return {**outputs, first: apply(self.plan, name, blend, feeds)["image"]}


def apply(
    plan: Plan, node: str, process: Process, inputs: Mapping[str, Any], frame: int | None = None, *, part: bool = False
) -> dict[str, Lowered]:
    """Add the steps of one process: one, or one a frame where a single port is fed a series.

    A *part* of a composite belongs to the *frame* its composite is at.
    """
    many = {p.name for p in process.inputs if p.many}
    lengths = {port: len(f) for port, f in inputs.items() if port not in many and not isinstance(f, Feed)}
    if not lengths:
        return _single(plan, node, process, inputs, frame, part)
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"'{port}' has {n}" for port, n in lengths.items())
        raise GraphError(f"node '{node}': series of one node must be equally long: {told} frames")
    n = next(iter(lengths.values()))
    frames = [
        _single(plan, node, process, {p: f[i] if p in lengths else f for p, f in inputs.items()}, i, part)
        for i in range(n)
    ]
    return {p.name: tuple(one for f in frames if isinstance(one := f[p.name], Feed)) for p in process.outputs}


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


def _located(process: Process, folder: str | None) -> Process:
    """Return *process* with relative input paths seen from *folder* (that of the graph file)."""
    if folder is None:
        return process
    changed: dict[str, Any] = {}
    for spec in process.params.values():
        value = getattr(process, spec.name)
        if spec.file != "input" or not value:
            continue
        if isinstance(value, str):
            changed[spec.name] = os.fspath(Path(folder) / value)
        else:
            changed[spec.name] = tuple(os.fspath(Path(folder) / v) for v in value)
    return type(process).build({**vars(process), **changed}) if changed else process
