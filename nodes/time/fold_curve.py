"""FoldCurve: a light curve averaged by phase."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Known, Port, Process, param, series_value
from ._folding import bins_of, fold_columns, folded
from ._lockin import CHUNK, Sums


class FoldCurve(Process, id="time.fold_curve"):
    """Average a light curve by phase, slow terms taken out.

    The Value is a series over one period: ``time_s`` are the middles of the bins after phase 0, ``phase`` the same in
    cycles, ``period_s`` the period.
    """

    inputs = (
        Port("series", "series", doc="from RegionLightCurve"),
        Port("plan", "measures", doc="from LockInPlan"),
    )
    outputs = (Port("series", "series", doc="the folded curve"),)
    maskable = False

    bins: int = param(default=20, low=8, high=100, doc="parts of the period")
    period: float = param(default=3600.0, low=0.0, unit="s", doc="the period; 0: that of the plan")

    def compute(self, known: Known) -> dict[str, Any]:
        plan, series = known.values["plan"], known.values["series"]
        values = np.array(series["value"], np.float64)
        level = float(np.nanmedian(values))
        held = (values - level).astype(np.float32)[:, None]
        period = self.period or plan["period"]
        at = bins_of(plan, self.bins, period)
        columns = fold_columns(plan, at, self.bins)
        sums = Sums.of(held, len(held), len(columns), 0, plan["clip"])
        none = np.zeros((0, len(held)), np.float32)
        for begin in range(0, len(held), CHUNK):
            here = slice(begin, begin + CHUNK)
            sums.add(held[here], plan["weights"][here], columns[:, here], none[:, here])
        made, errors = folded(sums, plan, at, self.bins)
        phase = (np.arange(self.bins) + 0.5) / self.bins
        return series_value(phase * period, made[:, 0] + level, errors[:, 0], unit=series["unit"],
                            phase=phase.tolist(), period_s=period)  # fmt: skip
