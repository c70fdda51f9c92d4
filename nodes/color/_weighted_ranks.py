"""The element of many at which their weights sum to a given part, and its change from one line to the next."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Ranks:
    """Finds the weighted rank of ``y - b u`` for one slope b after the other, each near the one before.

    No residual moves by more than the change of b times the greatest ``|u|``, so neither does the rank: it lies in a
    window about the last one, and only the pairs in that window are selected among. Weights are counts, whose sums
    are exact in any order, and the element found is the same.
    """

    def __init__(self, u: Floats, y: Floats, w: Floats, wanted: float) -> None:
        self.wanted = wanted
        self._w = w
        self._reach = float(np.abs(u).max())
        self._size = float(np.abs(y).max())
        self._last: tuple[float, float] | None = None  # slope, rank

    def at(self, z: Floats, b: float) -> float:
        """Return the rank of the residuals *z* for slope *b*."""
        found = math.nan
        if self._last is not None:
            slope, rank = self._last
            # Residuals are rounded twice: to well within the slack.
            slack = 8.0 * float(np.finfo(np.float64).eps) * (self._size + (abs(b) + abs(slope)) * self._reach)
            move = abs(b - slope) * self._reach + slack
            found = float(_rank_within(z, self._w, self.wanted, rank - move, rank + move))
        if math.isnan(found):
            found = float(weighted_rank(z.copy(), self._w.copy(), self.wanted))
        self._last = b, found
        return found


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _rank_within(z: Any, w: Any, wanted: float, low: float, high: float) -> Any:
    """Return what `weighted_rank` gives, where that lies from *low* to *high*; NaN where it does not."""
    some_z, some_w = np.empty(z.size), np.empty(z.size)
    below, inside, n = 0.0, 0.0, np.int64(0)
    # Without a branch: every pair is put at the end, which moves on only past those in the window.
    for i in range(z.size):
        within = (z[i] >= low) & (z[i] <= high)
        below += w[i] if z[i] < low else 0.0
        inside += w[i] if within else 0.0
        some_z[n] = z[i]
        some_w[n] = w[i]
        n += np.int64(within)
    if n == 0 or below >= wanted or below + inside < wanted:
        return np.nan
    return weighted_rank(some_z[:n], some_w[:n], wanted - below)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def weighted_rank(z: Any, w: Any, wanted: float) -> Any:
    """Return the smallest z up to which the weights sum to *wanted* or more; sorts *z* and *w* in part.

    Selection by three-way partition about the median of three: linear in the number of pairs, where sorting
    them at each step of the bisection took nine tenths of a fit.
    """
    low, high = 0, z.size
    before = 0.0
    while high - low > 1:
        x, y, t = z[low], z[(low + high) // 2], z[high - 1]
        pivot = max(min(x, y), min(max(x, y), t))
        i, j, k = low, low, high
        less, equal = 0.0, 0.0
        while j < k:
            if z[j] < pivot:
                less += w[j]
                z[i], z[j] = z[j], z[i]
                w[i], w[j] = w[j], w[i]
                i += 1
                j += 1
            elif z[j] > pivot:
                k -= 1
                z[k], z[j] = z[j], z[k]
                w[k], w[j] = w[j], w[k]
            else:
                equal += w[j]
                j += 1
        if i > low and before + less >= wanted:
            high = i
        elif before + less + equal >= wanted or k == high:
            return pivot
        else:
            before += less + equal
            low = k
    return z[low]
