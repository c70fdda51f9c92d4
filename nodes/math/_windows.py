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

STRUCTURES = ("str_square", "str_circular", "str_orthogonal", "str_diagonal", "str_star")
_INSERTION = 64


def gaussian(sigma: float, eps: float) -> Floats:
    """Return the weights of a Gaussian, cut off where it has fallen below *eps* of its peak."""
    radius = max(1, math.ceil(sigma * math.sqrt(-2 * math.log(eps))))
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    return np.exp(-0.5 * (x / sigma) ** 2)


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
            # A diagonal cross or the like holds its centre, so there is at least one.
            out[i, j] = _median(window[:n])


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
