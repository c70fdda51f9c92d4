"""Fluxes, shifts and widths of the same stars in frame after frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import ParameterError
from ._matched import FWHM

Floats = npt.NDArray[np.float64]

_UNUSABLE = 1 | 2 | 8 | 16
"""Saturated, at the edge, samples missing, no star's shape: flags of a star list."""
_BLENDED = 4
SHAPED = 30
"""Of how many of the brightest stars shifts and widths are taken."""
_COVERED = 0.8
"""Part of a star's light that must fall on samples that are there."""


def reach(fwhm: float) -> int:
    """Return how far from a star its samples are looked at: three sigma, and a little sky."""
    return math.ceil(1.5 * fwhm) + 1


def reference_stars(stars: Mapping[str, Any], most: int, least_snr: float) -> Floats:
    """Return ``(n, 2)``, row and column of the stars by which frames are compared, the brightest first.

    Stars that are saturated, at the edge, incomplete or blended are left out; blended ones only where five or more
    others remain.
    """
    if "table" not in stars:
        raise ParameterError(f"stars: a star list was wanted, got {', '.join(map(str, stars)) or 'nothing'}")
    names, table = list(stars["columns"]), np.asarray(stars["table"], np.float64)
    table = table.reshape(-1, len(names))
    flags = table[:, names.index("flags")].astype(np.int64)
    usable = (flags & _UNUSABLE == 0) & (table[:, names.index("snr")] >= least_snr)
    alone = usable & (flags & _BLENDED == 0)
    chosen = table[alone if alone.sum() >= 5 else usable][:most]
    return np.ascontiguousarray(chosen[:, [names.index("y"), names.index("x")]])


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def fluxes(plane: Any, top: int, stars: Any, sigma: float, radius: int, shaped: int, out: Any) -> None:
    """Measure stars of one frame.

    Parameters
    ----------
    plane
        Rows ``top ..`` of the frame, all columns.
    stars
        ``(n, 2)``: row and column.
    sigma
        Of the Gaussian by which they are weighted.
    out
        ``(n, 4)``: height of the Gaussian above a constant that is fitted with it; of the first *shaped* stars also
        shift in rows and columns, and second moment along an axis, all under the Gaussian. NaN where samples are
        missing.
    """
    for s in range(len(stars)):
        for e in range(4):
            out[s, e] = np.nan
        y, x = stars[s, 0], stars[s, 1]
        y0, x0 = int(np.rint(y)) - radius - top, int(np.rint(x)) - radius
        n, sp, spp, sv, spv, whole = 0, 0.0, 0.0, 0.0, 0.0, 0.0
        for r in range(y0, y0 + 2 * radius + 1):
            for c in range(x0, x0 + 2 * radius + 1):
                p = math.exp(-0.5 * ((r + top - y) ** 2 + (c - x) ** 2) / (sigma * sigma))
                whole += p * p
                if 0 <= r < plane.shape[0] and 0 <= c < plane.shape[1]:
                    v = np.float64(plane[r, c])
                    if np.isfinite(v):
                        n += 1
                        sp += p
                        spp += p * p
                        sv += v
                        spv += p * v
        if spp < _COVERED * whole or n < 9:
            continue
        height = (spv - sp * sv / n) / (spp - sp * sp / n)
        out[s, 0] = height
        if s >= shaped or not height > 0.0:
            continue
        level = (sv - height * sp) / n
        m0, my, mx, mm = 0.0, 0.0, 0.0, 0.0
        for r in range(max(y0, 0), min(y0 + 2 * radius + 1, plane.shape[0])):
            for c in range(max(x0, 0), min(x0 + 2 * radius + 1, plane.shape[1])):
                v = np.float64(plane[r, c]) - level
                if np.isfinite(v):
                    dy, dx = r + top - y, c - x
                    p = math.exp(-0.5 * (dy * dy + dx * dx) / (sigma * sigma)) * v
                    m0 += p
                    my += p * dy
                    mx += p * dx
                    mm += p * (dy * dy + dx * dx)
        if m0 > 0.0:
            out[s, 1], out[s, 2] = my / m0, mx / m0
            out[s, 3] = 0.5 * (mm / m0 - (my / m0) ** 2 - (mx / m0) ** 2)


def unweighted(shapes: Floats, sigma: float) -> tuple[Floats, Floats, Floats]:
    """Return shifts in rows and columns, and FWHM, of each frame out of what `fluxes` found under its Gaussian.

    *shapes* is ``(frames, stars, 3)``. The product of two Gaussians is one: where a star of variance s² is seen under
    a window of variance w², its moment is ``s² w² / (s² + w²)`` and its shift the part ``w² / (s² + w²)`` of the true
    one. Of each frame the medians of its stars count.
    """
    w2 = sigma * sigma
    if not shapes.shape[1]:
        none = np.full(len(shapes), np.nan)
        return none, none.copy(), none.copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = np.where(shapes[:, :, 2] < 0.95 * w2, shapes[:, :, 2], np.nan)
        s2 = np.where(seen > 0.0, seen * w2 / (w2 - seen), np.nan)
        part = s2 / (s2 + w2)
        dy, dx = _median(shapes[:, :, 0] / (1.0 - part)), _median(shapes[:, :, 1] / (1.0 - part))
        return dy, dx, _median(np.sqrt(s2)) * FWHM


def _median(values: Floats) -> Floats:
    """Return the median of each row, missing values left out; NaN of rows without any."""
    made = np.full(len(values), np.nan)
    for i, row in enumerate(values):
        there = row[np.isfinite(row)]
        if len(there):
            made[i] = np.median(there)
    return made
