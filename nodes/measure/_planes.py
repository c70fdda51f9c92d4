"""Images as planes of one colour each: the nominal channels, or the places of a mosaic's cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, Tile

Plane = npt.NDArray[np.float32]


def side(frame: Frame) -> int:
    """Return the side of the mosaic's cell; 1 without a mosaic."""
    return 1 if frame.cfa is None else math.isqrt(len(frame.cfa))


def planes(tile: Tile, box: Box, frame: Frame) -> list[Plane]:
    """Return the planes of *tile*, whose pixels are those of *box*."""
    n = side(frame)
    if n == 1:
        return [np.ascontiguousarray(p) for p in tile[: frame.nominal]]
    return [
        np.ascontiguousarray(tile[0, (i - box.y0) % n :: n, (j - box.x0) % n :: n]) for i in range(n) for j in range(n)
    ]


def colours(frame: Frame) -> list[str]:
    """Return the colour of each plane."""
    if frame.cfa is not None:
        return list(frame.cfa)
    if frame.color == "planes":
        return [str(i) for i in range(frame.nominal)]
    return list("RGB") if frame.nominal == 3 else ["K"]


def combined(names: Sequence[str], values: Sequence[float]) -> float:
    """Return one number for all planes: the middle between the least and the greatest of the colours' means."""
    by_colour: dict[str, list[float]] = {}
    for name, value in zip(names, values, strict=True):
        by_colour.setdefault(name, []).append(value)
    means = [sum(v) / len(v) for v in by_colour.values()]
    return 0.5 * (min(means) + max(means)) if means else math.nan


def report(names: Sequence[str], channels: Sequence[dict[str, Any]], keys: Sequence[str]) -> dict[str, Any]:
    """Return the Value of a measure taken plane by plane: all of them, and *keys* combined."""
    named = [{"name": n, **c} for n, c in zip(names, channels, strict=True)]
    return {**{k: combined(names, [float(c[k]) for c in channels]) for k in keys}, "channels": named}
