"""From what single cells tell to the smooth functions by which an image is normalised, and their application."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, median_filter, spline_filter
from scipy.spatial import cKDTree
from scipy.special import erfc

from ._local_cells import Floats
from ._sliding_median import median_of_windows

PAD = 2
"""Nodes added around the grid, so that the half cell beyond the outer centres is interpolated too."""

_FLAGS_UNFIT = 1 | 2 | 8
"""Stars that are saturated, at the edge, or have missing samples (see DetectStars)."""
_STAR_TOLERANCE = 2.0
_NEIGHBOURS = 12
_FEWEST_SAMPLES = 0.1
"""Part of a cell's samples without which its medians are not taken."""
_LEAST_SNR = 20.0
_TUKEY = 4.685


# -- backgrounds --------------------------------------------------------------------------------------


def filled(grid: Floats, valid: npt.NDArray[np.bool_]) -> Floats:
    """Return *grid* with cells that are not valid taken from the nearest valid ones, by inverse square distance."""
    holes = np.argwhere(~valid)
    if not len(holes):
        return grid.copy()
    places, values = np.argwhere(valid), grid[valid]
    distance, at = cKDTree(places).query(holes, k=np.arange(1, min(_NEIGHBOURS, len(places)) + 1))
    weight = 1.0 / distance**2
    made = grid.copy()
    made[~valid] = (weight * values[at]).sum(axis=1) / weight.sum(axis=1)
    return made


def sky(level: Floats, noise: Floats, share: Floats) -> Floats:
    """Return the level and noise of the sky of each cell, single stars taken out."""
    valid = usable(share)
    local = median_filter(filled(level, valid), size=3, mode="nearest")
    return np.stack([local, median_of_windows(filled(noise, valid), (9, 9))])


def usable(share: Floats) -> npt.NDArray[np.bool_]:
    """Return which cells have enough samples for a median."""
    return np.asarray(share > _FEWEST_SAMPLES)


def large_scale(grid: Floats, valid: npt.NDArray[np.bool_], scale: float) -> Floats:
    """Return the structures of *grid* larger than *scale* (in cells), for all cells.

    A robust surface of second degree is taken out first and put back at last, so that neither the ends of the
    grid nor cells without samples flatten a gradient. The rest is smoothed by medians over 3, 5, 9, ... cells,
    as a multiscale median transform does, up to *scale*, then by a Gaussian half as wide.
    """
    trend = _trend(grid, valid)
    rest = filled(np.where(valid, grid - trend, np.nan), valid)
    for j in range(1, math.floor(math.log2(max(1.0, scale)) + 0.5) + 1):
        rest = _median(rest, j)
    # A kernel of scale/2 that ends where it has fallen to a hundredth.
    sigma = 0.25 * scale / math.sqrt(2.0 * math.log(100.0))
    return np.asarray(trend + gaussian_filter(rest, sigma, mode="reflect"))


def _median(grid: Floats, layer: int) -> Floats:
    """Return the median over windows of 2^layer + 1 cells."""
    rows, columns = (min((1 << layer) + 1, 2 * n + 1) for n in grid.shape)
    return median_of_windows(grid, (rows, columns))


def _trend(grid: Floats, valid: npt.NDArray[np.bool_]) -> Floats:
    """Return the surface of second degree through the valid cells, by Tukey's biweight."""
    y, x = (np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1) for n in grid.shape)
    v, u = (g.ravel() for g in np.meshgrid(y, x, indexing="ij"))
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)
    a, b = terms[valid.ravel()], grid[valid]
    weight = np.ones(len(b))
    for _ in range(20):
        surface = _least_squares(a, b, weight)
        off = np.abs(b - _along(a, surface))
        width = _TUKEY * 1.4826 * float(np.median(off))
        if width <= 0.0:
            break
        weight = np.square(np.clip(1.0 - np.square(off / width), 0.0, None))
    return np.asarray(_along(terms, surface).reshape(grid.shape))


def _least_squares(a: Floats, b: Floats, weight: Floats) -> Floats:
    normal, right = _normal(a, b, weight)
    return np.asarray((np.linalg.pinv(normal, rcond=1e-10, hermitian=True) * right[None, :]).sum(axis=1))


# Sums written out: a library's matrix product may round differently on other numbers of threads.
@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _normal(a: Any, b: Any, weight: Any) -> Any:
    """Return the normal equations of least squares: matrix and right side."""
    terms = a.shape[1]
    normal, right = np.zeros((terms, terms)), np.zeros(terms)
    for k in range(a.shape[0]):
        for i in range(terms):
            part = weight[k] * a[k, i]
            right[i] += part * b[k]
            for j in range(terms):
                normal[i, j] += part * a[k, j]
    return normal, right


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _along(a: Any, factors: Any) -> Any:
    """Return the sum of the columns of *a*, each times its factor."""
    total = np.zeros(a.shape[0])
    for k in range(a.shape[0]):
        for i in range(a.shape[1]):
            total[k] += a[k, i] * factors[i]
    return total


# -- scale --------------------------------------------------------------------------------------------


