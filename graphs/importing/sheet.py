"""The graph under construction: unique names, placeholders for what has no counterpart, notes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...engine.graph import Feeds, Link, Node, NodeSpec
from ...engine.params import Spec
from ..document import Graph, Input
from .outcome import Kind, Note, Place

_LONGEST = 60
_NAME = re.compile(r"[^A-Za-z0-9_-]+")


class Sheet:
    """A graph that is being made of something else.

    Parameters
    ----------
    skip
        Leave out what has no counterpart, handing its image on, instead of putting a placeholder there.
    """

    def __init__(self, *, skip: bool = False) -> None:
        self.graph = Graph()
        self.skip = skip
        self.notes: list[Note] = []
        self.places: dict[str, Place] = {}
        self._said: set[Note] = set()
        self._last: dict[str, int] = {}
        self.where = ""

    # -- notes ------------------------------------------------------------------------------------

    def note(self, kind: Kind, what: str, why: str) -> None:
        """Note something about the place that is being worked on; what was said before is not said twice."""
        made = Note(kind, self.where, what, why)
        if made not in self._said:
            self._said.add(made)
            self.notes.append(made)

    # -- nodes ------------------------------------------------------------------------------------

    def add(self, process: str, name: str, **feeds_and_params: Any) -> Node:
        """Add a node called *name*, or the next free name after it; feeds are Links or tuples of them."""
        return self.graph.add(process, name=self.free(name), **feeds_and_params)

    def image(self, process: str, name: str, **feeds_and_params: Any) -> Link:
        """Add a node and return its first output."""
        return self.add(process, name, **feeds_and_params).output().link

    def placeholder(self, process: str, name: str, image: Link | None, params: Mapping[str, Any]) -> Link | None:
        """Add a node for a process that is not there; it keeps *params*, and tells whoever runs the graph.

        With *skip* nothing is added, and the image is handed on.
        """
        if self.skip:
            return image
        feeds: Feeds = {} if image is None else {"image": image}
        spec = NodeSpec(name=self.free(name), process=process, version=1, params=params)
        self.graph.insert(spec, feeds)
        return Link(spec.name, "image")

    def source(self, name: str, doc: str, *, series: bool, place: Place | None = None) -> Link:
        """Add a node that reads a file (or a series of them), and the named input that fills it."""
        process, param = ("io.read_series", "paths") if series else ("io.read_image", "path")
        node = self.free(name)
        # Not by add: a source without its file is refused there, and the file comes later, by name.
        self.graph.insert(NodeSpec(name=node, process=process, version=1), {})
        self.graph.inputs[node] = Input(name=node, node=node, param=param, doc=doc)
        if place is not None:
            self.places[node] = place
        return Link(node, "image")

    def free(self, name: str) -> str:
        """Return *name* as a node may be called, with a number behind it where it is taken."""
        plain = _NAME.sub("_", name).strip("_-")[:_LONGEST] or "node"
        plain = plain if plain[0].isalpha() else f"n{plain}"
        if plain not in self.graph:
            return plain
        at = self._last.get(plain, 1) + 1
        while f"{plain}-{at}" in self.graph:
            at += 1
        self._last[plain] = at
        return f"{plain}-{at}"

    def spec(self, process: str, param: str) -> Spec:
        """Return what is declared of a parameter."""
        from ...engine import registry

        found: Spec = registry.find(process).params[param]
        return found
