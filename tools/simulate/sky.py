"""A piece of sky that is known to the last photon: stars, a nebula, dust and a gradient.

Light is counted in electrons of the green channel per exposure and pixel. Dust, gradient and sky glow are
grey, that is, equal in all bands; only the stars and the nebula's emission, a minority of the pixels, have
a colour. Any two bands therefore lie on one line in most of their pixels, which is what a linear fit finds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float64]
Band = Literal["R", "G", "B", "L"]

# Effective wavelengths of usual RGB filters, nm.
WAVELENGTHS: dict[Band, float] = {"R": 625.0, "G": 530.0, "B": 455.0}
# A star of this temperature is white: as bright in R and B as in G.
WHITE_TEMPERATURE = 6500.0
# Light below this, in electrons per pixel, is where a star ends.
FAINTEST_WING = 0.02
# Light is a multiple of one part in so many of an electron.
LIGHT_STEPS = 1024.0
# Two-point Gauss-Legendre nodes of a pixel: the light of a pixel is the mean over these, not the value at its middle.
NODES = (-0.5 / 3**0.5, 0.5 / 3**0.5)


@dataclass(frozen=True, slots=True)
class Star:
    """One star: where its centre lies (pixels from the centre of the first one), how bright, how hot (kelvin)."""

    x: float
    y: float
    magnitude: float
    temperature: float


@dataclass(frozen=True, slots=True)
class Moffat:
    """A star's profile, I(r) = I0 (1 + (r/alpha)^2)^-beta (Moffat 1969, A&A 3, 455)."""

    fwhm: float = 3.2
    beta: float = 3.0

    @property
    def alpha(self) -> float:
        return self.fwhm / (2.0 * math.sqrt(2.0 ** (1.0 / self.beta) - 1.0))

    @property
    def peak(self) -> float:
        """Value at the centre of a profile of total 1."""
        return (self.beta - 1.0) / (math.pi * self.alpha**2)

    def enclosed(self, radius: float) -> float:
        """Return which part of the light falls within *radius*."""
        return float(1.0 - (1.0 + (radius / self.alpha) ** 2) ** (1.0 - self.beta))

    def radius(self, fraction: float) -> float:
        """Return where the profile has fallen to *fraction* of its peak."""
        return float(self.alpha * max(0.0, fraction ** (-1.0 / self.beta) - 1.0) ** 0.5)

    def patch(self, y: Plane, x: Plane) -> Plane:
        """Return the light of the pixels at offsets *y* (rows) and *x* (columns) of a star of total 1."""
        total = np.zeros((len(y), len(x)))
        for dy in NODES:
            for dx in NODES:
                r2 = np.square(y + dy)[:, None] + np.square(x + dx)[None, :]
                total += (1.0 + r2 / self.alpha**2) ** -self.beta
        return total * (self.peak / len(NODES) ** 2)


@dataclass(frozen=True, slots=True)
class Waves:
    """A smooth random field: plane waves of random direction and phase, fainter the shorter they are.

    It is a function of position, not of a grid, so every strip of every size of picture shows the same clouds.
    Mean 0, standard deviation about 1. Positions are in units of the picture's longer side.
    """

    kx: Plane
    ky: Plane
    amplitude: Plane
    phase: Plane

    @staticmethod
    def draw(rng: np.random.Generator, count: int, longest: float, shortest: float, slope: float) -> Waves:
        """Draw *count* waves of lengths between *longest* and *shortest*, amplitude falling as k^-slope."""
        k = 2.0 * np.pi / np.exp(rng.uniform(np.log(shortest), np.log(longest), count))
        direction = rng.uniform(0.0, np.pi, count)
        amplitude = k**-slope
        amplitude *= np.sqrt(2.0 / np.sum(np.square(amplitude)))
        return Waves(k * np.cos(direction), k * np.sin(direction), amplitude, rng.uniform(0, 2 * np.pi, count))

    def at(self, y: Plane, x: Plane) -> Plane:
        """Return the field on the grid of rows *y* and columns *x*."""
        # cos(a + b) = cos a cos b - sin a sin b makes the sum over all waves one product of two matrices.
        rows = np.outer(y, self.ky) + self.phase
        columns = np.outer(self.kx, x)
        left = np.hstack([np.cos(rows) * self.amplitude, -np.sin(rows) * self.amplitude])
        return np.asarray(left @ np.vstack([np.cos(columns), np.sin(columns)]))


