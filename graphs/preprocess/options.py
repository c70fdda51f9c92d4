"""What preprocessing is to make, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...engine.errors import ParameterError
from .combine import COMBINATIONS, PICTURES, Combine, Picture

Keep = Literal["calibrated", "registered"]
KEEPS: tuple[Keep, ...] = ("calibrated", "registered")
REJECTIONS = (
    "auto", "no_rejection", "min_max", "percentile_clip", "sigma_clip", "winsorized_sigma_clip",
    "averaged_sigma_clip", "linear_fit", "esd", "rcr", "ccd_clip",
)  # fmt: skip
DEBAYERS = ("vng", "bilinear", "superpixel")
NORMALIZATIONS = ("auto", "global", "local")
WEIGHT_MODES = {
    "noise": "snr_estimate",
    "psf": "psf_signal_weight",
    "psf_snr": "psf_snr",
    "exposure": "exposure_time",
    "keyword": "keyword_weight",
    "formula": "measured_weight",
    "none": "dont_care",
}
"""What a light may count by -> the weight mode of ImageIntegration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is to be made.

    Attributes
    ----------
    register
        Align all lights of an object on one reference; without it frames are stacked as they lie.
    cosmetic
        Replace hot pixels.
    rejection
        Of outliers in lights, see ImageIntegration; auto goes by the number of frames.
    debayer
        How colours are made of a mosaic.
    approval
        A formula over the figures of each light, see SubframeSelector; lights for which it is false are left out.
    weights
        What a light counts by: its noise against its scale; the signal of its stars (psf), or that against noise
        (psf_snr); its exposure; a header word (`weight_keyword`); a formula over its figures (`weighting`); nothing,
        all alike.
    weighting, weight_keyword
        For weights ``formula`` and ``keyword``.
    normalization
        Levels of lights are made alike as a whole (global), or place by place (local), which also takes gradients
        that change in the course of a night; auto is local where three or more lights are registered.
    measures
        Measure each light, and what is rejected of it, for the report. Without it only what the masters themselves
        need is measured.
    keep
        Also write the frames themselves: calibrated, registered.
    combine
        Make a picture of the masters: lrgb, rgb, osc or sho; auto makes those of them that there are masters for.
    pictures
        Which files of a combination are written: the linear image, the stretched one, that as a picture (PNG).
    previews
        Also write each master as a picture, stretched for the eye.
    """

    register: bool = True
    cosmetic: bool = True
    rejection: str = "auto"
    debayer: str = "vng"
    approval: str = ""
    weights: str = "noise"
    weighting: str = ""
    weight_keyword: str = ""
    normalization: str = "auto"
    measures: bool = True
    keep: tuple[Keep, ...] = ()
    combine: Combine = "none"
    pictures: tuple[Picture, ...] = PICTURES
    previews: bool = False

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("rejection", self.rejection, REJECTIONS),
            ("debayer", self.debayer, DEBAYERS),
            ("weights", self.weights, tuple(WEIGHT_MODES)),
            ("normalization", self.normalization, NORMALIZATIONS),
            ("combine", self.combine, COMBINATIONS),
            *(("keep", k, KEEPS) for k in self.keep),
            *(("pictures", p, PICTURES) for p in self.pictures),
        ):
            if value not in choices:
                raise ParameterError(f"preprocess: {name} must be one of {', '.join(choices)}, got {value!r}")
        if not self.pictures:
            raise ParameterError(f"preprocess: pictures must be some of {', '.join(PICTURES)}, got none")
        local = self.normalization == "local"
        for what, wanted in (("keep registered", "registered" in self.keep), ("local normalization", local)):
            if wanted and not self.register:
                raise ParameterError(f"preprocess: {what} wants registration, which is off")
        for what, mode, value in (
            ("weighting", "formula", self.weighting), ("weight_keyword", "keyword", self.weight_keyword)
        ):  # fmt: skip
            if bool(value.strip()) != (self.weights == mode):
                raise ParameterError(
                    f"preprocess: {what} and weights '{mode}' go together, got {value!r} and weights '{self.weights}'"
                )

    @property
    def measured(self) -> bool:
        """Whether the figures of each light are wanted, be it only to judge it."""
        return self.measures or bool(self.approval.strip())
