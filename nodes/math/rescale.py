"""Spread the samples over the whole range."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Arguments, Known, Port, Process, Tile, param


class Rescale(Process, id="math.rescale", version=1):
    """Map the samples linearly so that the smallest becomes black and the largest white.

    Colour channels are mapped together, which keeps colours, or each by itself. Alpha channels stay. An
    image whose samples are all equal has no range to be spread and stays as it is. (PixInsight: Rescale,
    RGB/K and individual channels.)
    """

    inputs = (Port("image"),)

    per_channel: bool = param(default=False, doc="whether each channel is mapped by its own extremes")

    def measure(self, known: Known, image: Tile) -> dict[str, list[float]]:
        low, high = [], []
        for plane in image[: known.of("image").nominal]:
            present = plane[np.isfinite(plane)]
            low.append(float(present.min()) if present.size else np.inf)
            high.append(float(present.max()) if present.size else -np.inf)
        return {"low": low, "high": high}

    def merge(self, a: dict[str, list[float]], b: dict[str, list[float]]) -> dict[str, list[float]]:
        return {
            "low": [min(pair) for pair in zip(a["low"], b["low"], strict=True)],
            "high": [max(pair) for pair in zip(a["high"], b["high"], strict=True)],
        }

    def finish(self, partial: dict[str, list[float]], known: Known) -> dict[str, list[float]]:
        if self.per_channel:
            return partial
        n = len(partial["low"])
        return {"low": [min(partial["low"])] * n, "high": [max(partial["high"])] * n}

    @staticmethod
    def rises(low: float, gain: float, black: float) -> bool:
        return gain >= 0.0

    @staticmethod
    def pixel(x: Any, low: Any, gain: Any, black: Any) -> Any:
        return (x - low) * gain + black

    def arguments(self, known: Known, channel: int) -> Arguments | None:
        source = known.of("image")
        if channel >= source.nominal:
            return None
        low, high = known.measured["low"][channel], known.measured["high"][channel]
        if not low < high:
            return None
        return low, (source.hi - source.lo) / (high - low), source.lo
