"""SeriesSample: a clean image out of a few frames of a series."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Box, Known, Port, Process, Tile, param


class SeriesSample(Process, id="time.series_sample"):
    """Average frames spread over a series, without the highest and the lowest quarter of each pixel's samples.

    Cosmic rays and satellites are gone, and stars stand out that no single frame shows. The frames are taken as they
    are: where the sky changes, pixels take their samples from much the same frames. Missing samples do not count.
    """

    inputs = (Port("frames", many=True, doc="registered frames"),)
    maskable = False
    draws = True

    count: int = param(default=21, low=1, high=1000, usual=(5, 50), doc="how many frames, at most")

    def chosen(self, total: int) -> list[int]:
        """Return the frames that are taken of *total*."""
        found = np.rint(np.linspace(0, total - 1, min(self.count, total)))
        return sorted({int(i) for i in found})

    def needs(self, box: Box, port: str, known: Known) -> tuple[Box, ...]:
        total = len(known.frames["frames"])
        taken, nothing = set(self.chosen(total)), Box(box.y0, box.x0, box.y0, box.x0)
        return tuple(box if i in taken else nothing for i in range(total))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        held = np.stack([tiles[0][i] for i in self.chosen(len(known.frames["frames"]))])
        held[~np.isfinite(held)] = np.nan
        held.sort(axis=0)  # missing ones come last
        there = np.isfinite(held).sum(axis=0)
        cut = there // 4
        total, n = np.zeros(held.shape[1:]), len(held)
        for i in range(n):
            inside = (i >= cut) & (i < there - cut)
            total += np.where(inside, held[i], np.float32(0.0))
        with np.errstate(invalid="ignore"):
            return np.asarray(total / (there - 2 * cut), np.float32)
