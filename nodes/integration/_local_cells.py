"""Cells of a fixed grid over an image, and what LocalNormalization learns of each from the pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame
from ._ranks import BINS, counted, deviation, median, ranked_middle

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
    buffer, room = np.empty(size, np.float32), np.empty(size, np.float32)
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
            noise = 1.4826 * deviation(buffer, n, level, first, scale, bins, room)
            found[0, i, j], found[1, i, j] = _again(buffer, n, level, noise, first, scale, bins, room), noise
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _again(v: Any, n: Any, level: Any, noise: Any, first: Any, scale: Any, bins: Any, room: Any) -> Any:
    """Return the median of what lies around *level*, found again; `counted` has seen the first *n* of *v*.

    What is left are neighbours in order, so their ranks among all samples lead to their median.
    """
    most, before, left = _CLIP * noise, level, n
    for _ in range(_ROUNDS):
        kept, below = _near(v, n, level, before, most)
        if kept == left or kept == 0:
            break
        left, before = kept, level
        level = ranked_middle(v, n, first, scale, bins, room, below + (kept - 1) // 2, below + kept // 2)
    return level


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _near(v: Any, n: Any, level: Any, before: Any, most: Any) -> Any:
    """Return how many of the first *n* of *v* lie within *most* of both levels, and how many lie below those."""
    near, below = n, 0
    for k in range(n):
        x = v[k]
        far = (abs(x - level) > most) | (abs(x - before) > most)
        near -= far
        below += (x < level) & far
    return near, below


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
    bins, keep = np.empty(BINS, np.int32), np.empty(np.max(np.diff(xs)), np.uint8)
    near = _lit(image, reference, limits, sky, ys, xs) if lit else np.zeros((1, 1), np.bool_)
    for i in range(rows):
        height = ys[i + 1] - ys[i]
        step = _THIN if height >= _THICK and not lit else 1
        for j in range(columns):
            a, b = sky[0, i, j], sky[2, i, j]
            bright_a = a + thresholds[0] * sky[1, i, j]
            faint_b, bright_b = b + thresholds[1] * sky[3, i, j], b + thresholds[2] * sky[3, i, j]
            n = dropped = 0
            for y in range(ys[i], ys[i + 1], step):
                row, other = image[y, xs[j] : xs[j + 1]], reference[y, xs[j] : xs[j + 1]]
                dropped += _sorted_out(row, other, limits, bright_a, bright_b, faint_b, keep)
                n = _kept(row, other, keep, first, second, n)
            area = (height + step - 1) // step * (xs[j + 1] - xs[j])
            found[2, i, j], found[6, i, j] = n / area, dropped / area
            if lit:
                box = slice(ys[i], ys[i + 1]), slice(xs[j], xs[j + 1])
                found[3, i, j], found[4, i, j], found[5, i, j] = _light(
                    image[box], reference[box], near[box], limits, a, b
                )
            else:
                found[3:6, i, j] = 0.0
            if n > 0:
                found[0, i, j], found[1, i, j] = median(first, n, bins, room), median(second, n, bins, room)
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sorted_out(row: Any, other: Any, limits: Any, bright: Any, bright_other: Any, faint_other: Any, keep: Any) -> Any:
    """Tell which samples of two rows are kept; return how many are left out as bright in one of them alone."""
    least, most, other_least, other_most = limits[0], limits[1], limits[2], limits[3]
    left_out = 0
    for x in range(row.size):
        v, w = row[x], other[x]
        counts = _counts(v, w, least, most, other_least, other_most)
        shines = v > bright
        alone = (shines & ((w > faint_other) ^ True)) | ((w > bright_other) & (shines ^ True))
        keep[x] = counts & (alone ^ True)
        left_out += counts & alone
    return left_out


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _kept(row: Any, other: Any, keep: Any, first: Any, second: Any, n: Any) -> Any:
    """Add the samples to keep to the *n* of *first* and *second*; return how many there are then."""
    for x in range(row.size):
        first[n], second[n] = row[x], other[x]  # perhaps overwritten by the next
        n += keep[x]
    return n


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _light(image: Any, reference: Any, near: Any, limits: Any, a: Any, b: Any) -> Any:
    """Return the light above the levels *a* and *b* of the samples of both planes that are *near*, and their number."""
    light_a = light_b = 0.0
    n = 0
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            v, w = image[y, x], reference[y, x]
            if near[y, x] and _counts(v, w, limits[0], limits[1], limits[2], limits[3]):
                light_a += v - a
                light_b += w - b
                n += 1
    return light_a, light_b, n


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _counts(v: Any, w: Any, least: Any, most: Any, other_least: Any, other_most: Any) -> Any:
    # One after the other would be four branches a sample.
    inside = (v >= least) & (v <= most) & (w >= other_least) & (w <= other_most)
    return inside & np.isfinite(v) & np.isfinite(w)


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
                    if v > least_a and w > least_b and _counts(v, w, limits[0], limits[1], limits[2], limits[3]):
                        y0, y1 = max(0, y - _AROUND), min(height, y + _AROUND + 1)
                        near[y0:y1, max(0, x - _AROUND) : min(width, x + _AROUND + 1)] = True
    return near
