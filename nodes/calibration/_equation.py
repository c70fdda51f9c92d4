"""The calibration equation: its coefficients in physical units, and its loop over one channel of a strip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import Known
from ._masters import conversion

LEAST_FLAT = 1e-15
"""Where the flat is darker than this it divides by this, as PixInsight's does."""

Row = npt.NDArray[np.float64]
_UNITY = np.array([1.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True, slots=True)
class Masters:
    """Which masters take part, what is still inside them, and how they convert to the unit of the frame."""

    known: Known
    bias_in_dark: bool
    raw_flat: bool

    def light_row(self, k: float) -> Row:
        """Return p of ``t - b - k d = p0 T + p1 B + p2 D + p3``, in the unit of the light."""
        return np.asarray(_UNITY - self._bias_row("image") - k * self._dark_row("image"))

    def flat_row(self, k: float) -> Row:
        """Return q of ``f0 = q0 F + q1 B + q2 D + q3``, in the unit of the flat; without a flat f0 is 1."""
        if "flat" not in self.known.frames:
            return np.array([0.0, 0.0, 0.0, 1.0])
        if not self.raw_flat:
            return _UNITY
        return np.asarray(_UNITY - self._bias_row("flat") - k * self._dark_row("flat"))

    def _bias_row(self, unit: str) -> Row:
        if "bias" not in self.known.frames:
            return np.zeros(4)
        return np.array([0.0, conversion(self.known, "bias", unit), 0.0, 0.0])

    def _dark_row(self, unit: str) -> Row:
        if "dark" not in self.known.frames:
            return np.zeros(4)
        row = np.array([0.0, 0.0, 1.0, 0.0])
        if self.bias_in_dark:
            row -= self._bias_row("dark")
        return np.asarray(row * conversion(self.known, "dark", unit))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def calibrate(
    light: Any, bias: Any, dark: Any, flat: Any, p: Any, q: Any, inverse: Any, top: int, limits: Any, out: Any
) -> None:
    """Write p.(T, B, D, 1) / (q.(F, B, D, 1) / s) + pedestal, clamped, to *out*.

    Images that do not take part are any array of the right size with a coefficient of 0: the light
    itself, since 0 times a missing sample is missing only where the result is missing anyway.
    *inverse* holds 1 / s for each row of the filter cell, in full width; *top* is the image row of the
    first row. *limits* is pedestal, least, most.
    """
    pedestal, least, most = limits[0], limits[1], limits[2]
    for y in range(light.shape[0]):
        scale = inverse[(top + y) % inverse.shape[0]]
        for x in range(light.shape[1]):
            t, b, d, f = np.float64(light[y, x]), np.float64(bias[y, x]), np.float64(dark[y, x]), np.float64(flat[y, x])
            above = p[0] * t + p[1] * b + p[2] * d + p[3]
            field = (q[0] * f + q[1] * b + q[2] * d + q[3]) * scale[x]
            c = pedestal + above / (field if field > LEAST_FLAT else LEAST_FLAT)
            c = c if c > least else least
            c = c if c < most else most
            out[y, x] = c if math.isfinite(above + field) else math.nan
