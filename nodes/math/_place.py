"""PixelMath's functions of where a pixel is: x runs along columns, y along stored rows, centres at whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box

Value = Any
Floats = npt.NDArray[np.float64]
Size = tuple[int, int]
"""Height, width."""


def _axes(box: Box) -> tuple[Floats, Floats]:
    y = np.arange(box.y0, box.y1, dtype=np.float64)[:, None]
    x = np.arange(box.x0, box.x1, dtype=np.float64)[None, :]
    shape = (box.height, box.width)
    return np.broadcast_to(y, shape), np.broadcast_to(x, shape)


def _from_centre(box: Box, size: Size, centre: tuple[Value, ...]) -> tuple[Value, Value]:
    y, x = _axes(box)
    xc, yc = centre if centre else ((size[1] - 1) / 2, (size[0] - 1) / 2)
    return y - yc, x - xc


def _radius(box: Box, size: Size, *centre: Value) -> Value:
    dy, dx = _from_centre(box, size, centre)
    return np.hypot(dy, dx)


def _angle(box: Box, size: Size, *centre: Value) -> Value:
    """Counter-clockwise from the direction of growing x, for rows that run downwards, in (-pi, pi]."""
    dy, dx = _from_centre(box, size, centre)
    return np.arctan2(0.0 - dy, dx)  # not -dy: minus zero would turn pi into -pi


def _sides(box: Box, x0: Value, y0: Value, width: Value, height: Value) -> tuple[Value, ...]:
    """Distances to the left, right, upper and lower row of pixels of a rectangle; negative outside."""
    y, x = _axes(box)
    return x - x0, x0 + width - 1 - x, y - y0, y0 + height - 1 - y


def _inside(box: Box, size: Size, *rectangle: Value) -> Value:
    return (np.minimum.reduce(np.broadcast_arrays(*_sides(box, *rectangle))) >= 0).astype(np.float64)


def _least(box: Box, size: Size, *rectangle: Value) -> Value:
    least = np.minimum.reduce(np.broadcast_arrays(*_sides(box, *rectangle)))
    return np.where(least >= 0, least, -1.0)


def _greatest(box: Box, size: Size, *rectangle: Value) -> Value:
    sides = np.broadcast_arrays(*_sides(box, *rectangle))
    return np.where(np.minimum.reduce(sides) >= 0, np.maximum.reduce(sides), -1.0)


def _in_ellipse(box: Box, size: Size, xc: Value, yc: Value, rx: Value, ry: Value) -> Value:
    y, x = _axes(box)
    return (((x - xc) / rx) ** 2 + ((y - yc) / ry) ** 2 <= 1).astype(np.float64)


def _foot(box: Box, x1: Value, y1: Value, x2: Value, y2: Value) -> tuple[Value, Value, Value]:
    """The foot of the perpendicular on a line, and its place along it: 0 at the first point, 1 at the second."""
    y, x = _axes(box)
    dx, dy = x2 - x1, y2 - y1
    length2 = dx * dx + dy * dy
    t = np.where(length2 > 0, ((x - x1) * dx + (y - y1) * dy) / np.where(length2 > 0, length2, 1.0), 0.0)
    return x1 + t * dx, y1 + t * dy, t


def _to_line(box: Box, size: Size, *line: Value) -> Value:
    y, x = _axes(box)
    fx, fy, _ = _foot(box, *line)
    return np.hypot(x - fx, y - fy)


def _to_segment(box: Box, size: Size, x1: Value, y1: Value, x2: Value, y2: Value) -> Value:
    y, x = _axes(box)
    t = np.clip(_foot(box, x1, y1, x2, y2)[2], 0.0, 1.0)
    return np.hypot(x - (x1 + t * (x2 - x1)), y - (y1 + t * (y2 - y1)))


PLACES: dict[str, Callable[..., Value]] = {
    "x": lambda box, size: _axes(box)[1],
    "y": lambda box, size: _axes(box)[0],
    "X": lambda box, size: _axes(box)[1] / max(1, size[1] - 1),
    "Y": lambda box, size: _axes(box)[0] / max(1, size[0] - 1),
    "rdist": _radius,
    "pangle": _angle,
    "inrect": _inside,
    "mind2rect": _least,
    "maxd2rect": _greatest,
    "inellipse": _in_ellipse,
    "d2line": _to_line,
    "d2seg": _to_segment,
    "xperp2line": lambda box, size, *line: _foot(box, *line)[0],
    "yperp2line": lambda box, size, *line: _foot(box, *line)[1],
}
