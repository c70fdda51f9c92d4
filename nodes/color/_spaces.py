"""Colour spaces: RGB to CIE XYZ, L*a*b*, L*c*h*, HSV and HSI and back, all components in [0, 1].

Sources: sRGB transfer curve, IEC 61966-2-1; L*a*b* and L*c*h*, CIE 15 (1976 space, with the exact
constants 216/24389 and 24389/27); HSV and HSI (double hexcone), A. R. Smith, "Color gamut transform
pairs", SIGGRAPH 1978, and Joblove and Greenberg, same volume. The normalisations are those of
PixInsight's RGB working spaces; the default space has the sRGB primaries adapted to D50 white.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float64]

SPACES = ("RGB", "XYZ", "Lab", "LCh", "HSV", "HSI")
XYZ, LAB, LCH, HSV, HSI = 1, 2, 3, 4, 5

SRGB = 0.0
"""The `gamma` that stands for the piecewise sRGB curve; any other value is a plain exponent."""

_X = (0.648431, 0.321152, 0.155886)
_Y = (0.330856, 0.597871, 0.066044)
LUMINANCE = (0.222491, 0.716888, 0.060621)
"""Weights of linear R, G, B in CIE Y."""


def _to_xyz_matrix() -> npt.NDArray[np.float64]:
    """Return linear RGB -> XYZ, each row scaled so that white is (1, 1, 1)."""
    x, y = np.array(_X), np.array(_Y)
    m = np.stack([x / y, np.ones(3), (1 - x - y) / y]) * np.array(LUMINANCE)
    return np.asarray(m / m.sum(axis=1, keepdims=True))


_TO = _to_xyz_matrix()
_FROM = np.linalg.inv(_TO)

_EPSILON = 216 / 24389
_KAPPA = 24389 / 27
# a* and b* (in units of 100) are largest where one of the two differing components is 1 and the other 0.
_A_END = 5 * (1 - 16 / 116)
_B_END = 2 * (1 - 16 / 116)
_C_END = math.hypot(_A_END, _B_END)

_compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def _unit(v):  # type: ignore[no-untyped-def]
    return min(max(v, 0.0), 1.0)


@_compiled
def _linear(v, gamma):  # type: ignore[no-untyped-def]
    if gamma == 1.0:
        return v
    if gamma != SRGB:
        return v**gamma
    return ((v + 0.055) / 1.055) ** 2.4 if v > 0.04045 else v / 12.92


@_compiled
def _encoded(v, gamma):  # type: ignore[no-untyped-def]
    if gamma == 1.0:
        return v
    if gamma != SRGB:
        return v ** (1.0 / gamma)
    return 1.055 * v ** (1.0 / 2.4) - 0.055 if v > 0.0031308 else 12.92 * v


@_compiled
def _toe_root(t):  # type: ignore[no-untyped-def]
    return np.cbrt(t) if t > _EPSILON else (_KAPPA * t + 16.0) / 116.0


@_compiled
def _toe_cube(f):  # type: ignore[no-untyped-def]
    cube = f * f * f
    return cube if cube > _EPSILON else (116.0 * f - 16.0) / _KAPPA


@_compiled
def _rgb_to_xyz(r, g, b, gamma):  # type: ignore[no-untyped-def]
    r, g, b = _linear(r, gamma), _linear(g, gamma), _linear(b, gamma)
    return (
        _unit(_TO[0, 0] * r + _TO[0, 1] * g + _TO[0, 2] * b),
        _unit(_TO[1, 0] * r + _TO[1, 1] * g + _TO[1, 2] * b),
        _unit(_TO[2, 0] * r + _TO[2, 1] * g + _TO[2, 2] * b),
    )


@_compiled
def _xyz_to_rgb(x, y, z, gamma):  # type: ignore[no-untyped-def]
    return (
        _encoded(_unit(_FROM[0, 0] * x + _FROM[0, 1] * y + _FROM[0, 2] * z), gamma),
        _encoded(_unit(_FROM[1, 0] * x + _FROM[1, 1] * y + _FROM[1, 2] * z), gamma),
        _encoded(_unit(_FROM[2, 0] * x + _FROM[2, 1] * y + _FROM[2, 2] * z), gamma),
    )


@_compiled
def _rgb_to_opponents(r, g, b, gamma):  # type: ignore[no-untyped-def]
    """Return L*, a*, b* divided by 100."""
    x, y, z = _rgb_to_xyz(r, g, b, gamma)
    fx, fy, fz = _toe_root(x), _toe_root(y), _toe_root(z)
    return _unit(1.16 * fy - 0.16), 5.0 * (fx - fy), 2.0 * (fy - fz)


@_compiled
def _opponents_to_rgb(lightness, a, b, gamma):  # type: ignore[no-untyped-def]
    fy = (lightness + 0.16) / 1.16
    return _xyz_to_rgb(_toe_cube(fy + a / 5.0), _toe_cube(fy), _toe_cube(fy - b / 2.0), gamma)


@_compiled
def _hue(r, g, b, top, spread):  # type: ignore[no-untyped-def]
    """Return the hexcone hue in [0, 1); 0 for grays, where it is undefined."""
    if spread == 0.0:
        return 0.0
    if r == top:
        h = (g - b) / spread
    elif g == top:
        h = 2.0 + (b - r) / spread
    else:
        h = 4.0 + (r - g) / spread
    return h / 6.0 + (1.0 if h < 0.0 else 0.0)


@_compiled
def _rgb_to_hsv(r, g, b):  # type: ignore[no-untyped-def]
    top = max(r, g, b)
    spread = top - min(r, g, b)
    return _hue(r, g, b, top, spread), (spread / top if spread > 0.0 else 0.0), top


@_compiled
def _rgb_to_hsi(r, g, b):  # type: ignore[no-untyped-def]
    top, bottom = max(r, g, b), min(r, g, b)
    spread, total = top - bottom, top + bottom
    room = total if total <= 1.0 else 2.0 - total
    return _hue(r, g, b, top, spread), (spread / room if spread > 0.0 else 0.0), 0.5 * total


@_compiled
def _hsv_part(n, h, s, v):  # type: ignore[no-untyped-def]
    k = (n + 6.0 * h) % 6.0
    return v - v * s * max(0.0, min(k, 4.0 - k, 1.0))


@_compiled
def _hsi_part(n, h, s, i):  # type: ignore[no-untyped-def]
    k = (n + 12.0 * h) % 12.0
    return i - s * min(i, 1.0 - i) * max(-1.0, min(k - 3.0, 9.0 - k, 1.0))


@_compiled
def _forward(space, gamma, r, g, b):  # type: ignore[no-untyped-def]
    if space == XYZ:
        return _rgb_to_xyz(r, g, b, gamma)
    if space == HSV:
        return _rgb_to_hsv(r, g, b)
    if space == HSI:
        return _rgb_to_hsi(r, g, b)
    lightness, a, b = _rgb_to_opponents(r, g, b, gamma)
    if space == LAB:
        return lightness, _unit((a + _A_END) / (2.0 * _A_END)), _unit((b + _B_END) / (2.0 * _B_END))
    turn = math.atan2(b, a) / (2.0 * math.pi)
    return lightness, _unit(math.sqrt(a * a + b * b) / _C_END), (turn + 1.0 if turn < 0.0 else turn)


@_compiled
def _inverse(space, gamma, p, q, s):  # type: ignore[no-untyped-def]
    if space == XYZ:
        return _xyz_to_rgb(p, q, s, gamma)
    if space == HSV:
        return _hsv_part(5.0, p, q, s), _hsv_part(3.0, p, q, s), _hsv_part(1.0, p, q, s)
    if space == HSI:
        return _hsi_part(0.0, p, q, s), _hsi_part(8.0, p, q, s), _hsi_part(4.0, p, q, s)
    if space == LAB:
        return _opponents_to_rgb(p, (2.0 * q - 1.0) * _A_END, (2.0 * s - 1.0) * _B_END, gamma)
    angle = 2.0 * math.pi * s
    return _opponents_to_rgb(p, q * _C_END * math.cos(angle), q * _C_END * math.sin(angle), gamma)


@_compiled
def _convert(space, gamma, back, planes, out):  # type: ignore[no-untyped-def]
    for y in range(planes.shape[1]):
        for x in range(planes.shape[2]):
            p, q, s = planes[0, y, x], planes[1, y, x], planes[2, y, x]
            if not math.isfinite(p + q + s):
                out[0, y, x] = out[1, y, x] = out[2, y, x] = math.nan
                continue
            p, q, s = _unit(p), _unit(q), _unit(s)
            if back:
                u, v, w = _inverse(space, gamma, p, q, s)
            else:
                u, v, w = _forward(space, gamma, p, q, s)
            out[0, y, x], out[1, y, x], out[2, y, x] = u, v, w


def from_rgb(planes: Planes, space: int, gamma: float) -> Planes:
    """Return the components of *planes* (R, G, B; clamped to [0, 1]) in *space*, a place in `SPACES`.

    A pixel with a missing component is missing in all three.
    """
    out = np.empty_like(planes)
    _convert(space, gamma, False, planes, out)
    return out


def to_rgb(planes: Planes, space: int, gamma: float) -> Planes:
    """Return R, G, B of *planes* given in *space*, clamped to [0, 1] on both sides; the inverse of `from_rgb`."""
    out = np.empty_like(planes)
    _convert(space, gamma, True, planes, out)
    return out


def normalised(tile: npt.NDArray[np.float32], bounds: tuple[float, float]) -> Planes:
    """Return *tile* as float64 with *bounds* mapped to 0 and 1."""
    lo, hi = bounds
    return (tile.astype(np.float64) - lo) / (hi - lo)
