"""LargeScaleBackground: the level of the sky, and its scatter, told from below."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, Known, Port, Process, Tile, param
from ._estimators import sn
from ._median_model import REDUCED, interpolated, large_scale, reduced
from ._planes import Plane, colours, planes, report, side

_SN_TO_SIGMA = 2.03636


class LargeScaleBackground(Process, id="measure.large_scale_background", version=2):
    """Measure M* and N*: median of the large-scale background, and scatter of the samples below it.

    The Value holds ``m_star`` and ``n_star`` (physical units; the middle between the least and the greatest of
    the colours) and ``channels``: name, m_star, n_star, count (samples below the background that were used).

    The background m is the image reduced fourfold without its six finest median layers, which leaves what is
    larger than about 256 px. M* is its median. N* is 2.03636 Sn of m - v over the samples 0 < v < m: they know
    nothing of stars, which only brighten. Sn counts every such sample of images of at most *sample* samples,
    otherwise those on a fixed grid. Both are those of PixInsight's PSF signal estimator.
    """

    inputs = (Port("image"),)
    outputs = (Port("measures", "measures", doc="M* and N* of each channel"),)
    units = {"m_star": "level", "n_star": "image"}
    requires = "linear"

    layers: int = param(default=6, low=1, high=8, doc="median layers that are no background")
    sample: int = param(default=65536, low=1024, high=1 << 22, unit="px", doc="most samples of a channel used for Sn")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        # Whole cells: those whose first row lies in the box.
        cell = REDUCED * side(known.of(port))
        return Box(-(-box.y0 // cell) * cell, box.x0, -(-box.y1 // cell) * cell, box.x1).overlap(known.of(port).box)

    def measure(self, known: Known, *tiles: Any) -> Any:
        image: Tile = tiles[0]
        frame = known.of("image")
        box = self.needs(known.box, "image", known)
        if box.empty:
            return [[] for _ in colours(frame)]
        step, first = self._step(frame), box.y0 // side(frame)
        return [[{"reduced": reduced(p), "sample": _sampled(p, first, step)}] for p in planes(image, box, frame)]

    def merge(self, a: Any, b: Any) -> Any:
        return [[*p, *q] for p, q in zip(a, b, strict=True)]

    def finish(self, partial: Any, known: Known) -> Any:
        frame = known.of("image")
        channels = []
        for parts in partial:
            small = np.concatenate([p["reduced"] for p in parts if p["reduced"].size] or [np.empty((0, 0), np.float32)])
            sample = np.concatenate([p["sample"] for p in parts if p["sample"].size] or [np.empty((0, 0), np.float32)])
            m = large_scale(small, self.layers) if small.size else small
            r = _below(sample, m, self._step(frame), frame.lo)
            m_star = float(np.median(m)) if m.size else math.nan
            n_star = _SN_TO_SIGMA * sn(r) if r.size > 1 else math.nan
            channels.append({"m_star": m_star, "n_star": n_star, "count": int(r.size)})
        return report(colours(frame), channels, ["m_star", "n_star"])

    def _step(self, frame: Frame) -> int:
        """Return how many rows and columns of a plane lie between those that Sn looks at."""
        n, step = side(frame), 1
        while -(-frame.height // (n * step)) * -(-frame.width // (n * step)) > self.sample:
            step += 1
        return step


def _sampled(plane: Plane, first: int, step: int) -> Plane:
    """Return every *step*-th row and column; row 0 of *plane* is row *first* of the whole one."""
    return np.ascontiguousarray(plane[-first % step :: step, ::step])


def _below(sample: Plane, model: Plane, step: int, black: float) -> npt.NDArray[np.float64]:
    """Return how far samples lie below the model, for those that do."""
    if not model.size:
        return np.empty(0)
    rows, columns = sample.shape
    v = sample.reshape(-1)
    y, x = np.repeat(np.arange(rows) * step, columns), np.tile(np.arange(columns) * step, rows)
    below = interpolated(model, y, x) - v
    # Rounded to the precision of the samples.
    kept: Plane = below[(below > 0.0) & (v > black)].astype(np.float32)
    return kept.astype(np.float64)
