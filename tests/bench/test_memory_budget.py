"""A run keeps to its memory budget whatever the size of the image, all of the process counted."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from lerarlink import Graph
from lerarlink.tools.bench.costs import Cost, measured
from lerarlink.tools.bench.data import header

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory a process has")

MIB = 1024 * 1024


def sky(path: Path, side: int) -> None:
    """Write a file of three channels: noise in one row of sixteen, holes that take no room on the disk between."""
    words = header(side, side, NAXIS3=3).replace(b"NAXIS   =                    2", b"NAXIS   =                    3")
    noise = np.random.default_rng(1).normal(0.05, 0.002, (8, side)).astype(">f4")
    with path.open("wb") as f:
        f.write(words)
        start = f.tell()
        size = 12 * side * side
        f.truncate(start + size + (-size % 2880))
        for row in range(0, 3 * side, 16):
            f.seek(start + 4 * side * row)
            f.write(noise[row // 16 % 8].tobytes())


def stretched(folder: Path, side: int, budget: int) -> Cost:
    """Stretch an image and measure the result in a process of its own; return what that cost."""
    sky(folder / "sky.fits", side)
    g = Graph()
    image = g.add("ReadImage", path=str(folder / "sky.fits"))
    display = g.add("ScreenTransferFunction", image=image)
    shown = g.add("HistogramTransformation", image=image, display=display.display)
    g.add("Statistics", name="statistics", image=shown)
    g.add("WriteImage", name="write", image=shown, path=str(folder / "shown.fits"), sample_format="uint8")
    g.save(folder / "graph.lerar")
    command = [sys.executable, "-m", "lerarlink.tools.cli", "run", str(folder / "graph.lerar"), "-q"]
    said = folder / "said"
    cost = measured([*command, "--memory", f"{budget // MIB}MiB"], errors=said)
    assert cost.code == 0, said.read_text()
    assert (folder / "shown.fits").stat().st_size > 3 * side * side
    return cost


def test_an_image_of_300_mb_is_stretched_within_its_budget(tmp_path: Path) -> None:
    cost = stretched(tmp_path, 5000, 256 * MIB)
    assert cost.anonymous <= 256 * MIB


@pytest.mark.slow
def test_an_image_of_6_gb_is_stretched_within_512_mib(tmp_path: Path) -> None:
    cost = stretched(tmp_path, 22400, 512 * MIB)
    assert cost.anonymous <= 512 * MIB
