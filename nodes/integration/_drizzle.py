"""The geometry of drizzling: where output pixels lie in a frame, and which part of each drop falls into them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numpy.polynomial.chebyshev import chebval2d

from ...engine.api import Box

Floats = npt.NDArray[np.float64]

# Parts of a pixel below this are rounding: beside a missing sample they must not stand for its neighbours.
_SLIVER = 1e-9


def applied(steps: Sequence[Mapping[str, Any]], x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return where a map (see MatchStars) takes the places x, y; NaN beyond a projective map's horizon."""
    for step in steps:
        m = np.asarray(step["matrix"], np.float64)
        w = m[2, 0] * x + m[2, 1] * y + m[2, 2]
        w = np.where(w > 1e-9, w, np.nan)
        px, py = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / w, (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / w
        if "coefficients" in step:
            x0, y0, x1, y1 = step["domain"]
            u = np.clip((2 * x - (x0 + x1)) / (x1 - x0), -1.0, 1.0)
            v = np.clip((2 * y - (y0 + y1)) / (y1 - y0), -1.0, 1.0)
            cx, cy = np.asarray(step["coefficients"], np.float64)
            px, py = px + chebval2d(u, v, cx), py + chebval2d(u, v, cy)
        x, y = px, py
    return x, y


def corners(steps: Sequence[Mapping[str, Any]], box: Box, scale: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return where the corners of the output pixels of *box* lie in a frame, as (rows + 1, columns + 1) each.

    *scale*: how many output pixels one of the reference is, in x and in y.
    """
    xs = np.arange(box.x0, box.x1 + 1) / scale[0] - 0.5
    ys = np.arange(box.y0, box.y1 + 1) / scale[1] - 0.5
    x, y = applied(steps, *np.meshgrid(xs, ys))
    return np.ascontiguousarray(x), np.ascontiguousarray(y)


def reached(x: Floats, y: Floats, height: int, width: int) -> Box:
    """Return the part of a frame whose drops may fall into pixels with these corners; empty when none does."""
    there = np.isfinite(x) & np.isfinite(y)
    if not there.any():
        return Box(0, 0, 0, 0)
    # Clipped before they become whole numbers: far outside, places may be too large for these.
    x0, x1 = (float(np.clip(v, -9.0, width + 9.0)) for v in (x[there].min(), x[there].max()))
    y0, y1 = (float(np.clip(v, -9.0, height + 9.0)) for v in (y[there].min(), y[there].max()))
    found = Box(math.floor(y0) - 1, math.floor(x0) - 1, math.ceil(y1) + 2, math.ceil(x1) + 2)
    found = found.overlap(Box(0, 0, height, width))
    return Box(0, 0, 0, 0) if found.empty else found


def drop_points(kernel: str, size: float, grid: int) -> Floats:
    """Return the points a shaped drop is made of: dx, dy and share of each, of those that have one.

    ``circular`` is a disk of diameter *size*, ``gaussian`` a round Gaussian that has fallen to a hundredth at
    the sides of the square of *size*, where it ends.
    """
    at = (np.arange(grid) + 0.5) / grid - 0.5
    x, y = np.meshgrid(at, at)
    r2 = 4.0 * (x * x + y * y)
    share = np.where(r2 <= 1.0, 1.0, 0.0) if kernel == "circular" else np.exp(-math.log(100.0) * r2)
    some = share > 0.0
    share = share[some] / share[some].sum()
    return np.stack([size * x[some], size * y[some], share], axis=1)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def drizzle(
    tile: Any, origin: Any, x: Any, y: Any, drop: float, points: Any, colors: Any, factors: Any, sums: Any, weight: Any
) -> None:
    """Add what the drops of one frame leave in each output pixel to *sums*, and their parts to *weight*.

    *origin* is the first row and column of *tile* in its frame, *x* and *y* the pixels' corners in the frame.
    Without *points* drops are squares of side *drop*. *colors* says which output channel a sample of a mosaic
    belongs to, by row and column; it has no rows for an image without mosaic. A row of *factors* per output
    channel: gain, offset and weight of the frame's samples, and the sample that is a hole.
    """
    half = 0.5 * drop
    px, py = np.empty(4), np.empty(4)
    mosaic = colors.shape[0] > 0
    for i in range(sums.shape[1]):
        for j in range(sums.shape[2]):
            px[0], px[1], px[2], px[3] = x[i, j], x[i, j + 1], x[i + 1, j + 1], x[i + 1, j]
            py[0], py[1], py[2], py[3] = y[i, j], y[i, j + 1], y[i + 1, j + 1], y[i + 1, j]
            area = _area(px, py, 4)
            if not area > 0.0:
                continue
            left, right, top, bottom = px.min(), px.max(), py.min(), py.max()
            c0, r0 = max(math.ceil(left - half), origin[1]), max(math.ceil(top - half), origin[0])
            c1 = min(math.floor(right + half), origin[1] + tile.shape[2] - 1)
            r1 = min(math.floor(bottom + half), origin[0] + tile.shape[1] - 1)
            for r in range(r0, r1 + 1):
                for c in range(c0, c1 + 1):
                    if points.shape[0] > 0:
                        part = drop * drop * _within(px, py, points, c, r)
                    else:
                        part = _common(px, py, c - half, c + half, r - half, r + half)
                    part /= area
                    if not part > _SLIVER:
                        continue
                    first, last = 0, sums.shape[0]
                    if mosaic:
                        first = colors[r % colors.shape[0], c % colors.shape[1]]
                        last = first + 1
                    for k in range(first, last):
                        v = tile[0 if mosaic else k, r - origin[0], c - origin[1]]
                        if not np.isfinite(v) or v == np.float32(factors[k, 3]):
                            continue
                        a = part * factors[k, 2]
                        sums[k, i, j] += a * (factors[k, 0] * v + factors[k, 1])
                        weight[k, i, j] += a


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _area(px: Any, py: Any, n: Any) -> Any:
    """Return the area of a polygon, whichever way round."""
    total = 0.0
    for k in range(2, n):
        total += (px[k - 1] - px[0]) * (py[k] - py[0]) - (px[k] - px[0]) * (py[k - 1] - py[0])
    return 0.5 * abs(total)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _common(px: Any, py: Any, x0: Any, x1: Any, y0: Any, y1: Any) -> Any:
    """Return the area that a polygon of four corners has in common with x0..x1, y0..y1, exactly.

    What lies between an edge and y0, within the square, is counted with the edge's direction; edges above and
    below leave the difference.
    """
    total = 0.0
    for k in range(4):
        b = (k + 1) & 3
        total += _under(px[k], py[k] - y0, px[b], py[b] - y0, x0, x1, y1 - y0)
    return abs(total)


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _under(ax: Any, ay: Any, bx: Any, by: Any, x0: Any, x1: Any, top: Any) -> Any:
    """Return the integral over x, from ax to bx within x0..x1, of the edge's y held within 0..top."""
    sign = 1.0
    if ax > bx:
        ax, ay, bx, by = bx, by, ax, ay
        sign = -1.0
    if bx <= x0 or ax >= x1 or ax == bx:
        return 0.0
    slope = (by - ay) / (bx - ax)
    if bx > x1:
        bx, by = x1, ay + slope * (x1 - ax)
    if ax < x0:
        ax, ay = x0, ay + slope * (x0 - ax)
    low, high = min(ay, by), max(ay, by)
    if high <= 0.0:
        return 0.0
    if low >= top:
        return sign * top * (bx - ax)
    if low >= 0.0 and high <= top:
        return sign * 0.5 * (low + high) * (bx - ax)
    first, last = max(low, 0.0), min(high, top)
    # The part within, and the part above that counts as top; below 0 nothing does.
    mean = (0.5 * (first + last) * (last - first) + top * (high - last)) / (high - low)
    return sign * mean * (bx - ax)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _within(px: Any, py: Any, points: Any, cx: Any, cy: Any) -> Any:
    """Return the share of a drop's points that lie within a convex polygon of four corners."""
    total = 0.0
    for p in range(points.shape[0]):
        x, y = cx + points[p, 0], cy + points[p, 1]
        left = right = False
        for k in range(4):
            b = (k + 1) % 4
            turn = (px[b] - px[k]) * (y - py[k]) - (py[b] - py[k]) * (x - px[k])
            left, right = left or turn > 0.0, right or turn < 0.0
        if not (left and right):
            total += points[p, 2]
    return total
