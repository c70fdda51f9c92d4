"""The main job end to end, small: raw frames of a known night, masters, a picture, and what the judge says."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner
from PIL import Image

from lerarlink import Graph
from lerarlink.engine.report import Report
from lerarlink.tools.cli import lerar
from lerarlink.tools.demo import DemoResult, run_demo
from lerarlink.tools.report import Picture, Table, write_report


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoResult]:
    out = tmp_path_factory.mktemp("demo")
    return out, run_demo(out, width=420, height=300, frames=4, calibration=3)


def test_it_makes_what_it_names(demo: tuple[Path, DemoResult]) -> None:
    out, result = demo
    assert sorted(str(p.relative_to(out)) for p in result.files) == [
        "lrgb-linear.fits", "lrgb.fits", "lrgb.png", "masters/master_B.fits", "masters/master_G.fits",
        "masters/master_L.fits", "masters/master_R.fits", "masters/report.html", "night.lerar", "night.yaml",
        "report.html",
    ]  # fmt: skip
    assert all(p.exists() for p in result.files)
    assert result.frames == 4 * (4 + 3) + 4 * 3
    with Image.open(out / "lrgb.png") as picture:
        assert picture.mode == "RGB"
        # Dithers and turns leave a little less than the frame.
        assert 360 < picture.width <= 420 and 250 < picture.height <= 300
    assert not [p for p in out.rglob("*") if p.name.endswith(".part")]


def test_its_masters_are_near_the_truth(demo: tuple[Path, DemoResult]) -> None:
    assert set(demo[1].figures) == {"L", "R", "G", "B"}
    for figures in demo[1].figures.values():
        assert figures.registration is not None and figures.registration < 0.08  # some dozen stars a frame
        assert figures.offset is None or figures.offset < 0.05
        assert figures.width_ratio is None or figures.width_ratio == pytest.approx(1.0, abs=0.06)
        assert figures.hot is not None and abs(figures.hot.mean) < 0.25
        assert 0.8 < figures.noise / figures.ideal_noise < 1.2


def test_what_it_prints_has_the_figures_of_every_master(demo: tuple[Path, DemoResult]) -> None:
    text = str(demo[1])
    for figures in demo[1].figures.values():
        assert f"{figures.registration:.4f} px" in text
    assert all(str(path) in text for path in demo[1].files)


def test_its_sky_is_neutral(demo: tuple[Path, DemoResult]) -> None:
    picture = np.asarray(Image.open(demo[0] / "lrgb.png"), np.float64)
    medians = np.median(picture, axis=(0, 1))
    assert np.ptp(medians) <= 6
    assert 15 < medians.mean() < 100


def test_its_graph_makes_the_same_again(demo: tuple[Path, DemoResult], tmp_path: Path) -> None:
    out, _ = demo
    g = Graph.load(out / "night.lerar")
    g.set("write-R", "path", str(tmp_path / "again.fits"))
    g.run(["write-R"])
    again, once = (fits.getdata(p) for p in (tmp_path / "again.fits", out / "masters" / "master_R.fits"))
    np.testing.assert_array_equal(again, once)


def test_the_report_is_one_whole_page(demo: tuple[Path, DemoResult]) -> None:
    text = (demo[0] / "report.html").read_text("utf-8")
    ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    assert text.count("data:image/png;base64,") == 3
    assert re.search(r'(src|href)="(?!data:|#)', text) is None
    for wanted in ("Masters against the truth", "background structure", "<svg", "A raw light"):
        assert wanted in text


def test_a_colour_camera_gives_a_colour_picture(tmp_path: Path) -> None:
    told = CliRunner().invoke(
        lerar,
        ["demo", "--out", str(tmp_path), "--size", "400x300", "--frames", "3", "--calibration", "2", "--osc", "rggb",
         "--json"],
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert set(found["figures"]) == {"R", "G", "B"}
    assert (tmp_path / "osc.png").exists()


def test_the_folder_may_be_a_relative_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_demo(Path("here"), width=300, height=260, frames=3, filters=("R", "G", "B"), calibration=2)
    assert (tmp_path / "here" / "report.html").exists()
    assert all(p.exists() for p in result.files)


@pytest.mark.parametrize("size", ["900", "100x100", "axb"])
def test_a_size_is_columns_and_rows(size: str, tmp_path: Path) -> None:
    told = CliRunner().invoke(lerar, ["demo", "--out", str(tmp_path), "--size", size])
    assert told.exit_code == 2
    assert "--size" in told.output


def test_a_page_escapes_what_it_is_given(tmp_path: Path) -> None:
    nasty = "<script>alert('x')</script>"
    write_report(
        tmp_path / "r.html",
        nasty,
        graph=Graph(),
        report=Report(),
        lead=nasty,
        pictures={nasty: [Picture(Image.new("RGB", (2, 2)), nasty)]},
        tables=[Table(nasty, (nasty, "n"), [(nasty, 12345), ("x", 0.25)], nasty)],
    )
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "<script" not in text
    assert "12\u202f345" in text
