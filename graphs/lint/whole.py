"""Nodes nobody needs, parameters nobody chooses, versions that moved on, frozen values that are out of date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...engine.params import Spec
from .. import packs, walk
from ..document import Graph as DocumentGraph
from ..freezing import stale
from .findings import Finding
from .view import View


def findings(view: View) -> Iterator[Finding]:
    """Yield W01 and W04 to W07."""
    yield from _unused(view)
    yield from _stale(view)
    for node in view.processes:
        yield from _unusual(view, node)
        yield from _older(view, node)
    yield from _packs(view)


def _unused(view: View) -> Iterator[Finding]:
    graph, processes = view.graph, view.processes
    sinks = {n for n, p in processes.items() if p is not None and not p.outputs}
    named = set(graph.outputs)
    if isinstance(graph, DocumentGraph):
        named |= {o.node for o in graph.named_outputs.values()}
    if not sinks and not named:
        return
    # What measures and feeds nobody is looked at; what is not installed may be either.
    ends = {n for n, p in processes.items() if not view.followers[n] and (p is None or not _images(p))}
    needed = _all_upstream(view, sinks | named | ends)
    for node in processes:
        if node not in needed:
            message = f"node '{node}' ({view.id(node)}): no output needs it"
            yield Finding(code="W01", node=node, message=message, cure="link it to an output, or remove it")


def _images(process: Any) -> bool:
    return any(p.is_image for p in process.outputs)


def _all_upstream(view: View, nodes: set[str]) -> set[str]:
    found, todo = set(nodes), list(nodes)
    while todo:
        node = todo.pop()
        for port in view.feeds.get(node, ()):
            for link in view.sources(node, port):
                if link.node not in found:
                    found.add(link.node)
                    todo.append(link.node)
        new = [n for n in walk.read_by(view.graph, node) if n not in found] if view.graph.parameter_links else []
        found.update(new)
        todo += new
    return found


def _stale(view: View) -> Iterator[Finding]:
    """Yield W07: frozen links that were taken through a graph that said something else, or that name what is gone."""
    graph = view.graph
    for (node, param), link in sorted(graph.parameter_links.items()):
        if link.mode != "frozen" or node not in graph or not isinstance(graph, DocumentGraph):
            continue
        why = stale(graph, node, param)
        if why:
            message = f"node '{node}': {param} is frozen, '= {link.expr}': {why}"
            yield Finding(code="W07", node=node, item=param, message=message, cure="freeze it again, or thaw it")


def _unusual(view: View, node: str) -> Iterator[Finding]:
    process = view.processes[node]
    for name, value in view.graph.spec(node).params.items():
        spec = process.params.get(name) if process is not None else None
        # What is not even legal is told by its process.
        if spec is None or spec.usual is None or not _legal(spec, value):
            continue
        low, high = spec.usual
        if not low <= value <= high:
            unit = f" {spec.unit}" if spec.unit else ""
            message = f"node '{node}': {name} is {value:g}{unit}, usual is {low:g} to {high:g} ({spec.doc})"
            cure = f"take a value from {low:g} to {high:g}, such as the default {spec.default:g}"
            yield Finding(code="W04", node=node, item=name, message=message, cure=cure)


def _legal(spec: Spec, value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return (spec.low is None or value >= spec.low) and (spec.high is None or value <= spec.high)


def _older(view: View, node: str) -> Iterator[Finding]:
    process, spec = view.processes[node], view.graph.spec(node)
    if process is not None and spec.version < process.version:
        message = (
            f"node '{node}': made for version {spec.version} of {spec.process}, installed is {process.version}: "
            f"its result may differ from that time"
        )
        cure = f"look at the result, then set its version to {process.version}"
        yield Finding(code="W05", node=node, message=message, cure=cure)


def _packs(view: View) -> Iterator[Finding]:
    pins = view.graph.packs if isinstance(view.graph, DocumentGraph) else {}
    here = packs.installed(view.graph.spec(n).process for n in view.processes) if pins else {}
    for name, pin in pins.items():
        if name in here and here[name].version != pin.version:
            nodes = sorted(n for n in view.processes if view.id(n) in pin.processes)
            message = f"pack {name}: the graph was made with version {pin.version}, installed is {here[name].version}"
            cure = f"install {name} {pin.version}, or check the results of {', '.join(nodes[:5])}"
            yield Finding(code="W06", node=nodes[0] if nodes else "", message=message, cure=cure)
