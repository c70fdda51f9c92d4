"""Interpolation at any places of an image: weights from a table, and a clamp that leaves the sky alone.

A pixel depends on its absolute place only, not on how the image is cut. Weights come from a table of 4,096
phases: places are exact to 1/8192 pixel, whole shifts are exact.

Sources: Duchon (1979) for Lanczos' window, Keys (1981) for the cubic, PixInsight's documentation on its
interpolation algorithms for the clamping by lobes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Tile
from ._warp_lanes import padded
from ._warp_rows import PHASES, kernel

Floats = npt.NDArray[np.float64]
_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")

MESH = 16
"""Pixels between the places where a bent map is evaluated, linear between them (0.5 % barrel: 4e-4 px)."""
REACH = {"nearest": 1, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos4": 4, "lanczos5": 5}
LOST = 0.05
"""Part of all weight that missing samples may hold before the result is missing."""
BLOCK = 16 * 1024
"""Pixels whose places are kept at a time: 256 KiB."""


class Source(NamedTuple):
    """A tile of an image: where it begins, and how large the image is."""

    tile: Tile
    y: int
    x: int
    height: int
    width: int


class Clamp(NamedTuple):
    """How ringing is limited: ``none``, ``undershoot`` (with the *noise*) or ``lobes`` (with a *threshold*)."""

    kind: str
    noise: float = 0.0
    threshold: float = 0.3
    zero: float = 0.0


class Places(NamedTuple):
    """Where output pixels come from: by a projective matrix, or, for bent maps, between the knots of a mesh."""

    matrix: Floats
    mesh_x: Floats
    mesh_y: Floats
    first_row: int
    first_column: int


@lru_cache
def table(method: str) -> Floats:
    """Return the weights of the 2 * REACH nearest samples, a row for each phase from 0 to 1 inclusive."""
    n = REACH[method]
    phase = np.arange(PHASES + 1) / PHASES
    x = phase[:, None] - np.arange(1 - n, n + 1)[None, :]
    a = np.abs(x)
    if method == "nearest":
        weight = np.column_stack([phase < 0.5, phase >= 0.5]).astype(np.float64)
    elif method == "bilinear":
        weight = np.maximum(0.0, 1.0 - a)
    elif method == "bicubic":
        near, far = (1.5 * a - 2.5) * a * a + 1, ((-0.5 * a + 2.5) * a - 4) * a + 2
        weight = np.where(a < 1, near, np.where(a < 2, far, 0.0))
    else:
        weight = np.where(a < n, np.sinc(x) * np.sinc(x / n), 0.0)
    # At whole phases sin leaves 1e-17 where 0 is meant, and a missing sample there would spoil the result.
    weight = np.where(np.abs(weight) < 1e-12, 0.0, weight)
    return np.ascontiguousarray(weight / weight.sum(axis=1, keepdims=True))


@lru_cache
def _tables(method: str) -> tuple[Floats, Floats, Floats]:
    """Return the table, the same with rows as long as vectors, and the sum of the positive weights of each row.

    The negative ones sum to one less.
    """
    weights = table(method)
    long = np.zeros((weights.shape[0], padded(weights.shape[1])))
    long[:, : weights.shape[1]] = weights
    return weights, long, np.maximum(weights, 0.0).sum(axis=1)


def warped(source: Source, places: Places, box: Box, method: str, clamp: Clamp) -> Tile:
    """Return the output *box*: each pixel interpolated at its place in *source*, missing outside the image."""
    out = np.empty((source.tile.shape[0], box.height, box.width), np.float32)
    weights, long, positive = _tables(method)
    run = kernel(weights.shape[1], clamp.kind if weights.min() < 0 else "none")
    rows = max(1, BLOCK // max(1, box.width))
    at_x, at_y = np.empty((rows, box.width)), np.empty((rows, box.width))
    planes = np.ascontiguousarray(source.tile)
    for top in range(0, box.height, rows):
        part = out[:, top : top + rows]
        n = part.shape[1]
        x, y = at_x[:n], at_y[:n]
        locate(*places, box.y0 + top, box.x0, source.height, source.width, x, y)
        for plane, result in zip(planes, part, strict=True):
            run(plane, source.y, source.x, x, y, long, positive, clamp.noise, clamp.threshold, clamp.zero, result)
            mend(plane, source.y, source.x, source.height, source.width, x, y, weights, result)
    return out


@_jit
def locate(matrix, mesh_x, mesh_y, mesh_row, mesh_column, y0, x0, height, width, out_x, out_y):  # type: ignore[no-untyped-def]
    """Fill in the places of output pixels from row y0, column x0 on; (-9, -9) for those outside the image."""
    bent = mesh_x.shape[0] > 0
    row_x, row_y = np.empty(mesh_x.shape[1]), np.empty(mesh_x.shape[1])
    for i in range(out_x.shape[0]):
        if bent:
            at, part = (y0 + i - mesh_row) // MESH, ((y0 + i - mesh_row) % MESH) / MESH
            for c in range(row_x.shape[0]):
                row_x[c] = mesh_x[at, c] + part * (mesh_x[at + 1, c] - mesh_x[at, c])
                row_y[c] = mesh_y[at, c] + part * (mesh_y[at + 1, c] - mesh_y[at, c])
        y = float(y0 + i)
        for j in range(out_x.shape[1]):
            if bent:
                c, part = (x0 + j - mesh_column) // MESH, ((x0 + j - mesh_column) % MESH) / MESH
                sx = row_x[c] + part * (row_x[c + 1] - row_x[c])
                sy = row_y[c] + part * (row_y[c + 1] - row_y[c])
            else:
                x = float(x0 + j)
                w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
                w = 1.0 / w if w > 1e-9 else np.nan
                sx = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) * w
                sy = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) * w
            inside = sx >= -0.5 and sy >= -0.5 and sx < width - 0.5 and sy < height - 0.5
            out_x[i, j] = sx if inside else -9.0
            out_y[i, j] = sy if inside else -9.0


@_jit
def mend(plane, oy, ox, height, width, at_x, at_y, weights, out):  # type: ignore[no-untyped-def]
    """Make the pixels the fast kernel left missing: at the border of the image and near missing samples."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if not np.isfinite(out[i, j]):
                out[i, j] = np.nan
                if at_x[i, j] > -1.0:
                    out[i, j] = plainly(plane, oy, ox, height, width, at_x[i, j], at_y[i, j], weights)


