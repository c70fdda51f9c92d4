"""SideNoise: whether the noise about a period has a slope, over the whole image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Known, Port, Process, sampled_rows
from ._conclude import MASKED
from ._design import NARROW
from ._matched import halo
from ._plan import design_of
from ._strip import Pulling, summed

COLUMNS = 64
"""Columns of a row that are looked at."""
SMALL = 1 << 18
"""Images up to this many pixels are looked at in every row; of larger ones some rows are."""
_SLOPE = 3.0


class SideNoise(Process, id="time.side_noise"):
    """Choose how many side frequencies tell the noise about a period, once for the whole image.

    The logarithm of the median power of the image at each side frequency is fitted by a line over frequency. Where
    its slope is more than three times its error, the noise is not flat over a wide comb, and 16 side frequencies are
    used instead of 32. Where the plan says how many, or judges by the residuals, no pixel is looked at.

    The Value holds ``sidebands``, ``slope`` (per hertz), ``t`` (slope over its error) and ``pixels``.
    """

    inputs = (
        Port("frames", many=True, doc="registered, linear frames on one level"),
        Port("plan", "measures", doc="from LockInPlan"),
    )
    outputs = (Port("noise", "measures", doc="how many side frequencies"),)
    maskable = False
    draws = True

    def needs(self, box: Box, port: str, known: Known) -> Box:
        rows = self._rows(box, known)
        return rows if rows.empty else rows.grow(halo(known.values["plan"]["fwhm"]))

    def measures(self, known: Known) -> bool:
        return bool(known.values["plan"]["narrow"])

    def measure(self, known: Known, *tiles: Any) -> Any:
        plan, rows = known.values["plan"], self._rows(known.box, known)
        if rows.empty:
            return np.zeros((0, 0), np.float32)
        made = design_of(plan)
        own = np.repeat(made.side_of == 0, 2)
        sums = summed(Pulling(tiles[0], plan, rows), plan, made.columns()[:1], made.side_columns()[own])
        power = sums.side_sums[0::2] ** 2 + sums.side_sums[1::2] ** 2
        lost = np.bitwise_count(sums.bad).sum(axis=0, dtype=np.int64)
        power[:, lost > MASKED * sums.frames] = np.nan
        shaped = power.reshape(len(power), -1, rows.width)[:, :, :: max(1, rows.width // COLUMNS)]
        return shaped.reshape(len(power), -1)

    def merge(self, a: Any, b: Any) -> Any:
        if not a.size or not b.size:
            return a if a.size else b
        return np.concatenate([a, b], axis=1)

    def finish(self, partial: npt.NDArray[np.float32], known: Known) -> dict[str, Any]:
        made = design_of(known.values["plan"])
        hertz = made.side_hertz[made.side_of == 0]
        slope, t = _slope(hertz, partial)
        wide = known.values["plan"]["sidebands"]
        return {"sidebands": NARROW if abs(t) > _SLOPE else wide, "slope": slope, "t": t, "pixels": partial.shape[-1]}

    def _rows(self, box: Box, known: Known) -> Box:
        first = known.frames["frames"][0]
        return box if first.width * first.height <= SMALL else sampled_rows(box)


def _slope(hertz: npt.NDArray[np.float64], power: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return the slope of the logarithm of the median power over frequency, and its ratio to its error."""
    good = np.isfinite(power).all(axis=0) if power.size else np.zeros(0, np.bool_)
    if not good.any():
        return 0.0, 0.0
    level = np.median(power[:, good].astype(np.float64), axis=1)
    if not (level > 0.0).all():
        return 0.0, 0.0
    x, y = hertz - hertz.mean(), np.log(level)
    y = y - y.mean()
    slope = float((x * y).sum() / (x * x).sum())
    rest = float(((y - slope * x) ** 2).sum()) / (len(x) - 2)
    return slope, slope / float(np.sqrt(rest / (x * x).sum())) if rest > 0.0 else 0.0
