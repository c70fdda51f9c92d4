"""What is wrong with a graph, told before anything is read: all of it at once, each with its cure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..engine.errors import ParameterError, UnknownProcessError, unresolved
from ..engine.frame import State
from ..engine.graph import MASK, Feeds, Graph, Link, NodeSpec
from ..engine.links.checking import orders, problems
from ..engine.plan import offers
from ..engine.ports import Port, has_mask, with_blend_mask
from ..engine.process import Process
from ..engine.wiring import check_params, source_gone
from . import walk
from .document import Graph as DocumentGraph
from .packs import Pack
from .parts import Input

_IMAGE = Port("image")


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
    code
        What kind of problem it is, in short; see the page on lint.
    item
        The port or parameter that it is about; empty for the whole node.
    """

    node: str
    message: str
    cure: str = ""
    code: str = ""
    item: str = ""

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
    packs = graph.packs.values() if isinstance(graph, DocumentGraph) else ()
    found: list[Problem] = []
    for name, process in processes.items():
        found += _missing_sources(name, graph)
        if process is None:
            found.append(_unknown(graph.spec(name), reasons, packs))
        else:
            found += _node_problems(graph, name, process, processes, template)
    found += _parameter_links(graph)
    found += _circles(graph)
    found += _states(graph, processes)
    return found


# -- one node ------------------------------------------------------------------------------------------


def _missing_sources(name: str, graph: Graph) -> Iterator[Problem]:
    for port, feed in graph.feeds(name).items():
        for link in walk.each(feed):
            if link.node not in graph:
                message = source_gone(graph, link, name, port)
                yield Problem(name, message, f"add '{link.node}' or link '{port}' to another node", "G02", port)


def _unknown(spec: NodeSpec, reasons: dict[tuple[str, int], str], packs: Iterable[Pack]) -> Problem:
    """Return that a process is not installed, and why; *reasons* keeps what was found out, since it takes long."""
    key = spec.process, spec.version
    if key not in reasons:
        try:
            spec.find()
        except UnknownProcessError as e:
            reasons[key] = str(e).removeprefix(f"node '{spec.name}': ")
    pack = next((p for p in packs if spec.process in p.processes), None)
    what = f"{pack.name} {pack.version}, from which it came" if pack else "the pack that has it"
    return Problem(spec.name, f"node '{spec.name}': {reasons[key]}", f"install {what}, or remove the node", "G01")


def _node_problems(
    graph: Graph, name: str, process: type[Process], processes: walk.Processes, template: bool
) -> Iterator[Problem]:
    spec = graph.spec(name)
    feeds = graph.feeds(name)
    yield from _parameters(graph, name, process, template)
    yield from _unlinked(graph, name, process, feeds)
    yield from _links(graph, name, process, feeds, processes)
    blended = MASK in feeds and not has_mask(process.inputs)
    if not _may_blend(process, feeds) and (blended or spec.region is not None):
        what = "mask" if blended else "region"
        message = f"node '{name}': {process.__name__} takes no mask and no region, got a {what}"
        yield Problem(name, message, f"remove the {what}", "G08", what)


def _parameters(graph: Graph, name: str, process: type[Process], template: bool) -> Iterator[Problem]:
    params = graph.spec(name).params
    inputs = _asked_for(graph, name) if isinstance(graph, DocumentGraph) else []
    ungiven = [i for i in inputs if not i.optional and not params.get(i.param)]
    if ungiven:
        # What else the parameters are cannot be tried before the file is named.
        for i in ungiven if not template else ():
            saved = bool(i.name.rpartition(".")[0])  # of a saved graph: it wants a link, or a file
            message = unresolved(
                f"input '{i.name}'", f"nothing is given (parameter '{i.param}' of node '{name}')", wants="a file",
                near=offers(graph, name, _IMAGE) if saved else (),
            )  # fmt: skip
            cure = f"{'link it, or ' if saved else ''}give it a file: {i.name}=PATH"
            yield Problem(name, message, cure, "G07", i.param)
        return
    try:
        check_params(graph.spec(name), graph.links_of(name))
    except ParameterError as e:
        told = str(e).removeprefix(f"node '{name}': ")
        yield Problem(name, f"node '{name}': {told}", "", "G06", _param_in(told, process))


