"""Random numbers that depend on a pixel's place and a seed, and on nothing else.

Strips, threads and the order of evaluation cannot change them: each number is a hash of seed, draw, channel,
row and column (the finaliser of SplitMix64: Steele, Lea and Flood 2014), turned into a distribution by its
inverse cumulative function.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from ...engine.api import Box

Floats = npt.NDArray[np.float64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MASK = (1 << 64) - 1


def _mixed(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(box: Box, seed: int, draw: int, channel: int) -> Floats:
    """Return numbers in the open interval (0, 1) for the pixels of *box*; *draw* tells one call from another."""
    start = np.array([seed & _MASK], np.uint64)
    for part in (draw, channel):
        start = _mixed(start + _GOLDEN * np.array([part + 1], np.uint64))
    rows = np.arange(box.y0, box.y1, dtype=np.uint64)[:, None]
    columns = np.arange(box.x0, box.x1, dtype=np.uint64)[None, :]
    bits = _mixed(_mixed(start + _GOLDEN * (rows + np.uint64(1))) + _GOLDEN * (columns + np.uint64(1)))
    # 52 bits and a half: neither 0 nor 1, where inverse functions are infinite.
    return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def gauss(u: Floats) -> Floats:
    """Return normal deviates of zero mean and unit standard deviation."""
    return np.asarray(special.ndtri(u))


def gamma(u: Floats, shape: Floats, scale: Floats) -> Floats:
    """Return gamma deviates; missing where shape or scale is not above 0."""
    ok = (shape > 0) & (scale > 0)
    return np.where(ok, special.gammaincinv(np.where(ok, shape, 1.0), u) * scale, np.nan)


def chi_square(u: Floats, degrees: Floats) -> Floats:
    """Return chi squared deviates."""
    return gamma(u, degrees / 2, np.full_like(degrees, 2.0))


def student(u: Floats, degrees: Floats) -> Floats:
    """Return Student's t deviates; missing where the degrees of freedom are not above 0."""
    ok = degrees > 0
    return np.where(ok, special.stdtrit(np.where(ok, degrees, 1.0), u), np.nan)


def poisson(u: Floats, mean: Floats) -> Floats:
    """Return Poisson deviates: the smallest k with P(k; mean) >= u; 0 for means of 0 and below."""
    lam = np.where(mean > 0, mean, 1.0)
    k = np.maximum(np.ceil(special.pdtrik(u, lam)), 0.0)
    # The inverse is a real number near a step; the step itself decides.
    k = np.where(special.pdtr(np.maximum(k - 1, 0.0), lam) >= u, np.maximum(k - 1, 0.0), k)
    k = np.where(special.pdtr(k, lam) < u, k + 1, k)
    return np.where(np.isnan(mean), np.nan, np.where(mean > 0, k, 0.0))
