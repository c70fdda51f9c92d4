"""SourceLightCurve: the flux of a star in every frame of a series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...engine.api import Box, Known, ParameterError, Port, Process, param, series_value
from ._matched import FWHM


class SourceLightCurve(Process, id="time.source_light_curve"):
    """Measure the height of a star's profile in each frame that a plan uses: a light curve.

    It is that of a Gaussian of the width that the plan says, at a place that need not be a pixel's, by least squares,
    as the matched filter of LerarLink measures it in each pixel; without a width, or where `aperture` is given, the
    sum of the samples within that radius. A frame of which more than a fifth of the star is missing has no value.
    The series holds seconds since the epoch of the times; errors are relative, those of the median frame 1.
    """

    inputs = (
        Port("frames", many=True, doc="registered, linear frames on one level"),
        Port("plan", "measures", doc="from LockInPlan"),
    )
    outputs = (Port("series", "series", doc="one value a frame, by time"),)
    maskable = False
    draws = True

    row: float = param(default=0.0, unit="px", doc="where the star is; the middle of the first pixel is 0")
    column: float = param(default=0.0, unit="px", doc="where the star is; the middle of the first pixel is 0")
    aperture: float = param(default=0.0, low=0.0, high=200.0, unit="px", doc="radius of a sum instead of a profile")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        frame = known.frames["frames"][0]
        if not (-0.5 <= self.row <= frame.height - 0.5 and -0.5 <= self.column <= frame.width - 0.5):
            raise ParameterError(
                f"SourceLightCurve: row and column must lie within {frame.height} x {frame.width} pixels, got "
                f"{self.row:g}, {self.column:g}"
            )
        far = math.ceil(self._reach(known))
        y, x = round(self.row), round(self.column)
        # The tile that holds the star's row pulls all of it.
        if not box.y0 <= min(max(y, 0), frame.height - 1) < box.y1:
            return Box(box.y0, box.x0, box.y0, box.x0)
        return Box(y - far, x - far, y + far + 1, x + far + 1).overlap(frame.box)

    def measure(self, known: Known, *tiles: Any) -> Any:
        seen, plan = self.needs(known.box, "frames", known), known.values["plan"]
        if seen.empty:
            return []
        y, x = np.arange(seen.y0, seen.y1)[:, None] - self.row, np.arange(seen.x0, seen.x1)[None, :] - self.column
        if self._profiled(known):
            weight = np.exp(-0.5 * (y * y + x * x) * (FWHM / plan["fwhm"]) ** 2)
        else:
            weight = (np.hypot(y, x) <= self._reach(known)).astype(np.float64)
        values = []
        for index in plan["frames"]:
            plane = tiles[0][int(index)].mean(axis=0, dtype=np.float64)
            there = np.isfinite(plane)
            share = float((weight * weight)[there].sum() / (weight * weight).sum())
            flux = float((weight * np.where(there, plane, 0.0)).sum())
            scale = share * float((weight * weight).sum()) if self._profiled(known) else 1.0
            values.append(flux / scale if share >= (0.8 if self._profiled(known) else 1.0) else math.nan)
        return values

    def merge(self, a: Any, b: Any) -> Any:
        return [*a, *b]

    def finish(self, partial: Any, known: Known) -> dict[str, Any]:
        plan = known.values["plan"]
        relative = 1.0 / np.sqrt(plan["weights"])
        return series_value(
            plan["seconds"], partial, relative / np.median(relative), unit=known.frames["frames"][0].unit,
            row=self.row, column=self.column,
        )  # fmt: skip

    def _profiled(self, known: Known) -> bool:
        return not self.aperture and known.values["plan"]["fwhm"] > 0.0

    def _reach(self, known: Known) -> float:
        return 4.0 * known.values["plan"]["fwhm"] / FWHM if self._profiled(known) else max(self.aperture, 0.0)
