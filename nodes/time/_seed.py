"""The best period of one light curve: that with which everything else is then compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...engine.api import ParameterError
from ._conclude import EVIDENCE, FREQUENCY, FREQUENCY_ERROR
from ._design import NARROW, frame_weights, nuisance_basis, nuisance_columns, orthonormal
from ._lockin import median_and_deviation
from ._sampling import FEWEST_PERIODS
from ._search import Grid, powers, search
from ._significance import trials_log10

Floats = npt.NDArray[np.float64]

FEWEST = 20
"""Frames of a light curve that is searched."""
_FINER = 16
"""Steps of the second look at the best trial, to each of the first."""
_SURE = 2.0


class Curve(NamedTuple):
    """A light curve without what is missing or an outlier: times, values less their median, roots of the weights and
    orthonormal slow terms."""

    seconds: Floats
    values: Floats
    roots: Floats
    nuisance: Floats

    @property
    def span(self) -> float:
        return float(self.seconds[-1] - self.seconds[0])


class Best(NamedTuple):
    """Period and its error in seconds, -log10 p with all trials counted, their number, frequencies and powers."""

    period: float
    error: float
    log10_p: float
    trials: int
    hertz: Floats
    power: Floats


def curve_of(
    series: Mapping[str, Any], plan: Mapping[str, Any] | None, detrend: int, clip: float, notes: list[str]
) -> Curve:
    """Return what is searched of a light curve.

    Slow terms are those of *plan* where the curve has a value for each of its frames, else a polynomial of degree
    *detrend*; samples farther than *clip* robust sigmas from the median are left out.

    Raises
    ------
    ParameterError
        Too few values.
    """
    seconds, values = (np.array(series[k], np.float64) for k in ("time_s", "value"))
    errors = np.array(series["error"] or np.zeros(len(seconds)), np.float64)
    order = np.argsort(seconds, kind="stable")
    seconds, values, errors = seconds[order], values[order], errors[order]
    of_plan = plan is not None and np.array_equal(seconds, plan["seconds"])
    if plan is not None and not of_plan:
        notes.append("the light curve of the seed has other times than the frames: only a polynomial is fitted besides")
    good = np.isfinite(values)
    if good.any():
        middle, spread = (float(a[0]) for a in median_and_deviation(values[good].astype(np.float32)[:, None]))
        values = values - middle
        good &= ~(np.abs(values) > clip * spread) if clip and spread > 0.0 else good
    if good.sum() < FEWEST:
        raise ParameterError(f"SeedPeriod: {FEWEST} values of the light curve are wanted, got {int(good.sum())}")
    told = bool((np.isfinite(errors) & (errors > 0.0)).all())
    weights = frame_weights(errors[good] if told else None, int(good.sum()))
    roots = np.sqrt(weights)
    if of_plan:
        assert plan is not None
        # Rows of the plan hold the roots of its weights.
        rows = (plan["nuisance"] / np.sqrt(plan["weights"]))[:, good]
        nuisance, _, _ = orthonormal(np.ascontiguousarray(rows * roots))
    else:
        nuisance = nuisance_basis(*nuisance_columns(seconds[good], detrend), roots)
    return Curve(seconds[good], values[good], roots, nuisance)


def best_period(curve: Curve, harmonics: int, local: bool, oversample: int) -> Best:
    """Return the best period of a light curve: that of the least p over all that sampling and length allow.

    Frequencies go from one and a half cycles in the series (more than the slow terms can follow) to half the median
    cadence. A finer grid about the best trial and a parabola give the frequency, where its error is taken.

    Raises
    ------
    ParameterError
        The series is too short for any.
    """
    span, cadence = curve.span, float(np.median(np.diff(curve.seconds)))
    lowest = max(FEWEST_PERIODS, float(len(curve.nuisance) - 1)) / span if span > 0.0 else math.inf
    highest = 0.5 / cadence if cadence > 0.0 else 0.0
    step = 1.0 / (oversample * span) if span > 0.0 else 1.0
    count = math.floor((highest - lowest) / step) + 1 if highest > lowest else 0
    if count < 3:
        raise ParameterError(
            f"SeedPeriod: in a light curve of {len(curve.seconds)} values over {span:.6g} s no period can be found"
        )
    # At low frequencies there are teeth of the comb on one side only, so many are wanted.
    grid = Grid(first=lowest, step=step, count=count, stride=oversample if local else 0,
                sides=2 * NARROW if local else 0, lowest=FEWEST_PERIODS / span, harmonics=harmonics)  # fmt: skip
    figures = _searched(curve, grid)
    finer = Grid(first=float(figures[FREQUENCY]) - step, step=step / _FINER, count=2 * _FINER + 1, stride=0, sides=0,
                 lowest=0.0, harmonics=harmonics)  # fmt: skip
    hertz = float(_searched(curve, finer)[FREQUENCY])
    # Beside the frequency itself, what is left of a strong variation would pass for noise nearby.
    there = _searched(curve, replace(grid, first=hertz, count=1))
    log10_p = float(trials_log10(max(there[EVIDENCE], figures[EVIDENCE]), float(count), float(count)))
    error = float(there[FREQUENCY_ERROR])
    if not (figures[EVIDENCE] > 0.0 and math.isfinite(error)):
        raise ParameterError("SeedPeriod: the light curve does not vary, or is too short to tell what is noise")
    trials = grid.frequencies()
    power = powers(curve.values, curve.seconds, curve.roots, curve.nuisance, trials, harmonics)
    return Best(1.0 / hertz, error / hertz**2, log10_p, count, trials, power)


def _searched(curve: Curve, grid: Grid) -> Floats:
    none = np.zeros(1, np.int64)
    held: Any = curve.values[:, None]
    figures, _ = search(held, none, none.astype(np.int32), np.zeros(1), curve.seconds, float(curve.seconds[0]),
                        curve.roots, curve.nuisance, grid)  # fmt: skip
    return np.asarray(figures[:, 0], np.float64)


def doubts(best: Best, span: float) -> Sequence[str]:
    """Return what is doubtful about a period, in sentences."""
    found = []
    if not best.log10_p >= _SURE:
        found.append(
            f"the light curve of the seed has no sure period: the best of {best.trials}, {best.period:.6g} s, comes by "
            f"chance with a probability of {10.0**-best.log10_p:.2g}"
        )
    if best.period > span / 3.0:
        found.append(f"the period of the seed, {best.period:.6g} s, is covered {span / best.period:.2g} times only")
    return found
