"""Candidates: the places of a significance map that stand for sources of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ._matched import FWHM

Floats = npt.NDArray[np.float64]

CORE, WINGS = 1.5, 6.0
"""Within CORE widths there is one source; up to WINGS one must stand out from the light of a stronger one."""
CLIMB = 2
_LN10 = math.log(10.0)
_FLANK = 0.03
"""What of a star's height its profile may be off from a Gaussian in its wings."""


def crests(significance: npt.NDArray[np.float32], least: float) -> npt.NDArray[np.intp]:
    """Return ``(n, 3)``: channel, row and column of the local maxima of at least *least*, among their eight neighbours;
    of equal neighbours the first counts. The outermost rows and columns are not searched."""
    padded = np.where(np.isfinite(significance), significance, -np.inf)
    inner = padded[:, 1:-1, 1:-1]
    found = inner >= least
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dy or dx:
                other = padded[:, 1 + dy : padded.shape[1] - 1 + dy, 1 + dx : padded.shape[2] - 1 + dx]
                found &= inner > other if (dy, dx) < (0, 0) else inner >= other
    made = np.argwhere(found)
    made[:, 1:] += 1
    return made


def climbed(amplitude: npt.NDArray[np.float32], y: int, x: int) -> tuple[int, int]:
    """Return the row and column of the peak of *amplitude* that lies uphill, CLIMB steps away at most: the significance
    of a bright source is flat at its top, where noise decides which pixel is highest."""
    y, x = int(y), int(x)
    for _ in range(CLIMB):
        near = np.nan_to_num(amplitude[y - 1 : y + 2, x - 1 : x + 2], nan=-np.inf)
        dy, dx = divmod(int(near.argmax()), 3)
        if (dy, dx) == (1, 1) or near[dy, dx] <= near[1, 1]:
            break
        y, x = y + dy - 1, x + dx - 1
    return y, x


def summit(patch: Floats) -> tuple[float, float, float]:
    """Return where the paraboloid through the 3 x 3 values of *patch* peaks, in rows and columns from its middle, and
    its height there; the middle itself where it has no peak within a pixel."""
    middle = float(patch[1, 1])
    if not np.isfinite(patch).all():
        return 0.0, 0.0, middle
    gy, gx = 0.5 * (patch[2, 1] - patch[0, 1]), 0.5 * (patch[1, 2] - patch[1, 0])
    yy, xx = patch[2, 1] + patch[0, 1] - 2.0 * middle, patch[1, 2] + patch[1, 0] - 2.0 * middle
    xy = 0.25 * (patch[2, 2] + patch[0, 0] - patch[2, 0] - patch[0, 2])
    bend = yy * xx - xy * xy
    if not (bend > 0.0 and yy < 0.0):
        return 0.0, 0.0, middle
    dy, dx = (xy * gx - xx * gy) / bend, (xy * gy - yy * gx) / bend
    if max(abs(dy), abs(dx)) > 1.0:
        return 0.0, 0.0, middle
    return float(dy), float(dx), middle + 0.5 * float(gy * dy + gx * dx)


def alone(found: list[dict[str, Any]], fwhm: float, least: float) -> list[dict[str, Any]]:
    """Return the candidates that are sources of their own, the most significant first.

    A source's light reaches as far as that of any star. A candidate near a stronger one of the same period counts if
    what it has besides that one's light there (a Gaussian as wide as the filter makes it) is itself as significant as
    *least* wants.
    """
    kept: list[dict[str, Any]] = []
    width = max(fwhm, 1.0)
    for one in sorted(found, key=lambda c: (-c["significance"], c["row"], c["column"])):
        if all(_apart(one, other, width, fwhm, least) for other in kept):
            kept.append(one)
    return kept


def _apart(one: Mapping[str, Any], other: Mapping[str, Any], width: float, fwhm: float, least: float) -> bool:
    away = math.hypot(one["y"] - other["y"], one["x"] - other["x"])
    if away <= CORE * width:
        return False
    if away > WINGS * width or not fwhm > 0.0:
        return True
    # The star's profile under the matched filter: wider by the root of two.
    sigma = fwhm / FWHM * math.sqrt(2.0)
    part = math.exp(-0.5 * (away / sigma) ** 2)
    same = abs(one["period"] - other["period"]) <= 3.0 * math.hypot(one["period_err"], other["period_err"]) + 1e-12
    turn = one["phase"] - other["phase"] if same else 0.0
    light = other["amplitude"] * part
    rest = math.hypot(one["amplitude"] * math.cos(turn) - light, one["amplitude"] * math.sin(turn))
    rest -= _FLANK * other["amplitude"] * math.exp(-0.5 * (away / (2.0 * sigma)) ** 2)
    z = max(0.0, rest) / one["amplitude_err"] if one["amplitude_err"] > 0.0 else 0.0
    return 0.5 * z * z / _LN10 >= least
