"""The exact median and the median absolute deviation of one large image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import plain
from ..data import samples
from ..sources import Median
from ..workload import OURS, Entrant, Figure, Settings, Task, Workload, peer
from .mosaic import make


def _file(folder: Path, size: Settings) -> list[Path]:
    return [folder / "R.fits"]


def ours(task: Task) -> None:
    from ....graphs.document import Graph

    g = Graph()
    g.add(Median, name="median", image=g.add("ReadImage", path=str(task.data / "R.fits")))
    with task.section("run", task.size["width"] * task.size["height"]):
        report = g.run()
    found = report.values["median"]
    task.told(report)
    task.facts.update(median=found["median"][0], mad=found["mad"][0])


def numpy_whole(task: Task) -> None:
    with task.section("run"):
        plane = np.asarray(samples(task.data / "R.fits", task.size["height"], task.size["width"]), np.float32)
        median, mad = plain.median_and_mad(plane)
    task.facts.update(median=median, mad=mad)


def bottleneck(task: Task) -> None:
    bn = peer("bottleneck")
    with task.section("run"):
        plane = np.asarray(samples(task.data / "R.fits", task.size["height"], task.size["width"]), np.float32)
        median = float(bn.median(plane))
        mad = float(bn.median(np.abs(plane - np.float32(median))))
    task.facts.update(median=median, mad=mad)


def astropy_mad(task: Task) -> None:
    fits, stats = peer("astropy.io.fits"), peer("astropy.stats")
    with task.section("run"):
        plane = fits.getdata(task.data / "R.fits")
        task.facts["median"] = float(np.median(plane))
        task.facts["mad"] = float(stats.median_absolute_deviation(plane))


def agree(found: Mapping[str, tuple[dict[str, Any], Path]], size: Settings) -> dict[str, str]:
    """All medians must be equal but for the rounding of a mean of two samples, and of deviations."""
    truth = found["numpy"][0]
    return {
        name: f"median {facts['median']!r}, MAD {facts['mad']!r}; numpy {truth['median']!r}, {truth['mad']!r}"
        if abs(facts["median"] - truth["median"]) > 1e-8 or abs(facts["mad"] - truth["mad"]) > 1e-8
        else ""
        for name, (facts, _) in found.items()
    }


def figures(results: Any) -> list[Figure]:
    return [
        Figure("CPU seconds in all", results.least(OURS), "s", 1.5),
        Figure("CPU seconds of the passes", results.least(OURS, "run"), "s"),
        Figure("CPU against numpy", results.ratio(OURS, "numpy"), "x"),
    ]


def _memory(size: Settings) -> float:
    return 14.0 * float(size["width"] * size["height"])


WORKLOAD = Workload(
    name="median",
    title="Exact median and MAD",
    about=(
        "The exact median and median absolute deviation of a float32 FITS file. Whole processes, start-up included."
    ),
    sizes={"small": {"width": 320, "height": 250}, "full": {"width": 20000, "height": 20000}},
    make=make,
    shares="mosaic",
    entrants=(
        Entrant(OURS, ours),
        Entrant("numpy", numpy_whole, memory=_memory),
        Entrant("bottleneck", bottleneck, "bottleneck", memory=_memory),
        Entrant("astropy", astropy_mad, "astropy.stats", memory=_memory),
    ),
    agree=agree,
    figures=figures,
    copied=_file,
)
