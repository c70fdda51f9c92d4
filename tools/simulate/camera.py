"""A camera that looks at a simulated sky: gain, noise, pedestal, saturation, and the header it writes."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...engine.frame import Card, Frame
from ...engine.process import Known, Writer
from ...engine.region import strips, whole
from ...nodes.io.write_image import WriteImage
from .sky import Band, Plane, Sky

# Rows drawn from one random generator. Part of what a seed means: other blocks would draw other noise.
NOISE_ROWS = 64
WHITE = 65535.0
# When frame 0 begins, UTC, and the seconds between two frames. A clock would make each run's files differ.
FIRST_LIGHT = datetime.datetime(2025, 1, 15, 20)
DOWNLOAD = 5.0

Numbers = npt.NDArray[np.float32]
"""What a camera gives: whole numbers."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter wheel's place: which band it lets through, how much of it, and the pedestal of its frames in ADU."""

    name: str
    band: Band
    throughput: float
    pedestal: float

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.name}.fits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """What turns light into numbers.

    A pixel of a frame that is the mean of n exposures reads

        ADU = min(P(n throughput light) / n, full_well) / e_per_adu + bias + pedestal + read noise,

    rounded, with P a Poisson draw and the read noise Gaussian with deviation read_noise / (sqrt(n) e_per_adu).
    """

    e_per_adu: float = 0.8
    read_noise: float = 1.8
    """Electrons, of one exposure."""
    bias: float = 500.0
    """ADU."""
    full_well: float = 50000.0
    """Electrons."""
    exposure: float = 180.0
    exposures: int = 200
    """How many exposures a frame is the mean of."""
    vignetting: float = 0.0
    """Part of the light that is lost in the corners."""
    pixel_size: float = 3.76
    """Micrometres."""
    focal_length: float = 500.0
    """Millimetres."""

    def gain(self, filter: Filter) -> float:
        """Return ADU per unit of light."""
        return filter.throughput / self.e_per_adu

    def offset(self, filter: Filter) -> float:
        """Return the ADU of darkness."""
        return self.bias + filter.pedestal

    def variance(self, filter: Filter, light: Plane | float) -> Plane | float:
        """Return the variance of a pixel in ADU^2: shot noise, read noise and rounding."""
        electrons = filter.throughput * light + self.read_noise**2
        return electrons / (self.exposures * self.e_per_adu**2) + 1.0 / 12.0

    def expose(self, light: Plane, filter: Filter, rng: np.random.Generator) -> Numbers:
        """Return the numbers that *light* gives."""
        n = self.exposures
        electrons = np.minimum(rng.poisson(n * filter.throughput * light) / n, self.full_well)
        electrons += rng.normal(0.0, self.read_noise / n**0.5, light.shape)
        levels = np.rint(electrons / self.e_per_adu + self.offset(filter))
        return np.clip(levels, 0.0, WHITE).astype(np.float32)

    def transmission(self, sky: Sky, y0: int, y1: int) -> Plane:
        """Return which part of the light passes the optics, 1 in the middle."""
        s = sky.settings
        v, u = np.arange(y0, y1) - (s.height - 1) / 2, np.arange(s.width) - (s.width - 1) / 2
        corner = (s.width**2 + s.height**2) / 4
        return np.asarray(1.0 - self.vignetting * (np.square(v)[:, None] + np.square(u)[None, :]) / corner)

    def rows(self, sky: Sky, filters: Sequence[Filter], y0: int, y1: int, frame: int = 0) -> list[Numbers]:
        """Return rows *y0* to *y1* of a frame through each of *filters*; *y0* must begin a block of `NOISE_ROWS` rows.

        *frame* numbers frames of one filter: each has noise of its own.
        """
        if y0 % NOISE_ROWS or y1 - y0 > NOISE_ROWS:
            raise ValueError(f"rows must be one block of {NOISE_ROWS}, starting at a multiple of it, got {y0}:{y1}")
        dimmed = self.transmission(sky, y0, y1) if self.vignetting else 1.0
        made = []
        for filter, light in zip(filters, sky.lights([f.band for f in filters], y0, y1), strict=True):
            rng = np.random.default_rng([sky.settings.seed, 3, ord(filter.band), frame, y0 // NOISE_ROWS])
            made.append(self.expose(light * dimmed, filter, rng))
        return made

    def write(self, folder: Path, sky: Sky, filters: Sequence[Filter], frame: int = 0) -> None:
        """Write one frame through each of *filters* as 16-bit FITS (``R.fits`` ...), a block of rows at a time."""
        whole_sky = whole(sky.settings.height, sky.settings.width)
        writers: list[Writer] = []
        try:
            for filter in filters:
                writers.append(self._writer(folder / filter.file, sky, filter, frame))  # noqa: PERF401 - opens files
            for box in strips(whole_sky, NOISE_ROWS):
                for writer, rows in zip(writers, self.rows(sky, filters, box.y0, box.y1, frame), strict=True):
                    writer.write(box, rows[None])
            for writer in writers:
                writer.finish()
        except BaseException:
            for writer in writers:
                writer.abandon()
            raise

    def _writer(self, path: Path, sky: Sky, filter: Filter, frame: int) -> Writer:
        described = Frame(
            width=sky.settings.width,
            height=sky.settings.height,
            bounds=(0.0, WHITE),
            unit="ADU",
            orientation="top-down",
            wcs=self.wcs(sky),
            header=self.header(filter, frame),
        )
        sink = WriteImage(path=str(path), sample_format="uint16")
        return sink.writer(Known(frames={"image": described}, frame=described))

    def header(self, filter: Filter, frame: int = 0) -> tuple[Card, ...]:
        """Return the words that a capture program would write."""
        single = self.exposures == 1
        start = FIRST_LIGHT + frame * datetime.timedelta(seconds=self.exposure + DOWNLOAD)
        return (
            ("IMAGETYP", "Light Frame" if single else "Master Light", "type of exposure"),
            ("OBJECT", "Simulated Nebula", "name of the object"),
            ("FILTER", filter.name, "filter"),
            ("EXPTIME", self.exposure, "[s] of one exposure"),
            *(() if single else (("NCOMBINE", self.exposures, "exposures averaged"),)),
            ("DATE-OBS", start.isoformat(timespec="milliseconds"), "UTC, start"),
            ("GAIN", 100, "camera setting"),
            ("OFFSET", round(self.bias / 10), "camera setting"),
            ("EGAIN", self.e_per_adu, "[e-/ADU]"),
            ("CCD-TEMP", -10.0, "[degC]"),
            ("SET-TEMP", -10.0, "[degC]"),
            ("XBINNING", 1, ""),
            ("YBINNING", 1, ""),
            ("XPIXSZ", self.pixel_size, "[um]"),
            ("YPIXSZ", self.pixel_size, "[um]"),
            ("FOCALLEN", self.focal_length, "[mm]"),
            ("INSTRUME", "Simulated Camera", "camera"),
            ("TELESCOP", "Simulated Telescope", ""),
            ("SWCREATE", "lerarlink simulate", "program"),
        )

    def wcs(self, sky: Sky) -> tuple[Card, ...]:
        """Return a tangential solution: north up, east left, for rows that run from top to bottom."""
        s = sky.settings
        scale = float(np.degrees(self.pixel_size * 1e-3 / self.focal_length))
        return (
            ("CTYPE1", "RA---TAN", ""),
            ("CTYPE2", "DEC--TAN", ""),
            ("CUNIT1", "deg", ""),
            ("CUNIT2", "deg", ""),
            ("CRVAL1", 98.0, ""),
            ("CRVAL2", 5.0, ""),
            ("CRPIX1", (s.width + 1) / 2, ""),
            ("CRPIX2", (s.height + 1) / 2, ""),
            ("CD1_1", -scale, ""),
            ("CD1_2", 0.0, ""),
            ("CD2_1", 0.0, ""),
            ("CD2_2", -scale, ""),
            ("RADESYS", "ICRS", ""),
        )
