"""Eclipses and transits: the depth of a box at a known ephemeris, against boxes at other phases.

The noise of a depth is that of the same box where no eclipse is: slow drifts and what else is not white are in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ._conclude import (
    CLIPPED,
    EVIDENCE,
    FIGURES,
    FREQUENCY,
    MASKED,
    MEAN,
    ORDER,
    OWN,
    POWER,
    RAW,
    RAW_ERROR,
    REPAIR,
    STATISTIC,
    USED,
)  # fmt: skip
from ._design import orthonormal
from ._lockin import Sums
from ._significance import student_log10

Floats = npt.NDArray[np.float64]

SIDES = 40
"""Boxes at other phases."""
CLEAR = 1.5
"""How many durations away they begin."""


def inside(seconds: Floats, period: float, middle: float, duration: float) -> npt.NDArray[np.bool_]:
    """Return which times fall into the box of *duration* about *middle*, all in seconds."""
    phase = np.mod(seconds - middle + 0.5 * period, period) - 0.5 * period
    return np.asarray(np.abs(phase) < 0.5 * duration, np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """The columns of boxes: the wanted one first, then those at other phases.

    Attributes
    ----------
    roots, nuisance
        As of a design.
    boxes
        ``(1 + m, N)``: each orthogonal to *nuisance* and of norm 1; not to each other.
    norms
        ``(1 + m,)``: a depth times its norm has the noise of one sample of weight 1.
    freedom
        Degrees of freedom of the mean of the squared side depths.
    """

    roots: Floats
    nuisance: Floats
    boxes: Floats
    norms: Floats
    freedom: float

    def columns(self) -> Floats:
        """Return ``(1 + J + 1 + m, N)``: nuisance and boxes as sums over samples want them."""
        return np.ascontiguousarray(np.concatenate([self.nuisance, self.boxes]) * self.roots)


def boxes(
    seconds: Floats, roots: Floats, nuisance: Floats, period: float, middle: float, duration: float
) -> Boxes | None:
    """Return the columns of a box of *duration* about *middle* and of its side boxes; None where no frame lies in it.

    Side boxes that overlap tell the same noise twice, so *freedom* counts only as many as fit side by side.
    """
    free = period - 2.0 * CLEAR * duration
    shifts = CLEAR * duration + free * np.arange(SIDES) / (SIDES - 1)
    rows, norms = [], []
    for shift in (0.0, *shifts):
        column = inside(seconds, period, middle + shift, duration).astype(np.float64) * roots
        basis, triangle, kept = orthonormal(column[None], nuisance, least=0.1)
        if kept.all():
            rows.append(basis[0])
            norms.append(float(triangle[0, 0]))
        elif shift == 0.0:
            return None
    freedom = min(len(rows) - 1.0, math.floor(free / duration) + 1.0)
    return Boxes(roots=roots, nuisance=nuisance, boxes=np.array(rows), norms=np.array(norms), freedom=float(freedom))


def conclude_boxes(sums: Sums, plan: Boxes, period: float, local: bool = True) -> tuple[Floats, Floats]:
    """Return the figures of every pixel, in the rows of `_conclude.conclude`, and depth and phase, as waves.

    RAW is the depth (brighter outside than inside is positive), STATISTIC the depth over its error, which the side
    boxes tell where *local*, else the residuals. Phase is 0: the middle of the box is given.
    """
    frames, j1 = sums.frames, len(plan.nuisance)
    lost = np.bitwise_count(sums.bad).sum(axis=0, dtype=np.int64)
    squares = sums.squares - _sum_of_squares(sums.sums[:j1])
    depths = -sums.sums[j1:].copy()
    scale = np.ones(len(lost))
    for p in np.nonzero((lost > OWN * frames) & (lost <= MASKED * frames))[0]:
        squares[p], depths[:, p], scale[p] = _own(sums, plan, int(p))
    figures, waves = np.full((FIGURES, len(lost)), np.nan), np.full((2, len(lost)), np.nan)
    figures[USED], figures[CLIPPED] = 1.0 - lost / frames, (lost - sums.missing) / frames
    freedom = np.where(local, plan.freedom, frames - lost - j1 - 1.0)
    if local:
        noise = np.sqrt(_sum_of_squares(depths[1:]) / (len(depths) - 1))
    else:
        noise = np.sqrt(np.maximum(squares - depths[0] ** 2, 0.0) / np.maximum(freedom, 1.0))
    varies = (squares > 1e-12 * sums.squares) & (noise > 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        figures[STATISTIC] = np.where(varies, depths[0] / noise, 0.0)
        figures[POWER] = np.where(varies, np.minimum(depths[0] ** 2 / squares, 1.0), 0.0)
    figures[RAW], figures[RAW_ERROR] = depths[0] / (plan.norms[0] * scale), noise / (plan.norms[0] * scale)
    figures[EVIDENCE] = np.maximum(student_log10(figures[STATISTIC], freedom), 0.0)
    figures[MEAN] = sums.pedestal + sums.sums[0] / math.sqrt(float((plan.roots**2).sum()))
    figures[FREQUENCY], figures[ORDER] = 1.0 / period, 1.0
    with np.errstate(divide="ignore"):
        figures[REPAIR] = np.where(lost > OWN * frames, 1.0, 1.0 / (1.0 - lost / frames))
    waves[0], waves[1] = figures[RAW], 0.0
    given_up = lost > MASKED * frames
    waves[:, given_up] = np.nan
    for row in range(FIGURES):
        if row not in (USED, CLIPPED):
            figures[row, given_up] = np.nan
    return figures, waves


def _sum_of_squares(rows: Floats) -> Floats:
    """Add the squares of rows one after the other, whatever the number of pixels."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total += row * row
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _gram(rows: Any, bad: Any, out: Any) -> None:
    """Write the products of all *rows* over the frames that are not bad."""
    for a in range(rows.shape[0]):
        for b in range(a + 1):
            s = 0.0
            for i in range(rows.shape[1]):
                if not bad[i]:
                    s += rows[a, i] * rows[b, i]
            out[a, b] = out[b, a] = s


