"""Integrate: many images into one, pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Box, Frame, Known, Port, Tile, param
from ._integration import PARTS, Stack, common_frame, halo
from ._settings import Rejecting


class Integrate(Rejecting, id="integration.integrate", version=2):
    """Reject outliers and combine the images, as a plan of factors and weights says.

    The part of ImageIntegration that makes pixels; everything about the arithmetic is told there. The output
    holds four images one after the other, since one pass makes them all: the result, the shares of samples
    rejected below and above, and the weight. IntegrationOutput picks one of them.
    """

    inputs = (
        Port("images", many=True, doc="the images to be integrated"),
        Port("normalized", many=True, optional=True, doc="the same images, normalised locally"),
        Port("plan", "measures", doc="from IntegrationPlan"),
    )
    outputs = (Port("image", doc="result, rejection maps and weight, as channels"),)
    maskable = False

    local_rejection: bool = param(default=False, doc="look for outliers in the locally normalised images")
    local_output: bool = param(default=False, doc="combine the locally normalised images")

    def frame(self, known: Known) -> Frame:
        frames: tuple[Frame, ...] = known.frames["images"]
        first = common_frame(frames)
        common_frame((first, *known.frames.get("normalized", ())))
        self.method(len(frames))
        header = tuple(card for card in first.header if card[0] != "NCOMBINE")
        return first.with_(
            channels=len(PARTS) * first.nominal, header=(*header, ("NCOMBINE", len(frames), "images combined"))
        )

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(halo(self))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        stack = Stack(self, known, tiles[0], tiles[1], (self.local_rejection, self.local_output))
        parts, _ = stack.run(known.box, want_fates=False)
        made: Tile = np.ascontiguousarray(parts.reshape(-1, *parts.shape[2:]))
        return made
