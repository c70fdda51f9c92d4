"""Polygons: made of shapes, their edges made dense, clipped, measured, and filled with pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...engine.api import Box
from ._area_text import Shape

Vertices = npt.NDArray[np.float64]
"""Corners x, y in order: (n, 2); closed by itself."""
Mask = npt.NDArray[np.bool_]

SEGMENT, FEWEST = 8.0, 16
"""An edge that is to be mapped has a corner every so many pixels at least, and so many corners."""
_ROUND = 128


def rectangle(x: float, y: float, width: float, height: float) -> Vertices:
    """Return the corners of a rectangle whose first one is at x, y."""
    return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], np.float64)


def ellipse(x: float, y: float, a: float, b: float, angle: float = 0.0) -> Vertices:
    """Return an ellipse with half axes a and b; *angle* in degrees from the x axis towards the y axis.

    The polygon has the area of the ellipse: its corners lie a little outside of it.
    """
    n = max(_ROUND, math.ceil(2.0 * math.pi * max(a, b) / 4.0))
    t = np.arange(n) * (2.0 * math.pi / n)
    wider = math.sqrt((2.0 * math.pi / n) / math.sin(2.0 * math.pi / n))
    u, v = a * wider * np.cos(t), b * wider * np.sin(t)
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.column_stack([x + c * u - s * v, y + s * u + c * v])


def outlines(shape: Shape, edge: float) -> tuple[list[Vertices], list[Vertices]]:
    """Return the polygons that a shape is made of, and those that are holes in it.

    Rectangles begin *edge* before their first coordinates: half a pixel, where coordinates are centres of pixels.
    """
    n = shape.numbers
    if shape.kind == "rect":
        return [rectangle(n[0] - edge, n[1] - edge, n[2], n[3])], []
    if shape.kind == "polygon":
        return [np.array(n, np.float64).reshape(-1, 2)], []
    if shape.kind == "circle":
        return [ellipse(n[0], n[1], n[2], n[2])], []
    if shape.kind == "ellipse":
        return [ellipse(n[0], n[1], n[2], n[3], n[4])], []
    inner = [ellipse(n[0], n[1], n[2], n[2])] if n[2] > 0.0 else []
    return [ellipse(n[0], n[1], n[3], n[3])], inner


def densified(corners: Vertices, unit: float = 1.0) -> Vertices:
    """Return the polygon with corners at most `SEGMENT` pixels apart, at least `FEWEST` an edge.

    *unit* is how many pixels a step of one in the coordinates is. Corners stay; round shapes, whose edges are short
    already, get no more than distance demands.
    """
    ends = np.roll(corners, -1, axis=0)
    lengths = np.hypot(*(ends - corners).T) * unit
    fewest = FEWEST if len(corners) < _ROUND else 1
    made = []
    for start, end, length in zip(corners, ends, lengths, strict=True):
        n = max(fewest, math.ceil(length / SEGMENT))
        made.append(start + (end - start) * (np.arange(n) / n)[:, None])
    return np.concatenate(made)


def area(corners: Vertices) -> float:
    """Return the area of a polygon."""
    x, y = corners.T
    return 0.5 * abs(float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)))


def clipped(corners: Vertices, height: int, width: int) -> Vertices:
    """Return the part of a polygon inside an image, cut side by side (Sutherland & Hodgman 1974, CACM 17, 32)."""
    for axis, limit, sign in ((0, -0.5, 1.0), (0, width - 0.5, -1.0), (1, -0.5, 1.0), (1, height - 0.5, -1.0)):
        if not len(corners):
            break
        inside = sign * (corners[:, axis] - limit) >= 0.0
        made = []
        for n, (point, here) in enumerate(zip(corners, inside, strict=True)):
            before, there = corners[n - 1], inside[n - 1]
            if here != there:
                t = (limit - before[axis]) / (point[axis] - before[axis])
                made.append(before + t * (point - before))
            if here:
                made.append(point)
        corners = np.array(made).reshape(-1, 2)
    return corners


def bounds(polygons: Sequence[Vertices], height: int, width: int) -> Box:
    """Return the least box of pixels that holds all polygons, within an image."""
    points = np.concatenate([np.empty((0, 2)), *polygons])
    if not len(points):
        return Box(0, 0, 0, 0)
    x0, y0 = points.min(axis=0)
    x1, y1 = points.max(axis=0)
    found = Box(math.ceil(y0), math.ceil(x0), math.floor(y1) + 1, math.floor(x1) + 1)
    return found.overlap(Box(0, 0, height, width))
