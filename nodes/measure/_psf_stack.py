"""The point spread function of an image, from its single stars: which to take, their shape, and their stack."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

FEWEST = 3
BRIGHT, FULL = 30.0, 0.8
"""PSF stars are so many noise sigmas high at least, and their peaks below this part of the range."""
CLEAR, FAINT = 4.0, 0.05
"""Within so many FWHM there is no neighbour with more than this part of the star's light."""
MARGIN = 3.0
"""So many FWHM around the star lie within the region."""
MOST = 200
"""Of so many of the brightest the kernel is stacked."""
_SATURATED = 1


class Stars:
    """The stars of a list that a function was fitted to, brightest first, as columns."""

    def __init__(self, stars: Mapping[str, Any], fits: Mapping[str, Any]) -> None:
        self.every = _columns(stars)
        fitted = _columns(fits)
        order = np.argsort(fitted["star"], kind="stable")
        self.fit = {name: column[order] for name, column in fitted.items()}
        self.row: Rows = self.fit["star"].astype(np.intp)
        self.noise = float(stars["noise"])

    @property
    def places(self) -> Floats:
        return np.column_stack([self.fit["x"], self.fit["y"]])

    def usable(self, lo: float, hi: float) -> npt.NDArray[np.bool_]:
        """Return which are bright, unsaturated, well fitted and alone, in an image of these bounds."""
        if not len(self.row):
            return np.zeros(0, bool)
        own = {name: column[self.row] for name, column in self.every.items()}
        good = (self.fit["status"] == 0) & (own["flags"].astype(np.int64) & _SATURATED == 0)
        good &= own["peak"] >= BRIGHT * self.noise
        good &= own["peak"] + own["background"] < lo + FULL * (hi - lo)
        return np.asarray(good & self._alone(own))

    def _alone(self, own: Mapping[str, Floats]) -> npt.NDArray[np.bool_]:
        tree = cKDTree(np.column_stack([self.every["x"], self.every["y"]]))
        alone = np.ones(len(self.row), bool)
        near = tree.query_ball_point(np.column_stack([own["x"], own["y"]]), CLEAR * self.fit["fwhm"])
        for n, neighbours in enumerate(near):
            others = [k for k in neighbours if k != self.row[n]]
            alone[n] = not others or float(self.every["flux"][others].max()) <= FAINT * own["flux"][n]
        return alone


def _columns(told: Mapping[str, Any]) -> dict[str, Floats]:
    names = list(told["columns"])
    table = np.asarray(told["table"], np.float64).reshape(-1, len(names))
    return {name: table[:, k] for k, name in enumerate(names)}


# -- shape ---------------------------------------------------------------------------------------------------


def entry(value: float, unit: str = "", error: float = math.nan, n: int = 0, flags: str = "") -> dict[str, Any]:
    """Return a named entry: value, unit, error, n, flags."""
    return {"value": float(value), "unit": unit, "error": float(error), "n": int(n), "flags": flags}


def _spread(values: Floats) -> float:
    """Return the error of a median: 1.25 robust standard deviations over the root of the number."""
    if len(values) < 2:
        return math.nan
    sigma = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    return 1.2533 * sigma / math.sqrt(len(values))


def shape(fit: Mapping[str, Floats], pixel_scale: float) -> dict[str, Any]:
    """Return width, ellipticity, direction and exponent of the median star; *pixel_scale* in seconds of arc."""
    n = len(fit["fwhm"])
    fwhm, error = float(np.median(fit["fwhm"])), _spread(fit["fwhm"])
    a2, b2 = fit["fwhm_x"] ** 2, fit["fwhm_y"] ** 2
    # Ellipticities as vectors: those of single stars scatter about the true one, their lengths about a greater one.
    length, twice = (a2 - b2) / (a2 + b2), np.radians(2.0 * fit["theta"])
    along, across = length * np.cos(twice), length * np.sin(twice)
    e1, e2 = float(np.median(along)), float(np.median(across))
    chi = min(0.999999, math.hypot(e1, e2))
    ratio = math.sqrt((1.0 - chi) / (1.0 + chi))
    # d(1 - b/a) = d chi / ((1 + chi)^2 b/a); the angle's error is half that of the vector's direction.
    chi_error = math.hypot(_spread(along), _spread(across)) / math.sqrt(2.0)
    angle_error = math.degrees(0.5 * chi_error / chi) if chi > 0.0 else math.nan
    return {
        "fwhm": entry(fwhm, "px", error, n),
        "fwhm_x": entry(fwhm / math.sqrt(ratio), "px", error / math.sqrt(ratio), n),
        "fwhm_y": entry(fwhm * math.sqrt(ratio), "px", error * math.sqrt(ratio), n),
        "fwhm_sky": entry(fwhm * pixel_scale, "arcsec", error * pixel_scale, n, _no_solution(pixel_scale)),
        "ellipticity": entry(1.0 - ratio, "", chi_error / ((1.0 + chi) ** 2 * ratio), n),
        "angle": entry(math.degrees(0.5 * math.atan2(e2, e1)), "deg", angle_error, n),
        "beta": entry(float(np.median(fit["beta"])), "", _spread(fit["beta"]), n),
    }


