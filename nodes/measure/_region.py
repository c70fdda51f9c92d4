"""What a region Value holds, and the questions that measuring asks of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, region_mask
from ._polygons import Mask, Vertices

Region = Mapping[str, Any]
"""See `Region` (the process) for its keys."""


def polygons(region: Region) -> tuple[list[Vertices], list[Vertices]]:
    """Return the polygons of a region and the holes in them, in pixels of the image that it lies on."""
    return (
        [np.asarray(p, np.float64).reshape(-1, 2) for p in region["polygons"]],
        [np.asarray(p, np.float64).reshape(-1, 2) for p in region["holes"]],
    )


def mask(region: Region, box: Box) -> Mask:
    """Return which pixels of *box* belong to the region."""
    return region_mask(region, box)


def window(region: Region, halo: int) -> Box:
    """Return the part of the image that is looked at: the region's box and *halo* pixels around it."""
    return Box(*region["box"]).grow(halo).overlap(Box(0, 0, int(region["height"]), int(region["width"])))


def halo_of(region: Region, least: int) -> int:
    """Return how many pixels around a region are looked at: *least*, or what discs around stars ask for."""
    return max(least, 2 * math.ceil(float(region["radius"])) + 4) if region["radius"] else least


def inside(region: Region, points: Vertices) -> npt.NDArray[np.bool_]:
    """Return which of *points* (n, 2) lie in the region."""
    shapes, holes = polygons(region)
    found = np.zeros(len(points), bool)
    for corners in shapes:
        found |= _within(corners, points)
    for corners in holes:
        found &= ~_within(corners, points)
    return found


def inside_by(region: Region, points: Vertices, distance: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which of *points* lie in the region with all that is within *distance* of them (16 directions)."""
    found = inside(region, points)
    for k in range(16):
        angle = math.pi * k / 8.0
        found &= inside(region, points + distance[:, None] * (math.cos(angle), math.sin(angle)))
    return found


def _within(corners: Vertices, points: Vertices) -> npt.NDArray[np.bool_]:
    """Return which points lie in a polygon, by the number of edges that a ray to the right crosses."""
    found = np.zeros(len(points), bool)
    x, y = points.T
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay != by:
            crossing = (ay <= y) != (by <= y)
            found ^= crossing & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return found
