"""The probability of the best of many trials, learnt from series of pure noise that go through the same fit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ._conclude import EVIDENCE, conclude
from ._design import Design
from ._lockin import CHUNK, Sums
from ._search import Grid, search
from ._significance import equivalent_trials

Floats = npt.NDArray[np.float64]

_SEED = 20_090_307
_SERIES_AT_ONCE = 2048


def _noise(roots: Floats, part: int, count: int) -> npt.NDArray[np.float32]:
    """Return ``(N, count)`` samples of white noise as the weights tell it; the same in every run."""
    rng = np.random.default_rng([_SEED, part])
    return np.asarray(rng.standard_normal((len(roots), count)) / roots[:, None], np.float32)


def design_trials(
    plan: Design, seconds: Floats, t0: float, series: int, *, local: bool, sides: int, choose: bool
) -> float:
    """Return how many independent trials the best of a design is."""
    found = []
    columns, rows, weights = plan.columns(), plan.side_columns(), plan.roots**2
    for part, begin in enumerate(range(0, series, _SERIES_AT_ONCE)):
        noise = _noise(plan.roots, part, min(_SERIES_AT_ONCE, series - begin))
        sums = Sums.of(noise[:1] * 0, len(noise), len(columns), len(rows), 0.0)
        for i in range(0, len(noise), CHUNK):
            here = slice(i, i + CHUNK)
            sums.add(noise[here], weights[here], columns[:, here], rows[:, here])
        found.append(conclude(sums, plan, seconds, t0, local=local, sides=sides, choose=choose)[0][EVIDENCE])
    return equivalent_trials(np.concatenate(found))


def grid_trials(seconds: Floats, t0: float, roots: Floats, nuisance: Floats, grid: Grid, series: int) -> float:
    """Return how many independent trials the best of a grid of frequencies is."""
    found = []
    for part, begin in enumerate(range(0, series, _SERIES_AT_ONCE)):
        noise = _noise(roots, part, min(_SERIES_AT_ONCE, series - begin))
        none = np.zeros(noise.shape[1], np.int64)
        figures, _ = search(noise, none, none.astype(np.int32), np.zeros(len(none)), seconds, t0, roots, nuisance, grid)
        found.append(figures[EVIDENCE])
    return equivalent_trials(np.concatenate(found))
