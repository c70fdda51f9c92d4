"""Runs remember what each kind of work took, each step for itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lerarlink import Graph
from lerarlink.engine.costs import Kind, Memories, Meter, Times, _key
from lerarlink.engine.plan import lower
from lerarlink.engine.store import Store


def spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_a_step_is_charged_for_its_own_work_only() -> None:
    meter = Meter()
    outer = meter.begin()
    spin(0.01)
    inner = meter.begin()
    spin(0.03)
    meter.end(inner, "pixels", ((1, 1.0, 10.0),))
    spin(0.01)
    meter.end(outer, "pixels", ((2, 0.75, 10.0), (3, 0.25, 10.0)))
    seconds = {step: told[0] for (_, step), told in meter.spent.items()}
    assert seconds[1] == pytest.approx(0.03, rel=0.2)
    assert seconds[2] + seconds[3] == pytest.approx(0.02, rel=0.2)
    assert seconds[2] == pytest.approx(3 * seconds[3])


def test_a_task_that_compiled_its_loops_does_not_count_as_what_work_costs() -> None:
    graph = Graph()
    graph.add("ReadImage", path="a.fits")
    times = Times(lower(graph))
    for seconds in (5.0, 0.1, 0.1, 0.1, 0.1):
        times.add({("pixels", 0): [seconds, 100.0]})
    ((kind, seconds, amount),) = times.told()
    assert (kind.name, amount) == ("pixels io.read_image", 500.0)
    assert seconds == pytest.approx(0.6)


def test_memories_prefer_the_same_parameters_and_amounts_alike(tmp_path: Path) -> None:
    store = Store(tmp_path)
    memories = Memories(store)
    assert memories.seconds(Kind("pixels x", "own"), 10.0) is None
    store.put_costs(_key("pixels x"), [["own", 1e6, 1.0], ["other", 1e6, 9.0], ["own", 1e2, 1.0]])
    memories = Memories(store)
    assert memories.seconds(Kind("pixels x", "own"), 2e6) == pytest.approx(2.0)
    assert memories.seconds(Kind("pixels x", "unseen"), 0.0) == 0.0
    # Of parameters never seen all runs tell something: the middle one.
    assert memories.seconds(Kind("pixels x", "unseen"), 1e6) == pytest.approx(9.0)
