"""What it takes to begin: the help text, and a graph of a hundred nodes to its first strip."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from ..data import write_sky
from ..workload import OURS, Entrant, Figure, Settings, Task, Workload

NODES = 100
_PROGRAM = """
import json, sys
from lerarlink.graphs.document import Graph
from lerarlink.engine.region import Box
g = Graph.load(sys.argv[1])
tile = g[sys.argv[2]].image.compute(Box(0, 0, int(sys.argv[3]), g[sys.argv[2]].image.frame.width))
print(json.dumps([float(tile.min()), float(tile.max())]))
"""


def make(folder: Path, size: Settings) -> None:
    write_sky(folder / "image.fits", size["width"], size["height"], stream=0, LERBLO=0.0, LERBHI=1.0)


def _graph(path: Path, image: Path) -> str:
    """Save a graph of a hundred nodes; return the name of its last."""
    from ....graphs.document import Graph

    g = Graph()
    node = g.add("ReadImage", name="image", path=str(image))
    for n in range(1, NODES):
        node = g.add("HistogramTransformation", name=f"step-{n}", image=node, midtones=0.49 + 0.0002 * n)
    g.save(path)
    return node.name


def ours(task: Task) -> None:
    path = task.out / "graph.lerar"
    last = _graph(path, task.data / "image.fits")
    environment = {**os.environ, "LERAR_CACHE_DIR": str(task.store)}
    program = [sys.executable, "-c", _PROGRAM, str(path), last, str(task.size["rows"])]
    for _ in range(task.size["_times"]):
        task.lerar("help", "--help")
    task.facts["range"] = json.loads(task.command("cold", program, env=environment))
    for _ in range(task.size["_times"]):
        task.command("first strip", program, env=environment)


def python(task: Task) -> None:
    """Python itself, doing nothing: what no Python program can be quicker than."""
    for _ in range(task.size["_times"]):
        task.command("pass", [sys.executable, "-c", "pass"])


def imports(task: Task) -> None:
    """The libraries alone."""
    for _ in range(task.size["_times"]):
        task.command("imports", [sys.executable, "-c", "import numpy, numba, networkx, dask.threaded, msgpack"])


def figures(results: Any) -> list[Figure]:
    return [
        Figure("lerar --help, wall", results.least(OURS, "help", "wall"), "s", 0.15),
        Figure("100 nodes to the first strip, wall", results.least(OURS, "first strip", "wall"), "s", 1.0),
        Figure("the same, first time", results.least(OURS, "cold", "wall"), "s"),
        Figure("lerar --help", results.least(OURS, "help"), "CPU s"),
        Figure("100 nodes to the first strip", results.least(OURS, "first strip"), "CPU s"),
    ]


WORKLOAD = Workload(
    name="start",
    title="Start-up",
    about=(
        "New processes: the help text; a saved graph of one reading and 99 pointwise nodes, loaded and asked for its "
        "first rows, when its loop is compiled. Beside it Python alone, and the libraries imported alone."
    ),
    sizes={
        "small": {"width": 320, "height": 250, "rows": 8, "_times": 1},
        "full": {"width": 4096, "height": 3072, "rows": 40, "_times": 10},
    },
    make=make,
    shares="start",
    entrants=(Entrant(OURS, ours), Entrant("python", python), Entrant("imports", imports)),
    figures=figures,
    by_section=True,
)
