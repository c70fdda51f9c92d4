"""Finding stars in one tile: a smoothed plane, its background and noise, and the local maxima that stand out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import Frame, ParameterError, Tile
from ._mesh import Mesh, Plane, Table, at, mesh_of, selected

_RAY = 10
"""How far from a maximum higher ground is looked for."""

_DIP_SIGMA, _DIP_SHARE = 2.5, 0.1
"""How deep the dip towards higher ground must be: in noise, and as a share of the maximum's own height."""

_HOT_SHARE = 0.1
"""Median of the 3 x 3 samples about the peak over the peak below which it is a hot pixel.

A star of 1.2 px FWHM, the sharpest that a lens and an atmosphere give, has 0.15.
"""


def spread(frame: Frame) -> int:
    """Return how many rows and columns of the image one sample of the searched plane is the mean of.

    Raises
    ------
    ParameterError
        The mosaic is none of 2 x 2.
    """
    if frame.cfa is None:
        return 1
    if len(frame.cfa) != 4:
        raise ParameterError(f"stars are found in mosaics of 2 x 2 filters, got {frame.cfa}: debayer the image first")
    return 2


def luminance(tile: Tile, frame: Frame) -> Plane:
    """Return the plane that is searched: the mean of the nominal channels; of a mosaic that of every 2 x 2 samples.

    Wherever they are taken, 2 x 2 samples of a Bayer mosaic hold the same colours, so the mean at every place
    is free of the pattern and, unlike superpixels, pulls no coloured star towards its filter's corner.
    """
    if spread(frame) == 2:
        quads: Plane = _quads(tile[0])
        return quads
    if frame.nominal == 1:
        plane: Plane = tile[0]
        return plane
    mean: Plane = _mean(np.ascontiguousarray(tile[: frame.nominal]))
    return mean


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _quads(plane: Any) -> Any:
    rows, columns = max(0, plane.shape[0] - 1), max(0, plane.shape[1] - 1)
    out = np.empty((rows, columns), np.float32)
    quarter = np.float32(0.25)
    for y in range(rows):
        p, q = plane[y], plane[y + 1]
        for x in range(columns):
            out[y, x] = ((p[x] + p[x + 1]) + (q[x] + q[x + 1])) * quarter
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _mean(planes: Any) -> Any:
    n, rows, columns = planes.shape
    out = np.empty((rows, columns), np.float32)
    share = np.float32(1.0 / n)
    for y in range(rows):
        for x in range(columns):
            total = np.float32(0.0)
            for c in range(n):
                total += planes[c, y, x]
            out[y, x] = total * share
    return out


# -- smoothing ---------------------------------------------------------------------------------------


def taps_of(sigma: float) -> Plane:
    """Return the taps of a Gaussian cut off at two sigma; their sum is 1."""
    radius = max(1, int(np.ceil(2.0 * sigma)))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    found: Plane = (taps / taps.sum()).astype(np.float32)
    return found


