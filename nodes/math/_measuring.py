"""The numbers of whole images that an expression refers to: which passes they take, in normalised units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Again, Box, Frame, Summaries, Summary, Tile
from ._binding import Point, Statistic

Floats = npt.NDArray[np.float64]
SECOND_PASS = frozenset({"adev", "mod", "bwmv"})
"""Statistics that need the median, the MAD or a sign first known."""
_SUMMARIES = Summaries(mad=True)


def normalised(plane: npt.NDArray[np.float32], frame: Frame) -> Floats:
    """Return *plane* with black 0 and white 1 in double precision; what is not finite is missing (NaN)."""
    x = (plane.astype(np.float64) - frame.lo) / (frame.hi - frame.lo)
    return np.where(np.isfinite(x), x, np.nan)


def point_key(image: str, channel: int, y: int, x: int) -> str:
    return f"{image} {channel} {y} {x}"


def start(wanted: Iterable[str]) -> dict[str, Any]:
    """Return the state of the first pass: the images to be summarised."""
    return {"pass": "order", "images": {name: None for name in sorted(set(wanted))}, "done": {}}


def measure_order(tiles: Mapping[str, Tile], state: Mapping[str, Any], box: Box) -> dict[str, Any]:
    return {name: _SUMMARIES.measure(tiles[name], again, box) for name, again in state["images"].items()}


def finish_order(
    partial: Mapping[str, Any], state: Mapping[str, Any], frames: Mapping[str, Frame]
) -> tuple[dict[str, Any], bool]:
    """Return the state after a pass, and whether summaries are complete."""
    images: dict[str, Any] = {}
    done = dict(state["done"])
    for name, again in state["images"].items():
        found = _SUMMARIES.finish(partial[name], again)
        if isinstance(found, Again):
            images[name] = found.state
        else:
            done[name] = [_plain(s, frames[name]) for s in found]
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


# -- sums about the median ------------------------------------------------------------------------


def measure_sums(tiles: Mapping[str, Tile], frames: Mapping[str, Frame], done: Mapping[str, Any]) -> dict[str, Any]:
    """Return for each image and channel Σ|x - med|, Σ|x| and the two sums of the biweight midvariance."""
    return {
        name: [_sums(normalised(p, frames[name]), k) for p, k in zip(tiles[name], known, strict=True)]
        for name, known in done.items()
    }


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


def finish_sums(partial: Mapping[str, Any], done: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statistics with those that needed the sums."""
    found: dict[str, Any] = {}
    for name, known in done.items():
        found[name] = []
        for k, (deviations, absolutes, top, bottom) in zip(known, partial[name], strict=True):
            n = k["count"]
            more = {
                "adev": deviations / n if n else math.nan,
                "mod": absolutes,
                "bwmv": n * top / bottom**2 if bottom else 0.0,
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
