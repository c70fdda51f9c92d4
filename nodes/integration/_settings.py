"""The parameters of combination and rejection, shared by the processes that make up ImageIntegration."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...engine.api import ParameterError, Process, param
from . import _rejection as reject
from ._line_bounds import line_bounds
from ._rejection import METHODS, Floats
from ._tables import esd_critical, rcr_numbers

Combination = Literal["average", "median", "minimum", "maximum"]
Rejection = Literal[
    "auto", "no_rejection", "min_max", "percentile_clip", "sigma_clip", "winsorized_sigma_clip",
    "averaged_sigma_clip", "linear_fit", "esd", "rcr", "ccd_clip",
]  # fmt: skip

# A limit that no sample exceeds; infinity times a dispersion of zero would be no number.
_OFF = 1e30


class Rejecting(Process):
    """Parameters of combination and rejection."""

    combination: Combination = param(
        default="average",
        choices=("average", "median", "minimum", "maximum"),
        doc="how the accepted samples are combined",
    )
    rejection: Rejection = param(
        default="no_rejection",
        choices=("auto", *METHODS),
        doc="how outliers are found; auto: by the number of images, as WeightedBatchPreprocessing chooses",
    )
    clip_low: bool = param(default=True, doc="reject outliers below")
    clip_high: bool = param(default=True, doc="reject outliers above")
    min_max_low: int = param(default=1, low=0, high=100000, doc="min_max: how many of the least samples are rejected")
    min_max_high: int = param(
        default=1, low=0, high=100000, doc="min_max: how many of the greatest samples are rejected"
    )
    pc_clip_low: float = param(
        default=0.2, low=0.0, high=1.0, doc="percentile_clip: limit below, as share of the median"
    )
    pc_clip_high: float = param(
        default=0.1, low=0.0, high=1.0, doc="percentile_clip: limit above, as share of the median"
    )
    sigma_low: float = param(
        default=4.0, low=0.0, high=10.0, usual=(1.5, 8.0), unit="sigma", doc="limit below, of all sigma clippings"
    )
    sigma_high: float = param(
        default=3.0, low=0.0, high=10.0, usual=(1.5, 6.0), unit="sigma", doc="limit above, of all sigma clippings"
    )
    winsorization_cutoff: float = param(
        default=5.0, low=3.0, high=10.0, unit="sigma", doc="samples beyond count as the median when tails are drawn in"
    )
    linear_fit_low: float = param(
        default=5.0, low=0.0, high=10.0, usual=(2.0, 8.0), unit="sigma", doc="linear_fit: limit below"
    )
    linear_fit_high: float = param(
        default=4.0, low=0.0, high=10.0, usual=(2.0, 8.0), unit="sigma", doc="linear_fit: limit above"
    )
    esd_outliers_fraction: float = param(default=0.3, low=0.0, high=1.0, doc="esd: greatest share of outliers")
    esd_alpha: float = param(
        default=0.05, low=1e-6, high=0.5, usual=(0.001, 0.3), doc="esd: probability of rejecting from clean samples"
    )
    esd_low_relaxation: float = param(default=1.0, low=1.0, high=5.0, doc="esd: how much harder it is to reject below")
    rcr_limit: float = param(
        default=0.1, low=0.0, high=1.0, doc="rcr: reject while fewer samples so far out are expected"
    )
    ccd_gain: float = param(default=1.0, low=1e-3, high=100.0, unit="e/DN", doc="ccd_clip: gain of the camera")
    ccd_read_noise: float = param(default=10.0, low=0.0, high=1000.0, unit="e", doc="ccd_clip: read noise")
    ccd_scale_noise: float = param(default=0.0, low=0.0, high=1.0, doc="ccd_clip: noise proportional to the signal")
    range_clip_low: bool = param(default=True, doc="reject samples at or below range_low")
    range_low: float = param(default=0.0, low=0.0, high=1.0, doc="share of the span from black to white")
    range_clip_high: bool = param(default=False, doc="reject samples at or above range_high")
    range_high: float = param(default=0.98, low=0.0, high=1.0, doc="share of the span from black to white")
    map_range_rejection: bool = param(default=True, doc="count samples beyond the range in the rejection maps")
    large_scale_clip_low: bool = param(
        default=False, doc="also reject the surroundings of large structures rejected below"
    )
    large_scale_clip_low_protected_layers: int = param(
        default=2, low=1, high=6, doc="structures of up to so many layers (2, 4, 8 ... px) are not large"
    )
    large_scale_clip_low_growth: int = param(default=2, low=1, high=20, unit="px", doc="how far large structures grow")
    large_scale_clip_high: bool = param(
        default=False, doc="also reject the surroundings of large structures rejected above, such as trails"
    )
    large_scale_clip_high_protected_layers: int = param(
        default=2, low=1, high=6, doc="structures of up to so many layers (2, 4, 8 ... px) are not large"
    )
    large_scale_clip_high_growth: int = param(default=2, low=1, high=20, unit="px", doc="how far large structures grow")

    truncate_on_out_of_range: bool = param(
        default=False, doc="clamp the result to the span from black to white; samples beyond it are kept otherwise"
    )

    def method(self, images: int) -> int:
        """Return the number of the rejection algorithm for a stack of *images*.

        Raises
        ------
        ParameterError
            There are too few images for it.
        """
        name = automatic(images) if self.rejection == "auto" else self.rejection
        fewest = 5 if name == "linear_fit" else 3
        if name != "no_rejection" and images < fewest:
            raise ParameterError(
                f"ImageIntegration: rejection {name!r} wants at least {fewest} images, got {images}; "
                "link more or set rejection to 'no_rejection'"
            )
        return METHODS.index(name)

    def numbers(self, method: int, span: float) -> Floats:
        """Return the numbers of an algorithm; see `_rejection.LOW`."""
        low, high, third = {
            reject.MIN_MAX: (self.min_max_low, self.min_max_high, 0.0),
            reject.PERCENTILE: (self.pc_clip_low, self.pc_clip_high, 0.0),
            reject.LINEAR: (self.linear_fit_low, self.linear_fit_high, 0.0),
            reject.ESD: (self.esd_low_relaxation, 0.0, self.esd_outliers_fraction),
            reject.RCR: (0.0, 0.0, self.rcr_limit),
        }.get(method, (self.sigma_low, self.sigma_high, self.winsorization_cutoff))
        if method in (reject.SIGMA, reject.WINSORIZED, reject.AVERAGED, reject.LINEAR, reject.CCD):
            low, high = low if self.clip_low else _OFF, high if self.clip_high else _OFF
        return np.array([low, high, third, 1.0 / span, self.ccd_gain, self.ccd_read_noise, self.ccd_scale_noise])

    def table(self, method: int, most: int) -> Floats:
        """Return what an algorithm looks up by the size of a stack of at most *most* samples."""
        if method == reject.ESD:
            return esd_critical(most, self.esd_alpha, self.esd_outliers_fraction).copy()
        if method == reject.RCR:
            return rcr_numbers(most).copy()
        if method == reject.LINEAR:
            low, high = self.numbers(method, 1.0)[:2]
            return line_bounds(most, float(low), float(high)).copy()
        return np.zeros((1, 1))

    @property
    def large_scale(self) -> tuple[tuple[bool, int, int], tuple[bool, int, int]]:
        """Whether, protected layers, growth: of the low and of the high side."""
        return (
            (self.large_scale_clip_low, self.large_scale_clip_low_protected_layers, self.large_scale_clip_low_growth),
            (
                self.large_scale_clip_high,
                self.large_scale_clip_high_protected_layers,
                self.large_scale_clip_high_growth,
            ),
        )


def automatic(images: int, calibration: bool = False) -> str:
    """Return the rejection that WeightedBatchPreprocessing chooses; *calibration*: biases or darks."""
    if images < 3:
        return "no_rejection"
    if images < 6:
        return "percentile_clip"
    return "winsorized_sigma_clip" if calibration or images <= 15 else "linear_fit"
