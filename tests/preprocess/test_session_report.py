"""Sessions of preprocessing: what is of no use is left out and told, the rest is made, and a report tells all of it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.graphs.preprocess.survey import by_frame, spoilt
from lerarlink.tools.plots import Panel, Points, panels
from lerarlink.tools.report_lights import COLUMNS, cell, csv_of

Night = Any  # the simulated folder, see conftest.py
Run = Callable[..., Any]


def channel(count: int, low: float, lows: int, high: float, highs: int) -> dict[str, Any]:
    return {"count": count, "minimum": low, "at_minimum": lows, "maximum": high, "at_maximum": highs}


def test_samples_tell_which_frames_are_spoilt() -> None:
    assert spoilt({"channels": [channel(100, 3.0, 1, 900.0, 1)]}) == ""
    assert spoilt({"channels": [channel(100, 0.0, 100, 0.0, 100)]}) == "empty or saturated: all its samples are 0"
    assert spoilt({"channels": [channel(0, np.nan, 0, np.nan, 0)]}).startswith("empty: it has no sample")
    told = spoilt({"channels": [channel(100, 3.0, 1, 65535.0, 51)]})
    assert told == "saturated: more than half of its samples are 65535, none is higher"
    half = {"channels": [channel(100, 3.0, 1, 65535.0, 50)]}
    assert spoilt(half) == ""


def test_values_of_a_series_are_told_by_file() -> None:
    values = {"a/m[0]": 1, "a/m[2]": 3, "b": 4}
    assert by_frame(values, "a/m", ["x", "y", "z"]) == {"x": 1, "z": 3}
    assert by_frame(values, "b", ["x"]) == {"x": 4}


def test_a_range_is_that_of_all_samples_whatever_the_blocks(tmp_path: Path) -> None:
    made = np.random.default_rng(1).integers(10, 60, (700, 90)).astype(np.float32)
    made[5, 5] = np.nan
    fits.PrimaryHDU(made).writeto(tmp_path / "a.fits")
    g = Graph()
    told = g.add("SampleRange", image=g.add("ReadImage", path=str(tmp_path / "a.fits"))).value()["channels"][0]
    good = made[np.isfinite(made)]
    assert told == channel(good.size, good.min(), (good == good.min()).sum(), good.max(), (good == good.max()).sum())


# -- the session ------------------------------------------------------------------------------------


def made(night: Night, run_lerar: Run, out: Path, *options: object) -> dict[str, Any]:
    done = run_lerar("preprocess", night.folder, "--run", "--out", out, "--allow-broken", "-q", *options)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads((out / "report.json").read_text("utf-8"))
    return found


def lights(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {Path(row["file"]).name: row for row in told["lights"]}


def test_a_report_tells_of_each_light_what_it_is_and_what_became_of_it(
    night: Night, run_lerar: Run, tmp_path: Path
) -> None:
    night.lights()
    night.calibration()
    out = tmp_path / "out"
    told = made(night, run_lerar, out)
    rows = lights(told)
    assert rows.keys() == {"R0.fits", "R1.fits", "R2.fits", "R3.fits"} and all(r["used"] for r in rows.values())
    (reference,) = (n for n, r in rows.items() if r["reference"])
    origin = night.SHIFTS[int(reference[1])]
    for name, row in rows.items():
        dy, dx = (a - b for a, b in zip(night.SHIFTS[int(name[1])], origin, strict=True))
        # Where the reference's centre lies in the image, as the stars were moved.
        assert (row["registration"]["dx"], row["registration"]["dy"]) == pytest.approx((dx, dy), abs=0.1)
        assert row["registration"]["rms"] < 0.2 and row["registration"]["pairs"] >= 15
        # The camera's stars are Gaussians of sigma 1.4, to which the Moffat function fitted is 8 % too narrow.
        assert row["figures"]["FWHM"] == pytest.approx(0.92 * 2.355 * 1.4, rel=0.04)
        assert 0.9 < row["integration"]["weight"][0] <= 1.0
        assert 0.0 <= row["integration"]["rejected_high"][0] < 0.05
    assert told["masters"][0]["exposure"] == 120.0 and Path(told["masters"][0]["path"]) == out / "master_R.fits"
    assert {s["run"] for s in told["stages"]} == {"levels", "survey", "masters"}
    assert told["cpu_seconds"] > 0 and told["peak"] > 1e6 and told["read"] > 0
    assert told["bytes_written"] == (out / "master_R.fits").stat().st_size


def test_the_page_holds_links_lights_plots_and_stages_and_asks_for_nothing_outside(
    night: Night, run_lerar: Run, tmp_path: Path
) -> None:
    night.lights(count=3)
    night.calibration(dark_flat=5.0)
    made(night, run_lerar, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    for heading in ("Unresolved links", "Masters", "Links", "Lights of R", "Plots", "Stages", "Options"):
        assert f"<h2>{heading}</h2>" in page
    assert "dark flat of 2 s" in page and "nearest is 5 s" in page
    assert page.count("<svg") == 2 and "data:image/jpeg;base64," in page
    assert "<script" not in page and not re.search(r'(src|href)="(?!data:|#)', page)


def test_what_is_of_no_use_is_left_out_with_the_reason_and_the_rest_goes_on(
    night: Night, run_lerar: Run, tmp_path: Path
) -> None:
    night.lights()
    night.calibration()
    words = fits.Header({"IMAGETYP": "LIGHT", "FILTER": "R", "EXPTIME": 30.0, "GAIN": 100, "OFFSET": 50})
    size = (night.HEIGHT, night.WIDTH)
    folder = night.folder / "light"
    fits.writeto(folder / "R-empty.fits", np.zeros(size, np.uint16), words)
    dawn = night.rng.integers(65000, 66500, size).clip(0, 65535).astype(np.uint16)
    fits.writeto(folder / "R-dawn.fits", dawn, words)
    night.write("light/R-clouds.fits", 3000.0, 30.0, IMAGETYP="LIGHT", FILTER="R")
    night.write("light/R-cut.fits", night.sky(0, 0), 30.0, IMAGETYP="LIGHT", FILTER="R")
    whole = (folder / "R-cut.fits").read_bytes()
    (folder / "R-cut.fits").write_bytes(whole[: len(whole) // 2])
    fits.writeto(
        night.folder / "flat" / "R-dawn.fits", np.full(size, 65535, np.uint16),
        fits.Header({"IMAGETYP": "FLAT", "FILTER": "R", "EXPTIME": 2.0, "GAIN": 100, "OFFSET": 50}),
    )  # fmt: skip
    told = made(night, run_lerar, tmp_path / "out")
    why = {Path(item["path"]).name: item["why"] for item in told["left_out"]}
    assert set(why) == {"R-empty.fits", "R-dawn.fits", "R-clouds.fits", "R-cut.fits"}
    assert why["R-empty.fits"] == "empty or saturated: all its samples are 0"
    assert "65535" in why["R-dawn.fits"]
    assert why["R-clouds.fits"].startswith("could not be registered: ")
    assert why["R-cut.fits"].startswith("cannot be read: ")
    rows = lights(told)
    assert [n for n, r in sorted(rows.items()) if r["used"]] == ["R0.fits", "R1.fits", "R2.fits", "R3.fits"]
    assert rows["R-clouds.fits"]["why"] == why["R-clouds.fits"] and rows["R-clouds.fits"]["figures"]["Stars"] < 5
    assert [len(g["files"]) for g in told["groups"] if g["kind"] == "flat"] == [4]
    assert told["masters"][0]["lights"] == 4


def test_flats_that_are_all_spoilt_break_a_link(night: Night, run_lerar: Run, tmp_path: Path) -> None:
    night.lights(count=2)
    night.calibration()
    for path in (night.folder / "flat").iterdir():
        fits.writeto(path, np.full((night.HEIGHT, night.WIDTH), 65535, "u2"), fits.getheader(path), overwrite=True)
    done = run_lerar("preprocess", night.folder, "--run", "--out", tmp_path / "out", "-q")
    assert done.exit_code == 3 and "Lerar Link unresolved: light R" in done.stderr and "flat of filter R" in done.stderr
    assert not (tmp_path / "out").exists()
    told = made(night, run_lerar, tmp_path / "out")
    assert len(told["unresolved"]) == 1 and len(told["left_out"]) == 4


def test_lights_are_left_out_and_weighed_by_formulas(night: Night, run_lerar: Run, tmp_path: Path) -> None:
    night.lights()
    night.write("light/R-bright.fits", night.sky(1.0, 1.0) + 4000.0, 30.0, IMAGETYP="LIGHT", FILTER="R")
    formulas = ("--approval", "Median < 1.5 * MedianMin", "--weighting", "Index")
    told = made(night, run_lerar, tmp_path / "out", *formulas)
    rows = lights(told)
    assert rows["R-bright.fits"]["why"] == "not approved: Median < 1.5 * MedianMin"
    assert rows["R-bright.fits"]["figures"]["FWHM"] > 0 and rows["R-bright.fits"]["integration"] is None
    weights = [r["integration"]["weight"][0] for n, r in sorted(rows.items()) if r["used"]]
    assert sorted(weights) == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_frames_are_kept_only_when_asked_for(night: Night, run_lerar: Run, tmp_path: Path) -> None:
    night.lights(count=2)
    made(night, run_lerar, tmp_path / "plain", "--no-measures")
    assert [p.name for p in sorted((tmp_path / "plain").glob("*.fits"))] == ["master_R.fits"]
    made(night, run_lerar, tmp_path / "kept", "--no-measures", "--keep", "calibrated,registered")
    kept = {p.name for p in (tmp_path / "kept").glob("*.fits")}
    assert kept == {"master_R.fits", *(f"{w}_R_000{i}.fits" for w in ("calibrated", "registered") for i in (1, 2))}


def test_one_light_without_flats_is_a_master_and_said_to_be_alone(
    night: Night, run_lerar: Run, tmp_path: Path
) -> None:
    night.lights(count=1)
    told = made(night, run_lerar, tmp_path / "out")
    assert (tmp_path / "out" / "master_R.fits").exists()
    assert any("1 light only" in note for note in told["notes"])
    assert [link["role"] for link in told["links"] if link["status"] == "unresolved"] == ["dark", "flat"]


def test_saturated_lights_are_left_out_without_registration_too(night: Night, run_lerar: Run, tmp_path: Path) -> None:
    night.lights(count=3)
    header = fits.getheader(night.folder / "light" / "R0.fits")
    size = (night.HEIGHT, night.WIDTH)
    fits.writeto(night.folder / "light" / "R0.fits", np.full(size, 65535, "u2"), header, overwrite=True)
    told = made(night, run_lerar, tmp_path / "out", "--no-registration", "--no-measures")
    assert told["masters"][0]["lights"] == 2 and len(told["left_out"]) == 1


# -- tables and plots -------------------------------------------------------------------------------


def test_rows_become_comma_separated_values() -> None:
    rows = [
        {"file": "a.fits", "master": "OSC", "used": True, "why": "", "figures": {"FWHM": 3.5, "Stars": 40},
         "integration": {"weight": [0.5, 1.0, float("nan")]}},
        {"file": "b, c.fits", "master": "", "used": False, "why": 'its header says "dark"'},
    ]  # fmt: skip
    first, second = csv.DictReader(io.StringIO(csv_of(rows)))
    assert (first["FWHM (px)"], first["stars"], first["weight"], first["used"]) == ("3.5", "40", "0.75", "yes")
    assert (second["file"], second["why not"], second["FWHM (px)"]) == ("b, c.fits", 'its header says "dark"', "")
    assert len(first) == len(COLUMNS)


def test_a_cell_that_is_not_there_is_none() -> None:
    assert cell({"figures": None}, ("figures", "FWHM")) is None
    assert cell({"figures": {"FWHM": float("nan")}}, ("figures", "FWHM")) is None


def test_plots_are_one_picture_and_the_same_each_time() -> None:
    points = Points("R", [1.0, 2.0, 3.0], [3.1, float("nan"), 3.3], [True, True, False])
    drawn = [panels([Panel("FWHM", [points], "light", "px"), Panel("aim", [points], square=True)]) for _ in "ab"]
    assert drawn[0] == drawn[1] and drawn[0].startswith("<svg") and drawn[0].count("<svg") == 1
    assert "FWHM" in drawn[0]
    assert panels([]) == ""
