"""LerarSearch: the period with which each pixel varies most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Composite, Expand, ParameterError, Port, param
from ._expanding import INPUTS, MAPS, MARKS, maps_of, marks_of, planned_by
from ._settings import Detecting, Marking


class LerarSearch(Composite, Marking, Detecting, id="time.lerar_search"):
    """Try every frequency of a range in every pixel of a series; tell the best period and what varies with it.

    Images and parameters are those of LerarLink, at each pixel's best frequency, which a parabola through the
    greatest power and its neighbours refines. `trv` names the range, as [TRV:5s..60s]; the step is 1/(5 T). Power is
    the floating-mean Lomb-Scargle periodogram with slow terms and regressors fitted besides. With `noise` = local
    each trial is judged by the mean power at 16 frequencies ``f +- k/T`` around it (`sidebands`; 32 where the range
    begins below 20 cycles in the series), less what the trial itself leaks there.

    Significance counts all frequencies: by Baluev's bound with `noise` = white and one harmonic; otherwise by how the
    best of `calibration` series of pure noise were distributed that went through the same search.

    `series` is the mean light curve of `box` and `spectrum` its power over frequency.

    Made of LockInPlan, LockIn, LockInOutput, SignificanceMask, RegionLightCurve and Spectrum. All frames of a strip are
    held at once.
    """

    inputs = INPUTS
    outputs = (
        *MAPS,
        *MARKS,
        Port("series", "series", doc="light curve of the box"),
        Port("spectrum", "series", doc="its power over hertz"),
        Port("report", "measures", doc="what was planned, and warnings"),
    )
    maskable = False

    box: tuple[int, int, int, int] | None = param(
        default=None, doc="y0, x0, y1, x1 of the light curve in pixels; none: the whole image"
    )

    def check(self) -> None:
        super().check()
        if self.is_box():
            raise ParameterError("LerarSearch: boxes are fitted by LerarLink, to one known period")
        if self.harmonics == 0 and self.vector().harmonics is None:
            raise ParameterError("LerarSearch: harmonics must lie in [1, 8], got 0")

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        plan = planned_by(self, add, feeds, purpose="search")
        maps = maps_of(self, add, feeds, plan["fit"], None)
        curve = add("time.region_light_curve", "series", frames=feeds["frames"], plan=plan["fit"], box=self.box)
        spectrum = add("time.spectrum", "spectrum", series=curve["series"], plan=plan["fit"])["spectrum"]
        marks = marks_of(self, add, maps["significance"])
        return {**maps, **marks, "series": curve["series"], "spectrum": spectrum, "report": plan["measures"]}
