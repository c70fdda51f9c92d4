"""How improbable an amplitude is where nothing varies.

Everything is told as -log10 p, by survival functions in closed form: p itself underflows long before it stops to
tell anything. The exact distributions of the power under white noise are those of Lomb-Scargle periodograms
(Schwarzenberg-Czerny 1998, MNRAS 301, 831; Baluev 2008, MNRAS 385, 1279); the test against neighbouring frequencies
is the ratio of two mean powers, each of them a chi-square.
"""

from __future__ import annotations

import functools
import math
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import special, stats

Floats = npt.NDArray[np.float64]

LN10 = math.log(10.0)
_CONFIDENCE = 0.05


# -- one frequency ----------------------------------------------------------------------------------


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def beta_log10(power: float, harmonics: int, freedom: float) -> Any:
    """Return -log10 of the probability of a greater *power* by H harmonics in white noise: Beta(H, freedom / 2)."""
    if power <= 0.0:
        return 0.0
    if power >= 1.0:
        return np.inf
    half = 0.5 * freedom
    total, term = 1.0, 1.0
    for j in range(1, harmonics):
        term *= power * (half + j - 1) / j
        total += term
    return -(half * np.log1p(-power) + np.log(total)) / 2.302585092994046


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def local_ln(f: float, sides: float) -> Any:
    """Return ln of the probability of a greater ratio *f* to the mean of *sides* powers: F(2, 2 sides)."""
    return -sides * np.log1p(f / sides)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def fisher_log10(half: float, count: int) -> Any:
    """Return -log10 p of *count* probabilities together, by Fisher's method; *half* is -sum(ln p)."""
    if half <= 0.0:
        return 0.0
    total, term = 1.0, 1.0
    for j in range(1, count):
        term *= half / j
        total += term
    return (half - np.log(total)) / 2.302585092994046


def known_noise_log10(gain: Any, harmonics: int = 1) -> Floats:
    """Return -log10 p of ``D / sigma²`` where sigma is known: chi-square of 2H."""
    half = 0.5 * np.asarray(gain, np.float64)
    terms = sum(half**j / math.factorial(j) for j in range(harmonics))
    return np.asarray((half - np.log(terms)) / LN10, np.float64)


def student_log10(t: Any, freedom: Any) -> Floats:
    """Return -log10 of the probability of a greater *t* (one side)."""
    return np.asarray(-stats.t.logsf(t, freedom) / LN10, np.float64)


def correlation_log10(r: Any, freedom: Any) -> Floats:
    """Return -log10 of the probability of a correlation farther from 0 than *r*, with that many degrees of freedom."""
    r2 = np.clip(np.asarray(r, np.float64) ** 2, 0.0, 1.0)
    # r² is Beta(1/2, freedom/2); its survival for tiny p by the t distribution, whose logarithm stays finite.
    with np.errstate(divide="ignore"):
        t = np.sqrt(r2 * freedom / (1.0 - r2))
    return np.asarray(-(stats.t.logsf(t, freedom) + math.log(2.0)) / LN10, np.float64)


# -- many frequencies, many pixels ------------------------------------------------------------------


def alarm_log10(evidence: Any, power: Any, frames: Any, width: float) -> Floats:
    """Return -log10 of an upper bound of the probability that the greatest power over a range is as great by chance.

    Parameters
    ----------
    evidence, power
        -log10 p and power (H = 1, white noise) of the greatest.
    frames
        Frames less the fitted terms besides constant and harmonic.
    width
        ``(f_max - f_min) sqrt(4 pi var_w(t))``.

    Notes
    -----
    ``1 - (1-p) exp(-tau)``, ``tau = gamma width (1-Z)^((N-4)/2) sqrt((N-1) Z/2)``: Baluev (2008), equations 5, 6.
    """
    z = np.clip(np.asarray(power, np.float64), 0.0, 1.0)
    p_ln = -np.asarray(evidence, np.float64) * LN10
    gamma = 0.5 * np.log(2.0 / (frames - 1)) + special.gammaln((frames - 1) / 2) - special.gammaln((frames - 2) / 2)
    with np.errstate(divide="ignore"):
        tau_ln = gamma + np.log(width) + 0.5 * (frames - 4) * np.log1p(-z) + 0.5 * np.log((frames - 1) * z / 2)
    return _either(p_ln, tau_ln)


