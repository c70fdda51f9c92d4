"""A whole simulated night: lights, darks of two temperatures, flats, dark flats and bias, with headers and truth."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.frame import Card, Frame
from ...engine.process import Known
from ...engine.region import whole
from ...nodes.io.write_image import WriteImage
from ._drawing import draw_line, draw_tracks
from .camera import DOWNLOAD, FIRST_LIGHT, NOISE_ROWS
from .placement import Placement
from .scene import THROUGHPUT, Plane, StarImages, quantised, sampled
from .sensor import WHITE
from .sky import Band
from .truth import OSC, Light, NightSettings, NightTruth, Track, Trail

FRAMES = "frames"
"""The folder of the frames; the truth lies beside it."""
GLOW: dict[Band, float] = {"L": 1.0, "R": 1.12, "G": 1.0, "B": 0.88}
"""Colour of the sky's own light."""
_FLAT_LEVEL = 24000.0
"""Electrons in the middle of a flat."""
_STREAMS = {"light": 0, "flat": 1, "dark": 2, "darkflat": 3, "bias": 4}
_TYPES = {"light": "LIGHT", "flat": "FLAT", "dark": "DARK", "darkflat": "DARKFLAT", "bias": "BIAS"}

Draw = Callable[[int, int], Plane]
"""Rows y0 to y1 -> the electrons that light brings, before shot noise."""


def simulate_night(
    directory: str | os.PathLike[str],
    *,
    size: tuple[int, int] = (600, 900),
    frames: int = 5,
    filters: tuple[str, ...] | str = ("L", "R", "G", "B"),
    seed: int = 1,
    told: Callable[[int, int], None] | None = None,
    **more: Any,
) -> NightTruth:
    """Write a night's frames into ``directory/frames``, and the truth beside them; return the truth.

    Parameters
    ----------
    directory
        Is made. ``frames`` gets folders light, flat, dark, darkflat and bias of 16-bit FITS files; beside it lie
        ``truth.json``, ``stars.csv`` and ``hot-pixels.csv``.
    size
        Rows and columns.
    frames
        Lights of each filter.
    filters
        Of a filter wheel; or the pattern of a colour camera, such as "RGGB".
    told
        Is told how many files are written, and of how many.
    more
        All else that `NightSettings` knows.

    Returns
    -------
    NightTruth
        The same settings give the same bytes, whatever the number of processors.
    """
    how: dict[str, Any] = {"pattern": filters} if isinstance(filters, str) else {"filters": tuple(filters)}
    settings = NightSettings(height=size[0], width=size[1], frames=frames, seed=seed, **how, **more)
    truth = draw_truth(settings)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    night = _Night(truth, folder / FRAMES)
    exposures = list(night.plan())
    with ThreadPoolExecutor(os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()) as pool:
        for n, exposure in enumerate(exposures):
            night.write(exposure, pool)
            if told:
                told(n + 1, len(exposures))
    truth.save(folder)
    return truth


# -- what happens in the night ----------------------------------------------------------------------


def draw_truth(settings: NightSettings) -> NightTruth:
    """Draw a night's weather, pointing and accidents; the same settings always draw the same."""
    lights = [light for number, name in enumerate(settings.names) for light in _lights(settings, number, name)]
    return NightTruth(settings, tuple(lights))


