"""The kinds of dask task: measure a block of the fixed grid, compute a Value, make a band of output strips."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .chains import Chain
from .collected import Collected, Held
from .costs import Meter, Spent
from .errors import Cancelled, EngineError, NodeFailed
from .evaluation import Evaluation
from .journal import Journalled
from .plan import Feed
from .process import Tile, Writer
from .pull import Puller, needed_boxes
from .region import Box, measure_tile_rows, strips
from .schedule import shared
from .stored_pixels import Pixels, StoredPixels
from .traffic import Traffic

Partials = tuple[list[Any], float, list[Spent]]
"""What was measured, the bytes of source files that were read for it, and what each block took."""


@dataclass(eq=False)
class Work:
    """What all tasks of a stage share."""

    evaluation: Evaluation
    stored: Mapping[Feed, Pixels]
    states: dict[int, Any] = field(default_factory=dict)
    targets: list[tuple[Feed, Writer | StoredPixels]] = field(default_factory=list)
    rows: int = 1
    columns: int = 0
    """Columns of the blocks that a strip is put together of; 0 where strips are made as they are."""
    cancel: threading.Event | None = None

    def __post_init__(self) -> None:
        self.traffic = Traffic(self.evaluation)
        self.chains: dict[Feed, list[Chain] | None] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "cancel": None}  # events do not travel; worker processes are ended instead

    def stop_if_cancelled(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("the run was stopped")


def measure_block(ticket: Any, steps: Sequence[int], behind: None, block: Sequence[int]) -> Partials:
    """Return what one block of the grid tells each of *steps*, its tiles merged from top to bottom.

    *behind* only says that an earlier block was merged before this one was begun.
    """
    work: Work = shared(ticket)
    box = Box(*block)
    partials: list[Any] = [None] * len(steps)
    read, meter = 0.0, Meter()
    tile_rows = measure_tile_rows(box.width)
    for strip in strips(box, max(work.rows, tile_rows)):
        work.stop_if_cancelled()
        puller = Puller(work.evaluation, work.stored, work.traffic, work.chains, meter)
        if work.rows > tile_rows or work.columns:
            # Pixels come in thick strips or blocks where that is cheaper; what is measured stays tile by tile.
            puller.prefetch(_same_size_images(work, steps, strip, tile_rows), work.columns, work.stop_if_cancelled)
        for tile in strips(strip, tile_rows):
            for n, step in enumerate(steps):
                partial = _measured(work, puller, step, tile)
                partials[n] = partial if partials[n] is None else _process(work, step).merge(partials[n], partial)
            puller.forget()
        read += puller.read
    return partials, read, [meter.spent]


def fold(ticket: Any, steps: Sequence[int], first: Partials, second: Partials) -> Partials:
    """Merge two neighbouring blocks."""
    work: Work = shared(ticket)
    merged = [_process(work, s).merge(a, b) for s, a, b in zip(steps, first[0], second[0], strict=True)]
    return merged, first[1] + second[1], first[2] + second[2]


def passed(partials: Partials) -> None:
    """Say that blocks were merged."""


def compute_value(ticket: Any, step: int) -> Any:
    """Return the Value of a step that needs Values only."""
    work: Work = shared(ticket)
    work.stop_if_cancelled()
    return work.evaluation.computed(step)


def make_band(ticket: Any, band: Sequence[int]) -> tuple[int, float, Spent]:
    """Pull a band of every target strip by strip, hand the strips on; return bytes stored, bytes read, times."""
    work: Work = shared(ticket)
    stored, read, meter = 0, 0.0, Meter()
    for box in strips(Box(*band), work.rows):
        work.stop_if_cancelled()
        puller = Puller(work.evaluation, work.stored, work.traffic, work.chains, meter)
        # What a killed run had finished is not made again.
        todo = [(f, w) for f, w in work.targets if not (isinstance(w, Journalled) and w.has(box))]
        if work.columns:
            puller.prefetch({feed: [box] for feed, _ in todo}, work.columns, work.stop_if_cancelled)
        for feed, writer in todo:
            # Made where it is to be, unless others of this strip may ask for it as a tile of its own.
            room = writer.room(box) if len(todo) == 1 and isinstance(writer, Collected | Held) else None
            tile = puller.pull(feed, box, room)
            begun = meter.begin()
            if room is None or not np.may_share_memory(tile, room):
                _write(work, feed, writer, box, tile)
            meter.end(begun, _writing(writer), ((feed.step, 1.0, tile.size),))
            stored += tile.nbytes if isinstance(writer, StoredPixels) else 0
        read += puller.read
    return stored, read, meter.spent


def _writing(writer: Any) -> str:
    """Return what handing strips to *writer* is called among costs."""
    if isinstance(writer, StoredPixels):
        return "write store"
    if isinstance(writer, Collected | Held):
        return "write memory"
    return f"write {os.path.splitext(writer.path)[1].lower()}"


def _write(work: Work, feed: Feed, writer: Writer | StoredPixels, box: Box, tile: Tile) -> None:
    try:
        writer.write(box, tile)
    except OSError as e:
        # Name the node, keep the number: a full disk has an exit code of its own.
        where = work.evaluation.plan.steps[feed.step].label
        raise OSError(e.errno, f"writing node '{where}', {box}: {e.strerror or e}") from e


def _measured(work: Work, puller: Puller, index: int, box: Box) -> Any:
    step = work.evaluation.plan.steps[index]
    image = next((p.name for p in step.process.outputs if p.is_image), "")
    linked = any(p.is_image and p.name in step.inputs for p in step.process.inputs)
    # A step with image inputs is not asked for its frame: that may need what is being measured.
    known = work.evaluation.known(index, "" if linked else image, box=box, state=work.states.get(index))
    if linked or not step.process.answers("foresee"):
        tiles = puller.tiles(index, box, known)
    else:
        tiles = [puller.pull(Feed(index, image), box)]
    if not linked and not tiles:
        puller.read += work.traffic.bytes(index, box)
    begun = puller.meter.begin()
    try:
        found = step.process.measure(known, *tiles)
        puller.meter.end(begun, "measure", ((index, 1.0, 0 if index in work.states else box.height * box.width),))
        return found
    except EngineError as e:
        if isinstance(e, NodeFailed):
            raise
        raise NodeFailed(step.label, step.process.id, str(box), str(e)) from e
    except Exception as e:
        raise NodeFailed(step.label, step.process.id, str(box), f"{type(e).__name__}: {e}") from e


def measured_images(evaluation: Evaluation, steps: Sequence[int]) -> list[Feed]:
    """Return the images that *steps* measure, each once."""
    found: dict[Feed, None] = {}
    for index in steps:
        step = evaluation.plan.steps[index]
        for port in step.process.inputs:
            linked = step.inputs.get(port.name)
            if port.is_image and linked is not None:
                found |= dict.fromkeys([linked] if isinstance(linked, Feed) else linked)
    return list(found)


def _same_size_images(work: Work, steps: Sequence[int], strip: Box, tile_rows: int) -> dict[Feed, list[Box]]:
    """Return which parts of *strip* are measured of each image that has its size: few where rows are sampled."""
    found: dict[Feed, list[Box]] = {}
    for tile in strips(strip, tile_rows):
        for index in steps:
            step = work.evaluation.plan.steps[index]
            known = work.evaluation.known(index, "", box=tile, state=work.states.get(index))
            for port in step.process.inputs:
                linked = step.inputs.get(port.name)
                if not port.is_image or linked is None:
                    continue
                feeds = [linked] if isinstance(linked, Feed) else linked
                boxes = needed_boxes(step.process, tile, port.name, known, len(feeds))
                for feed, box in zip(feeds, boxes, strict=True):
                    frame = work.evaluation.frame(feed).box
                    if not box.empty and frame.contains(strip):
                        found.setdefault(feed, []).append(box.overlap(frame))
    return {feed: _joined(boxes) for feed, boxes in found.items()}


def _joined(boxes: list[Box]) -> list[Box]:
    """Return as few boxes that cover the same rows."""
    made: list[Box] = []
    for box in sorted(boxes):
        if made and box.y0 <= made[-1].y1:
            last = made[-1]
            made[-1] = Box(last.y0, min(last.x0, box.x0), max(last.y1, box.y1), max(last.x1, box.x1))
        else:
            made.append(box)
    return made


def _process(work: Work, index: int) -> Any:
    return work.evaluation.plan.steps[index].process
