"""Subtracts the level that the unexposed edge of a sensor tells, and cuts that edge off."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Again, Box, Frame, Known, ParameterError, Process, Summaries, Tile, carry, param, shifting
from . import _cfa

Corners = tuple[int, int, int, int]
Pair = tuple[int, int, int, int, int, int, int, int]

# Samples at the very ends of the range are dead or saturated, not a level.
_LOW, _HIGH = 2e-5, 0.99998


class OverscanCorrection(Process, id="calibration.overscan_correction"):
    """Subtract from target regions the level measured in overscan regions, then crop to the image.

    The level of a target region is the mean of the medians of all source regions paired with it, per
    channel, over samples strictly within (2e-5, 0.99998) of the range.

    Method: PixInsight's ImageCalibration, overscan correction.
    """

    requires = "linear"
    maskable = False

    regions: tuple[Pair, ...] = param(
        low=0, unit="px", doc="pairs of source and target: y0, x0, y1, x1 of the one, then of the other"
    )
    image_box: Corners | None = param(
        default=None, low=0, unit="px", doc="y0, x0, y1, x1 of what remains; none: the whole frame"
    )

    def check(self) -> None:
        if not self.regions:
            raise ParameterError("OverscanCorrection: regions must name at least one pair, got none")
        for box in [b for pair in self._pairs for b in pair] + ([self._image] if self._image else []):
            if box.empty:
                raise ParameterError(f"OverscanCorrection: a region must hold pixels, got {box}")

    @property
    def _pairs(self) -> list[tuple[Box, Box]]:
        return [(Box(*pair[:4]), Box(*pair[4:])) for pair in self.regions]

    @property
    def _image(self) -> Box | None:
        return None if self.image_box is None else Box(*self.image_box)

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        named = [("source", s) for s, _ in self._pairs] + [("target", t) for _, t in self._pairs]
        for what, box in [*named, ("image", self._image or image.box)]:
            if not image.box.contains(box):
                raise ParameterError(
                    f"OverscanCorrection: the {what} region {box} must lie in the frame of "
                    f"{image.height} rows and {image.width} columns"
                )
        if self._image is None:
            return image
        y0, x0 = self._image.y0, self._image.x0
        cropped = image.with_(
            height=self._image.height, width=self._image.width, cfa=_cfa.shifted(image.cfa, y0, x0)
        )
        return carry(cropped, shifting(-x0, -y0))

    def needs(self, box: Box, port: str, known: Known) -> Box:
        # While levels are measured, boxes are those of the uncropped frame.
        if known.measured is None or self._image is None:
            return box
        return box.shift(self._image.y0, self._image.x0)

    def measure(self, known: Known, *tiles: Any) -> Any:
        (image,) = tiles
        frame = known.of("image")
        planes: Any = [
            plane[part.y0 : max(part.y0, part.y1), part.x0 : max(part.x0, part.x1)]
            for part in (s.overlap(known.box).shift(-known.box.y0, -known.box.x0) for s, _ in self._pairs)
            for plane in image[: frame.nominal]
        ]
        return self._summaries(frame).measure(planes, known.state, known.box)

    def merge(self, a: Any, b: Any) -> Any:
        return _MERGER.merge(a, b)

    def finish(self, partial: Any, known: Known) -> dict[str, Any] | Again:
        frame = known.of("image")
        found = self._summaries(frame).finish(partial, known.state)
        if isinstance(found, Again):
            return found
        medians = np.array([s.median for s in found]).reshape(len(self.regions), frame.nominal)
        for (source, _), row in zip(self._pairs, medians, strict=True):
            if np.isnan(row).any():
                raise ParameterError(
                    f"OverscanCorrection: the source region {source} has no sample within the range {frame.bounds}"
                )
        targets = list(dict.fromkeys(target for _, target in self._pairs))
        levels = [medians[[t == target for _, t in self._pairs]].mean(axis=0) for target in targets]
        return {"targets": [list(t) for t in targets], "levels": [level.tolist() for level in levels]}

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        out: npt.NDArray[np.float32] = tiles[0].copy()
        seen = known.box if self._image is None else known.box.shift(self._image.y0, self._image.x0)
        for target, levels in zip(known.measured["targets"], known.measured["levels"], strict=True):
            part = Box(*target).overlap(seen).shift(-seen.y0, -seen.x0)
            if part.empty:
                continue
            for plane, level in zip(out, levels, strict=False):  # alpha channels have no level
                plane[part.y0 : part.y1, part.x0 : part.x1] -= np.float64(level)
        return out

    def _summaries(self, frame: Frame) -> Summaries:
        lo, hi = frame.known_bounds()
        return Summaries(mad=False, above=lo + _LOW * (hi - lo), below=lo + _HIGH * (hi - lo))


_MERGER = Summaries(mad=False)
