"""What references mean in a graph, found out from its nodes and links alone; nothing is measured for it."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from ..errors import LinkError, UnknownProcessError
from ..ports import Port
from ..process import Process
from .grammar import parse
from .parameter import ParameterLink
from .tree import Expression, Reference

if TYPE_CHECKING:
    from ..wiring import Link, Wiring

Kind = Literal["value", "param", "image", "frame", "project"]
IMAGE_WORDS = ("width", "height", "channels")
FRAME_WORDS = ("index", "count")


class Follower(NamedTuple):
    """A parameter of a node, as a place in the order of things: it comes after what it reads, before its node."""

    node: str
    param: str

    def __str__(self) -> str:
        return f"{self.node}.{self.param}"


Vertex = str | Follower


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a reference stands for.

    Attributes
    ----------
    kind
        ``value``: an entry of a Value; ``param``: another parameter; ``image``: the size of the node's first image;
        ``frame``: a figure of the frame that the node is at; ``project``: a variable of the graph.
    node
        Whose Value or parameter it is.
    item
        The output port, the parameter, the word or the variable.
    path
        Of the entry in its Value.
    """

    kind: Kind
    node: str
    item: str
    path: tuple[str, ...] = ()


class NodeNames:
    """Names of nodes as they stand in expressions, where a ``-`` is written as ``_``."""

    def __init__(self, names: Iterable[str]) -> None:
        self.by_path: dict[str, list[str]] = {}
        for name in names:
            self.by_path.setdefault(name.replace("-", "_"), []).append(name)

    def found(self, parts: tuple[str, ...]) -> tuple[str, int] | None:
        """Return the node that a path begins with, and how many of its parts name it; None where it names none.

        The longest name counts. Where two nodes are written alike it is the first.
        """
        if is_special(parts):
            return None
        for length in range(len(parts), 0, -1):
            if names := self.by_path.get(".".join(parts[:length])):
                return names[0], length
        return None


def is_special(parts: tuple[str, ...]) -> bool:
    """Return whether a path begins with a word that is no node: ``self``, ``frame``, ``project``, ``image.width``."""
    if len(parts) < 2:
        return False
    if len(parts) > 2:
        return parts[0] == "frame"
    return parts[0] in ("frame", "self", "project") or (parts[0] == "image" and parts[1] in IMAGE_WORDS)


