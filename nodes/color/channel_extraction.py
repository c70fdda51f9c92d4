"""One component of a colour image as a gray image."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...engine.api import Frame, Known, ParameterError, Port, Process, Tile, param
from ._spaces import SPACES, SRGB, from_rgb, normalised

Space = Literal["RGB", "XYZ", "Lab", "LCh", "HSV", "HSI"]
_PORTS = ("first", "second", "third")


class ChannelExtraction(Process, id="color.channel_extraction"):
    """Take a colour image apart: its R, G, B, or its components in another colour space.

    RGB channels keep their physical values. Components of the other spaces lie in [0, 1] with bounds
    (0, 1): CIE XYZ relative to D50 white; L*, a*, b* with a* and b* mapped from their possible range;
    L*, chroma, hue angle / 360 deg; hexcone hue, saturation, value; hue, saturation, intensity.
    Samples outside the bounds of the image are clamped first, and a pixel with a missing component
    is missing in every component. Output planes keep the state of the picture they were taken from.

    Formulas: CIE 15 and IEC 61966-2-1, normalised as in PixInsight's ChannelExtraction.
    """

    inputs = (Port("image", doc="a colour image; alpha channels are ignored"),)
    outputs = (
        Port("first", doc="R, X, L*, L*, H or H"),
        Port("second", doc="G, Y, a*, c*, S or S"),
        Port("third", doc="B, Z, b*, h*, V or I"),
    )
    maskable = False

    color_space: Space = param(default="RGB", choices=SPACES, doc="the space whose components are wanted")
    srgb_gamma: bool = param(default=True, doc="RGB samples follow the sRGB curve; false: channel_gamma")
    channel_gamma: float = param(
        default=2.2, low=0.1, high=10.0, doc="exponent of RGB samples when srgb_gamma is false; 1 is linear"
    )

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        if image.color != "rgb" or image.nominal < 3:
            raise ParameterError(f"ChannelExtraction: image must be a colour image, got {image}")
        kept = image.with_(channels=1, color="gray", cfa=None)
        return kept if self.color_space == "RGB" else kept.with_(bounds=(0.0, 1.0), unit="")

    def pixels(self, known: Known, *tiles: Tile) -> Tile:
        (image,) = tiles
        at = _PORTS.index(known.port)
        if self.color_space == "RGB":
            return image[at : at + 1].copy()
        rgb = normalised(image[:3], known.of("image").known_bounds())
        gamma = SRGB if self.srgb_gamma else self.channel_gamma
        return from_rgb(rgb, SPACES.index(self.color_space), gamma)[at : at + 1].astype(np.float32)
