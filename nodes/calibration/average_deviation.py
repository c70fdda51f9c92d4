"""How far samples lie from the median on average: the unit in which outliers are told."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Again, Known, Port, Process, Summaries, Tile
from ._average_deviation import between, deviations

_SUMMARIES = Summaries(mad=False)
# Parts of the range of the frame.
_END = 1.0 / 65535.0
_FARTHEST = 0.9


class AverageDeviation(Process, id="calibration.average_deviation"):
    """Measure the average absolute deviation from the median of each channel, exactly.

    Saturated samples (from 1/65535 of the range below white) and those at black (within 1/65535 of it) are not
    counted, nor deviations of more than 0.9 of the range. Samples clearly below black, as a sky calibrated to zero
    has them, are. The deviation of a channel without such samples is NaN.

    Method: the scale that PixInsight's CosmeticCorrection detects hot and cold pixels by.
    """

    inputs = (Port("image"),)
    outputs = (Port("measures", "measures", doc="deviation, median and count of each channel"),)

    def measure(self, known: Known, image: Tile) -> Any:
        frame = known.of("image")
        end = _END * (frame.hi - frame.lo)
        if known.state is None or "median" not in known.state:
            counted = np.empty((frame.nominal, *image.shape[1:]), np.float32)
            for plane, out in zip(image, counted, strict=False):
                between(plane, frame.lo, end, frame.hi - end, out)
            return _SUMMARIES.measure(counted, known.state, known.box)
        farthest = _FARTHEST * (frame.hi - frame.lo)
        told = zip(image, known.state["median"], strict=False)
        return {"sums": np.array([deviations(p, frame.lo, end, frame.hi - end, m, farthest) for p, m in told])}

    def merge(self, a: Any, b: Any) -> Any:
        return {"sums": a["sums"] + b["sums"]} if "sums" in a else _SUMMARIES.merge(a, b)

    def finish(self, partial: Any, known: Known) -> dict[str, Any] | Again:
        if "sums" in partial:
            total, count = partial["sums"].T
            return {
                "deviation": [float(t / n) if n else float("nan") for t, n in zip(total, count, strict=True)],
                "median": known.state["median"],
                "count": [int(n) for n in count],
            }
        found = _SUMMARIES.finish(partial, known.state)
        return found if isinstance(found, Again) else Again({"median": [s.median for s in found]})

