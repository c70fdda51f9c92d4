"""What the times of a series allow: trial frequencies, spectral window, aliases, smearing, gaps in phase.

The spectral window is that of Deeming (1975), Astrophysics and Space Science 36, 137.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import ParameterError, Trv, exposures_of, seconds_of, seconds_since_epoch

Floats = npt.NDArray[np.float64]

OVERSAMPLE = 5
"""Trial frequencies in the width of one peak, where nothing else is said."""

FEWEST_PERIODS = 1.5
ALIAS = 0.5
MOST_ALIASES = 16
_CADENCES = 9
"""How many times the cadence's frequency aliases are looked for."""
_ROUNDING = 8
"""Samples of the transform for each trial: stamps moved to the nearest one lose at most 5 % of the window."""
_LONGEST = 1 << 24
_FLAT = 0.9
"""Part of ALIAS that a peak of the coarse window must have to be looked at closely."""


# -- frequencies ------------------------------------------------------------------------------------


def span_of(seconds: Floats) -> float:
    """Return the time from the first to the last frame."""
    return float(seconds[-1] - seconds[0]) if len(seconds) else 0.0


def trial_frequencies(trv: Trv, span_s: float, oversample: int | None = None) -> Floats:
    """Return the frequencies in hertz at which a series *span_s* seconds long is to be tried, rising.

    Their step is ``1/(oversample * span_s)``, and they lie about the middle of what *trv* means. A tolerance that
    the series cannot resolve, below ``P²/(10 span_s)``, needs only the middle.

    Raises
    ------
    ParameterError
        The vector names no period, or the series has no length.
    """
    if not span_s > 0.0:
        raise ParameterError(f"trial frequencies want frames of different times, they span {span_s:g} s")
    low, high = trv.hertz
    if not trv.is_search:
        period = trv.period
        shortest, longest = trv.seconds
        if max(longest - period, period - shortest) < period**2 / (10.0 * span_s):
            return np.array([1.0 / period])
    step = 1.0 / ((oversample or trv.oversample or OVERSAMPLE) * span_s)
    count = math.floor((high - low) / step + 1e-9) + 1
    middle = 0.5 * (low + high)
    found = middle + (np.arange(count) - 0.5 * (count - 1)) * step
    return np.asarray(found, np.float64)


def t0_seconds(trv: Trv, times: Mapping[str, Any]) -> float | None:
    """Return the t0 of *trv* in seconds since the epoch of *times*; None where it names none.

    Dates and Julian dates are read in the scale and for the place of reference of *times*.
    """
    if trv.t0 is None:
        return None
    if trv.t0[-1:].isalpha():
        # A quantity, which is what is left: neither dates nor Julian dates end in a letter.
        number = trv.t0.rstrip("abcdefghijklmnopqrstuvwxyz")
        unit = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}[trv.t0[len(number) :]]
        return float(number) * unit
    if "-" in trv.t0:
        since = dt.datetime.fromisoformat(trv.t0) - dt.datetime.fromisoformat(times["epoch"])
        return since.total_seconds()
    return seconds_since_epoch(times, float(trv.t0))


# -- window and aliases -----------------------------------------------------------------------------


