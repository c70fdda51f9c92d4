"""Turn the image by quarter turns."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...engine.api import (
    Affine,
    AffineGrid,
    Box,
    Frame,
    GridMap,
    Known,
    Port,
    Process,
    Tile,
    carry,
    mirrored_columns,
    mirrored_rows,
    param,
    transposing,
)
from ._grid import moved_cell


class Rotate(Process, id="geometry.rotate", version=1):
    """Turn the image counter-clockwise as it is displayed, by quarter turns, exactly.

    For an image stored top-down this is also counter-clockwise in storage order (as `numpy.rot90` turns);
    a file stored bottom-up is displayed upside down with respect to storage, so its stored rows are turned
    the other way. Celestial solution and colour filter phase move along. (PixInsight: FastRotation, and
    Rotation with its fast rotations by multiples of 90 degrees.)
    """

    inputs = (Port("image"),)
    maskable = False

    angle: Literal[90, 180, 270] = param(
        default=90, choices=(90, 180, 270), unit="deg", doc="counter-clockwise as displayed"
    )

    def turns(self, source: Frame) -> int:
        """Return the number of quarter turns counter-clockwise in storage order."""
        quarters: int = self.angle // 90
        return quarters if source.orientation == "top-down" else 4 - quarters

    def frame(self, known: Known) -> Frame:
        source = known.of("image")
        w, h, turns = source.width, source.height, self.turns(source)
        if turns == 1:
            cfa = moved_cell(source.cfa, lambda y, x: (x, w - 1 - y))
        elif turns == 2:
            cfa = moved_cell(source.cfa, lambda y, x: (h - 1 - y, w - 1 - x))
        else:
            cfa = moved_cell(source.cfa, lambda y, x: (h - 1 - x, y))
        size = {"width": w, "height": h} if turns == 2 else {"width": h, "height": w}
        return carry(source, self._move(source)).with_(cfa=cfa, **size)

    def _move(self, source: Frame) -> Affine:
        w, h, turns = source.width, source.height, self.turns(source)
        if turns == 1:
            return transposing().then(mirrored_rows(w))
        if turns == 2:
            return mirrored_columns(w).then(mirrored_rows(h))
        return transposing().then(mirrored_columns(h))

    def grid_map(self, port: str, at: int, known: Known) -> GridMap:
        return AffineGrid(self._move(known.of("image")))

    def needs(self, box: Box, port: str, known: Known) -> Box:
        source = known.of("image")
        w, h, turns = source.width, source.height, self.turns(source)
        if turns == 1:
            return Box(box.x0, w - box.y1, box.x1, w - box.y0)
        if turns == 2:
            return Box(h - box.y1, w - box.x1, h - box.y0, w - box.x0)
        return Box(h - box.x1, box.y0, h - box.x0, box.y1)

    def pixels(self, known: Known, image: Tile) -> Tile:
        return np.copy(np.rot90(image, self.turns(known.of("image")), axes=(1, 2)), order="C")
