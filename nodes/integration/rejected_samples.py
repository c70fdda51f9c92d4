"""RejectedSamples: which samples of each image an integration leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Box, Frame, Known, Port, Tile, param
from . import _loading as loading
from ._integration import Stack, common_frame, halo
from ._settings import Rejecting


class RejectedSamples(Rejecting, id="integration.rejected_samples"):
    """Say of every sample of every image whether Integrate rejects it, on the grid of the integration.

    The output holds the channels of all images, one image after the other: 1 where a sample is rejected, below or
    above, by its range or with a large structure, 0 where it is not; missing where the sample is, and for images that
    the plan leaves out. Nothing is stored: DrizzleIntegration, to which this is linked, asks for the parts it
    needs, and they are found again from the registered images.
    """

    inputs = (
        Port("images", many=True, doc="the registered images, as they are integrated"),
        Port("normalized", many=True, optional=True, doc="the same images, normalised locally"),
        Port("plan", "measures", doc="from IntegrationPlan"),
    )
    outputs = (Port("image", doc="1 for rejected samples; the channels of all images"),)
    maskable = False

    local_rejection: bool = param(default=False, doc="look for outliers in the locally normalised images")

    def frame(self, known: Known) -> Frame:
        frames: tuple[Frame, ...] = known.frames["images"]
        first = common_frame(frames)
        common_frame((first, *known.frames.get("normalized", ())))
        return first.with_(channels=len(frames) * first.nominal, color="planes", bounds=(0.0, 1.0), unit="")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(halo(self))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        frames, box = known.frames["images"], known.box
        _, fates = Stack(self, known, tiles[0], tiles[1], (self.local_rejection, False)).run(box, want_fates=True)
        made = np.full((len(frames), frames[0].nominal, box.height, box.width), np.nan, np.float32)
        used = [at for at, told in enumerate(known.values["plan"]["frames"]) if not told["excluded"]]
        rejected = (fates == loading.LOW) | (fates == loading.HIGH) | (fates == loading.RANGE)
        made[used] = np.where(fates == loading.MISSING, np.float32(np.nan), rejected.astype(np.float32))
        tile: Tile = made.reshape(-1, box.height, box.width)
        return tile
