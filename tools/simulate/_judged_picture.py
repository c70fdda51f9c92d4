"""A master beside its truth on one grid: what its stars, its background and the places of artefacts tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, uniform_filter

from ._star_figures import APERTURE, StarFigures, measured
from .placement import Floats, between, moved
from .sky import Band
from .truth import OSC, Light, NightTruth

Mask = npt.NDArray[np.bool_]
Places = list[tuple[Light, Floats, Floats]]
"""Lights with x and y of places in them."""

BLOCK = 8
"""Pixels a side of the blocks whose means tell the structure of the background."""
_COARSE = 8.0
"""Sigma, in blocks, of the largest scale that counts as structure: 64 pixels."""
_FAINT = 2.0
"""Electrons of starlight per pixel up to which a pixel is background."""
_BRIGHT = 0.6
"""Part of the full well up to which a star is measured."""
_CLEAR, _SURE = 60.0, 200.0
"""Signal to noise from which a star is measured, and from which the scatter of its light is the master's own."""
_ALONE = 0.1
"""Part by which the light in the aperture of a star may differ from its own."""
_FEWEST, _MOST = 5, 300
"""Stars that are measured at least and at most."""
_BY_STARS = ("offset", "centroids", "fwhm", "true_fwhm", "slope", "slope_error", "scatter")


class Residue(NamedTuple):
    """A mean and its standard error."""

    mean: float
    error: float


