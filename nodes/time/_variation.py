"""Whether light curves of stars vary as a temporal resonance vector says, by the fits that images go through."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Trv, exposures_of, seconds_of, used_frames
from . import _sampling as sampling
from ._box import boxes, conclude_boxes
from ._conclude import EVIDENCE, conclude
from ._design import FEWEST_SIDES, NARROW, design, nuisance_basis, nuisance_columns
from ._ensemble import Judge
from ._lockin import CHUNK, Sums
from ._search import Grid, search

Floats = npt.NDArray[np.float64]
Tiles = npt.NDArray[np.float32]

_MOST_JOINT = 16
"""Trials that are fitted by one design; more are searched on a grid."""
_CLIP = 5.0
_DEGREE = 2
_FEWEST_FRAMES = 24


def judge_of(trv: Trv, times: Mapping[str, Any], used: npt.NDArray[np.bool_]) -> Judge | None:
    """Return what tells -log10 p of light curves, all trial frequencies counted; None where the frames are too few.

    Parameters
    ----------
    used
        Which frames of the series count.

    Notes
    -----
    Variation is judged by the noise at frequencies nearby (boxes: at other phases), after a polynomial of degree 2;
    trials count as if they were independent.
    """
    order = used_frames(times)
    keep = used[order]
    order, seconds, exposures = order[keep], seconds_of(times)[keep], exposures_of(times)[keep]
    if len(order) < _FEWEST_FRAMES or trv.seed is not None:
        return None
    names, columns = nuisance_columns(seconds, _DEGREE)
    if trv.shape == "box":
        fit = _boxes(trv, times, seconds, columns, names)
    elif (1.0 / trv.hertz[1] if trv.is_search else trv.period) < 1e-9 or not exposures.size:
        return None
    else:
        fit = _waves(trv, seconds, columns, names)
    if fit is None:
        return None

    def judged(curves: Floats) -> Floats:
        held = np.asarray(curves[order], np.float32)
        return np.where(np.isfinite(held).sum(axis=0) >= _FEWEST_FRAMES, fit(held), 0.0)

    return judged


def _sums(held: Tiles, columns: Floats, sides: Tiles) -> Sums:
    sums = Sums.of(held, len(held), len(columns), len(sides), _CLIP)
    weights = np.ones(len(held))
    for begin in range(0, len(held), CHUNK):
        here = slice(begin, begin + CHUNK)
        sums.add(held[here], weights[here], columns[:, here], sides[:, here])
    return sums


def _waves(trv: Trv, seconds: Floats, columns: Floats, names: list[str]) -> Any:
    tried = sampling.trial_frequencies(trv, sampling.span_of(seconds))
    tried = tried[tried * sampling.span_of(seconds) >= 1.0]
    if not len(tried):
        return None
    more = math.log10(len(tried))
    if len(tried) > _MOST_JOINT:
        return lambda held: _searched(held, tried, seconds, columns, names) - more
    made = design(seconds, np.ones(len(seconds)), (names, columns), tried, t0=float(seconds[0]), sides=2 * NARROW)
    if int(made.sides_within(2 * NARROW).sum()) < FEWEST_SIDES:
        return None

    def fitted(held: Tiles) -> Floats:
        sums = _sums(held, made.columns(), made.side_columns())
        figures, _ = conclude(sums, made, seconds, float(seconds[0]), local=True, sides=2 * NARROW)
        return np.asarray(np.nan_to_num(figures[EVIDENCE], nan=0.0) - more, np.float64)

    return fitted


def _searched(held: Tiles, tried: Floats, seconds: Floats, columns: Floats, names: list[str]) -> Floats:
    span = sampling.span_of(seconds)
    step = float(tried[1] - tried[0])
    grid = Grid(first=float(tried[0]), step=step, count=len(tried), stride=max(1, round(1.0 / (span * step))),
                sides=NARROW, lowest=1.5 / span)  # fmt: skip
    there = np.isfinite(held)
    middle = np.nanmedian(np.where(there.any(axis=0), held, np.float32(0.0)), axis=0)
    basis = nuisance_basis(names, columns, np.ones(len(seconds)))
    lost = (~there).sum(axis=0)
    samples = np.where(there, held - middle, np.float32(0.0)).astype(np.float32)
    figures, _ = search(samples, lost, lost.astype(np.int32), middle, seconds, float(seconds[0]),
                        np.ones(len(seconds)), basis, grid, np.packbits(~there, axis=0, bitorder="little"))  # fmt: skip
    return np.asarray(np.nan_to_num(figures[EVIDENCE], nan=0.0), np.float64)


def _boxes(trv: Trv, times: Mapping[str, Any], seconds: Floats, columns: Floats, names: list[str]) -> Any:
    middle = sampling.t0_seconds(trv, times)
    if trv.is_search or middle is None or trv.duration is None:
        return None
    basis = nuisance_basis(names, columns, np.ones(len(seconds)))
    made = boxes(seconds, np.ones(len(seconds)), basis, trv.period, middle, trv.duration.seconds)
    if made is None or made.freedom < FEWEST_SIDES:
        return None

    def fitted(held: Tiles) -> Floats:
        sums = _sums(held, made.columns(), np.zeros((0, len(held)), np.float32))
        return np.asarray(np.nan_to_num(conclude_boxes(sums, made, trv.period)[0][EVIDENCE], nan=0.0), np.float64)

    return fitted
