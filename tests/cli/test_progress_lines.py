"""A line for each running node, whatever their number."""

from __future__ import annotations

from typing import Any

from lerarlink.engine.report import Progress
from lerarlink.tools.cli._progress import _Bars


def told(bars: Any) -> list[str]:
    return [task.description for task in bars.display.tasks]


def event(nodes: tuple[str, ...], stage: int = 1, done: int = 1) -> Progress:
    return Progress(stage, "measure", nodes, done, 4, 1000 * done, 0.5 * done)


def test_each_running_node_has_a_line_and_the_run_has_one() -> None:
    bars = _Bars()
    bars(event(("fit-red", "fit-blue")))
    bars(event(("fit-red", "fit-blue"), done=2))
    assert told(bars) == ["total", "measure fit-red", "measure fit-blue"]
    assert [t.completed for t in bars.display.tasks[1:]] == [2, 2]
    assert "2/4 bands" in bars.display.tasks[1].fields["told"]
    bars(event(("display",), stage=2))
    assert told(bars) == ["total", "measure display"]


def test_a_hundred_nodes_do_not_scroll_the_terminal_away() -> None:
    bars = _Bars()
    bars(event(tuple(f"light[{i}]" for i in range(100))))
    assert len(told(bars)) == 13
    assert told(bars)[-1] == "measure 89 more nodes"
