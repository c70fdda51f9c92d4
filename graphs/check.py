"""What is wrong with a graph, told before anything is read: all of it at once, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..engine.errors import ParameterError, UnknownProcessError
from ..engine.frame import State
from ..engine.graph import MASK, Feeds, Graph, Link, NodeSpec
from ..engine.ports import Port
from ..engine.process import Process
from . import walk
from .document import Graph as DocumentGraph


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a graph from running.

    Attributes
    ----------
    node
        The node that it is about.
    message
        What is wrong; names the node.
    cure
        What would help; empty where only the user can know.
    """

    node: str
    message: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.message}; {self.cure}" if self.cure else self.message


def check(graph: Graph, *, template: bool = False) -> list[Problem]:
    """Return everything that keeps *graph* from running, as far as the graph itself can tell. Opens no file.

    Parameters
    ----------
    graph
        A graph, whole or broken.
    template
        Overlook the named inputs that were not given yet.
    """
    processes = walk.processes(graph)
    reasons: dict[tuple[str, int], str] = {}
    found: list[Problem] = []
    for name, process in processes.items():
        found += _missing_sources(name, graph)
        if process is None:
            found.append(_unknown(graph.spec(name), reasons))
        else:
            found += _node_problems(graph, name, process, processes, template)
    found += _circles(graph)
    found += _states(graph, processes)
    return found


# -- one node ------------------------------------------------------------------------------------------


def _missing_sources(name: str, graph: Graph) -> Iterator[Problem]:
    for port, feed in graph.feeds(name).items():
        for link in walk.each(feed):
            if link.node not in graph:
                message = f"node '{name}', input '{port}': linked to '{link}', but there is no node '{link.node}'"
                yield Problem(name, message, f"add '{link.node}' or link '{port}' to another node")


def _unknown(spec: NodeSpec, reasons: dict[tuple[str, int], str]) -> Problem:
    """Return that a process is not installed, and why; *reasons* keeps what was found out, since it takes long."""
    key = spec.process, spec.version
    if key not in reasons:
        try:
            spec.find()
        except UnknownProcessError as e:
            reasons[key] = str(e).removeprefix(f"node '{spec.name}': ")
    return Problem(
        spec.name, f"node '{spec.name}': {reasons[key]}", "install the pack that has it, or remove the node"
    )


def _node_problems(
    graph: Graph, name: str, process: type[Process], processes: walk.Processes, template: bool
) -> Iterator[Problem]:
    spec = graph.spec(name)
    feeds = graph.feeds(name)
    yield from _parameters(graph, name, process, template)
    yield from _unlinked(graph, name, process, feeds, processes)
    yield from _links(graph, name, process, feeds, processes)
    if not _may_blend(process, feeds) and (MASK in feeds or spec.region is not None):
        what = "mask" if MASK in feeds else "region"
        message = f"node '{name}': {process.__name__} takes no mask and no region, got a {what}"
        yield Problem(name, message, f"remove the {what}")


def _parameters(graph: Graph, name: str, process: type[Process], template: bool) -> Iterator[Problem]:
    params = graph.spec(name).params
    inputs = graph.inputs.values() if isinstance(graph, DocumentGraph) else ()
    ungiven = [i for i in inputs if i.node == name and not i.optional and not params.get(i.param)]
    if ungiven:
        # What else the parameters are cannot be tried before the file is named.
        for i in ungiven if not template else ():
            message = f"input '{i.name}' is not given (parameter '{i.param}' of node '{name}')"
            yield Problem(name, message, f"give it a file: {i.name}=PATH")
        return
    try:
        process.build(params)
    except ParameterError as e:
        yield Problem(name, f"node '{name}': {e}")


def _unlinked(
    graph: Graph, name: str, process: type[Process], feeds: Feeds, processes: walk.Processes
) -> Iterator[Problem]:
    for port in process.inputs:
        if port.optional or port.name in feeds:
            continue
        message = (
            f"Process Error: Lerar Link unresolved: node '{name}', input '{port.name}' "
            f"(wants {port.type}): nothing is linked{_offers(graph, name, port, processes)}"
        )
        yield Problem(name, message)


