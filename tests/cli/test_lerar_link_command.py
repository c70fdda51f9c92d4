"""`lerar run --lerar-link` on a short simulated series: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.api import seconds_of
from lerarlink.graphs.document import Graph
from lerarlink.graphs.series import SeriesOptions, build
from lerarlink.tools.lerar import frame_files
from lerarlink.tools.lerar.period import of_seed
from lerarlink.tools.simulate.series import FRAMES, SimulatedSeries

Lerar = Callable[..., Any]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimulatedSeries, Path]:
    folder = tmp_path_factory.mktemp("night")
    series = SimulatedSeries(
        frames=160, height=48, width=56, constants=7, variables=((600.0, 0.05),), gaps=((60, 37.3),), seed=3
    )
    series.save(folder)
    return series, folder / FRAMES


def test_maps_tables_pictures_report_and_graph_are_written(
    run_lerar: Lerar, night: tuple[SimulatedSeries, Path], tmp_path: Path
) -> None:
    series, frames = night
    out = tmp_path / "found"
    done = run_lerar("run", "--lerar-link", "[TRV:14.8s]", frames, "--out", out, "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    star, best = series.variables[0], told["detections"][0]
    assert math.hypot(best["row"] - star.row, best["column"] - star.column) < 1.5
    assert best["period_s"] == pytest.approx(14.8, abs=0.05)
    assert best["period_d"] == best["period_s"] / 86400.0
    assert best["amplitude"] == pytest.approx(30.0, rel=0.2)
    assert best["log10_p"] < -2.0 and isinstance(best["aliases"], list)
    assert told["frames"] == 160 and told["expected"]["least_amplitude"] < 30.0
    assert fits.getheader(out / "amplitude.fits")["BUNIT"] == "ADU"
    assert fits.getheader(out / "period.fits")["BUNIT"] == "s"
    marks, significance = (fits.getdata(out / f"{name}.fits") for name in ("detected", "significance"))
    assert told["detected"] == {"threshold": told["detected"]["threshold"], "pixels": marks.size, "marked": marks.sum()}
    assert ((significance >= told["detected"]["threshold"]) == (marks == 1.0)).all()
    assert 1 <= marks.sum() < 0.2 * marks.size
    with (out / "sources.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == len(told["detections"]) and float(rows[0]["row"]) == best["row"]
    for name in ("maps.png", "source_01.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    page = (out / "report.html").read_text()
    assert "Expected before the run" in page and "<svg" in page
    assert "link" in Graph.load(out / "series.lerar")
    assert set(told["files"]) == {str(p) for p in out.iterdir()}


def test_a_star_tells_the_period_of_another(run_lerar: Lerar, tmp_path: Path) -> None:
    series = SimulatedSeries(
        frames=200, height=52, width=60, constants=7, variables=((600.0, 0.2), (15.0, 1.0)), gaps=((60, 37.3),),
        period=13.37, seed=5,
    )  # fmt: skip
    series.save(tmp_path)
    bright, faint = series.variables
    region = f"core=circle {bright.column:.1f},{bright.row:.1f},3"
    frames = tmp_path / FRAMES
    done = run_lerar("run", "--lerar-link", "[TRV:seed(core)]", "--region", region, frames, "--json", "--quiet",
                     "--out", tmp_path / "out")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    seed = told["seed"]
    assert abs(seed["period_s"] - 13.37) < 3 * seed["period_err_s"]
    assert seed["area"] == region.removeprefix("core=") and seed["region"] == "core"
    assert told["trv"].startswith(f"[TRV:{seed['period_s']:.6g}"[:9])
    for star in (bright, faint):
        near = [d for d in told["detections"] if math.hypot(d["row"] - star.row, d["column"] - star.column) < 1.6]
        assert len(near) == 1, star
        assert near[0]["period_s"] == pytest.approx(13.37, abs=0.02)
    assert len(told["detections"]) == 2
    assert any("their own noise helped to choose it" in w for w in told["warnings"])
    assert "their own noise helped" in (tmp_path / "out" / "report.html").read_text()


def test_the_period_of_a_region_is_one_of_the_times_that_the_link_has(tmp_path: Path) -> None:
    """In 100 minutes the way of light changes by more than a hundredth of 45 s, which is judged by a period that is not
    known before."""
    series = SimulatedSeries(
        frames=300, height=32, width=32, cadence=20.0, constants=2, variables=((2000.0, 0.6),), gaps=(), period=45.0,
        seed=3, haze=0.0, hits=0,
    )  # fmt: skip
    series.save(tmp_path)
    star, paths = series.variables[0], frame_files([tmp_path / FRAMES])
    options = SeriesOptions(
        trv="[TRV:seed(core)]", single=True, site=(10.0, 50.0, 300.0), pointing=(240.0, -10.0),
        regions={"core": f"circle {star.column},{star.row},2.5"},
    )  # fmt: skip
    said: list[str] = []
    found, told = of_seed(paths, options, said, said.append, {})
    seconds = [
        seconds_of(build(paths, replace(options, trv=trv))["times"].value())
        for trv in (f"{found.trv[:-1]};bary=off]", f"{found.trv[:-1]};bary=on]", found.trv)
    ]  # fmt: skip
    assert np.ptp(seconds[1] - seconds[0]) > 0.45
    assert (seconds[2] == seconds[1]).all()
    stretched = 45.0 * (1.0 + np.polyfit(seconds[0], seconds[1] - seconds[0], 1)[0])
    assert abs(stretched - 45.0) > 4.0 * told["period_err_s"]
    assert abs(told["period_s"] - stretched) < 3.0 * told["period_err_s"]
    assert found.vector.seconds[0] < stretched < found.vector.seconds[1]


def test_nothing_is_written_and_an_empty_list_told_where_nothing_varies(
    run_lerar: Lerar, night: tuple[SimulatedSeries, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run_lerar("run", "--lerar-link", "[TRV:31.7s]", night[1], "--json", "--quiet", "--registered")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["detections"] == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lerar-link", "[TRV:14.8"], "TRV-1"),
        (["--lerar-link", "[TRV:seed(core)]"], "Lerar Link unresolved"),
        (["--lerar-link", "[TRV:seed(core)]"], "--region core="),
        (["--lerar-link", "[TRV:seed(core)]", "--region", "corr=circle 9,9,3"], "there are regions 'corr'"),
        (["--lerar-link", "[TRV:seed(core)]", "--region", "core=circel 9,9,3"], "circel"),
        (["--lerar-link", "[TRV:seed(core)]", "--region", "circle 9,9,3"], "NAME=SHAPES"),
        (["--lerar-link", "[TRV:14.8s]", "--region", "core=circle 9,9,3"], "[TRV:seed(core)]"),
        (["--lerar-link", "[TRV:30s..90s;shape=box;dur=5s]"], "wants the light curve of one star"),
        (["--lerar-link", "[TRV:14.8s]", "--site", "1,2"], "LONGITUDE,LATITUDE,HEIGHT"),
        (["--lerar-link", "[TRV:14.8s]", "--target", "x"], "do not go together"),
        (["other.fits"], "--lerar-link"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_line(
    run_lerar: Lerar, night: tuple[SimulatedSeries, Path], arguments: list[str], said: str
) -> None:
    done = run_lerar("run", sorted(night[1].iterdir())[0], *arguments, "--quiet")
    assert done.exit_code in (2, 3, 4)
    assert said in done.error


def test_a_folder_without_frames_is_told(run_lerar: Lerar, tmp_path: Path) -> None:
    done = run_lerar("run", "--lerar-link", "[TRV:14.8s]", tmp_path)
    assert done.exit_code == 3
    assert "there is no frame in this folder" in done.error


@pytest.mark.slow
def test_the_demo_finds_the_hidden_source(run_lerar: Lerar, tmp_path: Path) -> None:
    done = run_lerar("demo", "--lerar", "--out", tmp_path / "demo", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["hidden_found"] and told["false"] == 0
    assert (tmp_path / "demo" / "found.png").read_bytes().startswith(b"\x89PNG")
