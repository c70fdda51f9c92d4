"""How the pixel grids of a graph's images lie on one another: each process publishes its part, paths compose them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from .wcs import Affine

if TYPE_CHECKING:
    from .evaluation import Evaluation
    from .steps import Feed

Floats = npt.NDArray[np.float64]
Places = tuple[Floats, Floats]
"""Columns x and rows y; the centre of the first pixel is (0.0, 0.0)."""


class GridMap(Protocol):
    """Where what is at a place of one image lies in another, and back. NaN where it lies nowhere.

    Instances travel to worker processes, so they hold plain data.
    """

    def forward(self, x: Floats, y: Floats) -> Places:
        """Return where places of the first image lie in the second."""

    def back(self, x: Floats, y: Floats) -> Places:
        """Return where places of the second image lie in the first."""


@dataclass(frozen=True, slots=True)
class SameGrid:
    """The map between images whose pixels lie on one another."""

    def forward(self, x: Floats, y: Floats) -> Places:
        return x, y

    def back(self, x: Floats, y: Floats) -> Places:
        return x, y


@dataclass(frozen=True, slots=True)
class AffineGrid:
    """The map of an exact change of grid; *affine* is written in FITS coordinates, as for `carry`."""

    affine: Affine

    def forward(self, x: Floats, y: Floats) -> Places:
        a = self.affine
        u, v = x + 1.0, y + 1.0
        return a.xx * u + a.xy * v + a.tx - 1.0, a.yx * u + a.yy * v + a.ty - 1.0

    def back(self, x: Floats, y: Floats) -> Places:
        a = self.affine
        xx, xy, yx, yy = a.inverse_matrix
        u, v = x + 1.0 - a.tx, y + 1.0 - a.ty
        return xx * u + xy * v - 1.0, yx * u + yy * v - 1.0


@dataclass(frozen=True, slots=True)
class ChainedGrids:
    """Maps one after the other."""

    maps: tuple[GridMap, ...]

    def forward(self, x: Floats, y: Floats) -> Places:
        for one in self.maps:
            x, y = one.forward(x, y)
        return x, y

    def back(self, x: Floats, y: Floats) -> Places:
        for one in reversed(self.maps):
            x, y = one.back(x, y)
        return x, y


@dataclass(frozen=True, slots=True)
class ReversedGrid:
    """A map the other way round."""

    map: GridMap

    def forward(self, x: Floats, y: Floats) -> Places:
        return self.map.back(x, y)

    def back(self, x: Floats, y: Floats) -> Places:
        return self.map.forward(x, y)


def chained(maps: list[GridMap]) -> GridMap:
    """Return maps one after the other as one; those that change nothing are left out."""
    told = [m for m in maps if not isinstance(m, SameGrid)]
    if not told:
        return SameGrid()
    return told[0] if len(told) == 1 else ChainedGrids(tuple(told))


def between(evaluation: Evaluation, start: Feed, end: Feed) -> GridMap | None:
    """Return how the image *start* lies on the image *end*, by the processes between them; None without a path.

    The path runs up from *end* to *start*, or up from both to the nearest image that they come from. Of several
    ways the shortest counts.
    """
    below: dict[Feed, GridMap] = {}
    for feed, path in _upward(evaluation, end):
        below[feed] = path
        if feed == start:
            return path
    for feed, path in _upward(evaluation, start):
        if feed in below:
            return chained([ReversedGrid(path), below[feed]])
    return None


def _upward(evaluation: Evaluation, end: Feed) -> Iterator[tuple[Feed, GridMap]]:
    """Yield *end* and the images it comes from, nearest first, each with its map to *end*."""
    todo: deque[tuple[Feed, GridMap]] = deque([(end, SameGrid())])
    seen = {end}
    while todo:
        feed, path = todo.popleft()
        yield feed, path
        for source, own in _sources(evaluation, feed):
            if source not in seen:
                seen.add(source)
                todo.append((source, chained([own, path])))


def _sources(evaluation: Evaluation, feed: Feed) -> Iterator[tuple[Feed, GridMap]]:
    """Yield the images that an image is made of and how each lies on it, where that is published."""
    step = evaluation.plan.steps[feed.step]
    images = [p.name for p in step.process.inputs if p.is_image and p.name in step.inputs]
    if not images:
        return
    known = evaluation.known(feed.step, feed.port)
    for port in images:
        linked: Any = step.inputs[port]
        for at, source in enumerate((linked,) if hasattr(linked, "step") else linked):
            own = step.process.grid_map(port, at, known)
            if own is not None:
                yield source, own