def bridged(plane: Plane, black: float) -> Plane:
    """Return *plane* with missing samples put on a line between their neighbours in the row.

    Rows reach from edge to edge of the image, so what stands there does not depend on the tile. Rows without
    any sample are as the nearest that has some; smoothed against black, its neighbours would look like noise.
    """
    if not _any_missing(plane):
        return plane
    whole = plane.copy()
    _bridge(whole, np.float32(black))
    return whole


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _any_missing(plane: Any) -> Any:
    # Counting what is not finite runs eight samples at a time; asking one by one cost as much as all the rest.
    most = np.float32(3.4028235e38)
    for y in range(plane.shape[0]):
        row, bad = plane[y], 0
        for x in range(row.size):
            bad += not abs(row[x]) <= most
        if bad:
            return True
    return False


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _bridge(plane: Any, black: Any) -> None:
    rows, columns = plane.shape
    empty = np.zeros(rows, np.bool_)
    for y in range(rows):
        x = 0
        while x < columns:
            if np.isfinite(plane[y, x]):
                x += 1
                continue
            end = x
            while end < columns and not np.isfinite(plane[y, end]):
                end += 1
            empty[y] = end - x == columns
            left = plane[y, x - 1] if x > 0 else (plane[y, end] if end < columns else black)
            right = plane[y, end] if end < columns else left
            for i in range(x, end):
                plane[y, i] = left + (right - left) * np.float32((i - x + 1) / (end - x + 1))
            x = end
    for y in range(rows):
        away = 1
        while empty[y] and away < rows:
            above, below = y - away, y + away
            if above >= 0 and not empty[above]:
                plane[y] = plane[above]
                break
            if below < rows and not empty[below]:
                plane[y] = plane[below]
                break
            away += 1


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def smoothed(plane: Any, taps: Any, top: Any, bottom: Any) -> Any:
    """Return rows *top* to *bottom* of *plane* under the separable kernel; beyond edges the nearest sample stands."""
    rows, columns = plane.shape
    r = taps.size // 2
    out = np.empty((bottom - top, columns), np.float32)
    wide = np.empty(columns + 2 * r, np.float32)
    line = wide[r : r + columns]
    for y in range(top, bottom):
        if r == 2:
            a, b, c = taps[0], taps[1], taps[2]
            p, q, s = plane[max(0, y - 2)], plane[max(0, y - 1)], plane[y]
            t, u = plane[min(rows - 1, y + 1)], plane[min(rows - 1, y + 2)]
            for x in range(columns):
                line[x] = a * (p[x] + u[x]) + b * (q[x] + t[x]) + c * s[x]
        else:
            line[:] = np.float32(0.0)
            for j in range(-r, r + 1):
                row, k = plane[min(rows - 1, max(0, y + j))], taps[r + j]
                for x in range(columns):
                    line[x] += k * row[x]
        wide[:r], wide[r + columns :] = line[0], line[columns - 1]
        made = out[y - top]
        if r == 2:
            a, b, c = taps[0], taps[1], taps[2]
            for x in range(columns):
                made[x] = a * (wide[x] + wide[x + 4]) + b * (wide[x + 1] + wide[x + 3]) + c * wide[x + 2]
        else:
            made[:] = np.float32(0.0)
            for j in range(2 * r + 1):
                k = taps[j]
                for x in range(columns):
                    made[x] += k * wide[x + j]
    return out


# -- local maxima ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """A tile as it is searched. Rows of `smooth` begin at row `top` of `plane`."""

    plane: Plane
    smooth: Plane
    top: int
    mesh: Mesh


def field_of(plane: Plane, rows: tuple[int, int], sigma: float, lo: float, hi: float) -> Field:
    """Return *plane* ready to be searched for maxima in *rows*."""
    taps = taps_of(sigma)
    whole = bridged(plane, lo)
    top, bottom = max(0, rows[0] - _RAY - 1), min(plane.shape[0], rows[1] + _RAY + 1)
    smooth = smoothed(whole, taps, top, bottom)
    # A picture without noise: what is weaker than a millionth of the range is no star.
    return Field(plane, smooth, top, mesh_of(smooth, plane[top:bottom], 1e-6 * (hi - lo)))


def gain_of(sigma: float) -> float:
    """Return by what smoothing divides white noise."""
    return float(1.0 / np.sum(taps_of(sigma).astype(np.float64) ** 2))


