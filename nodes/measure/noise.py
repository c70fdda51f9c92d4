"""Noise: the standard deviation of an image's noise."""

from __future__ import annotations

import math
from typing import Any

from ...engine.api import Again, Box, Frame, Known, Port, Process, Tile, param
from ._bins import added, empty, used
from ._noise_set import clipped
from ._noise_set import found as found_noise
from ._planes import colours, planes, report, side
from ._starlet import fill, halo

_LARGE, _PERIOD, _BAND = 2048, 512, (256, 320)
"""From which width and height on an image may be asked in bands; rows from one band to the next; the band in them."""


class Noise(Process, id="measure.noise"):
    """Measure the noise of each channel, or of each place of a mosaic's cell, from the multiresolution support.

    The Value holds ``noise`` (physical units; the middle between the least and the greatest of the colours)
    and ``channels``: name, noise, fraction (share of samples that show noise only), layers, count. Layers 0
    says that too few samples show noise only, and that the first layer was k-sigma clipped instead; the noise
    of a channel without samples is NaN.

    A sample shows noise only if in none of the first starlet layers it is beyond three times what noise of
    the standard deviation sought would give there. The standard deviation of such samples about the smooth
    rest is the next guess, until it changes by less than 1e-4 (Starck & Murtagh 1998, PASP 110, 193; the
    start, the limits and the factor 0.974 are those of PixInsight's noise evaluation). The samples are read
    once: all guesses are answered from sums kept by the least sigma under which a sample counts as noise.

    With *whole_image* off, images of 2048 x 2048 or more are asked in 64 of every 512 rows: half a million samples
    tell their noise to two thousandths.
    """

    inputs = (Port("image"),)
    outputs = (Port("measures", "measures", doc="the noise of each channel"),)
    units = {"noise": "image"}
    requires = "linear"

    layers: int = param(default=4, low=1, high=5, doc="starlet layers in which a sample must show noise only")
    range_low: float | None = param(
        default=None, low=0.0, high=1.0, doc="leave out samples at or below this part of the range; none: count all"
    )
    range_high: float = param(
        default=0.99998, low=0.0, high=1.0, doc="leave out samples at or above this part of the range"
    )

    whole_image: bool = param(default=True, doc="measure every row of large images, too")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        box = self._asked(box, known.of("image"))
        return box if box.empty else box.grow(halo(self._layers(known)) * side(known.of("image")), 0)

    def measure(self, known: Known, *tiles: Any) -> Any:
        image: Tile = tiles[0]
        frame = known.of("image")
        low, high = self._limits(frame)
        partial = []
        for plane in planes(image, self.needs(known.box, "image", known), frame):
            noise, first = empty(3), empty(3)
            if plane.shape[0] > 2 * halo(self._layers(known)) and plane.shape[1]:
                fill(plane, self._layers(known), low, high, noise, first)
            partial.append({"noise": used(noise), "first": used(first)})
        return partial

    def merge(self, a: Any, b: Any) -> Any:
        return [{k: added(p[k], q[k]) for k in p} for p, q in zip(a, b, strict=True)]

    def finish(self, partial: Any, known: Known) -> Any:
        layers = self._layers(known)
        kept = known.state["found"] if known.state else [None] * len(partial)
        found = [k if k else found_noise(p, layers) for k, p in zip(kept, partial, strict=True)]
        if any(f is None for f in found) and layers > min(2, self.layers):
            return Again({"layers": layers - 1, "found": found})
        done = [f or clipped(p) for f, p in zip(found, partial, strict=True)]
        return report(colours(known.of("image")), done, ["noise"])

    def _asked(self, box: Box, frame: Frame) -> Box:
        """Return the rows of *box* that are measured; tiles of so wide an image hold one band at most."""
        if self.whole_image or min(frame.height, frame.width) < _LARGE:
            return box
        start = box.y0 // _PERIOD * _PERIOD
        asked = box.overlap(Box(start + _BAND[0], box.x0, start + _BAND[1], box.x1))
        return Box(box.y0, box.x0, box.y0, box.x1) if asked.empty else asked

    def _layers(self, known: Known) -> int:
        return int(known.state["layers"]) if known.state else self.layers

    def _limits(self, frame: Frame) -> tuple[float, float]:
        lo, hi = frame.known_bounds()
        low = -math.inf if self.range_low is None else lo + self.range_low * (hi - lo)
        return low, lo + self.range_high * (hi - lo)