def _lights(s: NightSettings, number: int, name: str) -> Iterator[Light]:
    rng = np.random.default_rng([s.seed, 60, ord(name[0])])
    crossed = set(rng.permutation(s.frames)[: max(1, round(s.trails * s.frames)) if s.trails else 0].tolist())
    for frame in range(s.frames):
        dx, dy = rng.uniform(-s.dither, s.dither, 2)
        flipped = s.flip and 2 * frame >= s.frames
        turn = rng.uniform(-s.rotation, s.rotation) + (180.0 if flipped else 0.0)
        part = frame / max(1, s.frames - 1)
        light = Light(
            file=f"light/{name}/{name}_{s.exposure:g}s_{frame + 1:04}.fits",
            filter=name,
            frame=frame,
            placement=Placement(s.width, s.height, float(turn), float(dx), float(dy)),
            fwhm=s.fwhm * float(np.exp(rng.normal(0.0, s.seeing))),
            transparency=float(rng.uniform(0.82, 1.0)),
            glow=s.glow * (1.0 - 0.3 * part + 0.1 * float(rng.random())),
            # Town lights stay below while the field turns; a little of the moon comes and goes.
            slope=(s.gradient * (0.7 - part), s.gradient * (0.4 + 0.5 * float(rng.random()))),
        )
        yield replace(
            light,
            trails=(_trail(s, rng),) if frame in crossed else (),
            tracks=tuple(_tracks(s, rng)),
        )


def _trail(s: NightSettings, rng: np.random.Generator) -> Trail:
    x, y = rng.uniform(0.25, 0.75, 2) * (s.width, s.height)
    peak = float(10.0 ** rng.uniform(2.5, 3.5))
    return Trail(float(x), float(y), float(rng.uniform(0.0, 180.0)), s.fwhm / 2.355 * 1.1, peak)


def _tracks(s: NightSettings, rng: np.random.Generator) -> Iterator[Track]:
    count = int(rng.poisson(s.cosmics * s.width * s.height))
    x, y = rng.uniform(-0.5, s.width - 0.5, count), rng.uniform(-0.5, s.height - 0.5, count)
    length, direction = 0.7 + rng.exponential(2.0, count), rng.uniform(0.0, 2.0 * np.pi, count)
    charge = 10.0 ** rng.uniform(2.6, 4.0, count) * np.sqrt(length)
    for one in zip(x, y, np.minimum(length, 25.0), direction, charge, strict=True):
        yield Track(*map(float, one))


# -- the frames -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One frame to be taken."""

    kind: str
    file: str
    stream: tuple[int, ...]
    """What names its noise."""
    seconds: float
    temperature: float
    start: datetime.datetime
    filter: str = ""
    light: Light | None = None


