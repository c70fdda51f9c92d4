"""What a fit over time makes of a series, image by image."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...engine.api import Frame
from . import _conclude as c
from ._significance import upper_limit

Floats = npt.NDArray[np.float64]
Part = Literal[
    "mean", "amplitude", "amplitude_raw", "amplitude_err", "phase", "phase_err", "power", "statistic", "significance",
    "used", "clipped", "period", "period_err", "upper95",
    "amplitude_debiased", "components",
]  # fmt: skip

SINGLE = (
    "mean", "amplitude", "amplitude_raw", "amplitude_err", "phase", "phase_err", "power", "statistic", "significance",
    "used", "clipped", "period", "period_err", "upper95", "amplitude_debiased",
)  # fmt: skip
PARTS = (*SINGLE, "components")

DOCS = {
    "mean": "mean of the frames",
    "amplitude": "semi-amplitude of the first harmonic, corrected for smearing and clipping; depth of a box",
    "amplitude_raw": "the same as fitted",
    "amplitude_err": "standard error of amplitude",
    "phase": "of the first harmonic, radians: it peaks at t0 + phase period / 2 pi",
    "phase_err": "standard error of phase",
    "power": "part of the residuals, with no harmonics fitted, that they explain",
    "statistic": "F ratio; several harmonics by local noise: Fisher's chi-square; box: depth over error",
    "significance": "-log10 p, all frequencies tried counted, pixels not",
    "components": "semi-amplitudes as fitted of all harmonics, then their phases",
    "used": "share of the frames whose sample counts",
    "clipped": "share of the frames whose sample is an outlier",
    "period": "of the best trial, seconds",
    "period_err": "its standard error",
    "upper95": "greatest amplitude that the measured one leaves at 95 %",
    "amplitude_debiased": "amplitude without what noise adds to it: the root of its square less that of its error",
}


def planes(harmonics: int) -> int:
    """Return how many images a channel gives."""
    return len(SINGLE) + 2 * harmonics


def part_frame(frame: Frame, part: str, channels: int) -> Frame:
    """Return the frame of an image of *part* made of images like *frame*."""
    width = None if frame.bounds is None else frame.hi - frame.lo
    made = frame.with_(channels=channels, state="linear")
    if part == "components":
        return made.with_(color="planes", bounds=None if width is None else (0.0, width))
    if part == "mean":
        return made
    if part in ("amplitude", "amplitude_raw", "amplitude_err", "upper95", "amplitude_debiased"):
        return made.with_(bounds=None if width is None else (0.0, width))
    bounds = {"phase": (-math.pi, math.pi), "phase_err": (0.0, math.pi), "significance": (0.0, 20.0)}
    unit = {"phase": "rad", "phase_err": "rad", "period": "s", "period_err": "s"}
    return made.with_(bounds=bounds.get(part, (0.0, 1.0)), unit=unit.get(part, ""))


def part_planes(figures: Floats, waves: Floats, significance: Floats, smearing: Any) -> npt.NDArray[np.float32]:
    """Return ``(planes, pixels)``: the images of SINGLE, then the harmonics.

    Parameters
    ----------
    figures, waves
        From `conclude`.
    significance
        -log10 p with all trials counted.
    smearing
        Function of periods: the factor that exposures leave of the first harmonic.
    """
    period = 1.0 / figures[c.FREQUENCY]
    lift = figures[c.REPAIR] / smearing(period)
    raw, error = figures[c.RAW], figures[c.RAW_ERROR]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error > 0.0, raw / error, 0.0)
    # Where no frame has a sample, shares of them are missing as everything else is.
    nothing = np.where((figures[c.USED] == 0.0) & (figures[c.CLIPPED] == 0.0), np.nan, 0.0)
    single = {
        "mean": figures[c.MEAN], "amplitude": raw * lift, "amplitude_raw": raw, "amplitude_err": error * lift,
        "phase": figures[c.PHASE], "phase_err": figures[c.PHASE_ERROR], "power": figures[c.POWER],
        "statistic": figures[c.STATISTIC], "significance": significance, "used": figures[c.USED] + nothing,
        "clipped": figures[c.CLIPPED] + nothing, "period": period,
        "period_err": figures[c.FREQUENCY_ERROR] * period**2, "upper95": upper_limit(ratio) * error * lift,
        "amplitude_debiased": np.sqrt(np.maximum(raw * raw - error * error, 0.0)) * lift,
    }  # fmt: skip
    with np.errstate(over="ignore"):
        return np.concatenate([np.array([single[name] for name in SINGLE]), waves]).astype(np.float32)
