"""From sums over frames to what each pixel does at a period: amplitude, phase, errors and significance.

The samples of bad frames, which entered the sums as the pixel's median, keep one design for all pixels. Where more
than a twentieth was bad, a pixel gets normal equations of its own: those of all frames less what the bad ones gave.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ._design import Design
from ._lockin import Sums
from ._significance import beta_log10, fisher_log10, local_ln

Floats = npt.NDArray[np.float64]

OWN, MASKED = 0.05, 0.30
"""Parts of bad frames above which a pixel gets equations of its own, and is given up."""
_SINGULAR = 1e-6

MEAN, RAW, RAW_ERROR, PHASE, PHASE_ERROR, POWER, STATISTIC, EVIDENCE = range(8)
USED, CLIPPED, FREQUENCY, FREQUENCY_ERROR, REPAIR, ORDER = range(8, 14)
FIGURES = 14
"""Rows of what `conclude` returns; EVIDENCE is -log10 p of the best trial alone, REPAIR the factor that samples
replaced by medians took from amplitudes, ORDER the number of harmonics."""


class Shape(NamedTuple):
    """The sizes of a fit, and how it is judged."""

    nuisance: int
    trials: int
    harmonics: int
    local: bool
    choose: bool
    span: float
    middle: float


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _whitened(
    bad: Any, p: int, frames: int, k: int, nuisance: Any, harmonics: Any, sides: Any, z: Any, lower: Any
) -> bool:
    """Make *z* (sums) those of columns that are orthonormal without the bad frames; *lower* is their Cholesky factor.

    Returns whether the frames that are left tell the columns apart.
    """
    j1, h2, n_sides = nuisance.shape[0], harmonics.shape[1], sides.shape[0]
    size = j1 + h2 + n_sides
    row = np.empty(size)
    for r in range(size):
        for c in range(r + 1):
            lower[r, c] = 1.0 if r == c else 0.0
    for i in range(frames):
        if not (bad[i // 8, p] >> (i % 8)) & 1:
            continue
        for r in range(j1):
            row[r] = nuisance[r, i]
        for r in range(h2):
            row[j1 + r] = harmonics[k, r, i]
        for r in range(n_sides):
            row[j1 + h2 + r] = sides[r, i]
        for r in range(size):
            for c in range(r + 1):
                lower[r, c] -= row[r] * row[c]
    for r in range(size):
        for c in range(r + 1):
            s = lower[r, c]
            for e in range(c):
                s -= lower[r, e] * lower[c, e]
            if r == c:
                if s < _SINGULAR:
                    return False
                lower[r, r] = np.sqrt(s)
            else:
                lower[r, c] = s / lower[c, c]
        s = z[r]
        for c in range(r):
            s -= lower[r, c] * z[c]
        z[r] = s / lower[r, r]
    return True


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _inverse(triangle: Any, size: int, out: Any) -> None:
    """Invert the upper triangle of the first *size* rows and columns."""
    for c in range(size):
        for r in range(size):
            out[r, c] = 0.0
        out[c, c] = 1.0 / triangle[c, c]
        for r in range(c - 1, -1, -1):
            s = 0.0
            for e in range(r + 1, c + 1):
                s += triangle[r, e] * out[e, c]
            out[r, c] = -s / triangle[r, r]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _judged(q: Any, h: int, r0: float, freedom: float, noise: Any, counts: Any, local: bool, told: Any) -> Any:
    """Return -log10 p of the first *h* harmonics; *told* takes power, statistic and the variance of a unit sum."""
    gain = 0.0
    for r in range(2 * h):
        gain += q[r] * q[r]
    told[0] = min(gain / r0, 1.0)
    if not local:
        told[2] = max(r0 - gain, 1e-300) / freedom
        told[1] = gain / (2 * h) / told[2]
        return beta_log10(told[0], h, freedom)
    told[2] = noise[0]
    logs = 0.0
    for e in range(h):
        f = 0.5 * (q[2 * e] ** 2 + q[2 * e + 1] ** 2) / noise[e]
        logs += local_ln(f, counts[e])
        told[1] = f
    if h > 1:
        told[1] = -2.0 * logs
    return fisher_log10(-logs, h)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _chosen(q: Any, most: int, r0: float, frames: float) -> int:
    """Return the number of harmonics with the least Bayesian information criterion."""
    best, least, gain = 1, np.inf, 0.0
    for h in range(1, most + 1):
        gain += q[2 * h - 2] ** 2 + q[2 * h - 1] ** 2
        score = frames * np.log(max(1.0 - gain / r0, 1e-300)) + 2 * h * np.log(frames)
        if score < least:
            best, least = h, score
    return best


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _refined(gains: Any, best: int, step: float, out: Any) -> None:
    """Put where a parabola through the best trial and its neighbours peaks, in hertz from the best, and by what its
    height exceeds the best, into *out*."""
    out[0], out[1] = 0.0, 1.0
    if best == 0 or best == len(gains) - 1:
        return
    low, mid, high = gains[best - 1], gains[best], gains[best + 1]
    bend = low - 2.0 * mid + high
    if not bend < 0.0:
        return
    off = 0.5 * (low - high) / bend
    # Judged by noise nearby, which differs a little, the best trial may stand beside the one of greatest power.
    if abs(off) > 1.0:
        return
    out[0] = off * step
    out[1] = (mid - 0.25 * (low - high) * off) / mid


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _amplitudes(q: Any, inverse: Any, h: int, variance: float, a: Any, out: Any) -> None:
    """Put amplitude, its error, phase and its error of the first harmonic into *out*, coefficients into *a*."""
    for r in range(2 * h):
        a[r] = 0.0
        for c in range(r, 2 * h):
            a[r] += inverse[r, c] * q[c]
    caa, cab, cbb = 0.0, 0.0, 0.0
    for c in range(2 * h):
        caa += inverse[0, c] * inverse[0, c]
        cab += inverse[0, c] * inverse[1, c]
        cbb += inverse[1, c] * inverse[1, c]
    x, y = a[0], a[1]
    size2 = x * x + y * y
    out[0] = np.sqrt(size2)
    out[2] = np.arctan2(y, x)
    if size2 > 0.0:
        out[1] = np.sqrt(variance * (x * x * caa + 2 * x * y * cab + y * y * cbb) / size2)
        out[3] = np.sqrt(variance * (y * y * caa - 2 * x * y * cab + x * x * cbb)) / size2
    else:
        out[1], out[3] = np.sqrt(0.5 * variance * (caa + cbb)), np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _of_pixel(
    p: int, frames: int, shape: Any, sums: Any, side_sums: Any, squares: float, bad: Any, lost: int, pedestal: float,
    nuisance: Any, harmonics: Any, triangles: Any, sides: Any, side_of: Any, frequencies: Any, counts: Any,
    weight: float, figures: Any, waves: Any, work: Any,
) -> None:  # fmt: skip
    j1, trials, h_all = shape.nuisance, shape.trials, shape.harmonics
    lower, inverse, triangle, gains, z, noise, told, a, out = work
    own = lost > OWN * frames
    h2, n_sides = 2 * h_all, sides.shape[0]
    best, best_evidence = -1, -np.inf
    best_q, best_h, best_told = np.empty(h2), h_all, np.empty(3)
    for k in range(trials):
        for r in range(j1):
            z[r] = sums[r]
        for r in range(h2):
            z[j1 + r] = sums[j1 + k * h2 + r]
        for r in range(n_sides):
            z[j1 + h2 + r] = side_sums[r]
        if own and not _whitened(bad, p, frames, k, nuisance, harmonics, sides, z, lower):
            return
        r0 = squares
        for r in range(j1):
            r0 -= z[r] * z[r]
        if not r0 > 1e-12 * squares:
            gains[k] = 0.0
            if best < 0:
                best, best_evidence = k, 0.0
                for r in range(h2):
                    best_q[r] = 0.0
                for r in range(3):
                    best_told[r] = 0.0
            continue
        q = z[j1 : j1 + h2]
        gains[k] = 0.0
        for r in range(h2):
            gains[k] += q[r] * q[r]
        if shape.local:
            for e in range(h_all):
                noise[e] = 0.0
            for r in range(n_sides):
                noise[side_of[r // 2]] += z[j1 + h2 + r] ** 2
            for e in range(h_all):
                noise[e] /= 2.0 * counts[e]
        h = _chosen(q, h_all, r0, frames - lost) if shape.choose else h_all
        freedom = frames - lost - j1 - 2.0 * h
        evidence = _judged(q, h, r0, freedom, noise, counts, shape.local, told)
        if evidence > best_evidence:
            best, best_evidence, best_h = k, evidence, h
            for r in range(h2):
                best_q[r] = q[r]
            for r in range(3):
                best_told[r] = told[r]
            for r in range(h2):
                for c in range(r, h2):
                    s = triangles[k, r, c]
                    if own:
                        s = 0.0
                        for e in range(r, c + 1):
                            s += lower[j1 + e, j1 + r] * triangles[k, e, c]
                    triangle[r, c] = s
    if best < 0:
        return
    _written(p, shape, best, best_evidence, best_h, best_q, best_told, triangle, inverse, gains, frequencies, a, out,
             own, lost, frames, pedestal + sums[0] / weight, figures, waves)  # fmt: skip


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _written(
    p: int, shape: Any, best: int, evidence: float, h: int, q: Any, told: Any, triangle: Any, inverse: Any, gains: Any,
    frequencies: Any, a: Any, out: Any, own: bool, lost: int, frames: int, mean: float, figures: Any, waves: Any,
) -> None:  # fmt: skip
    figures[MEAN, p] = mean
    figures[POWER, p], figures[STATISTIC, p], figures[EVIDENCE, p] = told[0], told[1], evidence
    figures[FREQUENCY, p] = frequencies[best]
    figures[ORDER, p] = h
    figures[REPAIR, p] = 1.0 if own else 1.0 / (1.0 - lost / frames)
    if told[0] == 0.0:
        figures[RAW, p] = figures[RAW_ERROR, p] = 0.0
        for e in range(waves.shape[0]):
            waves[e, p] = 0.0
        return
    _inverse(triangle, 2 * h, inverse)
    _amplitudes(q, inverse, h, told[2], a, out)
    size, error, phase, phase_error = out[0], out[1], out[2], out[3]
    off = np.zeros(2)
    off[1] = 1.0
    if shape.trials > 2:
        _refined(gains, best, frequencies[1] - frequencies[0], off)
    # Far from the middle of the run a phase depends on the frequency; at the middle it does not.
    turn = 2.0 * np.pi * off[0] * shape.middle
    lift = np.sqrt(off[1])
    figures[FREQUENCY, p] += off[0]
    figures[RAW, p], figures[RAW_ERROR, p] = size * lift, error
    spread = np.sqrt(3.0) * error / max(size, 1e-300) / (np.pi * shape.span)
    figures[FREQUENCY_ERROR, p] = spread
    figures[PHASE, p] = _wrapped(phase + turn)
    extra = 2.0 * np.pi * spread * shape.middle if shape.trials > 1 else 0.0
    figures[PHASE_ERROR, p] = np.sqrt(phase_error * phase_error + extra * extra)
    for e in range(waves.shape[0] // 2):
        waves[e, p] = lift * np.hypot(a[2 * e], a[2 * e + 1]) if e < h else 0.0
        angle = np.arctan2(a[2 * e + 1], a[2 * e]) + (e + 1) * turn
        waves[waves.shape[0] // 2 + e, p] = _wrapped(angle) if e < h else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _wrapped(angle: float) -> Any:
    return angle - 2.0 * np.pi * np.round(angle / (2.0 * np.pi))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _of_pixels(
    frames: int, shape: Any, sums: Any, side_sums: Any, squares: Any, bad: Any, lost: Any, missing: Any,
    pedestal: Any, nuisance: Any, harmonics: Any, triangles: Any, sides: Any, side_of: Any, frequencies: Any,
    counts: Any, weight: float, figures: Any, waves: Any,
) -> None:  # fmt: skip
    h2 = 2 * shape.harmonics
    size = shape.nuisance + h2 + sides.shape[0]
    work = (
        np.zeros((size, size)), np.zeros((h2, h2)), np.zeros((h2, h2)), np.zeros(shape.trials), np.zeros(size),
        np.ones(shape.harmonics), np.zeros(3), np.zeros(h2), np.zeros(4),
    )  # fmt: skip
    for p in range(len(squares)):
        figures[USED, p] = 1.0 - lost[p] / frames
        figures[CLIPPED, p] = (lost[p] - missing[p]) / frames
        if lost[p] <= MASKED * frames:
            _of_pixel(
                p, frames, shape, sums[:, p], side_sums[:, p], squares[p], bad, lost[p], pedestal[p], nuisance,
                harmonics, triangles, sides, side_of, frequencies, counts, weight, figures, waves, work,
            )  # fmt: skip


def conclude(
    sums: Sums, plan: Design, seconds: Floats, t0: float, *, local: bool, sides: int = 32, choose: bool = False
) -> tuple[Floats, Floats]:
    """Return the figures of every pixel at its best trial.

    Parameters
    ----------
    sums
        Over all frames, of the design's `columns` and `side_columns`.
    plan, seconds, t0
        The design, and the times and the time of phase zero that it was made with.
    local
        Judge by the side frequencies instead of the residuals.
    sides
        How many of these about each harmonic.
    choose
        Take as many of the harmonics as the Bayesian information criterion wants.

    Returns
    -------
    figures
        ``(FIGURES, pixels)``, NaN where a pixel was given up.
    waves
        ``(2H, pixels)``: amplitudes of all harmonics, then their phases.
    """
    pixels = len(sums.squares)
    harmonics = plan.harmonics.shape[1] // 2
    chosen = plan.sides_within(sides) if local else np.zeros(len(plan.side_of), np.bool_)
    pairs = np.repeat(chosen, 2)
    side_of = np.ascontiguousarray(plan.side_of[chosen])
    counts = np.bincount(side_of, minlength=harmonics).astype(np.float64)
    weights = plan.roots**2
    middle = float((weights * seconds).sum() / weights.sum()) - t0
    shape = Shape(len(plan.nuisance), len(plan.frequencies), harmonics, local, choose,
                  float(seconds.max() - seconds.min()), middle)  # fmt: skip
    figures, waves = np.full((FIGURES, pixels), np.nan), np.full((2 * harmonics, pixels), np.nan)
    _of_pixels(
        sums.frames, shape, sums.sums, np.ascontiguousarray(sums.side_sums[pairs]), sums.squares, sums.bad,
        np.bitwise_count(sums.bad).sum(axis=0, dtype=np.int64), sums.missing, sums.pedestal, plan.nuisance,
        plan.harmonics, plan.triangles,
        np.ascontiguousarray(plan.sides[pairs]), side_of, plan.frequencies, counts,
        math.sqrt(float(weights.sum())), figures, waves,
    )  # fmt: skip
    return figures, waves
