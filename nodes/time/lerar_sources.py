"""LerarSources: the places of an image that vary, as a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...engine.api import Box, Known, Port, Process, Tile, param, seconds_of, table_value, used_frames
from ._candidates import CLIMB, alone, climbed, crests, summit
from ._sampling import aliases
from ._significance import pixels_log10

MAPS = ("significance", "amplitude", "amplitude_err", "phase", "phase_err", "period", "period_err", "mean")
SECONDS_OF_DAY = 86400.0
_NOTABLE = 5.0
"""A mean flux that is not so many of its errors tells no relative amplitude."""


class LerarSources(Process, id="time.lerar_sources"):
    """List what varies by the maps of LerarLink or LerarSearch, the most significant first.

    A source is a local maximum of the significance that is improbable by chance, with a probability of `level`, in
    any of all searched pixels together. Where the maps are those of point sources, its place is the peak of the
    amplitude within two pixels of it. Near a stronger source of the same period it must stand out from that one's
    light.

    Columns: ``row`` and ``column`` (the pixel), ``y`` and ``x`` (from a paraboloid through its neighbours),
    ``period_s``, ``period_d``, ``period_err_s``, ``amplitude`` (there, the image's unit),
    ``amplitude_err``, ``relative`` and ``relative_err`` (of the mean flux, missing where that is not known to five of
    its errors), ``phase`` and ``phase_err`` (radians; it peaks at t0 + phase period / 2 pi), ``log10_p`` (of chance,
    all frequencies and pixels counted: the less, the surer), ``significance`` (-log10 p of the pixel alone),
    ``aliases`` (periods that the sampling cannot tell from this one) and ``channel``. Beside them stand ``pixels``,
    how many were searched, ``threshold``, ``t0_s`` and ``epoch``.
    """

    inputs = (
        *(Port(name, doc=f"the map {name} of LerarLink or LerarSearch") for name in MAPS),
        Port("report", "measures", doc="of the same"),
        Port("times", "times", doc="from TimeAxis"),
    )
    outputs = (Port("table", "table", doc="the sources"),)
    maskable = False
    edge = "missing"

    level: float = param(default=0.01, low=1e-9, high=0.5, doc="probability that any pixel at all is listed by chance")
    max_sources: int = param(default=500, low=1, high=100_000, doc="list the most significant so many")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(1 + CLIMB)

    def measure(self, known: Known, *tiles: Any) -> Any:
        maps: dict[str, Tile] = dict(zip(MAPS, tiles, strict=True))
        rim = CLIMB + 1
        searched = int(np.isfinite(maps["significance"][:, rim:-rim, rim:-rim]).sum())
        # Of the whole image more pixels are searched than of this tile, so this lets through too many at most.
        least = -math.log10(self.level / max(1, searched))
        found = []
        for c, y, x in crests(maps["significance"][:, CLIMB:-CLIMB, CLIMB:-CLIMB], least):
            y, x = int(y) + CLIMB, int(x) + CLIMB
            if known.values["report"]["fwhm"] > 0.0:  # without a star's profile each pixel stands for itself
                y, x = climbed(maps["amplitude"][c], y, x)
            around = slice(y - 1, y + 2), slice(x - 1, x + 2)
            one = {name: float(maps[name][c, y, x]) for name in MAPS}
            dy, dx, height = summit(maps["amplitude"][c][around].astype(np.float64))
            one |= {"amplitude": height, "channel": int(c), "row": y + known.box.y0 - rim,
                    "column": x + known.box.x0 - rim}  # fmt: skip
            one |= {"y": one["row"] + dy, "x": one["column"] + dx}
            if math.isfinite(height) and one["amplitude_err"] > 0.0:
                found.append(one)
        return {"pixels": searched, "found": found}

    def merge(self, a: Any, b: Any) -> Any:
        return {"pixels": a["pixels"] + b["pixels"], "found": [*a["found"], *b["found"]]}

    def finish(self, partial: Any, known: Known) -> dict[str, Any]:
        report, times, pixels = known.values["report"], known.values["times"], partial["pixels"]
        least = -math.log10(self.level / max(1, pixels))
        family = -math.log10(self.level)
        enough = [c for c in partial["found"] if float(pixels_log10(c["significance"], pixels)) >= family]
        kept = alone(enough, float(report["fwhm"]), least)[: self.max_sources]
        columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        heard: dict[float, list[float]] = {}
        for one in kept:
            for name, value in self._row(one, pixels, report, times, heard).items():
                columns[name].append(value)
        unit = known.of("amplitude").unit
        units = {"period_s": "s", "period_d": "d", "period_err_s": "s", "amplitude": unit, "amplitude_err": unit,
                 "phase": "rad", "phase_err": "rad", "row": "px", "column": "px", "y": "px", "x": "px"}  # fmt: skip
        return table_value(
            columns, units, pixels=pixels, threshold=least, level=self.level, t0_s=report["t0_s"],
            epoch=times["epoch"], scale=times["scale"], reference=times["reference"],
        )  # fmt: skip

    def _row(
        self, one: dict[str, Any], pixels: int, report: Any, times: Any, heard: dict[float, list[float]]
    ) -> dict[str, Any]:
        period = one["period"]
        if period not in heard:
            used = set(report["left_out"])
            order = used_frames(times)
            seconds = seconds_of(times)[[i not in used for i in order.tolist()]]
            heard[period] = [a["period_s"] for a in aliases(seconds, 1.0 / period, None, float(times["quantum_s"]))]
        mean_err = one["amplitude_err"] / math.sqrt(2.0)
        known = one["mean"] > _NOTABLE * mean_err
        part = one["amplitude"] / one["mean"] if known else math.nan
        off = part * math.hypot(one["amplitude_err"] / one["amplitude"], mean_err / one["mean"]) if known else math.nan
        chance = -float(pixels_log10(one["significance"], pixels))
        return {
            "row": one["row"], "column": one["column"], "y": one["y"], "x": one["x"], "period_s": period,
            "period_d": period / SECONDS_OF_DAY, "period_err_s": one["period_err"], "amplitude": one["amplitude"],
            "amplitude_err": one["amplitude_err"], "relative": part, "relative_err": off, "phase": one["phase"],
            "phase_err": one["phase_err"], "log10_p": chance, "significance": one["significance"],
            "aliases": heard[period], "channel": one["channel"],
        }  # fmt: skip


_COLUMNS = (
    "row", "column", "y", "x", "period_s", "period_d", "period_err_s", "amplitude", "amplitude_err", "relative",
    "relative_err", "phase", "phase_err", "log10_p", "significance", "aliases", "channel",
)  # fmt: skip
