"""The transparency of each frame from many stars, and which of them vary and are no measure of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROUNDS = 6
"""Times that weights are found anew, at most."""
REJECT = 5.0
"""Fluxes farther from a frame's gain than so many robust sigmas do not count in it."""
SHARE = 4.0
"""A star weighs at most so many times what the median star does: one that varies must not carry the others away."""
FEWEST = 5
_SIGMA = 1.4826
_SETTLED = 1e-6


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Gains of all frames, and what each star contributes.

    Attributes
    ----------
    gain
        ``(frames,)``, NaN where no star is seen; its median is 1.
    weights
        ``(stars,)``: sum 1; zero for those that are no members.
    relative
        ``(frames, stars)``: fluxes over the gain and the star's median.
    members
        Which stars count.
    """

    gain: Floats
    weights: Floats
    relative: Floats
    members: Bools


def ensemble(flux: Floats, members: Bools, used: Bools | None = None) -> Ensemble:
    """Return the gains of frames by the *members* among their stars.

    Parameters
    ----------
    flux
        ``(frames, stars)``; NaN where a star is not seen.
    members
        Which stars count; one at least.
    used
        Frames of which the median gain is 1; all where it is left out.

    Notes
    -----
    A frame's gain is the weighted mean of its stars' fluxes over their medians, without those 5 robust sigmas away.
    A star's weight is one over the robust variance of its flux over the gain, found anew up to six times; so stars
    that vary count less by themselves (the ensemble of Honeycutt 1992, PASP 104, 435, with robust weights).
    """
    frames = np.ones(len(flux), np.bool_) if used is None else used
    level = _medians(flux[frames].T)
    curves = flux / np.where(level > 0.0, level, np.nan)
    members = members & np.isfinite(level) & (level > 0.0)
    weights = np.where(members, 1.0, 0.0)
    spread = np.full(flux.shape[1], np.inf)
    gain = _medians(np.where(members, curves, np.nan))
    for _ in range(ROUNDS):
        before = gain
        gain = _gains(curves, weights, spread, gain)
        gain = gain / np.median(gain[frames & np.isfinite(gain)])
        rest = curves / gain[:, None]
        rest = rest / _medians(rest[frames].T)
        spread = _SIGMA * _medians(np.abs(rest[frames] - 1.0).T)
        weights = _weights(spread, members)
        if np.nanmax(np.abs(gain - before), initial=0.0) < _SETTLED:
            break
    return Ensemble(gain, weights, curves / gain[:, None], members)


def _weights(spread: Floats, members: Bools) -> Floats:
    known = members & np.isfinite(spread) & (spread > 0.0)
    if not known.any():
        return np.asarray(members / max(1, members.sum()), np.float64)
    raw = np.zeros(len(spread))
    raw[known] = 1.0 / spread[known] ** 2
    raw = np.minimum(raw, SHARE * np.median(raw[known]))
    return np.asarray(raw / raw.sum(), np.float64)


def _gains(curves: Floats, weights: Floats, spread: Floats, near: Floats) -> Floats:
    """Return the weighted mean of each frame, without the stars that are far from *near* by their spread."""
    there = np.isfinite(curves) & (weights > 0.0)
    with np.errstate(invalid="ignore"):
        there &= np.abs(curves - near[:, None]) <= REJECT * spread * np.abs(near[:, None])
    total = np.zeros(len(curves))
    weight = np.zeros(len(curves))
    for s in range(curves.shape[1]):
        total += np.where(there[:, s], weights[s] * curves[:, s], 0.0)
        weight += np.where(there[:, s], weights[s], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0.0, total / weight, near)


def _medians(rows: Floats) -> Floats:
    """Return the median of each row, missing values left out; NaN of rows without any."""
    ordered = np.sort(rows, axis=1)
    there = np.isfinite(ordered).sum(axis=1)
    at = np.arange(len(rows))
    low, high = ordered[at, np.maximum(there - 1, 0) // 2], ordered[at, np.minimum(there // 2, rows.shape[1] - 1)]
    return np.asarray(np.where(there > 0, 0.5 * (low + high), np.nan), np.float64)


def middle_gain(found: Ensemble) -> Floats:
    """Return the weighted median of the members' curves in each frame, as a factor on the gain.

    By it stars are tested for variation: one that varies moves the mean of all, and with it every other star against
    it, but hardly their median.
    """
    made = np.ones(len(found.gain))
    for i, row in enumerate(found.relative):
        there = np.nonzero(np.isfinite(row) & (found.weights > 0.0))[0]
        if len(there):
            there = there[np.argsort(row[there], kind="stable")]
            heap = np.cumsum(found.weights[there])
            made[i] = row[there[int(np.searchsorted(heap, 0.5 * heap[-1]))]]
    return made


Judge = Callable[[Floats], Floats]
"""``(frames, stars)`` of light curves about 1 -> -log10 p of each star, all trials counted."""


def constant_members(flux: Floats, used: Bools, judge: Judge, least: float, rounds: int) -> tuple[Bools, Floats]:
    """Return which stars do not vary, and the evidence against each.

    Each round takes the gain from the stars that seem constant so far, and tests all stars anew against the median of
    these. In no round more than half of the stars are left out, so that what a strong one imprints on others does not
    cost these their place for good.

    Parameters
    ----------
    judge
        Tells -log10 p of light curves.
    least
        Evidence from which on a star varies.
    rounds
        How often, at most.
    """
    members = np.isfinite(_medians(flux.T))
    start, evidence = members, np.zeros(flux.shape[1])
    for _ in range(rounds):
        found = ensemble(flux, members, used)
        evidence = judge(found.relative / middle_gain(found)[:, None])
        constant = start & ~(evidence >= least)
        if 2 * constant.sum() < start.sum():
            limit = np.sort(evidence[start])[(start.sum() + 1) // 2 - 1]
            constant = start & (evidence <= limit)
        if (constant == members).all():
            break
        members = constant
    return start & ~(evidence >= least), evidence


def components(relative: Floats, weights: Floats, count: int) -> Floats:
    """Return ``(count, frames)``: what the members' light curves have most in common besides the gain.

    They are the first left singular vectors of the curves, each star scaled by the root of its weight; their signs
    make the entry of greatest size positive.
    """
    chosen = weights > 0.0
    curves = np.where(np.isfinite(relative[:, chosen]), relative[:, chosen] - 1.0, 0.0) * np.sqrt(weights[chosen])
    made = np.zeros((count, len(relative)))
    left: Any = np.linalg.svd(curves - curves.mean(axis=0), full_matrices=False)[0]
    for k in range(min(count, left.shape[1])):
        column = left[:, k]
        made[k] = column * np.sign(column[int(np.abs(column).argmax())])
    return made
