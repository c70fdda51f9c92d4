"""MaskedSamples: an image without the samples that a mask leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, Known, ParameterError, Port, Process, Tile


class MaskedSamples(Process, id="measure.masked_samples"):
    """Make samples missing (NaN) where a mask is below the middle of its range, or itself missing.

    White keeps, black leaves out: with bounds of 0 and 1 samples stay where the mask is at least 0.5. A mask has one
    channel for all, or one for each; alpha channels stay as they are. What measures an image leaves missing samples
    out. `kept` shows which samples stay: 1, or 0 for those that go; it has as many channels as the mask.
    """

    inputs = (
        Port("image"),
        Port("mask", doc="which samples stay: an image of the same size, of one channel or as many"),
    )
    outputs = (Port("image", doc="the samples that stay"), Port("kept", doc="1 where samples stay, else 0"))
    maskable = False

    def frame(self, known: Known) -> Frame:
        image, mask = known.of("image"), known.of("mask")
        if not image.same_size(mask):
            raise ParameterError(
                f"MaskedSamples: the mask is {mask.width}x{mask.height}, the image {image.width}x{image.height}: a "
                "mask has the size of the image that it is for; take it after the same crops and resampling"
            )
        if mask.nominal not in (1, image.nominal):
            raise ParameterError(
                f"MaskedSamples: the mask has {mask.nominal} channels, the image {image.nominal}: a mask has one, or "
                "as many as the image; ChannelExtraction takes one"
            )
        if known.port != "kept":
            return image
        return image.with_(channels=mask.nominal, color=mask.color, cfa=None, bounds=(0.0, 1.0), unit="")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        # Which samples stay is told by the mask alone.
        return Box(box.y0, box.x0, box.y0, box.x0) if port == "image" and known.port == "kept" else box

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image, mask = tiles
        kept = _kept(mask, known.of("mask"))
        if known.port == "kept":
            return kept.astype(np.float32)
        made: Tile = image.copy()
        shown = made[: known.of("image").nominal]
        shown[~np.broadcast_to(kept, shown.shape)] = np.nan
        return made


def _kept(mask: Tile, frame: Frame) -> npt.NDArray[np.bool_]:
    """Return which samples a mask keeps, of each of its nominal channels."""
    lo, hi = frame.known_bounds()
    shown = mask[: frame.nominal]
    return np.asarray(np.isfinite(shown) & (shown >= np.float32(lo + 0.5 * (hi - lo))))
