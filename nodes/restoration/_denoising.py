"""Parameters of noise reduction by scale."""

from __future__ import annotations

from ...engine.api import ParameterError, Process, param
from ._shrinking import LAYER_NOISE


class Denoising(Process):
    """Parameters of noise reduction by scale, shared by MultiscaleNoiseReduction and StarletShrinkage."""

    threshold: tuple[float, ...] = param(
        default=(3.0, 3.0, 2.0, 1.0), low=0.0, high=20.0, usual=(0.0, 6.0), unit="sigma",
        doc="one for each starlet layer, finest first: what is below is noise",
    )  # fmt: skip
    amount: tuple[float, ...] = param(
        default=(1.0, 1.0, 0.8, 0.6), low=0.0, high=1.0, doc="what of it goes, layer by layer"
    )
    soft: bool = param(default=False, doc="all other coefficients lose as much, which leaves no specks")
    noise: tuple[float, ...] | None = param(
        default=None, low=0.0, high=1.0,
        doc="standard deviation of the noise in the image's range, for all channels or each; none: it is measured",
    )  # fmt: skip
    gain: float = param(
        default=0.0, low=0.0, high=1e9, usual=(0.0, 1e6), unit="e-/image",
        doc="electrons from black to white, where noise grows with light; 0: noise is even",
    )  # fmt: skip
    read_noise: float = param(
        default=0.0, low=0.0, high=1e5, usual=(0.0, 50.0), unit="e-", doc="of the camera, where gain is given"
    )
    pedestal: float = param(
        default=0.0, low=-1.0, high=1.0, usual=(-0.5, 0.5), unit="image",
        doc="what stands for no light in the image's range, where gain is given",
    )  # fmt: skip

    def check(self) -> None:
        if len(self.threshold) != len(self.amount) or not 1 <= len(self.threshold) <= len(LAYER_NOISE):
            raise ParameterError(
                f"MultiscaleNoiseReduction: threshold and amount have one number for each of 1 to {len(LAYER_NOISE)} "
                f"layers, got {len(self.threshold)} and {len(self.amount)}"
            )
