"""LerarFold: one period of a series, as images and as a light curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Composite, Expand, ParameterError, Port, param
from ._expanding import INPUTS, SEED, planned_by, seeded_by
from ._settings import Detecting


class LerarFold(Composite, Detecting, id="time.lerar_fold"):
    """Average every pixel of a series by phase: one period in `bins` images, which played in turn show it move.

    The period is the middle of what `trv` means, or that of the light curve linked to `seed` where it says
    [TRV:seed(name)] (SeedPeriod); phase 0 its t0 (else the first frame). Each bin is the weighted
    mean of its samples, slow terms and regressors of the fit taken out; its error is the scatter within bins over
    the root of the weights. Outliers and missing samples are left out; bins without samples are NaN. Frames are
    convolved with a star where `matched` is auto and its width known. `series` is the folded mean of `box`, not
    convolved.

    Made of LockInPlan, Fold, FoldOutput, RegionLightCurve and FoldCurve.
    """

    inputs = (*INPUTS, SEED)
    outputs = (
        Port("image", doc="the bins, one after the other, as channels"),
        Port("error", doc="their standard errors"),
        Port("series", "series", doc="folded light curve of the box"),
        Port("report", "measures", doc="what was planned, and warnings"),
    )
    maskable = False

    bins: int = param(default=20, low=8, high=100, doc="parts of the period")
    normalized: bool = param(default=False, doc="divide by the mean of all bins")
    box: tuple[int, int, int, int] | None = param(
        default=None, doc="y0, x0, y1, x1 of the light curve in pixels; none: the whole image"
    )

    def check(self) -> None:
        super().check()
        if self.vector().is_search:
            raise ParameterError(f"LerarFold: one period is wanted, {self.trv} is a range; LerarSearch finds one")

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        plan = planned_by(self, add, feeds, purpose="fold", seed=seeded_by(self, add, feeds))
        # That of a seed is known when its light curve is; the plan tells it then.
        period = self.vector().period if self.vector().seed is None else 0.0
        made = add("time.fold", "fold", frames=feeds["frames"], plan=plan["fit"], bins=self.bins, period=period)
        parts = {
            part: add("time.fold_output", part, image=made["image"], part=part, bins=self.bins,
                      normalized=self.normalized)["image"]
            for part in ("image", "error")
        }  # fmt: skip
        curve = add("time.region_light_curve", "curve", frames=feeds["frames"], plan=plan["fit"], box=self.box)
        series = add("time.fold_curve", "series", series=curve["series"], plan=plan["fit"], bins=self.bins,
                     period=period)["series"]  # fmt: skip
        return {**parts, "series": series, "report": plan["measures"]}
