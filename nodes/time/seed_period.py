"""SeedPeriod: the best period of the light curve of a region, for links that take it from there."""

from __future__ import annotations

from typing import Any, Literal

from ...engine.api import Known, ParameterError, Port, Process, param, parse_trv, series_value
from ._box_search import box_of_curve, box_told
from ._sampling import OVERSAMPLE
from ._seed import best_period, curve_of, doubts

TOLERANCE = 3.0
"""How many errors of a period are tried about it."""
_SHORTEST = 4.0


class SeedPeriod(Process, id="time.seed_period"):
    """Find the period with which a light curve varies most, wherever sampling and length allow one.

    It serves [TRV:seed(name)]: LerarLink and LerarFold take the period that is found here. Frequencies between 1.5
    cycles in the series and half the median cadence are tried, 1/(5 T) apart (`os=` in `trv`), as in LerarSearch: the
    floating-mean Lomb-Scargle power with slow terms (those of `plan`, else a polynomial) and `h=` harmonics fitted
    besides, judged by the frequencies nearby or by the residuals. A finer grid about the best and a parabola give the
    frequency, whose error is ``sqrt(6/N) s / (pi T A)``.

    With ``shape=box`` in `trv` it is the period of the best box of ``dur=``, from four durations to half the series,
    by box least squares (BoxPeriod).

    The Value has ``period_s``, ``period_err_s`` (None of a box), ``tolerance_s`` (three errors), ``log10_p`` (of
    chance, all trials counted; None of a box), ``trials``, ``t0_s`` (the middle of a box, else None) and
    ``warnings``, in sentences; of a box also what BoxPeriod tells. `spectrum` is power, or the signal to noise of
    boxes, over frequency.

    Methods: Zechmeister & Kuerster (2009, A&A 496, 577); Kovacs, Zucker & Mazeh (2002, A&A 391, 369).
    """

    inputs = (
        Port("series", "series", doc="the light curve, such as from RegionLightCurve"),
        Port("plan", "measures", optional=True, doc="from LockInPlan: its slow terms, where times are the same"),
    )
    outputs = (
        Port("measures", "measures", doc="the best period"),
        Port("spectrum", "series", doc="power over hertz"),
    )
    maskable = False

    trv: str = param(default="[TRV:seed(region)]", doc="seed(name) with the options h=, os=, shape= and dur=")
    noise: Literal["local", "white"] = param(
        default="local", choices=("local", "white"),
        doc="judged by: local: the power at frequencies nearby; white: the residuals",
    )  # fmt: skip
    detrend: int = param(default=2, low=0, high=5, doc="degree of the polynomial over time, where no plan serves")
    clip: float = param(
        default=5.0, low=0.0, high=20.0, usual=(3.0, 20.0), unit="sigma",
        doc="values farther than this from the median are left out; 0: none are; boxes leave none out",
    )  # fmt: skip

    def check(self) -> None:
        trv = parse_trv(self.trv)
        if trv.seed is None:
            raise ParameterError(f"SeedPeriod: trv takes its period from a region, as [TRV:seed(core)]; got {self.trv}")
        if trv.shape == "box" and trv.duration is None:
            raise ParameterError(f"SeedPeriod: shape=box wants its duration, dur=, got {self.trv}")

    def compute(self, known: Known) -> dict[str, Any]:
        trv, series = parse_trv(self.trv), known.values["series"]
        if trv.shape == "box":
            return self._box(series)
        notes: list[str] = []
        curve = curve_of(series, known.values.get("plan"), self.detrend, self.clip, notes)
        best = best_period(curve, trv.harmonics or 1, self.noise == "local", trv.oversample or OVERSAMPLE)
        notes += doubts(best, curve.span)
        told = {
            "period_s": best.period, "period_err_s": best.error,
            "tolerance_s": min(TOLERANCE * best.error, 0.3 * best.period), "log10_p": -best.log10_p,
            "trials": best.trials, "t0_s": None, "warnings": notes,
        }  # fmt: skip
        spectrum = series_value(best.hertz, best.power, axis="frequency_hz", best_hz=1.0 / best.period)
        return {"measures": told, "spectrum": spectrum}

    def _box(self, series: Any) -> dict[str, Any]:
        duration = parse_trv(self.trv).duration
        assert duration is not None
        _, found = box_of_curve(series, duration.seconds, _SHORTEST * duration.seconds, None, "SeedPeriod")
        # A box is fitted at one period; its middle is told as a time after the epoch.
        told: dict[str, Any] = box_told(found) | {
            "period_err_s": None, "tolerance_s": 1e-9 * found.period, "log10_p": None,
            "t0_s": found.middle % found.period, "warnings": [],
        }  # fmt: skip
        spectrum = series_value(found.hertz, found.snr, axis="frequency_hz", best_hz=1.0 / found.period)
        return {"measures": told, "spectrum": spectrum}

    def value(self, port: str, measured: Any) -> Any:
        return None if measured is None else measured[port]
