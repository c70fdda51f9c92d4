"""LockInOutput: one of the images that a fit over time makes at once."""

from __future__ import annotations

from typing import Any

from ...engine.api import Frame, Known, Port, Process, Tile, param
from ._parts import PARTS, SINGLE, Part, part_frame, planes
from ._settings import MOST_HARMONICS


class LockInOutput(Process, id="time.lock_in_output"):
    """Pick amplitude, phase, significance or another image out of what LockIn made."""

    inputs = (Port("image", doc="from LockIn"),)
    maskable = False

    part: Part = param(default="amplitude", choices=PARTS, doc="which one")
    harmonics: int = param(default=1, low=1, high=MOST_HARMONICS, doc="as of LockIn")

    def frame(self, known: Known) -> Frame:
        frame = known.of("image")
        channels = frame.channels // planes(self.harmonics)
        color = "rgb" if channels == 3 else "gray" if channels == 1 else "planes"
        count = 2 * self.harmonics * channels if self.part == "components" else channels
        return part_frame(frame.with_(color=color), self.part, count)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image: Tile = tiles[0]
        n = image.shape[0] // planes(self.harmonics)
        if self.part == "components":
            return image[len(SINGLE) * n :].copy()
        at = SINGLE.index(self.part) * n
        return image[at : at + n].copy()
