"""The store and the outputs survive kill -9."""

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

from lerarlink.engine.store import Store
from lerarlink.graphs.document import Graph

SCRIPT = """
import sys
from lerarlink import Graph
g = Graph.load(sys.argv[1])
print("start", flush=True)
g.run(pin=["smooth"])
print("end", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("delay", [0.0, 0.15, 0.4])
def test_a_killed_run_leaves_whole_entries_and_the_old_output(tmp_path: Path, delay: float) -> None:
    rng = np.random.default_rng(3)
    fits.writeto(tmp_path / "in.fits", rng.normal(500, 9, (1000, 800)).astype(np.float32))
    g = Graph()
    image = g.add("ReadImage", name="image", path=str(tmp_path / "in.fits"))
    smooth = g.add("PixelMath", name="smooth", image=image, expression="medfilt($T, 3)")
    g.add("Statistics", name="figures", image=smooth)
    out = tmp_path / "out.fits"
    g.add("WriteImage", name="out", image=smooth, path=str(out))
    out.write_bytes(b"what was there before")
    g.save(tmp_path / "g.lerar")

    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "g.lerar")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "start\n"
        time.sleep(delay)
        run.send_signal(signal.SIGKILL)
        ended = run.stdout.read() == "end\n"
    assert Store().verify() == []
    assert ended or out.read_bytes() == b"what was there before"

    report = g.run()
    assert report.written == [str(out)]
    assert fits.getdata(out).shape == (1000, 800)
    whole = report.values["figures"]
    assert g.run(store=Store(tmp_path / "fresh")).values["figures"] == whole
