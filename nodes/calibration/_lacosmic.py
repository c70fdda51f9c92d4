"""Cosmic rays by Laplacian edge detection: van Dokkum 2001, PASP 113, 1420 (numbers of equations are his).

Work is done only where something may have changed: everywhere in the first round, and within the reach of what the
round before has replaced in the others. That gives the same as working everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ._defects import median_of
from ._median25 import row_of_medians

_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")
Plane = npt.NDArray[np.float32]

_MARGIN = 4  # of the working arrays: the 7 x 7 median of 3 x 3 medians, or the widest search for sound samples
_REACH = 6  # whether a sample is a cosmic ray depends on samples so far away: 4, and 2 of growth
HALO = _REACH + _MARGIN
"""How far one round sees: the replacement is taken from samples up to four further away."""

_LEAST_STRUCTURE = 0.01  # of sigma: what divides where the fine structure is flat or negative


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as a cosmic ray; noise in the unit of the samples.

    Attributes
    ----------
    sigma, neighbour
        Significance of a cosmic ray, and of a neighbour of one.
    contrast
        How much sharper than the fine structure of the image (stars) it is.
    gain_variance, sky, read_variance
        Noise squared is ``gain_variance * (sample + sky) + read_variance``.
    saturation
        Samples as bright as this, in surroundings of a tenth of it, are cores of stars.
    """

    sigma: float
    neighbour: float
    contrast: float
    gain_variance: float
    sky: float
    read_variance: float
    saturation: float


def cleaned(plane: Plane, limits: Limits, rounds: int) -> tuple[Plane, npt.NDArray[np.uint8]]:
    """Return *plane* with cosmic rays replaced, and 1 where they were. Valid further than HALO * rounds inside."""
    x = np.pad(plane, _MARGIN, constant_values=np.nan)
    x[~np.isfinite(x)] = np.nan
    shape = x.shape
    background, significance, prominence = (np.full(shape, np.nan, np.float32) for _ in range(3))
    core, rays, sure, beside = (np.zeros(shape, np.uint8) for _ in range(4))
    touched, active = np.ones(shape, np.uint8), np.ones(shape, np.uint8)
    noise = (limits.gain_variance, limits.sky, limits.read_variance)
    least = min(limits.neighbour, limits.sigma)
    for n in range(rounds):
        if n == 0:
            _all_medians(x, background)
            _saturated(x, background, limits.saturation, core)
            _significance(x, background, touched, noise, significance)
            _all_medians(significance, prominence)
            _subtract_from(significance, least, prominence)
        else:
            _medians(x, touched, background)
            _significance(x, background, touched, noise, significance)
            _prominence(significance, active, least, prominence)
        _find(x, background, prominence, core, active, limits.sigma, limits.contrast, noise, sure)
        _grow(sure, prominence, core, active, limits.sigma, beside)
        if not _add_grown(beside, prominence, core, active, limits.neighbour, rays):
            break
        touched[:], active[:] = 0, 0
        _replace(x, rays, touched, active)
    inside = (slice(_MARGIN, -_MARGIN), slice(_MARGIN, -_MARGIN))
    return np.ascontiguousarray(x[inside]), np.ascontiguousarray(rays[inside])


def _all_medians(x: Plane, out: Plane) -> None:
    """Write the median of 5 x 5 samples everywhere inside the margin."""
    medians, m = row_of_medians(), _MARGIN
    for y in range(m, x.shape[0] - m):
        rows = [x[k, m - 2 : x.shape[1] - m + 2] for k in range(y - 2, y + 3)]
        medians(*rows, out[y, m : x.shape[1] - m])
    holed = np.zeros(x.shape, np.uint8)
    _around_missing(x, holed)
    _medians(x, holed, out)


@_jit
def _around_missing(x, holed):  # type: ignore[no-untyped-def]
    for y in range(2, x.shape[0] - 2):
        for c in range(2, x.shape[1] - 2):
            if not np.isfinite(x[y, c]):
                holed[y - 2 : y + 3, c - 2 : c + 3] = 1


@_jit
def _window(x, y, c, reach, v):  # type: ignore[no-untyped-def]
    """Gather the finite samples within *reach* of (y, c) into *v*; return their number."""
    n = 0
    for i in range(y - reach, y + reach + 1):
        for j in range(c - reach, c + reach + 1):
            if np.isfinite(x[i, j]):
                v[n] = x[i, j]
                n += 1
    return n


@_jit
def _medians(x, where, out):  # type: ignore[no-untyped-def]
    v = np.empty(25)
    for y in range(_MARGIN, x.shape[0] - _MARGIN):
        for c in range(_MARGIN, x.shape[1] - _MARGIN):
            if where[y, c]:
                out[y, c] = median_of(v, _window(x, y, c, 2, v))


@_jit
def _saturated(x, background, level, core):  # type: ignore[no-untyped-def]
    for y in range(_MARGIN, x.shape[0] - _MARGIN):
        for c in range(_MARGIN, x.shape[1] - _MARGIN):
            if x[y, c] >= level and background[y, c] > 0.1 * level:
                core[y - 2 : y + 3, c - 2 : c + 3] = 1


@_jit
def _noise(background, model):  # type: ignore[no-untyped-def]
    """Equation 10, with the background as the model of the image."""
    gain_variance, sky, read_variance = model
    return np.sqrt(gain_variance * max(np.float64(background) + sky, 0.0) + read_variance)


@_jit
def _step(centre, neighbour):  # type: ignore[no-untyped-def]
    return centre - np.float64(neighbour) if np.isfinite(neighbour) else 0.0


