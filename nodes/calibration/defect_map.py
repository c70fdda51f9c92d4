"""Where a master dark says that pixels are hot or cold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...engine.api import Again, Known, ParameterError, Port, Process, Tile, param

# More than this share of defective pixels is a level chosen wrongly, not a sensor.
MOST = 0.1


class DefectMap(Process, id="calibration.defect_map"):
    """List the pixels of a master dark at or above a hot level, and at or below a cold level.

    A level is a part of the range of the dark (0 black, 1 white) or, if a number of sigma is given, that many
    standard deviations from the mean of the dark. At most a tenth of the pixels may be defective.

    Method: PixInsight's CosmeticCorrection, master dark; its sigma sliders convert in the same way.
    """

    inputs = (Port("dark", doc="the master dark"),)
    outputs = (Port("defects", "measures", doc="hot and cold pixels of each channel, the levels, the size"),)

    hot_dark_check: bool = param(default=True, doc="list hot pixels")
    hot_dark_level: float = param(default=1.0, low=0.0, high=1.0, doc="a dark at least this bright is hot")
    hot_dark_sigma: float | None = param(
        default=None, low=0.0, high=1000.0, unit="sigma", doc="the hot level as standard deviations above the mean"
    )
    cold_dark_check: bool = param(default=False, doc="list cold pixels")
    cold_dark_level: float = param(default=0.0, low=0.0, high=1.0, doc="a dark at most this bright is cold")
    cold_dark_sigma: float | None = param(
        default=None, low=0.0, high=1000.0, unit="sigma", doc="the cold level as standard deviations below the mean"
    )

    def measure(self, known: Known, dark: Tile) -> Any:
        frame = known.of("dark")
        light = dark[: frame.nominal]
        if known.state is None and self._by_sigma:
            return [_moments(plane) for plane in light]
        levels = self._levels(known)
        start = known.box.y0 * frame.width
        return {
            name: [[_places(test(plane, level), start)] for plane, level in zip(light, levels[name], strict=True)]
            for name, test in (("hot", np.greater_equal), ("cold", np.less_equal))
        }

    def merge(self, a: Any, b: Any) -> Any:
        if isinstance(a, list):
            return [_merged(p, q) for p, q in zip(a, b, strict=True)]
        return {name: [p + q for p, q in zip(a[name], b[name], strict=True)] for name in a}

    def finish(self, partial: Any, known: Known) -> dict[str, Any] | Again:
        if isinstance(partial, list):
            return Again([[p[1], math.sqrt(p[2] / (p[0] - 1.0)) if p[0] > 1 else 0.0] for p in partial])
        frame, levels = known.of("dark"), self._levels(known)
        found = {name: [np.sort(np.concatenate(lists)) for lists in partial[name]] for name in ("hot", "cold")}
        for name, listed in found.items():
            for places, level in zip(listed, levels[name], strict=True):
                if places.size > MOST * frame.width * frame.height:
                    share = 100.0 * places.size / (frame.width * frame.height)
                    raise ParameterError(
                        f"DefectMap: {share:.1f} % of the dark's pixels are {name} at level {level:g}, at most "
                        f"{100 * MOST:g} % are believed; change {name}_dark_level or {name}_dark_sigma"
                    )
        return {
            **found,
            "width": frame.width,
            "height": frame.height,
            "hot_level": levels["hot"] if self.hot_dark_check else [],
            "cold_level": levels["cold"] if self.cold_dark_check else [],
        }

    @property
    def _by_sigma(self) -> bool:
        hot = self.hot_dark_check and self.hot_dark_sigma is not None
        return hot or (self.cold_dark_check and self.cold_dark_sigma is not None)

    def _levels(self, known: Known) -> dict[str, list[float]]:
        """Return the physical levels of each channel; beyond all samples where nothing is to be listed."""
        frame = known.of("dark")
        moments = known.state or [[0.0, 0.0]] * frame.nominal
        hot = [self._level(known, m, self.hot_dark_level, self.hot_dark_sigma, 1.0) for m in moments]
        cold = [self._level(known, m, self.cold_dark_level, self.cold_dark_sigma, -1.0) for m in moments]
        nothing = [math.inf] * frame.nominal
        return {
            "hot": hot if self.hot_dark_check else nothing,
            "cold": cold if self.cold_dark_check else [-v for v in nothing],
        }

    def _level(self, known: Known, moments: list[float], level: float, sigma: float | None, side: float) -> float:
        if sigma is not None:
            return moments[0] + side * sigma * moments[1]
        lo, hi = known.of("dark").known_bounds()
        return lo + level * (hi - lo)


def _places(marked: Any, start: int) -> Any:
    return np.flatnonzero(marked).astype(np.int64) + start


def _moments(plane: Any) -> list[float]:
    """Return count, mean and sum of squared deviations of the finite samples."""
    x = plane[np.isfinite(plane)].astype(np.float64)
    if x.size == 0:
        return [0.0, 0.0, 0.0]
    mean = float(x.mean())
    return [float(x.size), mean, float(((x - mean) ** 2).sum())]


def _merged(a: list[float], b: list[float]) -> list[float]:
    n = a[0] + b[0]
    if n == 0.0:
        return a
    d = b[1] - a[1]  # the pairwise update of Chan, Golub & LeVeque (1983)
    return [n, a[1] + d * (b[0] / n), a[2] + b[2] + d * d * (a[0] * b[0] / n)]
