"""A simulated series of short exposures in which a few stars vary with a period, and all that is true of it."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.frame import Card, Frame
from ...engine.process import Known
from ...engine.region import whole
from ...nodes.io.write_image import WriteImage

Floats = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]

FRAMES = "frames"
"""The folder of the frames; the truth lies beside it."""
WHITE = 65535.0
_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
_TRIES = 20_000


@dataclass(frozen=True, slots=True)
class Star:
    """One star: the height of its profile in the image's unit, and how it varies.

    Its height at a time t (seconds after the first frame's middle) is
    ``peak * (1 + amplitude * cos(2 pi t / period - phase))``.
    """

    row: float
    column: float
    peak: float
    amplitude: float = 0.0
    phase: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSettings:
    """What a series is to be; the same settings give the same bytes.

    Attributes
    ----------
    frames, height, width
        How many, and their size.
    cadence, jitter, gaps, exposure
        Seconds: from frame to frame, by how much a frame is early or late, what is added after how many frames, and
        how long the shutter is open.
    period
        Of all that varies, seconds.
    fwhm, noise, noise_change
        Width of stars in pixels; standard deviation of a pixel's noise, and by which part it changes from frame to
        frame.
    sky, sky_change, haze
        Level of the sky, the amplitude of its slow change, and by which part transparency walks in one frame.
    hits, constants, variables
        Cosmic rays a frame; stars that are constant; peak and relative amplitude of those that vary.
    drift, shake
        Pixels by which the field moves during the series (rows, columns), and from frame to frame.
    seed
        Another seed, another series.
    """

    frames: int = 600
    height: int = 96
    width: int = 96
    cadence: float = 5.0
    jitter: float = 0.4
    gaps: tuple[tuple[int, float], ...] = ((200, 137.3), (430, 61.9))
    exposure: float = 2.0
    period: float = 14.8
    fwhm: float = 3.0
    noise: float = 10.0
    noise_change: float = 0.1
    sky: float = 500.0
    sky_change: float = 100.0
    haze: float = 0.01
    hits: int = 4
    constants: int = 25
    variables: tuple[tuple[float, float], ...] = ((3.0, 1.0), (300.0, 0.01), (300.0, 0.005), (600.0, 0.03))
    drift: tuple[float, float] = (0.0, 0.0)
    shake: float = 0.0
    start: str = "2026-02-14T20:00:00"
    seed: int = 1


class SimulatedSeries:
    """Frames that are drawn when they are asked for.

    Parameters
    ----------
    settings
        What it is to be.

    Attributes
    ----------
    seconds
        Middles of the exposures after that of the first frame.
    gain, sky, sigma
        Of each frame: transparency, level of the sky, noise of a pixel.
    stars
        Those that vary first, in the order of the settings.
    """

    def __init__(self, settings: SeriesSettings | None = None, **more: Any) -> None:
        self.settings = s = settings or SeriesSettings(**more)
        rng = np.random.default_rng([s.seed, 1])
        seconds = s.cadence * np.arange(s.frames) + rng.uniform(-s.jitter, s.jitter, s.frames)
        for after, length in s.gaps:
            seconds[after:] += length
        self.seconds: Floats = seconds - seconds[0]
        self.gain: Floats = _walk(rng, s.frames, s.haze)
        turn = rng.uniform(0.0, 2.0 * np.pi)
        self.sky: Floats = s.sky + s.sky_change * np.sin(turn + 2.5 * np.linspace(0.0, 1.0, s.frames) * np.pi)
        self.sigma: Floats = s.noise * np.exp(rng.normal(0.0, s.noise_change, s.frames))
        self.shift: Floats = np.linspace(0.0, 1.0, s.frames)[:, None] * s.drift
        self.shift += rng.normal(0.0, s.shake, (s.frames, 2))
        self.shift -= self.shift[0]

    @property
    def variables(self) -> tuple[Star, ...]:
        return self.stars[: len(self.settings.variables)]

    @cached_property
    def stars(self) -> tuple[Star, ...]:
        s = self.settings
        rng = np.random.default_rng([s.seed, 2])
        count = len(s.variables) + s.constants
        places = _places(rng, count, len(s.variables), s.height, s.width, 4.0 * s.fwhm, 2.5 * s.fwhm)
        peaks = np.exp(rng.uniform(np.log(20.0), np.log(300.0), s.constants)) * s.noise
        varying = [(peak, part, rng.uniform(-np.pi, np.pi)) for peak, part in s.variables]
        kinds = [*varying, *((float(peak), 0.0, 0.0) for peak in peaks)]
        return tuple(Star(float(y), float(x), *map(float, kind)) for (y, x), kind in zip(places, kinds, strict=True))

    def height_of(self, star: Star, frame: int) -> float:
        """Return the mean height of a star's profile during a frame, transparency left out."""
        s = self.settings
        turn = 2.0 * np.pi * (self.seconds[frame] / s.period) - star.phase
        return float(star.peak * (1.0 + star.amplitude * np.sinc(s.exposure / s.period) * np.cos(turn)))

    def light(self, frame: int) -> Floats:
        """Return what stars and sky give in a frame, without noise."""
        s = self.settings
        made = np.full((s.height, s.width), self.sky[frame])
        reach = int(np.ceil(3.0 * s.fwhm))
        for star in self.stars:
            y, x = star.row + self.shift[frame, 0], star.column + self.shift[frame, 1]
            y0, y1 = max(0, round(y) - reach), min(s.height, round(y) + reach + 1)
            x0, x1 = max(0, round(x) - reach), min(s.width, round(x) + reach + 1)
            if y0 < y1 and x0 < x1:
                rows = np.exp(-0.5 * ((np.arange(y0, y1) - y) * _FWHM / s.fwhm) ** 2)
                columns = np.exp(-0.5 * ((np.arange(x0, x1) - x) * _FWHM / s.fwhm) ** 2)
                made[y0:y1, x0:x1] += self.gain[frame] * self.height_of(star, frame) * np.outer(rows, columns)
        return made

    def frame(self, index: int) -> Plane:
        """Return frame *index*: light, noise and cosmic rays."""
        s = self.settings
        rng = np.random.default_rng([s.seed, 3, index])
        made = self.light(index) + self.sigma[index] * rng.standard_normal((s.height, s.width))
        rows, columns = rng.integers(0, s.height, s.hits), rng.integers(0, s.width, s.hits)
        np.add.at(made, (rows, columns), rng.uniform(10.0, 500.0, s.hits) * s.noise)
        return np.asarray(made, np.float32)

    def frames(self) -> Iterator[Plane]:
        """Yield all frames by time."""
        for index in range(self.settings.frames):
            yield self.frame(index)

    # -- files ------------------------------------------------------------------------------------

    def save(self, directory: str | os.PathLike[str]) -> tuple[Path, ...]:
        """Write ``frames/*.fits`` (16 bits) and ``truth.json`` into *directory*; return the frames' paths."""
        folder = Path(directory)
        (folder / FRAMES).mkdir(parents=True, exist_ok=True)
        paths = tuple(folder / FRAMES / f"frame_{n + 1:04}.fits" for n in range(self.settings.frames))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(self._write, range(len(paths)), paths))
        (folder / "truth.json").write_text(json.dumps(self.truth(), indent=1), "utf-8")
        return paths

    def truth(self) -> dict[str, Any]:
        """Return all that is true of the series as plain data."""
        return {
            "settings": asdict(self.settings),
            "stars": [asdict(star) for star in self.stars],
            "seconds": self.seconds.tolist(),
            "gain": self.gain.tolist(),
            "sky": self.sky.tolist(),
            "sigma": self.sigma.tolist(),
            "shift": self.shift.tolist(),
        }

    def header(self, index: int) -> tuple[Card, ...]:
        """Return the header words of a frame; DATE-OBS is the beginning of its exposure."""
        s = self.settings
        first = datetime.datetime.fromisoformat(s.start)
        opened = first + datetime.timedelta(seconds=float(self.seconds[index]))
        return (
            ("IMAGETYP", "Light Frame", ""),
            ("DATE-OBS", opened.isoformat(timespec="microseconds"), "start of exposure, UTC"),
            ("EXPTIME", s.exposure, "seconds"),
            ("OBJECT", "simulated field", ""),
        )

    def _write(self, index: int, path: Path) -> None:
        s = self.settings
        described = Frame(
            width=s.width, height=s.height, bounds=(0.0, WHITE), unit="ADU", orientation="top-down",
            header=self.header(index),
        )  # fmt: skip
        sink = WriteImage(path=str(path), sample_format="uint16")
        writer = sink.writer(Known(frames={"image": described}, frame=described))
        try:
            writer.write(whole(s.height, s.width), np.clip(self.frame(index), 0.0, WHITE)[None])
            writer.finish()
        except BaseException:
            writer.abandon()
            raise


def _walk(rng: np.random.Generator, frames: int, step: float) -> Floats:
    """Return a random walk of transparency that turns back at 0.5 and 1.5."""
    made, level = np.empty(frames), 1.0
    for i, change in enumerate(rng.normal(0.0, step, frames)):
        level *= 1.0 + change
        level = 1.0 - level if level < 0.5 else 3.0 - level if level > 1.5 else level
        made[i] = level
    return made


def _places(
    rng: np.random.Generator, count: int, varying: int, height: int, width: int, far: float, near: float
) -> list[tuple[float, float]]:
    """Return places of stars: those that vary *far* from all others, the rest *near* one another at least."""
    margin = 0.5 * far + 2.0
    found: list[tuple[float, float]] = []
    for _ in range(_TRIES):
        if len(found) == count:
            return found
        y, x = rng.uniform(margin, height - 1 - margin), rng.uniform(margin, width - 1 - margin)
        apart = [far if n < varying or len(found) < varying else near for n in range(len(found))]
        if all(np.hypot(y - v, x - u) >= d for (v, u), d in zip(found, apart, strict=True)):
            found.append((float(y), float(x)))
    raise ValueError(f"{count} stars do not fit into {width} x {height} pixels; fewer or larger frames are wanted")
