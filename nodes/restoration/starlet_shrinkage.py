"""StarletShrinkage: starlet coefficients below the noise, made smaller."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...engine.api import Box, Frame, Known, ParameterError, Port, Tile
from ._denoising import Denoising
from ._shrinking import Shrinking, even, reach, shrunk, uneven


class StarletShrinkage(Denoising, id="restoration.starlet_shrinkage"):
    """Do what MultiscaleNoiseReduction tells, with noise that is known."""

    inputs = (
        Port("image", doc="no mosaic"),
        Port("measures", "measures", optional=True, doc="from Noise, where the noise is not given"),
    )
    dear = True

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(reach(len(self.threshold))).overlap(known.of("image").box)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        frame, box = known.of("image"), known.box
        if frame.cfa is not None:
            raise ParameterError(
                f"MultiscaleNoiseReduction: the image is a colour filter mosaic ({frame.cfa}), whose neighbouring "
                "samples belong to different colours: put Debayer before it"
            )
        given = self.needs(box, "image", known)
        inner = (slice(box.y0 - given.y0, box.y1 - given.y0), slice(box.x0 - given.x0, box.x1 - given.x0))
        made = np.empty((len(tiles[0]), box.height, box.width), np.float32)
        how = Shrinking(self.threshold, self.amount, self.soft)
        for c, plane in enumerate(tiles[0]):
            made[c] = plane[inner] if c >= frame.nominal else self._channel(plane, c, known, how)[inner]
        return made

    def _channel(self, plane: Any, channel: int, known: Known, how: Shrinking) -> Any:
        wide = np.where(np.isfinite(plane), plane, np.nan).astype(np.float64)
        if self.gain > 0.0:
            lo, hi = known.of("image").known_bounds()
            gain, dark = self.gain / (hi - lo), lo + self.pedestal * (hi - lo)
            flat = even(wide - dark, gain, self.read_noise)
            return uneven(shrunk(flat, 1.0, how), gain, self.read_noise) + dark
        sigma = self._noise_of(channel, known)
        return shrunk(wide, sigma, how)

    def _noise_of(self, channel: int, known: Known) -> float:
        frame: Frame = known.of("image")
        if self.noise is not None:
            if len(self.noise) not in (1, frame.nominal):
                raise ParameterError(
                    f"MultiscaleNoiseReduction: noise has one number or one for each of {frame.nominal} channels, "
                    f"got {len(self.noise)}"
                )
            lo, hi = frame.known_bounds()
            return self.noise[min(channel, len(self.noise) - 1)] * (hi - lo)
        told = known.values.get("measures")
        if told is None:
            raise ParameterError("StarletShrinkage: noise is neither given nor measured; link measures, or give noise")
        sigma = float(told["channels"][channel]["noise"])
        return sigma if math.isfinite(sigma) else 0.0
