"""What varies in a series: the sums of the Lerar Link over many frames, beside the plain sum of the frames."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ..data import HEADER, header, padding
from ..workload import OURS, Entrant, Figure, Settings, Task, Workload

_PERIOD = 14.8
_WAYS: dict[str, dict[str, Any]] = {
    "white noise": {"noise": "white", "matched": "off"},
    "noise nearby": {"noise": "local", "matched": "off"},
    "matched filter": {"noise": "white", "fwhm": 3.0},
}


def _paths(folder: Path, size: Settings) -> list[Path]:
    return [folder / f"frame-{i:04}.fits" for i in range(size["frames"])]


def make(folder: Path, size: Settings) -> None:
    width, height = size["width"], size["height"]
    begin = datetime(2026, 1, 15, 20)
    for i, path in enumerate(_paths(folder, size)):
        rng = np.random.default_rng([9, i])
        plane = 500.0 + rng.normal(0.0, 10.0, (height, width))
        when = begin + timedelta(seconds=5.0 * i + float(rng.uniform(-0.4, 0.4)))
        plane[height // 2, width // 2] += 30.0 * np.sin(2.0 * np.pi * (when - begin).total_seconds() / _PERIOD)
        words: dict[str, Any] = {"DATE-OBS": f"'{when.isoformat(timespec='milliseconds')}'", "EXPTIME": 2.0}
        told = header(width, height, **words, LERBLO=0.0, LERBHI=65535.0)
        path.write_bytes(told + plane.astype(">f4").tobytes() + padding(4 * width * height))


def _amount(size: Settings) -> float:
    return float(size["frames"] * size["width"] * size["height"])


def ours(task: Task) -> None:
    from ....graphs.document import Graph

    paths = tuple(str(p) for p in _paths(task.data, task.size))
    best = task.size["height"] // 2, task.size["width"] // 2
    with task.section("sum", _amount(task.size)):
        g = Graph()
        frames = g.add("ReadSeries", paths=paths)
        made = g.add("ImageIntegration", images=[frames], rejection="no_rejection", normalization="no_normalization",
                     weight_mode="dont_care")  # fmt: skip
        task.facts["mean"] = float(made.output("image").image.compute().mean(dtype=np.float64))
    for name, how in _WAYS.items():
        with task.section(name, _amount(task.size)):
            g = Graph()
            frames = g.add("ReadSeries", paths=paths)
            times = g.add("TimeAxis", frames=[frames]).output()
            trv = f"[TRV:{_PERIOD}s+-0.0001s]"
            link = g.add("LerarLink", frames=[frames], times=times, trv=trv, plan="accumulate", **how)
            tile = link.output("significance").image.compute()[0]
        found = tuple(int(i) for i in np.unravel_index(int(np.nanargmax(tile)), tile.shape))
        task.facts[name] = "found" if found == best else f"at {found}"


    _sums_alone(task)


def _sums_alone(task: Task) -> None:
    """Take the sums of a fit of one period (constant, slope, curvature, cosine, sine) of frames in memory."""
    from ....nodes.time._lockin import CHUNK, Sums

    frames = _in_memory(task)
    n = len(frames)
    when = np.linspace(0.0, 1.0, n)
    angle = 2.0 * np.pi * 5.0 * n / _PERIOD * when
    columns = np.stack([np.ones(n), when, when**2, np.cos(angle), np.sin(angle)])
    weights, none = np.ones(n), np.zeros((0, n), np.float32)

    sums = Sums.of(frames[:: max(1, n // 64)], n, len(columns), 0, 5.0)

    def take() -> None:
        sums.frames = 0
        for i in range(0, n, CHUNK):
            here = slice(i, i + CHUNK)
            sums.add(frames[here], weights[here], columns[:, here], none[:, here])

    task.best("sums alone", take, float(frames.size))


def _in_memory(task: Task) -> Any:
    """Return ``(frames, pixels)``: the first rows of all frames."""
    width, rows = task.size["width"], min(64, task.size["height"])
    paths = _paths(task.data, task.size)
    return np.stack([np.fromfile(p, ">f4", rows * width, offset=HEADER) for p in paths]).astype(np.float32)


def plain_sum(task: Task) -> None:
    height, width = task.size["height"], task.size["width"]
    total = np.zeros((height, width))
    with task.section("sum", _amount(task.size)):
        for path in _paths(task.data, task.size):
            total += np.memmap(path, ">f4", "r", HEADER, (height, width))
    task.facts["mean"] = float((total / task.size["frames"]).mean())
    frames = _in_memory(task)

    def add() -> None:
        made = np.zeros(frames.shape[1])
        for frame in frames:
            made += frame

    task.best("sums alone", add, float(frames.size))


def agree(found: Mapping[str, tuple[dict[str, Any], Path]], size: Settings) -> dict[str, str]:
    """The means must be equal, and the source that varies the surest of all pixels."""
    truth = found["numpy"][0]["mean"]
    lost = [f"{name}: {found[OURS][0][name]}" for name in _WAYS if found[OURS][0][name] != "found"]
    means = {n: f"mean {f['mean']}, numpy {truth}" for n, (f, _) in found.items() if abs(f["mean"] / truth - 1) > 1e-6}
    return {**dict.fromkeys(found, ""), **means, **({OURS: "; ".join(lost)} if lost else {})}


def figures(results: Any) -> list[Figure]:
    plain = results.least("numpy", "sum")
    found = []
    for name in _WAYS:
        cost = results.least(OURS, name)
        ratio = cost / plain if cost is not None and plain else None
        found.append(Figure(f"{name}, against the plain sum of numpy", ratio, "x", 3.0))
    ours, theirs = results.least(OURS, "sums alone"), results.least("numpy", "sums alone")
    found.append(Figure("sums alone, against numpy's", ours / theirs if ours and theirs else None, "x", 3.0))
    found.append(Figure("sums alone", (results.rate(OURS, "sums alone") or 0.0) / 1e6, "M pixels of frames a CPU s"))
    return [*found, Figure("mean of the frames by lerarlink", results.least(OURS, "sum"), "CPU s")]


WORKLOAD = Workload(
    name="series",
    title="What varies in a series",
    about=(
        "FITS files of float32 frames; one exactly known period is fitted to every pixel by sums over the frames, each "
        "of them read once, with limits against outliers from 64 of them: by residuals (white noise), by frequencies "
        "nearby, and with a matched filter. numpy adds the mapped frames up in float64 and does nothing else: no "
        "digests of files, no header. The time of sums alone is without reading, limits, and the fits that follow."
    ),
    sizes={
        "small": {"frames": 40, "width": 64, "height": 48},
        "full": {"frames": 600, "width": 1024, "height": 512},
    },
    make=make,
    shares="series",
    entrants=(Entrant(OURS, ours), Entrant("numpy", plain_sum)),
    agree=agree,
    figures=figures,
    copied=_paths,
    by_section=True,
)
