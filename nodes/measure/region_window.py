"""RegionWindow: the part of an image around a region."""

from __future__ import annotations

from typing import Any

from ...engine.api import (
    AffineGrid,
    Box,
    Frame,
    GridMap,
    Known,
    ParameterError,
    Port,
    Process,
    Tile,
    carry,
    param,
    shifting,
)
from ._region import halo_of, window


class RegionWindow(Process, id="measure.region_window"):
    """Keep the box of a region and the pixels around it, exactly: all else is not made.

    Where `psf` is linked, what was measured of the stars in the region, it is asked for the fallback: the whole image
    if the stars were too few, else one pixel, of which nothing comes.
    """

    inputs = (
        Port("image"),
        Port("where", "region", doc="the region, on the pixels of the image"),
        Port("psf", "psf", optional=True, doc="RegionPsf of it, for the fallback"),
    )
    maskable = False

    halo: int = param(default=64, low=0, high=4096, unit="px", doc="how far around the region's box it reaches")

    def frame(self, known: Known) -> Frame:
        image, region = known.of("image"), known.values.get("where")
        if region is None:
            return image  # not known yet where it lies
        if (region["height"], region["width"]) != (image.height, image.width):
            raise ParameterError(
                f"RegionWindow: the region lies on an image of {region['width']}x{region['height']}, "
                f"this one is {image.width}x{image.height}"
            )
        if image.cfa is not None:
            raise ParameterError(
                f"RegionWindow: the image is a colour filter mosaic ({image.cfa}), whose neighbouring samples belong "
                "to different colours: put Debayer before it"
            )
        part = self._part(known)
        return carry(image, shifting(-part.x0, -part.y0)).with_(width=part.width, height=part.height)

    def _part(self, known: Known) -> Box:
        region: Any = known.values["where"]
        if (psf := known.values.get("psf")) is not None:
            return known.of("image").box if psf["few"] else Box(0, 0, 1, 1)
        return window(region, halo_of(region, self.halo))

    def grid_map(self, port: str, at: int, known: Known) -> GridMap:
        part = self._part(known)
        return AffineGrid(shifting(-part.x0, -part.y0))

    def needs(self, box: Box, port: str, known: Known) -> Box:
        part = self._part(known)
        return box.shift(part.y0, part.x0)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image: Tile = tiles[0]
        return image.copy()
