"""A colour image takes its lightness from a luminance image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...engine.api import Frame, Known, ParameterError, Port, Process, Tile, param
from ._spaces import LCH, SRGB, Planes, from_rgb, normalised, to_rgb


class LRGBCombination(Process, id="color.lrgb_combination"):
    """Replace the CIE lightness of a colour image by a luminance image, and adjust lightness and chroma.

    With the channel weights divided by the largest, and MTF the midtones transfer function::

        R, G, B = weighted channels
        L = MTF(lightness, luminance)
        L = luminance_weight L + (1 - luminance_weight) L*(R, G, B)
        c = MTF(saturation, c*) L + c* (1 - L)        chroma grows in proportion to lightness
        R, G, B = colour of L, c and the old hue

    Balances below 0.5 brighten or saturate. Without a luminance image (an unlinked port) L* of the
    colour image serves as luminance. Samples are clamped to the bounds of their images first; the
    result lies in [0, 1] with bounds (0, 1). Alpha channels are kept.

    Formulas: PixInsight's LRGBCombination; its chrominance noise reduction is not part of this process.
    """

    inputs = (
        Port("image", doc="the colour image"),
        Port("luminance", optional=True, bypass=True, doc="a gray image of the same size"),
    )
    dear = True  # six powers and three roots a pixel

    red_weight: float = param(default=1.0, low=0.0, high=1.0, doc="weight of the red channel")
    green_weight: float = param(default=1.0, low=0.0, high=1.0, doc="weight of the green channel")
    blue_weight: float = param(default=1.0, low=0.0, high=1.0, doc="weight of the blue channel")
    luminance_weight: float = param(
        default=1.0, low=0.0, high=1.0, doc="share of the new lightness; the rest is that of the colour image"
    )
    lightness: float = param(
        default=0.5, low=0.001, high=0.999, doc="midtones balance of the luminance; 0.5 leaves it"
    )
    saturation: float = param(
        default=0.5, low=0.001, high=0.999, doc="midtones balance of the chroma; 0.5 leaves it"
    )
    clip_highlights: bool = param(
        default=True, doc="with unequal weights: scale up so that saturated pixels stay white"
    )
    srgb_gamma: bool = param(default=True, doc="RGB samples follow the sRGB curve; false: channel_gamma")
    channel_gamma: float = param(
        default=2.2, low=0.1, high=10.0, doc="exponent of RGB samples when srgb_gamma is false; 1 is linear"
    )

    def check(self) -> None:
        if not any(self._weights):
            raise ParameterError("LRGBCombination: one of the channel weights must be above 0, got 0, 0 and 0")

    @property
    def _weights(self) -> tuple[float, float, float]:
        return self.red_weight, self.green_weight, self.blue_weight

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        if image.color != "rgb" or image.nominal < 3:
            raise ParameterError(f"LRGBCombination: image must be a colour image, got {image}")
        if "luminance" in known.frames:
            _must_fit(known.of("luminance"), image)
        return image.with_(bounds=(0.0, 1.0), unit="", cfa=None)

    def pixels(self, known: Known, *tiles: Tile) -> Tile:
        image, luminance = tiles
        gamma = SRGB if self.srgb_gamma else self.channel_gamma
        rgb = self._weighted(np.clip(normalised(image[:3], known.of("image").known_bounds()), 0.0, 1.0))
        old, chroma, hue = from_rgb(rgb, LCH, gamma)
        new = old
        if luminance is not None:
            new = np.clip(normalised(luminance[0], known.of("luminance").known_bounds()), 0.0, 1.0)
        new = self.luminance_weight * _mtf(self.lightness, new) + (1.0 - self.luminance_weight) * old
        chroma = _mtf(self.saturation, chroma) * new + chroma * (1.0 - new)
        out = np.empty(image.shape, np.float32)
        out[:3] = to_rgb(np.stack([new, chroma, hue]), LCH, gamma)
        out[3:] = normalised(image[3:], known.of("image").known_bounds())  # alpha
        return out

    def _weighted(self, rgb: Planes) -> Planes:
        weights = np.array(self._weights) / max(self._weights)
        if self.clip_highlights:
            # All channels saturate at the level of the weakest one, so a white star stays white.
            limit = weights[weights > 0].min()
            return np.asarray(np.minimum(rgb * weights[:, None, None], limit) / limit)
        return np.asarray(rgb * weights[:, None, None])


def _mtf(m: float, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the midtones transfer function of *x* in [0, 1] with balance *m*."""
    if m == 0.5:
        return x
    return np.asarray((m - 1.0) * x / ((2.0 * m - 1.0) * x - m))




def _must_fit(luminance: Frame, image: Frame) -> None:
    if luminance.nominal != 1:
        raise ParameterError(f"LRGBCombination: luminance must be a gray image, got {luminance}")
    if not luminance.same_size(image):
        raise ParameterError(
            f"LRGBCombination: luminance is {luminance.width}x{luminance.height}, "
            f"image is {image.width}x{image.height}"
        )
    for what, its, wanted in (
        ("orientation", luminance.orientation, image.orientation),
        ("state", luminance.state, image.state),
    ):
        if its != wanted:
            raise ParameterError(f"LRGBCombination: the {what} of luminance is {its}, that of image is {wanted}")
