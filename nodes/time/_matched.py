"""The matched filter: each frame convolved with a Gaussian of its stars' width before anything is fitted over time.

What comes out at a star's place is the least-squares height of a Gaussian of that width, so that a point source keeps
its peak and the noise falls by ``sqrt(pi) fwhm / 2.3548``. Filtering frames, not the finished maps, lets each pixel's
residuals tell its error, noise that neighbours share included.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian of sigma 1."""

Tile = npt.NDArray[np.float32]

_LEAST = 0.5
"""Part of the kernel that must fall on samples that are there."""


def halo(fwhm: float) -> int:
    """Return how far around a pixel the filter looks, four sigma; 0 where there is none."""
    return math.ceil(4.0 * fwhm / FWHM) if fwhm > 0.0 else 0


def kernel(fwhm: float) -> npt.NDArray[np.float32]:
    """Return the right half of the filter along one axis, the middle first; along both it is its product.

    The whole kernel g is scaled to ``sum(g²) = 1`` times its peak, so that a Gaussian source of peak 1 gives 1.
    """
    x = np.arange(halo(fwhm) + 1)
    g = np.exp(-0.5 * (x * FWHM / fwhm) ** 2)
    return np.asarray(g / (2.0 * float((g * g).sum()) - 1.0), np.float32)


def gain(fwhm: float) -> float:
    """Return by how much the filter raises a point source above white noise."""
    if not fwhm > 0.0:
        return 1.0
    half = kernel(fwhm).astype(np.float64)
    return 1.0 / (2.0 * float((half * half).sum()) - float(half[0]) ** 2)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _along_rows(plane: Any, half: Any, out: Any) -> None:
    """Convolve the rows of *plane*; *out* is narrower by twice the halo."""
    r = len(half) - 1
    for y in range(out.shape[0]):
        row, made = plane[y], out[y]
        a, b, c = _three(half, 1)
        d, e = min(2, r), min(3, r)  # beyond the end with weight 0
        _begun(made, row[r:], half[0], row[r - 1 :], row[r + 1 :], row[r - d :], row[r + d :], row[r - e :],
               row[r + e :], a, b, c)  # fmt: skip
        for j in range(4, r + 1, 3):
            a, b, c = _three(half, j)
            d, e = min(j + 1, r), min(j + 2, r)
            _added(made, row[r - j :], row[r + j :], row[r - d :], row[r + d :], row[r - e :], row[r + e :], a, b, c)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _along_columns(plane: Any, half: Any, out: Any) -> None:
    """Convolve the columns of *plane*; *out* is lower by twice the halo."""
    r = len(half) - 1
    for y in range(out.shape[0]):
        made, m = out[y], y + r
        a, b, c = _three(half, 1)
        d, e = min(2, r), min(3, r)
        _begun(made, plane[m], half[0], plane[m - 1], plane[m + 1], plane[m - d], plane[m + d], plane[m - e],
               plane[m + e], a, b, c)  # fmt: skip
        for j in range(4, r + 1, 3):
            a, b, c = _three(half, j)
            d, e = min(j + 1, r), min(j + 2, r)
            _added(made, plane[m - j], plane[m + j], plane[m - d], plane[m + d], plane[m - e], plane[m + e], a, b, c)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _three(half: Any, j: int) -> Any:
    """Return three weights of the filter from the *j*-th on, zeros beyond the last."""
    zero = np.float32(0.0)
    return half[j], half[j + 1] if j + 1 < len(half) else zero, half[j + 2] if j + 2 < len(half) else zero


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _begun(
    made: Any, middle: Any, weight: Any, a0: Any, a1: Any, b0: Any, b1: Any, c0: Any, c1: Any, a: Any, b: Any, c: Any
) -> None:
    """Put the sample in the middle and the first three pairs, added as `_added` does, into *made*."""
    for x in range(len(made)):
        made[x] = weight * middle[x] + ((a * (a0[x] + a1[x]) + b * (b0[x] + b1[x])) + c * (c0[x] + c1[x]))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _added(made: Any, a0: Any, a1: Any, b0: Any, b1: Any, c0: Any, c1: Any, a: Any, b: Any, c: Any) -> None:
    """Add three pairs of samples at equal distances, each pair with its weight."""
    for x in range(len(made)):
        made[x] += (a * (a0[x] + a1[x]) + b * (b0[x] + b1[x])) + c * (c0[x] + c1[x])


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _is_whole(samples: Any) -> Any:
    """Return whether all samples are finite."""
    missing = np.int32(0)
    most = np.float32(np.inf)
    for i in range(len(samples)):
        missing += np.int32(0) if abs(samples[i]) < most else np.int32(1)
    return missing == 0


def _convolved(plane: Tile, half: Tile, out: Tile | None = None) -> Tile:
    """Return *plane* convolved along both axes, in *out* if given."""
    r = len(half) - 1
    height, width = plane.shape[0] - 2 * r, plane.shape[1] - 2 * r
    rows = np.empty((plane.shape[0], width), np.float32)
    if out is None:
        out = np.empty((height, width), np.float32)
    _along_rows(plane, half, rows)
    _along_columns(rows, half, out)
    return out


def matched(tile: npt.NDArray[np.float32], half: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return *tile* ``(channels, rows, columns)`` filtered, smaller by the halo on every side.

    Missing samples are left out of the sums, which are then scaled by the part of the kernel that remains. Where
    that is less than half, or the sample itself is missing, the result is missing.
    """
    r = len(half) - 1
    out = np.empty((tile.shape[0], tile.shape[1] - 2 * r, tile.shape[2] - 2 * r), np.float32)
    for plane, made in zip(tile, out, strict=True):
        plane = np.ascontiguousarray(plane)
        if _is_whole(plane.reshape(-1)):
            _convolved(plane, half, made)
            continue
        there = np.isfinite(plane)
        made[:] = _convolved(np.where(there, plane, np.float32(0.0)), half)
        middle = there[r : there.shape[0] - r, r : there.shape[1] - r]
        weight, holes = _convolved(there.astype(np.float32), half), _convolved((~there).astype(np.float32), half)
        # Pixels that see no hole keep their bits, whatever else is in the strip.
        some = holes > 0.0
        full = weight[some] + holes[some]
        told = (weight[some] >= _LEAST * full) & middle[some]
        with np.errstate(invalid="ignore", divide="ignore"):
            made[some] = np.where(told, made[some] / weight[some] * full, np.float32(np.nan))
    return out
