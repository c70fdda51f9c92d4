"""A report says what each stage of a run cost, and how many bytes went in and out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine import measuring, region
from lerarlink.engine.api import Known, Port, Process
from lerarlink.engine.graph import Graph
from lerarlink.engine.store import Store
from lerarlink.tools.bench.sources import Held, hold


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_bytes_read_are_those_of_the_file_in_each_pass(tmp_path: Path, scheduler: Any) -> None:
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(np.arange(200 * 300, dtype=np.uint16).reshape(200, 300)).writeto(path)
    g = Graph()
    fitted = g.add("ScreenTransferFunction", image=g.add("ReadImage", path=str(path)))
    g.add(
        "WriteImage",
        image=g.add("HistogramTransformation", image=g["read_image"], display=fitted),
        path=str(tmp_path / "b.fits"),
    )
    report = g.run(store=Store(tmp_path / "store"), scheduler=scheduler)
    size = path.stat().st_size
    assert [s.action for s in report.stages] == ["measure"] * report.passes + ["write"]
    assert [s.read for s in report.stages] == [size] * (report.passes + 1)
    assert report.bytes_read == size * (report.passes + 1)
    assert [s.written for s in report.stages] == [0] * report.passes + [(tmp_path / "b.fits").stat().st_size]
    assert report.bytes_written == (tmp_path / "b.fits").stat().st_size
    assert all(s.peak > 0 and s.seconds > 0 and s.cpu_seconds >= 0 for s in report.stages)


class _Slow(Process, id="test.slow_first_block"):
    """Counts pixels; the first block waits until no other worker begins one, so that all others run ahead of it."""

    inputs = (Port("image"),)
    outputs = (Port("measures", "measures"),)

    def measure(self, known: Known, *tiles: Any) -> Any:
        if known.box.y0 == 0:
            before = -1
            while before != len(_BEGUN):
                before = len(_BEGUN)
                time.sleep(0.4)
            _AHEAD.append(before)
        _BEGUN.append(known.box)
        return int(tiles[0].size)

    def merge(self, a: Any, b: Any) -> Any:
        return a + b

    def finish(self, partial: Any, known: Known) -> Any:
        return {"pixels": partial}


_BEGUN: list[Any] = []
_AHEAD: list[int] = []


def test_few_partial_measures_lie_in_memory_however_slow_a_block_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run keeps its memory budget where blocks are measured faster than they are merged."""
    monkeypatch.setattr(region, "MEASURE_TILE_SAMPLES", 1000)
    monkeypatch.setattr(region, "MEASURE_BLOCK_SAMPLES", 1000)
    _BEGUN.clear()
    _AHEAD.clear()
    g = Graph()
    image = g.add(Held, held=hold("rows", np.ones((1, 60, 1000), np.float32)))
    told = g.add(_Slow, image=image).value(scheduler="threads", workers=2)
    assert told["pixels"] == 60_000
    assert len(_BEGUN) == 60
    assert 2 <= _AHEAD[0] <= measuring.AHEAD * 2
