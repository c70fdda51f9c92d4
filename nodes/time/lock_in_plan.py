"""LockInPlan: the frames, weights, columns and trials of a fit over time, before any pixel is read."""

from __future__ import annotations

from typing import Any

from ...engine.api import Known, Port, param
from ._plan import Purpose, planned
from ._settings import Detecting


class LockInPlan(Detecting, id="time.lock_in_plan", version=3):
    """Choose frames, weights, slow terms and trial frequencies, and check that they tell what is asked for.

    The part of LerarLink and LerarSearch that needs no pixel; everything about it is told there. `measures` holds
    ``frames`` (how many are used), ``left_out``, ``span_s``, ``freedom`` (degrees of freedom of the residuals),
    ``trials`` and ``equivalent_trials`` (how many independent ones they are worth), ``first_hz`` and ``step_hz``,
    ``method`` (joint, grid, box or fold), ``plan``, ``harmonics``, ``sidebands``, ``fwhm``, ``gain`` (of the matched
    filter above white noise), ``smearing``, ``z_of_one`` (the expected ratio of amplitude to error where the amplitude
    is one frame's noise in one pixel), ``aliases`` and ``warnings``, in sentences.
    """

    inputs = (
        Port("frames", many=True, doc="registered frames; of no pixel is made use"),
        Port("times", "times", doc="when they were exposed"),
        Port("measures", "table", optional=True, doc="from FrameSeriesMeasures: a row a frame"),
        Port("seed", "measures", optional=True, doc="from SeedPeriod, for trv=[TRV:seed(name)]"),
    )
    outputs = (
        Port("fit", "measures", doc="for LockIn"),
        Port("measures", "measures", doc="the same for people"),
    )
    maskable = False

    purpose: Purpose = param(
        default="fit", choices=("fit", "search", "fold", "curve"),
        doc="search: every trial on a grid, even where one design would hold them; fold: times, weights and slow "
        "terms; curve: the same for a light curve, whatever the period",
    )  # fmt: skip

    def compute(self, known: Known) -> dict[str, Any]:
        values = known.values
        return planned(self, known.frames["frames"], values["times"], values.get("measures"), self.purpose,
                       values.get("seed"))  # fmt: skip

    def value(self, port: str, measured: Any) -> Any:
        return measured if measured is None else measured["report" if port == "measures" else "plan"]
