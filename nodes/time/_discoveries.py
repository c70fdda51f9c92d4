"""From which significance on pixels are more than chance, out of counts that tiles of an image can be added from.

Significance is counted in whole steps of a thousandth of -log10 p. A sample of float32 times 1000 is exact in
float64, so that counting and comparing never disagree.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Correction = Literal["fdr", "family", "none"]

STEPS = 1000
"""Steps of one decade of p."""
LAST = 32 * STEPS
"""What is more significant is counted with this one: a false discovery among 10^26 pixels would not reach it."""


def steps_of(significance: Any) -> npt.NDArray[np.float64]:
    """Return in which step each sample lies, probabilities rounded up; missing samples stay missing."""
    return np.asarray(np.floor(np.clip(np.asarray(significance, np.float64) * STEPS, 0.0, LAST)), np.float64)


def counted(significance: Any) -> Counts:
    """Return how many samples lie in each step, up to the highest in which any lies; missing ones do not count."""
    steps = steps_of(significance)
    return np.asarray(np.bincount(steps[np.isfinite(steps)].astype(np.int64)), np.int64)


def added(a: Counts, b: Counts) -> Counts:
    """Return what two tiles tell together."""
    long, short = (a, b) if len(a) >= len(b) else (b, a)
    made = long.copy()
    made[: len(short)] += short
    return made


def first_step(counts: Counts, correction: Correction, level: float) -> int | None:
    """Return the step from which on samples are discoveries; None where there can be none.

    Parameters
    ----------
    correction
        fdr: Benjamini & Hochberg (1995, J. R. Stat. Soc. B 57, 289), the least s with ``count(>= s) >= M 10^-s / q``;
        family: ``1 - (1 - p)^M <= q``; none: ``p <= q``.
    level
        q.
    """
    pixels = int(counts.sum())
    if not pixels:
        return None
    if correction == "fdr":
        at_least = counts[::-1].cumsum()[::-1]
        expected = pixels * 10.0 ** (-np.arange(len(counts)) / STEPS)
        passing = np.nonzero(at_least * level >= expected)[0]
        return int(passing[0]) if len(passing) else None
    p = level if correction == "none" else -math.expm1(math.log1p(-level) / pixels)
    # What is a whole step but for rounding is that one.
    return min(math.ceil(-math.log10(p) * STEPS - 1e-6), LAST)
