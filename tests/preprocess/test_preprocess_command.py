"""`lerar preprocess` and `lerar links` on folders of small simulated frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.tools.scan import scan

Night = Any  # the simulated folder, see conftest.py
REPORTS = ["report.csv", "report.html", "report.json"]


# -- scan -------------------------------------------------------------------------------------------


def test_a_scan_reads_headers_below_a_folder_and_tells_what_it_leaves_out(night: Night) -> None:
    night.lights(count=1)
    (night.folder / "light" / "broken.fits").write_bytes(b"SIMPLE  =                    T")
    (night.folder / "light" / "notes.txt").write_text("clouds")
    (night.folder / ".hidden.fits").write_bytes(b"")
    night.write("masters/x.fits", 0.0, 1.0)
    found = scan([night.folder], skip=[night.folder / "masters"])
    assert [Path(r.path).name for r in found.records] == ["R0.fits"]
    assert (found.records[0].width, found.records[0].height) == (night.WIDTH, night.HEIGHT)
    assert [Path(o.path).name for o in found.left_out] == ["broken.fits"]
    assert found.left_out[0].why.startswith("cannot be read: ")


def test_folders_above_the_scanned_one_mean_nothing_its_own_name_does(night: Night, tmp_path: Path) -> None:
    above = type(night)(tmp_path / "darks" / "M31")
    above.write("1.fits", 0.0, 1.0)
    assert [r.kind for r in scan([tmp_path / "darks" / "M31"]).records] == ["light"]
    assert [r.kind for r in scan([tmp_path / "darks"]).records] == ["dark"]


# -- links ------------------------------------------------------------------------------------------


def test_links_of_a_folder_and_of_its_graph_are_the_same(
    night: Night, run_lerar: Callable[..., Any], tmp_path: Path
) -> None:
    night.lights()
    night.calibration()
    of_folder = run_lerar("links", night.folder)
    assert of_folder.exit_code == 0 and of_folder.stdout.rstrip().endswith("4 lights, 3 links, 0 unresolved links")
    assert run_lerar("preprocess", night.folder, "-o", tmp_path / "g.yaml", "-q").exit_code == 0
    of_graph = run_lerar("links", tmp_path / "g.yaml")
    assert of_graph.exit_code == 0 and of_graph.stdout == of_folder.stdout


@pytest.mark.parametrize(("name", "begins"), [("a.svg", "<svg "), ("a.html", "<!DOCTYPE html>"), ("a.json", "{")])
def test_the_extension_tells_the_format(
    night: Night, run_lerar: Callable[..., Any], tmp_path: Path, name: str, begins: str
) -> None:
    night.lights(count=1)
    assert run_lerar("links", night.folder, "-o", tmp_path / name).exit_code == 0
    assert (tmp_path / name).read_text().startswith(begins)


def test_links_shows_what_is_broken_and_fails_only_when_asked_to(night: Night, run_lerar: Callable[..., Any]) -> None:
    night.lights(count=1)
    assert run_lerar("links", night.folder).exit_code == 0
    done = run_lerar("links", night.folder, "--check")
    assert done.exit_code == 3 and "X  flat" in done.stdout
    without = [a for kind in ("flat", "dark", "bias") for a in ("--without", kind)]
    assert run_lerar("links", night.folder, "--check", *without).exit_code == 0


def test_a_folder_that_is_not_there_is_told(run_lerar: Callable[..., Any], tmp_path: Path) -> None:
    done = run_lerar("links", tmp_path / "nowhere")
    assert done.exit_code == 3 and "nowhere: there is no such file or folder" in done.stderr


# -- preprocess -------------------------------------------------------------------------------------


def test_broken_links_end_it_with_3_and_nothing_is_written(
    night: Night, run_lerar: Callable[..., Any], tmp_path: Path
) -> None:
    night.lights(count=1)
    night.calibration(dark_flat=5.0)
    done = run_lerar("preprocess", night.folder, "-o", tmp_path / "g.yaml", "--run", "--out", tmp_path / "out", "-q")
    assert done.exit_code == 3
    assert done.stderr.startswith("error: Process Error: Lerar Link unresolved: flat R, gain 100: dark flat of 2 s ")
    assert "wanted, nearest is 5 s (4 dark flats); cure: " in done.stderr
    assert not (tmp_path / "g.yaml").exists() and not (tmp_path / "out").exists()


def test_a_folder_without_lights_is_told(night: Night, run_lerar: Callable[..., Any]) -> None:
    night.write("dark/1.fits", 0.0, 30.0, IMAGETYP="DARK")
    done = run_lerar("preprocess", night.folder)
    assert done.exit_code == 3 and "no lights were found" in done.stderr


def test_a_wrong_filter_name_is_told(night: Night, run_lerar: Callable[..., Any]) -> None:
    night.lights(count=1)
    done = run_lerar("preprocess", night.folder, "--filter-name", "Ha")
    assert done.exit_code == 4 and "SPELLED=NAME" in done.stderr


def test_a_night_becomes_a_master_that_shows_the_sky(
    night: Night, run_lerar: Callable[..., Any], tmp_path: Path
) -> None:
    night.lights()
    night.calibration()
    done = run_lerar("preprocess", night.folder, "--run", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["master_R.fits", *REPORTS]
    assert told["masters"][0]["lights"] == 4 and not told["unresolved"] and not told["left_out"]
    of_master = json.loads(run_lerar("log", tmp_path / "out" / "master_R.fits", "--json").stdout)[0]
    assert [r["graph"] for r in of_master["runs"]] == [f"preprocess {(tmp_path / 'out').resolve()}"]
    master = fits.getdata(tmp_path / "out" / "master_R.fits").astype(np.float64)
    # The reference is one of the dithered frames; which one, the sky itself tells.
    inner = (slice(10, -10), slice(10, -10))
    residuals = [master - night.sky(*shift) * float(np.nanmedian(master)) / night.SKY for shift in night.SHIFTS]
    best = min(residuals, key=lambda r: float(np.nanstd(r[inner])))
    # Four frames of sqrt(800 + 9) e and darks alike, flats scaled: 15 to 25 e; a hot pixel would be 600.
    assert float(np.nanmedian(np.abs(best[inner]))) < 20.0
    y, x = night.HOT
    assert float(np.nanmax(np.abs(best[y - 8 : y + 9, x - 8 : x + 9]))) < 150.0
    corners = best[2:12, 2:12], best[-12:-2, -12:-2]
    assert all(abs(float(np.nanmedian(c))) < 15.0 for c in corners)


def test_colours_are_registered_to_one_grid_and_combined(
    night: Night, run_lerar: Callable[..., Any], tmp_path: Path
) -> None:
    night.lights("RGB", count=3)
    out = tmp_path / "out"
    done = run_lerar(
        "preprocess", night.folder, "--run", "--out", out, "--allow-broken", "--keep", "registered", "--combine", "auto"
    )
    assert done.exit_code == 0, done.output
    written = {p.name for p in out.iterdir()}
    assert {f"master_{f}.fits" for f in "RGB"} <= written and {"rgb-linear.fits", "rgb.fits", "rgb.png"} <= written
    assert {f"registered_{f}_{i:04d}.fits" for f in "RGB" for i in (1, 2, 3)} <= written
    masters = [fits.getdata(out / f"master_{f}.fits")[15:-15, 15:-15].astype(float) for f in "RGB"]
    for other in masters[1:]:
        assert np.corrcoef(masters[0].ravel(), other.ravel())[0, 1] > 0.99
    assert "made without: light R" in done.stderr


def test_weights_of_stars_and_local_levels_give_a_master_too(
    night: Night, run_lerar: Callable[..., Any], tmp_path: Path
) -> None:
    night.lights()
    options = ("--weights", "psf", "--normalization", "local", "--allow-broken", "-q")
    done = run_lerar("preprocess", night.folder, "--run", "--out", tmp_path / "out", *options)
    assert done.exit_code == 0, done.output
    plain = run_lerar("preprocess", night.folder, "--run", "--out", tmp_path / "plain", *options[4:])
    assert plain.exit_code == 0, plain.output
    a, b = (fits.getdata(tmp_path / d / "master_R.fits")[15:-15, 15:-15].astype(float) for d in ("out", "plain"))
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.995


def test_frames_that_do_not_fit_are_told_and_the_rest_goes_on(
    night: Night, run_lerar: Callable[..., Any], tmp_path: Path
) -> None:
    night.lights(count=4)
    night.lights("B", count=1)
    night.write("light/R-clouds.fits", 3000.0, 30.0, IMAGETYP="LIGHT", FILTER="R")
    odd = night.folder / "light" / "R-odd.fits"
    header = fits.Header({"IMAGETYP": "LIGHT", "FILTER": "R", "EXPTIME": 30.0})
    fits.writeto(odd, night.rng.integers(880, 920, (30, 40)).astype(np.uint16), header)
    out = tmp_path / "out"
    done = run_lerar("preprocess", night.folder, "--run", "--out", out, "--allow-broken", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    left_out = {Path(f["path"]).name: f["why"] for f in told["left_out"]}
    assert left_out.keys() == {"R-odd.fits", "R-clouds.fits"}
    assert left_out["R-odd.fits"] == "40x30 pixels; most lights are 160x120 unbinned"
    assert left_out["R-clouds.fits"].startswith("could not be registered: ") and "stars" in left_out["R-clouds.fits"]
    assert {m["name"]: m["lights"] for m in told["masters"]} == {"R": 4, "B": 1}
    assert any("B: 1 light only" in note for note in told["notes"])
    assert {link["status"] for link in told["links"] if link["role"] == "flat"} == {"unresolved"}
    assert sorted(p.name for p in out.iterdir()) == ["master_B.fits", "master_R.fits", *REPORTS]
    assert np.isfinite(fits.getdata(out / "master_R.fits")[20:-20, 20:-20]).all()


def test_lights_none_of_which_can_be_registered_end_it(
    night: Night, run_lerar: Callable[..., Any], tmp_path: Path
) -> None:
    for i in range(3):
        night.write(f"light/{i}.fits", 1000.0, 30.0, IMAGETYP="LIGHT", FILTER="R")
    done = run_lerar("preprocess", night.folder, "--run", "--out", tmp_path / "out", "--allow-broken", "-q")
    assert done.exit_code == 3
    assert "no light is left of 3, such as " in done.stderr and "could not be registered: " in done.stderr
    assert "--no-registration" in done.stderr
    plain = ("--no-registration", "--allow-broken", "-q")
    done = run_lerar("preprocess", night.folder, "--run", "--out", tmp_path / "out", *plain)
    assert done.exit_code == 0 and done.stdout.splitlines() == [str(tmp_path / "out" / "master_R.fits")]
