"""The level above which the pixels of a master dark tell how to scale it."""

from __future__ import annotations

from typing import Any, Literal

from ...engine.api import Again, Box, Known, Port, Process, Summaries, param
from . import _cfa
from ._dark_scaling import reduced_dark
from ._masters import linked, must_fit

Pattern = Literal["auto", "RGGB", "BGGR", "GBRG", "GRBG", "GRGB", "GBGR", "RGBG", "BGRG"]
_SUMMARIES = Summaries(mad=True)
_MAD_TO_SIGMA = 1.4826


class DarkThreshold(Process, id="calibration.dark_threshold"):
    """Find the level ``median + dark_optimization_low x 1.4826 MAD`` of a master dark, per channel.

    Mosaics are first reduced by averaging whole cells. The threshold is clamped to lie between 0 and the upper bound.

    Method: PixInsight's ImageCalibration, dark frame optimization threshold.
    """

    inputs = (
        Port("dark", doc="the master dark"),
        Port("bias", optional=True, doc="the master bias; link it where the dark still contains it"),
    )
    outputs = (Port("measures", "measures", doc="threshold, median and MAD of each channel"),)

    dark_optimization_low: float = param(
        default=3.0, low=0.0, high=10.0, unit="sigma", doc="how far above the median a dark pixel must lie"
    )
    enable_cfa: bool = param(default=True, doc="heed colour filter mosaics")
    cfa_pattern: Pattern = param(
        default="auto", choices=_cfa.PATTERNS, doc="the filter pattern; auto: that of the dark"
    )

    def needs(self, box: Box, port: str, known: Known) -> Box:
        y0, y1 = _cfa.rows_needed(box.y0, box.y1, self._side(known))
        return Box(y0, box.x0, y1, box.x1)

    def measure(self, known: Known, *tiles: Any) -> Any:
        dark, bias = tiles
        must_fit(linked(known, "dark", "bias"), "DarkThreshold")
        side = self._side(known)
        y0, _ = _cfa.rows_needed(known.box.y0, known.box.y1, side)
        small = reduced_dark(known, dark, bias, y0, side)
        return _SUMMARIES.measure(small, known.state, known.box)

    def merge(self, a: Any, b: Any) -> Any:
        return _SUMMARIES.merge(a, b)

    def finish(self, partial: Any, known: Known) -> dict[str, Any] | Again:
        found = _SUMMARIES.finish(partial, known.state)
        if isinstance(found, Again):
            return found
        levels = [s.median + self.dark_optimization_low * _MAD_TO_SIGMA * s.mad for s in found]
        return {
            "threshold": [min(max(level, 0.0), known.of("dark").hi) for level in levels],
            "median": [s.median for s in found],
            "mad": [s.mad for s in found],
        }

    def _side(self, known: Known) -> int:
        frames = linked(known, "dark")
        return _cfa.reduction(_cfa.pattern_of(frames, self.enable_cfa, self.cfa_pattern, "DarkThreshold"))
