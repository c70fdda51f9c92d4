"""CometTransform: a registration on the stars turned into one on a moving object."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...engine.api import Known, ParameterError, Port, Process
from ._exposure_times import hours_between, middles
from ._maps import applied, composed, overlap


class CometTransform(Process, id="registration.comet_transform"):
    """Compose how an image lies on a reference with the way of a comet, so that the comet rests and stars move.

    With the comet at p + v (t - t0) on the reference, what shall lie at p is taken from there: the map is shifted
    by v (t - t0) before it is applied. The result is a transform as MatchStars gives them, for Warp,
    DrizzleIntegration or whatever takes one, so each pixel is interpolated once; ``shift`` and ``overlap`` are
    those of the new map, and ``comet`` is the shift [x, y] in pixels of the reference. An image that could not be
    registered stays so.
    """

    inputs = (
        Port("image", doc="the image; only its header counts"),
        Port("transform", "transform", doc="how it lies on the reference by its stars"),
        Port("motion", "measures", doc="the way of the comet, CometMotion's Value"),
    )
    outputs = (Port("transform", "transform", doc="how it lies on the reference by the comet"),)
    maskable = False

    def compute(self, known: Known) -> dict[str, Any]:
        transform, motion = known.values["transform"], known.values["motion"]
        if not isinstance(motion, Mapping) or not {"epoch", "velocity"} <= set(motion):
            raise ParameterError("CometTransform: a Value with 'epoch' and 'velocity' is wanted, CometMotion's")
        if transform["kind"] == "none":
            return dict(transform)
        (time,) = middles([known.of("image")], "CometTransform")
        passed = hours_between(dt.datetime.fromisoformat(motion["epoch"]), time)
        dx, dy = (float(v) * passed for v in motion["velocity"])
        return moved(transform, dx, dy)


def moved(transform: Mapping[str, Any], dx: float, dy: float) -> dict[str, Any]:
    """Return *transform* for an output whose pixels show what lies *dx*, *dy* further on the reference."""
    width, height = int(transform["reference_width"]), int(transform["reference_height"])
    inverse = composed([_shift(dx, dy)], transform["inverse"])
    x, y = applied(inverse, np.array([(width - 1) / 2]), np.array([(height - 1) / 2]))
    return {
        **transform,
        "inverse": inverse,
        "forward": composed(transform["forward"], [_shift(-dx, -dy)]),
        "shift": [float(x[0]) - (transform["width"] - 1) / 2, float(y[0]) - (transform["height"] - 1) / 2],
        "overlap": overlap(inverse, transform["width"], transform["height"], width, height),
        "comet": [dx, dy],
    }


def _shift(dx: float, dy: float) -> dict[str, Any]:
    return {"matrix": np.array([[1.0, 0.0, dx], [0.0, 1.0, dy], [0.0, 0.0, 1.0]])}
