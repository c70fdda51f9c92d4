"""PixelMath's images moved as a whole: mirrored, shifted, turned.

Every one is an affine map from the pixel asked for to a place in the source. Between pixels the clamped
bicubic spline decides (Keys 1981 with a = -1/2; where its outer samples would undershoot by 0.3 of the inner
ones, the line between the two nearest, as PixInsight's documentation on interpolation describes). Beyond the
image it is black. Missing neighbours count as the nearest sample; where that one is missing, so is the result.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import Box
from ._meanings import Moved

Floats = npt.NDArray[np.float64]
_CLAMPING = 0.3
_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


class Source(NamedTuple):
    """``x' = xx x + xy y + tx``, ``y' = yx x + yy y + ty``: where a pixel at x, y comes from."""

    xx: float
    xy: float
    tx: float
    yx: float
    yy: float
    ty: float

    @property
    def exact(self) -> bool:
        """Whether every pixel comes from one whole pixel."""
        return all(v == math.floor(v) for v in self)


def source(moved: Moved, height: int, width: int) -> Source:
    """Return where the pixels of *moved* come from in an image of this size."""
    if moved.kind == "hmirror":
        return Source(-1.0, 0.0, width - 1.0, 0.0, 1.0, 0.0)
    if moved.kind == "vmirror":
        return Source(1.0, 0.0, 0.0, 0.0, -1.0, height - 1.0)
    if moved.kind == "translate":
        dx, dy = moved.values
        return Source(1.0, 0.0, 0.0 - dx, 0.0, 1.0, 0.0 - dy)
    angle, *centre = moved.values
    cx, cy = centre or ((width - 1) / 2, (height - 1) / 2)
    c, s = _cosine_sine(angle)
    x0 = y0 = 0.0
    if moved.kind == "urotate":
        # The upper left corner of the box that holds the centres of all turned pixels.
        x0 = cx - (abs(c) * (width - 1) + abs(s) * (height - 1)) / 2
        y0 = cy - (abs(s) * (width - 1) + abs(c) * (height - 1)) / 2
    # Rows run downwards, so that turning counter-clockwise looks up what lies clockwise.
    return Source(c, 0.0 - s, cx - c * (cx - x0) + s * (cy - y0), s, c, cy - s * (cx - x0) - c * (cy - y0))


def _cosine_sine(degrees: float) -> tuple[float, float]:
    """Return cosine and sine, exact for quarter turns."""
    quarters, rest = divmod(degrees, 90.0)
    if rest == 0.0:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarters % 4)]
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def reach(moved: Moved, box: Box, height: int, width: int) -> Box:
    """Return the pixels that *box* may be made of, those standing in for places beyond the border included."""
    m = source(moved, height, width)
    corners = [(x, y) for x in (box.x0, box.x1 - 1) for y in (box.y0, box.y1 - 1)]
    xs = [m.xx * x + m.xy * y + m.tx for x, y in corners]
    ys = [m.yx * x + m.yy * y + m.ty for x, y in corners]
    around = 0 if m.exact else 2  # the cubic looks one pixel beyond the two nearest; one more for rounding
    return Box(
        math.floor(min(ys)) - around, math.floor(min(xs)) - around,
        math.ceil(max(ys)) + around + 1, math.ceil(max(xs)) + around + 1,
    )  # fmt: skip


def sampled(samples: Floats, origin: Box, moved: Moved, box: Box, height: int, width: int) -> Floats:
    """Return the pixels of *box*, made of *samples*, which are those of the box *origin* of the source."""
    out = np.empty((box.height, box.width))
    place = np.array(source(moved, height, width))
    _sample(np.ascontiguousarray(samples), origin.y0, origin.x0, height, width, place, box.y0, box.x0, out)
    return out


@_jit
def _sample(samples, oy, ox, height, width, m, y0, x0, out):  # type: ignore[no-untyped-def]
    row = np.empty(4, np.float64)
    column = np.empty(4, np.float64)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            x = m[0] * (x0 + j) + m[1] * (y0 + i) + m[2]
            y = m[3] * (x0 + j) + m[4] * (y0 + i) + m[5]
            if not (x >= -0.5 and x < width - 0.5 and y >= -0.5 and y < height - 0.5):
                out[i, j] = 0.0
                continue
            near_x = min(max(int(np.floor(x + 0.5)), 0), width - 1)
            near_y = min(max(int(np.floor(y + 0.5)), 0), height - 1)
            near = samples[near_y - oy, near_x - ox]
            bx, by = int(np.floor(x)), int(np.floor(y))
            fx, fy = x - bx, y - by
            if np.isnan(near) or (fx == 0.0 and fy == 0.0):
                out[i, j] = near
                continue
            for k in range(4):
                sy = min(max(by - 1 + k, 0), height - 1) - oy
                for q in range(4):
                    v = samples[sy, min(max(bx - 1 + q, 0), width - 1) - ox]
                    row[q] = near if np.isnan(v) else v
                column[k] = _cubic(row, fx)
            out[i, j] = _cubic(column, fy)


@_jit
def _cubic(p, f):  # type: ignore[no-untyped-def]
    """Return the clamped spline through four samples at the part *f* of the way from the second to the third."""
    f2, f3 = f * f, f * f * f
    c1, c2 = 1.5 * f3 - 2.5 * f2 + 1.0, -1.5 * f3 + 2.0 * f2 + 0.5 * f
    inner = p[1] * c1 + p[2] * c2
    outer = p[0] * (-0.5 * f3 + f2 - 0.5 * f) + p[3] * (0.5 * f3 - 0.5 * f2)
    return inner + outer if -outer < _CLAMPING * inner else inner / (c1 + c2)
