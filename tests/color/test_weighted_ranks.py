"""Ranks that follow a line as its slope changes, and lines that fall for ever."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lerarlink.nodes.color import _l1
from lerarlink.nodes.color._l1 import Line, Pairs, Pull, minimise
from lerarlink.nodes.color._weighted_ranks import Ranks, weighted_rank


def _pairs(seed: int, size: int) -> Pairs:
    rng = np.random.default_rng(seed)
    u = rng.normal(0.0, 0.01, size)
    # Rounded, so that many residuals tie.
    y = np.round(0.3 + 1.7 * u + rng.normal(0.0, 0.02, size), 3)
    return Pairs(u, y, rng.integers(1, 5, size).astype(np.float64))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("part", [0.0, 0.03, 0.5, 0.77, 1.0])
def test_ranks_are_those_of_all_pairs_whatever_the_slope_was_before(seed: int, part: float) -> None:
    pairs = _pairs(seed, 1 + 701 * seed)
    wanted = part * float(pairs.w.sum()) + (0.137 if 0.0 < part < 1.0 else 0.0)
    ranks = Ranks(pairs.u, pairs.y, pairs.w, wanted)
    rng = np.random.default_rng(seed)
    slopes = [1.7, 1.7, math.nextafter(1.7, 2.0), *(1.7 + 4.0 ** -rng.uniform(0, 26, 60)), 1e60, -1e60, 0.0, 1.7]
    for b in slopes:
        z = pairs.y - b * pairs.u
        assert ranks.at(z, b) == weighted_rank(z.copy(), pairs.w.copy(), wanted)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_pull_in_slope_that_no_pairs_can_hold_is_found_out_early(
    sign: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = _pairs(1, 3000)
    most = float((pairs.w * np.abs(pairs.u)).sum())
    looks = 0
    best = _l1._best

    def counted(*args: object) -> tuple[float, float]:
        nonlocal looks
        looks += 1
        return best(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(_l1, "_best", counted)
    assert minimise(pairs, Pull(0.0, sign * 1.5 * most)) is None
    assert looks < 12


@pytest.mark.parametrize("pull", [Pull(), Pull(40.0, 3.0), Pull(-700.0, -9.0), Pull(0.0, 21.0), Pull(0.0, -21.0)])
def test_lines_are_the_same_without_a_look_far_out(pull: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(seed: int) -> Line | None:
        return minimise(_pairs(seed, 2500), pull)

    found = [told(seed) for seed in range(8)]
    monkeypatch.setattr(_l1, "_PATIENCE", _l1._STEPS)
    monkeypatch.setattr(Ranks, "at", lambda self, z, b: float(weighted_rank(z.copy(), self._w.copy(), self.wanted)))
    assert found == [told(seed) for seed in range(8)]
