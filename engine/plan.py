"""From the user's graph to single steps: series are mapped frame by frame, composites opened, masks blended in.

A plan is plain data, cheap to make and to send to another process. It holds no pixel, and opens files only where
they must tell how many frames they hold.

Where parameters follow what is measured, lowering goes as far as it can; what was measured by then lets it go on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .blend import Blend
from .errors import GraphError, LinkError, NodeFailed, ParameterError, UnresolvedLinkError, unresolved
from .evaluation import Evaluation
from .links.reading import Place
from .links.references import Follower, Vertex
from .links.resolving import Resolver
from .ports import MASK, Port, has_mask, with_blend_mask
from .process import Process
from .steps import ABSENT as ABSENT
from .steps import Absent as Absent
from .steps import Feed as Feed
from .steps import Lowered as Lowered
from .steps import Plan as Plan
from .steps import Step as Step
from .steps import apply as apply
from .steps import mapped_ports
from .wiring import Feeds, Link, NodeSpec, Wiring


def lower(graph: Wiring, targets: Iterable[str] | None = None) -> Plan:
    """Return the plan of what *targets* (default: every node) need.

    Raises
    ------
    UnresolvedLinkError
        A required input has nothing linked to it; a parameter link cannot be followed.
    GraphError
        Links that do not fit: unknown ports, types, series of different lengths, circles. Or a parameter follows
        something that has to be measured first: such a graph is lowered by `Lowering`.
    """
    found = Lowering(graph, targets)
    if found.waiting:
        node, why = next(iter(found.waiting.items()))
        raise GraphError(f"node '{node}' {why}, which is measured first")
    return found.plan


class Lowering:
    """A graph on its way to steps.

    Attributes
    ----------
    plan
        The steps so far, sources first.
    waiting
        Nodes that are not lowered yet, in order, and what each waits for, in words.
    resolver
        Follows the links; knows what each gave.
    """

    def __init__(self, graph: Wiring, targets: Iterable[str] | None = None) -> None:
        self.graph = graph
        self.plan = Plan()
        order = graph.order(targets)
        self.waiting: dict[str, str] = dict.fromkeys(order, "")
        for name in order if graph.parameter_links else ():
            check_feeds(graph, name)  # now, not after an hour of measuring what comes before
        self.resolver = Resolver(graph, self.plan)
        self._names = self.resolver.reader.names
        self._known: set[str] = set()
        self._lower()

    def awaited(self) -> dict[str, list[int]]:
        """Return the nodes that links read next, and the steps behind them: to be measured, or their frames told."""
        found: dict[str, list[int]] = {}
        for name in self.waiting:
            for node in self._read_by(name):
                if node in self.plan.outputs:
                    found[node] = list(dict.fromkeys(self._steps_behind(node)))
        return found

    def sizes_only(self, node: str) -> bool:
        """Return whether all that waits for *node* asks for is the size of its image, which its header may tell."""
        for name in self.waiting:
            for param, link in self._names.links_of(name).items():
                if param in self._read_by(name).values() and node in self._names.read_values(name, link):
                    return False
        return True

    def go_on(self, evaluation: Evaluation, known: Iterable[str]) -> bool:
        """Lower what waits for nothing any more, now that *known* nodes are; return whether that was something."""
        self.resolver.know(evaluation)
        self._known |= set(known)
        before = len(self.waiting)
        self._lower()
        return len(self.waiting) < before

    def _lower(self) -> None:
        """Lower the nodes all of whose sources are lowered and whose links read known nodes only."""
        for name in list(self.waiting):
            why = self._waits(name)
            if why:
                self.waiting[name] = why
            else:
                _NodeLowering(self, self.graph.spec(name)).run(self.graph.feeds(name))
                del self.waiting[name]

    def _waits(self, name: str) -> str:
        """Return what a node waits for; empty where it can be lowered."""
        if missing := self._read_by(name):
            param, nodes = next(iter(missing.values())), ", ".join(f"'{n}'" for n in missing)
            return f"follows '{param} = {self._names.links_of(name)[param].expr}' and waits for {nodes}"
        sources = (link.node for feed in self.graph.feeds(name).values() for link in _each(feed))
        late = next((s for s in sources if s in self.waiting), None)
        return "" if late is None else f"takes '{late}', which waits for a parameter link"

    def _read_by(self, name: str) -> dict[str, str]:
        """Return the nodes that the links of a node read and that are not known, and for which parameter."""
        found: dict[str, str] = {}
        for param in self._names.links_of(name):
            for node in sorted(self._missing(name, param, set())):
                found.setdefault(node, param)
        return found

    def _missing(self, node: str, param: str, seen: set[Vertex]) -> set[str]:
        """Return the nodes that the link of a parameter reads, or links that it reads read, and are not known."""
        link = self._names.links_of(node).get(param)
        if link is None or (node, param) in self.resolver.done or Follower(node, param) in seen:
            return set()
        seen.add(Follower(node, param))
        found: set[str] = set()
        for vertex in self._names.waits_for(node, link):
            if isinstance(vertex, Follower):
                found |= self._missing(vertex.node, vertex.param, seen)
            elif vertex not in self._known:
                found.add(vertex)
        return found

    def not_measured(self, failed: NodeFailed) -> LinkError:
        """Return the error of the link that waits for what failed."""
        label = failed.node.partition("[")[0].partition("/")[0]
        for name in self.waiting:
            for node, param in self._read_by(name).items():
                if node in self.plan.outputs and label in {node, *self.graph.order([node])}:
                    expr = self._names.links_of(name)[param].expr
                    why = f"'= {expr}' reads '{node}', and its measurement failed: {failed}"
                    return LinkError("LNK-7", why, node=name, param=param)
        return LinkError("LNK-7", f"a measurement failed: {failed}")

    def _steps_behind(self, node: str) -> Iterable[int]:
        for lowered in self.plan.outputs[node].values():
            if not isinstance(lowered, Absent):
                yield from (f.step for f in ((lowered,) if isinstance(lowered, Feed) else lowered))


def _each(feed: Link | tuple[Link, ...]) -> tuple[Link, ...]:
    return (feed,) if isinstance(feed, Link) else feed


# -- what links between ports can be ---------------------------------------------------------------------


def check_feeds(graph: Wiring, name: str) -> None:
    """Raise what is wrong with the links into the ports of a node, as far as declarations tell.

    Raises
    ------
    UnresolvedLinkError
        A required input has nothing linked to it.
    GraphError
        Unknown ports, or types that do not fit.
    """
    process, feeds = graph.spec(name).find(), graph.feeds(name)
    ports = {p.name: p for p in process.inputs}
    if unknown := sorted(set(feeds) - {*ports, MASK}):
        raise GraphError(f"node '{name}' has no input '{unknown[0]}'; it has {', '.join(ports) or 'none'}")
    for port in with_blend_mask(process.inputs):
        if port.name not in feeds:
            if not port.optional:
                raise UnresolvedLinkError(
                    unresolved(
                        f"node '{name}', input '{port.name}'", "nothing is linked", wants=port.type,
                        near=offers(graph, name, port),
                    )
                )  # fmt: skip
            continue
        feed = feeds[port.name]
        if not isinstance(feed, Link) and not port.many:
            raise GraphError(f"node '{name}': input '{port.name}' takes one link, got {len(feed)}")
        for link in _each(feed):
            _check_link(graph, name, link, port)


def _check_link(graph: Wiring, name: str, link: Link, port: Port) -> None:
    source = graph.spec(link.node).find()
    output = next((p for p in source.outputs if p.name == link.port), None)
    if output is None:
        has = ", ".join(p.name for p in source.outputs) or "none"
        raise GraphError(
            f"node '{name}', input '{port.name}': node '{link.node}' has no output '{link.port}'; it has {has}"
        )
    if output.type != port.type:
        raise GraphError(f"node '{name}', input '{port.name}' wants {port.type}, '{link}' gives {output.type}")


def offers(graph: Wiring, name: str, port: Port) -> list[str]:
    """Return which nodes have what *port* of node *name* wants, the first few, each as half a sentence."""
    found = []
    for other in graph:
        if other != name:
            try:
                outputs = graph.spec(other).find().outputs
            except LookupError:  # not installed
                continue
            found += [f"node '{other}' offers {p.name}" for p in outputs if p.type == port.type]
        if len(found) >= 3:
            break
    return found[:3]


# -- one node --------------------------------------------------------------------------------------------


class _NodeLowering:
    """Lowers one node."""

    def __init__(self, lowering: Lowering, spec: NodeSpec) -> None:
        self.graph, self.plan, self.spec = lowering.graph, lowering.plan, spec
        self.resolver = lowering.resolver
        self.links = self.resolver.reader.names.links_of(spec.name)
        self.process: Process | type[Process] = spec.find() if self.links else _located(spec.build(), self.graph.folder)

    def run(self, feeds: Feeds) -> None:
        check_feeds(self.graph, self.spec.name)
        inputs = self._inputs(feeds)
        name = self.spec.name
        if inputs is None:
            self._absent()
            return
        mask = None if has_mask(self.process.inputs) else inputs.pop(MASK, None)
        processes = self._processes(inputs)
        if _is_absent_source(processes[0]):
            self._absent()
            return
        if self._bypassed(feeds):
            first = next(iter(inputs.values()))
            self.plan.outputs[name] = {p.name: first for p in self.process.outputs}
            return
        start = len(self.plan.steps)
        outputs: Mapping[str, Lowered] = apply(
            self.plan, name, processes if len(processes) > 1 else processes[0], inputs
        )
        if mask is not None or self.spec.region is not None:
            outputs = self._blended(outputs, inputs, mask)
        self.plan.outputs[name] = dict(outputs)
        if not self.process.outputs:
            self.plan.sinks[name] = tuple(range(start, len(self.plan.steps)))

    def _absent(self) -> None:
        self.plan.outputs[self.spec.name] = {p.name: ABSENT for p in self.process.outputs}
        self.plan.sinks[self.spec.name] = ()

    # -- parameters that follow links -----------------------------------------------------------------

    def _processes(self, inputs: Mapping[str, Any]) -> list[Process]:
        """Return the process with its parameters: one, or one for each frame where links may make them differ."""
        if isinstance(self.process, Process):
            return [self.process]
        mapped = mapped_ports(self.spec.name, self.process, inputs)
        first = next((p.name for p in self.process.inputs if p.is_image and p.name in inputs), "")
        images = _flat(inputs.get(first))
        if not mapped:
            return [self._followed(Place(self.spec.name, None, 1, images))]
        n = len(inputs[mapped[0]])
        of_frame = [(image,) for image in images] if first in mapped else [images] * n
        of_series = inputs[first if first in mapped else mapped[0]]
        return [self._followed(Place(self.spec.name, i, n, of_frame[i], of_series[i])) for i in range(n)]

    def _followed(self, place: Place) -> Process:
        values = {**self.spec.params, **self.resolver.values(place)}
        try:
            return _located(self.spec.find().build(values), self.graph.folder)
        except ParameterError as e:
            told = ", ".join(f"{p} = {values[p]!r}" for p in self.links)
            raise ParameterError(f"node '{self.spec.name}': {e} (parameter links gave {told})") from e

    # -- what comes in --------------------------------------------------------------------------------

    def _inputs(self, feeds: Feeds) -> dict[str, Any] | None:
        """Return the lowered feeds by port; None when a required one is absent."""
        found: dict[str, Any] = {}
        for port in with_blend_mask(self.process.inputs):
            if port.name not in feeds:
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
        parts = [self.plan.outputs[link.node][link.port] for link in _each(feed)]
        if isinstance(feed, Link) and not port.many:
            return parts[0]
        flat: list[Feed] = []
        for part in parts:
            if not isinstance(part, Absent):
                flat += [part] if isinstance(part, Feed) else part
        return tuple(flat) if flat else ABSENT

    def _blended(
        self, outputs: Mapping[str, Lowered], inputs: Mapping[str, Any], mask: Any
    ) -> Mapping[str, Lowered]:
        name, process = self.spec.name, self.spec.find()
        old = next((inputs[p.name] for p in process.inputs if p.is_image and p.name in inputs), None)
        if not process.maskable or old is None:
            raise GraphError(f"node '{name}': {process.__name__} takes no mask and no region")
        blend = Blend(window=self.spec.region)
        first = next(p.name for p in process.outputs if p.is_image)
        feeds = {"new": outputs[first], "old": old, **({} if mask is None else {"mask": mask})}
        return {**outputs, first: apply(self.plan, name, blend, feeds)["image"]}


def _is_absent_source(process: Process) -> bool:
    values = vars(process)
    files = [s.name for s in process.params.values() if s.file == "input"]
    return bool(values.get("optional")) and bool(files) and all(not values[f] for f in files)


def _flat(lowered: Any) -> tuple[Feed, ...]:
    if isinstance(lowered, Feed):
        return (lowered,)
    return lowered if isinstance(lowered, tuple) else ()


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
