"""The same work in plain numpy: what peers compute with, and the truth that small results are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
SAMPLE = 200_000
"""Pixels from which peers take statistics that they cannot have exactly within reason."""


def sampled(plane: Any, most: int = SAMPLE) -> Floats:
    """Return every n-th sample of every n-th row of an image, about *most* of them; all of a small image."""
    step = max(1, int(np.sqrt(plane.shape[0] * plane.shape[1] / most)))
    return np.asarray(plane[::step, ::step], np.float64).ravel()


def l1_line(x: Floats, y: Floats) -> tuple[float, float]:
    """Return a and b of the line ``y = a + b x`` of least absolute deviation.

    For each slope the best intercept is a median, and the deviation is convex in the slope: the slope is found by
    golden section between bounds that hold it.
    """

    def deviation(b: float) -> float:
        rest = y - b * x
        return float(np.abs(rest - np.median(rest)).sum())

    start = float(np.median(y) / np.median(x))
    low, high = -4.0 * abs(start) - 1.0, 4.0 * abs(start) + 1.0
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    b, c = high - golden * (high - low), low + golden * (high - low)
    at_b, at_c = deviation(b), deviation(c)
    while high - low > 1e-8:
        if at_b < at_c:
            high, c, at_c = c, b, at_b
            b = high - golden * (high - low)
            at_b = deviation(b)
        else:
            low, b, at_b = b, c, at_c
            c = low + golden * (high - low)
            at_c = deviation(c)
    slope = (low + high) / 2
    return float(np.median(y - slope * x)), slope


def line_to(image: Any, reference: Any, high: float = 0.92) -> tuple[float, float]:
    """Return the line that brings *image* to the levels of *reference*, from (samples of) both."""
    x, y = sampled(image), sampled(reference)
    good = (x > 0) & (x < high) & (y > 0) & (y < high)
    return l1_line(x[good], y[good])


def fitted(image: Any, line: tuple[float, float]) -> Any:
    """Return an image with a line applied, held within 0 and 1, in float32."""
    return np.clip(np.float32(line[0]) + np.float32(line[1]) * np.asarray(image, np.float32), 0, 1)


def median_and_mad(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the median and the median of absolute deviations from it."""
    median = np.median(values)
    return float(median), float(np.median(np.abs(values - median)))


def linked_stretch(channels: list[tuple[float, float]], clipping: float = -2.8, target: float = 0.25) -> Any:
    """Return shadows and midtones of the automatic stretch for medians and MADs, one stretch for all channels."""
    shadows = float(np.clip(np.mean([m + clipping * 1.4826 * mad for m, mad in channels]), 0, 1))
    middle = float(np.mean([m for m, _ in channels])) - shadows
    return shadows, (target - 1) * middle / ((2 * target - 1) * middle - target)


def stretched(values: Any, shadows: float, midtones: float) -> Any:
    """Return float32 samples clipped at the shadows and sent through the midtones transfer."""
    x = np.clip((values - np.float32(shadows)) / np.float32(1 - shadows), 0, 1)
    m = np.float32(midtones)
    return (m - 1) * x / ((2 * m - 1) * x - m)


def codes(values: Any) -> Any:
    """Return samples from 0 to 1 as 16-bit codes."""
    return np.rint(values * np.float32(65535)).astype(np.uint16)
