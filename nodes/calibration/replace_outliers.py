"""Replacing samples that stand out from their neighbours."""

from __future__ import annotations

import numpy as np

from ...engine.api import Box, Known, ParameterError, Port, Process, Tile, param
from ._defects import OUTLIER_REACH, replace_outliers, step_of
from ._masters import told


class ReplaceOutliers(Process, id="calibration.replace_outliers"):
    """Replace hot and cold pixels that are seen by comparison with their neighbours.

    With D the average deviation of the image, t a sample, a and m the mean and the median of its 8 neighbours and b
    the median of the 7 x 7 samples around these: t is hot where ``a < b + D/2``, ``t > b + D`` and
    ``t > m + hot D``; it becomes a. It is cold where ``t + cold D`` is less than b and than m; it becomes b. The
    first condition spares stars, whose neighbours are raised. In mosaics, neighbours are those of the same filter
    colour. Only what lies inside the image counts.

    Method: PixInsight's CosmeticCorrection, automatic detection.
    """

    inputs = (Port("image"), Port("deviation", "measures", doc="from AverageDeviation, of the same image"))
    edge = "missing"

    hot_auto_check: bool = param(default=True, doc="replace hot pixels")
    hot_auto_value: float = param(
        default=3.0, low=0.0, high=50.0, usual=(2.0, 20.0), unit="sigma",
        doc="how many average deviations above its neighbours is hot",
    )
    cold_auto_check: bool = param(default=True, doc="replace cold pixels")
    cold_auto_value: float = param(
        default=3.0, low=0.0, high=50.0, usual=(2.0, 20.0), unit="sigma",
        doc="how many average deviations below its neighbours is cold",
    )
    cfa: bool | None = param(default=None, doc="neighbours of the same filter colour only; none: as the image says")
    amount: float = param(default=1.0, low=0.0, high=1.0, doc="share of the replacement in the result")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(OUTLIER_REACH * step_of(known.of("image"), self.cfa))

    def pixels(self, known: Known, image: Tile) -> Tile:
        frame = known.of("image")
        deviations = told(known, "deviation", "deviation", "AverageDeviation")
        if len(deviations) != frame.nominal:
            raise ParameterError(
                f"ReplaceOutliers: deviation is of {len(deviations)} channels, the image has {frame.nominal}"
            )
        step = step_of(frame, self.cfa)
        margin = OUTLIER_REACH * step
        out = image[:, margin:-margin, margin:-margin].copy()
        hot = self.hot_auto_value if self.hot_auto_check else -1.0
        cold = self.cold_auto_value if self.cold_auto_check else -1.0
        for c, deviation in enumerate(deviations):
            if np.isfinite(deviation):
                replace_outliers(image[c], step, float(deviation), hot, cold, self.amount, out[c])
        return out
