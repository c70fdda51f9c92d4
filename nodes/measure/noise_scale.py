"""NoiseScale: how far an image's samples scatter to either side of its median."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from ...engine.api import Again, Frame, Known, Port, Process, Summaries, Tile, param
from ._bins import Below, added, bin_of, empty, used
from ._planes import colours, planes, report


class NoiseScale(Process, id="measure.noise_scale"):
    """Measure median, average deviation and the two-sided noise scale of each channel or place of a mosaic's cell.

    The Value holds ``low``, ``high``, ``median``, ``avg_dev`` (physical units; the middle between the least
    and the greatest of the colours) and ``channels``, one dict each with the same names, ``name`` and
    ``count``. ``low`` is the root mean square deviation from the median of the samples below it, those beyond
    four times it left out twice; ``high`` likewise above. NaN without samples.

    The noise scale of PixInsight's ImageIntegration; the signal-to-noise estimate there and in
    SubframeSelector is the square of its mean over the noise.
    """

    inputs = (Port("image"),)
    outputs = (Port("measures", "measures", doc="median and scales of each channel"),)
    units = {"median": "level", "low": "image", "high": "image", "avg_dev": "image"}
    requires = "linear"

    range_low: float | None = param(
        default=None, low=0.0, high=1.0, doc="leave out samples at or below this part of the range; none: count all"
    )
    range_high: float = param(
        default=1.0 - 2.0 / 65535.0, low=0.0, high=1.0, doc="leave out samples at or above this part of the range"
    )

    def measure(self, known: Known, *tiles: Any) -> Any:
        image: Tile = tiles[0]
        frame = known.of("image")
        cut: Any = planes(image, known.box, frame)
        if known.state is None or "order" in known.state:
            return {"order": self._summaries(frame).measure(cut, known.state and known.state["order"], known.box)}
        low, high = self._limits(frame)
        return {"sides": [_sides(p, m, low, high) for p, m in zip(cut, known.state["medians"], strict=True)]}

    def merge(self, a: Any, b: Any) -> Any:
        if "order" in a:
            return {"order": Summaries(mad=False).merge(a["order"], b["order"])}
        return {
            "sides": [
                [added(p, q) for p, q in zip(s, t, strict=True)] for s, t in zip(a["sides"], b["sides"], strict=True)
            ]
        }

    def finish(self, partial: Any, known: Known) -> Any:
        frame = known.of("image")
        if "order" in partial:
            found = self._summaries(frame).finish(partial["order"], known.state and known.state["order"])
            if isinstance(found, Again):
                return Again({"order": found.state})
            return Again({"medians": [s.median for s in found]})
        channels = [_described(m, s) for m, s in zip(known.state["medians"], partial["sides"], strict=True)]
        return report(colours(frame), channels, ["low", "high", "median", "avg_dev"])

    def _limits(self, frame: Frame) -> tuple[float, float]:
        lo, hi = frame.known_bounds()
        low = -math.inf if self.range_low is None else lo + self.range_low * (hi - lo)
        return low, lo + self.range_high * (hi - lo)

    def _summaries(self, frame: Frame) -> Summaries:
        low, high = self._limits(frame)
        return Summaries(mad=False, above=low, below=high)


def _sides(plane: Any, median: float, low: float, high: float) -> list[dict[str, Any]]:
    below, above = empty(3), empty(3)
    if math.isfinite(median):
        _count(plane, median, low, high, below, above, np.empty(plane.shape[1], np.float32))
    return [used(below), used(above)]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count(plane: Any, median: Any, low: Any, high: Any, below: Any, above: Any, distance: Any) -> None:
    keys = distance.view(np.uint32)
    for y in range(plane.shape[0]):
        row = plane[y]
        for x in range(row.size):
            distance[x] = abs(np.float64(row[x]) - median)
        for x in range(row.size):
            v = np.float64(row[x])
            if not (v > low and v < high):
                continue
            d = v - median
            if d == 0.0:
                # On neither side; of no weight in any sum, but counted among the samples.
                below[0, 0] += 0.5
                above[0, 0] += 0.5
                continue
            at = bin_of(keys[x])
            bins = below if d < 0.0 else above
            bins[0, at] += 1.0
            bins[1, at] += abs(d)
            bins[2, at] += d * d


def _described(median: float, sides: list[dict[str, Any]]) -> dict[str, Any]:
    below, above = Below(sides[0]), Below(sides[1])
    count = float(below.total[0] + above.total[0])
    spread = float(below.total[1] + above.total[1]) / count if count else math.nan
    return {"low": _trimmed(below), "high": _trimmed(above), "median": median, "avg_dev": spread, "count": int(count)}


def _trimmed(side: Below) -> float:
    sums = side.total
    if not sums[0]:
        return math.nan
    for _ in range(2):
        sums = side(4.0 * math.sqrt(float(sums[2] / sums[0])))
        if not sums[0]:
            return 0.0
    return math.sqrt(float(sums[2] / sums[0]))