class _Night:
    """Takes the frames of a night, a block of rows at a time."""

    def __init__(self, truth: NightTruth, folder: Path) -> None:
        self.truth, self.folder = truth, folder
        self.settings, self.sensor, self.scene = truth.settings, truth.sensor, truth.scene
        self._filter = ""
        self._splines: dict[Band, Plane] = {}
        self._flat: Any = None

    def plan(self) -> Iterator[Exposure]:
        """Return the frames filter by filter, then those that have none."""
        s = self.settings
        step = datetime.timedelta(seconds=s.exposure + DOWNLOAD)
        morning = FIRST_LIGHT + s.frames * len(s.names) * step
        for number, name in enumerate(s.names):
            for light in self.truth.of(name):
                yield Exposure(
                    kind="light", file=light.file, stream=(ord(name[0]), light.frame), seconds=s.exposure,
                    temperature=s.temperature, filter=name, light=light,
                    start=FIRST_LIGHT + (light.frame * len(s.names) + number) * step,
                )  # fmt: skip
            for frame in range(s.calibration):
                yield self._calibration("flat", f"flat/{name}/{name}", frame, s.flat_exposure, morning, name)
        cold, warm = s.temperature, s.wrong_temperature
        for frame in range(s.calibration):
            yield self._calibration("darkflat", "darkflat/darkflat", frame, s.flat_exposure, morning)
            yield self._calibration("dark", f"dark/dark_{cold:g}C", frame, s.exposure, morning)
            yield self._calibration("dark", f"dark/dark_{warm:g}C", frame, s.exposure, morning, temperature=warm)
            yield self._calibration("bias", "bias/bias", frame, 0.0, morning)

    def _calibration(
        self, kind: str, stem: str, frame: int, seconds: float, start: datetime.datetime, filter: str = "",
        temperature: float | None = None,
    ) -> Exposure:  # fmt: skip
        warm = self.settings.temperature if temperature is None else temperature
        return Exposure(
            kind=kind, file=f"{stem}_{frame + 1:04}.fits", seconds=seconds, temperature=warm, filter=filter,
            stream=(ord(filter[0]) if filter else 0, frame, int(warm != self.settings.temperature)),
            start=start + frame * datetime.timedelta(seconds=seconds + DOWNLOAD),
        )  # fmt: skip

    def write(self, exposure: Exposure, pool: ThreadPoolExecutor) -> None:
        """Take one frame and write it."""
        s = self.settings
        path = self.folder / exposure.file
        path.parent.mkdir(parents=True, exist_ok=True)
        box = whole(s.height, s.width)
        pixels = np.empty((1, s.height, s.width), np.float32)
        draw = self._draw(exposure)

        def block(y0: int) -> None:
            y1 = min(y0 + NOISE_ROWS, s.height)
            pixels[0, y0:y1] = self._rows(exposure, draw, y0, y1)

        list(pool.map(block, range(0, s.height, NOISE_ROWS)))
        described = Frame(
            width=s.width, height=s.height, bounds=(0.0, WHITE), unit="ADU", orientation="top-down",
            cfa=s.pattern or None, header=self.header(exposure),
        )  # fmt: skip
        sink = WriteImage(path=str(path), sample_format="uint16")
        writer = sink.writer(Known(frames={"image": described}, frame=described))
        try:
            writer.write(box, pixels)
            writer.finish()
        except BaseException:
            writer.abandon()
            raise

    def _rows(self, exposure: Exposure, draw: Draw | None, y0: int, y1: int) -> Any:
        rng = np.random.default_rng([self.settings.seed, 70, _STREAMS[exposure.kind], *exposure.stream, y0])
        mean = self.sensor.dark(exposure.seconds, exposure.temperature, y0, y1)
        if draw:
            mean += draw(y0, y1)
        electrons = rng.poisson(quantised(mean)).astype(np.float64)
        if exposure.light and exposure.light.tracks:
            tracks = exposure.light.tracks
            draw_tracks(electrons, y0, np.array([(t.x, t.y, t.length, t.direction, t.charge) for t in tracks]))
        return self.sensor.read(electrons, rng)

    def _draw(self, exposure: Exposure) -> Draw | None:
        """Return what draws the light that reaches the sensor; None for a closed shutter."""
        if not exposure.filter:
            return None
        self._turn_wheel(exposure.filter)
        if exposure.light is None:
            # The lamp's light differs a little from frame to frame.
            level = _FLAT_LEVEL * (1.0 + 0.01 * np.sin(2.0 + exposure.stream[1]))
            return lambda y0, y1: np.asarray(self._flat[y0:y1].astype(np.float64) * level)
        return self._light(exposure.light)

    def _turn_wheel(self, filter: str) -> None:
        """Put a filter into the beam: its splines and its dust are kept until the next one comes."""
        if filter == self._filter:
            return
        s = self.settings
        self._filter = filter
        self._splines = {b: self.scene.extended(b) for b in sorted({b for row in s.bands(filter) for b in row})}
        self._flat = self.sensor.flat(s.names.index(filter))

    def _light(self, light: Light) -> Draw:
        s, t = self.settings, light.transparency
        bands = s.bands(light.filter)
        flux = t * np.stack([np.stack([self.scene.flux(b) for b in row], axis=-1) for row in bands], axis=-2)
        stars = StarImages.of([light.moffat], [1.0], np.ascontiguousarray(flux))
        x, y = light.placement.of(*self.scene.places)
        longer = max(s.width, s.height) / 2
        # The slope belongs to the sky: after a meridian flip the camera sees it upside down.
        along_x, along_y = light.placement.matrix[:2, :2] @ light.slope
        u = (np.arange(s.width) - (s.width - 1) / 2) / longer * along_x

        def drawn(y0: int, y1: int) -> Plane:
            v = (np.arange(y0, y1) - (s.height - 1) / 2) / longer * along_y
            glow = light.glow + u[None, :] + v[:, None]
            seen = {}
            for band, spline in self._splines.items():
                plane = t * sampled(spline, s.margin, light.placement, y0, y1)
                seen[band] = plane + glow * (THROUGHPUT[band] * GLOW[band])
            plane = _mosaic(bands, seen, y0)
            stars.draw(plane, y0, x, y)
            for trail in light.trails:
                angle = np.radians(trail.direction)
                draw_line(plane, y0, trail.x, trail.y, np.cos(angle), np.sin(angle), trail.sigma, trail.peak)
            return np.asarray(plane * self._flat[y0:y1])

        return drawn

    def header(self, exposure: Exposure) -> tuple[Card, ...]:
        """Return the words that a capture program would write."""
        s = self.settings
        filtered = exposure.filter and exposure.filter != OSC
        light = exposure.kind == "light"
        return (
            ("IMAGETYP", _TYPES[exposure.kind], "Type of exposure"),
            ("EXPOSURE", exposure.seconds, "[s] Exposure duration"),
            ("EXPTIME", exposure.seconds, "[s] Exposure duration"),
            ("DATE-OBS", exposure.start.isoformat(timespec="milliseconds"), "Time of observation (UTC)"),
            ("XBINNING", 1, "X axis binning factor"),
            ("YBINNING", 1, "Y axis binning factor"),
            ("GAIN", 100, "Sensor gain"),
            ("OFFSET", 50, "Sensor gain offset"),
            ("EGAIN", self.sensor.e_per_adu, "[e-/ADU] Electrons per A/D unit"),
            ("XPIXSZ", 3.76, "[um] Pixel X axis size"),
            ("YPIXSZ", 3.76, "[um] Pixel Y axis size"),
            ("INSTRUME", "Simulated Camera", "Imaging instrument name"),
            ("SET-TEMP", exposure.temperature, "[degC] CCD temperature setpoint"),
            ("CCD-TEMP", exposure.temperature + 0.1, "[degC] CCD temperature"),
            ("READOUTM", "High Gain Mode", "Sensor readout mode"),
            *((("FILTER", exposure.filter, "Active filter name"),) if filtered else ()),
            ("TELESCOP", "Simulated Telescope", "Name of telescope"),
            ("FOCALLEN", 500.0, "[mm] Focal length"),
            *(_target(s, exposure) if light else ()),
            ("SWCREATE", "lerarlink simulate", "Software that created this file"),
        )


def _mosaic(bands: Any, seen: dict[Band, Plane], y0: int) -> Plane:
    """Return the pixels of each band where a mosaic has them; rows from *y0* on."""
    if len(seen) == 1:
        return next(iter(seen.values()))
    plane = np.empty_like(next(iter(seen.values())))
    for i in (0, 1):
        for j in (0, 1):
            plane[(i - y0) % 2 :: 2, j::2] = seen[bands[i][j]][(i - y0) % 2 :: 2, j::2]
    return plane


def _target(s: NightSettings, exposure: Exposure) -> tuple[Card, ...]:
    flipped = exposure.light is not None and exposure.light.placement.turn > 90.0
    return (
        ("OBJECT", "Simulated Nebula", "Name of the object of interest"),
        ("RA", 98.0, "[deg] RA of telescope"),
        ("DEC", 5.0, "[deg] Declination of telescope"),
        ("PIERSIDE", "East" if flipped else "West", "Telescope pointing state"),
        ("DATE-AVG", (exposure.start + datetime.timedelta(seconds=s.exposure / 2)).isoformat(timespec="milliseconds"),
         "Averaged midpoint time (UTC)"),
    )  # fmt: skip
