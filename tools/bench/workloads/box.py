"""A box of the last node of the mosaic graph, when everything is measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numba
import numpy as np

from ....engine.region import Box
from ..workload import OURS, Entrant, Figure, Settings, Task, Workload
from .mosaic import graph, make, planes

ARITHMETIC = "one loop"


def _box(size: Settings) -> Box:
    side = size["_side"]
    y, x = (size["height"] - side) // 2, (size["width"] - side) // 2
    return Box(y, x, y + side, x + side)


def ours(task: Task) -> None:
    """The box once with what is known in the store, then again and again."""
    g = graph(task.data, task.out)
    picture = g["picture"].image
    box = _box(task.size)
    values = g.run(["display", "fit-G", "fit-B"]).values
    made = task.best("box", lambda: picture.compute(box), 3.0 * task.size["_side"] ** 2, task.size["_times"])
    np.save(task.out / "box.npy", made)
    lines = [values[f"fit-{name}"] for name in ("G", "B")]
    np.save(
        task.out / "numbers.npy",
        np.array([_line(lines[0]), _line(lines[1]), values["display"]["rows"][0][:3]], np.float64),
    )


def _line(value: Any) -> list[float]:
    one = value["channels"][0]
    return [one["a"], one["b"], 0.0]


@numba.njit(nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _loop(plane: Any, a: Any, b: Any, shadows: Any, highlights: Any, midtones: Any, out: Any) -> None:
    """The arithmetic of one channel in one loop, byte order included."""
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            raw = plane[i, j]
            raw = ((raw & 255) << 24) | ((raw & 0xFF00) << 8) | ((raw >> 8) & 0xFF00) | (raw >> 24)
            out[i, j] = raw
    values = out.view(np.float32)
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            x = np.float32(min(max(a + b * np.float64(values[i, j]), 0.0), 1.0))
            v = min(max((np.float64(x) - shadows) / (highlights - shadows), 0.0), 1.0)
            values[i, j] = np.float32((midtones - 1.0) * v / ((2.0 * midtones - 1.0) * v - midtones))


def one_loop(task: Task) -> None:
    """The arithmetic alone, with the numbers that lerarlink found, one thread."""
    numbers = np.load(task.out.parent / OURS / "numbers.npy")
    b = _box(task.size)
    raw = [p.view("<u4")[b.y0 : b.y1, b.x0 : b.x1] for p in planes(task)]
    lines = [(0.0, 1.0), tuple(numbers[0][:2]), tuple(numbers[1][:2])]
    shadows, highlights, midtones = numbers[2]
    out = np.empty((3, task.size["_side"], task.size["_side"]), np.uint32)

    def made() -> Any:
        for plane, (a, b), place in zip(raw, lines, out, strict=True):
            _loop(plane, a, b, shadows, highlights, midtones, place)
        return out.view(np.float32)

    np.save(task.out / "box.npy", task.best("box", made, 3.0 * task.size["_side"] ** 2, task.size["_times"]))


def agree(found: Mapping[str, tuple[dict[str, Any], Path]], size: Settings) -> dict[str, str]:
    pixels = [np.load(out / "box.npy") for _, out in found.values()]
    off = float(np.abs(pixels[0] - pixels[-1]).max())
    return {ARITHMETIC: f"{off:.2g} apart" if off > 1e-5 else ""}


def figures(results: Any) -> list[Figure]:
    ours, alone = results.least(OURS, "box"), results.least(ARITHMETIC, "box")
    wall = results.least(OURS, "box", "wall")
    return [
        Figure("CPU against the arithmetic alone", ours / alone if ours and alone else None, "x", 2.0),
        Figure("the box", 1e3 * ours if ours else None, "CPU ms"),
        Figure("the box, wall", 1e3 * wall if wall else None, "ms"),
        Figure("the arithmetic alone", 1e3 * alone if alone else None, "CPU ms"),
    ]


WORKLOAD = Workload(
    name="box",
    title="A box of the last node",
    about=(
        "1024 x 1024 pixels of the picture of the mosaic, measures known: what looking at a place costs, planning, "
        "looking up what is known and reading included. Beside it one compiled loop of the same arithmetic on the "
        "mapped samples of that box, with all numbers given."
    ),
    sizes={
        "small": {"width": 320, "height": 250, "_side": 64, "_times": 1},
        "full": {"width": 20000, "height": 20000, "_side": 1024, "_times": 9},
    },
    make=make,
    shares="mosaic",
    entrants=(Entrant(OURS, ours), Entrant(ARITHMETIC, one_loop, keeps_store=True)),
    agree=agree,
    figures=figures,
    by_section=True,
)
