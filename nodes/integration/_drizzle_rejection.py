"""From samples rejected on the grid of the reference to those of a frame as it was taken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Tile
from ._drizzle import applied

# Half a pixel of the reference, in which a sample is looked up, and rounding.
_MARGIN = 2


def on_grid(box: Box, scale: tuple[float, float], transforms: Sequence[Mapping[str, Any]], grid: Box) -> Box:
    """Return the part of the reference in which the samples lie whose drops may reach output *box*.

    *scale*: how many output pixels one of the reference is, in x and in y.
    """
    # A sample lies as far from a pixel it touches as half the diagonal of its drop; pixels of a frame may be large.
    finest = min((t["scale"] for t in transforms if t["kind"] != "none"), default=1.0)
    margin = _MARGIN + math.ceil(1.0 / finest)
    x0, x1 = math.floor(box.x0 / scale[0]), math.ceil(box.x1 / scale[0])
    y0, y1 = math.floor(box.y0 / scale[1]), math.ceil(box.y1 / scale[1])
    return Box(y0, x0, y1, x1).grow(margin).overlap(grid)


def without_rejected(
    tile: Tile, origin: Box, transform: Mapping[str, Any], rejected: Tile, part: Box,
    colors: npt.NDArray[np.int64],
) -> Tile:  # fmt: skip
    """Return *tile*, the pixels *origin* of a frame, with samples missing that are rejected.

    A sample is rejected where the pixel of the reference is that its centre lies in; *rejected* holds those of
    *part*, a channel for each of the frame's, or of the colours of a mosaic (*colors*: see `drizzle`).
    """
    if not (rejected > 0.0).any():
        return tile
    ys, xs = np.arange(origin.y0, origin.y1, dtype=np.float64), np.arange(origin.x0, origin.x1, dtype=np.float64)
    x, y = applied(transform["forward"], *np.meshgrid(xs, ys))
    made = tile.copy()
    corner = np.array([part.y0, part.x0, origin.y0, origin.x0])
    _take_out(made, np.ascontiguousarray(x), np.ascontiguousarray(y), rejected, colors, corner)
    return made


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _take_out(tile: Any, x: Any, y: Any, rejected: Any, colors: Any, corner: Any) -> None:
    """Make samples missing; *corner*: first row and column of *rejected*, then of *tile*."""
    for i in range(tile.shape[1]):
        for j in range(tile.shape[2]):
            r, c = np.floor(y[i, j] + 0.5) - corner[0], np.floor(x[i, j] + 0.5) - corner[1]
            if not (r >= 0.0 and r < rejected.shape[1] and c >= 0.0 and c < rejected.shape[2]):
                continue
            for k in range(tile.shape[0]):
                of = k
                if colors.shape[0] > 0:
                    of = colors[(corner[2] + i) % colors.shape[0], (corner[3] + j) % colors.shape[1]]
                if rejected[of, np.int64(r), np.int64(c)] > 0.0:
                    tile[k, i, j] = np.nan
