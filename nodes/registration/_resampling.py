"""What all processes that resample images ask: how values between pixels are found, and what a failure becomes."""

from __future__ import annotations

from typing import Literal, get_args

from ...engine.api import Process, param

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos4", "lanczos5"]
Clamping = Literal["undershoot", "lobes", "none"]
OnFailure = Literal["error", "missing"]


class Resampling(Process):
    """The parameters of a resampling."""

    interpolation: Interpolation = param(
        default="lanczos3", choices=get_args(Interpolation), doc="how values between pixels are found"
    )
    clamping: Clamping = param(default="undershoot", choices=get_args(Clamping), doc="how ringing is limited")
    clamping_threshold: float = param(
        default=0.3, low=0.0, high=0.999, doc="for lobes: share of negative to positive contributions tolerated"
    )
    on_failure: OnFailure = param(
        default="error",
        choices=get_args(OnFailure),
        doc="what becomes of an image that could not be registered: an error, or an image of missing samples",
    )

    def resampling(self) -> dict[str, str | float]:
        """Return these parameters, to be handed on to a part that asks the same."""
        return {name: getattr(self, name) for name in Resampling.params}
