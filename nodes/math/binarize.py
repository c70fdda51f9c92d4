"""Black or white."""

from __future__ import annotations

import math
from typing import Any

from ...engine.api import Arguments, Frame, Known, Port, Process, param


class Binarize(Process, id="math.binarize", version=1):
    """Make each sample 1 where it reaches the threshold, else 0. Missing samples stay missing.

    The output has bounds 0 and 1 and no unit; alpha channels are only brought to these bounds.
    (PixInsight: Binarize.)
    """

    inputs = (Port("image"),)
    gives = "stretched"

    threshold_rk: float = param(default=0.5, low=0.0, high=1.0, doc="threshold of red or gray, or of all if is_global")
    threshold_g: float = param(default=0.5, low=0.0, high=1.0, doc="threshold of green, if not is_global")
    threshold_b: float = param(default=0.5, low=0.0, high=1.0, doc="threshold of blue, if not is_global")
    is_global: bool = param(default=True, doc="whether threshold_rk holds for all channels")

    def frame(self, known: Known) -> Frame:
        return known.of("image").with_(bounds=(0.0, 1.0), unit="")

    @staticmethod
    def pixel(x: Any, lo: Any, span: Any, threshold: Any, cut: Any) -> Any:
        y = (x - lo) / span
        if cut == 0.0:
            return y
        if not math.isfinite(x):
            return math.nan
        return 1.0 if y >= threshold else 0.0

    def arguments(self, known: Known, channel: int) -> Arguments | None:
        source = known.of("image")
        cut = channel < source.nominal
        own = (self.threshold_rk, self.threshold_g, self.threshold_b)
        threshold = self.threshold_rk if self.is_global or channel > 2 else own[channel]
        return source.lo, source.hi - source.lo, threshold, float(cut)
