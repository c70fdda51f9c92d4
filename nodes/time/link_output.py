"""LinkOutput: one of the images of a link to a seed."""

from __future__ import annotations

import math
from typing import Any, Literal

from ...engine.api import Frame, Known, Port, Process, Tile, param
from ._coherence import PARTS

_BOUNDS = {"correlation": (-1.0, 1.0), "significance": (0.0, 20.0), "correlation_significance": (0.0, 20.0),
           "disattenuated": (-math.sqrt(2.0), math.sqrt(2.0))}  # fmt: skip
_UNITS = {"lag": "s", "lag_err": "s"}


class LinkOutput(Process, id="time.link_output"):
    """Pick correlation, lag, coherence, significance or another image out of what LinkToSeed made."""

    inputs = (Port("image", doc="from LinkToSeed"),)
    maskable = False

    part: Literal[
        "correlation", "lag", "coherence", "significance", "lag_err", "correlation_significance", "disattenuated",
        "self",
    ] = param(default="correlation", choices=PARTS, doc="which one")  # fmt: skip

    def frame(self, known: Known) -> Frame:
        bounds, unit = _BOUNDS.get(self.part, (0.0, 1.0)), _UNITS.get(self.part, "")
        return known.of("image").with_(channels=1, color="gray", bounds=bounds, unit=unit)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        at = PARTS.index(self.part)
        made: Tile = tiles[0][at : at + 1].copy()
        return made
