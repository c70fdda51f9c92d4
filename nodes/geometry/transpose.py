"""Exchange rows and columns."""

from __future__ import annotations

import numpy as np

from ...engine.api import AffineGrid, Box, Frame, GridMap, Known, Port, Process, Tile, carry, transposing
from ._grid import moved_cell


class Transpose(Process, id="geometry.transpose", version=1):
    """Exchange rows and columns in storage order, exactly: the stored pixel (y, x) goes to (x, y).

    A mirror about the diagonal through the first stored pixel. Celestial solution and colour filter phase
    move along.
    """

    inputs = (Port("image"),)
    maskable = False

    def frame(self, known: Known) -> Frame:
        source = known.of("image")
        cfa = moved_cell(source.cfa, lambda y, x: (x, y))
        return carry(source, transposing()).with_(width=source.height, height=source.width, cfa=cfa)

    def grid_map(self, port: str, at: int, known: Known) -> GridMap:
        return AffineGrid(transposing())

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return Box(box.x0, box.y0, box.x1, box.y1)

    def pixels(self, known: Known, image: Tile) -> Tile:
        return np.copy(image.transpose(0, 2, 1), order="C")
