"""RegionMean: a region of a frame as one pixel."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Box, Frame, Known, ParameterError, Port, Process, Tile, param


class RegionMean(Process, id="time.region_mean"):
    """Average the samples of a region into an image of one pixel; missing samples do not count.

    So the light of a whole region, such as all pixels of a target pixel file, goes through the same fits over time as
    the pixels of images. Black and white stay those of the image; the celestial solution does not.
    """

    inputs = (Port("image", doc="a frame"),)
    maskable = False

    box: tuple[int, int, int, int] | None = param(default=None, doc="y0, x0, y1, x1 in pixels; none: the whole image")

    def check(self) -> None:
        if self.box is not None and Box(*self.box).empty:
            raise ParameterError(f"RegionMean: box is y0, x0, y1, x1 with y0 < y1 and x0 < x1, got {self.box}")

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        if self._region(image).empty:
            raise ParameterError(f"RegionMean: box {self.box} has no pixel within {image.height} x {image.width}")
        return image.with_(width=1, height=1, wcs=())

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return self._region(known.of("image"))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image: Tile = tiles[0]
        there = np.isfinite(image)
        count = there.sum(axis=(1, 2))
        total = np.where(there, image, np.float32(0.0)).sum(axis=(1, 2), dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((total / count)[:, None, None], np.float32)

    def _region(self, image: Frame) -> Box:
        return image.box if self.box is None else image.box.overlap(Box(*self.box))
