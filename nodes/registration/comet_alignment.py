"""CometAlignment: a series of images brought to lie on one another by a moving object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Composite, Expand, Port
from ._motion import Moving
from ._resampling import Resampling


class CometAlignment(Composite, Moving, Resampling, id="registration.comet_alignment"):
    """Align a series on a comet: it rests, and the stars trail.

    Made of CometMotion, CometTransform and Warp. It begins, like StarAlignment, with the images as they were
    taken, and with StarAlignment's transforms; stars and comet are composed to one map, so that each pixel is
    interpolated once. Where the comet goes is said by its places in two or more images, by its rate in pixels
    an hour, or by its rate and position angle on the sky. (PixInsight: CometAlignment.)
    """

    inputs = (
        Port("images", many=True, doc="the images as they were given to StarAlignment"),
        Port("transforms", "transform", many=True, doc="StarAlignment's transforms"),
        Port("reference", doc="what the stars were aligned on: StarAlignment's reference"),
    )
    outputs = (
        Port("image", doc="the series, aligned on the comet"),
        Port("transform", "transform", doc="how each image lies on the reference by the comet"),
        Port("motion", "measures", doc="the comet's way over the reference"),
    )
    maskable = False

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        images, transforms, reference = feeds["images"], feeds["transforms"], feeds["reference"]
        motion = add(
            "registration.comet_motion", "motion", images=images, transforms=transforms, reference=reference,
            **self.motion(),
        )["motion"]  # fmt: skip
        composed = add("registration.comet_transform", "compose", image=images, transform=transforms, motion=motion)
        transform = composed["transform"]
        image = add(
            "registration.warp", "warp", image=images, transform=transform, reference=reference, **self.resampling()
        )["image"]
        return {"image": image, "transform": transform, "motion": motion}
