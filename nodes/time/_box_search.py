"""Searching a light curve for a box that comes again: the only door of this family to astropy's box least squares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...engine.api import ParameterError
from ._box import without_running_median

Floats = npt.NDArray[np.float64]

# A box must not drift by more than this part of its duration between two trial periods.
_DRIFT = 1.0 / 3.0
_MOST = 3_000_000
_SHOWN = 2000
_WINDOW = 6.0
_FEWEST = 20


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


def box_of_curve(
    series: Mapping[str, Any], duration: float, shortest: float, longest: float | None, owner: str
) -> tuple[float, Found]:
    """Return the level of a light curve and its best box, a running median of six durations taken out first.

    Parameters
    ----------
    longest
        Of the periods, seconds; None: as long as three boxes may lie in the series.

    Raises
    ------
    ParameterError
        Too few frames, or periods that the duration or the series do not allow.
    """
    seconds, values = (np.array(series[k], np.float64) for k in ("time_s", "value"))
    there = np.isfinite(values)
    seconds, values = seconds[there], values[there]
    if len(seconds) < _FEWEST:
        raise ParameterError(f"{owner}: {_FEWEST} frames are wanted, got {len(seconds)}")
    span = float(seconds[-1] - seconds[0])
    longest = span / 2.0 if longest is None else longest
    if not 4.0 * duration <= shortest or longest > span or not shortest < longest:
        raise ParameterError(
            f"{owner}: periods from four durations ({4.0 * duration:g} s) to the length of the series ({span:g} s) can "
            f"be searched, got {shortest:g} to {longest:g} s"
        )
    level = float(np.median(values))
    held = (values - level).astype(np.float32)[:, None]
    flat = without_running_median(held, seconds, _WINDOW * duration)[:, 0].astype(np.float64)
    return level, best_box(seconds, flat, duration, shortest, longest)


def box_told(found: Found) -> dict[str, float]:
    """Return a box as plain data."""
    snr = found.depth / found.depth_err if found.depth_err > 0.0 else float("nan")
    return {
        "period_s": found.period, "t0_s": found.middle, "duration_s": found.duration, "depth": found.depth,
        "depth_err": found.depth_err, "snr": snr, "trials": found.trials,
    }  # fmt: skip
