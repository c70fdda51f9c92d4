"""RegionLevels: the mean of a region in every frame of a series."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Box, Known, ParameterError, Port, Process, param, table_value


class RegionLevels(Process, id="time.region_levels"):
    """Average the samples of a region in each frame, over all channels; missing samples do not count."""

    inputs = (Port("frames", many=True, doc="registered frames"),)
    outputs = (Port("table", "table", doc="column mean, a row a frame"),)
    maskable = False
    draws = True

    box: tuple[int, int, int, int] | None = param(default=None, doc="y0, x0, y1, x1 in pixels; none: the whole image")

    def check(self) -> None:
        if self.box is not None and Box(*self.box).empty:
            raise ParameterError(f"RegionLevels: box is y0, x0, y1, x1 with y0 < y1 and x0 < x1, got {self.box}")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box if self.box is None else box.overlap(Box(*self.box))

    def measure(self, known: Known, *tiles: Any) -> Any:
        sums = np.zeros((2, len(known.frames["frames"])))
        if not self.needs(known.box, "frames", known).empty:
            for i in range(sums.shape[1]):
                tile = tiles[0][i]
                there = np.isfinite(tile)
                sums[:, i] = tile[there].sum(dtype=np.float64), there.sum()
        return sums

    def merge(self, a: Any, b: Any) -> Any:
        return a + b

    def finish(self, partial: Any, known: Known) -> dict[str, Any]:
        if not partial[1].any():
            raise ParameterError(f"RegionLevels: box {self.box} has no pixel within the image")
        with np.errstate(invalid="ignore", divide="ignore"):
            return table_value({"mean": partial[0] / partial[1]}, {"mean": known.frames["frames"][0].unit})
