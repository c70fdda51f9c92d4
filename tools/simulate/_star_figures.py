"""Stars measured alike on a master and on its truth: centres, widths, light."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from .placement import Floats

HALF = 7
"""Pixels to each side of a star that are fitted."""
APERTURE, RING = 8.0, (11.0, 15.0)
"""Radii in pixels within which light is summed, and between which the sky is taken."""


class StarFigures(NamedTuple):
    """Columns of what was measured of some stars; NaN where a star could not be fitted."""

    x: Floats
    y: Floats
    fwhm: Floats
    flux: Floats


def measured(plane: Floats, x: Floats, y: Floats, fwhm: float) -> StarFigures:
    """Return the figures of stars near *x*, *y*: a round Moffat profile fitted, the light in an aperture.

    Both are the same function of the pixels for whatever picture, so that what two pictures have in common, such as
    neighbours, drops out of their difference.
    """
    rows = [_one(plane, float(a), float(b), fwhm) for a, b in zip(x, y, strict=True)]
    return StarFigures(*np.array(rows, np.float64).reshape(-1, 4).T)


def _one(plane: Floats, x: float, y: float, fwhm: float) -> tuple[float, float, float, float]:
    at_x, at_y = round(x), round(y)
    reach = int(RING[1]) + 1
    patch = plane[at_y - reach : at_y + reach + 1, at_x - reach : at_x + reach + 1]
    if at_x < reach or at_y < reach or patch.shape != (2 * reach + 1,) * 2 or not np.isfinite(patch).all():
        return (np.nan,) * 4
    v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    dx, dy = x - at_x, y - at_y
    away = np.hypot(u - dx, v - dy)
    sky = float(np.median(patch[(away >= RING[0]) & (away < RING[1])]))
    # A pixel on the rim counts by about how much of it lies inside.
    inside = np.clip(APERTURE + 0.5 - away, 0.0, 1.0)
    flux = float(((patch - sky) * inside).sum())
    middle = slice(reach - HALF, reach + HALF + 1)
    cx, cy, width = _moffat(patch[middle, middle] - sky, u[middle, middle], v[middle, middle], dx, dy, fwhm)
    return cx + at_x, cy + at_y, width, flux


def _moffat(patch: Floats, u: Floats, v: Floats, x: float, y: float, fwhm: float) -> tuple[float, float, float]:
    """Return centre and FWHM of the Moffat profile nearest to *patch*."""
    top = max(float(patch.max()), 1e-9)

    def misses(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        # Logarithms keep what must be positive so, without bounds, which would cost three times as much.
        peak, cx, cy, alpha, beta, sky = p
        r2 = ((u - cx) ** 2 + (v - cy) ** 2) * np.exp(-2.0 * alpha)
        return np.asarray((peak * np.exp(-np.exp(beta) * np.log1p(r2)) + sky - patch / top).ravel())

    start = [1.0, x, y, np.log(1.15 * fwhm), np.log(4.0), 0.0]
    # Steps far off overflow, and are not taken.
    with np.errstate(over="ignore", invalid="ignore"):
        found = least_squares(misses, start, method="lm", max_nfev=400)
    _, cx, cy, alpha, beta, _ = found.x
    if not found.success or abs(alpha) > 4.0 or not 0.0 < beta < 4.0:
        return np.nan, np.nan, np.nan
    return float(cx), float(cy), float(2.0 * np.exp(alpha) * np.sqrt(np.expm1(np.log(2.0) * np.exp(-beta))))
