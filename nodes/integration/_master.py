"""What the presets for calibration masters have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ...engine.api import Composite, Expand, Port, param
from ._settings import Rejection, automatic

_OUTPUTS = ("image", "rejection_low", "rejection_high", "weight", "measures")


class Master(Composite):
    """A preset of ImageIntegration."""

    inputs = (Port("images", many=True, doc="the frames to be integrated"),)
    outputs = (
        Port("image", doc="the master"),
        Port("rejection_low", doc="share of the frames rejected below"),
        Port("rejection_high", doc="share of the frames rejected above"),
        Port("weight", doc="share of the frames that were accepted"),
        Port("measures", "measures", doc="of each frame: factors, weight, shares of rejected samples"),
    )
    maskable = False
    # Whether frames hold an offset or dark current only; then even large stacks are not fitted by lines.
    calibration: ClassVar[bool] = True
    preset: ClassVar[Mapping[str, Any]] = {}

    rejection: Rejection = param(
        default="auto",
        choices=(
            "auto", "no_rejection", "min_max", "percentile_clip", "sigma_clip", "winsorized_sigma_clip",
            "averaged_sigma_clip", "linear_fit", "esd", "rcr", "ccd_clip",
        ),
        doc="how outliers are found; auto: by the number of frames",
    )  # fmt: skip
    sigma_low: float = param(
        default=4.0, low=0.0, high=10.0, usual=(1.5, 8.0), unit="sigma", doc="limit below, of all sigma clippings"
    )
    sigma_high: float = param(
        default=3.0, low=0.0, high=10.0, usual=(1.5, 6.0), unit="sigma", doc="limit above, of all sigma clippings"
    )
    linear_fit_low: float = param(
        default=5.0, low=0.0, high=10.0, usual=(2.0, 8.0), unit="sigma", doc="linear_fit: limit below"
    )
    linear_fit_high: float = param(
        default=3.5, low=0.0, high=10.0, usual=(2.0, 8.0), unit="sigma", doc="linear_fit: limit above"
    )

    def expand(self, add: Expand, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        images = feeds["images"]
        n = 1 if hasattr(images, "step") else len(images)
        values = {name: getattr(self, name) for name in Master.params}
        if self.rejection == "auto":
            values["rejection"] = automatic(n, self.calibration)
        parts = add(
            "integration.image_integration", "integration", images=images, weight_mode="dont_care",
            **self.preset, **values,
        )  # fmt: skip
        return {name: parts[name] for name in _OUTPUTS}
