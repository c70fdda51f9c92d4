"""The first layers of the starlet transform of a tile, and what its noise is measured from.

Starck, Fadili & Murtagh (2007, IEEE Trans. Image Process. 16, 297): c_{j+1} is c_j under the B3 spline kernel
1/16 (1, 4, 6, 4, 1), by rows and columns, with 2^j - 1 zeros between its taps; w_{j+1} = c_j - c_{j+1}.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ._bins import bin_of
from ._planes import Plane

LAYER_NOISE = (0.8907, 0.2007, 0.0856, 0.0413, 0.0205)
"""Standard deviation of each layer of white noise of standard deviation 1."""


def halo(layers: int) -> int:
    """Return how many rows beyond its own the transform of a tile depends on."""
    return int(2 * (2**layers - 1))


def bridged(plane: Plane) -> tuple[Plane, npt.NDArray[np.bool_] | None]:
    """Return *plane* with missing samples interpolated along the rows, and where samples are not to be counted.

    Around a missing sample the first layers are not those of the image, so two more samples on all sides
    are left out of the count.
    """
    missing = ~np.isfinite(plane)
    if not missing.any():
        return plane, None
    whole, x = plane.copy(), np.arange(plane.shape[1])
    for row, gone in zip(whole, missing, strict=True):
        if gone.any():
            row[gone] = np.interp(x[gone], x[~gone], row[~gone]) if not gone.all() else 0.0
    near = missing.copy()
    for axis in (0, 1):
        wide = near.copy()
        for step in (1, 2):
            ahead, behind = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
            wide[tuple(ahead)] |= near[tuple(behind)]
            wide[tuple(behind)] |= near[tuple(ahead)]
        near = wide
    return whole, near


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _reflected(i: Any, size: Any) -> Any:
    if size == 1:
        return 0
    period = 2 * (size - 1)
    i = abs(i) % period
    return min(i, period - i)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def smoother(c: Any, step: Any) -> Any:
    """Return the next plane: 2 *step* rows fewer at the top and at the bottom, columns mirrored."""
    rows, columns = c.shape
    out = np.empty((max(0, rows - 4 * step), columns), np.float32)
    wide = np.empty(columns + 4 * step, np.float32)
    # Runs of the same row, each from its own first column: an index with a step in it would be asked for its sign.
    w0, w1, w2 = wide[:columns], wide[step : step + columns], wide[2 * step : 2 * step + columns]
    w3, w4 = wide[3 * step : 3 * step + columns], wide[4 * step : 4 * step + columns]
    a, b, m = np.float32(1.0 / 16.0), np.float32(4.0 / 16.0), np.float32(6.0 / 16.0)
    for y in range(out.shape[0]):
        p, q, r, s, t = c[y], c[y + step], c[y + 2 * step], c[y + 3 * step], c[y + 4 * step]
        for x in range(columns):
            w2[x] = a * (p[x] + t[x]) + b * (q[x] + s[x]) + m * r[x]
        for i in range(1, 2 * step + 1):
            wide[2 * step - i] = w2[_reflected(-i, columns)]
            wide[2 * step + columns - 1 + i] = w2[_reflected(columns - 1 + i, columns)]
        made = out[y]
        for x in range(columns):
            made[x] = a * (w0[x] + w4[x]) + b * (w1[x] + w3[x]) + m * w2[x]
    return out


def fill(
    plane: Plane, layers: int, low: float, high: float, noise: npt.NDArray[np.float64],
    first: npt.NDArray[np.float64], chosen: npt.NDArray[np.bool_] | None = None,
) -> None:  # fmt: skip
    """Add the samples of *plane*, less its halo, to the bins.

    *noise*: count, sum and sum of squares of (sample - residual), by the least sigma with which every layer's
    coefficient is within three sigma; *first*: count, sum, sum of squares of the first layer's coefficients,
    by their absolute values. Only samples strictly between *low* and *high* are counted, and of these where *chosen*
    (of the plane less its halo) says so.
    """
    whole, left_out = bridged(plane)
    h = halo(layers)
    c = whole
    limit = np.zeros((whole.shape[0] - 2 * h, whole.shape[1]), np.float32)
    for j in range(layers):
        finer, c = c, smoother(c, 1 << j)
        k = np.float32(1.0 / (3.0 * LAYER_NOISE[j]))
        skip = (finer.shape[0] - limit.shape[0]) // 2, (c.shape[0] - limit.shape[0]) // 2
        _raise(finer, c, skip[0], skip[1], k, limit)
        if j == 0:
            w1 = finer[skip[0] : skip[0] + len(limit)] - c[skip[1] : skip[1] + len(limit)]
    core = whole[h : h + len(limit)]
    counted = (core > low) & (core < high)
    if left_out is not None:
        counted &= ~left_out[h : h + len(limit)]
    if chosen is not None:
        counted &= chosen
    _fill(core, c, w1, limit, limit.view(np.uint32), np.abs(w1).view(np.uint32), counted, noise, first)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _raise(finer: Any, coarser: Any, top: Any, below: Any, k: Any, limit: Any) -> None:
    for y in range(limit.shape[0]):
        a, b, t = finer[y + top], coarser[y + below], limit[y]
        for x in range(t.size):
            w = abs(a[x] - b[x]) * k
            t[x] = w if w > t[x] else t[x]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fill(
    core: Any, residual: Any, w1: Any, limit: Any, keys: Any, keys1: Any, counted: Any, noise: Any, first: Any
) -> None:
    for y in range(core.shape[0]):
        for x in range(core.shape[1]):
            if not counted[y, x]:
                continue
            d = np.float64(core[y, x]) - np.float64(residual[y, x])
            at = bin_of(keys[y, x])
            noise[0, at] += 1.0
            noise[1, at] += d
            noise[2, at] += d * d
            w = np.float64(w1[y, x])
            at = bin_of(keys1[y, x])
            first[0, at] += 1.0
            first[1, at] += w
            first[2, at] += w * w
