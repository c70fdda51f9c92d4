"""Robust Chauvenet rejection of samples that do not belong to the rest."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def survivors(samples: Floats, limit: float = 0.5) -> Floats:
    """Return the sorted *samples* that robust Chauvenet rejection keeps.

    A sample goes when fewer than *limit* samples as far off would be expected of as many normal ones. At
    first centre and width are the median and the 68.3 % point of the deviations from it, then mean and
    standard deviation (Maples et al. 2018, ApJS 238, 2, sections 2 and 3.1: bulk rejection of the farthest,
    one at a time, with the most robust techniques before the most precise ones).
    """
    x = np.sort(samples[np.isfinite(samples)])
    for robust in (True, False):
        while x.size > 2:
            centre = float(np.median(x)) if robust else float(x.mean())
            width = _width(x, centre) if robust else float(x.std(ddof=1))
            low, high = centre - x[0], x[-1] - centre
            farthest = max(low, high)
            if not width > 0.0 or x.size * math.erfc(farthest / (width * math.sqrt(2.0))) >= limit:
                break
            x = x[1:] if low > high else x[:-1]
    return x


def _width(x: Floats, centre: float) -> float:
    """Return the 68.3 % point of the deviations from *centre*."""
    k = min(x.size - 1, int(0.683 * x.size))
    return float(np.partition(np.abs(x - centre), k)[k])


def mean_and_deviation(samples: Floats) -> tuple[float, float]:
    """Return mean and mean absolute deviation (about the median) of the survivors; NaN without any."""
    x = survivors(samples)
    if not x.size:
        return math.nan, math.nan
    return float(x.mean()), float(np.abs(x - np.median(x)).mean())
