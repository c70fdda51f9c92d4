"""The numbers of whole images that an expression refers to: which passes they take, in normalised units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Again, Box, Frame, Summaries, Summary, Tile
from ._meanings import Accumulator, Point, Program, Statistic

Floats = npt.NDArray[np.float64]
SECOND_PASS = frozenset({"adev", "mod", "bwmv", "pbmv"})
"""Statistics that need the median, the MAD, the bend or a sign first known."""
_SUMMARIES = Summaries(mad=True)
_BENT_SUMMARIES = Summaries(mad=True, bend=0.8)


def normalised(plane: npt.NDArray[np.float32], frame: Frame) -> Floats:
    """Return *plane* with black 0 and white 1 in double precision; what is not finite is missing (NaN)."""
    x = (plane.astype(np.float64) - frame.lo) / (frame.hi - frame.lo)
    return np.where(np.isfinite(x), x, np.nan)


def point_key(image: str, channel: int, y: int, x: int) -> str:
    return f"{image} {channel} {y} {x}"


def start(wanted: Iterable[Statistic]) -> dict[str, Any]:
    """Return the state of the first pass: the images to be summarised, and those of them with their bend."""
    statistics = list(wanted)
    images = sorted({s.plane.image for s in statistics})
    bent = sorted({s.plane.image for s in statistics if s.kind == "pbmv"})
    return {"pass": "order", "images": dict.fromkeys(images), "bent": bent, "done": {}}


def _summaries(name: str, state: Mapping[str, Any]) -> Summaries:
    return _BENT_SUMMARIES if name in state["bent"] else _SUMMARIES


def measure_order(tiles: Mapping[str, Tile], state: Mapping[str, Any], box: Box) -> dict[str, Any]:
    return {name: _summaries(name, state).measure(tiles[name], a, box) for name, a in state["images"].items()}


def finish_order(
    partial: Mapping[str, Any], state: Mapping[str, Any], frames: Mapping[str, Frame]
) -> tuple[dict[str, Any], bool]:
    """Return the state after a pass, and whether summaries are complete."""
    images: dict[str, Any] = {}
    done = dict(state["done"])
    for name, again in state["images"].items():
        found = _summaries(name, state).finish(partial[name], again)
        if isinstance(found, Again):
            images[name] = found.state
        else:
            done[name] = [_plain(s, frames[name]) | _bend(s, name in state["bent"]) for s in found]
    return {**state, "images": images, "done": done}, not images


def merge_order(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    return {name: _SUMMARIES.merge(a[name], b[name]) for name in a}


def _plain(s: Summary, frame: Frame) -> dict[str, float]:
    """Return the statistics of one channel in units of the image's range."""
    lo, span = frame.lo, frame.hi - frame.lo
    squares = (s.total_square - 2 * lo * s.total + s.count * lo * lo) / span**2
    return {
        "count": float(s.count),
        "mean": (s.mean - lo) / span,
        "med": (s.median - lo) / span,
        "min": (s.minimum - lo) / span,
        "max": (s.maximum - lo) / span,
        "sdev": math.sqrt(s.variance) / span if s.count else math.nan,
        "var": s.variance / span**2,
        "mdev": s.mad / span,
        "norm": (s.total - s.count * lo) / span,
        "ssqr": squares,
        "asqr": squares / s.count if s.count else math.nan,
    }


def _bend(s: Summary, wanted: bool) -> dict[str, float]:
    """Return what the percentage bend midvariance needs, in physical units, in which it is exact."""
    return {"physical_med": s.median, "physical_bend": s.bend} if wanted else {}


# -- sums about the median ------------------------------------------------------------------------


def measure_sums(tiles: Mapping[str, Tile], frames: Mapping[str, Frame], done: Mapping[str, Any]) -> dict[str, Any]:
    """Return for each image and channel Σ|x - med|, Σ|x| and the two sums of each midvariance."""
    return {
        name: [
            [*_sums(normalised(p, frames[name]), k), *_bent_sums(p, k)]
            for p, k in zip(tiles[name], known, strict=True)
        ]
        for name, known in done.items()
    }


