"""Frames of header words, as programs write them, without files; and folders of small simulated frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from click.testing import CliRunner

from lerarlink.engine.frame import Card, Frame, Scalar
from lerarlink.graphs.preprocess.records import FrameRecord, record_of
from lerarlink.nodes.io._words import normalise
from lerarlink.tools.cli import lerar

Floats = npt.NDArray[np.float64]
HEIGHT, WIDTH = 120, 160
BIAS, DARK_RATE, SKY = 500.0, 0.2, 800.0
HOT = (37, 80)
WORDS = {"GAIN": 100, "OFFSET": 50, "SET-TEMP": -10.0, "CCD-TEMP": -10.1, "XBINNING": 1, "YBINNING": 1}
SHIFTS = ((0.0, 0.0), (2.0, -3.0), (-4.0, 1.0), (3.0, 3.0))

_CARD = re.compile(r"([A-Z][A-Z0-9_-]*)=('[^']*'|\S+)")


def cards_of(text: str) -> list[Card]:
    """Return the cards in ``IMAGETYP='LIGHT' EXPTIME=300.0 GAIN=100``; quoted values are text."""
    found: list[Card] = []
    for keyword, spelled in _CARD.findall(text):
        value: Scalar = spelled[1:-1] if spelled.startswith("'") else float(spelled) if "." in spelled else int(spelled)
        found.append((keyword, value, ""))
    return found


@pytest.fixture
def make_record() -> Callable[..., FrameRecord]:
    """Return a function that makes the record of a file from its path and header."""

    def make(
        path: str,
        header: str = "",
        *,
        size: tuple[int, int] = (80, 60),
        cfa: str | None = None,
        keywords: Iterable[str] = (),
        filters: dict[str, str] | None = None,
    ) -> FrameRecord:
        cards = cards_of(header)
        frame = Frame(
            width=size[0], height=size[1], cfa=cfa, words=normalise(cards, path), header=tuple(cards)
        )
        return record_of(path, frame, keywords=keywords, filters=filters)

    return make


# -- folders of frames ------------------------------------------------------------------------------


def stars() -> Floats:
    """Rows of y, x, flux: a field that no shift maps onto itself."""
    rng = np.random.default_rng(7)
    places = rng.uniform((12, 12), (HEIGHT - 12, WIDTH - 12), (45, 2))
    return np.column_stack([places, 10 ** rng.uniform(3.7, 4.8, len(places))])


def vignette() -> Floats:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.asarray(1.0 - 0.3 * (((y - HEIGHT / 2) / HEIGHT) ** 2 + ((x - WIDTH / 2) / WIDTH) ** 2) * 2)


def sky(dy: float, dx: float) -> Floats:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    made = np.full((HEIGHT, WIDTH), SKY)
    for sy, sx, flux in stars():
        made += flux / (2 * np.pi * 1.4**2) * np.exp(-((y - sy - dy) ** 2 + (x - sx - dx) ** 2) / (2 * 1.4**2))
    return made


class Night:
    """Writes frames of a camera with vignetting, dark current and a hot pixel."""

    WIDTH, HEIGHT, HOT, SKY, SHIFTS = WIDTH, HEIGHT, HOT, SKY, SHIFTS
    sky = staticmethod(sky)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rng = np.random.default_rng(3)

    def write(self, name: str, light: Floats | float, exposure: float, **words: Any) -> Path:
        level = BIAS + DARK_RATE * exposure + vignette() * light
        level[HOT] += 20.0 * exposure
        noisy = level + self.rng.normal(0.0, 1.0, level.shape) * np.sqrt(np.maximum(level - BIAS, 0.0) + 9.0)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        header = fits.Header({**WORDS, "EXPTIME": exposure, **words})
        fits.writeto(path, np.clip(np.rint(noisy), 0, 65535).astype(np.uint16), header)
        return path

    def lights(self, filters: str = "R", count: int = 4) -> None:
        for name in filters:
            for i, shift in enumerate(SHIFTS[:count]):
                self.write(f"light/{name}{i}.fits", sky(*shift), 30.0, IMAGETYP="LIGHT", FILTER=name)

    def calibration(self, filters: str = "R", dark_flat: float = 2.0) -> None:
        for i in range(4):
            self.write(f"dark/{i}.fits", 0.0, 30.0, IMAGETYP="DARK")
            self.write(f"darkflat/{i}.fits", 0.0, dark_flat, IMAGETYP="DARKFLAT")
            for name in filters:
                self.write(f"flat/{name}{i}.fits", 30000.0, 2.0, IMAGETYP="FLAT", FILTER=name)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "night")


@pytest.fixture
def run_lerar() -> Callable[..., Any]:
    def call(*arguments: object) -> Any:
        return CliRunner().invoke(lerar, [str(a) for a in arguments])

    return call
