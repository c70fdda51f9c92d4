"""Image handles: what a link carries. A promise of pixels, kept when somebody looks."""

from __future__ import annotations

import base64
import contextlib
import io
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import registry
from .errors import GraphError
from .frame import Frame
from .looks import Look
from .making import BAND_SAMPLES
from .plan import Feed
from .process import Tile
from .region import Box
from .schedule import Lane, Scheduler
from .session import Session
from .store import Store
from .wiring import Link, NodeSpec, Wiring

if TYPE_CHECKING:
    import PIL.Image


Stf = Literal["linked", "unlinked", "none"]


@dataclass(frozen=True)
class ImageHandle:
    """One image output of a graph. Making a handle reads nothing; its frame reads headers; `compute` reads pixels."""

    graph: Wiring
    link: Link
    index: int | None = None
    """Which frame of a series; None where there is only one."""

    def __len__(self) -> int:
        """Return the number of frames behind this output: 1, or those of a series."""
        look = Look(self.graph, self.link.node, Lane("sync"), Store(), headers_only=True)
        look.remember()
        return len(look.session.plan.feeds_of(self.link))

    def __getitem__(self, index: int) -> ImageHandle:
        return ImageHandle(self.graph, self.link, range(len(self))[index])

    @property
    def frame(self) -> Frame:
        """Size and meaning, from headers. A float source's bounds may still be None: they need its pixels.

        Where parameters before it follow what is measured, that is measured first.
        """
        look, feed = self._look(Lane("sync"), headers_only=True)
        found = look.session.evaluation.frame(feed)
        look.remember()
        return found

    @property
    def key(self) -> str:
        """The digest of everything that makes these pixels; reads the source files once."""
        look, feed = self._look(Lane("sync"))
        found = look.session.evaluation.key(feed.step, look.session.store.content)
        look.remember()
        return f"{found}.{feed.port}"

    def compute(
        self,
        box: Box | None = None,
        *,
        scheduler: Scheduler = "threads",
        workers: int | None = None,
        strip_samples: int | None = None,
        store: Store | None = None,
    ) -> Tile:
        """Return the pixels of *box* (default: all) as a float32 array ``(channels, rows, columns)``."""
        with Lane(scheduler, workers) as lane:
            look, feed = self._look(lane, store)
            with contextlib.closing(look.session) as session:
                session.measure([feed.step])
                frame = session.evaluation.frame(feed)
                inside = frame.box if box is None else Box(*box)
                if inside.empty or not frame.box.contains(inside):
                    raise GraphError(f"box {inside} lies outside the image of {frame.width}x{frame.height}")
                made = session.collect(feed, inside, strip_samples)
                look.remember()
                return made

    def to_dask(self) -> Any:
        """Return a `dask.array` of the image, one chunk a band; nothing is read before it is computed.

        Shape and chunks come from the header. Measures that the pixels need are taken once, by the first chunk.
        """
        import dask.array
        from dask.base import tokenize

        frame = self.frame
        band = max(1, BAND_SAMPLES // (frame.width * frame.channels))
        rows = [min(band, frame.height - y) for y in range(0, frame.height, band)]
        source = _Source(self, tokenize(object()))
        name = f"lerarlink-{source.token}"
        tasks: dict[Any, Any] = {
            (name, 0, n, 0): (_chunk, source, [y, 0, y + h, frame.width])
            for n, (y, h) in enumerate(zip(range(0, frame.height, band), rows, strict=True))
        }
        chunks = ((frame.channels,), tuple(rows), (frame.width,))
        return dask.array.Array(tasks, name, chunks, dtype=np.float32)

    def preview(
        self,
        *,
        stf: Stf = "linked",
        size: int = 1024,
        region: Box | tuple[int, int, int, int] | None = None,
        dragging: bool = False,
    ) -> PIL.Image.Image:
        """Return a picture no side of which is longer than *size*, auto-stretched for display.

        Pixels are averaged in whole blocks; the stretch is measured on the full image. A region is cut first,
        in rows and columns of storage. Bottom-up images are turned upright.

        While somebody drags something (*dragging*), parameters keep the value they had last as long as what they
        follow changes by less than the dead band of their link; without it, and wherever a graph is run, they follow.
        """
        return self.displayed(stf=stf, size=size, region=region, dragging=dragging).picture()

    def displayed(
        self, *, stf: Stf, size: int, region: Box | tuple[int, int, int, int] | None, dragging: bool = False
    ) -> ImageHandle:
        """Return the handle of what `preview` shows: the same graph with crop, averaging and stretch behind it."""
        g = self.graph.copy()
        if dragging:
            g.dragged, g.link_values = True, self.graph.link_values
        look, display = self.link, None
        frame = ImageHandle(g, look, self.index).frame
        add = _Adder(g)
        if stf != "none":
            display = add("stretch.screen_transfer_function", image=look, linked=stf == "linked")
        box = frame.box if region is None else Box(*region)
        if box != frame.box:
            look = add("geometry.crop", image=look, box=tuple(box))
        factor = -(-max(box.height, box.width) // size)
        if factor > 1:
            if min(box.height, box.width) < factor:
                raise GraphError(f"{box} is too thin for a picture of {size} px; ask for a larger one")
            look = add("geometry.integer_resample", image=look, zoom_factor=-factor)
        if stf != "none":
            look = add("stretch.histogram_transformation", image=look, display=display)
        return ImageHandle(g, look, self.index)

    def picture(self) -> PIL.Image.Image:
        """Return the image as it is as an 8-bit picture: bounds to black and white."""
        import PIL.Image

        with Lane() as lane:
            look, feed = self._look(lane)
            look.session.measure([feed.step])
            frame = look.session.evaluation.frame(feed)
            tile = look.session.collect(feed, frame.box)
            look.remember()
        lo, hi = frame.known_bounds()
        shown = tile[:3] if frame.color == "rgb" and frame.channels >= 3 else tile[:1]
        levels = np.nan_to_num((shown - np.float32(lo)) / np.float32(hi - lo), nan=0.0)
        codes = np.rint(np.clip(levels, 0, 1) * 255).astype(np.uint8)
        if frame.orientation == "bottom-up":
            codes = codes[:, ::-1]
        return PIL.Image.fromarray(codes[0] if len(codes) == 1 else np.ascontiguousarray(codes.transpose(1, 2, 0)))

    def _repr_html_(self) -> str:
        f = self.frame
        buffer = io.BytesIO()
        self.preview(size=512).save(buffer, "PNG")
        picture = base64.b64encode(buffer.getvalue()).decode("ascii")
        facts = f"{self.link} &middot; {f.width} &times; {f.height} &times; {f.channels} &middot; {f.state}"
        return f'<figure><img src="data:image/png;base64,{picture}"><figcaption>{facts}</figcaption></figure>'

    def _look(self, lane: Lane, store: Store | None = None, *, headers_only: bool = False) -> tuple[Look, Feed]:
        look = Look(self.graph, self.link.node, lane, store or Store(), headers_only=headers_only)
        feeds = look.session.plan.feeds_of(self.link)
        if not feeds:
            raise GraphError(f"{self.link} is absent: the optional source it comes from was not given")
        if self.index is None and len(feeds) > 1:
            raise GraphError(f"{self.link} is a series of {len(feeds)} frames; take one, such as image[0]")
        return look, feeds[self.index or 0]


class _Adder:
    """Adds display nodes to a copy of the graph, under names that cannot clash."""

    def __init__(self, graph: Wiring) -> None:
        self.graph = graph

    def __call__(self, process: str, *, image: Link, display: Link | None = None, **params: Any) -> Link:
        cls = registry.find(process)
        spec = NodeSpec(
            name=f"display.{len(self.graph)}.{process}", process=cls.id, version=cls.version, params=params
        )
        self.graph.place(spec, {"image": image, **({} if display is None else {"display": display})})
        return Link(spec.name, cls.outputs[0].name)


class _Source:
    """What the chunks of one dask array share: the measured session, made once."""

    def __init__(self, handle: ImageHandle, token: str) -> None:
        self.handle, self.token = handle, token
        self._lock = threading.Lock()
        self._ready: tuple[Session, Feed] | None = None

    def __dask_tokenize__(self) -> str:
        return self.token

    def __getstate__(self) -> dict[str, Any]:
        return {"handle": self.handle, "token": self.token}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def ready(self) -> tuple[Session, Feed]:
        with self._lock:
            if self._ready is None:
                look, feed = self.handle._look(Lane("sync"))
                look.session.measure([feed.step])
                look.remember()
                self._ready = look.session, feed
            return self._ready


def _chunk(source: _Source, box: list[int]) -> Tile:
    session, feed = source.ready()
    return session.collect(feed, Box(*box))