@_jit
def _laplacian(x, y, c):  # type: ignore[no-untyped-def]
    """Equations 4 to 7: the image is repeated 2 x 2, convolved, cut at 0 and averaged back.

    Each of the four parts of a pixel has two neighbours in its own pixel, one beside and one above or below.
    """
    v = np.float64(x[y, c])
    up, down, left, right = _step(v, x[y - 1, c]), _step(v, x[y + 1, c]), _step(v, x[y, c - 1]), _step(v, x[y, c + 1])
    return 0.25 * ((max(up + left, 0.0) + max(up + right, 0.0)) + (max(down + left, 0.0) + max(down + right, 0.0)))


@_jit
def _significance(x, background, touched, noise, out):  # type: ignore[no-untyped-def]
    """Equation 11: the Laplacian in units of twice (the sampling factor) the noise."""
    for y in range(_MARGIN, x.shape[0] - _MARGIN):
        for c in range(_MARGIN, x.shape[1] - _MARGIN):
            if touched[y, c] and np.isfinite(x[y, c]):
                out[y, c] = _laplacian(x, y, c) / (2.0 * _noise(background[y, c], noise))


@_jit
def _subtract_from(significance, least, prominence):  # type: ignore[no-untyped-def]
    """Equation 13: the significance without its 5 x 5 median, which *prominence* holds and which is smooth.

    The median is not negative, so nothing that is not above *least* before is so after: 0 will do there.
    """
    for y in range(_MARGIN, prominence.shape[0] - _MARGIN):
        for c in range(_MARGIN, prominence.shape[1] - _MARGIN):
            s = significance[y, c]
            prominence[y, c] = s - prominence[y, c] if s > least else np.float32(0.0)


@_jit
def _prominence(significance, active, least, out):  # type: ignore[no-untyped-def]
    """The same where *active*."""
    v = np.empty(25)
    for y in range(_MARGIN, out.shape[0] - _MARGIN):
        for c in range(_MARGIN, out.shape[1] - _MARGIN):
            if active[y, c]:
                s = significance[y, c]
                out[y, c] = 0.0
                if s > least:
                    out[y, c] = s - np.float32(median_of(v, _window(significance, y, c, 2, v)))


@_jit
def _structure(x, y, c, small, large):  # type: ignore[no-untyped-def]
    """Equation 14: the 3 x 3 median without its 7 x 7 median."""
    n = 0
    centre = 0.0
    for i in range(y - 3, y + 4):
        for j in range(c - 3, c + 4):
            m = median_of(small, _window(x, i, j, 1, small))
            if i == y and j == c:
                centre = m
            if np.isfinite(m):
                large[n] = m
                n += 1
    return centre - median_of(large, n)


@_jit
def _find(x, background, prominence, core, active, sigma, contrast, noise, sure):  # type: ignore[no-untyped-def]
    small, large = np.empty(9), np.empty(49)
    for y in range(_MARGIN, x.shape[0] - _MARGIN):
        for c in range(_MARGIN, x.shape[1] - _MARGIN):
            if not active[y, c]:
                continue
            sure[y, c] = 0
            if prominence[y, c] > sigma and not core[y, c]:
                f = max(_structure(x, y, c, small, large) / _noise(background[y, c], noise), _LEAST_STRUCTURE)
                sure[y, c] = prominence[y, c] > contrast * f


@_jit
def _touches(marks, y, c):  # type: ignore[no-untyped-def]
    for i in range(y - 1, y + 2):
        for j in range(c - 1, c + 2):
            if marks[i, j]:
                return True
    return False


@_jit
def _grow(marks, prominence, core, active, least, out):  # type: ignore[no-untyped-def]
    for y in range(_MARGIN, out.shape[0] - _MARGIN):
        for c in range(_MARGIN, out.shape[1] - _MARGIN):
            if active[y, c]:
                out[y, c] = prominence[y, c] > least and not core[y, c] and _touches(marks, y, c)


@_jit
def _add_grown(marks, prominence, core, active, least, rays):  # type: ignore[no-untyped-def]
    """Mark in *rays* what is at *marks* or significant beside them; return whether that was new."""
    found = False
    for y in range(_MARGIN, rays.shape[0] - _MARGIN):
        for c in range(_MARGIN, rays.shape[1] - _MARGIN):
            if not active[y, c] or rays[y, c] or core[y, c]:
                continue
            if prominence[y, c] > least and _touches(marks, y, c):
                rays[y, c] = 1
                found = True
    return found


@_jit
def _replace(x, rays, touched, active):  # type: ignore[no-untyped-def]
    """Replace all *rays* by the median of the sound samples within 2, or else 4, pixels; say what that may change."""
    v = np.empty(81)
    for y in range(_MARGIN, x.shape[0] - _MARGIN):
        for c in range(_MARGIN, x.shape[1] - _MARGIN):
            if not rays[y, c]:
                continue
            n = _sound(x, rays, y, c, 2, v)
            if n == 0:
                n = _sound(x, rays, y, c, 4, v)
            new = np.float32(median_of(v, n))
            if n > 0 and new != x[y, c]:
                x[y, c] = new
                _mark(touched, y, c, 2)
                _mark(active, y, c, _REACH)


@_jit
def _mark(marks, y, c, reach):  # type: ignore[no-untyped-def]
    marks[max(0, y - reach) : y + reach + 1, max(0, c - reach) : c + reach + 1] = 1


@_jit
def _sound(x, rays, y, c, reach, v):  # type: ignore[no-untyped-def]
    n = 0
    for i in range(y - reach, y + reach + 1):
        for j in range(c - reach, c + reach + 1):
            if rays[i, j] == 0 and np.isfinite(x[i, j]):
                v[n] = x[i, j]
                n += 1
    return n
