"""RegionLine: how one image is to be scaled to be like another, by what a region of both shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Composite, Expand, Port, param
from ._area_text import parse
from ._masking import MASK, left, masked

_IMAGES = (("image", ""), ("reference", "reference_"))


class RegionLine(Composite, id="measure.region_line"):
    """Measure the straight line ``reference = offset + scale * image`` between the samples of a region.

    Both images have noise, which MeasureRegion's ``noise.sigma`` tells of each: the line is that of least squares with
    errors on both axes of this ratio (Deming), of the pairs within three robust deviations from it (eight rounds at
    most).
    A line that forgot the noise of *image* would come out too flat. Samples count from 0 (black) to 1 (white) of each
    image's range, so that `scale` and `offset` are pure numbers, one for each channel::

        line.scale, line.offset      with standard errors; NaN (LRN-4) where the images share no structure

    Of regions of more than a million pixels every second, third ... row and column count. What `mask` leaves out does
    not count in either image, see MeasureRegion.

    Made of Region, RegionWindow, RegionMeasures and LineInRegion; with a mask also of MaskedSamples and MaskedRegion.
    """

    inputs = (
        Port("image", doc="the image that is to be scaled; no mosaic"),
        Port("reference", doc="the image it is to be like, of the same size, registered"),
        Port("anchor", optional=True, doc="the image in whose pixels the region is given; default: image"),
        Port("catalogue", "stars", optional=True, doc="stars for the shape stars"),
        MASK,
    )
    outputs = (Port("measures", "measures", doc="scale and offset"),)
    maskable = False

    area: str = param(default="relative rect 0,0,1,1", doc="the shapes, as Region has them; default: the whole image")
    min_coverage: float = param(
        default=0.5, low=0.0, high=1.0, doc="the least part of the region that has to lie on the image"
    )
    min_pixels: int = param(default=64, low=1, unit="px", doc="the least number of pixels in it")

    def check(self) -> None:
        parse(self.area, "RegionLine")

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        linked = {"anchor": feeds.get("anchor"), "stars": feeds.get("catalogue")}
        region = add(
            "measure.region", "region", image=feeds["image"], area=self.area, min_coverage=self.min_coverage,
            min_pixels=self.min_pixels, **{k: v for k, v in linked.items() if v is not None},
        )["region"]  # fmt: skip
        windows, told = {}, {}
        shown = {port: masked(add, feeds, port, prefix) for port, prefix in _IMAGES}
        for port, prefix in _IMAGES:
            cut = add("measure.region_window", f"{prefix}window", image=shown[port]["image"], where=region)
            windows[port] = cut["image"]
        counted = left(add, shown["image"], region, self.min_coverage)
        for port, prefix in _IMAGES:
            told[f"{prefix}measures"] = add(
                "measure.region_measures", f"{prefix}measures", image=windows[port], where=counted
            )["measures"]
        found = add("measure.line_in_region", "line", **windows, where=region, **told)
        return {"measures": found["measures"]}
