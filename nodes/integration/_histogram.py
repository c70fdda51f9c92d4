"""Moments of all samples whose magnitude stays below a threshold, for any threshold, from one pass.

Iterated clipping asks again and again for the standard deviation of what lies within a threshold that itself
follows from it. Counts and sums by classes of magnitude, 256 to an octave, answer each round without another
pass; within a class they are interpolated, which changes a standard deviation by less than 1e-5 of itself.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Partial = dict[str, Any]

# Bits of a float32 below those that make its class: sign excluded, 8 bits of exponent and 8 of fraction.
_SHIFT = 15
_CLASSES = 1 << 16


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _add(bits: Any, values: Any, table: Any) -> None:
    for i in range(bits.size):
        # A missing magnitude has an exponent of all ones, as infinity has.
        key = (bits[i] & np.uint32(0x7FFFFFFF)) >> np.uint32(_SHIFT)
        if key < np.uint32(0x7F800000 >> _SHIFT):
            d = np.float64(values[i])
            table[key, 0] += 1.0
            table[key, 1] += d
            table[key, 2] += d * d


def gathered(magnitudes: npt.NDArray[np.float32], values: npt.NDArray[np.float32]) -> Partial:
    """Return counts and sums of *values* by classes of *magnitudes*, both flat; NaN magnitudes are left out."""
    table = np.zeros((_CLASSES, 3))
    _add(np.ascontiguousarray(magnitudes, np.float32).view(np.uint32), values, table)
    used = np.flatnonzero(table[:, 0])
    if used.size == 0:
        return {"first": 0, "table": np.zeros((0, 3))}
    return {"first": int(used[0]), "table": table[used[0] : used[-1] + 1].copy()}


def merged(a: Partial, b: Partial) -> Partial:
    """Return what both tell."""
    if a["table"].shape[0] == 0:
        return b
    if b["table"].shape[0] == 0:
        return a
    first = min(a["first"], b["first"])
    end = max(p["first"] + p["table"].shape[0] for p in (a, b))
    table = np.zeros((end - first, 3))
    for p in (a, b):
        at = p["first"] - first
        table[at : at + p["table"].shape[0]] += p["table"]
    return {"first": first, "table": table}


class Moments:
    """Moments of the values whose magnitude is at most a threshold."""

    def __init__(self, partial: Partial) -> None:
        table = np.asarray(partial["table"])
        first = partial["first"]
        keys = np.arange(first, first + table.shape[0] + 1, dtype=np.uint32) << np.uint32(_SHIFT)
        self.edges = keys.view(np.float32).astype(np.float64)
        self.sums = np.vstack([np.zeros((1, 3)), np.cumsum(table, axis=0)])

    def within(self, threshold: float) -> tuple[float, float, float]:
        """Return how many values have at most *threshold* as magnitude, their mean, and their mean square."""
        n, s1, s2 = (float(np.interp(threshold, self.edges, self.sums[:, k])) for k in range(3))
        return (n, s1 / n, s2 / n) if n > 0.0 else (0.0, 0.0, 0.0)

    def deviation(self, threshold: float = math.inf) -> float:
        """Return the standard deviation about the mean of the values within *threshold*."""
        n, mean, square = self.within(min(threshold, float(self.edges[-1])))
        return math.sqrt(max(0.0, square - mean * mean) * n / (n - 1.0)) if n > 1.0 else 0.0

    def about_zero(self, threshold: float = math.inf) -> float:
        """Return the root mean square of the values within *threshold*."""
        return math.sqrt(self.within(min(threshold, float(self.edges[-1])))[2])
