"""ImageIntegration: a stack of images into one, with outliers rejected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Composite, Expand, ParameterError, Port, param
from ._factors import LINKED
from ._integration import PARTS
from ._rejection import METHODS
from ._settings import Rejecting
from .integration_plan import Normalizing


class ImageIntegration(Composite, Rejecting, Normalizing, id="integration.image_integration"):
    """Normalise, weigh and combine images, leaving out outliers; the first usable image is the reference.

    For each pixel: samples that are missing, exactly black (holes) or beyond the range are taken out; the rest
    is normalised for rejection and sorted, and samples are taken off the ends as `rejection` says; what remains
    is normalised for output and combined. A pixel of which nothing remains gets the median of all its raw
    samples. Every channel is integrated on its own; alpha channels are left out. At least three images are
    wanted for rejection (five for linear_fit), one without.

    Outputs besides the image: shares of the images rejected below and above (samples beyond the range
    included, if `map_range_rejection`), the weight (the accepted images' share of all weights: 1 where all
    count), and per image its factors, weight and rejected shares. Where no image has a sample, all are missing.

    Method, parameters and defaults: PixInsight's ImageIntegration. Different from there: every sample beyond
    black and white is kept, nothing is rescaled; each stack with negative samples is lifted on its own, not a
    whole row; rejection takes samples off the ends of a sorted stack only; black is the lower bound of an
    image, so that holes are samples at that value.

    Made of IntegrationStatistics and Noise (of each image), IntegrationPlan, Integrate, IntegrationOutput,
    RejectionReport and RejectedSamples.
    """

    inputs = (
        Port("images", many=True, doc="the images to be integrated; the first gives bounds, unit and header"),
        Port("weights", "measures", many=True, optional=True, doc="measures of each image that hold its weight"),
        Port(
            "statistics", "measures", many=True, optional=True,
            doc="IntegrationStatistics of each image, where they are not to be taken from the images themselves",
        ),
        Port("normalized", many=True, optional=True, doc="the same images from LocalNormalization"),
    )  # fmt: skip
    outputs = (
        Port("image", doc="the integrated image"),
        Port("rejection_low", doc="share of the images rejected below"),
        Port("rejection_high", doc="share of the images rejected above"),
        Port("weight", doc="share of the weights that were accepted"),
        Port("measures", "measures", doc="of each image: factors, weight, shares of rejected samples"),
        Port("plan", "measures", doc="the same without shares, for which no image is integrated"),
        Port("rejected", doc="1 for the rejected samples of each image, for DrizzleIntegration"),
    )
    maskable = False

    whole_image_statistics: bool = param(
        default=False, doc="measure levels and noise, and count rejected samples, in every row of large images, too"
    )
    subtract_pedestals: bool = param(default=False, doc="subtract what the header word PEDESTAL tells from each image")

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        images = _series(feeds["images"])
        method = METHODS[self.method(len(images))]
        if self.subtract_pedestals:
            images = _series(add("calibration.subtract_pedestal", "pedestal", image=images)["image"])
        normalized, local = feeds.get("normalized"), self._local(feeds)
        plan = self._plan(add, images, feeds, method != METHODS[0])
        settings = {name: getattr(self, name) for name in Rejecting.params} | {"rejection": method}
        whole = {"images": images, "normalized": normalized if any(local) else None, "plan": plan}
        made = add(
            "integration.integrate", "integrate", **whole, **settings, local_rejection=local[0], local_output=local[1]
        )["image"]  # fmt: skip
        outputs: dict[str, Any] = {
            part: add("integration.integration_output", part, image=made, part=part)["image"] for part in PARTS
        }
        report = add("integration.rejection_report", "report", **whole, **settings, local_rejection=local[0],
                     whole_image=self.whole_image_statistics)
        rejected = add("integration.rejected_samples", "rejected", **whole, **settings, local_rejection=local[0])
        return {**outputs, "measures": report["measures"], "plan": plan, "rejected": rejected["image"]}

    def _local(self, feeds: Mapping[str, Any]) -> tuple[bool, bool]:
        """Return whether rejection and output take locally normalised images."""
        local = (
            self.rejection_normalization == "local_rejection_normalization", self.normalization == "local_normalization"
        )  # fmt: skip
        given = feeds.get("normalized")
        if any(local) and given is None:
            raise ParameterError(
                "ImageIntegration: local normalization wants the input 'normalized', nothing is linked"
            )
        if any(local) and len(_series(given)) != len(_series(feeds["images"])):
            raise ParameterError(
                f"ImageIntegration: {len(_series(feeds['images']))} images, but {len(_series(given))} normalized"
            )
        return local

    def _plan(self, add: Expand, images: Any, feeds: Mapping[str, Any], rejecting: bool) -> Any:
        weights, statistics, noise = feeds.get("weights"), feeds.get("statistics"), None
        mode = self.weighting(weights is not None)
        if self.wants_statistics(rejecting, weights is not None) and statistics is None:
            statistics = add("integration.integration_statistics", "statistics", image=images,
                             whole_image=self.whole_image_statistics)["measures"]
        if mode == "snr_estimate" and weights is None:
            noise = add("measure.noise", "noise", image=images, whole_image=self.whole_image_statistics)["measures"]
        alike = {} if rejecting else {"rejection_normalization": "no_rejection_normalization"}
        return add(
            "integration.integration_plan", "plan", images=images, statistics=statistics, noise=noise,
            weights=weights if mode in LINKED else None,
            **{name: getattr(self, name) for name in Normalizing.params} | {"weight_mode": mode} | alike,
        )["measures"]  # fmt: skip


def _series(feed: Any) -> tuple[Any, ...]:
    """Return the feeds of a `many` port: a single feed is itself a tuple of step and port, but no series."""
    return (feed,) if hasattr(feed, "step") else tuple(feed)
