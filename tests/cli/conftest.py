"""Fixtures of the command line's tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from lerarlink.tools.cli import lerar


@dataclass(frozen=True)
class Done:
    """What a call of `lerar` gave."""

    exit_code: int
    stdout: str
    stderr: str
    stdout_bytes: bytes

    @property
    def error(self) -> str:
        """The one line on stderr of a call that failed as it should: no traceback, nothing else."""
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        assert lines[0].startswith("error: ")
        return lines[0]


@pytest.fixture
def run_lerar() -> Callable[..., Done]:
    """Return a function that calls `lerar` with arguments."""

    def call(*arguments: object) -> Done:
        done = CliRunner().invoke(lerar, [str(a) for a in arguments])
        return Done(done.exit_code, done.stdout, done.stderr, done.stdout_bytes)

    return call


@pytest.fixture
def make_fits(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a small sky (noise on a slope, some stars) as uint16 and returns its path."""

    def make(name: str = "sky.fits", *, height: int = 60, width: int = 80, gain: float = 1.0, seed: int = 1) -> Path:
        rng = np.random.default_rng(seed)
        sky = 1000.0 + gain * (200.0 + np.arange(width) + rng.normal(0.0, 10.0, (height, width)))
        sky[rng.integers(0, height, 12), rng.integers(0, width, 12)] += 20000.0
        path = tmp_path / name
        fits.writeto(path, np.clip(sky, 0, 65535).astype(np.uint16), overwrite=True)
        return path

    return make
