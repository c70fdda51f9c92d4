"""One period out of many: samples averaged by their phase, slow terms taken out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ._conclude import MASKED
from ._lockin import Sums

Floats = npt.NDArray[np.float64]


def bins_of(plan: Mapping[str, Any], bins: int, period: float) -> npt.NDArray[np.int64]:
    """Return the bin of each frame; the first begins at phase 0."""
    cycles = (plan["seconds"] - plan["t0"]) / period
    return np.asarray(np.minimum(bins * (cycles - np.floor(cycles)), bins - 1), np.int64)


def fold_columns(plan: Mapping[str, Any], at: npt.NDArray[np.int64], bins: int) -> Floats:
    """Return ``(terms + bins, N)``: nuisance rows, then each bin's weights."""
    weights = plan["weights"]
    flags = np.arange(bins)[:, None] == at[None, :]
    return np.ascontiguousarray(np.concatenate([plan["nuisance"] * np.sqrt(weights), flags * weights]))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _folded(
    sums: Any, squares: Any, bad: Any, pedestal: Any, nuisance: Any, weights: Any, at: Any, bins: int, masked: float,
    made: Any, errors: Any,
) -> None:  # fmt: skip
    terms, frames = nuisance.shape
    w, u = np.empty(bins), np.empty((terms, bins))
    w_all, u_all = np.zeros(bins), np.zeros((terms, bins))
    for i in range(frames):
        w_all[at[i]] += weights[i]
        for n in range(terms):
            u_all[n, at[i]] += np.sqrt(weights[i]) * nuisance[n, i]
    total = np.sqrt(weights.sum())
    for p in range(len(squares)):
        w[:], u[:] = w_all, u_all
        lost = 0
        for byte in range(bad.shape[0]):
            if bad[byte, p] == 0:
                continue
            for e in range(8):
                i = 8 * byte + e
                if i < frames and (bad[byte, p] >> e) & 1:
                    lost += 1
                    w[at[i]] -= weights[i]
                    for n in range(terms):
                        u[n, at[i]] -= np.sqrt(weights[i]) * nuisance[n, i]
        if lost > masked * frames:
            continue
        rest = squares[p]
        for n in range(terms):
            rest -= sums[n, p] * sums[n, p]
        filled = 0
        for b in range(bins):
            if w[b] <= 1e-9 * w_all[b] or w_all[b] == 0.0:
                continue
            filled += 1
            s = sums[terms + b, p]
            for n in range(terms):
                s -= sums[n, p] * u[n, b]
            rest -= s * s / w[b]
            made[b, p] = pedestal[p] + sums[0, p] / total + s / w[b]
        free = frames - lost - filled - terms + 1
        if free > 0:
            for b in range(bins):
                if w[b] > 1e-9 * w_all[b]:
                    errors[b, p] = np.sqrt(max(rest, 0.0) / free / w[b])


def folded(sums: Sums, plan: Mapping[str, Any], at: npt.NDArray[np.int64], bins: int) -> tuple[Floats, Floats]:
    """Return the weighted mean of each bin, ``(bins, pixels)``, and its error from the scatter within bins.

    Bad samples are left out; bins without samples, and pixels of which more than 30 % are bad, are NaN. Slow terms are
    taken out of the samples, the pixel's mean is not.
    """
    pixels = len(sums.squares)
    made, errors = np.full((bins, pixels), np.nan), np.full((bins, pixels), np.nan)
    _folded(sums.sums, sums.squares, sums.bad, sums.pedestal, plan["nuisance"], plan["weights"], at, bins, MASKED,
            made, errors)  # fmt: skip
    return made, errors
