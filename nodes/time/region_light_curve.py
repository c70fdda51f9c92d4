"""RegionLightCurve: the mean of a region in every frame of a series."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Box, Known, ParameterError, Port, Process, param, region_mask, series_value


class RegionLightCurve(Process, id="time.region_light_curve"):
    """Average the pixels of a box or of a region in each frame that a plan uses.

    The Value is a series: seconds since the epoch of the times, means in the image's unit over all channels, errors
    of zero where the frames count alike, else proportional to their noise (1 for the median frame). Missing samples
    are left out of a frame's mean.
    """

    inputs = (
        Port("frames", many=True, doc="registered, linear frames on one level"),
        Port("plan", "measures", doc="from LockInPlan"),
        Port("where", "region", optional=True, doc="a region on the pixels of the frames, instead of the box"),
    )
    outputs = (Port("series", "series", doc="one value a frame, by time"),)
    maskable = False
    draws = True

    box: tuple[int, int, int, int] | None = param(default=None, doc="y0, x0, y1, x1 in pixels; none: the whole image")

    def check(self) -> None:
        if self.box is not None and Box(*self.box).empty:
            raise ParameterError(f"RegionLightCurve: box is y0, x0, y1, x1 with y0 < y1 and x0 < x1, got {self.box}")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        where = known.values.get("where")
        if where is None:
            return box if self.box is None else box.overlap(Box(*self.box))
        if self.box is not None:
            raise ParameterError("RegionLightCurve: a region is linked, and box is given; leave one of them out")
        size = known.frames["frames"][0]
        if (where["height"], where["width"]) != (size.height, size.width):
            raise ParameterError(
                f"RegionLightCurve: the region lies on an image of {where['width']}x{where['height']}, the frames are "
                f"{size.width}x{size.height}"
            )
        return box.overlap(Box(*where["box"]))

    def measure(self, known: Known, *tiles: Any) -> Any:
        indices, where = known.values["plan"]["frames"], known.values.get("where")
        sums = np.zeros((2, len(indices)))
        seen = self.needs(known.box, "frames", known)
        if not seen.empty:
            inside = True if where is None else region_mask(where, seen)
            for at, index in enumerate(indices):
                tile = tiles[0][int(index)]
                there = np.isfinite(tile) & inside
                sums[0, at] = tile[there].sum(dtype=np.float64)
                sums[1, at] = there.sum()
        return sums

    def merge(self, a: Any, b: Any) -> Any:
        return a + b

    def finish(self, partial: Any, known: Known) -> dict[str, Any]:
        plan = known.values["plan"]
        if not partial[1].any():
            what = f"box {self.box}" if known.values.get("where") is None else f"'{known.values['where']['area']}'"
            raise ParameterError(f"RegionLightCurve: {what} has no pixel within the image")
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = partial[0] / partial[1]
        relative = 1.0 / np.sqrt(plan["weights"])
        return series_value(plan["seconds"], mean, relative / np.median(relative), unit=known.frames["frames"][0].unit,
                            pixels=int(partial[1].max()))  # fmt: skip
