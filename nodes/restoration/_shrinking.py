"""Starlet coefficients below the noise, made smaller: for one plane with missing samples.

Starck, Fadili & Murtagh (2007), IEEE Trans. Image Process. 16, 297; the transform of counts to even noise and back:
Murtagh, Starck & Bijaoui (1995), A&AS 112, 179, and Makitalo & Foi (2013), IEEE Trans. Image Process. 22, 91.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ._starlet import Block

# Standard deviation of each layer of white noise of standard deviation 1 (from the transform of a single pixel).
LAYER_NOISE = (0.8908, 0.20066, 0.08551, 0.04122, 0.02042, 0.01019, 0.00509, 0.00255)


class Shrinking(NamedTuple):
    """How coefficients are made smaller.

    Attributes
    ----------
    threshold, amount
        Of each layer, finest first: noise sigmas below which a coefficient is noise, and the part of it that goes.
    soft
        All others lose the threshold times the amount.
    """

    threshold: tuple[float, ...]
    amount: tuple[float, ...]
    soft: bool


def reach(layers: int) -> int:
    """Return how far around a pixel that many layers look."""
    return 2 * ((1 << layers) - 1)


def shrunk(plane: Block, sigma: float, how: Shrinking) -> Block:
    """Return *plane* with less noise; samples that are not finite stay so and do not count around them.

    Exact for samples that lie at least `reach` from an edge of *plane* that is not one of the image.
    """
    there = np.isfinite(plane)
    c, weight = np.where(there, plane, 0.0), there.astype(np.float64)
    made = np.zeros(plane.shape)
    for j, (threshold, amount) in enumerate(zip(how.threshold, how.amount, strict=True)):
        near = _smooth(weight, j)
        smooth = np.divide(_smooth(c * weight, j), near, out=np.zeros(plane.shape), where=near > 1e-6)
        detail = np.where(weight > 0.0, c - smooth, 0.0)
        made += _less(detail, threshold * sigma * LAYER_NOISE[j], amount, how.soft)
        c, weight = smooth, (near > 1e-6).astype(np.float64)
    return np.where(there, made + c, np.nan)


def _smooth(plane: Block, layer: int) -> Block:
    weights = np.zeros(4 * (1 << layer) + 1)
    weights[:: 1 << layer] = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
    rows = ndimage.correlate1d(plane, weights, 0, mode="mirror")
    return np.asarray(ndimage.correlate1d(rows, weights, 1, mode="mirror"))


def _less(detail: Block, limit: float, amount: float, soft: bool) -> Block:
    if soft:
        return detail - amount * np.clip(detail, -limit, limit)
    return np.where(np.abs(detail) < limit, (1.0 - amount) * detail, detail)


# -- counts of photons ----------------------------------------------------------------------------------


def even(samples: npt.NDArray[np.float64], gain: float, read_noise: float) -> Block:
    """Return samples whose noise is 1 wherever they are well above zero (generalised Anscombe transform).

    Parameters
    ----------
    samples
        Above the level of no light, in units of *gain* electrons.
    read_noise
        In electrons.
    """
    return 2.0 * np.sqrt(np.maximum(gain * samples + 0.375 + read_noise**2, 0.0))


def uneven(levels: npt.NDArray[np.float64], gain: float, read_noise: float) -> Block:
    """Return what `even` made levels of, without the bias that the mean of a root has (closed form)."""
    d = np.maximum(levels, 2.0 * math.sqrt(0.375))
    root = math.sqrt(1.5)
    counts = d * d / 4.0 + root / (4.0 * d) - 11.0 / (8.0 * d * d) + 5.0 * root / (8.0 * d**3) - 0.125
    # Below, where the closed form ends, the plain inverse goes on.
    low = levels < d
    counts = np.where(low, counts + (np.square(levels) - np.square(d)) / 4.0, counts)
    return np.asarray((counts - read_noise**2) / gain)
