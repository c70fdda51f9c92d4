"""Spectrum: the power of a light curve at the frequencies of a plan."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Known, ParameterError, Port, Process, series_value
from ._design import orthonormal
from ._search import powers


class Spectrum(Process, id="time.spectrum"):
    """Tell which part of a light curve's variation each trial frequency of a plan explains.

    The Value is a series over hertz (``axis`` is ``frequency_hz``): the floating-mean Lomb-Scargle power, with the
    plan's slow terms, regressors, weights and number of harmonics. ``best_hz`` is where it is greatest.
    """

    inputs = (
        Port("series", "series", doc="from RegionLightCurve"),
        Port("plan", "measures", doc="from LockInPlan, with trial frequencies"),
    )
    outputs = (Port("spectrum", "series", doc="power over frequency"),)
    maskable = False

    def compute(self, known: Known) -> dict[str, Any]:
        plan, values = known.values["plan"], np.array(known.values["series"]["value"], np.float64)
        if plan["method"] == "box":
            raise ParameterError("Spectrum: the plan is of a box, which has one period")
        good = np.isfinite(values)
        if plan["clip"]:
            away = np.abs(values - np.median(values[good])) if good.any() else values
            good &= ~(away > plan["clip"] * 1.4826 * float(np.median(away[good]))) if good.any() else good
        hertz = _hertz(plan)
        roots = np.sqrt(plan["weights"])[good]
        # Without the frames that are missing the plan's rows are not orthonormal any more.
        basis, _, _ = orthonormal(np.ascontiguousarray(plan["nuisance"][:, good]))
        power = powers(values[good], plan["seconds"][good], roots, basis, hertz, plan["harmonics"])
        best = float(hertz[int(power.argmax())])
        return series_value(hertz, power, axis="frequency_hz", best_hz=best)


def _hertz(plan: Any) -> Any:
    if plan["method"] == "grid":
        grid = plan["grid"]
        return grid["first"] + grid["step"] * np.arange(grid["count"])
    return plan["design"]["frequencies"]
