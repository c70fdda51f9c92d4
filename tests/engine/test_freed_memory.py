"""Strips use the memory of those before them: the system is not asked for it again and again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, tempfile
from lerarlink import Graph
from lerarlink.tools.bench.sources import Endless
def run(rows, folder):
    g = Graph()
    red, green, blue = (g.add(Endless, width=4000, height=rows, channels=1) for _ in range(3))
    rgb = g.add("ChannelCombination", red=red, green=green, blue=blue)
    shown = g.add("HistogramTransformation", image=rgb, midtones=0.2)
    g.add("WriteImage", image=shown, path=f"{folder}/shown.fits", sample_format="uint16")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    g.run(scheduler=sys.argv[1], provenance=False)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
with tempfile.TemporaryDirectory() as folder:
    run(400, folder)
    print(run(4000, folder))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives buffers back at once")
@pytest.mark.parametrize("scheduler", ["threads", "sync"])
def test_strips_do_not_ask_for_memory_again(scheduler: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, scheduler],
        capture_output=True, text=True, check=True, timeout=120, env=environment,
    )  # fmt: skip
    # 30,000 and 65,000 pages were asked for where nothing was kept.
    assert int(done.stdout) < 5000
