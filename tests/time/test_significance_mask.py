"""Masks of what is significant, against scipy's control of false discoveries and simulated maps."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lerarlink import Graph
from lerarlink.engine.store import Store
from lerarlink.nodes.time._discoveries import LAST, STEPS, added, counted, first_step, steps_of

Given = Callable[..., Any]
ROUNDED = 10.0 ** (1.0 / STEPS)


def chances(seed: int, count: int, signals: int, strength: float = 3.5) -> np.ndarray:
    """Return the probabilities of pixels of noise, of which some have a signal of so many sigmas."""
    z = np.random.default_rng(seed).normal(0, 1, count)
    z[:signals] += strength
    return stats.norm.sf(z)


def evidence(p: np.ndarray) -> np.ndarray:
    return np.asarray(-np.log10(p), np.float32)


def marked(significance: np.ndarray, correction: Any, level: float) -> np.ndarray:
    first = first_step(counted(significance), correction, level)
    return np.zeros(significance.shape, bool) if first is None else steps_of(significance) >= first


@pytest.mark.parametrize("level", [0.5, 0.1, 0.01, 1e-4])
@pytest.mark.parametrize("signals", [0, 3, 300, 6000])
def test_false_discoveries_are_controlled_as_by_an_independent_implementation(level: float, signals: int) -> None:
    for seed in range(5):
        s = evidence(chances(seed, 20_000, signals))
        p = 10.0 ** -s.astype(np.float64)
        mine, told = marked(s, "fdr", level), stats.false_discovery_control(p) <= level
        strict = stats.false_discovery_control(p) <= level / ROUNDED
        assert not (mine & ~told).any(), "stricter than the rule, never laxer"
        assert not (strict & ~mine).any(), "by no more than a step"
        # With probabilities that lie on steps it is the rule itself.
        stepped = np.minimum(10.0 ** (-steps_of(s) / STEPS), 1.0)
        assert (mine == (stats.false_discovery_control(stepped) <= level * (1 + 1e-12))).all()


def test_family_and_single_levels_are_those_of_their_formulas() -> None:
    p = chances(1, 5000, 40, strength=4.0)
    s = evidence(p)
    family, single = marked(s, "family", 0.05), marked(s, "none", 0.01)
    assert 5 < family.sum() < 40
    near = np.abs(np.log10(p) - math.log10(1 - 0.95 ** (1 / 5000))) < 1 / STEPS
    assert (family == (1 - (1 - p) ** 5000 <= 0.05))[~near].all()
    near = np.abs(np.log10(p) + 2.0) < 1 / STEPS
    assert (single == (p <= 0.01))[~near].all()
    # A level that is a step is that step: 0.01 is -log10 p of 2.
    assert first_step(counted(s), "none", 0.01) == 2 * STEPS


def test_noise_alone_is_rarely_marked() -> None:
    runs = [evidence(chances(seed, 4000, 0)) for seed in range(1000)]
    for correction in ("fdr", "family"):
        # In pure noise every discovery is false: some are made in a run with a probability of the level.
        rate = np.mean([marked(s, correction, 0.1).any() for s in runs])
        assert rate == pytest.approx(0.1, abs=0.03), correction
    assert np.mean([marked(s, "none", 0.1).mean() for s in runs]) == pytest.approx(0.1, abs=0.003)


def test_the_share_of_false_marks_is_that_of_the_level() -> None:
    shares = []
    for seed in range(300):
        found = marked(evidence(chances(seed, 4000, 400)), "fdr", 0.1)
        shares.append(found[400:].sum() / max(1, found.sum()))
    assert np.mean(shares) == pytest.approx(0.1 * 0.9, abs=0.01)


def test_counts_of_parts_add_up_to_those_of_the_whole() -> None:
    s = evidence(chances(3, 9000, 30, strength=20.0)).reshape(90, 100)
    s[5, 7], s[6, 7], s[7, 7] = np.nan, np.inf, -0.0
    whole = counted(s)
    assert len(whole) == LAST + 1 and whole.sum() == 8999
    for cut in (1, 37, 89):
        assert added(counted(s[:cut]), counted(s[cut:])).tolist() == whole.tolist()
        assert added(counted(s[cut:]), counted(s[:cut])).tolist() == whole.tolist()


def test_a_sample_on_a_step_lies_in_it() -> None:
    on = np.arange(0, LAST) / np.float64(STEPS)
    exact = on.astype(np.float32)
    up = np.nextafter(exact, np.float32(np.inf))
    assert (steps_of(up) >= np.arange(LAST)).all()
    assert (np.abs(steps_of(exact) - np.arange(LAST)) <= 1).all()


# -- as a process -----------------------------------------------------------------------------------


def mask(given: Given, s: Any, store: Path, **params: Any) -> tuple[np.ndarray, dict[str, Any]]:
    options = {k: params.pop(k) for k in ("strip_samples", "workers", "scheduler") if k in params}
    graph = Graph()
    node = graph.add("SignificanceMask", image=given(graph, s, bounds=(0.0, 20.0)), **params)
    pixels = node.output("image").image[0].compute(store=Store(store), **options)
    return pixels, node.output("discoveries").value(store=Store(store))


def test_strips_do_not_change_the_mask(given: Given, tmp_path: Path) -> None:
    s = evidence(chances(4, 3 * 120 * 100, 500)).reshape(3, 120, 100)
    s[1, 3, 4] = np.nan
    whole, told = mask(given, s, tmp_path / "a", strip_samples=10**9, scheduler="sync")
    thin, again = mask(given, s, tmp_path / "b", strip_samples=700, workers=3)
    assert thin.tobytes() == whole.tobytes()
    assert told == again
    assert told["pixels"] == s.size - 1
    assert told["marked"] == whole.sum() > 100
    assert whole.dtype == np.float32 and set(np.unique(whole)) == {0.0, 1.0}
    assert whole[1, 3, 4] == 0.0
    assert s[whole > 0].min() >= told["threshold"] > s[(whole == 0) & np.isfinite(s)].max() - 1 / STEPS


@pytest.mark.parametrize("correction", ["fdr", "family", "none"])
@pytest.mark.parametrize("fill", [np.nan, 0.0])
def test_maps_without_anything_have_no_marks(given: Given, tmp_path: Path, correction: str, fill: float) -> None:
    pixels, told = mask(given, np.full((1, 8, 9), fill), tmp_path, correction=correction)
    assert pixels.max() == 0.0
    assert told["marked"] == 0
    assert told["pixels"] == (0 if math.isnan(fill) else 72)
    if math.isnan(fill):
        assert told["threshold"] is None


def test_what_is_beyond_all_steps_is_marked(given: Given, tmp_path: Path) -> None:
    s = np.zeros((1, 5, 5))
    s[0, 2, 2], s[0, 1, 1] = np.inf, 900.0
    pixels, told = mask(given, s, tmp_path, level=1e-6)
    assert np.argwhere(pixels[0]).tolist() == [[1, 1], [2, 2]]
    assert told["marked"] == 2