class Picture:
    """A master beside its truth, on one grid."""

    def __init__(self, plane: Floats, truth: NightTruth, band: Band, reference: Light, lights: Sequence[Light]) -> None:
        self.plane, self.truth, self.band, self.lights = plane, truth, band, lights
        self.reference = reference
        self.stars = truth.star_light(band, reference, lights)
        self.extended = truth.extended_light(band, reference)
        margin = 2 * truth.settings.margin
        self.good: Mask = np.isfinite(plane) & (self.stars < _FAINT)
        for edge in (np.s_[:margin], np.s_[-margin:], np.s_[:, :margin], np.s_[:, -margin:]):
            self.good[edge] = False
        if self.good.sum() < 100 * BLOCK**2:
            raise ValueError(f"a master with more background is wanted, got {int(self.good.sum())} pixels of it")
        self.scale, sky = self._levels()
        self.electrons = (plane - sky) / self.scale
        self.residue = self.electrons - self.extended - self.stars
        self.variance = self._variance()

    def _levels(self) -> tuple[float, Floats]:
        """Return units for an electron and the smooth sky: least squares of the means of background blocks.

        The sky is a polynomial of the third degree, as gradients of the lights add up to.
        """
        count = _blocks(self.good.astype(np.float64))
        full = count > BLOCK**2 / 2
        found = _blocks(np.where(self.good, self.plane, 0.0))[full] / count[full]
        light = _blocks(np.where(self.good, self.extended + self.stars, 0.0))[full] / count[full]
        v, u = (at / n * 2.0 - 1.0 for at, n in zip(np.nonzero(full), count.shape, strict=True))
        design = np.column_stack([light, *_powers(u, v)])
        keep = np.ones(len(found), bool)
        answer = np.zeros(design.shape[1])
        for _ in range(4):
            answer = np.linalg.lstsq(design[keep], found[keep], rcond=None)[0]
            miss = np.abs(found - design @ answer)
            keep = miss < 4.0 * 1.4826 * np.median(miss[keep])
        height, width = self.plane.shape
        shape = (count.shape[0] * BLOCK, count.shape[1] * BLOCK)
        v = ((np.arange(height) - (BLOCK - 1) / 2) / shape[0] * 2.0 - 1.0)[:, None]
        u = ((np.arange(width) - (BLOCK - 1) / 2) / shape[1] * 2.0 - 1.0)[None, :]
        sky = sum(c * p for c, p in zip(answer[1:], _powers(u, v), strict=True))
        return float(answer[0]), np.broadcast_to(np.asarray(sky), self.plane.shape)

    # -- stars ------------------------------------------------------------------------------------

    def star_figures(self) -> dict[str, Any]:
        """Return what stars tell; only those are taken that no light has saturated."""
        truth, sensor = self.truth, self.truth.sensor
        x, y = truth.stars(self.reference)
        flux = truth.scene.flux(self.band)
        sharpest = max(light.moffat.peak for light in self.lights)
        mean_width = float(np.mean([light.fwhm for light in self.lights]))
        bright = flux * sharpest < _BRIGHT * sensor.full_well
        chosen = bright & (flux > _CLEAR * np.sqrt(np.median(self.variance)) * np.sqrt(np.pi) * APERTURE)
        edge = 2 * truth.settings.margin
        chosen &= (x > edge) & (y > edge) & (x < truth.settings.width - edge) & (y < truth.settings.height - edge)
        index = np.flatnonzero(chosen)
        if len(index) > _MOST:
            # Of all brightnesses, not the brightest: it is the slope that is wanted.
            index = index[np.linspace(0, len(index) - 1, _MOST).astype(int)]
        true = measured(self.extended + self.stars, x[index], y[index], mean_width)
        # The light of a neighbour or of a bright thread of the nebula in an aperture is none of the star's.
        alone = np.isfinite(true.fwhm) & (np.abs(true.flux / flux[index] - 1.0) < _ALONE)
        noise = self._aperture_noise(x[index], y[index]) / np.maximum(true.flux, 1e-9)
        alone &= (true.flux > 0.0) & (noise < 1.0 / _CLEAR)
        index, noise, true = index[alone], noise[alone], StarFigures(*(column[alone] for column in true))
        found = measured(self.electrons, x[index], y[index], mean_width)
        fine = np.isfinite(found.fwhm) & (found.flux > 0.0)
        if fine.sum() < _FEWEST:
            return {**dict.fromkeys(_BY_STARS), "stars": int(fine.sum())}
        dx, dy = (found.x - true.x)[fine], (found.y - true.y)[fine]
        slope, slope_error, miss = _line(np.log(true.flux[fine]), np.log(found.flux[fine]), noise[fine])
        sure = miss[noise[fine] < 1.0 / _SURE]
        return {
            "offset": float(np.hypot(np.median(dx), np.median(dy))),
            "centroids": float(np.sqrt((_spread(dx) ** 2 + _spread(dy) ** 2) / 2)),
            "fwhm": float(np.median(true.fwhm[fine]) * np.median(found.fwhm[fine] / true.fwhm[fine])),
            "true_fwhm": float(np.median(true.fwhm[fine])),
            "slope": slope,
            "slope_error": slope_error,
            "scatter": _spread(sure) if len(sure) >= _FEWEST else None,
            "stars": int(fine.sum()),
        }

    def _aperture_noise(self, x: Floats, y: Floats) -> Floats:
        """Return the deviation of the light in an aperture around each place, electrons."""
        side = round(np.sqrt(np.pi) * APERTURE)
        sums = uniform_filter(self.variance, side, mode="nearest") * (np.pi * APERTURE**2)
        return np.asarray(np.sqrt(sums[np.rint(y).astype(int), np.rint(x).astype(int)]))

    # -- background -------------------------------------------------------------------------------

    def _noise(self) -> float:
        values = self.residue[self.good]
        return float(1.4826 * np.median(np.abs(values - np.median(values))))

    def background(self) -> dict[str, Any]:
        """Return noise, structure, and what is left of accidents."""
        noise, variance = self._noise(), self.variance
        ideal = float(np.sqrt(np.median(variance[self.good])))
        total, structure = self._structure(variance)
        # What is larger than a block is structure, not residue.
        smooth = self._smooth()
        # A master without noise, as a test may make one, is told in units of the ideal noise.
        z = (self.residue - smooth) / (np.sqrt(variance) * (noise / ideal if noise > 1e-3 * ideal else 1.0))
        level = float(np.mean(np.clip(z[self.good], -6.0, 6.0)))
        return {
            "noise": noise,
            "ideal_noise": ideal,
            "structure": structure,
            "structure_total": total,
            "hot": self._left(z, level, self._hot_places()),
            "trails": self._left(z, level, self._trail_places()),
            "cosmics": self._left(z, level, self._track_places()),
        }

    def _variance(self) -> Floats:
        """Return the variance of each pixel of the best mean of the lights, electrons^2, without interpolation.

        Light, dark and read noise of all frames count, those of the calibration too: lights are dithered, so that
        the noise of a master falls on other places in each. Hot pixels, which are replaced, count as others.
        """
        s, sensor = self.truth.settings, self.truth.sensor
        flat = np.median(sensor.flat(s.names.index(self.lights[0].filter))[::7, ::7])
        rate = float(np.median(sensor.dark_rate[::7, ::7]))
        dark = rate * s.exposure
        inverse = np.zeros(self.plane.shape)
        for light in self.lights:
            seen = float(flat) * (light.transparency * (self.extended + self.stars) + self._glow(light))
            one = sensor.variance(seen + dark) + sensor.variance(np.asarray(dark)) / s.calibration
            one += np.square(seen) / (24000.0 * float(flat) * s.calibration)
            inverse += np.square(float(flat) * light.transparency) / one
        return np.asarray(1.0 / inverse) * (4.0 if self.lights[0].filter == OSC and self.band != "G" else 1.0)

    def _glow(self, light: Light) -> float:
        from .night import GLOW
        from .scene import THROUGHPUT

        return light.glow * THROUGHPUT[self.band] * GLOW[self.band]

    def _structure(self, variance: Floats) -> tuple[float, Residue]:
        """Return the rms of the background on 8 to 64 pixels, with what noise of *variance* gives and without it."""
        count = _blocks(self.good.astype(np.float64))
        full = count > BLOCK**2 / 2
        weight = np.where(full, count, 0.0)
        mean = _blocks(np.where(self.good, self.residue, 0.0)) / np.maximum(count, 1.0)
        spread = np.sqrt(_blocks(np.where(self.good, variance, 0.0))) / np.maximum(count, 1.0)
        total = _rms_between(mean, weight)
        rng = np.random.default_rng(1)
        chance = np.square([_rms_between(rng.standard_normal(count.shape) * spread, weight) for _ in range(24)])
        rest = max(0.0, total**2 - float(chance.mean()))
        # The error of a square's root; where nothing is left, what chance may hide.
        error = float(chance.std())
        return total, Residue(np.sqrt(rest), error / (2.0 * np.sqrt(max(rest, error))) if total > 1e-6 else 0.0)

    def _smooth(self) -> Floats:
        """Return the residue on scales beyond 64 pixels."""
        count = _blocks(self.good.astype(np.float64))
        coarse = _smoothed(_blocks(np.where(self.good, self.residue, 0.0)) / np.maximum(count, 1.0), count, _COARSE)
        large = np.repeat(np.repeat(coarse, BLOCK, axis=0), BLOCK, axis=1)
        height, width = self.plane.shape
        more = ((0, height - large.shape[0]), (0, width - large.shape[1]))
        return np.pad(large, more, mode="edge")

    def _left(self, z: Floats, level: float, places: Places) -> Residue | None:
        """Return the mean of *z* over places of lights, less its mean everywhere."""
        height, width = z.shape
        hit = np.zeros(z.shape, bool)
        for light, x, y in places:
            px, py = (np.rint(c).astype(int) for c in moved(between(light.placement, self.reference.placement), x, y))
            inside = (px >= 0) & (py >= 0) & (px < width) & (py < height)
            hit[py[inside], px[inside]] = True
        hit &= self.good
        # Of a pixel that was not mended at all, six sigma are enough to be told.
        if not hit.any():
            return None
        left = np.clip(z[hit], -6.0, 6.0)
        return Residue(float(left.mean() - level), float(left.std() / np.sqrt(left.size)))

    def _hot_places(self) -> Places:
        x, y, _ = self.truth.sensor.hot
        return [(light, x.astype(float), y.astype(float)) for light in self.lights]

    def _trail_places(self) -> Places:
        height, width = self.plane.shape
        along = np.arange(-1.5 * max(height, width), 1.5 * max(height, width), 0.5)
        found = []
        for light in self.lights:
            for trail in light.trails:
                angle = np.radians(trail.direction)
                for off in (-1.0, 0.0, 1.0):
                    x = trail.x + along * np.cos(angle) - off * np.sin(angle)
                    y = trail.y + along * np.sin(angle) + off * np.cos(angle)
                    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
                    found.append((light, x[inside], y[inside]))
        return found

    def _track_places(self) -> Places:
        found = []
        for light in self.lights:
            for t in light.tracks:
                away = np.arange(0.0, t.length, 0.25)
                found.append((light, t.x + away * np.cos(t.direction), t.y + away * np.sin(t.direction)))
        return found


