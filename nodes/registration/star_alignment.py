"""StarAlignment: a series of images brought to lie on one another, star on star."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from ...engine.api import Composite, Expand, Port, param
from ._resampling import Resampling
from .match_stars import Model


class StarAlignment(Composite, Resampling, id="registration.star_alignment"):
    """Align a series of images by their stars, each interpolated once.

    Made of DetectStars, ChooseReference and ReferenceFrame (when no reference is linked), MatchStars and Warp.
    An image that cannot be registered ends the run with a sentence that says why, or, with `on_failure`
    ``missing``, becomes an image of missing samples, which an integration passes over; its Value among the
    transforms says ``{"kind": "none", "why": ...}``. (PixInsight: StarAlignment, Register/Match images.)
    """

    inputs = (
        Port("images", many=True, doc="the images to be aligned, debayered if need be"),
        Port("reference", optional=True, doc="what to align on; left open, the best of the images is chosen"),
    )
    outputs = (
        Port("image", doc="the aligned series"),
        Port("transform", "transform", doc="how each image lies on the reference"),
        Port("reference", doc="the image they are aligned on"),
        Port("stars", "stars", doc="the stars of each image in the frame of the reference"),
    )
    maskable = False

    threshold: float = param(
        default=5.0, low=1.0, high=1000.0, usual=(2.0, 100.0), unit="sigma", doc="how far stars stand above the noise"
    )
    tolerance: float = param(
        default=2.0, low=0.1, high=50.0, usual=(0.5, 10.0), unit="px",
        doc="how far a star may lie from where the map puts it",
    )
    max_stars: int = param(
        default=1500, low=10, high=20000, doc="of how many of the brightest stars triangles are built at most"
    )
    keep_stars: int = param(default=0, low=0, doc="keep of the stars of an image the brightest so many; 0: all")
    model: Model = param(
        default="auto", choices=get_args(Model), doc="the kind of map; auto lets cross-validation choose"
    )
    highest_degree: int = param(default=7, low=2, high=7, doc="highest degree of polynomials tried")
    reference_index: int = param(
        default=-1, low=-1, doc="which image is the reference, from 0, when none is linked; -1 chooses the best"
    )

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        images, reference = feeds["images"], feeds.get("reference")
        detect = {"threshold": self.threshold, "max_stars": self.keep_stars}
        stars = add("registration.detect_stars", "stars", image=images, **detect)["stars"]
        if reference is None:
            choose = add("registration.choose_reference", "choose", stars=stars, frame_index=self.reference_index)
            wanted = choose["chosen"]
            choice = choose["choice"]
            reference = add("registration.reference_frame", "reference", images=images, choice=choice)["image"]
        else:
            wanted = add("registration.detect_stars", "reference-stars", image=reference, **detect)["stars"]
        transform = add(
            "registration.match_stars", "match", stars=stars, reference=wanted, tolerance=self.tolerance,
            max_stars=self.max_stars, model=self.model, highest_degree=self.highest_degree,
        )["transform"]  # fmt: skip
        warped = add(
            "registration.warp", "warp", image=images, transform=transform, reference=reference,
            **self.resampling(),
        )["image"]  # fmt: skip
        moved = add(
            "registration.transform_stars", "moved-stars", stars=stars, transform=transform, reference=reference
        )["stars"]
        return {"image": warped, "transform": transform, "reference": reference, "stars": moved}
