"""Bin or replicate pixels by a whole number."""

from __future__ import annotations

from typing import Any, Literal

import numba
import numpy as np

from ...engine.api import (
    AffineGrid,
    Box,
    Frame,
    GridMap,
    Known,
    ParameterError,
    Port,
    Process,
    SameGrid,
    Tile,
    carry,
    param,
    scaling,
)
from ._grid import refuse_mosaic

MODES = ("average", "median", "maximum", "minimum")


class IntegerResample(Process, id="geometry.integer_resample", version=1):
    """Reduce the image by a whole number, or enlarge it by repeating pixels.

    A reduced pixel is the average, median, maximum or minimum of the block it replaces; missing samples do
    not count, and a block without any sample is missing. Columns and rows that do not fill a block are left
    out on the right and at the end. The celestial solution is scaled along. (PixInsight: IntegerResample.)
    """

    inputs = (Port("image"),)
    maskable = False

    zoom_factor: int = param(
        default=-2, low=-256, high=256, doc="-n reduces to one n-th, n repeats pixels n x n times; 0, 1, -1: as it is"
    )
    downsampling_mode: Literal["average", "median", "maximum", "minimum"] = param(
        default="average", choices=MODES, doc="what stands for a block of pixels"
    )

    def frame(self, known: Known) -> Frame:
        source = known.of("image")
        n = abs(self.zoom_factor)
        if n <= 1:
            return source
        refuse_mosaic(source, "IntegerResample")
        if self.zoom_factor > 0:
            return carry(source, scaling(n, n)).with_(width=source.width * n, height=source.height * n)
        if source.width < n or source.height < n:
            raise ParameterError(
                f"IntegerResample: blocks of {n} x {n} pixels do not fit into an image of "
                f"{source.width} x {source.height} pixels"
            )
        return carry(source, scaling(1 / n, 1 / n)).with_(width=source.width // n, height=source.height // n)

    def grid_map(self, port: str, at: int, known: Known) -> GridMap:
        n = abs(self.zoom_factor)
        if n <= 1:
            return SameGrid()
        factor = float(n) if self.zoom_factor > 0 else 1.0 / n
        return AffineGrid(scaling(factor, factor))

    def needs(self, box: Box, port: str, known: Known) -> Box:
        n = abs(self.zoom_factor)
        if n <= 1:
            return box
        if self.zoom_factor < 0:
            return Box(box.y0 * n, box.x0 * n, box.y1 * n, box.x1 * n)
        return Box(box.y0 // n, box.x0 // n, -(-box.y1 // n), -(-box.x1 // n))

    def pixels(self, known: Known, image: Tile) -> Tile:
        n, box = abs(self.zoom_factor), known.box
        if n <= 1:
            return image.copy()
        if self.zoom_factor > 0:
            rows = np.arange(box.y0, box.y1) // n - box.y0 // n
            columns = np.arange(box.x0, box.x1) // n - box.x0 // n
            return np.ascontiguousarray(image[:, rows[:, None], columns])
        out = np.empty((image.shape[0], box.height, box.width), np.float32)
        _reduce(image, n, MODES.index(self.downsampling_mode), out)
        return out


_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _reduce(image, n, mode, out):  # type: ignore[no-untyped-def]
    block = np.empty(n * n, np.float32)
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                count = 0
                for y in range(i * n, i * n + n):
                    for x in range(j * n, j * n + n):
                        v = image[c, y, x]
                        if np.isfinite(v):
                            block[count] = v
                            count += 1
                out[c, i, j] = _one_of(block[:count], mode)


@_jit
def _one_of(values, mode):  # type: ignore[no-untyped-def]
    """Return average (0), median (1), maximum (2) or minimum (3); the sums are double precision."""
    n = len(values)
    if n == 0:
        return np.float64(np.nan)
    if mode == 0:
        total = 0.0
        for v in values:
            total += v
        return total / n
    if mode == 1:
        _order(values)
        return 0.5 * (np.float64(values[(n - 1) // 2]) + np.float64(values[n // 2]))
    best = values[0]
    for v in values:
        if (mode == 2 and v > best) or (mode == 3 and v < best):
            best = v
    return np.float64(best)


@_jit
def _order(values):  # type: ignore[no-untyped-def]
    """Sort *values* in place; by insertion while they are few (2 x 2 blocks: four times faster)."""
    if len(values) > 64:
        values.sort()
        return
    for i in range(1, len(values)):
        v, k = values[i], i
        while k > 0 and values[k - 1] > v:
            values[k] = values[k - 1]
            k -= 1
        values[k] = v
