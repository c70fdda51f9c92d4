"""Sums over all samples below a limit, for any limit, from one pass.

Samples are sorted into bins by the leading bits of the float they are compared by: 1024 bins to each factor of
two. A limit inside a bin takes the part of it that lies below, so sums are those of a sharp limit but for the
order of samples within one bin, a thousandth wide.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Bins = npt.NDArray[np.float64]

_SHIFT = 13
_LEAST = (127 - 60) << 10
BINS = 120 << 10
"""From 2^-60 to 2^60; what is less falls into the first bin."""


def empty(sums: int) -> Bins:
    """Return bins for *sums* sums."""
    return np.zeros((sums, BINS))


def used(bins: Bins) -> dict[str, Any]:
    """Return the run of bins that hold anything, as plain data."""
    filled = bins[0] != 0.0
    first, last = int(filled.argmax()), BINS - 1 - int(filled[::-1].argmax())
    if not filled[first]:
        return {"first": 0, "bins": bins[:, :0].copy()}
    return {"first": first, "bins": bins[:, first : last + 1].copy()}


def added(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """Return what both hold."""
    if a["bins"].shape[1] == 0 or b["bins"].shape[1] == 0:
        return b if a["bins"].shape[1] == 0 else a
    first = min(a["first"], b["first"])
    end = max(p["first"] + p["bins"].shape[1] for p in (a, b))
    total = np.zeros((a["bins"].shape[0], end - first))
    for p in (a, b):
        at = p["first"] - first
        total[:, at : at + p["bins"].shape[1]] += p["bins"]
    return {"first": first, "bins": total}


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def bin_of(bits: Any) -> Any:
    """Return the bin of a positive float32 given by its bits."""
    return min(max(np.int64(bits >> np.uint32(_SHIFT)) - _LEAST, 0), BINS - 1)


class Below:
    """Answers for the sums over all samples below a limit."""

    def __init__(self, partial: dict[str, Any]) -> None:
        self.first, self.bins = partial["first"], np.asarray(partial["bins"])
        self.sums = np.concatenate([np.zeros((len(self.bins), 1)), np.cumsum(self.bins, axis=1)], axis=1)

    @property
    def total(self) -> Bins:
        return self.sums[:, -1]

    def __call__(self, limit: float) -> Bins:
        """Return the sums over the samples less than *limit*."""
        if not limit > 0.0:
            return np.zeros(len(self.bins))
        # frexp: limit = m 2^e with m in [0.5, 1); as a float32 its exponent is e - 1.
        m, e = math.frexp(limit)
        place = (e - 1 + 127) * 1024.0 + (m * 2.0 - 1.0) * 1024.0 - _LEAST - self.first
        at = math.floor(place)
        if at < 0:
            return np.zeros(len(self.bins))
        if at >= self.bins.shape[1]:
            return self.total
        found: Bins = self.sums[:, at] + (place - at) * self.bins[:, at]
        return found
