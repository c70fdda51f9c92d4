"""The parts by which composites leave out of a region what a mask hides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Expand, Port

MASK = Port("mask", optional=True, doc="which samples count: white; of the image's size, of one channel or as many")


def masked(add: Expand, feeds: Mapping[str, Any], port: str = "image", prefix: str = "") -> Mapping[str, Any]:
    """Return the image at *port* without what the mask leaves out, if one is linked: outputs of MaskedSamples."""
    if feeds.get("mask") is None:
        return {"image": feeds[port]}
    found: Mapping[str, Any] = add("measure.masked_samples", f"{prefix}masked", image=feeds[port], mask=feeds["mask"])
    return found


def left(add: Expand, shown: Mapping[str, Any], region: Any, min_coverage: float) -> Any:
    """Return the region with the coverage that the mask leaves it; the region itself without a mask."""
    if "kept" not in shown:
        return region
    # Without a halo: only the mask's samples in the region's box are made for it.
    window = add("measure.region_window", "kept", image=shown["kept"], where=region, halo=0)["image"]
    return add("measure.masked_region", "left", kept=window, where=region, min_coverage=min_coverage)["region"]