@_jit
def plainly(plane, oy, ox, height, width, x, y, weights):  # type: ignore[no-untyped-def]
    """Return the image at one place, mirrored beyond its edge pixels and not clamped.

    Missing samples without weight do not count. Where they hold up to a twentieth of all weight, the present
    samples of positive weight are averaged; where they hold more, the result is missing.
    """
    size = weights.shape[1]
    fy, fx = int(y + 1.0) - 1, int(x + 1.0) - 1
    ky, kx = int((y - fy) * PHASES + 0.5), int((x - fx) * PHASES + 0.5)
    total, positive, present, held, lost = 0.0, 0.0, 0.0, 0.0, 0.0
    for a in range(size):
        row = _mirrored(fy - size // 2 + 1 + a, height) - oy
        for b in range(size):
            w = weights[ky, a] * weights[kx, b]
            if w == 0.0:
                continue
            held += abs(w)
            v = np.float64(plane[row, _mirrored(fx - size // 2 + 1 + b, width) - ox])
            if not np.isfinite(v):
                lost += abs(w)
                continue
            total += w * v
            if w > 0.0:
                positive += w * v
                present += w
    if lost == 0.0:
        return total
    return positive / present if lost <= LOST * held else np.nan


@_jit
def _mirrored(i, size):  # type: ignore[no-untyped-def]
    """Return index *i* mirrored about the edge pixels of an image of *size*."""
    if size == 1:
        return 0
    i = abs(i) % (2 * (size - 1))
    return min(i, 2 * (size - 1) - i)
