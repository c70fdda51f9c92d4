"""Fold: every pixel of a series averaged by phase."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Box, Frame, Known, Port, Process, Tile, param
from ._folding import bins_of, fold_columns, folded
from ._matched import halo
from ._strip import Pulling, held_bytes, parts_of, summed


class Fold(Process, id="time.fold"):
    """Average the samples of each pixel by their phase.

    The part of LerarFold that makes pixels: one period in `bins` images and their errors, as channels.
    """

    inputs = (
        Port("frames", many=True, doc="registered, linear frames on one level"),
        Port("plan", "measures", doc="from LockInPlan"),
    )
    outputs = (Port("image", doc="bins, then their errors"),)
    maskable = False
    draws = True

    bins: int = param(default=20, low=8, high=100, doc="parts of the period")
    period: float = param(default=3600.0, low=0.0, unit="s", doc="the period; 0: that of the plan")

    def frame(self, known: Known) -> Frame:
        first: Frame = known.frames["frames"][0]
        return first.with_(channels=2 * self.bins * first.channels, color="planes", state="linear")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(halo(known.values["plan"]["fwhm"]))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        plan, box, bins = known.values["plan"], known.box, self.bins
        channels = known.frames["frames"][0].channels
        at = bins_of(plan, bins, self.period or plan["period"])
        columns = fold_columns(plan, at, bins)
        none = np.zeros((0, len(at)), np.float32)
        out = np.empty((2, bins, channels, box.height, box.width), np.float32)
        for part in parts_of(box, held_bytes(plan, len(columns), 0), channels):
            made = folded(summed(Pulling(tiles[0], plan, part), plan, columns, none), plan, at, bins)
            rows = slice(part.y0 - box.y0, part.y1 - box.y0)
            for which, images in enumerate(made):
                out[which, :, :, rows] = images.reshape(bins, channels, part.height, part.width)
        return out.reshape(-1, box.height, box.width)
