"""What the frames of a night look at: stars, small galaxies, a nebula and dust, at any place between pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.ndimage import spline_filter

from ._drawing import STEPS, draw_stars, sample_spline
from .camera import NOISE_ROWS
from .placement import Floats, Placement
from .sky import LIGHT_STEPS, Band, Moffat, Sky, SkySettings

THROUGHPUT: dict[Band, float] = {"R": 0.72, "G": 1.0, "B": 0.83, "L": 2.4}
"""Electrons of each band where green has one."""
FAINTEST = 0.02
"""Electrons per pixel at which a star ends."""
CORE = 3.0
"""Within so many FWHM of a star its light is integrated over each pixel, by two nodes a side."""
_PIXELS_A_GALAXY = 60_000

Plane = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Galaxy:
    """A small elliptical patch of light, ``peak (1 + r^2)^-2``, r in units of its radius along the major axis."""

    x: float
    y: float
    radius: float
    ratio: float
    angle: float
    peak: float


@dataclass(frozen=True)
class Scene:
    """A piece of sky around a nominal pixel grid, larger than it by *margin* on each side.

    Light is counted in electrons per exposure and pixel, outside the atmosphere. All that is extended is *defined*
    as a cubic B-spline through samples one pixel apart, so that its value between pixels is exact.
    """

    width: int
    height: int
    margin: int
    seed: int
    pixels_a_star: int = 600
    dust: float = 300.0

    @cached_property
    def sky(self) -> Sky:
        width, height = self.width + 2 * self.margin, self.height + 2 * self.margin
        return Sky.make(
            SkySettings(
                width=width, height=height, seed=self.seed, stars=width * height // self.pixels_a_star,
                background=500.0, gradient=(0.0,) * 5, dust=self.dust,
            )
        )  # fmt: skip

    @cached_property
    def places(self) -> tuple[Floats, Floats]:
        """Nominal x and y of the stars, the brightest first."""
        at = np.array([(s.x, s.y) for s in self.sky.stars]).reshape(-1, 2) - self.margin
        return np.ascontiguousarray(at[:, 0]), np.ascontiguousarray(at[:, 1])

    def flux(self, band: Band) -> Floats:
        """Return the electrons of each star in an exposure through a band."""
        return np.array([self.sky.flux(s, band) for s in self.sky.stars]) * THROUGHPUT[band]

    @cached_property
    def galaxies(self) -> tuple[Galaxy, ...]:
        rng = np.random.default_rng([self.seed, 41])
        s = self.sky.settings
        count = s.width * s.height // _PIXELS_A_GALAXY
        x, y = rng.random(count) * s.width, rng.random(count) * s.height
        radius, ratio = 2.0 + 5.0 * rng.random(count) ** 3, rng.uniform(0.35, 1.0, count)
        angle, peak = rng.uniform(0.0, math.pi, count), 10.0 ** rng.uniform(1.2, 2.8, count)
        return tuple(Galaxy(*map(float, one)) for one in zip(x, y, radius, ratio, angle, peak, strict=True))

    def extended(self, band: Band) -> Plane:
        """Return the spline coefficients of all light that is not of stars, (rows, columns) with margins."""
        # The sky is made without its stars: they are drawn where they are seen, as sharp as they are seen.
        s = self.sky.settings
        bare = Sky(s, (), self.sky._dust, self.sky._bends, self.sky._threads)
        light = np.empty((s.height, s.width))
        for y0 in range(0, s.height, NOISE_ROWS):
            y1 = min(y0 + NOISE_ROWS, s.height)
            light[y0:y1] = bare.light(band, y0, y1)
        for galaxy in self.galaxies:
            _add_galaxy(light, galaxy)
        light *= THROUGHPUT[band]
        return np.asarray(spline_filter(light, order=3, mode="mirror"))


def _add_galaxy(light: Plane, g: Galaxy) -> None:
    reach = g.radius * math.sqrt(math.sqrt(g.peak / FAINTEST))
    top, left = max(0, int(g.y - reach)), max(0, int(g.x - reach))
    part = light[top : int(g.y + reach) + 2, left : int(g.x + reach) + 2]
    y, x = np.arange(part.shape[0])[:, None] + top - g.y, np.arange(part.shape[1])[None, :] + left - g.x
    u, v = x * math.cos(g.angle) + y * math.sin(g.angle), (y * math.cos(g.angle) - x * math.sin(g.angle)) / g.ratio
    part += g.peak / np.square(1.0 + (u**2 + v**2) / g.radius**2)


@dataclass(frozen=True)
class StarImages:
    """Stars as an instrument shows them: how sharp, how bright in each pixel of a mosaic, how far drawn."""

    profile: Floats
    core: float
    flux: Floats
    """(stars, 2, 2) electrons in pixels of even and odd rows and columns."""
    reach: Floats

    @staticmethod
    def of(profiles: list[Moffat], weights: list[float], flux: Floats) -> StarImages:
        """Return stars whose profile is the weighted mean of *profiles*; weights add up to one."""
        # A star ends where the brightest of its pixels' bands has FAINTEST electrons; the table reaches there.
        top = max(float(flux.max(initial=0.0)), 1e-9)
        reach = max(p.radius(min(1.0, FAINTEST / (top * p.peak))) for p in profiles) + 2.0
        r = np.arange(int(reach * STEPS) + 2) / STEPS
        profile = np.zeros(r.size)
        for p, w in zip(profiles, weights, strict=True):
            profile += w * p.peak * (1.0 + np.square(r / p.alpha)) ** -p.beta
        # Where the profile, which falls, meets the limit of each star.
        limit = FAINTEST / np.maximum(flux.reshape(len(flux), 4).max(axis=1), 1e-9)
        index = np.searchsorted(-profile, -limit)
        core = CORE * max(p.fwhm for p in profiles)
        return StarImages(profile, core, flux, np.minimum(index / STEPS + 1.0, reach))

    def draw(self, plane: Plane, y0: int, x: Floats, y: Floats) -> None:
        """Add the stars at *x*, *y* to rows from *y0* on."""
        draw_stars(plane, y0, x, y, self.flux, self.reach, self.profile, self.core)


def sampled(spline: Plane, margin: int, placement: Placement, y0: int, y1: int) -> Plane:
    """Return rows *y0* to *y1* of extended light as a frame sees it, outside the atmosphere."""
    out = np.empty((y1 - y0, placement.width))
    sample_spline(spline, placement.inverse, float(margin), y0, out)
    return out


def quantised(light: Plane) -> Plane:
    """Return light in steps of 1/1024 electron, so that other libraries' last bits draw the same photons."""
    return np.asarray(np.rint(np.maximum(light, 0.0) * LIGHT_STEPS) / LIGHT_STEPS)


