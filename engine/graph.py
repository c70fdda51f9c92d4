"""The graph as Python code builds it, looks at it and runs it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import registry
from .errors import GraphError
from .image import ImageHandle
from .links.parameter import Mode, ParameterLink, link_text
from .process import Process
from .region import Box
from .run import Report, evaluate, run
from .wiring import MASK as MASK
from .wiring import Feeds as Feeds
from .wiring import Link as Link
from .wiring import NodeSpec as NodeSpec
from .wiring import Wiring, check_link, check_params


class Node:
    """A node as Python code holds it; linking it means linking its first output.

    Outputs are attributes: ``stf.display`` is the output port ``display`` of node ``stf``.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        self._graph = graph
        self.name = name

    def output(self, port: str | None = None) -> Output:
        """Return an output port; the first when *port* is None."""
        ports = self._graph.spec(self.name).find().outputs
        if not ports:
            raise GraphError(f"node '{self.name}' has no outputs to link")
        found = next((p for p in ports if port in (None, p.name)), None)
        if found is None:
            raise GraphError(
                f"node '{self.name}' has no output '{port}'; it has {', '.join(p.name for p in ports)}"
            )
        return Output(self._graph, Link(self.name, found.name))

    def __getattr__(self, port: str) -> Output:
        if port.startswith("_"):
            raise AttributeError(port)
        try:
            return self.output(port)
        except GraphError as e:
            raise AttributeError(str(e)) from None

    @property
    def image(self) -> ImageHandle:
        """The handle of the first image output."""
        return self.output(self._first_image()).image

    def _first_image(self) -> str:
        ports = self._graph.spec(self.name).find().outputs
        found = next((p.name for p in ports if p.is_image), None)
        if found is None:
            raise GraphError(f"node '{self.name}' gives no image")
        return found

    def value(self, port: str | None = None, **options: Any) -> Any:
        """Measure and return the Value of an output (the first Value output when *port* is None)."""
        if port is None:
            ports = self._graph.spec(self.name).find().outputs
            port = next((p.name for p in ports if not p.is_image), None)
        return self.output(port).value(**options)

    def link(
        self,
        param: str,
        expr: str,
        *,
        unit: str = "",
        mode: Mode = "live",
        clamp: tuple[float, float] | None = None,
        fallback: str = "",
        deadband: float = 0.0,
    ) -> Node:
        """Let a parameter follow an expression, such as ``= sky.bg.median - 2.8*sky.bg.mad``; return the node.

        Parameters
        ----------
        param
            The parameter.
        expr
            The expression, with or without ``=`` before it; see the page on links.
        unit
            Unit of the result; empty for that of the parameter.
        mode
            ``live``, or ``frozen``: the parameter keeps the value it has.
        clamp
            Range that the result is held in.
        fallback
            Expression that holds where the other one has no finite value, or one out of range.
        deadband
            Changes smaller than this are not followed while somebody drags a region.

        Raises
        ------
        LinkError
            The expression cannot be read, or there is no such parameter.
        """
        texts = [link_text(text) or text.strip() for text in (expr, fallback)]
        made = ParameterLink(
            expr=texts[0], unit=unit, mode=mode, fallback=texts[1], deadband=float(deadband),
            clamp=None if clamp is None else (float(clamp[0]), float(clamp[1])),
        )  # fmt: skip
        self._graph.follow(self.name, param, made)
        return self

    def compute(self, box: Box | None = None, **options: Any) -> Any:
        return self.image.compute(box, **options)

    def preview(self, **options: Any) -> Any:
        return self.image.preview(**options)

    def to_dask(self) -> Any:
        return self.image.to_dask()

    def _repr_html_(self) -> str:
        return self.image._repr_html_()

    def __repr__(self) -> str:
        return f"<node {self.name}: {self._graph.spec(self.name).process}>"


@dataclass(frozen=True)
class Output:
    """One output port of one node, ready to be linked or looked at."""

    graph: Graph
    link: Link

    @property
    def image(self) -> ImageHandle:
        """The handle of this output's image; reading its frame reads headers, no pixels."""
        return ImageHandle(self.graph, self.link)

    def value(self, **options: Any) -> Any:
        """Measure and return this output's Value (a tuple for a series)."""
        return evaluate(self.graph, self.link, **options)


