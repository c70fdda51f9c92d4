"""Right ascension and declination of pixels, by a gnomonic (TAN) solution with or without SIP distortion.

Sources: Calabretta and Greisen (2002), eq. 2, 54 and section 2.4; Shupe et al. (2005) for SIP.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, ParameterError, Scalar

Floats = npt.NDArray[np.float64]
Words = Mapping[str, Scalar]
_DEGREES = {"deg": 1.0, "degree": 1.0, "degrees": 1.0, "": 1.0}


@dataclass(frozen=True)
class Solution:
    """A solution in degrees; *matrix* turns pixel offsets into the plane's coordinates, right ascension first."""

    reference: tuple[float, float]
    matrix: tuple[float, float, float, float]
    ra: float
    dec: float
    pole: float
    sip: tuple[dict[tuple[int, int], float], dict[tuple[int, int], float]]


def solution(frame: Frame, image: str) -> Solution:
    """Return the celestial solution of *frame*, the image called *image* in the expression."""
    words = {k: v for k, v, _ in frame.wcs}
    axes = [str(words.get(f"CTYPE{i}", "")).strip().upper() for i in (1, 2)]
    kinds = [a[:4].rstrip("-") for a in axes]
    projections = {a[5:] for a in axes}
    if not frame.wcs:
        raise ParameterError(f"PixelMath: {image} has no celestial solution; ra(), rra() and dec() want one")
    if sorted(kinds) != ["DEC", "RA"] or not projections <= {"TAN", "TAN-SIP"} or len(projections) != 1:
        raise ParameterError(
            f"PixelMath: ra(), rra() and dec() want a gnomonic solution in right ascension and declination "
            f"(RA---TAN, DEC--TAN, also with -SIP), {image} has CTYPE {axes[0]!r}, {axes[1]!r}"
        )
    if any(k.startswith(("PV", "CPDIS", "D2IM")) and _number(words, k, image) != 0 for k in words):
        raise ParameterError(f"PixelMath: the solution of {image} has PV or table distortions; ra() and dec() know SIP")
    swap = kinds[0] == "DEC"
    values = [_number(words, f"CRVAL{i}", image) * _unit(words, i, image) for i in (1, 2)]
    m = _matrix(words, image)
    first, second = (2, 1) if swap else (1, 2)
    dec = values[second - 1]
    sip = (_polynomial(words, "A", image), _polynomial(words, "B", image)) if "TAN-SIP" in projections else ({}, {})
    return Solution(
        (_number(words, "CRPIX1", image), _number(words, "CRPIX2", image)),
        (m[2], m[3], m[0], m[1]) if swap else (m[0], m[1], m[2], m[3]),
        values[first - 1], dec,
        _number(words, "LONPOLE", image, 0.0 if dec >= 90.0 else 180.0), sip,
    )  # fmt: skip


def _number(words: Words, keyword: str, image: str, default: float = 0.0) -> float:
    value = words.get(keyword)
    if value is None:
        return default
    try:
        return float(str(value))
    except ValueError:
        raise ParameterError(f"PixelMath: {keyword} of {image} should be a number, is {value!r}") from None


def _unit(words: Words, axis: int, image: str) -> float:
    unit = str(words.get(f"CUNIT{axis}", "")).strip().lower()
    if unit not in _DEGREES:
        raise ParameterError(f"PixelMath: the solution of {image} should be in degrees, CUNIT{axis} is {unit!r}")
    return _DEGREES[unit]


def _matrix(words: Words, image: str) -> tuple[float, float, float, float]:
    """Return CD, or what PC and CDELT, or CDELT and CROTA2, say instead."""
    places = ((1, 1), (1, 2), (2, 1), (2, 2))
    if any(f"CD{i}_{j}" in words for i, j in places):
        a, b, c, d = (_number(words, f"CD{i}_{j}", image) for i, j in places)
        return a, b, c, d
    dx, dy = (_number(words, f"CDELT{i}", image, 1.0) for i in (1, 2))
    if any(f"PC{i}_{j}" in words for i, j in places):
        a, b, c, d = (_number(words, f"PC{i}_{j}", image, float(i == j)) for i, j in places)
        return dx * a, dx * b, dy * c, dy * d
    turn = math.radians(_number(words, "CROTA2", image, _number(words, "CROTA1", image)))
    return dx * math.cos(turn), -dy * math.sin(turn), dx * math.sin(turn), dy * math.cos(turn)


def _polynomial(words: Words, name: str, image: str) -> dict[tuple[int, int], float]:
    order = int(_number(words, f"{name}_ORDER", image))
    terms = [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]
    return {(i, j): _number(words, f"{name}_{i}_{j}", image) for i, j in terms if f"{name}_{i}_{j}" in words}


def coordinate(kind: str, s: Solution, box: Box) -> Floats:
    """Return ``ra`` (0 to 360), ``rra`` (from the reference point, -180 to 180) or ``dec`` in degrees."""
    shape = (box.height, box.width)
    u = np.broadcast_to(np.arange(box.x0, box.x1) + 1.0 - s.reference[0], shape)
    v = np.broadcast_to(np.arange(box.y0, box.y1)[:, None] + 1.0 - s.reference[1], shape)
    a, b = (sum((c * u**i * v**j for (i, j), c in p.items()), np.zeros(shape)) for p in s.sip)
    u, v = u + a, v + b
    x = s.matrix[0] * u + s.matrix[1] * v
    y = s.matrix[2] * u + s.matrix[3] * v
    # Native longitude and latitude about the point of contact; dec0 is the latitude of their pole.
    turned = np.arctan2(x, -y) - math.radians(s.pole)
    distance = np.radians(np.hypot(x, y))
    sine = 1.0 / np.sqrt(1.0 + distance * distance)
    cosine = distance * sine
    sin0, cos0 = math.sin(math.radians(s.dec)), math.cos(math.radians(s.dec))
    east = -cosine * np.sin(turned)
    north = sine * cos0 - cosine * sin0 * np.cos(turned)
    if kind == "dec":
        return np.degrees(np.arctan2(sine * sin0 + cosine * cos0 * np.cos(turned), np.hypot(east, north)))
    away = np.degrees(np.arctan2(east, north))
    return away if kind == "rra" else np.mod(s.ra + away, 360.0)
