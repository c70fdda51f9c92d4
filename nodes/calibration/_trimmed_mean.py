"""The mean of all samples but a share at either end, exact, in a few passes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Again, Box, ParameterError, Summaries

Part = npt.NDArray[np.float32]


class TrimmedMean:
    """The passes: first the two quantiles, exactly; then the sum of what lies between them.

    Quantiles are interpolated between two neighbours in rank, so either they or the nearest sample
    beyond them are the sample of the wanted rank; counts tell which, and how often it is needed.
    """

    def __init__(self, share: float, owner: str) -> None:
        self.share, self.owner = share, owner
        self._summaries = Summaries(fractions=(share, 1.0 - share), mad=False)

    def measure(self, parts: list[Part], state: Any, box: Box) -> Any:
        """Return what one tile tells; each part is one population."""
        if state is not None and state["cuts"]:
            return np.array([_between(p, *cut) for p, cut in zip(parts, state["cuts"], strict=True)])
        # Summaries look at one plane after the other; the planes of filter colours differ in size.
        planes: Any = parts
        return self._summaries.measure(planes, None if state is None else state["order"], box)

    def merge(self, a: Any, b: Any) -> Any:
        """Return what both tell."""
        if not isinstance(a, np.ndarray):
            return self._summaries.merge(a, b)
        a[:, 1:5] += b[:, 1:5]
        a[:, 0] = np.fmax(a[:, 0], b[:, 0])
        a[:, 5] = np.fmin(a[:, 5], b[:, 5])
        return a

    def finish(self, partial: Any, state: Any) -> Again | list[float]:
        """Return the trimmed mean of each part, or `Again`."""
        if isinstance(partial, np.ndarray):
            told = zip(partial, state["cuts"], state["counts"], strict=True)
            return [_trimmed(row, cut, n, self._trim(n)) for row, cut, n in told]
        found = self._summaries.finish(partial, None if state is None else state["order"])
        if isinstance(found, Again):
            return Again({"cuts": [], "order": found.state})
        counts = [s.count for s in found]
        if min(counts) < 3:
            raise ParameterError(f"{self.owner}: at least 3 samples of each part are wanted, got {counts}")
        return Again({"cuts": [list(s.quantiles) for s in found], "counts": counts})

    def _trim(self, n: int) -> int:
        return max(1, math.floor(self.share * n))


def _between(part: Part, low: float, high: float) -> list[float]:
    """Return the greatest sample below *low*, count below, sum and count within, count above, least above."""
    x = part[np.isfinite(part)].astype(np.float64)
    below, above = x[x < low], x[x > high]
    within = x[(x >= low) & (x <= high)]
    nearest_below = below.max() if below.size else math.nan
    nearest_above = above.min() if above.size else math.nan
    return [nearest_below, below.size, within.sum(), within.size, above.size, nearest_above]


def _trimmed(row: npt.NDArray[np.float64], cut: list[float], n: int, trim: int) -> float:
    """Return the mean of the samples of ranks trim .. n - 1 - trim."""
    nearest_below, below, total, _, above, nearest_above = (float(v) for v in row)
    total += _amends(below - trim, nearest_below, cut[0])
    total += _amends(above - trim, nearest_above, cut[1])
    return total / (n - 2 * trim)


def _amends(too_many: float, nearest: float, cut: float) -> float:
    """Return what to add when one end left out *too_many* samples (or too few, if negative)."""
    return too_many * (nearest if too_many > 0 else cut) if too_many else 0.0
