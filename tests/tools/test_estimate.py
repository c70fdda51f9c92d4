"""What earlier runs took tells how long the next one will take."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine.store import Store
from lerarlink.tools.cli._dry_run import forecast
from lerarlink.tools.estimate import Estimate, about


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    """Two fits and a stretch of a picture of a million pixels."""
    rng = np.random.default_rng(3)
    for name in "ab":
        fits.writeto(tmp_path / f"{name}.fits", rng.normal(1000, 30, (1000, 1000)).astype(np.float32))
    g = Graph()
    a, b = (g.add("ReadImage", name=name, path=str(tmp_path / f"{name}.fits")) for name in "ab")
    fitted = g.add("LinearFit", name="fit", image=a, reference=b)
    display = g.add("ScreenTransferFunction", name="display", image=fitted)
    shown = g.add("HistogramTransformation", name="stretch", image=fitted, display=display)
    g.add("WriteImage", name="write", image=shown, path=str(tmp_path / "out.fits"))
    # Loops are compiled elsewhere: compiling says nothing of what work takes.
    g.run(scheduler="sync", store=Store(tmp_path / "elsewhere"))
    return g


def test_a_run_foretells_the_next_one(graph: Graph, tmp_path: Path) -> None:
    before = forecast(graph, graph.ends(), []).estimate
    assert before is not None and before.cpu_seconds == 0.0
    assert set(before.never_timed) == {"ReadImage", "LinearFit", "ScreenTransferFunction", "HistogramTransformation"}
    graph.run(scheduler="sync")
    graph.set("display", "target_background", 0.2)
    told = forecast(graph, graph.ends(), [], workers=1).estimate
    assert told is not None and told.never_timed == ()
    assert told.passes == 2  # one measures for the display, one writes
    # The display is measured in two passes at most, and both files have 4 MB.
    assert 4 * 4e6 <= told.read <= 6.1 * 4e6
    start = time.process_time()
    graph.run(scheduler="sync")
    spent = time.process_time() - start
    assert spent / 8 < told.cpu_seconds < 8 * spent
    done = forecast(graph, graph.ends(), []).estimate
    assert done is not None and done.cpu_seconds < told.cpu_seconds


def test_worker_processes_tell_what_they_took(graph: Graph) -> None:
    graph.run(scheduler="processes", workers=1)
    told = forecast(graph, graph.ends(), []).estimate
    assert told is not None and told.never_timed == ()
    assert told.cpu_seconds > 0


def test_costs_are_forgotten_with_the_results_and_damaged_ones_count_as_absent(graph: Graph) -> None:
    graph.run()
    store = Store()
    for entry in store.entries():
        if entry.kind == "costs":
            entry.path.write_bytes(entry.path.read_bytes()[:-1])
    told = forecast(graph, graph.ends(), []).estimate
    assert told is not None and told.cpu_seconds == 0.0
    store.clear()
    assert not any(e.kind == "costs" for e in store.entries())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "less than a second"), (1.26, "about 1.3 s"), (41.3, "about 41 s"), (130, "about 2.2 min"),
     (3000, "about 50 min"), (7200, "about 2 h")],
)  # fmt: skip
def test_times_are_told_no_finer_than_they_are_known(seconds: float, words: str) -> None:
    assert about(seconds) == words
    assert Estimate(seconds, seconds, 1, 0, ()).told() == words
    assert Estimate(seconds, seconds, 1, 0, ("Warp",)).told() == f"{words} without Warp, never timed"
    assert Estimate(0, 0, 1, 0, ("Warp",)).told() == "how long that takes cannot be told: Warp never timed"
