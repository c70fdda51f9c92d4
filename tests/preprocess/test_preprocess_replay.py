"""Masters of a night are made again from what they tell of themselves, elsewhere and otherwise, to the last bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lerarlink import Graph

# In a process of its own: another working folder, other strips, other threads, a store that knows nothing.
SCRIPT = """
import json, sys
from lerarlink.tools.replay import Ways, replay_image
ways = Ways(scheduler="threads", workers=3, strip_samples=1003)
print(json.dumps({path: replay_image(path, ways=ways).state for path in sys.argv[1:]}))
"""


@pytest.mark.slow
def test_masters_are_replayed_in_a_fresh_process_to_the_last_bit(
    night: Any, run_lerar: Callable[..., Any], tmp_path: Path
) -> None:
    night.lights()
    night.calibration()
    done = run_lerar("preprocess", night.folder, "-o", tmp_path / "g.yaml", "-q")
    assert done.exit_code == 0, done.output
    graph = Graph.load(tmp_path / "g.yaml")
    writer = next(n for n in graph if graph.spec(n).process == "io.write_image")
    masters = []
    for ending in (".fits", ".xisf", ".tif"):
        graph.set(writer, "path", str(tmp_path / f"master{ending}"))
        masters += graph.run([writer]).written
    assert len(masters) == 3
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *masters],
        cwd=tmp_path / "elsewhere", env={**os.environ, "LERAR_CACHE_DIR": str(tmp_path / "store")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(masters, "identical")