def unknown(flags: str) -> dict[str, Any]:
    """Return the same entries where there are no stars to tell them."""
    units = {"fwhm": "px", "fwhm_x": "px", "fwhm_y": "px", "fwhm_sky": "arcsec", "angle": "deg"}
    names = ("fwhm", "fwhm_x", "fwhm_y", "fwhm_sky", "ellipticity", "angle", "beta")
    return {name: entry(math.nan, units.get(name, ""), flags=flags) for name in names}


def _no_solution(pixel_scale: float) -> str:
    return "" if math.isfinite(pixel_scale) else "LRN-4: the image has no celestial solution"


# -- kernel --------------------------------------------------------------------------------------------------

_TAPS = 3


def kernel_radius(fwhm: float) -> int:
    """Return how far a kernel of this width reaches, in whole pixels."""
    return int(min(24, max(5, math.ceil(4.0 * fwhm))))


def stamp(plane: npt.NDArray[np.float32], x: float, y: float, radius: int) -> Floats | None:
    """Return *plane* interpolated (Lanczos-3) on a grid centred at x, y; None where samples are not there."""
    x0, y0 = math.floor(x), math.floor(y)
    top, left = y0 - radius - _TAPS + 1, x0 - radius - _TAPS + 1
    size = 2 * radius + 2 * _TAPS
    if top < 0 or left < 0 or top + size > plane.shape[0] or left + size > plane.shape[1]:
        return None
    part = plane[top : top + size, left : left + size].astype(np.float64)
    if not np.isfinite(part).all():
        return None
    rows, columns = _weights(y - y0), _weights(x - x0)
    n = 2 * radius + 1
    across = np.zeros((size, n))
    for k, w in enumerate(columns):
        across += w * part[:, k : k + n]
    made = np.zeros((n, n))
    for k, w in enumerate(rows):
        made += w * across[k : k + n]
    return made


def _weights(fraction: float) -> list[float]:
    d = np.arange(1 - _TAPS, _TAPS + 1) - fraction
    w = np.sinc(d) * np.sinc(d / _TAPS)
    return list(w / w.sum())


def stacked(stamps: Sequence[Floats], amplitudes: Sequence[float]) -> tuple[Floats, Floats]:
    """Return the kernel (sum 1) and its error, pixel by pixel, of *stamps* above their backgrounds.

    Stars weigh by the square of their height, as noise that is the same for all asks for. Samples far from the
    median of all stars, such as neighbours' light, are left out.
    """
    cube = np.stack(stamps) / np.asarray(amplitudes)[:, None, None]
    weight = np.asarray(amplitudes, np.float64)[:, None, None] ** 2 * np.ones_like(cube)
    middle = np.median(cube, axis=0)
    away = np.abs(cube - middle)
    # The scatter of a bright star is less than that of a faint one: deviations are judged by their heights.
    relative = away * np.sqrt(weight)
    limit = 5.0 * 1.4826 * np.median(relative, axis=0)
    weight = np.where(relative <= np.maximum(limit, 1e-12), weight, 0.0)
    total = weight.sum(axis=0)
    mean = (weight * cube).sum(axis=0) / total
    n = (weight > 0.0).sum(axis=0)
    variance = (weight * (cube - mean) ** 2).sum(axis=0) / total / np.maximum(1, n - 1)
    # What is left of the sky shows where the star has ended: the outermost ring of pixels.
    reach = (len(mean) - 1) / 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    r = np.hypot(x, y)
    mean = np.where(r <= reach + 0.5, np.maximum(mean, 0.0), 0.0)
    whole = float(mean.sum())
    return mean / whole, np.sqrt(variance) / whole
