"""IntegrationStatistics: location and two-sided scale of an image, as ImageIntegration compares them."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from ...engine.api import Again, Box, Frame, Known, Port, Process, Summaries, Tile, param
from ._histogram import Moments, Partial, gathered, merged
from ._sampling import sampled_box, sampled_rows

# Sums of a side: how many samples, their biweight numerator and denominator.
_SIDE = 3


class IntegrationStatistics(Process, id="integration.integration_statistics", version=2):
    """Measure location and scale of each channel as they are compared when images are normalised.

    Counted are samples more than 1/65535 of the span away from black and white. The Value holds, per channel
    and in physical units, ``median``, ``mean``, ``avg_dev`` (about the median), ``scale_low`` and
    ``scale_high`` (roots of the biweight midvariances of the samples up to the median and above it),
    ``noise_scale_low`` and ``noise_scale_high`` (root mean squares of the deviations on either side, trimmed
    twice at 4 sigma) and ``count``. An image without samples has NaN throughout. Of images of more than 4 Mpx an
    eighth of the rows is read, in bands evenly spread, unless all are asked for; ``sampled`` is their share.

    Estimators: Wilcox, "Introduction to Robust Estimation and Hypothesis Testing" (biweight midvariance);
    PixInsight's ImageIntegration takes one of each side of the median.
    """

    inputs = (Port("image"),)
    outputs = (Port("measures", "measures", doc="median, mean and scales of each channel"),)

    whole_image: bool = param(default=False, doc="measure every row of large images, too")

    def _rows(self, frame: Frame) -> Any:
        return sampled_rows(frame.height, frame.width, self.whole_image)

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return sampled_box(box, self._rows(known.of("image")))

    def measure(self, known: Known, *tiles: Any) -> Any:
        frame = known.of("image")
        rows = self._rows(frame)
        box = sampled_box(known.box, rows)
        if box.empty:
            return None
        planes: Tile = np.ascontiguousarray(tiles[0][: frame.nominal, rows[box.y0 : box.y1]])
        if known.state is None or "order" in known.state:
            order = known.state and known.state["order"]
            return {"order": _summaries(frame).measure(planes, order, box)}
        pairs = zip(planes, known.state["channels"], strict=True)
        return {"scale": [_scale_sums(plane, channel, frame) for plane, channel in pairs]}

    def merge(self, a: Any, b: Any) -> Any:
        if a is None or b is None:
            return b if a is None else a
        if "order" in a:
            return {"order": Summaries().merge(a["order"], b["order"])}
        return {
            "scale": [
                {"sums": p["sums"] + q["sums"], "low": merged(p["low"], q["low"]), "high": merged(p["high"], q["high"])}
                for p, q in zip(a["scale"], b["scale"], strict=True)
            ]
        }

    def finish(self, partial: Any, known: Known) -> Any:
        if "scale" in partial:
            pairs = zip(known.state["channels"], partial["scale"], strict=True)
            sampled = float(self._rows(known.of("image")).mean())
            return {"channels": [_report(channel, p) for channel, p in pairs], "sampled": sampled}
        found = _summaries(known.of("image")).finish(partial["order"], known.state and known.state["order"])
        if isinstance(found, Again):
            return Again({"order": found.state})
        return Again({"channels": [s.plain() for s in found]})


def _summaries(frame: Frame) -> Summaries:
    low, high = frame.known_bounds()
    margin = (high - low) / 65535.0
    return Summaries(sides=True, above=low + margin, below=high - margin)


def _scale_sums(plane: Any, channel: Any, frame: Frame) -> Partial:
    limits = _summaries(frame)
    x = np.ascontiguousarray(plane).reshape(-1)
    x = x[(x > limits.above) & (x < limits.below)]
    sums = np.zeros(2 * _SIDE + 1)
    widths = [9.0 * channel["low_mad"], 9.0 * channel["high_mad"]]
    _biweight_sums(x, channel["median"], np.array([1.0 / w if w > 0.0 else 0.0 for w in widths]), sums)
    d = (x.astype(np.float64) - channel["median"]).astype(np.float32)
    low, high = d[d < 0.0], d[d > 0.0]
    return {"sums": sums, "low": gathered(np.abs(low), low), "high": gathered(high, high)}


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _biweight_sums(x: Any, centre: Any, inverse: Any, sums: Any) -> None:
    """Add to *sums*: for the lower, then the upper side count, numerator, denominator; absolute deviations."""
    for i in range(x.size):
        d = np.float64(x[i]) - centre
        side = 0 if d <= 0.0 else 1
        sums[6] += abs(d)
        sums[3 * side] += 1.0
        y = d * inverse[side]
        t = 1.0 - y * y
        if t > 0.0:
            s = d * t * t
            sums[3 * side + 1] += s * s
            sums[3 * side + 2] += t * (1.0 - 5.0 * y * y)


def _report(channel: Any, partial: Partial) -> dict[str, float]:
    n = channel["count"]
    sums = np.asarray(partial["sums"])
    told = {name: float(channel[name]) for name in ("median", "mean")}
    told |= {"count": n, "avg_dev": float(sums[6]) / n if n else math.nan}
    for side, name in enumerate(("low", "high")):
        count, numerator, denominator = (float(v) for v in sums[_SIDE * side : _SIDE * side + _SIDE])
        wide = math.sqrt(count * numerator) / abs(denominator) if channel[f"{name}_mad"] > 0.0 and denominator else 0.0
        told[f"scale_{name}"] = wide if n else math.nan
        told[f"noise_scale_{name}"] = _trimmed(partial[name]) if n else math.nan
    return told


def _trimmed(side: Partial) -> float:
    moments = Moments(side)
    sigma = moments.about_zero()
    for _ in range(2):
        sigma = moments.about_zero(4.0 * sigma)
    return sigma