def _offers(graph: Graph, name: str, port: Port, processes: walk.Processes) -> str:
    offers: list[str] = []
    for other in graph:
        if other != name:
            offers += [f"node '{other}' offers {p.name}" for p in _outputs(processes[other]) if p.type == port.type]
        if len(offers) >= 3:
            break
    return f"; {', '.join(offers[:3])}" if offers else ""


def _links(
    graph: Graph, name: str, process: type[Process], feeds: Feeds, processes: walk.Processes
) -> Iterator[Problem]:
    ports = {p.name: p for p in (*process.inputs, Port(MASK, optional=True))}
    for port_name, feed in feeds.items():
        port = ports.get(port_name)
        if port is None:
            has = ", ".join(p.name for p in process.inputs) or "none"
            yield Problem(name, f"node '{name}' has no input '{port_name}'; it has {has}", f"unlink '{port_name}'")
            continue
        if not isinstance(feed, Link) and not port.many:
            message = f"node '{name}': input '{port_name}' takes one link, got {len(feed)}"
            yield Problem(name, message, "link one of them, or a series")
        for link in walk.each(feed):
            if link.node in graph and (source := processes[link.node]) is not None:
                yield from _link(name, port, link, source)


def _link(name: str, port: Port, link: Link, source: type[Process]) -> Iterator[Problem]:
    where = f"node '{name}', input '{port.name}'"
    output = next((p for p in source.outputs if p.name == link.port), None)
    if output is None:
        has = ", ".join(p.name for p in source.outputs) or "none"
        yield Problem(name, f"{where}: node '{link.node}' has no output '{link.port}'; it has {has}")
    elif output.type != port.type:
        fits = [p.name for p in source.outputs if p.type == port.type]
        cure = f"link '{link.node}.{fits[0]}' instead" if fits else ""
        yield Problem(name, f"{where} wants {port.type}, '{link}' gives {output.type}", cure)


def _may_blend(process: type[Process], feeds: Feeds) -> bool:
    """Return whether mask and region mean something: an image comes in to be blended with one that goes out."""
    old = any(p.is_image and p.name in feeds for p in process.inputs)
    return process.maskable and old and any(p.is_image for p in process.outputs)


def _outputs(process: type[Process] | None) -> tuple[Port, ...]:
    return process.outputs if process else ()


# -- the whole graph -----------------------------------------------------------------------------------


def _circles(graph: Graph) -> Iterator[Problem]:
    for circle in walk.circles(walk.sources(graph)):
        path = " -> ".join([*circle, circle[0]])
        cure = f"unlink one of them, such as '{circle[-1]}' from '{circle[0]}'"
        yield Problem(circle[0], f"links run in a circle: {path}", cure)


def states(graph: Graph) -> dict[str, tuple[State | None, str]]:
    """Return the state of each node's image, and the node that made it so.

    It is known where a process declares what it gives; what files hold is None, until they are read.
    """
    return _followed(graph, walk.processes(graph))


def _followed(graph: Graph, processes: walk.Processes) -> dict[str, tuple[State | None, str]]:
    found: dict[str, tuple[State | None, str]] = {}
    for name in walk.sources_first(walk.sources(graph)):
        process = processes[name]
        first = _first_image(graph, name, process)
        if process is not None and process.gives:
            found[name] = process.gives, name
        else:
            # A node within a circle may come before its source, whose state is not known then.
            found[name] = found.get(first, (None, first)) if first else (None, name)
    return found


def _first_image(graph: Graph, name: str, process: type[Process] | None) -> str | None:
    feeds = graph.feeds(name)
    for port in walk.inputs_of(process):
        if port.is_image and feeds.get(port.name):
            return walk.each(feeds[port.name])[0].node
    return None


def _states(graph: Graph, processes: walk.Processes) -> Iterator[Problem]:
    found = _followed(graph, processes)
    for name, process in processes.items():
        first = _first_image(graph, name, process)
        if process is None or process.requires is None or first is None or first not in found:
            continue
        state, maker = found[first]
        if state is None or state == process.requires:
            continue
        made_by = processes[maker]
        message = (
            f"node '{name}' ({process.id}) wants {process.requires} data, but '{maker}' "
            f"({made_by.id if made_by else '?'}) gives {state} data"
        )
        cure = f"move '{name}' before '{maker}'"
        if process.requires == "stretched":
            cure = f"stretch the image before '{name}'"
        yield Problem(name, message, cure)
