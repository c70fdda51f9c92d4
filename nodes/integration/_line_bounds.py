"""Sums that prove, without a fit, that linear-fit rejection leaves a sorted stack whole."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ROWS = 8
"""How many sums are tried for each end of a stack."""
# Fewer are fitted at once; of more, ever fewer can be proved, and to find out how takes seconds.
_FEWEST, _MOST = 8, 100
_TRIED, _JUDGED = 60, 300


@lru_cache(maxsize=16)
def line_bounds(n: int, low: float, high: float) -> Floats:
    """Return rows of coefficients z, `ROWS` for the high end and as many for the low end of a stack of *n*.

    Let r be the deviations of a sorted stack v from any line. The greatest sample is rejected where its deviation
    reaches ``high`` times twice the mean of abs(r). For ``c = n / (2 high)`` and any z with
    ``sum(z) = sum(i z_i) = 0``, each z_i within -1..1 (the last within -1-c..1-c)::

        sum(abs(r)) - c r_last >= sum(z_i r_i) = sum(z_i v_i)

    since z does not see lines. So if the right side is positive the sample stays, whatever the line is. Good z are
    the optimal ones (linear programming duality) of stacks of normal noise; a few of them serve most stacks. Rows
    of zeros, which prove nothing, fill up what is not found.
    """
    table = np.zeros((2 * ROWS, n))
    if _FEWEST <= n <= _MOST:
        for start, limit in ((0, high), (ROWS, low)):
            found = _serving(n, n / (2.0 * limit))
            table[start : start + len(found)] = found if start == 0 else -found[:, ::-1]
    table.flags.writeable = False
    return table


def _serving(n: int, c: float) -> Floats:
    """Return those of many optimal z that together prove most stacks of normal noise to be whole."""
    stacks = np.sort(np.random.default_rng(n).normal(size=(_JUDGED, n)), axis=1)
    pairs = np.stack(np.triu_indices(n, 1), axis=1)
    made = [z for v in stacks[: max(8, min(_TRIED, 120000 // (n * n)))] if (z := _optimal(v, c, pairs)) is not None]
    if not made:
        return np.zeros((0, n))
    tried = np.array(made)
    proved = (stacks[:, None, :] * tried[None, :, :]).sum(axis=2) > 0.0
    chosen: list[int] = []
    left = np.ones(_JUDGED, np.bool_)
    while len(chosen) < ROWS and (more := proved[left].sum(axis=0)).any():
        chosen.append(int(more.argmax()))
        left &= ~proved[:, chosen[-1]]
    return tried[chosen]


def _optimal(v: Floats, c: float, pairs: npt.NDArray[np.int64]) -> Floats | None:
    """Return the z of the line that makes ``sum(abs(r)) - c r_last`` least; None where there is no least."""
    n = v.size
    p, q = pairs.T
    at = np.arange(n)
    slope = (v[q] - v[p]) / (q - p)
    r = v - (v[p][:, None] + slope[:, None] * (at - p[:, None]))
    best = int((np.abs(r).sum(axis=1) - c * r[:, -1]).argmin())
    a, b = int(p[best]), int(q[best])
    z = np.sign(r[best])
    z[[a, b]] = 0.0
    z[-1] -= c
    force, torque = float(z.sum()), float((z * (at - a)).sum())
    z[b] -= torque / (b - a)
    z[a] += torque / (b - a) - force
    free = z.copy()
    free[-1] += c
    return z if float(np.abs(free).max()) <= 1.0 else None
