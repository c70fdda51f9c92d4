"""Measures that share images share a pass; a night of lights is measured a few at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine import portions as module
from lerarlink.engine.graph import Graph
from lerarlink.engine.store import Store


def night(folder: Path, lights: int) -> Graph:
    rng = np.random.default_rng(1)
    paths = []
    for i in range(lights):
        path = folder / f"{i}.fits"
        fits.writeto(path, rng.normal(100 + i, 5, (120, 100)).astype(np.float32))
        paths.append(str(path))
    g = Graph()
    frames = g.add("ReadSeries", paths=tuple(paths), bounds=(0.0, 1000.0))
    g.add("Statistics", name="numbers", image=frames)
    g.add("Noise", name="noise", image=frames)
    return g


@pytest.mark.parametrize(("portion", "stages"), [(10**9, 1), (2 * 12000, 3), (1, 6)])
def test_lights_are_measured_a_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, portion: int, stages: int
) -> None:
    monkeypatch.setattr(module, "PORTION", portion)
    g = night(tmp_path, 6)
    report = g.run(["numbers", "noise"], store=Store(tmp_path / "store"))
    first = [s for s in report.stages if set(s.nodes) == {"numbers", "noise"}]
    assert len(first) == stages, "both measures of a light share its pass"
    means = [report.values[f"numbers[{i}]"]["channels"][0]["mean"] for i in range(6)]
    np.testing.assert_allclose(means, 100 + np.arange(6), atol=0.5)


def test_what_was_measured_before_a_run_was_killed_is_recalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PORTION", 1)
    g = night(tmp_path, 6)

    class Killed(BaseException):
        pass

    def watch(progress: Any) -> None:
        if progress.stage == 5:
            raise Killed

    with pytest.raises(Killed):
        g.run(["numbers"], store=Store(tmp_path / "store"), watch=watch)
    report = g.run(["numbers"], store=Store(tmp_path / "store"))
    assert [report.states[f"numbers[{i}]"] for i in range(6)] == ["recalled"] * 4 + ["measured"] * 2


def test_equal_measures_of_two_nodes_are_taken_once(tmp_path: Path) -> None:
    g = night(tmp_path, 2)
    g.add("Statistics", name="again", image=g["read_series"])
    report = g.run(["numbers", "again"], store=Store(tmp_path / "store"))
    assert {n for s in report.stages for n in s.nodes} == {"numbers"}
    assert report.values["again[1]"] == report.values["numbers[1]"]


def test_what_all_have_in_common_does_not_tie_a_night_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PORTION", 1)
    g = night(tmp_path, 6)
    g.add("ReadImage", name="reference", path=str(tmp_path / "0.fits"), bounds=(0.0, 1000.0))
    g.add("Statistics", name="more", image=g.add("LinearFit", image=g["read_series"], reference=g["reference"]))
    report = g.run(["numbers", "more"], store=Store(tmp_path / "store"))
    size = (tmp_path / "0.fits").stat().st_size
    assert max(s.read for s in report.stages if "numbers" in s.nodes) <= 2 * size, "a light and the reference"
