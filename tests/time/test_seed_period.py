"""The best period of a light curve, against simulated ones: right within the error that is told."""

from __future__ import annotations

import numpy as np
import pytest

from lerarlink.engine.api import Known, ParameterError, series_value
from lerarlink.nodes.time.seed_period import SeedPeriod

PERIOD = 14.8


def times(seed: int, count: int = 300) -> np.ndarray:
    t = np.arange(count) * 5.0 + np.random.default_rng(seed).uniform(-0.4, 0.4, count)
    t[count // 3 :] += 137.3
    return t


def found(t: np.ndarray, y: np.ndarray, error: object = (), **params: object) -> dict:
    params = {"trv": "[TRV:seed(core)]", **params}
    return SeedPeriod.build(params).compute(Known(values={"series": series_value(t, y, error)}))["measures"]


@pytest.mark.parametrize("height", [0.7, 30.0])
@pytest.mark.parametrize("noise", ["local", "white"])
def test_the_error_of_a_period_is_what_periods_scatter_by(height: float, noise: str) -> None:
    pulls = []
    for seed in range(50):
        t = times(seed)
        rng = np.random.default_rng([seed, 1])
        sigma = np.exp(rng.normal(0, 0.2, 300))
        y = 1000 + rng.normal(0, 1, 300) * sigma + height * np.cos(2 * np.pi * t / PERIOD - seed)
        y += 5 * (t / t.max()) ** 2
        y[[5, 70]] = np.nan, 1e5
        told = found(t, y, sigma, noise=noise)
        pulls.append((told["period_s"] - PERIOD) / told["period_err_s"])
        assert told["log10_p"] < -3 and told["warnings"] == []
    assert np.std(pulls) == pytest.approx(1.0, abs=0.25)
    assert abs(np.mean(pulls)) < 0.45


def test_noise_has_no_sure_period() -> None:
    sure = 0
    for seed in range(40):
        told = found(times(seed), np.random.default_rng([seed, 2]).normal(0, 1, 300))
        sure += not told["warnings"]
    assert sure <= 3


def test_the_best_box_is_found() -> None:
    t = np.arange(600) * 30.0
    y = np.random.default_rng(3).normal(100, 1, 600)
    y[np.abs((t - 700 + 1150) % 2300 - 1150) < 90] -= 5
    told = found(t, y, trv="[TRV:seed(core);shape=box;dur=3min]")
    assert told["period_s"] == pytest.approx(2300, rel=0.003)
    assert abs((told["t0_s"] - 700 + 1150) % 2300 - 1150) < 40
    assert 0 <= told["t0_s"] < told["period_s"]
    assert told["depth"] == pytest.approx(5, rel=0.25)


@pytest.mark.parametrize(
    ("t", "y", "error"),
    [
        (times(1), np.full(300, 7.0), "does not vary"),
        (times(1), np.full(300, np.nan), "20 values .* got 0"),
        (times(1)[:12], np.arange(12.0), "20 values .* got 12"),
        (np.zeros(30), np.arange(30.0), "no period|LRR-2"),
    ],
)
def test_what_has_no_period_is_told_in_a_sentence(t: np.ndarray, y: np.ndarray, error: str) -> None:
    with pytest.raises(ParameterError, match=error):
        found(t, y)


@pytest.mark.parametrize("trv", ["[TRV:14.8s]", "[TRV:5s..9s]", "[TRV:seed(core);shape=box]"])
def test_only_seeds_are_taken(trv: str) -> None:
    with pytest.raises(ParameterError, match=r"seed\(core\)|dur="):
        SeedPeriod.build({"trv": trv})
