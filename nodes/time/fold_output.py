"""FoldOutput: one period of a series as images, or their errors."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ...engine.api import Frame, Known, Port, Process, Tile, param


class FoldOutput(Process, id="time.fold_output"):
    """Pick the images or their errors out of what Fold made, if wanted relative to their mean."""

    inputs = (Port("image", doc="from Fold"),)
    maskable = False

    part: Literal["image", "error"] = param(default="image", choices=("image", "error"), doc="which")
    bins: int = param(default=20, low=8, high=100, doc="as of Fold")
    normalized: bool = param(default=False, doc="divide by the mean of all bins")

    def frame(self, known: Known) -> Frame:
        frame = known.of("image")
        made = frame.with_(channels=frame.channels // 2)
        return made.with_(bounds=(0.0, 2.0), unit="") if self.normalized else made

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        tile: Tile = tiles[0]
        images, errors = tile[: len(tile) // 2], tile[len(tile) // 2 :]
        wanted = images if self.part == "image" else errors
        if not self.normalized:
            return wanted.copy()
        cube = images.reshape(self.bins, -1, *tile.shape[1:])
        total, count = np.zeros(cube.shape[1:]), np.zeros(cube.shape[1:])
        for one in cube:  # one after the other, so that sums do not depend on the size of the strip
            there = np.isfinite(one)
            total += np.where(there, one, np.float32(0.0))
            count += there
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = total / count
            made = wanted.reshape(cube.shape) / np.where(mean != 0.0, mean, np.nan)
        return np.ascontiguousarray(made.reshape(wanted.shape), np.float32)
