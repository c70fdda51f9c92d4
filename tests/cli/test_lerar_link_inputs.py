"""A series is the same series in whatever files it comes: folders of FITS or XISF, a cube, a video."""

from __future__ import annotations

import datetime
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits

from lerarlink.graphs.document import Graph
from lerarlink.tools.simulate.series import FRAMES, SimulatedSeries

Lerar = Callable[..., Any]
Cube = npt.NDArray[np.uint16]
CADENCE = 5.0
# Ticks of 100 ns from the year 1 to 1970, as SER counts.
_TICKS = 621_355_968_000_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("series")


@pytest.fixture(scope="module")
def series(folder: Path) -> SimulatedSeries:
    made = SimulatedSeries(
        frames=120, height=40, width=48, cadence=CADENCE, jitter=0.0, gaps=(), constants=6, seed=5,
        variables=((600.0, 0.06),),
    )  # fmt: skip
    made.save(folder)
    return made


@pytest.fixture(scope="module")
def cube(series: SimulatedSeries, folder: Path) -> Cube:
    return np.stack([fits.getdata(p) for p in sorted((folder / FRAMES).iterdir())]).astype(np.uint16)


def as_fits(series: SimulatedSeries, cube: Cube, folder: Path) -> Path:
    return folder / FRAMES


def as_xisf(series: SimulatedSeries, cube: Cube, folder: Path) -> Path:
    """Our own XISF files, made of the FITS files."""
    (folder / "xisf").mkdir()
    for path in sorted((folder / FRAMES).iterdir()):
        g = Graph()
        image = g.add("ReadImage", path=str(path))
        g.add("WriteImage", image=image, path=str(folder / "xisf" / f"{path.stem}.xisf"), sample_format="uint16")
        g.run(scheduler="sync", provenance=False)
    return folder / "xisf"


def as_cube(series: SimulatedSeries, cube: Cube, folder: Path) -> Path:
    header = fits.Header({"CTYPE3": "UTC", "CUNIT3": "s", "CRVAL3": 1.0, "CDELT3": CADENCE, "CRPIX3": 1.0})
    header["DATE-OBS"], header["EXPTIME"] = series.settings.start, series.settings.exposure
    fits.PrimaryHDU(cube, header).writeto(folder / "cube.fits")
    return folder / "cube.fits"


def as_video(series: SimulatedSeries, cube: Cube, folder: Path) -> Path:
    """A SER file: header of 178 bytes, frames, and a stamp for each."""
    start = datetime.datetime.fromisoformat(series.settings.start).replace(tzinfo=datetime.UTC)
    first = _TICKS + int(start.timestamp()) * 10_000_000
    stamps = [first + round(1e7 * (n * CADENCE + series.settings.exposure / 2)) for n in range(len(cube))]
    header = b"LUCAM-RECORDER" + struct.pack(
        "<7i40s40s40s2q", 0, 0, 0, cube.shape[2], cube.shape[1], 16, len(cube), b"", b"", b"", first, first
    )
    path = folder / "video.ser"
    path.write_bytes(header + cube.astype("<u2").tobytes() + struct.pack(f"<{len(stamps)}q", *stamps))
    return path


@pytest.mark.parametrize("kind", [as_fits, as_xisf, as_cube, as_video])
def test_a_hidden_source_is_found_in_every_kind_of_file(
    run_lerar: Lerar, series: SimulatedSeries, cube: Cube, folder: Path, kind: Callable[..., Path]
) -> None:
    path = kind(series, cube, folder)
    done = run_lerar("run", "--lerar-link", "[TRV:14.8s]", path, "--json", "--quiet", "--registered")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    best, star = told["detections"][0], series.variables[0]
    assert told["frames"] == len(cube)
    assert math.hypot(best["row"] - star.row, best["column"] - star.column) < 1.5
    assert best["period_s"] == pytest.approx(14.8, abs=0.06)
    assert best["amplitude"] == pytest.approx(36.0, rel=0.2)
    assert best["log10_p"] < -5.0


@pytest.fixture
def night(series: SimulatedSeries, cube: Cube, tmp_path: Path) -> Path:
    """Raw lights that hold a dark current which grows over the image and breathes, and the darks of it."""
    dark = np.broadcast_to(np.linspace(0, 400, cube.shape[2])[None], cube.shape[1:])
    words = {"EXPTIME": series.settings.exposure, "GAIN": 100, "CCD-TEMP": -10.0}
    for n in range(5):
        header = fits.Header({"IMAGETYP": "Dark Frame", "DATE-OBS": f"2026-02-14T18:00:{n:02}", **words})
        fits.PrimaryHDU(dark.astype(np.uint16), header).writeto(tmp_path / f"dark_{n}.fits")
    for n, plane in enumerate(cube):
        header = fits.Header({"IMAGETYP": "Light Frame", **words})
        header.update({k: v for k, v, _ in series.header(n) if k == "DATE-OBS"})
        fits.PrimaryHDU((plane + dark).round().astype(np.uint16), header).writeto(tmp_path / f"light_{n:03}.fits")
    return tmp_path


def test_raw_lights_are_prepared_without_being_written(
    run_lerar: Lerar, series: SimulatedSeries, night: Path, tmp_path: Path
) -> None:
    arguments = ("run", "--lerar-link", "[TRV:14.8s]", night, "--preprocess", "--register", "--out", tmp_path / "out")
    done = run_lerar(*arguments, "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    best, star = told["detections"][0], series.variables[0]
    # The reference is another frame than the first, by less than a pixel.
    assert math.hypot(best["row"] - star.row, best["column"] - star.column) < 2.0
    assert best["log10_p"] < -5.0 and told["registered"]
    graph = Graph.load(tmp_path / "out" / "series.lerar")
    assert {graph.spec(n).process for n in graph} >= {"integration.master_dark", "calibration.image_calibration"}
    # Of frames nothing was written; and what is missing was said.
    assert {p.suffix for p in (tmp_path / "out").iterdir()} <= {".fits", ".csv", ".png", ".html", ".lerar"}
    assert not list((tmp_path / "out").glob("*registered*"))
    assert any("Lerar Link unresolved" in w and "flat" in w for w in told["warnings"])


def test_lights_of_several_filters_are_no_series(run_lerar: Lerar, night: Path) -> None:
    for n, path in enumerate(sorted(night.glob("light_*.fits"))[:8]):
        fits.setval(path, "FILTER", value="RG"[n % 2])
    for path in sorted(night.glob("light_*.fits"))[8:]:
        path.unlink()
    done = run_lerar("run", "--lerar-link", "[TRV:14.8s]", night, "--preprocess", "--json", "--quiet")
    assert done.exit_code != 0 and "of one kind" in done.stderr
