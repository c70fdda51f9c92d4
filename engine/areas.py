"""Which pixels an area holds: polygons filled, and the Value of type ``region`` that lists them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .region import Box

Vertices = npt.NDArray[np.float64]
"""Corners x, y in order: (n, 2); closed by itself."""
Mask = npt.NDArray[np.bool_]


def region_mask(region: Mapping[str, Any], box: Box) -> Mask:
    """Return which pixels of *box* belong to a Value of type ``region``: those whose centres lie in its ``polygons``
    and in none of its ``holes``."""
    shapes, holes = ([np.asarray(p, np.float64).reshape(-1, 2) for p in region[k]] for k in ("polygons", "holes"))
    return filled(shapes, holes, box)


def filled(polygons: Sequence[Vertices], holes: Sequence[Vertices], box: Box) -> Mask:
    """Return which pixels of *box* have their centres in a polygon and in none of the holes."""
    found = np.zeros((max(0, box.height), max(0, box.width)), bool)
    for corners in polygons:
        _fill(found, corners, box, True)
    for corners in holes:
        _fill(found, corners, box, False)
    return found


def _fill(mask: Mask, corners: Vertices, box: Box, value: bool) -> None:
    """Set the pixels whose centres lie inside a polygon, by the crossings of its edges with each row."""
    ax, ay = corners.T
    bx, by = np.roll(ax, -1), np.roll(ay, -1)
    first = max(box.y0, math.ceil(float(ay.min())))
    last = min(box.y1 - 1, math.floor(float(ay.max())))
    for y in range(first, last + 1):
        cut = (ay <= y) != (by <= y)
        if not cut.any():
            continue
        x = np.sort(ax[cut] + (y - ay[cut]) * (bx[cut] - ax[cut]) / (by[cut] - ay[cut]))
        row = mask[y - box.y0]
        for left, right in zip(x[::2], x[1::2], strict=True):
            # The centre on the left border belongs to it, one on the right border to what comes after.
            x0, x1 = math.ceil(left), math.ceil(right)
            row[max(0, x0 - box.x0) : max(0, x1 - box.x0)] = value
