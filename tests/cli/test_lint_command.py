"""`lerar lint` on graph files: findings as lines or JSON, headers looked into, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink import Graph


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Return a folder with a light, a dark five degrees warmer, and a graph that calibrates one with the other."""
    for name, kind, celsius in (("light", "Light Frame", -10.0), ("dark", "Dark Frame", -5.0)):
        words = {"IMAGETYP": kind, "EXPTIME": 300.0, "CCD-TEMP": celsius, "GAIN": 100}
        hdu = fits.PrimaryHDU(np.ones((8, 9), np.uint16))
        hdu.header.update(words)
        hdu.writeto(tmp_path / f"{name}.fits")
    g = Graph()
    light = g.add("ReadSeries", name="lights", paths=[str(tmp_path / "light.fits")])
    dark = g.add("ReadImage", name="dark", path=str(tmp_path / "dark.fits"))
    clean = g.add("ImageCalibration", name="clean", image=light, dark=dark)
    g.add("WriteImage", name="out", image=clean, path=str(tmp_path / "clean.fits"))
    g.save(tmp_path / "night.yaml")
    return tmp_path


def test_headers_are_compared(run_lerar: Any, night: Path) -> None:
    before = sorted(night.iterdir())
    done = run_lerar("lint", str(night / "night.yaml"))
    assert done.exit_code == 0
    assert "warning: C01 node 'lights', dark of 'dark': -10.0 C is wanted, -5.0 C is there" in done.stdout
    assert "    cure: link a dark of -10.0 C" in done.stdout
    assert "C01" not in run_lerar("lint", str(night / "night.yaml"), "--temperature-tolerance", "5").stdout
    assert "C01" not in run_lerar("lint", str(night / "night.yaml"), "--no-headers").stdout
    assert run_lerar("lint", str(night / "night.yaml"), "--strict").exit_code == 4
    assert sorted(night.iterdir()) == before


def test_findings_as_json(run_lerar: Any, night: Path) -> None:
    told = json.loads(run_lerar("lint", str(night / "night.yaml"), "--json").stdout)
    assert told["errors"] == 0
    first = next(f for f in told["findings"] if f["code"] == "C01")
    assert (first["level"], first["node"], first["item"]) == ("warning", "lights", "dark")


def test_errors_give_exit_code_4(run_lerar: Any, night: Path) -> None:
    done = run_lerar("lint", str(night / "night.yaml"), "--set", f"out.path={night / 'light.fits'}")
    assert done.exit_code == 4
    assert "error: W02 node 'out', path:" in done.stdout
    assert "1 error" in done.stderr


def test_recipes_and_the_list_of_codes(run_lerar: Any) -> None:
    assert run_lerar("lint", "stretch").exit_code == 0
    assert "S02  warning" in run_lerar("lint", "--codes").stdout
    assert json.loads(run_lerar("lint", "--codes", "--json").stdout)["G03"]["level"] == "error"
    assert run_lerar("lint").exit_code == 2
