"""Values that follow from other Values are computed side by side, and kept when they took long."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from lerarlink.engine import measuring
from lerarlink.engine.api import Known, Port, Process, param
from lerarlink.engine.graph import Graph
from lerarlink.engine.store import Store

CALLS: list[int] = []
MEET = threading.Barrier(2)


class Told(Process, id="computed.told"):
    """A Value out of nothing."""

    inputs = ()
    outputs = (Port("told", type="text"),)
    maskable = False
    seed: int = param(default=0, doc="told")
    meet: bool = param(default=False, doc="wait for another one to be at work too")

    def compute(self, known: Known) -> Any:
        CALLS.append(self.seed)
        if self.meet:
            MEET.wait(timeout=60)
        return {"seed": self.seed, "pair": (1, 2)}


class After(Process, id="computed.after"):
    """A Value out of others."""

    inputs = (Port("told", type="text", many=True),)
    outputs = (Port("sum", type="text"),)
    maskable = False

    def compute(self, known: Known) -> Any:
        return sum(v["seed"] for v in known.values["told"])


def graph(**more: Any) -> Any:
    g = Graph()
    return g.add(After, told=[g.add(Told, seed=i, **more) for i in range(2)])


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


def test_values_that_wait_for_nothing_are_computed_at_the_same_time(tmp_path: Path) -> None:
    # Each waits for the other, so one after the other would not end.
    assert graph(meet=True).output("sum").value(store=Store(tmp_path), workers=2) == 1


def test_values_that_took_long_are_recalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "KEEP_COMPUTED", 1e9)
    graph().output("sum").value(store=Store(tmp_path))
    graph().output("sum").value(store=Store(tmp_path))
    assert len(CALLS) == 4, "what takes no time is computed again"
    monkeypatch.setattr(measuring, "KEEP_COMPUTED", -1.0)
    graph().output("sum").value(store=Store(tmp_path))
    CALLS.clear()
    assert graph().output("sum").value(store=Store(tmp_path)) == 1
    assert not CALLS


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_a_fresh_value_looks_like_a_recalled_one(tmp_path: Path, scheduler: Any) -> None:
    g = Graph()
    value = g.add(Told, seed=3).output("told").value(store=Store(tmp_path), scheduler=scheduler)
    assert value == {"seed": 3, "pair": [1, 2]}
