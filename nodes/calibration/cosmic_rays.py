"""Removing cosmic rays from single frames."""

from __future__ import annotations

import numpy as np

from ...engine.api import Box, Frame, Known, ParameterError, Port, Process, Tile, param
from ._defects import step_of
from ._lacosmic import HALO, Limits, cleaned
from ._masters import data_number


class CosmicRays(Process, id="calibration.cosmic_rays"):
    """Find cosmic rays by their sharp edges and replace them by the median of their sound neighbours.

    L.A.Cosmic: the Laplacian of the image, taken on a grid twice as fine, in units of the expected noise, must
    exceed `sig_clip` when its own 5 x 5 median is taken off, and `obj_lim` times the fine structure of the image
    in the same units, which spares stars. Neighbours of what is found join it from `sig_clip` on, and their
    neighbours from ``sig_frac * sig_clip`` on. Found samples are replaced by the median of the others within 2
    pixels (4 if there are none), and the search is repeated up to `iterations` times. The planes of a Bayer
    mosaic are cleaned each for itself. Missing samples do not count.

    Raise `obj_lim` where stars are narrower than 2 pixels; lower it to 2 where they are broad, as long, broad
    trails are then removed whole. A star that a ray has crossed may lose samples of its own. Stacks of many frames
    need none of this: integration rejects cosmic rays.

    Method: van Dokkum 2001, PASP 113, 1420. Defaults, the units of `obj_lim` and the protection of saturated stars
    follow the programs that came after the paper.
    """

    inputs = (Port("image"),)
    outputs = (Port("image"), Port("rays", doc="1 where a sample was replaced, else 0"))
    requires = "linear"
    edge = "missing"

    sig_clip: float = param(
        default=4.5, low=0.1, high=100.0, usual=(3.0, 20.0), unit="sigma",
        doc="significance of the Laplacian of a cosmic ray",
    )
    sig_frac: float = param(
        default=0.3, low=0.01, high=1.0, doc="the share of that significance which a neighbour must have"
    )
    obj_lim: float = param(
        default=5.0, low=0.0, high=1000.0, usual=(1.0, 20.0),
        doc="how many times sharper than the structure of the image",
    )
    gain: float = param(default=1.0, low=1e-4, high=1e4, unit="e-/DN", doc="electrons per data number")
    read_noise: float = param(default=6.5, low=0.01, high=1e4, unit="e-", doc="read noise")
    sky: float = param(
        default=0.0, low=0.0, high=65535.0, unit="DN", doc="subtracted level whose noise is still in the frame"
    )
    saturation: float = param(
        default=0.95, low=0.0, high=1.0, doc="part of the range from which on extended samples are cores of stars"
    )
    iterations: int = param(default=4, low=1, high=10, doc="most rounds of search and replacement")

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        if image.cfa is not None and len(image.cfa) != 4:
            raise ParameterError(
                "CosmicRays: wanted is an image without a mosaic or a Bayer mosaic, "
                f"got one with a cell of {len(image.cfa)} filters"
            )
        return image.with_(bounds=(0.0, 1.0), unit="") if known.port == "rays" else image

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(self._margin(known.of("image")))

    def pixels(self, known: Known, image: Tile) -> Tile:
        frame = known.of("image")
        margin, step = self._margin(frame), step_of(frame, None)
        inner = image[:, margin:-margin, margin:-margin]
        out = inner.copy()
        limits, rounds = self._limits(frame), HALO * self.iterations
        for c in range(frame.nominal):
            for y in range(min(step, out.shape[1])):
                for x in range(min(step, out.shape[2])):
                    plane, rays = cleaned(image[c, y::step, x::step], limits, self.iterations)
                    found = rays if known.port == "rays" else plane
                    out[c, y::step, x::step] = found[rounds:-rounds, rounds:-rounds]
        missing = ~np.isfinite(inner)
        out[missing] = inner[missing]
        return out

    def _margin(self, frame: Frame) -> int:
        return HALO * self.iterations * step_of(frame, None)

    def _limits(self, frame: Frame) -> Limits:
        number = data_number(frame)
        return Limits(
            sigma=self.sig_clip,
            neighbour=self.sig_frac * self.sig_clip,
            contrast=self.obj_lim,
            gain_variance=number / self.gain,
            sky=self.sky * number,
            read_variance=(self.read_noise / self.gain * number) ** 2,
            saturation=frame.lo + self.saturation * (frame.hi - frame.lo),
        )
