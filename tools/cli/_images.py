"""FILE or GRAPH:NODE, as several commands take them, and what they mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...engine.errors import GraphError, SourceError

if TYPE_CHECKING:
    from ...engine.graph import Graph, Link
    from ...engine.image import ImageHandle

_SERIES = re.compile(r"(.+)\[(\d+)\]")
GRAPHS = (".lerar", ".yaml", ".yml", ".json")


class Target(NamedTuple):
    """One output port of a graph, and which frame where it is a series."""

    graph: Graph
    link: Link
    frame: int

    @property
    def is_image(self) -> bool:
        return next(p for p in self.graph.spec(self.link.node).find().outputs if p.name == self.link.port).is_image

    def handle(self) -> ImageHandle:
        from ...engine.image import ImageHandle

        if not self.is_image:
            raise GraphError(f"'{self.link}' is no image; `lerar stats` shows its numbers")
        handle = ImageHandle(self.graph, self.link)
        return handle[self.frame] if self.frame else handle


def target_of(text: str, inputs: tuple[str, ...] = (), settings: tuple[str, ...] = ()) -> Target:
    """Return what *text* names: the image in a file, or ``GRAPH:NODE``, ``GRAPH:NODE.port``, ``GRAPH:NODE[3]``.

    Raises
    ------
    SourceError
        Neither a file nor a graph is there.
    GraphError
        The graph has no such node or output.
    """
    path = Path(text)
    if path.exists():
        if path.suffix.lower() in GRAPHS:
            raise GraphError(f"{text} is a graph: say which node, as in {text}:NODE")
        return _file(text)
    name, colon, node = text.rpartition(":")
    if not colon:
        raise SourceError(f"{text}: there is no such file")
    from ._graphs import prepared, refuse_problems

    graph = prepared(name, inputs, settings)
    target = _node(graph, node)
    refuse_problems(graph, [target.link.node])
    return target


def _file(path: str) -> Target:
    from ...engine.graph import Graph

    graph = Graph()
    node = graph.add("ReadImage", name=_name(path), path=path)
    return Target(graph, node.output().link, 0)


def _name(path: str) -> str:
    """Return the file's name as a node name, which errors then show."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", Path(path).name)
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


def _node(graph: Graph, text: str) -> Target:
    index = 0
    if found := _SERIES.fullmatch(text):
        text, index = found[1], int(found[2])
    name, _, port = (text, "", "") if text in graph else text.rpartition(".")
    if not name:
        name = text  # so that the error names what was asked for
    return Target(graph, graph[name].output(port or None).link, index)


def debayered(target: Target) -> Target:
    """Return *target*, a Bayer mosaic, in colour: what a display needs before pixels may be averaged."""
    graph = target.graph.copy()
    node = graph.add("Debayer", name=f"display.{len(graph)}.debayer", image=target.link, debayer_method="bilinear")
    return Target(graph, node.output().link, target.frame)
