"""SubframeMeasures: the figures by which one frame is compared with the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ...engine.api import Composite, Expand, Port, param

Function = Literal[
    "gaussian", "moffat", "moffat10", "moffat8", "moffat6", "moffat4", "moffat25", "moffat15", "lorentzian", "auto"
]


class SubframeMeasures(Composite, id="measure.subframe_measures"):
    """Measure stars, noise and background of a frame, or of each frame of a series.

    Made of DetectStars, FitPsf, Noise, NoiseScale, LargeScaleBackground and SubframeSummary; the last one says
    what the figures mean.
    """

    inputs = (Port("image", doc="the frame to be measured, or a series of them"),)
    outputs = (
        Port("measures", "measures", doc="one row of figures a frame"),
        Port("stars", "stars", doc="the stars of each frame"),
        Port("psf", "psf", doc="the functions fitted to them"),
    )
    requires = "linear"
    maskable = False

    threshold: float = param(
        default=5.0, low=1.0, high=1000.0, unit="sigma", doc="least height of a star in the smoothed image"
    )
    structure_layers: int = param(default=5, low=4, high=7, doc="how large stars may be; see DetectStars")
    keep_stars: int = param(default=0, low=0, doc="keep of the stars the brightest so many; 0: all")
    psf_fit: Function = param(
        default="moffat4", choices=(
            "gaussian", "moffat", "moffat10", "moffat8", "moffat6", "moffat4", "moffat25", "moffat15", "lorentzian",
            "auto",
        ), doc="the function fitted to stars",
    )  # fmt: skip
    psf_fit_circular: bool = param(default=False, doc="fit round functions")
    max_psf_fits: int = param(default=8000, low=1, high=1 << 20, doc="fit the brightest so many stars")
    subframe_scale: float = param(default=0.0, low=0.0, high=100.0, unit="arcsec/px", doc="0: widths stay in pixels")

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        image = feeds["image"]
        stars = add(
            "registration.detect_stars", "stars", image=image, threshold=self.threshold,
            structure_layers=self.structure_layers, max_stars=self.keep_stars,
        )["stars"]  # fmt: skip
        psf = add(
            "registration.fit_psf", "psf", image=image, stars=stars, function=self.psf_fit,
            circular=self.psf_fit_circular, max_psf_fits=self.max_psf_fits,
        )["psf"]  # fmt: skip
        noise = add("measure.noise", "noise", image=image)["measures"]
        scale = add("measure.noise_scale", "scale", image=image)["measures"]
        background = add("measure.large_scale_background", "background", image=image)["measures"]
        figures = add(
            "measure.subframe_summary", "summary", image=image, stars=stars, psf=psf, noise=noise, scale=scale,
            background=background, subframe_scale=self.subframe_scale,
        )["measures"]  # fmt: skip
        return {"measures": figures, "stars": stars, "psf": psf}
