"""LargeScaleBackground: the level of the sky, and its scatter, told from below."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...engine.api import Again, Box, Known, Port, Process, Tile, param
from ._estimators import sn
from ._median_model import REDUCED, interpolated, large_scale, reduced
from ._planes import Plane, colours, planes, report, side

_SN_TO_SIGMA = 2.03636


class LargeScaleBackground(Process, id="measure.large_scale_background"):
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
    requires = "linear"

    layers: int = param(default=6, low=1, high=8, doc="median layers that are no background")
    sample: int = param(default=65536, low=1024, high=1 << 22, unit="px", doc="most samples of a channel used for Sn")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        if known.state is not None:
            return box
        # Whole cells: those whose first row lies in the box.
        cell = REDUCED * side(known.of(port))
        return Box(-(-box.y0 // cell) * cell, box.x0, -(-box.y1 // cell) * cell, box.x1).overlap(known.of(port).box)

    def measure(self, known: Known, *tiles: Any) -> Any:
        image: Tile = tiles[0]
        frame = known.of("image")
        box = self.needs(known.box, "image", known)
        if known.state is not None:
            models = known.state["models"]
            cut = planes(image, box, frame)
            return [
                [self._residuals(p, np.asarray(m), box, k, known)]
                for k, (p, m) in enumerate(zip(cut, models, strict=True))
            ]
        if box.empty:
            return [[] for _ in colours(frame)]
        return [[reduced(p)] for p in planes(image, box, frame)]

    def merge(self, a: Any, b: Any) -> Any:
        return [[*p, *q] for p, q in zip(a, b, strict=True)]

    def finish(self, partial: Any, known: Known) -> Any:
        names = colours(known.of("image"))
        if known.state is None:
            small = [np.concatenate([r for r in p if r.size] or [np.empty((0, 0), np.float32)]) for p in partial]
            return Again({"models": [large_scale(r, self.layers) if r.size else r for r in small]})
        channels = []
        for model, residuals in zip(known.state["models"], partial, strict=True):
            r = np.concatenate(residuals).astype(np.float64)
            m = np.asarray(model)
            m_star = float(np.median(m)) if m.size else math.nan
            n_star = _SN_TO_SIGMA * sn(r) if r.size > 1 else math.nan
            channels.append({"m_star": m_star, "n_star": n_star, "count": int(r.size)})
        return report(names, channels, ["m_star", "n_star"])

    def _residuals(self, plane: Plane, model: Any, box: Box, index: int, known: Known) -> Plane:
        """Return how far samples on the grid lie below the model, for those that do."""
        frame = known.of("image")
        n = side(frame)
        if not model.size:
            return np.empty(0, np.float32)
        step = 1
        while -(-frame.height // (n * step)) * -(-frame.width // (n * step)) > self.sample:
            step += 1
        # The plane's own row that stands first in the tile.
        first = -(-(box.y0 - index // n) // n)
        rows, columns = np.arange(-first % step, plane.shape[0], step), np.arange(0, plane.shape[1], step)
        v = plane[np.ix_(rows, columns)].reshape(-1)
        y, x = np.repeat(rows + first, columns.size), np.tile(columns, rows.size)
        below = interpolated(model, y, x) - v
        kept: Plane = below[(below > 0.0) & (v > frame.lo)].astype(np.float32)
        return kept
