"""The standard deviation of the samples that show noise only, from what `_starlet.fill` gathered."""

from __future__ import annotations

import math
from typing import Any

from ._bins import Below
from ._starlet import LAYER_NOISE

PURE = 0.974
"""What the standard deviation of the noise set is of that of the whole noise."""


def found(partial: Any, layers: int) -> dict[str, Any] | None:
    """Return the noise of a plane; None when its noise set is less than a hundredth of the samples."""
    below = Below(partial["noise"])
    count = int(below.total[0])
    sigma = _k_sigma(Below(partial["first"])) / LAYER_NOISE[0]
    if not sigma > 0.0:
        return {"noise": sigma, "fraction": 0.0, "layers": layers, "count": count}
    for _ in range(16):
        before, sigma = sigma, _deviation(below(sigma))
        if not sigma > 0.0 or abs(sigma - before) < 1e-4 * sigma:
            break
    n = float(below(sigma)[0])
    if n < 0.01 * count or not sigma > 0.0:
        return None
    return {"noise": sigma / PURE, "fraction": n / count, "layers": layers, "count": count}


def clipped(partial: Any) -> dict[str, Any]:
    first = Below(partial["first"])
    sigma = _k_sigma(first) / LAYER_NOISE[0]
    return {"noise": sigma, "fraction": 0.0, "layers": 0, "count": int(first.total[0])}


def _k_sigma(first: Below) -> float:
    """Return the standard deviation of the first layer's coefficients, those beyond three sigma left out."""
    sums = first.total
    if not sums[0]:
        return math.nan
    sigma = _deviation(sums)
    for _ in range(10):
        before, sigma = sigma, _deviation(first(3.0 * sigma))
        if abs(before - sigma) <= 0.01 * sigma:
            break
    return sigma


def _deviation(sums: Any) -> float:
    n, total, squares = (float(s) for s in sums)
    return math.sqrt(max(0.0, squares - total * total / n) / (n - 1.0)) if n > 1.0 else 0.0
