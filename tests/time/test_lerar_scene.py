"""The whole way from frames to sources, on series of known truth: links.md's rows L3 .. L9, L16 .. L18 in one seed each
by default, in ten seeds where they are asked for (`pytest -m slow`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lerarlink.graphs.document import Graph
from lerarlink.graphs.series import SeriesOptions, build
from lerarlink.tools.simulate.series import SimulatedSeries

PERIOD = 14.8
SMALL = {"frames": 240, "height": 64, "width": 64, "constants": 12, "gaps": ((80, 137.3), (170, 61.9))}
SEEDS = range(1, 11)


@dataclass
class Seen:
    """One series and what was found in it."""

    series: SimulatedSeries
    rows: list[dict[str, Any]]
    maps: dict[str, Any]
    table: dict[str, Any]

    def at(self, star: Any, near: float = 2.0) -> dict[str, Any] | None:
        """Return the detection at a star, if there is one."""
        found = [r for r in self.rows if math.hypot(r["y"] - star.row, r["x"] - star.column) <= near]
        return found[0] if found else None

    def scale(self) -> float:
        """Return by what true amplitudes are to be multiplied: the median of the gain that is found is 1."""
        return float(np.nanmedian(self.series.gain / np.array(self.table["columns"]["gain"], float)))


def seen(folder: Path, trv: str = "[TRV:14.8s]", maps: tuple[str, ...] = (), **more: Any) -> Seen:
    series = SimulatedSeries(**more)
    paths = [str(p) for p in series.save(folder)]
    return searched(series, build(paths, SeriesOptions(trv=trv, single=True)), maps)


def searched(series: SimulatedSeries, graph: Graph, maps: tuple[str, ...]) -> Seen:
    values = graph.run(["sources"]).values["sources"]
    columns = values["columns"]
    rows = [{k: columns[k][i] for k in columns} for i in range(len(columns["row"]))]
    made = {m: graph["link"].output(m).image.compute()[0] for m in maps}
    return Seen(series, rows, made, graph["measures"].value())


def far(series: SimulatedSeries, away: float = 10.0) -> Any:
    """Return which pixels lie far from all stars that vary."""
    y, x = np.mgrid[: series.settings.height, : series.settings.width]
    return np.all([np.hypot(y - s.row, x - s.column) > away for s in series.variables], axis=0)


def hidden(found: Seen) -> dict[str, Any]:
    row = found.at(found.series.variables[0])
    assert row is not None, "the hidden source was not found"
    return row


def test_a_source_below_the_noise_of_one_frame_is_found_with_its_amplitude_and_phase(tmp_path: Path) -> None:
    found = seen(tmp_path, variables=((5.0, 1.0), (600.0, 0.03)), maps=("significance",), **SMALL)
    star, row = found.series.variables[0], hidden(found)
    assert row["log10_p"] < -2.0 and abs(row["period_s"] - PERIOD) < 0.03
    assert row["amplitude"] / found.scale() == pytest.approx(5.0, abs=4.0 * row["amplitude_err"])
    first = found.series.seconds[0]
    turn = (row["phase"] - (star.phase - 2 * math.pi * first / PERIOD) + math.pi) % (2 * math.pi) - math.pi
    # The period is known to a part of a thousand: over half the series that turns the phase a little.
    assert abs(turn) < 4.0 * row["phase_err"] + 0.6
    null = 10.0 ** -found.maps["significance"][far(found.series)]
    assert (null < 0.01).mean() < 0.03, "noise looks like variation"
    assert len(found.rows) == 2, "something else was listed"


def test_stars_that_vary_are_no_reference_stars(tmp_path: Path) -> None:
    varying = tuple((peak, 0.03) for peak in (900.0, 800.0, 700.0, 1000.0))
    found = seen(tmp_path, variables=varying, **(SMALL | {"constants": 10}))
    stars = found.table["stars"]
    for star in found.series.variables:
        near = [w for y, x, w in zip(stars["row"], stars["column"], stars["weight"], strict=True)
                if math.hypot(y - star.row, x - star.column) < 2.0]  # fmt: skip
        assert near == [0.0], "a star that varies stayed in the ensemble"
        row = found.at(star)
        assert row is not None
        assert row["amplitude"] / found.scale() / (star.peak * 0.03) == pytest.approx(1.0, abs=0.08)


def test_nothing_is_found_where_nothing_varies(tmp_path: Path) -> None:
    found = seen(tmp_path, variables=(), **SMALL)
    assert found.rows == []


def test_a_written_period_that_is_a_little_wrong_still_finds_its_source(tmp_path: Path) -> None:
    found = seen(tmp_path, variables=((300.0, 0.03),), period=14.83, **SMALL)
    row = found.at(found.series.variables[0])
    assert row is not None
    assert abs(row["period_s"] - 14.83) < 0.03


def test_a_search_finds_the_period(tmp_path: Path) -> None:
    series = SimulatedSeries(variables=((600.0, 0.05),), **SMALL)
    graph = build([str(p) for p in series.save(tmp_path)], SeriesOptions(trv="[TRV:12s..40s]", single=True))
    graph.set("link", "calibration", 2000)
    columns = graph.run(["sources"]).values["sources"]["columns"]
    star = series.variables[0]
    assert math.hypot(columns["y"][0] - star.row, columns["x"][0] - star.column) < 1.0
    assert abs(1.0 / columns["period_s"][0] - 1.0 / PERIOD) * (series.seconds[-1]) < 0.5


def test_transparency_sky_and_noise_of_each_frame_are_measured(tmp_path: Path) -> None:
    found = seen(tmp_path, variables=(), **SMALL)
    columns = {k: np.array(v, float) for k, v in found.table["columns"].items()}
    series = found.series
    assert np.abs(columns["bg"] - series.sky).max() < 2.0
    assert np.std(columns["gain"] / series.gain * np.median(series.gain)) < 0.01
    assert np.median(columns["sigma"] * columns["gain"] / series.sigma) == pytest.approx(1.0, abs=0.03)
    assert np.median(columns["fwhm"]) == pytest.approx(3.0, abs=0.1)


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Seen]]:
    """Return the scene of 600 frames in ten seeds, by both ways to judge noise."""
    made: dict[str, list[Seen]] = {"local": [], "white": []}
    for seed in SEEDS:
        series = SimulatedSeries(seed=seed)
        paths = [str(p) for p in series.save(tmp_path_factory.mktemp("scene"))]
        graph = build(paths, SeriesOptions(trv="[TRV:14.8s]", single=True))
        for noise, found in made.items():
            graph.set("link", "noise", noise)
            found.append(searched(series, graph, ("significance",)))
    return made


@pytest.mark.long
@pytest.mark.parametrize("noise", ["local", "white"])
def test_ten_seeds_of_the_scene_hold_what_the_statistics_say(ten: dict[str, list[Seen]], noise: str) -> None:
    runs = ten[noise]
    near = [[f.at(star) for star in f.series.variables] for f in runs]
    alarms = sum(len(f.rows) > sum(r is not None for r in rows) for f, rows in zip(runs, near, strict=True))
    counts = [sum(rows[k] is not None for rows in near) for k in range(4)]
    null = np.concatenate([10.0 ** -f.maps["significance"][far(f.series)] for f in runs])
    rates = [float((null < a).mean() / a) for a in (0.1, 0.01, 0.001)]
    ratios = [
        [rows[k]["amplitude"] / f.scale() / (f.series.variables[k].peak * f.series.variables[k].amplitude)
         for f, rows in zip(runs, near, strict=True) if rows[k] is not None]
        for k in (0, 1, 3)
    ]  # fmt: skip
    pulls = [
        (rows[k]["amplitude"] / f.scale() - f.series.variables[k].peak * f.series.variables[k].amplitude)
        / (rows[k]["amplitude_err"] / f.scale())
        for f, rows in zip(runs, near, strict=True) for k in (0, 1, 3) if rows[k] is not None
    ]  # fmt: skip
    print(f"{noise}: found {counts}, alarms {alarms}, null {np.round(rates, 2)}, "
          f"amplitudes {[round(float(np.mean(r)), 3) for r in ratios]}, "
          f"pulls {np.mean(pulls):.2f} +- {np.std(pulls):.2f}")  # fmt: skip
    assert counts[0] == 10 and counts[1] == 10 and counts[3] == 10
    assert 0 <= counts[2] <= 8
    assert alarms <= 2
    assert all(0.5 <= r <= 1.4 for r in rates[:2])
    assert all(abs(float(np.mean(r)) - 1.0) <= 0.08 for r in ratios)
    assert 0.6 <= float(np.std(pulls)) <= 1.3 and abs(float(np.mean(pulls))) <= 0.5
