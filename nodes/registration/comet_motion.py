"""CometMotion: how a moving object crosses the stars of a series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...engine.api import Known, ParameterError, Port
from ._exposure_times import hours_between, middles
from ._maps import Floats, applied
from ._motion import Moving
from ._sky_motion import pixels_an_hour


class CometMotion(Moving, id="registration.comet_motion"):
    """Tell the straight and steady way of a comet over the reference of a registered series.

    It follows from one of three statements: the places of the nucleus in two or more frames (of more than two,
    the straight line of least squares through all), the rate in pixels an hour along x and y of the reference,
    or the rate on the sky in seconds of arc an hour and its position angle, as an ephemeris gives them, which
    wants a celestial solution of the reference and is taken at its CRVAL. Times are the middles of the
    exposures, from the words ``mid_time``, or ``start_time`` and ``exposure``, of each image.

    The Value::

        {"epoch": ..., "velocity": [x, y], "place": [x, y] or None, "rms": ..., "hours": [...]}

    velocity
        Pixels of the reference an hour.
    epoch
        The time at which the comet is where it is to stay: that of image `anchor`. ISO 8601, UTC.
    place
        Where it is then on the reference, in pixels; None where only a rate was given.
    rms
        Of the places along one axis about the line, in pixels; 0 for two of them.
    hours
        Of each image, since the epoch.
    """

    inputs = (
        Port("images", many=True, doc="the images that were registered; only their headers count"),
        Port("transforms", "transform", many=True, doc="how each lies on the reference"),
        Port("reference", doc="what they were registered on; only its frame counts"),
    )
    outputs = (Port("motion", "measures", doc="the comet's way over the reference"),)
    maskable = False

    def compute(self, known: Known) -> dict[str, Any]:
        times = middles(known.frames["images"], "CometMotion")
        if self.anchor >= len(times):
            raise ParameterError(
                f"CometMotion: anchor must lie in [0, {len(times) - 1}] for {len(times)} images, got {self.anchor}"
            )
        epoch = times[self.anchor]
        since = np.array([hours_between(epoch, time) for time in times])
        place, rms = None, 0.0
        if self.positions:
            place, velocity, rms = self._line(known, since)
        elif self.sky_rate > 0.0:
            velocity = pixels_an_hour(known.of("reference").wcs, self.sky_rate, self.position_angle, "CometMotion")
        elif self.rate_x or self.rate_y:
            velocity = [self.rate_x, self.rate_y]
        else:
            raise ParameterError(
                "CometMotion: where the comet goes is not said: give positions in two images, rate_x and rate_y, or "
                "sky_rate and position_angle"
            )
        return {
            "epoch": epoch.isoformat(), "velocity": velocity, "place": place, "rms": rms, "hours": since.tolist(),
        }  # fmt: skip

    def _line(self, known: Known, since: Floats) -> tuple[list[float], list[float], float]:
        """Return place at the epoch, velocity and rms of the line through the positions."""
        wrong = [p[0] for p in self.positions if not 0 <= p[0] < len(since)]
        if wrong:
            raise ParameterError(
                f"CometMotion: positions are of images 0 to {len(since) - 1}, got {', '.join(map(str, wrong))}"
            )
        at = np.array([since[p[0]] for p in self.positions])
        if np.ptp(at) == 0.0:
            raise ParameterError(
                f"CometMotion: places in at least two images of different times are wanted, got "
                f"{len(self.positions)} of one time"
            )
        places = np.array([self._on_reference(known, *p) for p in self.positions])
        lever = at - at.mean()
        velocity = (lever[:, None] * places).sum(axis=0) / (lever**2).sum()
        place = places.mean(axis=0) - velocity * at.mean()
        away = places - (place + at[:, None] * velocity)
        freedom = max(1, 2 * len(at) - 4)
        return place.tolist(), velocity.tolist(), math.sqrt(float((away**2).sum()) / freedom)

    def _on_reference(self, known: Known, image: int, x: float, y: float) -> tuple[float, float]:
        if self.positions_in == "registered":
            return x, y
        transform = known.values["transforms"][image]
        if transform["kind"] == "none":
            raise ParameterError(
                f"CometMotion: a place is given in image {image}, which could not be registered: "
                f"{transform['why']}"
            )
        px, py = applied(transform["forward"], np.array([x]), np.array([y]))
        return float(px[0]), float(py[0])
