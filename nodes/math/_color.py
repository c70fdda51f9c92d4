"""Colour components of normalised RGB planes, as PixelMath's colour functions give them.

Sources: sRGB transfer curve, IEC 61966-2-1; CIE 15 (L*a*b*, L*c*h*) with PixInsight's default RGB working
space (sRGB primaries adapted to D50) and normalisation to [0, 1]; hue, saturation, value and intensity after
A. R. Smith (1978).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_x = np.array([0.648431, 0.321152, 0.155886])
_y = np.array([0.330856, 0.597871, 0.066044])
_luminance = np.array([0.222491, 0.716888, 0.060621])
_to_xyz = np.stack([_x / _y, np.ones(3), (1 - _x - _y) / _y]) * _luminance
TO_XYZ = _to_xyz / _to_xyz.sum(axis=1, keepdims=True)
"""Linear RGB to X, Y, Z, each scaled so that white is 1."""

_EPSILON, _KAPPA = 216 / 24389, 24389 / 27
_A_END, _B_END = 5 * (1 - 16 / 116), 2 * (1 - 16 / 116)

COMPONENTS = (
    "CIEX", "CIEY", "CIEZ", "CIEL", "CIEa", "CIEb", "CIEc", "CIEh", "CIEhr", "CIEhd",
    "H", "Hr", "Hd", "Sv", "V", "Si", "I",
)  # fmt: skip


def component(name: str, rgb: tuple[Floats, Floats, Floats]) -> Floats:
    """Return the component *name* of R, G, B planes, which are clamped to [0, 1]."""
    missing = np.isnan(rgb[0]) | np.isnan(rgb[1]) | np.isnan(rgb[2])
    r, g, b = (np.clip(np.where(missing, 0.0, p), 0.0, 1.0) for p in rgb)
    found = _cie(name[3:], r, g, b) if name.startswith("CIE") else _hexcone(name, r, g, b)
    return np.asarray(np.where(missing, np.nan, found))


def _cie(name: str, r: Floats, g: Floats, b: Floats) -> Any:
    r, g, b = (np.where(p > 0.04045, ((p + 0.055) / 1.055) ** 2.4, p / 12.92) for p in (r, g, b))
    xyz = [np.clip(m[0] * r + m[1] * g + m[2] * b, 0.0, 1.0) for m in TO_XYZ]
    if name in "XYZ":
        return xyz["XYZ".index(name)]
    fx, fy, fz = (np.where(t > _EPSILON, np.cbrt(t), (_KAPPA * t + 16) / 116) for t in xyz)
    if name == "L":
        return np.clip(1.16 * fy - 0.16, 0.0, 1.0)
    p, q = 5 * (fx - fy), 2 * (fy - fz)
    if name == "a":
        return np.clip((p + _A_END) / (2 * _A_END), 0.0, 1.0)
    if name == "b":
        return np.clip((q + _B_END) / (2 * _B_END), 0.0, 1.0)
    if name == "c":
        return np.hypot(p, q) / np.hypot(_A_END, _B_END)
    return _turned(name, np.mod(np.arctan2(q, p) / (2 * np.pi), 1.0))


def _turned(name: str, turns: Any) -> Any:
    """Return an angle as part of a turn, in radians (…r) or degrees (…d)."""
    return turns * {"r": 2 * np.pi, "d": 360.0}.get(name[1:], 1.0)


def _hexcone(name: str, r: Floats, g: Floats, b: Floats) -> Any:
    top, bottom = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    spread, total = top - bottom, top + bottom
    if name == "V":
        return top
    if name == "I":
        return 0.5 * total
    grey = spread == 0
    if name == "Sv":
        return np.where(grey, 0.0, spread / np.where(grey, 1.0, top))
    if name == "Si":
        return np.where(grey, 0.0, spread / np.where(grey, 1.0, np.where(total <= 1, total, 2 - total)))
    s = np.where(grey, 1.0, spread)
    hue = np.where(r == top, (g - b) / s, np.where(g == top, 2 + (b - r) / s, 4 + (r - g) / s)) / 6
    return _turned(name, np.where(grey, 0.0, np.mod(hue, 1.0)))
