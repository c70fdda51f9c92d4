"""The workloads, one a file, found by name."""

from __future__ import annotations

import importlib

from ..workload import Workload

NAMES: dict[str, str] = {
    "mosaic": "Mosaic: fit, combine, stretch",
    "pointwise": "A chain of pointwise processes",
    "median": "Exact median and MAD",
    "stacks": "Stack kernels",
    "warp": "Lanczos-3 warp",
    "stars": "Stars: detect and match",
    "filter": "One filter: calibrate, register, integrate",
    "night": "LRGB night",
    "late": "Change the last node's parameter",
    "box": "A box of the last node",
    "scale": "Size of the image",
    "series": "What varies in a series",
    "start": "Start-up",
}


def workload(name: str) -> Workload:
    """Return the workload called *name*.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in NAMES:
        raise ValueError(f"there is no workload {name!r}; there are {', '.join(NAMES)}")
    found: Workload = importlib.import_module(f".{name}", __package__).WORKLOAD
    return found