def _asked_for(graph: DocumentGraph, name: str) -> list[Input]:
    """Return the files that node *name* has to be given: by inputs of the graph, or of a saved graph it came out of."""
    found = [i for i in graph.inputs.values() if i.node == name]
    use, _, inner = name.rpartition(".")
    if not found and use:
        found = [Input(name=f"{use}.{i.name}", node=name, param=i.param, optional=i.optional)
                 for i in graph.inputs_of_use(use) if i.node == inner]  # fmt: skip
    return found


def _param_in(message: str, process: type[Process]) -> str:
    """Return the parameter that an error of a process is about, as far as it names one."""
    words = set(re.findall(r"\w+", message.partition(":")[2] or message))
    return next((p for p in process.params if p in words), "")


def _unlinked(graph: Graph, name: str, process: type[Process], feeds: Feeds) -> Iterator[Problem]:
    for port in process.inputs:
        if port.optional or port.name in feeds:
            continue
        message = unresolved(
            f"node '{name}', input '{port.name}'", "nothing is linked", wants=port.type, near=offers(graph, name, port)
        )
        yield Problem(name, message, "", "G03", port.name)


def _links(
    graph: Graph, name: str, process: type[Process], feeds: Feeds, processes: walk.Processes
) -> Iterator[Problem]:
    ports = {p.name: p for p in with_blend_mask(process.inputs)}
    for port_name, feed in feeds.items():
        port = ports.get(port_name)
        if port is None:
            has = ", ".join(p.name for p in process.inputs) or "none"
            message = f"node '{name}' has no input '{port_name}'; it has {has}"
            yield Problem(name, message, f"unlink '{port_name}'", "G04", port_name)
            continue
        if not isinstance(feed, Link) and not port.many:
            message = f"node '{name}': input '{port_name}' takes one link, got {len(feed)}"
            yield Problem(name, message, "link one of them, or a series", "G04", port_name)
        for link in walk.each(feed):
            if link.node in graph and (source := processes[link.node]) is not None:
                yield from _link(name, port, link, source)


def _link(name: str, port: Port, link: Link, source: type[Process]) -> Iterator[Problem]:
    where = f"node '{name}', input '{port.name}'"
    output = next((p for p in source.outputs if p.name == link.port), None)
    if output is None:
        has = ", ".join(p.name for p in source.outputs) or "none"
        message = f"{where}: node '{link.node}' has no output '{link.port}'; it has {has}"
        yield Problem(name, message, "", "G04", port.name)
    elif output.type != port.type:
        fits = [p.name for p in source.outputs if p.type == port.type]
        cure = f"link '{link.node}.{fits[0]}' instead" if fits else ""
        yield Problem(name, f"{where} wants {port.type}, '{link}' gives {output.type}", cure, "G04", port.name)


def _may_blend(process: type[Process], feeds: Feeds) -> bool:
    """Return whether mask and region mean something: an image comes in to be blended with one that goes out."""
    old = any(p.is_image and p.name in feeds for p in process.inputs)
    return process.maskable and old and any(p.is_image for p in process.outputs)


def _outputs(process: type[Process] | None) -> tuple[Port, ...]:
    return process.outputs if process else ()


# -- the whole graph -----------------------------------------------------------------------------------


def _parameter_links(graph: Graph) -> Iterator[Problem]:
    for e in problems(graph) if graph.parameter_links else ():
        where = f"node '{e.node}', parameter '{e.param}'"
        message = unresolved(where, f"{e.code}: {e.why}", wants=e.wants)
        yield Problem(e.node, message, e.cure, "G09", e.param)


def _circles(graph: Graph) -> Iterator[Problem]:
    if graph.parameter_links:
        of: walk.Sources = {str(v): tuple(map(str, before)) for v, before in orders(graph).items()}
    else:
        of = walk.sources(graph)
    for circle in walk.circles(of):
        path = " -> ".join([*circle, circle[0]])
        follower = next((v for v in circle if v not in graph), None)
        if follower is None:
            cure = f"unlink one of them, such as '{circle[-1]}' from '{circle[0]}'"
            yield Problem(circle[0], f"links run in a circle: {path}", cure, "G05")
            continue
        node, _, param = follower.rpartition(".")
        message = unresolved(f"node '{node}', parameter '{param}'", f"LNK-4: links run in a circle: {path}")
        cure = "what is made of a node cannot tune that node, nor anything before it"
        yield Problem(node, message, cure, "G05", param)


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
        yield Problem(name, message, cure, "S01")