def window(seconds: Floats, frequencies: Floats, weights: Floats | None = None) -> Floats:
    """Return the spectral window ``|Σ w exp(2πi f t)|² / (Σ w)²`` at *frequencies* in hertz."""
    w = np.ones(len(seconds)) if weights is None else np.asarray(weights, np.float64)
    t = np.asarray(seconds, np.float64) - seconds[0]
    out = np.empty(len(frequencies))
    step = max(1, 2**20 // max(1, len(t)))
    for i in range(0, len(frequencies), step):
        cycles = np.outer(np.asarray(frequencies[i : i + step]), t)
        angle = 2.0 * np.pi * (cycles - np.floor(cycles))
        out[i : i + step] = (np.cos(angle) @ w) ** 2 + (np.sin(angle) @ w) ** 2
    return out / float(w.sum()) ** 2


def window_peaks(seconds: Floats, weights: Floats | None = None, quantum_s: float = 0.0) -> list[tuple[float, float]]:
    """Return the local maxima of the spectral window of at least 0.5 beyond 1/T: frequency and height, the lowest
    frequency first.

    They are looked for up to nine times the frequency of the median cadence, or up to that which the resolution
    *quantum_s* of the stamps limits.
    """
    span = span_of(seconds)
    if len(seconds) < 3 or not span > 0.0:
        return []
    cadence = float(np.median(np.diff(np.sort(seconds))))
    top = _CADENCES / cadence if cadence > 0.0 else math.inf
    top = min(top, 1.0 / quantum_s if quantum_s > 0.0 else math.inf, _LONGEST / (_ROUNDING * OVERSAMPLE * span))
    length = OVERSAMPLE * span
    coarse = _coarse_window(seconds, weights, length, math.ceil(top * length))
    k = np.arange(1, len(coarse) - 1)
    peaks = k[(coarse[k] >= coarse[k - 1]) & (coarse[k] > coarse[k + 1]) & (coarse[k] >= _FLAT * ALIAS)]
    found = [_refined(seconds, weights, float(p) / length, 1.0 / length) for p in peaks]
    return sorted((f, w) for f, w in found if w >= ALIAS and f > 1.0 / span)


def _coarse_window(seconds: Floats, weights: Floats | None, length: float, top: int) -> Floats:
    """Return the window at ``k / length`` for k up to *top*, by a transform of the stamps on a fine grid."""
    size = 1 << max(4, math.ceil(math.log2(_ROUNDING * top)))
    w = np.ones(len(seconds)) if weights is None else np.asarray(weights, np.float64)
    at = np.rint((seconds - seconds.min()) / length * size).astype(np.intp)
    comb = np.bincount(at, w, size)[:size]
    transformed = np.fft.rfft(comb)[: top + 2]
    found: Floats = (transformed.real**2 + transformed.imag**2) / float(w.sum()) ** 2
    return found


def _refined(seconds: Floats, weights: Floats | None, frequency: float, step: float) -> tuple[float, float]:
    """Return place and height of the peak of the window near *frequency*, by three ever finer looks."""
    for _ in range(3):
        near = frequency + np.linspace(-step, step, 21)
        w = window(seconds, near, weights)
        best = int(w.argmax())
        frequency, step = float(near[best]), step / 10.0
    return frequency, float(w[best])


def aliases(
    seconds: Floats, frequency: float, weights: Floats | None = None, quantum_s: float = 0.0
) -> list[dict[str, float]]:
    """Return the frequencies that the sampling cannot tell from *frequency*, the nearest first, 16 at most.

    They are the sums and differences of *frequency* and the peaks of the spectral window that reach 0.5; each with
    ``frequency_hz``, ``period_s`` and ``window``.
    """
    span = span_of(seconds)
    found: list[dict[str, float]] = []
    for peak, height in window_peaks(seconds, weights, quantum_s):
        for other in (abs(peak - frequency), peak + frequency):
            known = [frequency, *(a["frequency_hz"] for a in found)]
            if other > 0.5 / span and all(abs(other - f) > 1.0 / span for f in known):
                found.append({"frequency_hz": other, "period_s": 1.0 / other, "window": height})
    return found[:MOST_ALIASES]


# -- exposures and phases ---------------------------------------------------------------------------


def smearing(exposure_s: Any, period_s: float, harmonic: int = 1) -> float:
    """Return the factor that exposures leave of the amplitude of a harmonic: the mean of ``sinc(h E / P)``."""
    return float(np.mean(np.sinc(harmonic * np.asarray(exposure_s, np.float64) / period_s)))


def phase_gap(seconds: Floats, period_s: float) -> float:
    """Return the largest part of a cycle in which no frame lies."""
    phases = np.sort(np.mod(seconds / period_s, 1.0))
    if len(phases) < 2:
        return 1.0
    return float(max(np.diff(phases).max(), 1.0 - phases[-1] + phases[0]))


def judge(trv: Trv, times: Mapping[str, Any], force: bool = False) -> list[str]:
    """Return what the times of a series make doubtful about the periods that *trv* means, in sentences.

    Raises
    ------
    ParameterError
        TRV-2: a period is longer than the series allows or shorter than its stamps resolve. TRV-3: exposures
        smear it away, unless *force*.
    """
    seconds, exposures = seconds_of(times), exposures_of(times)
    span, quantum = span_of(seconds), float(times["quantum_s"])
    shortest, longest = trv.seconds
    most = span / FEWEST_PERIODS
    allowed = f"periods of {2.0 * quantum:.6g} .. {most:.6g} s are allowed"
    longer = longest if trv.is_search else trv.period
    shorter = shortest if trv.is_search else trv.period
    if longer > most * (1.0 + 1e-9):
        raise ParameterError(
            f"TRV-2: a period of {longer:.6g} s wants a series of at least {FEWEST_PERIODS:g} periods, this one is "
            f"{span:.6g} s long; {allowed}"
        )
    if shorter < 2.0 * quantum:
        raise ParameterError(
            f"TRV-2: a period of {shorter:.6g} s is shorter than two steps of the stamps, which are "
            f"{quantum:.6g} s; {allowed}"
        )
    return [*_smeared(trv, exposures, shorter, force), *_phases(trv, seconds), *_coarse(quantum, shorter)]


def _smeared(trv: Trv, exposures: Floats, period: float, force: bool) -> list[str]:
    factor = smearing(exposures, period, 1)
    if not exposures.any():
        return ["the exposures are unknown: amplitudes are not corrected for smearing"]
    if factor < 0.1 and not force:
        raise ParameterError(
            f"TRV-3: exposures of {np.mean(exposures):.4g} s leave {factor:.3g} of the amplitude at a period of "
            f"{period:.6g} s; the longest that can be used is {0.9 * period:.4g} s (force takes it nevertheless)"
        )
    if factor < 0.3:
        return [f"smearing: exposures of {np.mean(exposures):.4g} s leave {factor:.2f} of the amplitude"]
    return []


def _phases(trv: Trv, seconds: Floats) -> list[str]:
    if trv.is_search:
        return []
    gap = phase_gap(seconds, trv.period)
    return [f"phase coverage: {gap:.2f} of a cycle has no frame"] if gap > 0.4 else []


def _coarse(quantum: float, period: float) -> list[str]:
    if quantum <= period / 20.0:
        return []
    return [f"the stamps are written to {quantum:.4g} s, which is coarse for a period of {period:.6g} s"]
