"""Search over many frequencies: every pixel's power on a grid, by a product of matrices.

All frames of the pixels are at hand. Frequencies come in blocks, whose columns are made once for all pixels; for
each pixel only the best trial is kept, with its two neighbours for a parabola. The noise about a frequency is the
mean power at ``f +- k/T`` on the same grid, less what the fit at f itself puts there. Pixels of which many frames are
bad are searched by equations of their own (`_search_own`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ._conclude import CLIPPED, FIGURES, MASKED, OWN, USED, Shape, _written
from ._search_own import search_own, turned
from ._significance import beta_log10

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.uint8]

FREQUENCIES = 1024
"""Trials of a block."""
PIXELS = 64
"""Pixels whose samples of all frames are taken at once: those of 600 frames fit the second cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Trial frequencies ``first + i step`` for 0 <= i < count, and how they are judged.

    Attributes
    ----------
    first, step
        In hertz.
    count
        How many are tried.
    stride
        Steps of one resolution 1/T, so that side frequencies are multiples of it away; 0: judge by the residuals.
    sides
        Teeth of the comb of side frequencies.
    lowest
        Side frequencies below are left out.
    harmonics
        How many are fitted.
    """

    first: float
    step: float
    count: int
    stride: int
    sides: int
    lowest: float
    harmonics: int = 1

    @property
    def margin(self) -> int:
        """How many steps beyond a trial its side frequencies reach."""
        return self.stride * (1 + self.sides // 2)

    def frequencies(self) -> Floats:
        """Return all trial frequencies."""
        return np.asarray(self.first + self.step * np.arange(self.count), np.float64)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _columns(first: float, step: float, seconds: Any, t0: float, harmonics: int, roots: Any, nuisance: Any, out: Any,
             triangles: Any, usable: Any) -> None:  # fmt: skip
    """Write orthonormal harmonic columns of each frequency, scaled by root weights for sums over plain samples."""
    n = len(seconds)
    for k in range(out.shape[0]):
        f = first + k * step
        usable[k] = f > 0.0
        for r in range(2 * harmonics):
            row = out[k, r]
            before = 0.0
            for i in range(n):
                cycle = (seconds[i] - t0) * f * (r // 2 + 1)
                angle = 2.0 * np.pi * (cycle - np.floor(cycle))
                row[i] = (math.cos(angle) if r % 2 == 0 else math.sin(angle)) * roots[i]
                before += row[i] * row[i]
            for _ in range(2):
                for j in range(nuisance.shape[0]):
                    _without(row, nuisance[j])
                for e in range(r):
                    triangles[k, e, r] += _without(row, out[k, e])
            after = 0.0
            for i in range(n):
                after += row[i] * row[i]
            usable[k] = usable[k] and after > 1e-6 * before and before > 0.0
            triangles[k, r, r] = np.sqrt(after)
            scale = 1.0 / triangles[k, r, r] if usable[k] else 0.0
            for i in range(n):
                row[i] *= scale


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _without(row: Any, other: Any) -> float:
    """Take the unit row *other* out of *row*; return how much of it there was."""
    product = 0.0
    for i in range(len(row)):
        product += row[i] * other[i]
    for i in range(len(row)):
        row[i] -= product * other[i]
    return product


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _overlaps(columns: Any, start: int, stop: int, offsets: Any, usable: Any, out: Any) -> None:
    """Write the products of the columns of each trial with those of its side frequencies."""
    h2, n = columns.shape[1], columns.shape[2]
    for k in range(start, stop):
        for s in range(len(offsets)):
            at = k + offsets[s]
            if at < 0 or at >= len(usable) or not usable[at]:
                continue
            for a in range(h2):
                for b in range(h2):
                    product = 0.0
                    for i in range(n):
                        product += columns[k, a, i] * columns[at, b, i]
                    out[k - start, s, a, b] = product


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _product(columns: Any, samples: Any, out: Any) -> None:
    """Write ``columns @ samples``: ``(rows, N)`` with N a multiple of 4, times ``(N, pixels)``; rows are even.

    Every element is summed frame after frame, whatever stands beside it.
    """
    n, width = samples.shape
    for r in range(0, columns.shape[0], 2):
        a, b = out[r], out[r + 1]
        for p in range(width):
            a[p] = 0.0
            b[p] = 0.0
        for c in range(0, n, 4):
            x0, x1, x2, x3 = columns[r, c], columns[r, c + 1], columns[r, c + 2], columns[r, c + 3]
            y0, y1, y2, y3 = columns[r + 1, c], columns[r + 1, c + 1], columns[r + 1, c + 2], columns[r + 1, c + 3]
            for p in range(width):
                v0, v1, v2, v3 = samples[c, p], samples[c + 1, p], samples[c + 2, p], samples[c + 3, p]
                s = a[p]
                s += x0 * v0
                s += x1 * v1
                s += x2 * v2
                s += x3 * v3
                a[p] = s
                s = b[p]
                s += y0 * v0
                s += y1 * v1
                s += y2 * v2
                s += y3 * v3
                b[p] = s


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _gains(products: Any, h2: int, out: Any) -> None:
    for k in range(out.shape[0]):
        for p in range(out.shape[1]):
            out[k, p] = 0.0
        for r in range(h2):
            row = products[k * h2 + r]
            for p in range(out.shape[1]):
                out[k, p] += row[p] * row[p]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _side_noise(
    products: Any, k: int, start: int, h2: int, offsets: Any, usable: Any, overlaps: Any, noise: Any
) -> float:
    """Write the summed power of the side frequencies of trial *k*, less what the trial's own fit gives there.

    Returns the degrees of freedom of the sum.
    """
    for p in range(len(noise)):
        noise[p] = 0.0
    freedom = 0.0
    for s in range(len(offsets)):
        at = k + offsets[s]
        if at < 0 or at >= len(usable) or not usable[at]:
            continue
        for b in range(h2):
            row = products[at * h2 + b]
            left = 1.0
            for a in range(h2):
                left -= overlaps[k - start, s, a, b] ** 2
            freedom += left
            if h2 == 2:
                c0, c1 = overlaps[k - start, s, 0, b], overlaps[k - start, s, 1, b]
                q0, q1 = products[k * h2], products[k * h2 + 1]
                for p in range(len(noise)):
                    d = row[p] - c0 * q0[p] - c1 * q1[p]
                    noise[p] += d * d
                continue
            for p in range(len(noise)):
                d = row[p]
                for a in range(h2):
                    d -= overlaps[k - start, s, a, b] * products[k * h2 + a, p]
                noise[p] += d * d
    return freedom


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _kept(
    products: Any, gains: Any, start: int, stop: int, first_trial: int, h2: int, residual: Any, freedom: float,
    offsets: Any, usable: Any, overlaps: Any, triangles: Any, best: Any, best_q: Any, best_triangle: Any,
) -> None:  # fmt: skip
    """Compare the trials of a block with the best so far of each pixel, and keep what wins.

    *best* ``(7, pixels)``: evidence, trial, power, statistic, variance, and the gains of both neighbours.
    """
    width = gains.shape[1]
    noise = np.empty(width)
    for k in range(start, stop):
        if not usable[k]:
            continue
        free = _side_noise(products, k, start, h2, offsets, usable, overlaps, noise) if len(offsets) else 0.0
        for p in range(width):
            r0, gain = residual[p], gains[k, p]
            if not r0 > 0.0 or (len(offsets) and not (free >= 8.0 * h2 and noise[p] > 0.0)):
                continue
            power = min(gain / r0, 1.0)
            if len(offsets):
                variance = noise[p] / free
                evidence = beta_log10(gain / (gain + noise[p]), h2 // 2, free)
            else:
                variance = max(r0 - gain, 1e-300) / freedom
                evidence = beta_log10(power, h2 // 2, freedom)
            if evidence > best[0, p]:
                best[0, p], best[1, p], best[2, p] = evidence, first_trial + k - start, power
                best[3, p], best[4, p] = gain / h2 / variance, variance
                best[5, p] = gains[k - 1, p] if k > 0 else np.nan
                best[6, p] = gains[k + 1, p] if k + 1 < len(usable) else np.nan
                for r in range(h2):
                    best_q[r, p] = products[k * h2 + r, p]
                    for c in range(h2):
                        best_triangle[r, c, p] = triangles[k, r, c]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _concluded(
    shape: Any, first: float, step: float, best: Any, best_q: Any, best_triangle: Any, mean: Any, lost: Any,
    frames: int, figures: Any, waves: Any,
) -> None:  # fmt: skip
    h2 = 2 * shape.harmonics
    inverse, a, out, told, gains = np.zeros((h2, h2)), np.zeros(h2), np.zeros(4), np.zeros(3), np.zeros(3)
    near = np.zeros(3)
    for p in range(best.shape[1]):
        if best[0, p] < 0.0 or lost[p] > MASKED * frames:
            continue
        told[0], told[1], told[2] = best[2, p], best[3, p], best[4, p]
        gains[0], gains[2] = best[5, p], best[6, p]
        gains[1] = 0.0
        for r in range(h2):
            gains[1] += best_q[r, p] ** 2
        for e in range(3):
            near[e] = first + (best[1, p] + e - 1) * step
        _written(p, shape, 1, best[0, p], shape.harmonics, best_q[:, p], told, best_triangle[:, :, p], inverse, gains,
                 near, a, out, lost[p] > OWN * frames, lost[p], frames, mean[p], figures, waves)  # fmt: skip


def search(
    samples: npt.NDArray[np.float32], lost: npt.NDArray[np.int64], missing: npt.NDArray[np.int32], pedestal: Any,
    seconds: Floats, t0: float, roots: Floats, nuisance: Floats, grid: Grid, bad: Bits | None = None,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return the figures of every pixel at its best frequency, as `_conclude.conclude` does.

    Parameters
    ----------
    samples
        ``(N, pixels)`` above *pedestal*, zero where a frame is bad.
    lost, missing
        ``(pixels,)``: how many frames are bad; how many of them missing.
    seconds, t0, roots, nuisance
        Times, time of phase zero, root weights and the orthonormal nuisance rows.
    bad
        ``(ceil(N / 8), pixels)``, bits: which frames are bad, as `Sums` has them; None where none is.
    """
    n, pixels = samples.shape
    h2 = 2 * grid.harmonics
    weights = roots**2
    middle = float((weights * seconds).sum() / weights.sum()) - t0
    span = float(seconds.max() - seconds.min())
    shape = Shape(len(nuisance), 3, grid.harmonics, grid.stride > 0, False, span, middle)
    best = np.full((7, pixels), -1.0)
    best_q, best_triangle = np.zeros((h2, pixels)), np.zeros((h2, h2, pixels))
    slow, squares = _slow_terms(samples, roots, nuisance)
    residual = squares.copy()
    for row in slow:
        residual -= row * row
    residual[~(residual > 1e-12 * squares)] = 0.0
    own = (lost > OWN * n) & (lost <= MASKED * n)
    residual[own] = 0.0  # they are searched apart
    apart = _Apart(own, np.zeros((0, pixels), np.uint8) if bad is None else bad, slow, squares)
    for begin in range(0, grid.count, FREQUENCIES):
        block = _block(seconds, t0, roots, nuisance, grid, begin)
        _search_block(samples, roots, nuisance, block, begin, residual, apart, best, best_q, best_triangle)
    best[0, (best[0] < 0.0) & (lost <= MASKED * n)] = 0.0  # nothing varies: no trial is better than another
    best[2:5, best[1] < 0.0] = 0.0
    best[1, best[1] < 0.0] = 0.0
    figures, waves = np.full((FIGURES, pixels), np.nan), np.full((h2, pixels), np.nan)
    figures[USED], figures[CLIPPED] = 1.0 - lost / n, (lost - missing) / n
    mean = pedestal + slow[0] / math.sqrt(float(weights.sum()))
    _concluded(shape, grid.first, grid.step, best, best_q, best_triangle, mean, lost, n, figures, waves)
    return figures, waves


