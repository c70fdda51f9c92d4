"""A run that was killed with SIGKILL goes on where it was, and gives the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import lerarlink

PROGRAM = """
import sys, time
from pathlib import Path
from lerarlink import Graph
from lerarlink.engine.api import Process
from lerarlink.engine.store import Store

class Slow(Process, id="resume.slow"):
    "Takes its time over each strip."
    def pixels(self, known, *tiles):
        with open(sys.argv[1] + "/made", "a") as f:
            f.write(f"{known.box.y0} {known.box.y1}\\n")
        time.sleep(float(sys.argv[2]))
        return tiles[0] * 2

g = Graph()
image = g.add("ReadImage", path=sys.argv[1] + "/in.fits", bounds=(0.0, 1.0))
g.add("WriteImage", image=g.add(Slow, image=image), path=sys.argv[1] + "/" + sys.argv[3])
g.run(store=Store(Path(sys.argv[1]) / "store"), workers=2)
"""


def start(folder: Path, pause: float, out: str) -> subprocess.Popen[bytes]:
    # Strips of a fixed size: how many there are must not hang on this machine's cache.
    package = str(Path(lerarlink.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": package, "LERAR_STRIP_SAMPLES": "163840"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder), str(pause), out], env=environment)


def made(folder: Path) -> list[str]:
    return (folder / "made").read_text().splitlines() if (folder / "made").exists() else []


@pytest.fixture
def image(tmp_path: Path) -> np.ndarray:
    data = np.random.default_rng(2).random((4000, 2000), np.float32)
    fits.writeto(tmp_path / "in.fits", data)
    return data


@pytest.mark.parametrize("out", ["out.fits", "out.xisf"])
def test_finished_strips_are_not_made_again(tmp_path: Path, image: np.ndarray, out: str) -> None:
    run = start(tmp_path, 0.15, out)
    deadline = time.monotonic() + 60
    while len(made(tmp_path)) < 20:
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    before = made(tmp_path)
    assert not (tmp_path / out).exists()
    assert len(list(tmp_path.glob(".*.part"))) == 1
    (tmp_path / "made").unlink()

    assert start(tmp_path, 0.0, out).wait() == 0
    after = made(tmp_path)
    # Two strips were at work when the run was killed; no other is made twice.
    assert len(set(before) & set(after)) <= 2
    assert len(set(before) | set(after)) >= 50
    g = lerarlink.Graph()
    found = g.add("ReadImage", path=str(tmp_path / out), bounds=(0.0, 1.0)).compute()
    np.testing.assert_array_equal(found[0], image * 2)
    assert not list(tmp_path.glob(".*.part")), "nothing half-written is left"
    assert not [p for p in (tmp_path / "store" / "journals").glob("**/*") if p.is_file()]


def test_a_strip_that_was_damaged_meanwhile_is_made_again(tmp_path: Path, image: np.ndarray) -> None:
    run = start(tmp_path, 0.15, "out.fits")
    deadline = time.monotonic() + 60
    while len(made(tmp_path)) < 20:
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    part = next(tmp_path.glob(".*.part"))
    with part.open("r+b") as f:
        f.seek(2880 + 5000)
        f.write(b"damaged!")
    assert start(tmp_path, 0.0, "out.fits").wait() == 0
    np.testing.assert_array_equal(fits.getdata(tmp_path / "out.fits"), image * 2)


def test_another_graph_does_not_go_on_with_the_file(tmp_path: Path, image: np.ndarray) -> None:
    run = start(tmp_path, 0.15, "out.fits")
    deadline = time.monotonic() + 60
    while len(made(tmp_path)) < 10:
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    fits.writeto(tmp_path / "in.fits", image[::-1].copy(), overwrite=True)
    assert start(tmp_path, 0.0, "out.fits").wait() == 0
    np.testing.assert_array_equal(fits.getdata(tmp_path / "out.fits"), image[::-1] * 2)