class Graph(Wiring):
    """A directed acyclic graph of nodes.

    Building one touches no pixel and opens no file.
    """

    def add(
        self,
        process: str | type[Process],
        /,
        *,
        name: str | None = None,
        mask: Node | Output | None = None,
        region: Box | tuple[int, int, int, int] | None = None,
        **feeds_and_params: Any,
    ) -> Node:
        """Add a node.

        Parameters
        ----------
        process
            Class name (``LinearFit``), id (``color.linear_fit``) or class.
        name
            Unique in the graph; by default made from the process.
        mask
            An image of the same size: result = mask * new + (1 - mask) * old, the mask in units of its bounds. Of a
            process with an input `mask`: what goes there.
        region
            ``y0, x0, y1, x1``: outside it the first input is left as it is.
        feeds_and_params
            Nodes or outputs go to input ports (lists of them to a `many` port), all else to parameters. A text
            ``= expression`` makes a parameter follow that, as does a `ParameterLink`.
        """
        cls = registry.find(process) if isinstance(process, str) else registry.register(process)
        ports = {p.name: p for p in cls.inputs}
        feeds = {k: v for k, v in feeds_and_params.items() if k in ports and v is not None}
        params = {k: v for k, v in feeds_and_params.items() if k not in ports}
        followed = {k: link for k, v in params.items() if (link := _parameter_link(v)) is not None}
        params = {k: v for k, v in params.items() if k not in followed}
        if wrong := next((k for k, v in params.items() if _is_feed(v)), None):
            raise GraphError(f"{cls.__name__} has no input '{wrong}'; it has {', '.join(ports) or 'none'}")
        spec = NodeSpec(
            name=self._new_name(name, cls.id),
            process=cls.id,
            version=cls.version,
            params=params,
            region=None if region is None else Box(*region),
        )
        for param, link in followed.items():
            check_link(spec, param, link)
        check_params(spec, followed)
        links = {port: _links(feed, port, ports[port].many) for port, feed in feeds.items()}
        if mask is not None:
            links[MASK] = _links(mask, MASK, False)
        made = self.insert(spec, links)
        self.parameter_links |= {(spec.name, param): link for param, link in followed.items()}
        return made

    def insert(self, spec: NodeSpec, feeds: Feeds) -> Node:
        """Add a node as it is, checked only for its name: documents may hold what is not installed here."""
        self.place(spec, feeds)
        return Node(self, spec.name)

    def __getitem__(self, name: str) -> Node:
        self.spec(name)
        return Node(self, name)

    def run(self, targets: Iterable[str] | None = None, **options: Any) -> Report:
        """Run the graph: write the outputs of all sinks (or make *targets*), measuring what is needed on the way.

        See `lerarlink.engine.run.run` for the options.
        """
        return run(self, targets, **options)

    def _new_name(self, name: str | None, process_id: str) -> str:
        if name is not None:
            return name
        stem = process_id.rpartition(".")[2]
        if stem not in self:
            return stem
        return next(f"{stem}-{i}" for i in range(2, len(self) + 3) if f"{stem}-{i}" not in self)


def _parameter_link(value: Any) -> ParameterLink | None:
    if isinstance(value, ParameterLink):
        return value
    text = link_text(value)
    return None if text is None else ParameterLink(expr=text)


def _is_feed(value: Any) -> bool:
    if isinstance(value, Node | Output):
        return True
    return isinstance(value, list | tuple) and bool(value) and all(_is_feed(v) for v in value)


def _links(feed: Any, port: str, many: bool) -> Link | tuple[Link, ...]:
    if isinstance(feed, Node):
        return feed.output().link
    if isinstance(feed, Output):
        return feed.link
    if isinstance(feed, Link):
        return feed
    if many and isinstance(feed, list | tuple):
        return tuple(one for item in feed if isinstance(one := _links(item, port, False), Link))
    raise GraphError(f"input '{port}' takes a node or an output{' (or a list of them)' if many else ''}, got {feed!r}")
