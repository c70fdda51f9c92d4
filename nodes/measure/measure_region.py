"""MeasureRegion: what a region of an image teaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ...engine.api import Composite, Expand, Port, param
from ._area_text import parse
from ._masking import MASK, left, masked


class MeasureRegion(Composite, id="measure.measure_region"):
    """Measure sky, noise, slope, stars, colour and structure of a region, for the parameters of other nodes.

    `area`, `anchor`, `min_coverage` and `min_pixels` are those of Region. Only the region's box and what lies within
    64 px of it is made, unless the stars in it are too few and `psf_fallback` is ``frame``.

    Each entry of the measures has value, unit, standard error, number of samples or stars, and flags that tell why it
    is not known (NaN); where a channel has its own, values and errors are lists::

        bg.median, bg.mean, bg.mad, bg.mode    of the samples left after clipping (-4, +2.5 sigma, 8 times at most);
                                               mad is 1.4826 MAD
        noise.sigma         of the samples that show noise only in four starlet layers
        noise.gain, .read   e-/unit and unit: the line of variance over mean of blocks of 16 px (Theil, Sen)
        noise.correlation   of neighbours in the first starlet layer, beyond that of white noise
        gradient.dx, .dy, .amplitude           of the plane through clipped medians of blocks of 16 px
        psf.fwhm, .fwhm_x, .fwhm_y, .fwhm_sky, .ellipticity, .angle, .beta, and .kernel
        stars.count, .flux_median
        colour.rg, .bg      red and blue over green, above the background; medians over the stars of a stars region
        structure.scale     px: of the starlet layer (of five) with most energy above the noise
        signal.mean, .above, .snr              of all samples; less bg.median; that in noise.sigma
        range.p01, p1, p5, p25, p50, p75, p95, p99, p999     percentiles: 0.1, 1, ... 99.9
        wcs.scale, .rotation                   at the region's centre
        region.*            which region this is, on which pixels

    Where `mask` is below the middle of its range (0.5 of 0 to 1) or missing, samples are left out of all figures, stars
    and kernel, exactly as missing ones are. `n` tells how many count; ``region.coverage`` and ``region.size`` tell what
    the mask leaves, which has to reach `min_coverage` and `min_pixels`.

    Formulas: Starck & Murtagh (1998, PASP 110, 193) for the noise, with 0.980 for the noise set's deviation; Moffat
    (1969, A&A 3, 455) for stars; 2.5 median - 1.5 mean for the mode (Bertin & Arnouts 1996, A&AS 117, 393).

    Made of Region, RegionWindow, DetectStars, FitPsf, RegionPsf and RegionMeasures; with a mask also of MaskedSamples
    and MaskedRegion.
    """

    inputs = (
        Port("image", doc="the image that is measured; no mosaic"),
        Port("anchor", optional=True, doc="the image in whose pixels the region is given; default: image"),
        Port("catalogue", "stars", optional=True, doc="stars for the shape stars"),
        MASK,
    )
    outputs = (
        Port("measures", "measures", doc="all of them, by name"),
        Port("psf", "psf", doc="shape of the stars, and their stack as a kernel"),
        Port("stars", "stars", doc="the stars in the region, in pixels of the image"),
        Port("region", "region", doc="the region on the pixels of the image"),
    )
    maskable = False

    area: str = param(default="relative rect 0,0,1,1", doc="the shapes, as Region has them; default: the whole image")
    min_coverage: float = param(
        default=0.5, low=0.0, high=1.0, doc="the least part of the region that has to lie on the image"
    )
    min_pixels: int = param(default=64, low=1, unit="px", doc="the least number of pixels in it")
    psf_fallback: Literal["none", "frame"] = param(
        default="none", choices=("none", "frame"),
        doc="where the region has fewer than three stars: nothing is known, or those of the whole image are taken",
    )  # fmt: skip

    def check(self) -> None:
        parse(self.area, "MeasureRegion")

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        image = feeds["image"]
        linked = {"anchor": feeds.get("anchor"), "stars": feeds.get("catalogue")}
        region = add(
            "measure.region", "region", image=image, area=self.area, min_coverage=self.min_coverage,
            min_pixels=self.min_pixels, **{k: v for k, v in linked.items() if v is not None},
        )["region"]  # fmt: skip
        shown = masked(add, feeds)
        window = add("measure.region_window", "window", image=shown["image"], where=region)["image"]
        stars = _stars(add, "", window, region)
        told = {"psf": stars["psf"], "stars": stars["stars"]}
        if self.psf_fallback == "frame":
            wide = add("measure.region_window", "frame", image=shown["image"], where=region, psf=stars["psf"])["image"]
            told["frame_psf"] = _stars(add, "frame_", wide, region, everywhere=True)["psf"]
        region = left(add, shown, region, self.min_coverage)
        found = add("measure.region_measures", "measures", image=window, where=region, **told)
        return {"measures": found["measures"], "psf": found["psf"], "stars": stars["stars"], "region": region}


def _stars(add: Expand, prefix: str, image: Any, region: Any, **params: Any) -> Mapping[str, Any]:
    stars = add("registration.detect_stars", f"{prefix}detected", image=image)["stars"]
    fits = add("registration.fit_psf", f"{prefix}fits", image=image, stars=stars, function="moffat")["psf"]
    made: Mapping[str, Any] = add(
        "measure.region_psf", f"{prefix}psf", image=image, where=region, stars=stars, fits=fits, **params
    )
    return made
