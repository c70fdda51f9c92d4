"""The sensor of a simulated night: what it adds to light, pixel by pixel, and what it takes away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .placement import Floats

Plane = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
WHITE = 65535.0
_DOUBLING = 6.0
"""Degrees by which a sensor warms up while its dark current doubles."""
_COLD = -10.0


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """A sensor with hot pixels, a glowing corner, uneven columns, unequal pixels, and dust on its window.

    A pixel reads ``min(P(light flat + dark) + tracks, full_well) / e_per_adu + bias + read noise`` rounded, P being
    a Poisson draw.
    """

    width: int
    height: int
    seed: int
    e_per_adu: float = 0.8
    read_noise: float = 1.8
    bias: float = 500.0
    full_well: float = 50000.0
    hot_part: float = 1e-3
    """Part of the pixels that are hot."""
    vignetting: float = 0.25
    """Part of the light that is lost in the corners."""

    def _rng(self, what: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, 50, what])

    @cached_property
    def hot(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
        """x, y and the dark current of hot pixels, electrons a second at -10 C."""
        rng = self._rng(0)
        count = round(self.hot_part * self.width * self.height)
        at = np.sort(rng.choice(self.width * self.height, count, replace=False))
        return at % self.width, at // self.width, 10.0 ** rng.uniform(-1.0, 1.7, count)

    @cached_property
    def dark_rate(self) -> Singles:
        """Electrons a second and pixel at -10 C."""
        y, x = np.arange(self.height)[:, None] / self.height, np.arange(self.width)[None, :] / self.width
        # Electronics beside one corner shine on it.
        rate = 0.004 + 0.06 * np.exp(-8.0 * np.hypot(x - 1.0, y - 0.9))
        hx, hy, hot = self.hot
        rate[hy, hx] += hot
        return np.asarray(rate, np.float32)

    def dark(self, exposure: float, temperature: float, y0: int, y1: int) -> Plane:
        """Return the electrons of dark current, rows *y0* to *y1*."""
        warmth = 2.0 ** ((temperature - _COLD) / _DOUBLING)
        return np.asarray(self.dark_rate[y0:y1].astype(np.float64) * (exposure * warmth))

    @cached_property
    def columns(self) -> Floats:
        """The bias of each column, ADU."""
        return np.asarray(self.bias + self._rng(1).normal(0.0, 0.8, self.width))

    @cached_property
    def response(self) -> Singles:
        """What each pixel makes of light where the mean one has 1."""
        drawn = self._rng(2).standard_normal((self.height, self.width), np.float32)
        return np.asarray(1.0 + 0.005 * drawn, np.float32)

    def flat(self, filter: int) -> Singles:
        """Return which part of the light each pixel turns into electrons; filters have dust of their own."""
        y, x = np.arange(self.height, dtype=np.float32)[:, None], np.arange(self.width, dtype=np.float32)[None, :]
        cy, cx = (self.height - 1) / 2, (self.width - 1) / 2
        away = (np.square(y - 1.04 * cy) + np.square(x - 0.97 * cx)) / (cy**2 + cx**2)
        made = np.asarray((1.0 - self.vignetting * away) * self.response, np.float32)
        for which, area in ((3, 120_000), (10 + filter, 400_000)):
            self._add_dust(made, self._rng(which), max(2, self.width * self.height // area))
        return made

    def _add_dust(self, made: Singles, rng: np.random.Generator, count: int) -> None:
        """Darken rings: specks far out of focus, with the shadow of the secondary mirror in them."""
        for _ in range(count):
            cx, cy = rng.random() * self.width, rng.random() * self.height
            outer, depth = rng.uniform(9.0, 32.0), rng.uniform(0.02, 0.12)
            top, left = max(0, int(cy - outer - 4)), max(0, int(cx - outer - 4))
            part = made[top : int(cy + outer) + 5, left : int(cx + outer) + 5]
            away = np.hypot(
                np.arange(part.shape[0])[:, None] + top - cy, np.arange(part.shape[1])[None, :] + left - cx
            )
            ring = 1.0 / (1.0 + np.exp((away - outer) / 0.8)) - 0.8 / (1.0 + np.exp((away - 0.4 * outer) / 0.8))
            part *= (1.0 - depth * ring).astype(np.float32)

    def read(self, electrons: Plane, rng: np.random.Generator) -> Singles:
        """Return the numbers of rows that hold *electrons*, which are clipped at the full well."""
        adu = np.minimum(electrons, self.full_well)
        adu += self.read_noise * rng.standard_normal(electrons.shape, np.float32)
        adu /= self.e_per_adu
        adu += self.columns
        return np.clip(np.rint(adu), 0.0, WHITE).astype(np.float32)

    def variance(self, electrons: Plane) -> Plane:
        """Return the variance of pixels that hold *electrons*, in electrons^2: shot, read noise and rounding."""
        return np.asarray(electrons + (self.read_noise**2 + self.e_per_adu**2 / 12.0))
