"""How far samples lie from the median on average: the unit in which outliers are told."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Again, Box, Frame, Known, Port, Process, Summaries, Tile, param, sampled_rows
from ._average_deviation import between, deviations

_SUMMARIES = Summaries(mad=False)
# Parts of the range of the frame.
_END = 1.0 / 65535.0
_FARTHEST = 0.9
# Images of fewer pixels are measured whole.
_LARGE = 4 * 1024 * 1024


class AverageDeviation(Process, id="calibration.average_deviation"):
    """Measure the average absolute deviation from the median of each channel.

    Saturated samples (from 1/65535 of the range below white) and those at black (within 1/65535 of it) are not
    counted, nor deviations of more than 0.9 of the range. Samples clearly below black, as a sky calibrated to zero
    has them, are. The deviation of a channel without such samples is NaN. It is exact, or, with *whole_image* off,
    that of a sixteenth of the rows of an image of more than 4 Mpx: right to a thousandth or so.

    Method: the scale that PixInsight's CosmeticCorrection detects hot and cold pixels by.
    """

    inputs = (Port("image"),)
    outputs = (Port("measures", "measures", doc="deviation, median and count of each channel"),)

    whole_image: bool = param(default=True, doc="measure every row of large images, too")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return self._asked(box, known.of("image"))

    def _asked(self, box: Box, frame: Frame) -> Box:
        return box if self.whole_image or frame.height * frame.width < _LARGE else sampled_rows(box)

    def measure(self, known: Known, image: Tile) -> Any:
        frame = known.of("image")
        end = _END * (frame.hi - frame.lo)
        if known.state is None or "median" not in known.state:
            counted = np.empty((frame.nominal, *image.shape[1:]), np.float32)
            for plane, out in zip(image, counted, strict=False):
                between(plane, frame.lo, end, frame.hi - end, out)
            return _SUMMARIES.measure(counted, known.state, self._asked(known.box, frame))
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