def _either(p_ln: Any, tau_ln: Any) -> Floats:
    """Return -log10 of ``1 - (1 - p) exp(-tau)``."""
    p, tau = np.exp(np.minimum(p_ln, 0.0)), np.exp(np.minimum(tau_ln, 700.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.log(-np.expm1(np.log1p(-np.minimum(p, 1.0)) - tau))
        return np.asarray(-np.where(tau + p > 1e-6, exact, np.logaddexp(p_ln, tau_ln)) / LN10, np.float64)


def equivalent_trials(greatest: Any) -> float:
    """Return how many independent trials the greatest evidence of noise series tells of.

    *greatest* holds -log10 p of the best trial of each series of pure noise. Were there K independent ones, ``K p`` of
    the best would follow the exponential distribution; K is its estimate of greatest likelihood, the growth with
    ``sqrt(evidence)`` taken in that the greatest of a continuous spectrum has.
    """
    x = np.asarray(greatest, np.float64)
    return float(len(x) / (10.0**-x * np.sqrt(np.maximum(x, 1.0))).sum())


def trials_log10(evidence: Any, trials: float, most: float) -> Floats:
    """Return -log10 of the probability that any trial is as improbable as *evidence* tells, never more than *most*
    independent ones would make it; *trials* is from `equivalent_trials`."""
    x = np.asarray(evidence, np.float64)
    count = np.minimum(trials * np.sqrt(np.maximum(x, 1.0)), most)
    return _either(np.full(x.shape, -np.inf), np.log(np.maximum(count, 1.0)) - x * LN10)


def pixels_log10(evidence: Any, pixels: float) -> Floats:
    """Return -log10 of ``1 - (1-p)^pixels``: of the probability that any pixel is as improbable."""
    ln = -np.asarray(evidence, np.float64) * LN10
    with np.errstate(divide="ignore"):
        exact = np.log(-np.expm1(pixels * np.log1p(-np.minimum(np.exp(ln), 1.0))))
    return np.asarray(-np.where(ln > -20.0, exact, np.minimum(ln + math.log(pixels), 0.0)) / LN10, np.float64)


def discovery_threshold(evidence: Any, level: float) -> float:
    """Return the least -log10 p at which discoveries at *level* begin (Benjamini & Hochberg 1995, J. R. Stat. Soc. B
    57, 289); infinity where there are none."""
    x = np.asarray(evidence, np.float64).ravel()
    x = np.sort(x[np.isfinite(x)])[::-1]
    wanted = -np.log10(level * np.arange(1, len(x) + 1) / max(1, len(x)))
    passing = np.nonzero(x >= wanted)[0]
    return float(x[passing[-1]]) if len(passing) else math.inf


# -- what is to be expected -------------------------------------------------------------------------


def expected_significance(
    relative: float, frames: int, smearing: float = 1.0, gain: float = 1.0
) -> tuple[float, float]:
    """Return z and -log10 p that a semi-amplitude of *relative* times one frame's noise will have.

    *gain* is that of a matched filter, *smearing* what exposures leave of the amplitude.
    """
    z = relative * smearing * math.sqrt(frames / 2.0) * gain
    return z, 0.5 * z * z / LN10


def frames_needed(z: float, relative: float, smearing: float = 1.0, gain: float = 1.0) -> int:
    """Return how many frames make a semi-amplitude of *relative* times one frame's noise *z* of its errors."""
    return math.ceil(2.0 * (z / (gain * smearing * relative)) ** 2)


@functools.cache
@lru_cache(maxsize=1)
def upper_limit_table() -> tuple[Floats, Floats]:
    """Return observed ratios ``(A / sigma_A)²`` and the true ratios ``A / sigma_A`` that give less with 5 %.

    The observed one is non-central chi-square with two degrees of freedom.
    """
    true = np.concatenate([np.linspace(0.0, 8.0, 161), np.geomspace(8.2, 1e4, 200)])
    return np.asarray(stats.ncx2.ppf(_CONFIDENCE, 2, true**2), np.float64), true


def upper_limit(ratio: Any) -> Floats:
    """Return the greatest true ``A / sigma_A`` that an observed ratio of *ratio* leaves at 95 %.

    A ratio below the median of pure noise excludes no more than that median does: noise that happens to cancel
    must not make a limit better than the measurement can be.
    """
    observed, true = upper_limit_table()
    r = np.maximum(np.asarray(ratio, np.float64), math.sqrt(2.0 * math.log(2.0)))
    # Far above the noise the limit is 1.645 errors more.
    return np.where(r > 1e3, r + 1.6448536269514722, np.interp(r * r, observed, true))
