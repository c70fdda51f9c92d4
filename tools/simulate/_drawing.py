"""Loops that draw a night: stars from a profile, a smooth field from a spline, straight lines, tracks."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

STEPS = 64
"""Entries of a star's profile for each pixel of distance."""
NODE = 0.5 / 3**0.5
"""Where the two nodes of Gauss and Legendre lie in a pixel."""


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _looked_up(profile: Any, radius: float) -> Any:
    at = radius * STEPS
    i = int(at)
    if i >= profile.size - 1:
        return 0.0
    part = at - i
    return profile[i] * (1.0 - part) + profile[i + 1] * part


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def draw_stars(plane: Any, y0: int, x: Any, y: Any, flux: Any, reach: Any, profile: Any, core: float) -> None:
    """Add stars to *plane* (rows from *y0* on), in the order of the table.

    Parameters
    ----------
    flux
        (stars, 2, 2): the light of each star in pixels of even and odd rows and columns, as a mosaic sees it.
    reach
        How far each star is drawn, in pixels.
    profile
        Light per square pixel of a star of total 1, `STEPS` entries a pixel of distance.
    core
        Within so many pixels a pixel is the mean over four nodes, beyond it the value at its middle.
    """
    height, width = plane.shape
    for k in range(x.size):
        r = reach[k]
        top, bottom = max(0, int(np.ceil(y[k] - r)) - y0), min(height, int(np.floor(y[k] + r)) + 1 - y0)
        left, right = max(0, int(np.ceil(x[k] - r))), min(width, int(np.floor(x[k] + r)) + 1)
        for i in range(top, bottom):
            dy = i + y0 - y[k]
            even = flux[k, (i + y0) & 1]
            for j in range(left, right):
                dx = j - x[k]
                away = np.sqrt(dy * dy + dx * dx)
                if away > core:
                    value = _looked_up(profile, away)
                else:
                    value = 0.0
                    for sy in (-NODE, NODE):
                        for sx in (-NODE, NODE):
                            value += _looked_up(profile, np.sqrt((dy + sy) ** 2 + (dx + sx) ** 2))
                    value *= 0.25
                plane[i, j] += even[j & 1] * value


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sample_spline(spline: Any, matrix: Any, margin: float, y0: int, out: Any) -> None:
    """Fill *out* (rows from *y0* on) with a field given by its cubic B-spline coefficients.

    Place (x, y) of a frame shows the field at ``matrix (x, y) + margin``. Beyond the coefficients, NaN.
    """
    height, width = spline.shape
    wx, wy = np.empty(4), np.empty(4)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            x = matrix[0, 0] * j + matrix[0, 1] * (i + y0) + matrix[0, 2] + margin
            y = matrix[1, 0] * j + matrix[1, 1] * (i + y0) + matrix[1, 2] + margin
            fx, fy = int(np.floor(x)), int(np.floor(y))
            if fx < 1 or fy < 1 or fx + 2 >= width or fy + 2 >= height:
                out[i, j] = np.nan
                continue
            for w, t in ((wx, x - fx), (wy, y - fy)):
                s = 1.0 - t
                w[0] = s * s * s / 6.0
                w[1] = (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0
                w[2] = (4.0 - 6.0 * s * s + 3.0 * s * s * s) / 6.0
                w[3] = t * t * t / 6.0
            total = 0.0
            for a in range(4):
                row = spline[fy - 1 + a]
                total += wy[a] * (
                    wx[0] * row[fx - 1] + wx[1] * row[fx] + wx[2] * row[fx + 1] + wx[3] * row[fx + 2]
                )
            out[i, j] = total


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def draw_line(plane: Any, y0: int, px: float, py: float, ux: float, uy: float, sigma: float, peak: float) -> None:
    """Add an endless straight line through (px, py) along the unit vector (ux, uy), Gaussian across."""
    height, width = plane.shape
    for i in range(height):
        for j in range(width):
            away = (j - px) * uy - (i + y0 - py) * ux
            if abs(away) < 5.0 * sigma:
                plane[i, j] += peak * np.exp(-0.5 * (away / sigma) ** 2)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def draw_tracks(plane: Any, y0: int, tracks: Any) -> None:
    """Add tracks of charged particles: rows of x, y, length, direction (radians), electrons in all."""
    height, width = plane.shape
    for k in range(tracks.shape[0]):
        x, y, length, direction, charge = tracks[k]
        steps = 1 + int(4.0 * length)
        for n in range(steps):
            away = length * n / steps
            j = int(np.floor(x + away * np.cos(direction) + 0.5))
            i = int(np.floor(y + away * np.sin(direction) + 0.5)) - y0
            if 0 <= i < height and 0 <= j < width:
                plane[i, j] += charge / steps