@dataclass(frozen=True, slots=True)
class Cloud:
    """One emission cloud: centre and radius in units of the longer side, and its light in each band."""

    x: float
    y: float
    radius: float
    light: dict[Band, float]


# A cloud of hydrogen beside one of oxygen and starlight: where one is red the other is blue, over areas of
# about the same size, so that neither side of the line between two bands has more of them.
CLOUDS = (
    Cloud(0.425, 0.36, 0.135, {"R": 4600.0, "G": 900.0, "B": 720.0}),
    Cloud(0.59, 0.30, 0.135, {"R": 600.0, "G": 2700.0, "B": 3600.0}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkySettings:
    """What may be chosen of a simulated sky; light in electrons of the green channel per exposure and pixel."""

    width: int = 1200
    height: int = 800
    seed: int = 1
    stars: int | None = None
    """How many stars; None: one for each 350 pixels."""
    brightest: float = 7.0
    faintest: float = 16.5
    slope: float = 0.31
    """Number counts: log10 of the number of stars brighter than m grows by this per magnitude."""
    zero_point: float = 23.2
    """Magnitude of a star that gives one electron in all."""
    moffat: Moffat = Moffat()
    background: float = 1500.0
    gradient: tuple[float, ...] = (130.0, 190.0, 60.0, -40.0, 90.0)
    """Added over the picture: x, y, x^2, xy, y^2, with x and y from -1 to 1 across the longer side."""
    dust: float = 480.0
    """Standard deviation of the grey dust."""
    emission: float = 1.0
    """Brightness of the nebula; 0 leaves it out."""


@dataclass(frozen=True)
class Sky:
    """A simulated sky, evaluated strip by strip."""

    settings: SkySettings
    stars: tuple[Star, ...]
    _dust: Waves = field(repr=False)
    _bends: tuple[Waves, Waves] = field(repr=False)
    _threads: Waves = field(repr=False)

    @staticmethod
    def make(settings: SkySettings) -> Sky:
        """Draw a sky; the same settings always draw the same one."""
        s = settings
        # Stars and clouds have generators of their own (the second number is nothing but their name), so that a
        # star more does not move the clouds.
        clouds = np.random.default_rng([s.seed, 21])
        dust = Waves.draw(clouds, 220, 1.1, 0.03, 1.35)
        bends = (Waves.draw(clouds, 60, 0.3, 0.06, 1.2), Waves.draw(clouds, 60, 0.3, 0.06, 1.2))
        threads = Waves.draw(clouds, 220, 0.35, 0.012, 1.0)
        return Sky(s, _draw_stars(s, np.random.default_rng([s.seed, 2])), dust, bends, threads)

    def light(self, band: Band, y0: int, y1: int) -> Plane:
        """Return the light of rows *y0* to *y1* (half open) in *band*."""
        return self.lights((band,), y0, y1)[0]

    def lights(self, bands: Sequence[Band], y0: int, y1: int) -> list[Plane]:
        """Return the light of rows *y0* to *y1* in each of *bands*; what they share is computed once."""
        grey = self.grey(y0, y1)
        planes = [grey.copy() for _ in bands]
        if self.settings.emission > 0.0:
            for cloud, shape in zip(CLOUDS, self.clouds(y0, y1), strict=True):
                for plane, band in zip(planes, bands, strict=True):
                    plane += _light_of(cloud, band) * shape
        self._add_stars(planes, bands, y0)
        # Libraries sum in different orders; without their last bits, the same photons are drawn everywhere.
        return [np.rint(plane * LIGHT_STEPS) / LIGHT_STEPS for plane in planes]

    def grey(self, y0: int, y1: int) -> Plane:
        """Return what is equal in all bands: glow of the sky, gradient and dust."""
        y, x = self._grid(y0, y1)
        s = self.settings
        u, v = 2.0 * x - 2.0 * x_middle(s), 2.0 * y - 2.0 * y_middle(s)
        g = s.gradient
        total = s.background + (g[0] * u + g[2] * u**2)[None, :] + (g[1] * v + g[4] * v**2)[:, None]
        total += g[3] * np.outer(v, u)
        if s.dust > 0.0:
            # exp makes clouds: soft troughs, brighter crests; 0.8 and its moments keep the deviation near s.dust.
            total += s.dust * (np.exp(0.8 * self._dust.at(y, x)) - np.exp(0.32)) / 1.3
        return np.maximum(total, 0.0)

    def clouds(self, y0: int, y1: int) -> list[Plane]:
        """Return the shape of each of the nebula's clouds: 0 outside, about 1 on its brightest threads."""
        y, x = self._grid(y0, y1)
        bend_y, bend_x = (w.at(y, x) for w in self._bends)
        # Ridged noise: the zero lines of a smooth field are long thin threads.
        threads = self.settings.emission * (0.35 + 0.9 * np.exp(-2.2 * np.abs(self._threads.at(y, x))))
        shapes = []
        for cloud in CLOUDS:
            dy = (y - cloud.y)[:, None] + 0.04 * bend_y
            dx = (x - cloud.x)[None, :] + 0.04 * bend_x
            body = np.maximum(0.0, 1.0 - (dy**2 + dx**2) / cloud.radius**2)
            shapes.append(body**1.5 * threads)
        return shapes

    def flux(self, star: Star, band: Band) -> float:
        """Return the electrons of *star* in all pixels together."""
        total: float = 10.0 ** (-0.4 * (star.magnitude - self.settings.zero_point))
        return total * colour(star.temperature, band)

    def reach(self, star: Star) -> float:
        """Return the distance from the centre at which *star* ends, in pixels; the same in all bands."""
        peak = self.flux(star, "G") * self.settings.moffat.peak
        return self.settings.moffat.radius(min(1.0, FAINTEST_WING / peak)) + 1.0

    def _add_stars(self, planes: list[Plane], bands: Sequence[Band], y0: int) -> None:
        height, width = planes[0].shape
        moffat = self.settings.moffat
        for star in self.stars:
            reach = self.reach(star)
            top, bottom = max(0, int(star.y - reach) - y0), min(height, int(star.y + reach) + 2 - y0)
            left, right = max(0, int(star.x - reach)), min(width, int(star.x + reach) + 2)
            if top < bottom and left < right:
                rows = np.arange(top, bottom) + (y0 - star.y)
                patch = moffat.patch(rows, np.arange(left, right) - star.x)
                for plane, band in zip(planes, bands, strict=True):
                    plane[top:bottom, left:right] += self.flux(star, band) * patch

    def _grid(self, y0: int, y1: int) -> tuple[Plane, Plane]:
        s = self.settings
        longer = max(s.width, s.height)
        return (np.arange(y0, y1) + 0.5) / longer, (np.arange(s.width) + 0.5) / longer


def x_middle(settings: SkySettings) -> float:
    return settings.width / (2.0 * max(settings.width, settings.height))


def y_middle(settings: SkySettings) -> float:
    return settings.height / (2.0 * max(settings.width, settings.height))


def colour(temperature: float, band: Band) -> float:
    """Return the light of a black body in *band*, where green is 1 and `WHITE_TEMPERATURE` is white.

    Planck's law in photons at the band's effective wavelength; L is the mean of R, G and B.
    """
    if band == "L":
        return sum(colour(temperature, b) for b in WAVELENGTHS) / len(WAVELENGTHS)

    def photons(kelvin: float, nm: float) -> float:
        return float(1.0 / np.expm1(1.438777e7 / (nm * kelvin)))  # second radiation constant in nm K

    nm, green = WAVELENGTHS[band], WAVELENGTHS["G"]
    ratio = photons(temperature, nm) / photons(temperature, green)
    return ratio / (photons(WHITE_TEMPERATURE, nm) / photons(WHITE_TEMPERATURE, green))


def _light_of(cloud: Cloud, band: Band) -> float:
    return sum(cloud.light.values()) / len(cloud.light) if band == "L" else cloud.light[band]


def _draw_stars(s: SkySettings, rng: np.random.Generator) -> tuple[Star, ...]:
    count = s.width * s.height // 350 if s.stars is None else s.stars
    # Inverse of the cumulative counts N(<m) ~ 10^(slope m) between the brightest and the faintest.
    low, high = 10.0 ** (s.slope * s.brightest), 10.0 ** (s.slope * s.faintest)
    magnitudes = np.log10(low + rng.random(count) * (high - low)) / s.slope
    temperatures = np.clip(WHITE_TEMPERATURE * np.exp(rng.normal(0.0, 0.42, count)), 2800.0, 25000.0)
    x, y = rng.random(count) * s.width - 0.5, rng.random(count) * s.height - 0.5
    drawn = zip(x, y, magnitudes, temperatures, strict=True)
    return tuple(sorted((Star(*map(float, one)) for one in drawn), key=lambda star: star.magnitude))
