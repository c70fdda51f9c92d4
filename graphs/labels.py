"""What is written on nodes and links of a drawing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.frame import State
from ..engine.graph import MASK, Graph, Link, NodeSpec
from ..engine.process import Process
from . import walk
from .check import states

_MOST_PARAMS = 3
_MOST_TEXT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The texts of one node.

    Attributes
    ----------
    name, process
        Of the node; the process by its class name, or by its id where it is not installed.
    params
        The parameters that were set to something else than their default, the first few.
    note
        What the caller wants said.
    state
        Of the image it gives; None where only the file can tell.
    gives_image, is_sink, installed
        What kind of node it is; a sink writes files.
    """

    name: str
    process: str
    params: tuple[str, ...]
    note: str
    state: State | None
    gives_image: bool
    is_sink: bool
    installed: bool

    def lines(self) -> list[str]:
        return [self.name, self.process, *self.params, *([self.note] if self.note else [])]


@dataclass(frozen=True, slots=True)
class Wire:
    """A link in a drawing: from node to node, and the ports where they are not obvious."""

    source: str
    node: str
    label: str
    is_image: bool
    tunes: bool = False
    """Whether it is a parameter link: the source's Values tune the node."""


def labels(graph: Graph, notes: Mapping[str, str]) -> dict[str, Label]:
    """Return the label of every node."""
    state_of, processes = states(graph), walk.processes(graph)
    links: dict[str, dict[str, str]] = {}
    for (node, param), link in sorted(graph.parameter_links.items()):
        if link.mode == "live":
            links.setdefault(node, {})[param] = link.expr
        elif link.frames:
            links.setdefault(node, {})[param] = f"{len(link.frames)} values"
    return {
        n: _label(graph.spec(n), processes[n], notes.get(n, ""), state_of[n][0], links.get(n, {})) for n in graph
    }


def wires(graph: Graph) -> list[Wire]:
    """Return every link between nodes that are there, by node in order of name, parameter links last."""
    processes = walk.processes(graph)
    tuned: dict[str, list[Wire]] = {}
    for read, node, param in walk.tuned(graph):
        tuned.setdefault(node, []).append(Wire(read, node, f"= {param}", is_image=False, tunes=True))
    found = []
    for node in sorted(graph):
        links = walk.links_into(graph, node, processes[node])
        found += [_wire(node, port, link, processes) for port, link in links if link.node in graph]
        found += tuned.get(node, [])
    return found


def _label(
    spec: NodeSpec, process: type[Process] | None, note: str, state: State | None, links: Mapping[str, str]
) -> Label:
    return Label(
        name=spec.name,
        process=process.__name__ if process else f"{spec.process}?",
        params=_params(spec.params, process, links),
        note=" ".join(note.split()),
        state=state,
        gives_image=process is None or any(p.is_image for p in process.outputs),
        is_sink=process is not None and not process.outputs,
        installed=process is not None,
    )


def _params(
    params: Mapping[str, Any], process: type[Process] | None, links: Mapping[str, str]
) -> tuple[str, ...]:
    declared = process.params if process else {}
    params = {n: v for n, v in params.items() if n not in links}
    # In the order of declaration, which puts the important ones first.
    names = [n for n in declared if n in params] + sorted(set(params) - set(declared))
    told = [n for n in names if params[n] != "" and not (n in declared and params[n] == declared[n].default)]
    lines = [cut(f"{n} := {' '.join(text.split())}") for n, text in links.items()]
    lines += [_param(n, params[n], n in declared and bool(declared[n].file)) for n in told]
    if len(lines) > _MOST_PARAMS:
        lines[_MOST_PARAMS:] = [f"and {len(lines) - _MOST_PARAMS} more"]
    return tuple(lines)


def _param(name: str, value: Any, is_file: bool) -> str:
    if is_file and isinstance(value, str):
        return cut(value.replace("\\", "/").rpartition("/")[2])
    if is_file and isinstance(value, tuple):
        return f"{len(value)} files"
    return cut(f"{name} = {_text(value)}")


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        # Only so many as can be seen: a table may hold thousands.
        return "[" + ", ".join(_text(v) for v in value[:12]) + (", ..." if len(value) > 12 else "") + "]"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value[: 2 * _MOST_TEXT].split()) if isinstance(value, str) else str(value)


def cut(text: str, most: int = _MOST_TEXT) -> str:
    """Return *text* in at most *most* characters."""
    return text if len(text) <= most else text[: max(0, most - 2)] + ".."


def _wire(node: str, port: str, link: Link, processes: walk.Processes) -> Wire:
    maker = processes[link.node]
    given = next((p for p in maker.outputs if p.name == link.port), None) if maker else None
    inputs = walk.inputs_of(processes[node])
    # An only input needs no name, nor does the image that a process is about.
    obvious = port == "image" or (len(inputs) == 1 and port == inputs[0].name)
    label = "" if obvious else port
    if maker and given is not None and given != maker.outputs[0] and link.port != port:
        label = f"{link.port} > {port}"
    is_image = port == MASK or (given.is_image if given else link.port == "image")
    return Wire(link.node, node, label, is_image)
