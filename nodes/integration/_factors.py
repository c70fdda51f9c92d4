"""From measures of single images to what each is multiplied by, shifted by and weighted with.

Samples are counted above black, in the unit of the first image, the reference. Formulas: PixInsight's
ImageIntegration (normalization, rejection normalization, weights).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...engine.api import Frame, ParameterError

NORMALIZATIONS = (
    "no_normalization", "additive", "multiplicative", "additive_with_scaling", "multiplicative_with_scaling",
    "local_normalization",
)  # fmt: skip
REJECTION_NORMALIZATIONS = ("no_rejection_normalization", "scale", "equalize_fluxes", "local_rejection_normalization")
_SAME_AS = {
    "scale": "additive_with_scaling",
    "equalize_fluxes": "multiplicative",
    "no_rejection_normalization": "no_normalization",
    "local_rejection_normalization": "local_normalization",
}

WEIGHT_MODES = (
    "auto", "dont_care", "exposure_time", "snr_estimate", "signal_weight", "median_weight", "average_weight",
    "keyword_weight", "psf_signal_weight", "psf_snr", "psf_scale_snr", "measured_weight", "csv_weights_file",
)  # fmt: skip
# Weights that are read from linked measures, and under which name: those of SubframeMeasures.
LINKED = {
    "psf_signal_weight": "PSFSignalWeight",
    "psf_snr": "PSFSNR",
    "psf_scale_snr": "PSFScaleSNR",
    "measured_weight": "Weight",
    # Of the frames as they were taken, which is better: interpolation takes noise away.
    "snr_estimate": "SNR",
}
# Weights that follow from IntegrationStatistics where they are not linked.
FROM_STATISTICS = {"snr_estimate", "signal_weight", "median_weight", "average_weight"}


def statistics_needed(normalization: str) -> bool:
    """Return whether a normalisation, of output or rejection, compares statistics."""
    return _SAME_AS.get(normalization, normalization) not in ("no_normalization", "local_normalization")


@dataclass(frozen=True, slots=True)
class Level:
    """Location and two-sided scale of one channel, above black, in the unit of the reference."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, channel: Mapping[str, float], frame: Frame, reference: Frame, scale: str) -> Level:
        unit = (reference.hi - reference.lo) / (frame.hi - frame.lo)
        low, high = channel[f"{scale}_low"] * unit, channel[f"{scale}_high"] * unit
        return cls((channel["median"] - frame.lo) * unit, low, high)

    def trouble(self, normalization: str) -> str:
        """Return why an image cannot be normalised so; empty when it can."""
        mode = _SAME_AS.get(normalization, normalization)
        if not math.isfinite(self.median):
            return "it has no sample between black and white"
        if "multiplicative" in mode and self.median <= 0.0:
            return f"its median is at or below black ({self.median:g})"
        if "scaling" in mode and (self.low <= 0.0 or self.high <= 0.0):
            return "its samples have no dispersion on one side of the median"
        return ""


def scale_estimator(channels: Sequence[Mapping[str, float]]) -> str:
    """Return which of the scales of IntegrationStatistics all images are compared by.

    In coarsely quantised images more than half of the samples on a side may equal the median, which leaves the
    biweight scale at zero. Then all images are compared by their trimmed deviations, so that like meets like.
    """
    for c in channels:
        noisy = c["noise_scale_low"] > 0.0 and c["noise_scale_high"] > 0.0
        if noisy and not (c["scale_low"] > 0.0 and c["scale_high"] > 0.0):
            return "noise_scale"
    return "scale"


def scale_factor(image: Level, reference: Level) -> float:
    """Return S: the mean of the ratios of both sides, which is not the ratio of their means."""
    return 0.5 * (reference.low / image.low + reference.high / image.high)


def factors(normalization: str, image: Level | None, reference: Level | None) -> tuple[float, float]:
    """Return gain and offset of an image."""
    mode = _SAME_AS.get(normalization, normalization)
    if image is None or reference is None or image is reference or mode in ("no_normalization", "local_normalization"):
        return 1.0, 0.0
    if mode == "additive":
        return 1.0, reference.median - image.median
    if mode == "multiplicative":
        return reference.median / image.median, 0.0
    s = scale_factor(image, reference)
    if mode == "additive_with_scaling":
        return s, reference.median - image.median * s
    return s * reference.median / image.median, 0.0


# -- weights -----------------------------------------------------------------------------------------------


def from_header(frames: Sequence[Frame], keyword: str) -> list[float]:
    """Return a number of each frame's header: the normalised word, else the raw one.

    Raises
    ------
    ParameterError
        Some frames have none; all of them are named.
    """
    found, missing = [], []
    for at, frame in enumerate(frames):
        told = frame.word(keyword.lower())
        told = frame.card(keyword) if told is None else told
        try:
            found.append(float("none" if told is None else told))
        except ValueError:
            missing.append(at)
    if missing:
        raise ParameterError(
            f"ImageIntegration: a weight by header word {keyword!r} wants a number in every image; "
            f"images {', '.join(map(str, missing))} have none"
        )
    return found


def noise_of(measures: Mapping[str, Any], at: int, channels: int) -> float:
    """Return the noise of channel *at*; of a mosaic, whose colours are told apart, that of all."""
    told = measures["channels"]
    return float(told[at]["noise"] if len(told) == channels else measures["noise"])


def from_statistics(mode: str, channel: Mapping[str, float], noise: float | None, black: float) -> float:
    """Return the weight of one channel by its own statistics; legacy modes count samples above black."""
    if mode == "signal_weight":
        return channel["avg_dev"]
    if mode == "median_weight":
        return channel["median"] - black
    if mode == "average_weight":
        return channel["mean"] - black
    if noise is None:
        raise ParameterError("ImageIntegration: weight_mode 'snr_estimate' wants noise estimates, got none")
    scale = 0.5 * (channel["noise_scale_low"] + channel["noise_scale_high"])
    return (scale / noise) ** 2 if noise > 0.0 else math.nan


def from_measures(mode: str, measures: Any, at: int, channels: int) -> list[float]:
    """Return the weight of each channel out of the linked measures of image *at*."""
    name = LINKED[mode]
    value = measures.get(name) if isinstance(measures, Mapping) else None
    if value is None and isinstance(measures, Mapping) and "channels" in measures:
        value = [c.get(name) for c in measures["channels"]]
    told = list(value) if isinstance(value, list | tuple) else [value]
    if None in told or len(told) not in (1, channels):
        has = ", ".join(sorted(measures)) if isinstance(measures, Mapping) else type(measures).__name__
        raise ParameterError(
            f"ImageIntegration: weight_mode {mode!r} wants {name!r} in the linked weights (1 or {channels} numbers), "
            f"image {at} has {has}"
        )
    numbers = [float(v) for v in told if v is not None]
    return numbers if len(numbers) == channels else numbers * channels