class Names:
    """The nodes, ports, parameters and variables of a graph, for references to be looked up in."""

    def __init__(self, graph: Wiring) -> None:
        self.graph = graph
        self.nodes = NodeNames(graph)
        self._meanings: dict[tuple[str, ...], Meaning] = {}
        self._processes: dict[tuple[str, int], type[Process]] = {}
        self._links: dict[str, dict[str, ParameterLink]] = {}
        for (node, param), link in sorted(graph.parameter_links.items()):
            self._links.setdefault(node, {})[param] = link

    def links_of(self, node: str) -> dict[str, ParameterLink]:
        """Return what parameters of a node follow, by parameter."""
        return self._links.get(node, {})

    # -- what a reference means ---------------------------------------------------------------------

    def meaning(self, reference: Reference, owner: str) -> Meaning:
        """Return what *reference* stands for in a link of node *owner*.

        Raises
        ------
        LinkError
            LNK-2: there is nothing of that name; offers the nearest names.
        """
        parts = reference.parts
        if (found := self._special(parts, owner)) is not None:
            return found
        if (known := self._meanings.get(parts)) is not None:
            return known
        at = self.nodes.found(parts)
        if at is None:
            has = [*self.nodes.by_path, "self", "image", "frame", "project"]
            _nothing(f"there is no node '{parts[0]}'", parts[0], has)
        if len(alike := self.nodes.by_path[".".join(parts[: at[1]])]) > 1:
            told = " and ".join(f"'{n}'" for n in alike)
            raise LinkError("LNK-2", f"{told} are written alike here", cure="rename one of them")
        made = self._meanings[parts] = self._of_node(at[0], parts[at[1] :])
        return made

    def _special(self, parts: tuple[str, ...], owner: str) -> Meaning | None:
        if not is_special(parts):
            return None
        head, word = parts[0], parts[1]
        if head == "image":
            return Meaning("image", owner, word)
        if head == "self":
            return self._parameter(owner, word)
        if head == "project":
            return self._variable(word)
        return Meaning("frame", owner, word if len(parts) == 2 else "", parts[1:])

    def _of_node(self, node: str, rest: tuple[str, ...]) -> Meaning:
        process = self.process(node)
        values = [p for p in process.outputs if not p.is_image]
        if rest and (port := next((p for p in values if p.name == rest[0]), None)):
            return Meaning("value", node, port.name, rest[1:])
        if len(rest) == 1 and rest[0] in process.params:
            return Meaning("param", node, rest[0])
        tables = [p for p in values if p.type in ("measures", "table")] or values
        if not tables:
            if not rest:
                raise LinkError("LNK-6", f"node '{node}' gives images only", cure="name a parameter or a Value")
            _nothing(f"node '{node}' has no parameter '{rest[0]}' and no Values", rest[0], process.params)
        return Meaning("value", node, tables[0].name, rest)

    def _parameter(self, node: str, param: str) -> Meaning:
        if param not in self.process(node).params:
            _nothing(f"node '{node}' has no parameter '{param}'", param, self.process(node).params)
        return Meaning("param", node, param)

    def _variable(self, name: str) -> Meaning:
        if name not in self.graph.variables:
            _nothing(f"the graph has no variable '{name}'", name, self.graph.variables)
        return Meaning("project", "", name)

    def process(self, node: str) -> type[Process]:
        """Return the process of a node; LNK-2 where it is not installed."""
        spec = self.graph.spec(node)
        at = spec.process, spec.version
        try:
            if at not in self._processes:
                self._processes[at] = spec.find()
            return self._processes[at]
        except UnknownProcessError as e:
            raise LinkError("LNK-2", str(e), cure="install it, or link to another node") from None

    # -- what a link waits for ----------------------------------------------------------------------

    def reads(self, owner: str, link: ParameterLink) -> Iterator[tuple[Reference, Meaning]]:
        """Yield every reference of a link, that of its fallback too, with what it stands for."""
        for expression in expressions(link):
            for reference in expression.references:
                yield reference, self.meaning(reference, owner)

    def waits_for(self, owner: str, link: ParameterLink) -> set[Vertex]:
        """Return what has to be known before a link can be followed: Values of nodes, other parameters.

        Raises
        ------
        LinkError
            LNK-1, LNK-2 or LNK-8.
        """
        found: set[Vertex] = set()
        if link.mode == "frozen":
            return found
        for _, meaning in self.reads(owner, link):
            if meaning.kind == "value":
                found.add(meaning.node)
            elif meaning.kind == "param":
                found.add(Follower(meaning.node, meaning.item))
            elif meaning.kind in ("image", "frame"):
                first = self.first_image(owner)
                if first is None:
                    raise LinkError("LNK-2", f"node '{owner}' has no image linked that '{meaning.kind}' could be of")
                found.add(first.node)
                if meaning.kind == "frame" and meaning.item not in FRAME_WORDS:
                    found |= {m.node for m in self.frame_figures(owner)}
        return found

    def read_values(self, owner: str, link: ParameterLink) -> set[str]:
        """Return the nodes whose Values a link reads."""
        found = {m.node for _, m in self.reads(owner, link) if m.kind == "value"}
        if any(m.kind == "frame" and m.item not in FRAME_WORDS for _, m in self.reads(owner, link)):
            found |= {m.node for m in self.frame_figures(owner)}
        return found

    def first_image(self, node: str) -> Link | None:
        """Return what is linked to the first image input of a node that has something linked."""
        from ..wiring import Link

        feeds = self.graph.feeds(node)
        for port in self.process(node).inputs:
            if port.is_image and port.name in feeds:
                found = feeds[port.name]
                return found if isinstance(found, Link) else found[0]
        return None

    def frame_figures(self, node: str) -> list[Meaning]:
        """Return the Values that ``frame.key`` is looked up in: the nearest measures or tables of the node's frames.

        Nearest is what measures the very images that come into the node; if there is nothing, what measures those
        that they are made of, and so on.
        """
        seen = {node}
        at = self.first_image(node)
        while at is not None:
            takers = [n for n in self._takers.get(at, ()) if n != node]
            found = [Meaning("value", n, p.name) for n in takers for p in self.process(n).outputs if _is_table(p)]
            if found:
                return found
            if at.node in seen or at.node not in self.graph:
                break
            seen.add(at.node)
            at = self.first_image(at.node)
        raise LinkError("LNK-2", f"nothing measures the frames that come into '{node}'",
                        cure="add a node that does, such as SubframeMeasures, fed by the same images")  # fmt: skip

    @functools.cached_property
    def _takers(self) -> dict[Link, list[str]]:
        """Link -> the nodes that take it as an image."""
        from ..wiring import Link

        found: dict[Link, list[str]] = {}
        for name in self.graph:
            for feed in self.graph.feeds(name).values():
                for link in (feed,) if isinstance(feed, Link) else feed:
                    if name not in found.setdefault(link, []):
                        found[link].append(name)
        return found


def expressions(link: ParameterLink) -> Iterator[Expression]:
    """Yield what a link says, parsed: its expression, and its fallback where it has one."""
    yield parse(link.expr)
    if link.fallback:
        try:
            yield parse(link.fallback)
        except LinkError as e:
            raise LinkError(e.code, f"fallback '{link.fallback}': {e.why}", cure=e.cure) from None


def _is_table(port: Port) -> bool:
    return port.type in ("measures", "table")


def _nothing(why: str, name: str, names: Iterable[str]) -> NoReturn:
    has = list(dict.fromkeys(map(str, names)))
    near = difflib.get_close_matches(name, has, n=3, cutoff=0.5) or has[:6]
    raise LinkError("LNK-2", why, cure=f"near it: {', '.join(near)}" if near else "")