def _bent_sums(plane: npt.NDArray[np.float32], known: Mapping[str, float]) -> list[float]:
    """Return Σψ(y)² and how many |y| are below 1, y the deviation in units of the bend."""
    if not known.get("physical_bend", 0.0) > 0.0:
        return [0.0, 0.0]
    x = plane[np.isfinite(plane)].astype(np.float64)
    d = np.abs(x - known["physical_med"])
    inside = d < known["physical_bend"]
    y2 = (d[inside] / known["physical_bend"]) ** 2
    return [float(y2.sum()) + float(np.count_nonzero(~inside)), float(np.count_nonzero(inside))]


def _sums(x: Floats, known: Mapping[str, float]) -> list[float]:
    x = x[np.isfinite(x)]
    d = x - known["med"]
    scale = 9 * known["mdev"]
    y2 = (d / scale) ** 2 if scale > 0 else np.full_like(d, np.inf)
    near = y2 < 1
    d2, y2 = d[near] ** 2, y2[near]
    top, bottom = float((d2 * (1 - y2) ** 4).sum()), float(((1 - y2) * (1 - 5 * y2)).sum())
    return [float(np.abs(d).sum()), float(np.abs(x).sum()), top, bottom]


def merge_sums(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [[p + q for p, q in zip(u, v, strict=True)] for u, v in zip(a[name], b[name], strict=True)] for name in a
    }


def finish_sums(
    partial: Mapping[str, Any], done: Mapping[str, Any], frames: Mapping[str, Frame]
) -> dict[str, Any]:
    """Return the statistics with those that needed the sums."""
    found: dict[str, Any] = {}
    for name, known in done.items():
        found[name] = []
        span = frames[name].hi - frames[name].lo
        for k, (deviations, absolutes, top, bottom, bent, short) in zip(known, partial[name], strict=True):
            n = k["count"]
            more = {
                "adev": deviations / n if n else math.nan,
                "mod": absolutes,
                "bwmv": n * top / bottom**2 if bottom else 0.0,
                "pbmv": n * (k.get("physical_bend", 0.0) / span) ** 2 * bent / short**2 if short else 0.0,
            }
            found[name].append({**k, **more})
    return found


# -- single pixels and ranges ---------------------------------------------------------------------


def measure_points(
    tiles: Mapping[str, Tile], frames: Mapping[str, Frame], points: Iterable[tuple[Point, int]], box: Box
) -> dict[str, float]:
    """Return those *points* (with their channels) that lie in *box*; places outside the image are clamped."""
    found = {}
    for point, channel in points:
        frame = frames[point.plane.image]
        y = min(max(point.y, 0), frame.height - 1)
        x = min(max(point.x, 0), frame.width - 1)
        if box.y0 <= y < box.y1 and box.x0 <= x < box.x1:
            sample = tiles[point.plane.image][channel, y - box.y0 : y - box.y0 + 1, x - box.x0 : x - box.x0 + 1]
            found[point_key(point.plane.image, channel, point.y, point.x)] = float(normalised(sample, frame)[0, 0])
    return found


def measure_results(
    programs: Mapping[int, Program], results: Mapping[int, tuple[Floats, Mapping[str, Floats]]], nominal: int
) -> dict[str, Any]:
    """Return the range of the *results* of nominal channels, and what each accumulator got in each channel."""
    found: dict[str, Any] = {"range": extremes([r for c, (r, _) in results.items() if c < nominal]), "globals": {}}
    for channel, program in programs.items():
        for name, how in program.accumulators.items():
            found["globals"].setdefault(name, []).append(_joined(results[channel][1][name], how))
    return found


def _joined(given: Floats, how: Accumulator) -> float:
    present = given[np.isfinite(given)]
    return float(present.sum() if how.op == "+" else present.prod())


def merge_results(a: dict[str, Any], b: dict[str, Any], how: Mapping[str, Accumulator]) -> dict[str, Any]:
    low, high = zip(a["range"], b["range"], strict=True)
    joined = {
        name: [how[name].joined(p, q) for p, q in zip(given, b["globals"][name], strict=True)]
        for name, given in a["globals"].items()
    }
    return {"range": [min(low), max(high)], "globals": joined}


def extremes(values: Sequence[Floats]) -> list[float]:
    """Return the smallest and the largest present value; (inf, -inf) when there is none."""
    low, high = math.inf, -math.inf
    for v in values:
        present = v[np.isfinite(v)]
        if present.size:
            low, high = min(low, float(present.min())), max(high, float(present.max()))
    return [low, high]


def needs_sums(wanted: Iterable[Statistic]) -> bool:
    return any(s.kind in SECOND_PASS for s in wanted)
