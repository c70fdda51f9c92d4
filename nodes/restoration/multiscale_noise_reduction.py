"""MultiscaleNoiseReduction: structures of an image that are no larger than its noise, made smaller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Composite, Expand, Port
from ._denoising import Denoising


class MultiscaleNoiseReduction(Composite, Denoising, id="restoration.multiscale_noise_reduction"):
    """Reduce noise by scale: starlet coefficients that noise alone may give lose a part of themselves.

    Layer j of the starlet transform (scales of 2^j px) of noise of standard deviation sigma has a known standard
    deviation. Coefficients below `threshold` times that lose the part `amount`; structures above it stay as they are.
    Faint rings around stars go with the noise: within a few FWHM a star 200 sigmas high is 2 % brighter after it, 7 %
    with `soft`. More layers take out coarser grain: each has a number in `threshold` and `amount`.

    The noise is that of the whole image by its multiresolution support, or `noise`, such as that of a region by
    `lerar learn --recipe denoise`. With `gain`, noise that grows with the light is made even first by the generalised
    Anscombe transform ``2 sqrt(gain (v - pedestal) + 3/8 + read_noise^2)``, v in the image's range, and its unbiased
    inverse applied after; `gain` is the camera's (e-/ADU) times the range.

    Missing samples stay missing and do not count around them. Linear or stretched images will do; on stretched ones
    noise differs from dark to light, and `noise` has to be given.

    Source: Starck, Fadili & Murtagh (2007), IEEE Trans. Image Process. 16, 297; inverse: Makitalo & Foi (2013), IEEE
    Trans. Image Process. 22, 91. Defaults are ours.

    Made of Noise and StarletShrinkage.
    """

    inputs = (Port("image", doc="no mosaic"),)

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        more = {}
        if self.noise is None and self.gain == 0.0:
            more["measures"] = add("measure.noise", "noise", image=feeds["image"])["measures"]
        settings = {name: getattr(self, name) for name in Denoising.params}
        made = add("restoration.starlet_shrinkage", "shrunk", image=feeds["image"], **more, **settings)
        return {"image": made["image"]}
