"""BoxPeriod: the period with which a dip comes again in a light curve."""

from __future__ import annotations

from typing import Any

from ...engine.api import Known, ParameterError, Port, Process, param, parse_trv, series_value
from ._box_search import box_of_curve, box_told


class BoxPeriod(Process, id="time.box_period"):
    """Search a light curve for dips of a known duration and an unknown period: eclipses, transits.

    `trv` names the range and the duration, as [TRV:0.4d..10d;shape=box;dur=3h]. A running median of six durations is
    taken out first. The Value has ``period_s``, ``t0_s`` (the middle of a dip, seconds since the epoch of the times),
    ``duration_s``, ``depth``, ``depth_err``, ``snr`` (depth over its error) and ``trials``, how many independent boxes
    were tried: by so many times a probability found at this period afterwards is too small. `spectrum` is the signal
    to noise over frequency.

    Which pixel the dips come from is told by LerarLink with the period, the middle and the duration that were found.

    Method: box least squares (Kovacs, Zucker & Mazeh 2002, A&A 391, 369), by astropy.
    """

    inputs = (Port("series", "series", doc="from RegionLightCurve"),)
    outputs = (
        Port("measures", "measures", doc="the best box"),
        Port("spectrum", "series", doc="signal to noise over hertz"),
    )
    maskable = False

    trv: str = param(default="[TRV:1h..1d;shape=box;dur=10min]", doc="range of periods and duration of the dip")

    def check(self) -> None:
        trv = parse_trv(self.trv)
        if not trv.is_search or trv.shape != "box" or trv.duration is None:
            raise ParameterError(
                f"BoxPeriod: trv is a range with shape=box and dur=, such as [TRV:0.4d..10d;shape=box;dur=3h]; got "
                f"{self.trv}"
            )

    def compute(self, known: Known) -> dict[str, Any]:
        trv = parse_trv(self.trv)
        assert trv.duration is not None
        shortest, longest = trv.seconds
        level, found = box_of_curve(known.values["series"], trv.duration.seconds, shortest, longest, "BoxPeriod")
        told = {**box_told(found), "level": level}
        spectrum = series_value(found.hertz, found.snr, axis="frequency_hz")
        return {"measures": told, "spectrum": spectrum}

    def value(self, port: str, measured: Any) -> Any:
        return None if measured is None else measured[port]
