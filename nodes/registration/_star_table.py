"""From the stars of single tiles to the list of a frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ._mesh import Table
from ._moments import BLENDED, COLUMNS

X, Y, FLUX, FWHM, ECCENTRICITY, FLAGS = (COLUMNS.index(n) for n in ("x", "y", "flux", "fwhm", "eccentricity", "flags"))


_PLACE = 2.0**-14
_DIGITS = 2.0**16


def rounded(table: Table, places: Sequence[int] = (X, Y)) -> Table:
    """Return *table* with places to 2^-14 pixels and all else to 16 binary digits: what noise leaves, and no more.

    The places of the brightest stars are known to a few 10^-4 pixels, their fluxes to some 10^-4. Without digits
    that mean nothing a list takes a third of the bytes.
    """
    whole = table.copy()
    whole[:, places] = np.rint(table[:, places] / _PLACE) * _PLACE
    rest = [i for i in range(table.shape[1]) if i not in places]
    mantissa, exponent = np.frexp(table[:, rest])
    whole[:, rest] = np.ldexp(np.rint(mantissa * _DIGITS), exponent - 16)
    return whole


def ordered(table: Table) -> Table:
    """Return the rows by falling flux, equal ones by y, then x."""
    order = np.lexsort((table[:, X], table[:, Y], -table[:, FLUX]))
    return table[order]


def cleaned(table: Table, closest: float) -> Table:
    """Return *table*, brightest first, without unusable rows and those within *closest* of a brighter one."""
    table = ordered(table[np.isfinite(table).all(axis=1) & (table[:, FLUX] > 0.0)])
    if len(table) < 2:
        return table
    keep = np.ones(len(table), bool)
    for a, b in _pairs(table, closest):
        if keep[a]:
            keep[b] = False
    return table[keep]


def flagged(table: Table) -> Table:
    """Return *table* with the flag of stars that have another, at least a tenth as bright, within two FWHM."""
    if len(table) < 2:
        return table
    table = table.copy()
    widths = 2.0 * table[:, FWHM]
    pairs = _pairs(table, float(np.quantile(widths, 0.95)))
    distance = np.hypot(*(table[pairs[:, 0], i] - table[pairs[:, 1], i] for i in (X, Y)))
    blended = np.zeros(len(table), bool)
    for own, other in ((0, 1), (1, 0)):
        a, b = pairs[:, own], pairs[:, other]
        blended[a[(distance < np.maximum(widths[a], widths[b])) & (table[b, FLUX] > 0.1 * table[a, FLUX])]] = True
    flags = table[:, FLAGS].astype(np.int64)
    table[:, FLAGS] = np.where(blended, flags | BLENDED, flags)
    return table


def _pairs(table: Table, radius: float) -> npt.NDArray[np.intp]:
    """Return the pairs of rows nearer than *radius*, the brighter row first, by rank of the brighter one."""
    pairs: npt.NDArray[np.intp] = cKDTree(table[:, [X, Y]]).query_pairs(radius, output_type="ndarray")
    pairs = np.sort(pairs.reshape(-1, 2), axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def medians(table: Table) -> dict[str, float]:
    """Return the typical width and eccentricity of the unflagged stars."""
    good = table[table[:, FLAGS] == 0]
    found: Any = np.median(good[:, [FWHM, ECCENTRICITY]], axis=0) if len(good) else (math.nan, math.nan)
    return {"fwhm": float(found[0]), "eccentricity": float(found[1])}
