"""Background and noise of a tile, cell by cell."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Table = npt.NDArray[np.float64]

CELL = 128
"""Side of a cell of the background mesh, in pixels of the searched plane."""

_SAMPLES = 100
"""Samples that stand for a cell."""

_FEWEST = 0.1
"""Part of a cell's samples that must be there for it to have a background and a noise of its own."""


class Mesh(NamedTuple):
    """Background and noise of the smoothed plane by cells; cell (i, j) is centred at ((i + ½) h, (j + ½) w)."""

    level: Table
    sigma: Table
    height: float
    width: float


def mesh_of(plane: Plane, seen: Plane, least: float) -> Mesh:
    """Return the mesh of *plane*; no noise is taken to be below *least*.

    Places where *seen*, of the same shape, is missing do not count. Cells that show hardly anything else are
    filled in from their neighbours; where no cell shows anything, the level is 0 and the noise infinite.
    """
    rows, columns = plane.shape
    # At least two cells each way, so that a slope of the sky is a slope and no noise.
    ny, nx = (max(1 if n < 16 else 2, round(n / CELL)) for n in (rows, columns))
    level, sigma = np.empty((ny, nx)), np.empty((ny, nx))
    height, width = rows / ny, columns / nx
    _fill_levels(plane, seen, level)
    if np.isnan(level).all():
        return Mesh(np.zeros((ny, nx)), np.full((ny, nx), np.inf), height, width)
    _spread(level)
    _calm(level)
    _fill_sigmas(plane, seen, level, height, width, sigma)
    _spread(sigma)
    return Mesh(level, np.maximum(_middle(sigma), least), height, width)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def at(cells: Any, height: Any, width: Any, y: Any, x: Any) -> Any:
    """Return the mesh at a pixel: bilinear between the centres of cells, going on so beyond them."""
    ny, nx = cells.shape
    v, u = (y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5
    i, j = min(max(int(v), 0), max(0, ny - 2)), min(max(int(u), 0), max(0, nx - 2))
    v -= i
    u -= j
    k, m = min(i + 1, ny - 1), min(j + 1, nx - 1)
    upper = cells[i, j] * (1.0 - u) + cells[i, m] * u
    lower = cells[k, j] * (1.0 - u) + cells[k, m] * u
    return upper * (1.0 - v) + lower * v


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def selected(x: Any, n: Any, k: Any) -> Any:
    """Return the *k*-th smallest (from 0) of the first *n* elements of *x*, which are reordered (Hoare 1961)."""
    low, high = 0, n - 1
    while low < high:
        pivot = x[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while x[i] < pivot:
                i += 1
            while x[j] > pivot:
                j -= 1
            if i <= j:
                x[i], x[j] = x[j], x[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return x[k]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _step(plane: Any, cells: Any) -> Any:
    return max(1, int(np.sqrt(plane.size / (cells.size * _SAMPLES))))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fill_levels(plane: Any, seen: Any, level: Any) -> None:
    rows, columns = plane.shape
    ny, nx = level.shape
    step = _step(plane, level)
    few = np.empty((rows // ny + 2) * (columns // nx + 2), np.float32)
    for i in range(ny):
        for j in range(nx):
            n = all_ = 0
            for y in range(rows * i // ny, rows * (i + 1) // ny, step):
                for x in range(columns * j // nx, columns * (j + 1) // nx, step):
                    all_ += 1
                    if np.isfinite(seen[y, x]):
                        few[n] = plane[y, x]
                        n += 1
            level[i, j] = selected(few, n, n // 2) if n > _FEWEST * all_ else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _spread(cells: Any) -> None:
    """Give cells without a figure the mean of those neighbours that have one, ring by ring."""
    ny, nx = cells.shape
    left = np.isnan(cells).sum()
    while 0 < left < cells.size:
        known = cells.copy()
        for i in range(ny):
            for j in range(nx):
                total, n = 0.0, 0
                if np.isnan(known[i, j]):
                    for k in range(max(0, i - 1), min(ny, i + 2)):
                        for m in range(max(0, j - 1), min(nx, j + 2)):
                            if not np.isnan(known[k, m]):
                                total += known[k, m]
                                n += 1
                if n:
                    cells[i, j] = total / n
                    left -= 1


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _calm(level: Any) -> None:
    """Take down cells that a big star fills: those far above the line between their neighbours in the row."""
    ny, nx = level.shape
    if nx < 3:
        return
    bend, few = np.zeros((ny, nx)), np.empty(ny * nx)
    n = 0
    for i in range(ny):
        for j in range(1, nx - 1):
            bend[i, j] = level[i, j] - 0.5 * (level[i, j - 1] + level[i, j + 1])
            few[n] = abs(bend[i, j])
            n += 1
    usual = selected(few, n, n // 2)
    for i in range(ny):
        for j in range(1, nx - 1):
            if bend[i, j] > 8.0 * usual:
                level[i, j] -= bend[i, j]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fill_sigmas(plane: Any, seen: Any, level: Any, height: Any, width: Any, sigma: Any) -> None:
    """Measure the noise of each cell about the background as it is interpolated."""
    rows, columns = plane.shape
    ny, nx = level.shape
    step = _step(plane, level)
    few = np.empty((rows // ny + 2) * (columns // nx + 2), np.float64)
    for i in range(ny):
        for j in range(nx):
            n = all_ = 0
            for y in range(rows * i // ny, rows * (i + 1) // ny, step):
                for x in range(columns * j // nx, columns * (j + 1) // nx, step):
                    all_ += 1
                    if np.isfinite(seen[y, x]):
                        few[n] = plane[y, x] - at(level, height, width, y, x)
                        n += 1
            if n > _FEWEST * all_:
                # The lower side only: stars and nebulae brighten, they never darken.
                sigma[i, j] = selected(few, n, n // 2) - selected(few, n, int(0.158655 * n))
            else:
                sigma[i, j] = np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _middle(cells: Any) -> Any:
    """Return the median of each cell and its neighbours, so that a star filling a cell does not raise it."""
    ny, nx = cells.shape
    out, few = np.empty_like(cells), np.empty(9)
    for i in range(ny):
        for j in range(nx):
            n = 0
            for k in range(max(0, i - 1), min(ny, i + 2)):
                for m in range(max(0, j - 1), min(nx, j + 2)):
                    few[n] = cells[k, m]
                    n += 1
            high = selected(few, n, n // 2)
            out[i, j] = high if n % 2 else 0.5 * (high + selected(few, n, n // 2 - 1))
    return out
