"""ChannelLevels: each channel multiplied, less an offset and a plane."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Box, Known, ParameterError, Process, Tile, param


class ChannelLevels(Process, id="color.channel_levels"):
    """Multiply each channel by a factor and take an offset and a sloping plane from it.

    With v in the image's range (0 black, 1 white), and x, y counted in pixels from *x0*, *y0*::

        v * factor - offset - slope_x (x - x0) - slope_y (y - y0)

    Each parameter has one number for all channels or one for each; alpha channels are kept. Samples may leave the
    range, nothing is clipped. What offsets and slopes are is told by whoever measures a region: a sky that is to be
    gray or even, a star that is to be white.
    """

    factor: tuple[float, ...] = param(default=(1.0,), low=-1e6, high=1e6, doc="multiplies samples")
    offset: tuple[float, ...] = param(
        default=(0.0,), low=-1e6, high=1e6, doc="taken from samples, in the image's range"
    )
    slope_x: tuple[float, ...] = param(default=(0.0,), low=-1e6, high=1e6, doc="rise of the plane for each column")
    slope_y: tuple[float, ...] = param(default=(0.0,), low=-1e6, high=1e6, doc="rise of the plane for each row")
    x0: float = param(default=0.0, unit="px", doc="column where the plane is 0")
    y0: float = param(default=0.0, unit="px", doc="row where the plane is 0")

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        image: Tile = tiles[0]
        frame, box = known.of("image"), known.box
        lo, hi = frame.known_bounds()
        made = image.copy()
        for c in range(min(frame.nominal, len(image))):
            factor, offset, slope_x, slope_y = (self._of(name, c, frame.nominal) for name in _NAMES)
            plane = image[c].astype(np.float64)
            plane = lo + (plane - lo) * factor - offset * (hi - lo)
            if slope_x or slope_y:
                plane -= (hi - lo) * _plane(box, slope_x, slope_y, self.x0, self.y0)
            made[c] = plane
        return made

    def _of(self, name: str, channel: int, channels: int) -> float:
        given: tuple[float, ...] = getattr(self, name)
        if len(given) not in (1, channels):
            raise ParameterError(
                f"ChannelLevels: {name} has one number or one for each of the image's {channels} channels, "
                f"got {len(given)}"
            )
        return given[0] if len(given) == 1 else given[channel]


_NAMES = ("factor", "offset", "slope_x", "slope_y")


def _plane(box: Box, slope_x: float, slope_y: float, x0: float, y0: float) -> Any:
    x = np.arange(box.x0, box.x1) - x0
    y = np.arange(box.y0, box.y1) - y0
    return slope_x * x[None, :] + slope_y * y[:, None]
