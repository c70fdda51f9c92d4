"""Pulling pixels: for an output box, ask which input boxes it needs, pull those, compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .chains import Chain, chains_of, run_chains
from .costs import Meter
from .drawing import Drawn, own_steps
from .errors import EngineError, NodeFailed
from .evaluation import Evaluation
from .frame import Frame
from .plan import Feed, Step
from .process import Edge, Known, Process, Tile
from .region import Box, columns_of
from .stored_pixels import Pixels
from .traffic import Traffic


class Puller:
    """Pulls boxes of one plan within one task; a box asked for twice is made once.

    Forget it after each strip: what it remembers must stay in the processor's cache.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        stored: Mapping[Feed, Pixels] | None = None,
        traffic: Traffic | None = None,
        chains: dict[Feed, list[Chain] | None] | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.evaluation = evaluation
        self.read = 0.0
        """Bytes of source files read so far."""
        self.meter = meter or Meter()
        self._traffic = traffic or Traffic(evaluation)
        self.stored = stored or {}
        self._chains = {} if chains is None else chains
        self._memo: dict[tuple[Feed, Box], Tile] = {}
        self._wide: dict[Feed, list[tuple[Box, Tile]]] = {}

    def prefetch(self, parts: Mapping[Feed, Sequence[Box]], columns: int, go_on: Callable[[], None]) -> None:
        """Pull all boxes of *parts* at once; smaller boxes of one are then cut out of it.

        They are put together from blocks of at most *columns* columns (0: pulled as they are). *go_on* is called
        before each block, and may raise.
        """
        if not columns:
            for feed, boxes in parts.items():
                self._wide[feed] = [(box, self.pull(feed, box)) for box in boxes]
            return
        made = {
            feed: [(b, np.empty((self.evaluation.frame(feed).channels, b.height, b.width), np.float32)) for b in boxes]
            for feed, boxes in parts.items()
        }
        for around in {box: None for boxes in parts.values() for box in boxes}:
            for block in columns_of(around, columns):
                go_on()
                at = slice(block.x0 - around.x0, block.x1 - around.x0)
                for feed, tiles in made.items():
                    for box, tile in tiles:
                        if box == around:
                            tile[:, :, at] = self.pull(feed, block)
                # What images have in common is made once a block, and must stay in the processor's cache.
                self.forget()
        for tiles in made.values():
            for _, tile in tiles:
                tile.flags.writeable = False
        self._wide |= made

    def forget(self) -> None:
        """Drop what was remembered, except what was prefetched."""
        self._memo.clear()

    def pull(self, feed: Feed, box: Box, room: Tile | None = None) -> Tile:
        """Return the pixels of *box*, which must lie within the image of *feed*. Do not change them.

        They may be made in *room*, a tile whose channels are each contiguous, if they are not there yet.

        Raises
        ------
        NodeFailed
            The process raised, or returned something that is not the tile asked for.
        """
        found = self._memo.get((feed, box))
        if found is None and feed in self._wide:
            found = self._cut(feed, box)
        if found is None:
            kept = self.stored.get(feed)
            found = kept.read(box) if kept is not None else None
            if found is None:
                found = self._make(feed, box, room)
            # Tiles are shared; a process that writes into its input is found out at once.
            found.flags.writeable = False
            self._memo[feed, box] = found
        return found

    def tiles(self, index: int, box: Box, known: Known) -> list[Any]:
        """Return the input tiles of step *index* for output *box*, in the order of its image inputs."""
        step = self.evaluation.plan.steps[index]
        found: list[Any] = []
        for port in step.process.inputs:
            if not port.is_image:
                continue
            linked = step.inputs.get(port.name)
            if linked is None:
                found.append(None)
                continue
            feeds = [linked] if isinstance(linked, Feed) else linked
            boxes = needed_boxes(step.process, box, port.name, known, len(feeds))
            if step.process.draws and port.many:
                found.append(self._drawn(feeds, boxes, step.process.edge))
                continue
            pulled = tuple(self._around(f, b, step.process.edge) for f, b in zip(feeds, boxes, strict=True))
            found.append(pulled[0] if isinstance(linked, Feed) else pulled)
        return found

    def _drawn(self, feeds: Sequence[Feed], boxes: Sequence[Box], edge: Edge) -> Drawn:
        own = own_steps(self.evaluation, feeds)

        def pull(feed: Feed, box: Box) -> Tile:
            before = set(self._memo)
            try:
                return self._around(feed, box, edge)
            finally:
                # What images have in common, such as a master's tile, stays for the next one.
                for made in [m for m in self._memo if m not in before and m[0].step in own]:
                    del self._memo[made]

        return Drawn(feeds, boxes, pull)

    def _cut(self, feed: Feed, box: Box) -> Tile | None:
        for around, tile in self._wide[feed]:
            if around == box:
                return tile
            if around.contains(box):
                rows = slice(box.y0 - around.y0, box.y1 - around.y0)
                part = np.ascontiguousarray(tile[:, rows, box.x0 - around.x0 : box.x1 - around.x0])
                part.flags.writeable = False
                return part
        return None

    def _make(self, feed: Feed, box: Box, room: Tile | None) -> Tile:
        step = self.evaluation.plan.steps[feed.step]
        begun = self.meter.begin()
        try:
            chains = self._chains_of(feed)
            if chains is not None:
                frame = self.evaluation.frame(feed)
                made = run_chains(chains, box, frame.width * frame.height, self.pull, room)
                self.meter.end(begun, "pixels", _shares(chains, box))
                return made
            known = self.evaluation.known(feed.step, feed.port, box=box)
            tiles = self.tiles(feed.step, box, known)
            if not tiles:
                self.read += self._traffic.bytes(feed.step, box)
            tile = step.process.pixels(known, *tiles)
        except EngineError:
            raise
        except Exception as e:
            raise NodeFailed(step.label, step.process.id, str(box), f"{type(e).__name__}: {e}") from e
        tile = _expect(tile, step, known.frame, box)
        self.meter.end(begun, "pixels", ((feed.step, 1.0, tile.size),))
        return tile

    def _chains_of(self, feed: Feed) -> list[Chain] | None:
        if self._wide:
            return chains_of(self.evaluation, feed, lambda f: f in self._wide or f in self.stored)
        if feed not in self._chains:
            self._chains[feed] = chains_of(self.evaluation, feed, self.stored.__contains__)
        return self._chains[feed]

    def _around(self, feed: Feed, box: Box, edge: Edge) -> Tile:
        """Pull *box*, filling what lies outside the image as *edge* says."""
        frame = self.evaluation.frame(feed)
        if box.empty:
            return np.empty((frame.channels, max(0, box.height), max(0, box.width)), np.float32)
        if frame.box.contains(box):
            return self.pull(feed, box)
        rows = _indices(box.y0, box.y1, frame.height, edge)
        columns = _indices(box.x0, box.x1, frame.width, edge)
        inner = Box(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
        inside = box.overlap(frame.box)
        tile = _filled(self.pull(feed, inner), inner, box, inside, rows, columns)
        if edge == "missing":
            ys, xs = np.arange(box.y0, box.y1), np.arange(box.x0, box.x1)
            tile[:, (ys < 0) | (ys >= frame.height)] = np.nan
            tile[:, :, (xs < 0) | (xs >= frame.width)] = np.nan
        return tile


def _filled(
    tile: Tile, inner: Box, box: Box, inside: Box, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> Tile:
    """Return *box* made of *tile*, the pixels of *inner*, where rows and columns of the image say what stands there.

    What lies *inside* the image is most of it, and is copied in one piece.
    """
    if inside.empty:
        return np.ascontiguousarray(tile[:, (rows - inner.y0)[:, None], columns - inner.x0])
    made = np.empty((tile.shape[0], box.height, box.width), np.float32)
    y, x = slice(inside.y0 - box.y0, inside.y1 - box.y0), slice(inside.x0 - box.x0, inside.x1 - box.x0)
    within = tile[:, inside.y0 - inner.y0 : inside.y1 - inner.y0]
    made[:, y, x] = within[:, :, inside.x0 - inner.x0 : inside.x1 - inner.x0]
    for side in (slice(0, x.start), slice(x.stop, box.width)):
        made[:, y, side] = within[:, :, columns[side] - inner.x0]
    for side in (slice(0, y.start), slice(y.stop, box.height)):
        made[:, side] = tile[:, (rows[side] - inner.y0)[:, None], columns - inner.x0]
    return made


def _shares(chains: list[Chain], box: Box) -> Iterator[tuple[int, float, float]]:
    """Yield what each step that chains went through has of their time and samples."""
    for chain in chains:
        for feed in chain.through:
            yield feed.step, 1 / (len(chains) * len(chain.through)), box.height * box.width


def needed_boxes(process: Process, box: Box, port: str, known: Known, count: int) -> Sequence[Box]:
    """Return the box that is needed of each of the *count* images of a port."""
    needed = process.needs(box, port, known)
    return [needed] * count if isinstance(needed, Box) else needed


def _indices(start: int, stop: int, size: int, edge: Edge) -> npt.NDArray[np.intp]:
    """Return which row (or column) of an image of *size* stands at start..stop-1."""
    i = np.arange(start, stop)
    if edge != "mirror" or size == 1:
        return np.clip(i, 0, size - 1)
    # Mirrored about the edge pixel, which is not repeated: period 2 (size - 1).
    i = np.abs(i) % (2 * (size - 1))
    return np.minimum(i, 2 * (size - 1) - i)


def _expect(tile: Any, step: Step, frame: Frame, box: Box) -> Tile:
    wanted = (frame.channels, box.height, box.width)
    if not isinstance(tile, np.ndarray) or tile.shape != wanted or tile.dtype != np.float32:
        came = f"{tile.dtype} {tile.shape}" if isinstance(tile, np.ndarray) else type(tile).__name__
        raise NodeFailed(
            step.label, step.process.id, str(box), f"a tile of float32 {wanted} was wanted, {came} came"
        )
    return tile if tile.flags.c_contiguous else np.ascontiguousarray(tile)
