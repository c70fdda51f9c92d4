"""How the pixels of two images differ: figures measured strip by strip, a picture of the difference, a blink.

Both images become nodes of one graph, so that everything is pulled at once and nothing is held whole. Images come out
of files or out of graphs, which are then run as far as that needs.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import PIL.Image
import PIL.ImageDraw

from ..engine import registry
from ..engine.errors import GraphError
from ..engine.frame import Frame
from ..engine.graph import Graph, Link
from ..engine.image import ImageHandle
from ..engine.region import Box
from ..engine.wiring import NodeSpec
from ..graphs.diff.sides import Side
from ..graphs.document import file_params
from ..graphs.walk import each

Source = Path | tuple[Side, Link]
"""An image: a file, or an output of a graph."""

_LEAST_REGION = 64
_BLINK_MS = 700


@dataclass(frozen=True, slots=True)
class Compared:
    """Two images compared.

    Attributes
    ----------
    name
        What is compared.
    values
        What ImageDifference measured, one for each frame; empty where the images cannot be compared.
    reason
        Why they cannot.
    """

    name: str
    values: tuple[Mapping[str, Any], ...]
    reason: str
    _graph: Graph
    _links: tuple[Link, Link, Link]

    @property
    def equal(self) -> bool:
        return not self.reason and all(v["equal"] for v in self.values)

    def lines(self) -> list[str]:
        """Return the figures, a line for each channel."""
        if self.reason:
            return [f"{self.name}: {self.reason}"]
        if self.equal:
            return [f"{self.name}: identical pixels"]
        return [line for i, value in enumerate(self.values) if not value["equal"] for line in self._told(i, value)]

    def _told(self, index: int, value: Mapping[str, Any]) -> Iterator[str]:
        frame = f"[{index}]" if len(self.values) > 1 else ""
        channels = value["channels"]
        y0, x0, y1, x1 = value["box"]
        yield f"{self.name}{frame}: differs in rows {y0}..{y1 - 1}, columns {x0}..{x1 - 1}"
        for i, c in enumerate(channels):
            if not c["changed"]:
                yield f"  channel {i}: identical"
                continue
            share = ", ".join(f"{p:g} % {v:.4g}" for p, v in c["percentiles"])
            at = ", ".join(map(str, c["maximum_at"]))
            missing = f"; {c['missing_in_one']} missing in one of them" if c["missing_in_one"] else ""
            yield (
                f"  channel {i}: max {c['maximum']:.6g} at {at}; rms {c['rms']:.6g}; mean {c['mean']:+.6g}; "
                f"percentiles {share}; {c['changed']} samples{missing}"
            )

    def plain(self) -> dict[str, Any]:
        frames = [dict(v) for v in self.values]
        return {"name": self.name, "equal": self.equal, "reason": self.reason, "frames": frames}

    # -- pictures ---------------------------------------------------------------------------------

    def difference_picture(self, size: int = 1024) -> PIL.Image.Image:
        """Return the region that changed: gray where nothing did, brighter where there is more than before."""
        index, value = self._first()
        channels = [c for c in value["channels"] if c["count"]]
        reach = max((c["percentiles"][-1][1] or c["maximum"] for c in channels), default=0.0)
        low, high = self._frame(2, index).known_bounds()
        span = (high - low) / 2
        part = min(0.5, max(0.5 * reach / span, 1e-6)) if reach else 0.5
        g, look = self._looking(2, index, size)
        look = _added(g, "stretch.histogram_transformation", look, shadows=0.5 - part, highlights=0.5 + part)
        return ImageHandle(g, look, index).picture()

    def blink(self, size: int = 1024) -> bytes:
        """Return an animated PNG that shows the region that changed, before and after in turn, stretched alike."""
        frames = [self._shown(which, size) for which in (0, 1)]
        for frame, word in zip(frames, ("before", "after"), strict=True):
            PIL.ImageDraw.Draw(frame).text((6, 4), word, fill=(255, 220, 90), stroke_width=1, stroke_fill=(0, 0, 0))
        made = io.BytesIO()
        frames[0].save(made, "PNG", save_all=True, append_images=frames[1:], duration=_BLINK_MS, loop=0)
        return made.getvalue()

    def _shown(self, which: int, size: int) -> PIL.Image.Image:
        index, _ = self._first()
        g, look = self._looking(which, index, size)
        if self._frame(0, index).state == "linear":
            # Both by the stretch of the first: what blinks is the image, not its display.
            display = _added(g, "stretch.screen_transfer_function", self._links[0])
            look = _added(g, "stretch.histogram_transformation", look, display)
        return ImageHandle(g, look, index).picture().convert("RGB")

    def _first(self) -> tuple[int | None, Mapping[str, Any]]:
        """Return the first frame that differs: its number in a series, and its figures."""
        if self.reason:
            raise GraphError(f"{self.name}: {self.reason}")
        found = next((i for i, v in enumerate(self.values) if not v["equal"]), 0)
        return (found if len(self.values) > 1 else None), self.values[found]

    def _frame(self, which: int, index: int | None) -> Frame:
        return ImageHandle(self._graph, self._links[which], index).frame

    def _looking(self, which: int, index: int | None, size: int) -> tuple[Graph, Link]:
        """Return a graph with the changed region of one image cut out and averaged to at most *size* pixels."""
        g, look = self._graph.copy(), self._links[which]
        frame = self._frame(which, index)
        box = _region(self._first()[1]["box"], frame.box)
        if box != frame.box:
            look = _added(g, "geometry.crop", look, box=tuple(box))
        factor = -(-max(box.height, box.width) // size)
        if factor > 1:
            look = _added(g, "geometry.integer_resample", look, zoom_factor=-factor)
        return g, look


def _region(found: list[int] | None, whole: Box) -> Box:
    """Return what is shown: the changed box with some room around it, or all where it covers most."""
    if found is None:
        return whole
    box = Box(*found)
    grown = box.grow(max(_LEAST_REGION, max(box.height, box.width) // 10)).overlap(whole)
    return whole if grown.height * grown.width > 0.5 * whole.height * whole.width else grown


def compare(name: str, before: Source, after: Source) -> Compared:
    """Return how the pixels of *after* differ from those of *before*; runs graphs as far as that needs.

    Raises
    ------
    GraphError, SourceError, NodeFailed, UnknownProcessError
        As a run would.
    """
    g = Graph()
    a, b = _join(g, "before", before), _join(g, "after", after)
    if reason := _apart(g, a, b):
        return Compared(name, (), reason, g, (a, b, a))
    node = g.add("measure.image_difference", name="difference", image=b, reference=a)
    value = node.value()
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return Compared(name, values, "", g, (a, b, Link("difference", "image")))


def _join(g: Graph, prefix: str, source: Source) -> Link:
    """Put *source* into *g*, its nodes under names that begin with *prefix*; return its image."""
    if isinstance(source, Path):
        node = g.add("io.read_image", name=prefix, path=os.path.abspath(source))
        return node.output().link
    side, link = source
    graph = side.graph()
    for name in graph.order([link.node]):
        spec = graph.spec(name)
        params = dict(spec.params)
        for param, files in file_params(spec):
            if param.file == "input":
                found = tuple(os.path.abspath(os.path.join(side.folder, f)) if f else f for f in files)
                params[param.name] = found if isinstance(params[param.name], tuple) else found[0]
        feeds = {
            port: _under(prefix, feed) if isinstance(feed, Link) else tuple(_under(prefix, one) for one in each(feed))
            for port, feed in graph.feeds(name).items()
        }
        g.insert(replace(spec, name=f"{prefix}.{name}", params=params), feeds)
    return _under(prefix, link)


def _under(prefix: str, link: Link) -> Link:
    return Link(f"{prefix}.{link.node}", link.port)


def _apart(g: Graph, a: Link, b: Link) -> str:
    """Return why two outputs cannot be compared sample by sample; empty where they can."""
    counts = [len(ImageHandle(g, link)) for link in (a, b)]
    if counts[0] != counts[1]:
        return f"{counts[0]} frames before, {counts[1]} after"
    if not counts[0]:
        return "the optional source it comes from was not given"
    for i in range(counts[0]):
        index = i if counts[0] > 1 else None
        x, y = (ImageHandle(g, link, index).frame for link in (a, b))
        if (x.width, x.height, x.channels) != (y.width, y.height, y.channels):
            frame = f"frame {i}: " if index is not None else ""
            return (
                f"{frame}{x.width} x {x.height} x {x.channels} before, {y.width} x {y.height} x {y.channels} after; "
                "only images of one size can be compared"
            )
    return ""


def _added(g: Graph, process: str, image: Link, display: Link | None = None, **params: Any) -> Link:
    cls = registry.find(process)
    spec = NodeSpec(name=f"look.{len(g)}", process=cls.id, version=cls.version, params=params)
    g.insert(spec, {"image": image, **({} if display is None else {"display": display})})
    return Link(spec.name, cls.outputs[0].name)


def image_of(side: Side, node: str) -> Link | None:
    """Return the image that an output node stands for: its own, or what it writes; None where it has none.

    Raises
    ------
    UnknownProcessError
        The node's process is not installed.
    """
    graph = side.graph()
    process = graph.spec(node).find()
    port = next((p.name for p in process.outputs if p.is_image), None)
    if port is not None:
        return Link(node, port)
    feeds = graph.feeds(node)
    sources = [each(feeds[p.name])[0] for p in process.inputs if p.is_image and p.name in feeds]
    return sources[0] if sources and not process.outputs else None