def _powers(u: Floats, v: Floats) -> list[Floats]:
    return [u**i * v**j for i in range(4) for j in range(4 - i)]


def _blocks(plane: Floats) -> Floats:
    """Return the sums of whole blocks."""
    height, width = (n // BLOCK for n in plane.shape)
    cut = plane[: height * BLOCK, : width * BLOCK]
    return np.asarray(cut.reshape(height, BLOCK, width, BLOCK).sum(axis=(1, 3)))


def _smoothed(mean: Floats, weight: Floats, sigma: float) -> Floats:
    """Return a weighted mean by a Gaussian of *sigma* blocks."""
    under = gaussian_filter(weight, sigma, mode="constant", truncate=3.0)
    return np.asarray(gaussian_filter(mean * weight, sigma, mode="constant", truncate=3.0) / np.maximum(under, 1e-9))


def _rms_between(mean: Floats, weight: Floats) -> float:
    """Return the rms of block means between the scales of one block and `_COARSE` blocks."""
    between_scales = _smoothed(mean, weight, 1.0) - _smoothed(mean, weight, _COARSE)
    return float(np.sqrt(np.average(np.square(between_scales), weights=weight)))


def _spread(values: Floats) -> float:
    return float(1.4826 * np.median(np.abs(values)))


def _line(x: Floats, y: Floats, noise: Floats) -> tuple[float, float, Floats]:
    """Return slope, its error, and what each star is off; outliers beyond four deviations do not count.

    Stars count by their noise, to which half a per cent is added: no flat field is better.
    """
    weight = 1.0 / np.hypot(noise, 0.005)
    keep = np.ones(len(x), bool)
    slope, at = 1.0, 0.0
    for _ in range(5):
        slope, at = np.polyfit(x[keep], y[keep], 1, w=weight[keep])
        z = np.abs(y - at - slope * x) * weight
        keep = z <= max(4.0 * 1.4826 * float(np.median(z[keep])), 1e-9)
    w = np.square(weight[keep])
    middle = np.average(x[keep], weights=w)
    error = _spread((y - at - slope * x)[keep] * weight[keep]) / np.sqrt(np.sum(w * np.square(x[keep] - middle)))
    return float(slope), float(error), y - at - slope * x