def maxima(field: Field, rows: tuple[int, int], threshold: float, hot: bool) -> npt.NDArray[np.int64]:
    """Return (row, column) of the stars whose maximum lies in *rows* of the plane, in order of place."""
    mesh = field.mesh
    found = np.empty((max(16, field.smooth.size // 16), 2), np.int64)
    n = _scan(
        field.plane, field.smooth, field.top, rows[0], rows[1], mesh.level, mesh.sigma, mesh.height, mesh.width,
        threshold, hot, found,
    )  # fmt: skip
    return found[:n]


def heights(field: Field, peaks: npt.NDArray[np.int64]) -> Table:
    """Return by how many sigmas each of *peaks* stands above its background in the smoothed plane."""
    mesh, found = field.mesh, np.empty(len(peaks))
    _heights(field.smooth, field.top, peaks, mesh.level, mesh.sigma, mesh.height, mesh.width, found)
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _heights(s: Any, top: Any, peaks: Any, level: Any, sigma: Any, height: Any, width: Any, found: Any) -> None:
    for k in range(peaks.shape[0]):
        y, x = peaks[k, 0] - top, peaks[k, 1]
        i = min(int((y + 0.5) / height), level.shape[0] - 1)
        j = min(int((x + 0.5) / width), level.shape[1] - 1)
        found[k] = (s[y, x] - at(level, height, width, y, x)) / sigma[i, j]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _scan(
    plane: Any, s: Any, top: Any, first: Any, last: Any, level: Any, sigma: Any, height: Any, width: Any,
    threshold: Any, hot: Any, found: Any,
) -> Any:  # fmt: skip
    rows, columns = s.shape
    n = 0
    for y in range(max(1, first - top), min(rows - 1, last - top)):
        row, above, below = s[y], s[y - 1], s[y + 1]
        i = min(int((y + 0.5) / height), level.shape[0] - 1)
        for j in range(level.shape[1]):
            # In a row of a cell the background is two straight pieces: least at one of three places.
            least = at(level, height, width, y, j * width - 0.5)
            least = min(least, at(level, height, width, y, (j + 0.5) * width - 0.5))
            least = min(least, at(level, height, width, y, (j + 1) * width - 0.5))
            noise = sigma[i, j]
            floor = np.float32(least + (threshold - 1e-3) * noise)
            for x in range(max(1, int(np.ceil(j * width))), min(columns - 1, int(np.ceil((j + 1) * width)))):
                v = row[x]
                if not (v >= floor and v > row[x - 1] and v >= row[x + 1]):
                    continue
                # Of equal neighbours the first in reading order is the maximum.
                if v <= above[x - 1] or v <= above[x] or v <= above[x + 1]:
                    continue
                if v < below[x - 1] or v < below[x] or v < below[x + 1]:
                    continue
                base = at(level, height, width, y, x)
                if v - base < threshold * noise or n == found.shape[0]:
                    continue
                if _shoulder(s, y, x, base, noise) or (hot and _is_hot(plane, y + top, x, base)):
                    continue
                found[n, 0], found[n, 1] = y + top, x
                n += 1
    return n


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _shoulder(s: Any, y: Any, x: Any, base: Any, noise: Any) -> Any:
    """Return whether higher ground is reached from a maximum without crossing a real dip."""
    rows, columns = s.shape
    v = np.float64(s[y, x])
    deep = v - max(_DIP_SIGMA * noise, _DIP_SHARE * (v - base))
    for direction in range(16):
        angle = direction * (np.pi / 8.0)
        dy, dx = np.sin(angle), np.cos(angle)
        for step in range(2, _RAY + 1):
            i, j = y + int(np.rint(step * dy)), x + int(np.rint(step * dx))
            if i < 0 or j < 0 or i >= rows or j >= columns or s[i, j] < deep:
                break
            if s[i, j] > v or (s[i, j] == v and (i < y or (i == y and j < x))):
                return True
    return False


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _is_hot(plane: Any, y: Any, x: Any, base: Any) -> Any:
    """Return whether the brightest sample at a maximum stands alone."""
    rows, columns = plane.shape
    py, px = y, x
    for i in range(max(0, y - 1), min(rows, y + 2)):
        for j in range(max(0, x - 1), min(columns, x + 2)):
            if plane[i, j] > plane[py, px] or not np.isfinite(plane[py, px]):
                py, px = i, j
    few, n = np.empty(9, np.float32), 0
    for i in range(max(0, py - 1), min(rows, py + 2)):
        for j in range(max(0, px - 1), min(columns, px + 2)):
            if np.isfinite(plane[i, j]):
                few[n] = plane[i, j]
                n += 1
    if n == 0:
        return True
    return selected(few, n, n // 2) - base < _HOT_SHARE * (plane[py, px] - base)
