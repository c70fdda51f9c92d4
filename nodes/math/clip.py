"""Limit samples to a range."""

from __future__ import annotations

from typing import Any, Literal

from ...engine.api import Arguments, Known, ParameterError, Port, Process, param


class Clip(Process, id="math.clip", version=1):
    """Replace what lies below *low* by *low* and what lies above *high* by *high*.

    Missing samples stay missing and alpha channels stay as they are.
    """

    inputs = (Port("image"),)

    low: float = param(default=0.0, doc="lower end of the range")
    high: float = param(default=1.0, doc="upper end of the range")
    range_unit: Literal["normalized", "physical"] = param(
        default="normalized",
        choices=("normalized", "physical"),
        doc="whether the ends are fractions of the image's bounds or values such as ADU",
    )

    def check(self) -> None:
        if self.low > self.high:
            raise ParameterError(f"Clip: low must not exceed high, got low {self.low:g}, high {self.high:g}")

    @staticmethod
    def rises(low: float, high: float) -> bool:
        return low <= high

    @staticmethod
    def pixel(x: Any, low: Any, high: Any) -> Any:
        if x < low:
            return low
        return high if x > high else x

    def arguments(self, known: Known, channel: int) -> Arguments | None:
        source = known.of("image")
        if channel >= source.nominal:
            return None
        if self.range_unit == "physical":
            return self.low, self.high
        span = source.hi - source.lo
        return source.lo + self.low * span, source.lo + self.high * span
