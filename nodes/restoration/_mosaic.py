"""Blocks of a fixed grid, cross-faded: what iterates on whole blocks gives the same pixels for any strips."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ...engine.api import Box

SIDE, FADE = 256, 16
"""Pixels between the cuts of the grid, and how wide the fade across each cut is."""


def cuts(size: int) -> list[int]:
    """Return where a row of *size* pixels is cut, its ends included; the last part has half a side more or less."""
    return [*range(0, max(1, round(size / SIDE)) * SIDE, SIDE), size]


def parts(low: int, high: int, size: int) -> list[tuple[int, int]]:
    """Return the parts that the pixels from *low* to before *high* are made of, by their ends without the fades."""
    at = cuts(size)
    half = FADE // 2
    return [(a, b) for a, b in pairwise(at) if a - half < high and b + half > low]


def reached(box: Box, height: int, width: int, halo: int) -> Box:
    """Return what the blocks that *box* is made of look at."""
    down, across = parts(box.y0, box.y1, height), parts(box.x0, box.x1, width)
    return Box(down[0][0] - halo, across[0][0] - halo, down[-1][1] + halo, across[-1][1] + halo)


def blocks(box: Box, height: int, width: int) -> Iterator[Box]:
    """Yield the blocks of which *box* is made, always in the same order."""
    for y0, y1 in parts(box.y0, box.y1, height):
        for x0, x1 in parts(box.x0, box.x1, width):
            yield Box(y0, x0, y1, x1)


def weight(start: int, end: int, low: int, high: int, size: int) -> npt.NDArray[np.float64]:
    """Return how much the part from *start* to *end* counts at the pixels from *low* to before *high*."""
    x = np.arange(low, high) + 0.5
    half = FADE / 2
    rising = np.clip((x - start + half) / FADE, 0.0, 1.0) if start > 0 else np.ones(len(x))
    falling = np.clip((x - end + half) / FADE, 0.0, 1.0) if end < size else np.zeros(len(x))
    return rising - falling
