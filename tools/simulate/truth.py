"""All that is known of a simulated night, and the pictures that perfect frames would give."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .camera import NOISE_ROWS
from .placement import Floats, Placement, between
from .scene import Plane, Scene, StarImages, sampled
from .sensor import Sensor
from .sky import Band, Moffat

OSC = "OSC"
"""Name of the passbands of a colour camera, which has no filter wheel."""
BETA = 4.0
"""Of the Moffat profile of all stars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightSettings:
    """What may be chosen of a night.

    Attributes
    ----------
    height, width
        Rows and columns.
    frames
        Lights of each filter.
    filters
        L, R, G and B, or some of them; not asked for with a `pattern`.
    pattern
        Of a colour camera, such as RGGB; empty for a filter wheel.
    calibration
        How many bias frames, darks of each temperature, dark flats, and flats of each filter.
    exposure, flat_exposure
        Seconds.
    temperature, wrong_temperature
        Of the sensor, Celsius; darks are taken at both.
    dither
        Greatest shift between frames, pixels.
    rotation
        Greatest turn of a frame, degrees.
    flip
        Whether the mount changes sides in the middle of the night, which turns all later lights by 180 degrees.
    fwhm
        Median width of stars, pixels.
    seeing
        Spread of the natural logarithm of the width from light to light.
    glow, gradient
        Light of the sky and its slope across the longer side, electrons of the green channel.
    cosmics
        Particles that hit a pixel of a light, on average.
    trails
        Part of the lights that a satellite crosses.
    """

    height: int = 600
    width: int = 900
    frames: int = 5
    filters: tuple[str, ...] = ("L", "R", "G", "B")
    pattern: str = ""
    seed: int = 1
    calibration: int = 5
    exposure: float = 180.0
    flat_exposure: float = 2.0
    temperature: float = -10.0
    wrong_temperature: float = 2.0
    dither: float = 12.0
    rotation: float = 0.3
    flip: bool = True
    fwhm: float = 2.8
    seeing: float = 0.06
    glow: float = 500.0
    gradient: float = 60.0
    cosmics: float = 2e-5
    trails: float = 0.2
    pixels_a_star: int = 600
    dust: float = 300.0

    def __post_init__(self) -> None:
        if self.pattern and (len(self.pattern) != 4 or set(self.pattern) - set("RGB")):
            raise ValueError(f"pattern must be four of R, G and B, such as RGGB, got {self.pattern!r}")
        if bad := [f for f in self.filters if f not in ("L", "R", "G", "B")]:
            raise ValueError(f"filters must be L, R, G or B, got {', '.join(bad)}")
        for name, least in (("height", 32), ("width", 32), ("frames", 1), ("calibration", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")

    @property
    def names(self) -> tuple[str, ...]:
        """The filters, or that of a colour camera."""
        return (OSC,) if self.pattern else self.filters

    def bands(self, filter: str) -> tuple[tuple[Band, Band], tuple[Band, Band]]:
        """Return the bands of pixels of even and odd rows and columns."""
        a, b, c, d = tuple(self.pattern if filter == OSC else filter * 4)
        return ((a, b), (c, d))  # type: ignore[return-value]

    @property
    def margin(self) -> int:
        """By how many pixels the sky reaches beyond the nominal frame."""
        turned = math.radians(self.rotation) * math.hypot(self.height, self.width) / 2
        return math.ceil(self.dither + turned) + 4


@dataclass(frozen=True, slots=True)
class Trail:
    """A satellite: a place on its way, its direction (degrees), how wide (sigma, pixels) and bright (electrons)."""

    x: float
    y: float
    direction: float
    sigma: float
    peak: float


@dataclass(frozen=True, slots=True)
class Track:
    """A charged particle in the sensor: where it comes in, how far it goes (pixels, radians), its electrons."""

    x: float
    y: float
    length: float
    direction: float
    charge: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """One light and all that made it what it is.

    Attributes
    ----------
    file
        Its path below the folder of the frames.
    transparency
        Part of the light that passes the atmosphere.
    glow, slope
        Light of the sky in the middle, and how much it grows over half of the longer side along nominal x and y,
        electrons of the green channel.
    """

    file: str
    filter: str
    frame: int
    placement: Placement
    fwhm: float
    transparency: float
    glow: float
    slope: tuple[float, float]
    trails: tuple[Trail, ...] = ()
    tracks: tuple[Track, ...] = ()

    @property
    def moffat(self) -> Moffat:
        return Moffat(self.fwhm, BETA)


@dataclass(frozen=True)
class NightTruth:
    """What the frames of a night should show.

    Light is counted in electrons per exposure and pixel, outside the atmosphere.
    """

    settings: NightSettings
    lights: tuple[Light, ...]

    @cached_property
    def scene(self) -> Scene:
        s = self.settings
        return Scene(s.width, s.height, s.margin, s.seed, s.pixels_a_star, s.dust)

    @cached_property
    def sensor(self) -> Sensor:
        return Sensor(width=self.settings.width, height=self.settings.height, seed=self.settings.seed)

    def of(self, filter: str) -> tuple[Light, ...]:
        """Return the lights of a filter."""
        return tuple(light for light in self.lights if light.filter == filter)

    def light(self, path: str | os.PathLike[str]) -> Light:
        """Return the light of a file, by its name."""
        name = Path(path).name
        for light in self.lights:
            if Path(light.file).name == name:
                return light
        raise KeyError(f"{path}: the night has no light of this name")

    def transform(self, light: Light, reference: Light) -> Floats:
        """Return the (3, 3) matrix from places of *reference* to places of *light*."""
        return between(reference.placement, light.placement)

    def stars(self, reference: Light) -> tuple[Floats, Floats]:
        """Return x and y of the stars in the frame of *reference*, the brightest first."""
        return reference.placement.of(*self.scene.places)

    def star_light(self, band: Band, reference: Light, lights: Sequence[Light]) -> Plane:
        """Return the stars as the mean of *lights* shows them on the grid of *reference*, without noise.

        Each light counts by its transparency, as in a mean of lights of equal weight.
        """
        total = sum(light.transparency for light in lights)
        flux = np.repeat(self.scene.flux(band), 4).reshape(-1, 2, 2)
        images = StarImages.of([i.moffat for i in lights], [i.transparency / total for i in lights], flux)
        plane = np.zeros((self.settings.height, self.settings.width))
        images.draw(plane, 0, *self.stars(reference))
        return plane

    def extended_light(self, band: Band, reference: Light) -> Plane:
        """Return all light that is not of stars on the grid of *reference*, without noise, glow and gradients."""
        s = self.settings
        spline = self.scene.extended(band)
        plane = np.empty((s.height, s.width))
        for y0 in range(0, s.height, NOISE_ROWS):
            y1 = min(y0 + NOISE_ROWS, s.height)
            plane[y0:y1] = sampled(spline, s.margin, reference.placement, y0, y1)
        return plane

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON: enough to make the truth again."""
        return {"settings": asdict(self.settings), "lights": [asdict(light) for light in self.lights]}

    def save(self, folder: Path) -> None:
        """Write ``truth.json``, ``stars.csv`` and ``hot-pixels.csv`` into *folder*."""
        (folder / "truth.json").write_text(json.dumps(self.document(), indent=1) + "\n", "utf-8")
        bands: tuple[Band, ...] = ("L", "R", "G", "B")
        columns = [*self.scene.places, *(self.scene.flux(b) for b in bands)]
        columns.append(np.array([s.temperature for s in self.scene.sky.stars]))
        _table(folder / "stars.csv", "x,y,L,R,G,B,temperature", columns)
        _table(folder / "hot-pixels.csv", "x,y,electrons_per_second", list(self.sensor.hot))

    @staticmethod
    def load(path: str | os.PathLike[str]) -> NightTruth:
        """Return the truth in a file that `save` wrote."""
        data = json.loads(Path(path).read_text("utf-8"))
        settings = NightSettings(**{**data["settings"], "filters": tuple(data["settings"]["filters"])})
        return NightTruth(settings, tuple(_light(one) for one in data["lights"]))


def _light(data: dict[str, Any]) -> Light:
    parts = {
        "placement": Placement(**data["placement"]),
        "slope": tuple(data["slope"]),
        "trails": tuple(Trail(**t) for t in data["trails"]),
        "tracks": tuple(Track(**t) for t in data["tracks"]),
    }
    return Light(**{**data, **parts})


def _table(path: Path, head: str, columns: Sequence[Any]) -> None:
    rows = (",".join(f"{float(v):.9g}" for v in row) for row in zip(*columns, strict=True))
    path.write_text("\n".join((head, *rows)) + "\n", "utf-8")
