"""Mirror the image."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...engine.api import (
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
)
from ._grid import moved_cell


class Flip(Process, id="geometry.flip", version=1):
    """Mirror the image, exactly. Celestial solution and colour filter phase move along.

    (PixInsight: FastRotation, horizontal and vertical mirror.)
    """

    inputs = (Port("image"),)
    maskable = False

    axis: Literal["horizontal", "vertical"] = param(
        default="horizontal",
        choices=("horizontal", "vertical"),
        doc="horizontal exchanges left and right, vertical exchanges the first and the last rows",
    )

    def frame(self, known: Known) -> Frame:
        source = known.of("image")
        if self.axis == "horizontal":
            last = source.width - 1
            cfa = moved_cell(source.cfa, lambda y, x: (y, last - x))
            return carry(source, mirrored_columns(source.width)).with_(cfa=cfa)
        last = source.height - 1
        cfa = moved_cell(source.cfa, lambda y, x: (last - y, x))
        return carry(source, mirrored_rows(source.height)).with_(cfa=cfa)

    def grid_map(self, port: str, at: int, known: Known) -> GridMap:
        source = known.of("image")
        horizontal = self.axis == "horizontal"
        return AffineGrid(mirrored_columns(source.width) if horizontal else mirrored_rows(source.height))

    def needs(self, box: Box, port: str, known: Known) -> Box:
        source = known.of("image")
        if self.axis == "horizontal":
            return Box(box.y0, source.width - box.x1, box.y1, source.width - box.x0)
        return Box(source.height - box.y1, box.x0, source.height - box.y0, box.x1)

    def pixels(self, known: Known, image: Tile) -> Tile:
        # copy(), not ascontiguousarray: the latter hands back a view where there is one column or row.
        turned = image[:, :, ::-1] if self.axis == "horizontal" else image[:, ::-1, :]
        return np.copy(turned, order="C")
