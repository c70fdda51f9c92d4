"""One filter of a simulated night: from raw frames to a master."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..workload import OURS, Entrant, Figure, Settings, Task, Workload
from ._siril import one_filter, version


def make(folder: Path, size: Settings) -> None:
    from ...simulate import simulate_night

    simulate_night(
        folder, size=(size["height"], size["width"]), frames=size["frames"], filters=size["filters"],
        calibration=size["calibration"],
    )  # fmt: skip


def frames(folder: Path, size: Settings) -> list[Path]:
    return sorted((folder / "frames").rglob("*.fits"))


def preprocess(task: Task, name: str, *more: str) -> None:
    """Run `lerar preprocess` on the night as a section of the work."""
    folders = str(task.data / "frames"), "--run", "--out", str(task.out)
    task.lerar(name, "preprocess", *folders, "--no-progress", "-q", *more)
    task.facts["bytes_written"] = sum(p.stat().st_size for p in task.out.rglob("*") if p.is_file())


def ours(task: Task) -> None:
    preprocess(task, "run", "--no-measures")


def measured(task: Task) -> None:
    preprocess(task, "run")


def siril(task: Task) -> None:
    """The same with Siril: masters, calibration with cosmetic correction, registration, integration."""
    told = one_filter(task, "L", task.out)
    task.facts["version"] = version(told)


def siril_written(results: Any) -> float | None:
    found: float | None = results.least("Siril", what="written")
    return found / 1e6 if found else None


def figures(results: Any) -> list[Figure]:
    return [
        Figure("CPU seconds", results.least(OURS), "s", 15.0),
        Figure("wall", results.least(OURS, what="wall"), "s"),
        Figure("written", (results.fact(OURS, "bytes_written") or 0) / 1e6 or None, "MB"),
        Figure("CPU against Siril", results.ratio(OURS, "Siril"), "x"),
        Figure("Siril, written", siril_written(results), "MB"),
    ]


WORKLOAD = Workload(
    name="filter",
    title="One filter: calibrate, register, integrate",
    about=(
        "Lights, darks, flats and dark flats of a simulated night, 16 bits, to one master, with cosmetic correction, "
        "Lanczos registration and rejection. lerarlink without figures of each light, and with them (its default)."
    ),
    sizes={
        "small": {"width": 320, "height": 240, "frames": 3, "calibration": 2, "filters": ("L",)},
        "full": {"width": 4096, "height": 3072, "frames": 16, "calibration": 10, "filters": ("L",)},
    },
    make=make,
    shares="filter",
    entrants=(
        Entrant(OURS, ours),
        Entrant(f"{OURS}, with measures", measured),
        Entrant("Siril", siril, rehearsed=False),
    ),
    figures=figures,
    copied=frames,
)
