"""Searching a light curve for a box that comes again: the only door of this family to astropy's box least squares."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...engine.api import ParameterError

Floats = npt.NDArray[np.float64]

# A box must not drift by more than this part of its duration between two trial periods.
_DRIFT = 1.0 / 3.0
_MOST = 3_000_000
_SHOWN = 2000


class Found(NamedTuple):
    """The best box: period, middle and duration in seconds, depth with its error, how many independent boxes were
    tried, and the best signal to noise over a few frequencies (hertz)."""

    period: float
    middle: float
    duration: float
    depth: float
    depth_err: float
    trials: float
    hertz: Floats
    snr: Floats


def best_box(seconds: Floats, values: Floats, duration: float, shortest: float, longest: float) -> Found:
    """Return the box of least squares (Kovacs, Zucker & Mazeh 2002, A&A 391, 369) over a range of periods.

    Parameters
    ----------
    seconds, values
        The light curve, finite, slow trends taken out.
    duration
        Of the box, seconds.
    shortest, longest
        Periods, seconds.

    Raises
    ------
    ParameterError
        So many periods would have to be tried that the range must be meant otherwise.
    """
    from astropy.timeseries import BoxLeastSquares

    span = float(seconds[-1] - seconds[0])
    step = _DRIFT * duration / (span * longest)
    count = int((1.0 / shortest - 1.0 / longest) / step) + 2
    if count > _MOST:
        raise ParameterError(
            f"{count} periods from {shortest:g} to {longest:g} s would have to be tried for boxes of {duration:g} s; "
            f"{_MOST} are the most: name a shorter range"
        )
    hertz = 1.0 / longest + step * np.arange(count)
    hertz = hertz[hertz <= 1.0 / shortest * (1.0 + 1e-12)]
    fit = BoxLeastSquares(seconds, values - np.median(values))
    power: Any = fit.power(1.0 / hertz, duration, objective="snr")
    snr = np.nan_to_num(np.asarray(power.depth_snr, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    best = int(np.argmax(snr))
    # Of frequencies apart by a drift of one duration, boxes at phases apart by one duration.
    trials = max(1.0, span * (longest - shortest) / duration**2)
    shown = np.array_split(np.arange(len(hertz)), min(_SHOWN, len(hertz)))
    peaks = np.array([part[np.argmax(snr[part])] for part in shown])
    return Found(
        float(1.0 / hertz[best]), float(power.transit_time[best]), duration, float(power.depth[best]),
        float(power.depth_err[best]), trials, hertz[peaks], snr[peaks],
    )  # fmt: skip
