"""Numbers that rejection algorithms look up, by how many samples a stack has."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

_BULK = 0.683


@lru_cache(maxsize=16)
def esd_critical(most: int, alpha: float, fraction: float) -> Floats:
    """Return the critical values of the generalised ESD test: row n, column how many were taken off before.

    Equation 2.5 of Rosner (1983), with Student's t at probability ``alpha / (2 (n - i))``.
    """
    columns = max(1, int(fraction * most))
    table = np.zeros((most + 1, columns))
    for n in range(3, most + 1):
        i = np.arange(min(columns, n - 2))
        freedom = n - i - 2.0
        t = -special.stdtrit(freedom, alpha / (2.0 * (n - i)))
        table[n, : i.size] = t * (n - i - 1) / np.sqrt((freedom + t * t) * (n - i))
    table.flags.writeable = False
    return table


@lru_cache(maxsize=16)
def rcr_numbers(most: int) -> Floats:
    """Return for each n the correction factor of small samples and the abscissae of the line of deviations.

    Maples et al. (2018), sections 3 and 4: the k-th least of N normal deviations is expected at
    ``sqrt(2) erfinv((k + 1 - 0.317) / N)``; both estimators read a few samples too low by one factor.
    """
    table = np.zeros((most + 1, 1 + int(_BULK * most)))
    for n in range(3, most + 1):
        few = int(_BULK * n)
        table[n, 0] = 1.0 / (1.0 - 2.9442 * n**-1.073)
        table[n, 1 : 1 + few] = np.sqrt(2.0) * special.erfinv((np.arange(few) + 1 - 0.317) / n)
    table.flags.writeable = False
    return table