def _own(sums: Sums, plan: Boxes, p: int) -> tuple[float, Floats, float]:
    """Return residual square sum, depths in unit noise and the first one's loss of norm of a pixel with many bad
    frames, by equations of its own."""
    j1 = len(plan.nuisance)
    bad = np.unpackbits(np.ascontiguousarray(sums.bad[:, p]), bitorder="little")[: sums.frames]
    gram = np.empty((j1 + len(plan.boxes),) * 2)
    _gram(np.concatenate([plan.nuisance, plan.boxes]), bad, gram)
    slow = np.linalg.solve(gram[:j1, :j1], np.column_stack([sums.sums[:j1, p], gram[:j1, j1:]]))
    left = np.maximum(np.diag(gram)[j1:] - (gram[j1:, :j1] * slow[:, 1:].T).sum(1), 1e-12)
    found = (sums.sums[j1:, p] - gram[j1:, :j1] @ slow[:, 0]) / np.sqrt(left)
    return float(sums.squares[p] - sums.sums[:j1, p] @ slow[:, 0]), -found, float(np.sqrt(left[0]))


# -- slow trends ------------------------------------------------------------------------------------


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _running(values: Any, low: Any, high: Any, out: Any) -> None:
    """Write the median of ``values[low[i]:high[i]]``, whose ends only rise, leaving out what is not finite."""
    held = np.empty(len(values), np.float32)
    count, begin, end = 0, 0, 0
    for i in range(len(values)):
        while end < high[i]:
            x = values[end]
            end += 1
            if np.isfinite(x):
                at = np.searchsorted(held[:count], x)
                for e in range(count, at, -1):
                    held[e] = held[e - 1]
                held[at] = x
                count += 1
        while begin < low[i]:
            x = values[begin]
            begin += 1
            if np.isfinite(x):
                at = np.searchsorted(held[:count], x)
                for e in range(at, count - 1):
                    held[e] = held[e + 1]
                count -= 1
        out[i] = np.nan if count == 0 else 0.5 * (held[(count - 1) // 2] + held[count // 2])


def without_running_median(samples: Any, seconds: Floats, width: float) -> npt.NDArray[np.float32]:
    """Return *samples* ``(N, pixels)`` less their running median over *width* seconds, plus each pixel's median.

    It takes something of a dip, too: about its duration over *width*.
    """
    low = np.searchsorted(seconds, seconds - 0.5 * width, "left")
    high = np.searchsorted(seconds, seconds + 0.5 * width, "right")
    made = np.empty(samples.shape, np.float32)
    trend = np.empty(len(seconds))
    for p in range(samples.shape[1]):
        series = np.ascontiguousarray(samples[:, p], np.float32)
        _running(series, low, high, trend)
        finite = series[np.isfinite(series)]
        made[:, p] = series - trend + (np.median(finite) if len(finite) else np.nan)
    return made
