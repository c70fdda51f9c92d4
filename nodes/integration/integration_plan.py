"""IntegrationPlan: what each image is normalised and weighted with, and which are left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from ...engine.api import Frame, Known, ParameterError, Port, Process, param
from ._csv_weights import read_weights
from ._factors import (
    FROM_STATISTICS,
    LINKED,
    NORMALIZATIONS,
    REJECTION_NORMALIZATIONS,
    WEIGHT_MODES,
    Level,
    factors,
    from_header,
    from_measures,
    from_statistics,
    noise_of,
    scale_estimator,
    scale_factor,
    statistics_needed,
)  # fmt: skip

Normalization = Literal[
    "no_normalization", "additive", "multiplicative", "additive_with_scaling", "multiplicative_with_scaling",
    "local_normalization",
]  # fmt: skip
RejectionNormalization = Literal[
    "no_rejection_normalization", "scale", "equalize_fluxes", "local_rejection_normalization"
]
WeightMode = Literal[
    "auto", "dont_care", "exposure_time", "snr_estimate", "signal_weight", "median_weight", "average_weight",
    "keyword_weight", "psf_signal_weight", "psf_snr", "psf_scale_snr", "measured_weight", "csv_weights_file",
]  # fmt: skip
Reference = Literal["first", "best"]
Levels = list[list[Level]] | None
Modes = tuple[str, str]

# Of hundreds of images that cannot count so many are told why.
_TOLD = 8


class Normalizing(Process):
    """Parameters of normalisation and weights."""

    normalization: Normalization = param(
        default="additive_with_scaling",
        choices=NORMALIZATIONS,
        doc="how images are made alike before they are combined",
    )
    rejection_normalization: RejectionNormalization = param(
        default="scale",
        choices=REJECTION_NORMALIZATIONS,
        doc="how images are made alike before outliers are looked for",
    )
    weight_mode: WeightMode = param(
        default="auto",
        choices=WEIGHT_MODES,
        doc="what an image counts by; auto: psf_signal_weight where weights are linked, snr_estimate otherwise",
    )
    weight_keyword: str = param(default="", doc="header word of keyword_weight")
    csv_weights_file: str = param(
        default="", file="input", doc="csv_weights_file: a table with a line for each image: name, then 1 or 3 weights"
    )
    min_weight: float = param(
        default=0.005, low=0.0, high=1.0, doc="images of a lesser weight, as share of the greatest, are left out"
    )
    normalization_reference: Reference = param(
        default="first", choices=("first", "best"),
        doc="which image the others are made alike: the first that can be, or the one of the greatest weight",
    )  # fmt: skip

    def check(self) -> None:
        if self.weight_mode == "keyword_weight" and not self.weight_keyword:
            raise ParameterError("ImageIntegration: weight_mode 'keyword_weight' wants a weight_keyword, got none")
        if (self.weight_mode == "csv_weights_file") != bool(self.csv_weights_file):
            raise ParameterError(
                "ImageIntegration: weight_mode 'csv_weights_file' and the parameter csv_weights_file go together, "
                f"got {self.weight_mode!r} and {self.csv_weights_file!r}"
            )

    def weighting(self, linked: bool) -> str:
        """Return the weight mode, `auto` resolved by whether weights are *linked*."""
        if self.weight_mode == "auto":
            return "psf_signal_weight" if linked else "snr_estimate"
        return self.weight_mode

    def wants_statistics(self, rejecting: bool, linked: bool) -> bool:
        """Return whether IntegrationStatistics of the images are needed."""
        compared = statistics_needed(self.normalization) or (
            rejecting and statistics_needed(self.rejection_normalization)
        )
        return compared or self.by_statistics(linked)

    def by_statistics(self, linked: bool) -> bool:
        """Return whether weights follow from IntegrationStatistics: linked measures hold the SNR as well."""
        mode = self.weighting(linked)
        return mode in FROM_STATISTICS and not (linked and mode in LINKED)


class IntegrationPlan(Normalizing, id="integration.integration_plan", version=2):
    """Find, from measures of single images, how ImageIntegration treats each of them.

    The Value holds ``reference``, the number of the image that the others are normalised to, the modes
    (``normalization``, ``rejection_normalization``, ``weight_mode``), and ``frames``, one dict for each image:
    ``image`` (its number, from 0), ``excluded`` (why it is left out; empty when it is not), ``weight``, ``scale``
    and ``median`` of each channel, and ``rejection`` and ``output``: gain and offset of each channel for samples
    above black, in the unit of the first image. Weights are divided by the greatest.

    Images that cannot be normalised, such as those without samples, cannot be the reference, and are left out.
    Scales are the biweight ones, of all images alike; where quantisation leaves one of them at zero, those of
    trimmed deviations.
    """

    inputs = (
        Port("images", many=True, doc="the images to be integrated; the first gives the unit"),
        Port("statistics", "measures", many=True, optional=True, doc="IntegrationStatistics of each image"),
        Port("noise", "measures", many=True, optional=True, doc="Noise of each image"),
        Port("weights", "measures", many=True, optional=True, doc="measures of each image that hold its weight"),
    )
    outputs = (Port("measures", "measures", doc="factors and weights of each image"),)

    def compute(self, known: Known) -> dict[str, Any]:
        frames: tuple[Frame, ...] = known.frames["images"]
        self._same_number(known, len(frames))
        levels = _levels(known, frames)
        modes = (self.rejection_normalization, self.normalization)
        told = [
            {"image": at, "excluded": _trouble(levels[at] if levels else [], modes), "weight": weight}
            for at, weight in enumerate(self._weights(known, frames))
        ]
        self._exclude(told)
        reference = self._reference(told)
        for at, image in enumerate(told):
            image |= _treatment(at, levels, reference, modes, frames[0].nominal, bool(image["excluded"]))
        return {
            "reference": reference, "rejection_normalization": modes[0], "normalization": modes[1],
            "weight_mode": self.weighting("weights" in known.values), "frames": told,
        }  # fmt: skip

    def _same_number(self, known: Known, n: int) -> None:
        if "statistics" not in known.values and self.wants_statistics(True, "weights" in known.values):
            raise ParameterError("ImageIntegration: normalization and weights want statistics, nothing is linked")
        for port in ("statistics", "noise", "weights"):
            if port in known.values and len(known.values[port]) != n:
                raise ParameterError(f"ImageIntegration: {n} images, but {port} of {len(known.values[port])}")

    def _weights(self, known: Known, frames: Sequence[Frame]) -> list[list[float]]:
        """Return the weight of each image and channel as it was found."""
        mode, n = self.weighting("weights" in known.values), frames[0].nominal
        if mode == "dont_care":
            return [[1.0] * n for _ in frames]
        if mode == "csv_weights_file":
            return read_weights(self.csv_weights_file, len(frames), n)
        if mode in ("exposure_time", "keyword_weight"):
            keyword = "exposure" if mode == "exposure_time" else self.weight_keyword
            return [[w] * n for w in from_header(frames, keyword)]
        if not self.by_statistics("weights" in known.values):
            if "weights" not in known.values:
                raise ParameterError(
                    f"ImageIntegration: weight_mode {mode!r} wants the input 'weights', nothing is linked"
                )
            return [from_measures(mode, m, at, n) for at, m in enumerate(known.values["weights"])]
        statistics, noise = known.values["statistics"], known.values.get("noise")
        return [
            [
                from_statistics(mode, channel, noise_of(noise[at], c, n) if noise else None, frame.lo)
                for c, channel in enumerate(statistics[at]["channels"])
            ]
            for at, frame in enumerate(frames)
        ]

    def _exclude(self, told: list[dict[str, Any]]) -> None:
        """Divide weights by the greatest, and leave out images that cannot count."""
        for image in told:
            if not image["excluded"] and not all(math.isfinite(w) and w > 0.0 for w in image["weight"]):
                image["excluded"] = f"its weight is {image['weight']}, a positive number is wanted"
        usable = [image for image in told if not image["excluded"]]
        if not usable:
            reasons = "; ".join(f"image {at}: {image['excluded']}" for at, image in enumerate(told[:_TOLD]))
            reasons += f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
            raise ParameterError(f"ImageIntegration: no image is left to be integrated: {reasons}")
        greatest = [max(column) for column in zip(*(image["weight"] for image in usable), strict=True)]
        for image in told:
            image["weight"] = [
                w / g if math.isfinite(w) else 0.0 for w, g in zip(image["weight"], greatest, strict=True)
            ]
            least = min(image["weight"])
            if not image["excluded"] and least < self.min_weight:
                image["excluded"] = f"its weight is {least:.3g} of the greatest, at least {self.min_weight:g} is wanted"

    def _reference(self, told: list[dict[str, Any]]) -> int:
        """Return which image the others are normalised to; of equals the first."""
        usable = [at for at, image in enumerate(told) if not image["excluded"]]
        if self.normalization_reference == "first":
            return usable[0]
        return max(usable, key=lambda at: (sum(told[at]["weight"]), -at))


def _levels(known: Known, frames: Sequence[Frame]) -> Levels:
    """Return the levels of all images and channels; None where nothing was measured."""
    if "statistics" not in known.values:
        return None
    measured = [statistics["channels"] for statistics in known.values["statistics"]]
    scales = [scale_estimator(column) for column in zip(*measured, strict=True)]
    return [
        [Level.of(c, frame, frames[0], scale) for c, scale in zip(channels, scales, strict=True)]
        for channels, frame in zip(measured, frames, strict=True)
    ]


def _trouble(levels: Sequence[Level], modes: Modes) -> str:
    """Return why an image cannot be normalised; empty when it can, or is not."""
    compared = [mode for mode in modes if statistics_needed(mode)]
    return next((t for mode in compared for level in levels if (t := level.trouble(mode))), "")


def _treatment(
    at: int, levels: Levels, reference: int, modes: Modes, channels: int, excluded: bool
) -> dict[str, Any]:  # fmt: skip
    """Return the levels and factors of image *at*; *modes*: normalisation before rejection, and of the output."""
    plain = [[1.0, 0.0] for _ in range(channels)]
    if levels is None:
        return {"scale": [], "median": [], "rejection": plain, "output": plain}
    own, wanted = levels[at], levels[reference]
    scaled = all(level.low > 0.0 and level.high > 0.0 for level in (*own, *wanted))
    made = [
        plain if excluded else [list(factors(mode, a, b)) for a, b in zip(own, wanted, strict=True)] for mode in modes
    ]
    return {
        "scale": [scale_factor(a, b) for a, b in zip(own, wanted, strict=True)] if scaled else [],
        "median": [level.median for level in own],
        "rejection": made[0],
        "output": made[1],
    }
