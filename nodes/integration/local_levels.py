"""LocalLevels: what LocalNormalization asks of the cells of a reference, once for all images that follow it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Box, Known, Port, Process, Tile, param
from . import _local_cells as cells
from ._local_cells import Cells


class LocalLevels(Process, id="integration.local_levels"):
    """Measure the level and the noise of the sky in the cells of an image.

    LocalNormalization asks this of both of its images; where many images follow one reference, its cells are measured
    once and linked to the port `reference_levels` of all of them. Parameters are to be those of LocalNormalization.

    The Value::

        {"cells": float64 (channels, 4, rows, columns), "width": ..., "height": ..., "asked": [...]}

    of each cell the median (taken again of what lies around it), 1.4826 times the median absolute deviation, both in
    physical units, the part of its samples between the clipping levels, and the part that is not missing; ``asked``
    are the parameters.
    """

    inputs = (Port("image"),)
    outputs = (Port("levels", "measures", doc="level and noise of each cell"),)
    maskable = False
    requires = "linear"

    background_sampling_delta: int = param(
        default=32, low=8, high=64, unit="px", doc="distance of the places where the background is taken"
    )
    low_clipping_level: float = param(
        default=4.5e-5, low=-1.0, high=1.0,
        doc="lower samples tell nothing, in the normalised range; negative where a dark sky lies about 0",
    )
    high_clipping_level: float = param(
        default=0.85, low=0.0, high=1.0, doc="higher samples tell nothing, in the normalised range"
    )

    def needs(self, box: Box, port: str, known: Known) -> Box:
        grid = self._cells(known)
        return grid.pixels(*grid.starting_in(box))

    def measure(self, known: Known, *tiles: Any) -> Any:
        image: Tile = tiles[0]
        grid = self._cells(known)
        first, last = grid.starting_in(known.box)
        if first == last:
            return {}
        limits = cells.limits(known.of("image"), self.low_clipping_level, self.high_clipping_level)
        edges = grid.edges(first, last)
        return {first: np.stack([cells.levels(image[c], *limits, *edges) for c in range(known.of("image").nominal)])}

    def merge(self, a: Any, b: Any) -> Any:
        return {**a, **b}

    def finish(self, partial: Any, known: Known) -> Any:
        frame = known.of("image")
        asked = [self.background_sampling_delta, self.low_clipping_level, self.high_clipping_level]
        found = np.concatenate([partial[first] for first in sorted(partial)], axis=-2)
        return {"cells": found, "width": frame.width, "height": frame.height, "asked": asked}

    def _cells(self, known: Known) -> Cells:
        image = known.of("image")
        return Cells.of(image.height, image.width, self.background_sampling_delta)
