"""A night again with another parameter of the last node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..workload import OURS, Entrant, Figure, Task, Workload
from .filter import frames, make
from .night import FILTERS

AGAIN = f"{OURS}, again"


def ours(task: Task) -> None:
    """The whole night, then the graph with another brightness of the sky in the picture."""
    graph = task.out / "night.yaml"
    folders = str(task.data / "frames"), "--run", "--out", str(task.out)
    quiet = "--no-progress", "-q"
    task.lerar("run", "preprocess", *folders, "-o", str(graph), "--no-measures", "--combine", "lrgb", *quiet)
    changed = f"{_display(graph)}.target_background=0.2"
    task.lerar("again", "run", str(graph), "--set", changed, "--out", str(task.out), *quiet)


def _display(graph: Path) -> str:
    """Return the name of the node that measures the stretch."""
    from ....graphs.document import Graph

    g = Graph.load(graph)
    return next(name for name in g if g.spec(name).process == "stretch.screen_transfer_function")


def figures(results: Any) -> list[Figure]:
    full, again = results.least(OURS, "run"), results.least(OURS, "again")
    return [
        Figure("again, of the full run", 100 * again / full if full and again else None, "% of CPU", 3.0),
        Figure("full run", full, "CPU s"),
        Figure("again", again, "CPU s"),
        Figure("again, wall", results.least(OURS, "again", "wall"), "s"),
    ]


WORKLOAD = Workload(
    name="late",
    title="Change the last node's parameter",
    about=(
        "The LRGB night is run; then the brightness of the sky in the picture is changed and the graph run again, in a "
        "new process. The masters it wrote are read, not made."
    ),
    sizes={
        "small": {"width": 320, "height": 240, "frames": 3, "calibration": 2, "filters": FILTERS},
        "full": {"width": 4096, "height": 3072, "frames": 16, "calibration": 10, "filters": FILTERS},
    },
    make=make,
    shares="night",
    entrants=(Entrant(OURS, ours),),
    figures=figures,
    copied=frames,
    by_section=True,
)
