"""PixelMath's filters of an image: convolutions and order statistics within a window around each pixel.

They get the pixels of a box with a margin of the window's radius, borders repeated, and give the box. Missing
samples have no weight; a pixel that is itself missing stays missing.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
WIDEST = 64
"""Largest radius; a window reaches into neighbouring strips, and wider ones belong to processes of their own."""

STRUCTURES = ("str_square", "str_circular", "str_orthogonal", "str_diagonal", "str_star", "str_threeway")
_INSERTION = 64


def gaussian(sigma: float, eps: float) -> Floats:
    """Return the weights of a Gaussian, cut off where it has fallen below *eps* of its peak."""
    radius = max(1, math.ceil(sigma * math.sqrt(-2 * math.log(eps))))
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    return np.exp(-0.5 * (x / sigma) ** 2)


def elliptical(sigma: float, rho: float, theta: float, radius: int) -> Floats:
    """Return a Gaussian of *sigma* along an axis and *rho* times that across it.

    The axis is turned by *theta* degrees from that of the columns' number, counter-clockwise for rows that run
    downwards.
    """
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float64)
    c, s = math.cos(math.radians(theta)), math.sin(math.radians(theta))
    along, across = c * x - s * y, s * x + c * y
    return np.asarray(np.exp(-0.5 * ((along / sigma) ** 2 + (across / (rho * sigma)) ** 2)))


def structure(name: str, radius: int) -> npt.NDArray[np.bool_]:
    """Return which pixels of a square window belong to the structuring element *name*."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    cross, diagonal = (y == 0) | (x == 0), np.abs(y) == np.abs(x)
    return np.asarray({
        "str_square": np.ones_like(cross),
        # Half a pixel more than the radius: the disc touches the window's sides along some pixels.
        "str_circular": y * y + x * x <= (radius + 0.5) ** 2,
        "str_orthogonal": cross,
        "str_diagonal": diagonal,
        "str_star": cross | diagonal,
        # As a whole, that is for minima and maxima; medians take its three ways one by one.
        "str_threeway": cross | diagonal,
    }[name])  # fmt: skip


def convolved(padded: Floats, weights: Floats) -> Floats:
    """Return *padded* convolved with *weights* along both axes, normalised by the weight of what is present."""
    present = np.isfinite(padded)
    value, weight = np.where(present, padded, 0.0), present.astype(np.float64)
    for axis in (1, 0):
        value, weight = _along(value, weights, axis), _along(weight, weights, axis)
    radius = len(weights) // 2
    centre = present[radius:-radius, radius:-radius]
    return np.where(centre, value / np.where(weight > 0, weight, 1.0), np.nan)


def kernel_mean(padded: Floats, kernel: Floats) -> Floats:
    """Return the mean of what is present, weighted with a symmetric *kernel* of positive weights."""
    radius = len(kernel) // 2
    height, width = padded.shape[0] - 2 * radius, padded.shape[1] - 2 * radius
    value, weight = np.zeros((height, width)), np.zeros((height, width))
    for (i, j), w in np.ndenumerate(kernel):
        near = padded[i : i + height, j : j + width]
        present = np.isfinite(near)
        value += w * np.where(present, near, 0.0)
        weight += w * present
    centre = np.isfinite(padded[radius : radius + height, radius : radius + width])
    return np.where(centre, value / np.where(weight > 0, weight, 1.0), np.nan)


def kernel_convolved(padded: Floats, kernel: Floats) -> Floats:
    """Return the convolution with a square *kernel*, divided by the sum of its weights where that is not 0.

    Missing neighbours count as the pixel itself: weights of both signs leave no weight to normalise by.
    """
    radius = len(kernel) // 2
    height, width = padded.shape[0] - 2 * radius, padded.shape[1] - 2 * radius
    centre = padded[radius : radius + height, radius : radius + width]
    total = np.zeros((height, width))
    for i, row in enumerate(kernel[::-1, ::-1]):  # convolution, not correlation: the kernel is turned by 180 degrees
        for j, weight in enumerate(row):
            near = padded[i : i + height, j : j + width]
            total += weight * np.where(np.isfinite(near), near, centre)
    weight = math.fsum(kernel.ravel())
    balanced = abs(weight) <= np.finfo(np.float64).eps * math.fsum(np.abs(kernel).ravel())
    return np.where(np.isfinite(centre), total if balanced else total / weight, np.nan)


def local_variance(padded: Floats, weights: Floats) -> Floats:
    """Return the weighted mean of squares minus the square of the weighted mean, at least 0."""
    mean, squares = convolved(padded, weights), convolved(padded * padded, weights)
    return np.maximum(squares - mean * mean, 0.0)


def three_ways(padded: Floats, radius: int) -> Floats:
    """Return the median of the medians of cross and diagonals, both without their centre, and of the centre.

    A way without samples counts as the pixel itself.
    """
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    off_centre = (y != 0) | (x != 0)
    a = ordered(padded, off_centre & ((y == 0) | (x == 0)), "med")
    b = ordered(padded, off_centre & (np.abs(y) == np.abs(x)), "med")
    c = padded[radius:-radius, radius:-radius]
    a, b = np.where(np.isnan(a), c, a), np.where(np.isnan(b), c, b)
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def _along(values: Floats, weights: Floats, axis: int) -> Floats:
    n = values.shape[axis] - len(weights) + 1
    total = np.zeros([n if i == axis else s for i, s in enumerate(values.shape)])
    for k, w in enumerate(weights):
        total += w * (values[:, k : k + n] if axis == 1 else values[k : k + n])
    return total


def ordered(padded: Floats, element: npt.NDArray[np.bool_], kind: str) -> Floats:
    """Return the ``med``, ``min`` or ``max`` of the samples of *element* around each pixel."""
    radius = len(element) // 2
    dy, dx = np.nonzero(element)
    out = np.empty((padded.shape[0] - 2 * radius, padded.shape[1] - 2 * radius))
    if kind == "med":
        _medians(np.ascontiguousarray(padded), dy, dx, radius, out)
        return out
    better = np.fmin if kind == "min" else np.fmax  # these pass over NaN
    out[:] = np.nan
    for y, x in zip(dy, dx, strict=True):
        better(out, padded[y : y + out.shape[0], x : x + out.shape[1]], out=out)
    return np.where(np.isfinite(padded[radius:-radius, radius:-radius]), out, np.nan)


_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _medians(padded, dy, dx, radius, out):  # type: ignore[no-untyped-def]
    window = np.empty(len(dy), np.float64)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if not np.isfinite(padded[i + radius, j + radius]):
                out[i, j] = np.nan
                continue
            n = 0
            for k in range(len(dy)):
                v = padded[i + dy[k], j + dx[k]]
                if np.isfinite(v):
                    window[n] = v
                    n += 1
            # Only a way of the three-way structure, which lacks the centre, may be without samples.
            out[i, j] = _median(window[:n]) if n > 0 else np.nan


@_jit
def _median(values):  # type: ignore[no-untyped-def]
    """Return the median; *values* are put in order on the way."""
    n = len(values)
    if n <= _INSERTION:
        for i in range(1, n):
            v, k = values[i], i
            while k > 0 and values[k - 1] > v:
                values[k] = values[k - 1]
                k -= 1
            values[k] = v
    else:
        values.sort()
    return 0.5 * (values[(n - 1) // 2] + values[n // 2])
