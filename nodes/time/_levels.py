"""The sky's level and a frame's noise, as a series of frames wants them: fast, and blind to stars."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]

_LOW, _HIGH, _ROUNDS = 4.0, 2.5, 8
"""Clipping is harder above, where stars are."""
FEWEST = 8
"""Samples without which there is no level."""
MOST = 1 << 14
"""Samples of a part of a frame that its level is taken from, at most (a little more where they do not divide)."""

LAYERS = 4
_LAYER_NOISE = (0.8907, 0.2007, 0.0856, 0.0413)
"""Standard deviation of each starlet layer of white noise of standard deviation 1."""
_SUPPORT = (0.88, 0.962, 0.977, 0.982)
"""What the smooth rest and three-sigma limits in so many layers leave of the standard deviation of pure noise."""
_FEWEST_PART = 0.2
_KERNEL = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
SIDE = 256
"""Rows and columns of the part of a frame that its noise is taken from, at most."""


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def clipped_level(samples: Any) -> Any:
    """Return the median of *samples* after asymmetric clipping, and how many are left.

    The samples farther than 4 sigma below or 2.5 sigma above the median are left out, up to 8 times. Missing samples
    do not count.
    """
    kept = np.sort(samples[np.isfinite(samples)].astype(np.float64))
    if len(kept) < FEWEST:
        return np.nan, 0
    low, high = 0, len(kept)
    for _ in range(_ROUNDS):
        n = high - low
        middle = 0.5 * (kept[low + (n - 1) // 2] + kept[low + n // 2])
        total = 0.0
        for i in range(low, high):
            total += (kept[i] - middle) ** 2
        sigma = np.sqrt(total / n)
        a = max(low, np.searchsorted(kept, middle - _LOW * sigma, "left"))
        b = min(high, np.searchsorted(kept, middle + _HIGH * sigma, "right"))
        if (a == low and b == high) or b - a < FEWEST:
            break
        low, high = a, b
    n = high - low
    return 0.5 * (kept[low + (n - 1) // 2] + kept[low + n // 2]), n


def thinned(plane: Plane) -> Plane:
    """Return every so many rows and columns of *plane*, about MOST samples."""
    step = max(1, math.isqrt(plane.size // MOST))
    return plane[::step, ::step]


def noise_of(plane: Plane) -> float:
    """Return the standard deviation of the noise of *plane* from its multiresolution support; NaN where it has none.

    A sample shows noise only where it is within three sigma in each of the first four starlet layers; the standard
    deviation of such samples about the smooth rest is the next sigma (Starck & Murtagh 1998, PASP 110, 193). Where
    stars leave less than a fifth of the samples, fewer layers are asked, two at least.
    """
    there = np.isfinite(plane)
    if there.sum() < 64 or min(plane.shape) < 3:
        return math.nan
    level = float(np.median(plane[there]))
    start = smooth = np.where(there, plane.astype(np.float64) - level, 0.0)
    alike = ndimage.binary_erosion(there, np.ones((5, 5)), border_value=1)
    rests: list[Floats] = []
    heights: list[Floats] = []
    for layer in range(LAYERS):
        taps = np.zeros(4 * (1 << layer) + 1)
        taps[:: 1 << layer] = _KERNEL
        nearby = ndimage.convolve1d(ndimage.convolve1d(smooth, taps, 0, mode="mirror"), taps, 1, mode="mirror")
        # By how many sigma a sample would be an outlier of this layer or those before.
        height = np.abs((smooth - nearby)[alike]) / _LAYER_NOISE[layer]
        heights.append(np.maximum(height, heights[-1]) if heights else height)
        rests.append((start - nearby)[alike])
        smooth = nearby
    if not len(rests[0]):
        return math.nan
    first = 1.4826 * float(np.median(heights[0]))
    for layers in range(LAYERS, 1, -1):
        sigma, part = _settled(rests[layers - 1], heights[layers - 1], first, _SUPPORT[layers - 1])
        if part >= _FEWEST_PART:
            break
    return sigma


def _settled(rest: Floats, height: Floats, sigma: float, pure: float) -> tuple[float, float]:
    """Return the sigma that its own noise samples give, and the part that these are."""
    noise = rest
    for _ in range(16):
        noise = rest[height < 3.0 * sigma]
        if len(noise) < 16:
            return sigma, 0.0
        before, sigma = sigma, float(noise.std()) / pure
        if abs(sigma - before) < 1e-4 * sigma:
            break
    return sigma, len(noise) / len(rest)