def star_ratios(stars: Mapping[str, Any], reference: Mapping[str, Any], least_snr: float) -> Floats:
    """Return the flux ratios, reference to image, of stars that are each other's nearest within two pixels."""
    (a, flux_a), (b, flux_b) = (_fit_stars(s, least_snr) for s in (stars, reference))
    if not len(a) or not len(b):
        return np.empty(0)
    distance, at = cKDTree(b).query(a, distance_upper_bound=_STAR_TOLERANCE)
    back = cKDTree(a).query(b)[1]
    found = np.flatnonzero(np.isfinite(distance))
    mutual = found[back[at[found]] == found]
    return np.asarray(flux_b[at[mutual]] / flux_a[mutual])


def _fit_stars(stars: Mapping[str, Any], least_snr: float) -> tuple[Floats, Floats]:
    columns, table = list(stars["columns"]), np.asarray(stars["table"], np.float64)
    x, y, flux, snr, flags = (table[:, columns.index(name)] for name in ("x", "y", "flux", "snr", "flags"))
    good = (flux > 0.0) & (snr >= least_snr) & ((flags.astype(np.int64) & _FLAGS_UNFIT) == 0)
    return np.stack([x[good], y[good]], axis=1), flux[good]


def clipped_mean(x: Floats) -> float:
    """Return the mean of what Chauvenet's criterion leaves, about the median first, then about the mean.

    Maples et al. (2018), ApJS 238, 2, without their corrections for few samples: the width is at first the 68.3
    percentile of the deviations, then the standard deviation, and all beyond it are rejected at once.
    """
    for centre, width in ((np.median, _width), (np.mean, _deviation)):
        while x.size > 2:
            middle = float(centre(x))
            off = np.abs(x - middle)
            sigma = width(off)
            if sigma <= 0.0:
                return middle
            keep = x.size * erfc(off / (sigma * math.sqrt(2.0))) >= 0.5
            if keep.all():
                break
            x = x[keep]
    return float(np.mean(x))


def _width(off: Floats) -> float:
    return float(np.quantile(off, 0.683))


def _deviation(off: Floats) -> float:
    return math.sqrt(float(np.sum(off * off)) / (off.size - 1))


def light_ratio(light: Floats, reference: Floats, lit: Floats, noises: tuple[Floats, Floats]) -> tuple[float, int]:
    """Return the weighted median over cells of the light ratio, reference to image, and of how many cells.

    Only cells count in which what stands out is twenty times as bright as its noise in both images; the smaller
    of both ratios is the weight.
    """
    root = np.sqrt(np.maximum(lit, 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.minimum(light / (noises[0] * root), reference / (noises[1] * root))
    good = (light > 0.0) & (reference > 0.0) & (snr >= _LEAST_SNR)
    ratio, weight = reference[good] / light[good], np.minimum(snr[good], 1e6)
    if not ratio.size:
        return math.nan, 0
    order = np.argsort(ratio, kind="stable")
    total = np.cumsum(weight[order])
    return float(ratio[order][np.searchsorted(total, 0.5 * total[-1])]), int(ratio.size)


# -- application --------------------------------------------------------------------------------------


def spline(grid: Floats) -> Floats:
    """Return the coefficients of the bicubic B-spline through *grid*, with `PAD` nodes more on each side."""
    padded = np.pad(grid, PAD, mode="reflect", reflect_type="odd")
    return np.asarray(spline_filter(padded, order=3, output=np.float64, mode="mirror"))


def weights(start: int, stop: int, step: float) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return for pixels start..stop-1 the first of four nodes (in `spline`'s coefficients) and their weights."""
    u = (np.arange(start, stop) + 0.5) / step - 0.5 + PAD
    whole = np.floor(u)
    t = u - whole
    taps = [(1 - t) ** 3 / 6, (4 - 6 * t**2 + 3 * t**3) / 6, (1 + 3 * t + 3 * t**2 - 3 * t**3) / 6, t**3 / 6]
    return whole.astype(np.int64) - 1, np.stack(taps, axis=1)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def normalise(plane: Any, out: Any, nodes: Any, iy: Any, wy: Any, ix: Any, wx: Any, numbers: Any) -> None:
    """Write offset + scale * sample into *out*, missing samples as they are.

    *nodes* are the coefficients of the offset; *numbers* the scale, the sample that is a hole, what becomes of
    it, and the limits of the result.
    """
    scale, hole, filling, low, high = numbers[0], np.float32(numbers[1]), np.float32(numbers[2]), numbers[3], numbers[4]
    row = np.empty(nodes.shape[1])
    for y in range(plane.shape[0]):
        top = iy[y]
        for j in range(row.size):
            upper = wy[y, 0] * nodes[top, j] + wy[y, 1] * nodes[top + 1, j]
            row[j] = upper + (wy[y, 2] * nodes[top + 2, j] + wy[y, 3] * nodes[top + 3, j])
        for x in range(plane.shape[1]):
            v = plane[y, x]
            i = ix[x]
            left = wx[x, 0] * row[i] + wx[x, 1] * row[i + 1]
            made = left + (wx[x, 2] * row[i + 2] + wx[x, 3] * row[i + 3]) + scale * np.float64(v)
            made = min(max(made, low), high)
            if v == hole:
                out[y, x] = filling
            else:
                out[y, x] = np.float32(made) if np.isfinite(v) else v
