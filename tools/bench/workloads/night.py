"""A night of four filters, from raw frames to a stretched colour picture."""

from __future__ import annotations

from typing import Any

from ..workload import OURS, Entrant, Figure, Task, Workload
from ._siril import night, version
from .filter import frames, make, preprocess, siril_written

FILTERS = ("L", "R", "G", "B")


def ours(task: Task) -> None:
    preprocess(task, "run", "--no-measures", "--combine", "lrgb", "--pictures", "stretched")


def siril(task: Task) -> None:
    """Masters are registered to each other, combined with luminance and stretched."""
    after = [
        "cd masters", "convert m -out=../aligned", "cd ../aligned", "register m", "rgbcomp -lum=r_m_00003 r_m_00004 "
        "r_m_00002 r_m_00001 -out=lrgb", "load lrgb", "autostretch -linked", "save stretched",
    ]  # fmt: skip
    (task.out / "aligned").mkdir(parents=True, exist_ok=True)
    # `convert` numbers the masters in the order of their names: B, G, L, R.
    task.facts["version"] = version(night(task, FILTERS, task.out, after))


def figures(results: Any) -> list[Figure]:
    return [
        Figure("CPU seconds", results.least(OURS), "s", 75.0),
        Figure("wall", results.least(OURS, what="wall"), "s", 50.0),
        Figure("written", (results.fact(OURS, "bytes_written") or 0) / 1e6 or None, "MB", 400.0),
        Figure("CPU against Siril", results.ratio(OURS, "Siril"), "x"),
        Figure("Siril, wall", results.least("Siril", what="wall"), "s"),
        Figure("Siril, written", siril_written(results), "MB"),
    ]


WORKLOAD = Workload(
    name="night",
    title="LRGB night",
    about=(
        "Raw frames of four filters, 16 bits, to four masters on one grid, combined and stretched; with all masters of "
        "calibration, cosmetic correction, Lanczos registration and rejection. lerarlink without figures of each light."
        " It writes the masters and the stretched picture, Siril every step between as well."
    ),
    sizes={
        "small": {"width": 320, "height": 240, "frames": 3, "calibration": 2, "filters": FILTERS},
        "full": {"width": 4096, "height": 3072, "frames": 16, "calibration": 10, "filters": FILTERS},
    },
    make=make,
    shares="night",
    entrants=(Entrant(OURS, ours), Entrant("Siril", siril, rehearsed=False)),
    figures=figures,
    copied=frames,
)