def _slow_terms(samples: Any, roots: Floats, nuisance: Floats) -> tuple[Floats, Floats]:
    """Return the products of each pixel with the nuisance rows, and its weighted square sum, frame after frame."""
    slow, squares = np.zeros((len(nuisance), samples.shape[1])), np.zeros(samples.shape[1])
    for i, row in enumerate(samples):
        scaled = row * roots[i]
        squares += scaled * scaled
        for j in range(len(nuisance)):
            slow[j] += nuisance[j, i] * scaled
    return slow, squares


@dataclass(frozen=True, slots=True)
class _Block:
    """The columns of a block of frequencies and of those around it; trials are start .. stop."""

    rows: Floats
    triangles: Floats
    usable: npt.NDArray[np.bool_]
    overlaps: Floats
    offsets: npt.NDArray[np.int64]
    start: int
    stop: int


def _block(seconds: Floats, t0: float, roots: Floats, nuisance: Floats, grid: Grid, begin: int) -> _Block:
    end = min(begin + FREQUENCIES, grid.count)
    margin, h2 = max(grid.margin, 1), 2 * grid.harmonics
    size = end - begin + 2 * margin
    first = grid.first + (begin - margin) * grid.step
    columns, triangles = np.empty((size, h2, len(seconds))), np.zeros((size, h2, h2))
    usable = np.zeros(size, np.bool_)
    _columns(first, grid.step, seconds, t0, grid.harmonics, roots, nuisance, columns, triangles, usable)
    around = grid.stride * np.array([s * k for k in range(2, 2 + grid.sides // 2) for s in (-1, 1)], np.int64)
    offsets = around if grid.stride else np.zeros(0, np.int64)
    overlaps = np.zeros((end - begin, len(offsets), h2, h2))
    # The lowest frequencies carry what is left of slow terms; they are no noise of others.
    for_noise = usable & (first + grid.step * np.arange(size) >= grid.lowest)
    _overlaps(columns, margin, margin + end - begin, offsets, for_noise, overlaps)
    rows = np.zeros((size * h2, len(seconds) + -len(seconds) % 4))
    rows[:, : len(seconds)] = columns.reshape(size * h2, -1) * roots
    good = for_noise if grid.stride else usable
    return _Block(rows, triangles, good, overlaps, offsets, margin, margin + end - begin)


@dataclass(frozen=True, slots=True)
class _Apart:
    """Which pixels get equations of their own; bad frames, nuisance sums and square sums of all pixels."""

    own: npt.NDArray[np.bool_]
    bad: Bits
    slow: Floats
    squares: Floats


def _search_block(
    samples: Any, roots: Floats, nuisance: Floats, block: _Block, begin: int, residual: Floats, apart: _Apart,
    best: Floats, best_q: Floats, best_triangle: Floats,
) -> None:  # fmt: skip
    h2, n = len(best_q), len(roots)
    freedom = float(n - len(nuisance) - h2)
    products = np.empty((len(block.rows), PIXELS))
    gains = np.empty((len(block.rows) // h2, PIXELS))
    padded = np.zeros((block.rows.shape[1], PIXELS))
    columns = turned(block.rows, roots, h2 // 2) if apart.own.any() else None
    for p in range(0, samples.shape[1], PIXELS):
        width = min(PIXELS, samples.shape[1] - p)
        padded[:n, :width] = samples[:, p : p + width]
        _product(block.rows, padded, products)
        _gains(products, h2, gains)
        here = slice(p, p + width)
        _kept(products[:, :width], gains[:, :width], block.start, block.stop, begin, h2, residual[here], freedom,
              block.offsets, block.usable, block.overlaps, block.triangles, best[:, here], best_q[:, here],
              best_triangle[:, :, here])  # fmt: skip
        for e in np.nonzero(apart.own[here])[0] + p:
            search_own(
                apart.bad[:, e], n, nuisance, columns, apart.slow[:, e], apart.squares[e], products[:, e - p],
                block.start, block.stop, begin, block.offsets, block.usable, block.overlaps, block.triangles,
                best[:, e], best_q[:, e], best_triangle[:, :, e],
            )  # fmt: skip


def powers(
    values: Floats, seconds: Floats, roots: Floats, nuisance: Floats, frequencies: Floats, harmonics: int = 1
) -> Floats:
    """Return the power of one series at evenly spaced *frequencies*: the part of the residuals, with nothing but the
    nuisance terms fitted, that H harmonics explain; of H = 1 the floating-mean Lomb-Scargle periodogram."""
    step = float(frequencies[1] - frequencies[0]) if len(frequencies) > 1 else 1.0
    grid = Grid(first=float(frequencies[0]), step=step, count=len(frequencies), stride=0, sides=0, lowest=0.0,
                harmonics=harmonics)  # fmt: skip
    v = (values - np.median(values))[:, None]
    slow, squares = _slow_terms(v, roots, nuisance)
    residual = squares[0] - (slow * slow).sum()
    found = []
    for begin in range(0, grid.count, FREQUENCIES):
        block = _block(seconds, 0.0, roots, nuisance, grid, begin)
        padded = np.zeros((block.rows.shape[1], 1))
        padded[: len(v)] = v
        products = np.empty((len(block.rows), 1))
        _product(block.rows, padded, products)
        gain = (products.reshape(-1, 2 * harmonics) ** 2).sum(1)
        found.append(gain[block.start : block.stop])
    return np.asarray(np.concatenate(found) / residual, np.float64)
