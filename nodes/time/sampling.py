"""Sampling: what the times of a series allow to be found, told before any pixel is read."""

from __future__ import annotations

from typing import Any

from ...engine.api import Known, Port, Process, exposures_of, param, parse_trv, seconds_of, table_value
from ._sampling import aliases, judge, phase_gap, smearing, span_of, trial_frequencies


class Sampling(Process, id="time.sampling"):
    """Tell what the times of a series allow to be known of the periods that *trv* means.

    The Value holds ``frames``, ``span_s`` (from the first to the last), ``cadence_s`` (the median step),
    ``shortest_s`` and ``longest_s`` (of the periods that are tried) and ``trials``, their number; ``smearing``, the
    factor that exposures leave of the amplitude at the shortest; ``phase_gap``, the largest part of a cycle without a
    frame, of one period only; and ``warnings``, in sentences. The table `aliases` lists up to 16 frequencies that
    the sampling cannot tell from that of the period (of a range, from its middle), the nearest first, with the
    spectral window at their distance.

    A period that the series does not cover one and a half times, or that is shorter than two steps of the stamps
    (TRV-2), and exposures that leave less than a tenth of the amplitude (TRV-3), are errors.
    """

    inputs = (Port("times", "times", doc="when the frames were exposed"),)
    outputs = (
        Port("measures", "measures", doc="what the sampling allows"),
        Port("aliases", "table", doc="frequencies that cannot be told apart"),
    )
    maskable = False

    trv: str = param(default="[TRV:1h]", doc="the periods looked for, such as [TRV:14.8s]")
    force: bool = param(default=False, doc="go on where exposures smear the variation away")

    def check(self) -> None:
        parse_trv(self.trv).hertz  # noqa: B018 - raises where no period is named

    def compute(self, known: Known) -> dict[str, Any]:
        times, trv = known.values["times"], parse_trv(self.trv)
        seconds = seconds_of(times)
        warnings = [*times.get("notes", []), *judge(trv, times, self.force)]
        tried = trial_frequencies(trv, span_of(seconds))
        found = aliases(seconds, 1.0 / trv.period, quantum_s=times["quantum_s"])
        if found:
            told = ", ".join(f"{a['period_s']:.6g} s" for a in found[:3])
            warnings.append(f"the sampling cannot tell {trv.period:.6g} s from {told}")
        steps = sorted(seconds[1:] - seconds[:-1])
        return {
            "frames": len(seconds),
            "span_s": span_of(seconds),
            "cadence_s": float(steps[len(steps) // 2]),
            "shortest_s": 1.0 / float(tried[-1]),
            "longest_s": 1.0 / float(tried[0]),
            "trials": len(tried),
            "smearing": smearing(exposures_of(times), 1.0 / float(tried[-1])),
            "phase_gap": None if trv.is_search else phase_gap(seconds, trv.period),
            "warnings": warnings,
            "aliases": found,
        }

    def value(self, port: str, measured: Any) -> Any:
        if port == "measures":
            return {k: v for k, v in measured.items() if k != "aliases"}
        names = ("frequency_hz", "period_s", "window")
        columns = {name: [a[name] for a in measured["aliases"]] for name in names}
        return table_value(columns, {"frequency_hz": "Hz", "period_s": "s"})
