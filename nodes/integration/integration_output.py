"""IntegrationOutput: one of the images that an integration makes at once."""

from __future__ import annotations

from typing import Any, Literal

from ...engine.api import Frame, Known, Port, Process, Tile, param
from ._integration import PARTS

Part = Literal["image", "rejection_low", "rejection_high", "weight"]


class IntegrationOutput(Process, id="integration.integration_output"):
    """Pick the result, a rejection map or the weight out of what Integrate made."""

    inputs = (Port("image", doc="from Integrate"),)
    maskable = False

    part: Part = param(default="image", choices=PARTS, doc="which one")

    def frame(self, known: Known) -> Frame:
        frame = known.of("image")
        one = frame.with_(channels=frame.channels // len(PARTS))
        return one if self.part == "image" else one.with_(bounds=(0.0, 1.0), unit="")

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image: Tile = tiles[0]
        n = image.shape[0] // len(PARTS)
        at = PARTS.index(self.part) * n
        return image[at : at + n].copy()
