"""Keep a part of the image."""

from __future__ import annotations

from ...engine.api import (
    AffineGrid,
    Box,
    Frame,
    GridMap,
    Known,
    ParameterError,
    Port,
    Process,
    Tile,
    carry,
    param,
    shifting,
)
from ._grid import moved_cell


class Crop(Process, id="geometry.crop", version=1):
    """Keep a rectangular part of the image, exactly: no pixel is interpolated.

    The part is given either as a box or by what is cut off each side. Rows are counted in storage order:
    for files stored bottom-up, ``top`` cuts the rows that are stored first and shown last. The celestial
    solution and the phase of the colour filter array move along. (PixInsight: Crop, with its four margins.)
    """

    inputs = (Port("image"),)
    maskable = False

    box: tuple[int, int, int, int] | None = param(
        default=None, low=0, unit="px", doc="the part to keep: y0, x0, y1, x1, half open; None takes the margins"
    )
    left: int = param(default=0, low=0, unit="px", doc="columns cut off on the left")
    top: int = param(default=0, low=0, unit="px", doc="rows cut off that are stored first")
    right: int = param(default=0, low=0, unit="px", doc="columns cut off on the right")
    bottom: int = param(default=0, low=0, unit="px", doc="rows cut off that are stored last")

    def check(self) -> None:
        if self.box is None:
            return
        if any((self.left, self.top, self.right, self.bottom)):
            raise ParameterError("Crop: give either box or margins (left, top, right, bottom), not both")
        if Box(*self.box).empty:
            raise ParameterError(f"Crop: box is y0, x0, y1, x1 with y0 < y1 and x0 < x1, got {self.box}")

    def kept(self, source: Frame) -> Box:
        """Return the box of *source* that stays, or raise where it reaches outside."""
        if self.box is not None:
            part = Box(*self.box)
            wanted = f"box {part}"
        else:
            part = Box(self.top, self.left, source.height - self.bottom, source.width - self.right)
            wanted = f"margins left {self.left}, top {self.top}, right {self.right}, bottom {self.bottom}"
        if part.empty or not source.box.contains(part):
            raise ParameterError(
                f"Crop: {wanted} must leave a part of the image, which has {source.height} rows and "
                f"{source.width} columns"
            )
        return part

    def frame(self, known: Known) -> Frame:
        source = known.of("image")
        part = self.kept(source)
        cfa = moved_cell(source.cfa, lambda y, x: (y + part.y0, x + part.x0))
        moved = carry(source, shifting(-part.x0, -part.y0))
        return moved.with_(width=part.width, height=part.height, cfa=cfa)

    def grid_map(self, port: str, at: int, known: Known) -> GridMap:
        part = self.kept(known.of("image"))
        return AffineGrid(shifting(-part.x0, -part.y0))

    def needs(self, box: Box, port: str, known: Known) -> Box:
        part = self.kept(known.of("image"))
        return box.shift(part.y0, part.x0)

    def pixels(self, known: Known, image: Tile) -> Tile:
        return image.copy()
