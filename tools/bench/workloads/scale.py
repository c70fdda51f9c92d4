"""The same graph on images from a tenth of a gigapixel to four, without files: time and memory over size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..contest import forget
from ..sources import Endless, Forget
from ..workload import OURS, Entrant, Figure, Settings, Task, Workload


def make(folder: Path, size: Settings) -> None:
    """Pixels are made while they are asked for."""


def ours(task: Task) -> None:
    """Statistics of all pixels, then the stretch they give; each size with nothing known."""
    from ....engine.memory import peak_memory
    from ....graphs.document import Graph

    peaks = []
    for side in [task.size["sides"][0], *task.size["sides"]]:
        g = Graph()
        image = g.add(Endless, width=side, height=side)
        display = g.add("ScreenTransferFunction", image=image)
        shown = g.add("HistogramTransformation", image=image, display=display.display)
        g.add(Forget, image=shown)
        forget(task.store)
        with task.section(f"{side} x {side}", 3.0 * side * side):
            g.run()
        peaks.append(peak_memory())
    del task.sections[0]  # what warmed the first size up
    task.facts["peaks"] = peaks[1:]


def exponent(sections: list[Any]) -> float | None:
    """Return the slope of log CPU over log pixels, by least squares."""
    points = [(math.log(s.amount), math.log(s.cpu)) for s in sections if s.cpu > 0]
    if len(points) < 2:
        return None
    mx, my = (sum(p[i] for p in points) / len(points) for i in (0, 1))
    return sum((x - mx) * (y - my) for x, y in points) / sum((x - mx) ** 2 for x, _ in points)


def figures(results: Any) -> list[Figure]:
    runs = results.runs.get(OURS, [])
    if not runs:
        return []
    best = [min((r.sections[n] for r in runs), key=lambda s: s.cpu) for n in range(len(runs[0].sections))]
    peaks = runs[-1].facts["peaks"]
    anonymous = results.least(OURS, what="anonymous")
    return [
        Figure("exponent of CPU over pixels", exponent(best), "", 1.03),
        Figure("resident, largest size against smallest", peaks[-1] / peaks[0] if peaks[0] else None, "x", 1.1),
        Figure("anonymous memory", anonymous / 1e6 if anonymous else None, "MB", 300.0),
        Figure("samples a CPU second, largest size", best[-1].amount / best[-1].cpu / 1e6, "M"),
    ]


WORKLOAD = Workload(
    name="scale",
    title="Size of the image",
    about=(
        "An endless sky of three channels: median and MAD of each, then the linked stretch they give, every sample "
        "made and forgotten, so that neither disk nor page cache has a say. Sizes are in samples."
    ),
    sizes={
        "small": {"sides": (200, 400)},
        "full": {"sides": (5774, 10000, 18257, 36515)},
    },
    make=make,
    shares="scale",
    entrants=(Entrant(OURS, ours),),
    figures=figures,
    by_section=True,
)
