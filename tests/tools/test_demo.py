"""The main job end to end, small."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from lerarlink import Graph
from lerarlink.engine.report import Report
from lerarlink.tools.demo import DemoResult, run_demo
from lerarlink.tools.report import Picture, Table, write_report


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoResult]:
    out = tmp_path_factory.mktemp("demo")
    return out, run_demo(out, width=360, height=240)


def test_it_makes_what_it_names(demo: tuple[Path, DemoResult]) -> None:
    out, result = demo
    assert sorted(p.name for p in result.files) == [
        "lrgb-linear.fits", "lrgb.fits", "lrgb.lerar", "lrgb.png", "lrgb.yaml", "report.html",
    ]  # fmt: skip
    assert all(p.exists() for p in result.files)
    with Image.open(out / "lrgb.png") as picture:
        assert (picture.size, picture.mode) == ((360, 240), "RGB")
    assert fits.getdata(out / "lrgb.fits").shape == (3, 240, 360)
    assert not [p for p in out.rglob("*") if p.name.endswith(".part")]


def test_the_fit_finds_the_true_lines(demo: tuple[Path, DemoResult]) -> None:
    # A coloured nebula on a tenth of the field pulls at the line; the grey dust of the rest holds it.
    for line in demo[1].lines:
        assert abs(line.slope_error) < 0.005
        # On the sky itself, where most pixels lie, both lines say the same to a few ADU (noise: some 5 ADU).
        sky = 2000.0
        assert line.intercept + line.slope * sky == pytest.approx(line.true_intercept + line.true_slope * sky, abs=6.0)


def test_what_it_prints_has_both_lines(demo: tuple[Path, DemoResult]) -> None:
    text = str(demo[1])
    for line in demo[1].lines:
        assert f"{line.slope:.5f} ({line.true_slope:.5f}" in text
    assert all(str(path) in text for path in demo[1].files)


def test_its_sky_is_neutral(demo: tuple[Path, DemoResult]) -> None:
    picture = np.asarray(Image.open(demo[0] / "lrgb.png"), np.float64)
    medians = np.median(picture, axis=(0, 1))
    assert np.ptp(medians) <= 4
    assert 20 < medians.mean() < 90


def test_its_graph_makes_the_same_again(demo: tuple[Path, DemoResult], tmp_path: Path) -> None:
    out, _ = demo
    g = Graph.load(out / "lrgb.lerar")
    g.set("write-picture", "path", str(tmp_path / "again.png"))
    g.run(["write-picture"])
    with Image.open(tmp_path / "again.png") as again, Image.open(out / "lrgb.png") as first:
        np.testing.assert_array_equal(np.asarray(again), np.asarray(first))


def test_the_report_is_one_whole_page(demo: tuple[Path, DemoResult]) -> None:
    text = (demo[0] / "report.html").read_text("utf-8")
    ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    assert text.count("data:image/png;base64,") == 5
    assert re.search(r'(src|href)="(?!data:|#)', text) is None
    for wanted in ("Linear fits", "red to green", "Statistics", "medians-green", "<svg", "unlinked auto-stretch"):
        assert wanted in text


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
