"""Statistics: what the samples of each channel are like."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...engine.api import Again, Box, Frame, Known, ParameterError, Port, Process, Summaries, Tile, param
from ._estimators import BEND, SUMS, TO_SIGMA, inverses, qn, scale_sums, scales, sn


class Statistics(Process, id="measure.statistics", version=1):
    """Measure location, scale, extremes and percentiles of each channel, exactly, in physical units.

    The Value holds ``channels`` (one dict each), ``bounds`` and ``unit``. Median, MAD, percentiles and the
    midvariances count every sample; Sn and Qn, which look at pairs, count every sample of images of at
    most *sample* pixels and otherwise those on a fixed grid (``pair_step`` pixels apart, ``pair_count`` of
    them). An estimator of a channel without samples is NaN.

    The estimators and their factors are those of PixInsight's Statistics. Unlike there, the samples at
    and beyond the ends of the nominal range are counted unless `range_clip` says otherwise: a calibrated
    sky scatters about zero, and leaving out what is negative would raise its median.
    """

    inputs = (Port("image"),)
    outputs = (Port("measures", "measures", doc="one dict of numbers for each channel"),)
    units = {
        **dict.fromkeys(("mean", "median", "minimum", "maximum"), "level"),
        **dict.fromkeys(
            ("std_dev", "sigma", "avg_dev", "mad", "sqrt_bwmv", "sqrt_bwmv_low", "sqrt_bwmv_high", "sqrt_pbmv", "sn",
             "qn"), "image",
        ),
        "variance": "image^2",
    }  # fmt: skip

    range_clip: str = param(
        default="none",
        choices=("none", "open", "closed"),
        doc="count every finite sample, those strictly within the bounds, or those within them or on them",
    )
    normalized: bool = param(
        default=False, doc="multiply the scale estimators so that normal noise gives its standard deviation"
    )
    percentiles: tuple[float, ...] = param(
        default=(1.0, 5.0, 25.0, 75.0, 95.0, 99.0),
        low=0.0,
        high=100.0,
        unit="%",
        doc="percentiles to report, interpolated linearly between the two nearest samples",
    )
    sample: int = param(
        default=65536, low=16, high=1 << 20, unit="px", doc="most samples of a channel used for Sn and Qn"
    )
    box: tuple[int, int, int, int] | None = param(
        default=None, low=0, unit="px", doc="measure only these pixels: y0, x0, y1, x1, half open"
    )

    def check(self) -> None:
        if self.box is not None and Box(*self.box).empty:
            raise ParameterError(f"Statistics: box must hold pixels (y0 < y1, x0 < x1), got {self.box}")

    def measure(self, known: Known, image: Tile) -> Any:
        frame = known.of("image")
        box = known.box.overlap(self._box(frame))
        tile = _cut(image, known.box, box)
        if known.state is None or "order" in known.state:
            order = known.state and known.state["order"]
            return {"order": self._summaries(frame).measure(tile, order, box)}
        return {"scale": self._scale(tile, box, known.state["channels"], frame)}

    def merge(self, a: Any, b: Any) -> Any:
        if "order" in a:
            # Merging needs no limits, so any Summaries will do.
            return {"order": Summaries().merge(a["order"], b["order"])}
        return {"scale": [_added(p, q) for p, q in zip(a["scale"], b["scale"], strict=True)]}

    def finish(self, partial: Any, known: Known) -> Any:
        frame = known.of("image")
        if "scale" in partial:
            pairs = zip(known.state["channels"], partial["scale"], strict=True)
            return self._value(frame, [self._report(c, p) for c, p in pairs])
        summaries = self._summaries(frame).finish(partial["order"], known.state and known.state["order"])
        if isinstance(summaries, Again):
            return Again({"order": summaries.state})
        return Again({"channels": [s.plain() for s in summaries]})

    def _summaries(self, frame: Frame) -> Summaries:
        above, below = -math.inf, math.inf
        if self.range_clip != "none":
            above, below = frame.known_bounds()
        if self.range_clip == "closed":
            above, below = math.nextafter(above, -math.inf), math.nextafter(below, math.inf)
        return Summaries(
            fractions=tuple(p / 100.0 for p in self.percentiles),
            bend=BEND,
            sides=True,
            above=above,
            below=below,
        )

    def _box(self, frame: Frame) -> Box:
        if self.box is None:
            return frame.box
        box = Box(*self.box)
        if not frame.box.contains(box):
            raise ParameterError(f"Statistics: box must lie within the image ({frame.box}), got {box}")
        return box

    def _step(self, frame: Frame) -> int:
        """Return the distance of the grid for Sn and Qn. Odd, so that it meets every colour of a mosaic."""
        box = self._box(frame)
        step = 1
        while -(-box.height // step) * -(-box.width // step) > self.sample:
            step += 2
        return step

    def _scale(self, tile: Tile, box: Box, channels: list[Mapping[str, Any]], frame: Frame) -> list[dict[str, Any]]:
        limits, origin, step = self._summaries(frame), self._box(frame), self._step(frame)
        partial = []
        for plane, channel in zip(tile, channels, strict=True):
            sums = np.zeros(SUMS)
            x = np.ascontiguousarray(plane).reshape(-1)
            scale_sums(x, limits.above, limits.below, channel["median"], inverses(channel), sums)
            grid = plane[(origin.y0 - box.y0) % step :: step, (origin.x0 - box.x0) % step :: step].reshape(-1)
            grid = grid[(grid > limits.above) & (grid < limits.below)]
            partial.append({"sums": sums, "pairs": [grid]})
        return partial

    def _report(self, channel: Mapping[str, Any], partial: Mapping[str, Any]) -> dict[str, Any]:
        n = channel["count"]
        pairs = np.concatenate(partial["pairs"]).astype(np.float64)
        wide = scales(channel, np.asarray(partial["sums"])) if n else {}
        wide |= {"mad": channel["mad"]}
        wide |= {"sn": sn(pairs), "qn": qn(pairs)} if pairs.size else {"sn": math.nan, "qn": math.nan}
        if self.normalized:
            wide = {k: v * TO_SIGMA[k.removesuffix("_low").removesuffix("_high")] for k, v in wide.items()}
        quantiles = zip(self.percentiles, channel["quantiles"], strict=True)
        return {
            **{name: channel[name] for name in ("count", "missing", "outside", "mean", "median", "variance")},
            "std_dev": math.sqrt(channel["variance"]) if n else math.nan,
            "norm": channel["total"],
            "modulus": channel["total_absolute"],
            "sum_of_squares": channel["total_square"],
            "mean_of_squares": channel["total_square"] / n if n else math.nan,
            **{name: math.nan for name in _SCALES},
            **wide,
            "sigma": TO_SIGMA["mad"] * channel["mad"],
            "minimum": channel["minimum"],
            "minimum_at": list(channel["minimum_at"]),
            "maximum": channel["maximum"],
            "maximum_at": list(channel["maximum_at"]),
            "percentiles": [[p, v] for p, v in quantiles],
            "pair_count": int(pairs.size),
        }

    def _value(self, frame: Frame, channels: list[dict[str, Any]]) -> dict[str, Any]:
        step = self._step(frame)
        named = [{"name": _name(frame, i), **c, "pair_step": step} for i, c in enumerate(channels)]
        return {"channels": named, "bounds": list(frame.known_bounds()), "unit": frame.unit}


_SCALES = ("avg_dev", "mad", "sqrt_bwmv", "sqrt_bwmv_low", "sqrt_bwmv_high", "sqrt_pbmv", "sn", "qn")


def _cut(tile: Tile, given: Box, wanted: Box) -> Tile:
    """Return the part of *tile*, whose pixels are those of *given*, inside *wanted* (which may be empty)."""
    if wanted.empty:
        return tile[:, :0, :0]
    at = wanted.shift(-given.y0, -given.x0)
    return tile[:, at.y0 : at.y1, at.x0 : at.x1]


def _added(a: dict[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    return {"sums": a["sums"] + b["sums"], "pairs": [*a["pairs"], *b["pairs"]]}


def _name(frame: Frame, channel: int) -> str:
    """Return what a channel is called: R, G, B or K; A for the first alpha channel, then A2, A3; planes by number."""
    if frame.color == "planes":
        return str(channel)
    if channel >= frame.nominal:
        alpha = channel - frame.nominal + 1
        return "A" if alpha == 1 else f"A{alpha}"
    return "RGB"[channel] if frame.nominal > 1 else "K"
