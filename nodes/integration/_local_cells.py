"""Cells of a fixed grid over an image, and what LocalNormalization learns of each from the pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame
from ._ranks import BINS, counted, median, ranked_middle

Floats = npt.NDArray[np.float64]

LEVEL, NOISE, SHARE, PRESENT = range(4)
"""Rows of what `levels` returns: median, 1.4826 MAD, parts of the cell's samples that counted and that are there."""
IMAGE, REFERENCE, COMMON, IMAGE_LIGHT, REFERENCE_LIGHT, LIT, DROPPED = range(7)
"""Rows of what `paired` returns: both medians, part of the samples in both, light of what stands out in both
and how many samples it covers, part of the samples left out."""

_THIN, _THICK = 2, 16
"""Of cells of sixteen rows or more every second row tells the sky, which is smoothed over nine cells or more."""

_STANDS_OUT = 5.0
_AROUND = 2
_ROUNDS, _CLIP = 2, 2.5


@dataclass(frozen=True, slots=True)
class Cells:
    """A grid of rows x columns cells of equal size, rounded to whole pixels, none larger than asked for."""

    height: int
    width: int
    rows: int
    columns: int

    @classmethod
    def of(cls, height: int, width: int, size: int) -> Cells:
        return cls(height, width, max(1, math.ceil(height / size)), max(1, math.ceil(width / size)))

    @property
    def step(self) -> tuple[float, float]:
        """Distance of cell centres in rows and columns."""
        return self.height / self.rows, self.width / self.columns

    def starting_in(self, box: Box) -> tuple[int, int]:
        """Return the first cell row that starts within the rows of *box*, and the one after the last."""
        edges = _edges(self.height, self.rows)[:-1]
        first, last = np.searchsorted(edges, (box.y0, box.y1))
        return int(first), int(last)

    def pixels(self, first: int, last: int) -> Box:
        """Return the pixels of cell rows first..last-1."""
        edges = _edges(self.height, self.rows)
        return Box(int(edges[first]), 0, int(edges[last]), self.width)

    def edges(self, first: int, last: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return where cell rows first..last-1 begin and end within their own pixels, and the columns."""
        ys = _edges(self.height, self.rows)[first : last + 1]
        return ys - ys[0], _edges(self.width, self.columns)


def limits(frame: Frame, low: float, high: float) -> tuple[float, float]:
    """Return the lowest and the highest sample that count: *low* and *high* of the range of *frame*."""
    lo, hi = frame.known_bounds()
    return lo + low * (hi - lo), lo + high * (hi - lo)


def _edges(length: int, parts: int) -> npt.NDArray[np.int64]:
    # Whole numbers throughout: no rounding that another machine could do otherwise.
    return np.arange(parts + 1, dtype=np.int64) * length // parts


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def levels(plane: Any, low: float, high: float, ys: Any, xs: Any) -> Any:
    """Return level, noise and shares of each cell, from the rows `_THIN` asks; samples outside low..high do not count.

    The median is taken again of what lies around it: else faint stars would raise the level by as many
    noises in a poor image as in a good one, and the ratio of the light above it would be wrong.
    """
    rows, columns = ys.size - 1, xs.size - 1
    found = np.full((4, rows, columns), np.nan)
    size = np.max(np.diff(ys)) * np.max(np.diff(xs)) + 1
    buffer, spare, room = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    bins = np.empty(BINS, np.int32)
    for i in range(rows):
        for j in range(columns):
            n = present = 0
            height = ys[i + 1] - ys[i]
            step = _THIN if height >= _THICK else 1
            for y in range(ys[i], ys[i + 1], step):
                for x in range(xs[j], xs[j + 1]):
                    v = plane[y, x]
                    finite = np.isfinite(v)
                    present += finite
                    buffer[n] = v  # perhaps overwritten by the next
                    n += finite & (v >= low) & (v <= high)
            area = (height + step - 1) // step * (xs[j + 1] - xs[j])
            found[2, i, j], found[3, i, j] = n / area, present / area
            if n == 0:
                continue
            first, scale = counted(buffer, n, bins, room)
            level = ranked_middle(buffer, n, first, scale, bins, room, (n - 1) // 2, n // 2)
            for k in range(n):
                spare[k] = abs(buffer[k] - level)
            noise = 1.4826 * median(spare, n, bins, room)
            found[0, i, j], found[1, i, j] = _again(buffer, n, level, noise, bins, room), noise
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _again(v: Any, n: Any, level: Any, noise: Any, bins: Any, room: Any) -> Any:
    """Return the median of what lies around *level*, found again; the first *n* of *v* become what was left."""
    for _ in range(_ROUNDS):
        kept = 0
        for k in range(n):
            x = v[k]
            v[kept] = x
            kept += abs(x - level) <= _CLIP * noise
        if kept == n:
            break
        n = kept
        level = median(v, n, bins, room)
    return level


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def paired(image: Any, reference: Any, limits: Any, sky: Any, thresholds: Any, lit: Any, ys: Any, xs: Any) -> Any:
    """Return what each cell tells of samples that count in both planes; rows as `IMAGE` .. `DROPPED` say.

    With *lit*, every row is asked for the light of what stands out; without, the rows `_THIN` asks tell the medians.

    *limits* are the lowest and highest sample of the image, then of the reference; *sky* the level and noise
    of the image's cells, then of the reference's. A sample of the image more than thresholds[0] noises above its
    level is left out where that of the reference is not thresholds[1] noises above its own; and the other way
    round with thresholds[2] (reference) and [0] (image).
    """
    rows, columns = ys.size - 1, xs.size - 1
    found = np.full((7, rows, columns), np.nan)
    size = np.max(np.diff(ys)) * np.max(np.diff(xs)) + 1
    first, second, room = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    bins = np.empty(BINS, np.int32)
    near = _lit(image, reference, limits, sky, ys, xs) if lit else np.zeros((1, 1), np.bool_)
    for i in range(rows):
        height = ys[i + 1] - ys[i]
        step = _THIN if height >= _THICK and not lit else 1
        for j in range(columns):
            n = dropped = shone = 0
            a, b = sky[0, i, j], sky[2, i, j]
            sa, sb = sky[1, i, j], sky[3, i, j]
            light_a = light_b = 0.0
            for y in range(ys[i], ys[i + 1], step):
                for x in range(xs[j], xs[j + 1]):
                    v, w = image[y, x], reference[y, x]
                    if not _counts(v, w, limits):
                        continue
                    if lit and near[y, x]:
                        light_a += v - a
                        light_b += w - b
                        shone += 1
                    alone = v > a + thresholds[0] * sa and not w > b + thresholds[1] * sb
                    if alone or (w > b + thresholds[2] * sb and not v > a + thresholds[0] * sa):
                        dropped += 1
                        continue
                    first[n], second[n] = v, w
                    n += 1
            area = (height + step - 1) // step * (xs[j + 1] - xs[j])
            found[2, i, j] = n / area
            found[3, i, j], found[4, i, j], found[5, i, j] = light_a, light_b, shone
            found[6, i, j] = dropped / area
            if n > 0:
                found[0, i, j], found[1, i, j] = median(first, n, bins, room), median(second, n, bins, room)
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _counts(v: Any, w: Any, limits: Any) -> Any:
    inside = v >= limits[0] and v <= limits[1] and w >= limits[2] and w <= limits[3]
    return inside and np.isfinite(v) and np.isfinite(w)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _lit(image: Any, reference: Any, limits: Any, sky: Any, ys: Any, xs: Any) -> Any:
    """Return which samples lie within two of one that stands out in both planes."""
    height, width = image.shape
    near = np.zeros((height, width), np.bool_)
    for i in range(ys.size - 1):
        for j in range(xs.size - 1):
            least_a = sky[0, i, j] + _STANDS_OUT * sky[1, i, j]
            least_b = sky[2, i, j] + _STANDS_OUT * sky[3, i, j]
            for y in range(ys[i], ys[i + 1]):
                for x in range(xs[j], xs[j + 1]):
                    v, w = image[y, x], reference[y, x]
                    if v > least_a and w > least_b and _counts(v, w, limits):
                        y0, y1 = max(0, y - _AROUND), min(height, y + _AROUND + 1)
                        near[y0:y1, max(0, x - _AROUND) : min(width, x + _AROUND + 1)] = True
    return near
