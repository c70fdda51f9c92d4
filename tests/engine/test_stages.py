"""A report says what each stage of a run cost, and how many bytes went in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.graph import Graph
from lerarlink.engine.store import Store


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
