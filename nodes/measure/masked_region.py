"""MaskedRegion: a region, less what a mask leaves out of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Known, ParameterError, Port, Process, param
from ._region import halo_of, mask, window


class MaskedRegion(Process, id="measure.masked_region"):
    """Tell how much of a region a mask leaves: its `coverage` and `size` count what stays; all else is as it was.

    Where the mask has several channels, that one counts which leaves the least. Error: LRN-1, too little is left.
    """

    inputs = (
        Port("kept", doc="the window around the region: 1 where samples stay (MaskedSamples), else 0"),
        Port("where", "region", doc="the region, on the pixels of the image that the window was cut from"),
    )
    outputs = (Port("region", "region", doc="the region, with the coverage that is left"),)
    maskable = False

    halo: int = param(default=0, low=0, high=4096, unit="px", doc="what the window was cut with")
    min_coverage: float = param(default=0.5, low=0.0, high=1.0, doc="the least part of the region that has to be left")

    def measure(self, known: Known, *tiles: Any) -> Any:
        region = known.values["where"]
        part = window(region, halo_of(region, self.halo))
        chosen = mask(region, known.box.shift(part.y0, part.x0))
        stay = [int(np.count_nonzero(plane[chosen] > 0.5)) for plane in tiles[0][: known.of("kept").nominal]]
        return [int(np.count_nonzero(chosen)), stay]

    def merge(self, a: Any, b: Any) -> Any:
        return [a[0] + b[0], [p + q for p, q in zip(a[1], b[1], strict=True)]]

    def finish(self, partial: Any, known: Known) -> dict[str, Any]:
        region, (total, stay) = known.values["where"], partial
        left = min(stay) / total if total else 0.0
        coverage, size = region["coverage"] * left, region["size"] * left
        if coverage < self.min_coverage or size <= 0.0:
            raise ParameterError(
                f"Region: LRN-1: the mask leaves {coverage:.1%} of '{region['area']}', min_coverage is "
                f"{self.min_coverage:.1%}: move the region, or change the mask (white keeps samples)"
            )
        if size < region["min_pixels"] - 0.5:
            raise ParameterError(
                f"Region: LRN-1: the mask leaves {size:.0f} px of '{region['area']}', min_pixels is "
                f"{region['min_pixels']}: move the region, or change the mask (white keeps samples)"
            )
        return {**region, "coverage": coverage, "size": size}
