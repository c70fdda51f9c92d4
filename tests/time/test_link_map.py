"""Correlation and coherence with a seed, against their definitions, drawn noise and what noise takes from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lerarlink.engine.errors import ParameterError
from lerarlink.nodes.time._clusters import clusters, edges
from lerarlink.nodes.time._coherence import Link, Linked, disattenuated, link, linked, segments_of
from lerarlink.nodes.time._design import frame_weights, nuisance_basis, nuisance_columns
from lerarlink.nodes.time._lockin import Sums

PERIOD = 14.8
OMEGA = 2 * math.pi / PERIOD


def scene_times(seed: int = 0, count: int = 600) -> np.ndarray:
    """Return mid-exposures 5 s apart, with jitter and two gaps."""
    t = np.arange(count) * 5.0 + np.random.default_rng(seed).uniform(-0.4, 0.4, count)
    t[count // 3 :] += 137.3
    t[count * 43 // 60 :] += 61.9
    return t


def planned(t: np.ndarray, seed: np.ndarray, w: np.ndarray, segments: int = 12, degree: int = 2) -> Link:
    r = np.sqrt(w)
    return link(t, 0.0, r, nuisance_basis(*nuisance_columns(t, degree), r), seed, 1 / PERIOD, segments)


def found(y: np.ndarray, w: np.ndarray, plan: Link, members: int = 0) -> Linked:
    columns = plan.columns()
    sums = Sums.of(y.astype(np.float32), len(y), len(columns), 0, 0.0)
    none = np.zeros((0, len(y)), np.float32)
    for i in range(0, len(y), 64):
        here = slice(i, i + 64)
        sums.add(np.ascontiguousarray(y[here], np.float32), w[here], columns[:, here], none[:, here])
    return linked(sums.sums, sums.squares, plan, members)


def residuals(y: np.ndarray, t: np.ndarray, w: np.ndarray, degree: int) -> np.ndarray:
    """Return root-weighted residuals of a polynomial, by LAPACK."""
    x = np.array([((t - t.mean()) / np.ptp(t)) ** k for k in range(degree + 1)]) * np.sqrt(w)
    v = (y.T * np.sqrt(w)).T
    return np.asarray(v - x.T @ np.linalg.lstsq(x.T, v, rcond=None)[0])


def test_correlation_and_coherence_are_their_definitions() -> None:
    t = scene_times(1)
    w = frame_weights(np.exp(np.random.default_rng(2).normal(0, 0.1, 600)), 600)
    rng = np.random.default_rng(3)
    seed = rng.normal(0, 1, 600) + np.cos(OMEGA * t)
    y = (rng.normal(0, 2, (600, 4)) + np.cos(OMEGA * t - 0.8)[:, None]).astype(np.float32).astype(np.float64)
    told = found(y, w, planned(t, seed, w))
    v, s = residuals(y, t, w, 2), residuals(seed[:, None], t, w, 2)[:, 0]
    r = v.T @ s / np.sqrt((v**2).sum(0) * (s**2).sum())
    assert told.correlation == pytest.approx(r, rel=1e-5)
    part = np.arange(600) // 50
    wave = np.exp(1j * OMEGA * t) * np.sqrt(w)
    # Segments of equal numbers of frames, each scaled by its weights: what white noise gives is alike in all.
    scale = np.sqrt([w[part == k].sum() / 2 for k in range(12)])
    z = np.array([(wave[part == k, None] * v[part == k]).sum(0) / scale[k] for k in range(12)])
    zs = np.array([(wave[part == k] * s[part == k]).sum() / scale[k] for k in range(12)])
    cross = (z * zs.conj()[:, None]).sum(0)
    gamma2 = np.abs(cross) ** 2 / ((np.abs(z) ** 2).sum(0) * (np.abs(zs) ** 2).sum())
    assert told.coherence == pytest.approx(gamma2, rel=1e-4)
    assert told.lag == pytest.approx(np.angle(cross) / OMEGA, rel=1e-4)
    assert told.evidence == pytest.approx(-11 * np.log10(1 - gamma2), rel=1e-4)
    assert told.lag_error == pytest.approx(np.sqrt((1 - gamma2) / (24 * gamma2)) / OMEGA, rel=1e-4)


def test_noise_attenuates_correlation_as_foretold() -> None:
    """Pixels of A/sigma 0.3 and a seed ten times as good: r = 0.188, and 1 of what varies alone."""
    t, w = scene_times(4), np.ones(600)
    rng = np.random.default_rng(5)
    seed = 3 * np.cos(OMEGA * t) + rng.normal(0, 1, 600)
    y = rng.normal(0, 1, (600, 5000)) + 0.3 * np.cos(OMEGA * t)[:, None]
    plan = planned(t, seed, w)
    told = found(y, w, plan)
    expected = math.sqrt(0.045 / 1.045 * 4.5 / 5.5)
    print(told.correlation.mean(), expected)
    assert told.correlation.mean() == pytest.approx(expected, abs=0.01)
    cleaned = disattenuated(told, plan.freedom, 0.01)
    assert np.isfinite(cleaned).mean() > 0.9
    assert np.nanmedian(cleaned) == pytest.approx(1.0, abs=0.05)


def test_pixels_of_noise_do_not_go_with_a_seed() -> None:
    t, w = scene_times(6), np.ones(600)
    rng = np.random.default_rng(7)
    seed = 3 * np.cos(OMEGA * t) + rng.normal(0, 1, 600)
    told = found(rng.normal(0, 1, (600, 20_000)), w, planned(t, seed, w))
    for evidence in (told.correlation_evidence, told.evidence):
        assert stats.kstest(10.0**-evidence, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("segments", "pixels"), [(8, 30_000), (12, 30_000)])
def test_the_coherence_of_noise_is_as_improbable_as_told(segments: int, pixels: int) -> None:
    t, w = scene_times(8), np.ones(600)
    rng = np.random.default_rng(9)
    plan = planned(t, rng.normal(0, 1, 600), w, segments)
    p = 10.0 ** -np.concatenate(
        [found(rng.standard_normal((600, 10_000), np.float32), w, plan).evidence for _ in range(pixels // 10_000)]
    )
    print([float((p < a).mean() / a) for a in (1e-2, 1e-3)])
    assert 0.8 <= (p < 1e-2).mean() / 1e-2 <= 1.2


def test_lags_scatter_by_their_errors() -> None:
    t, w = scene_times(10), np.ones(600)
    rng = np.random.default_rng(11)
    seed = np.cos(OMEGA * t)
    y = rng.normal(0, 1, (600, 2000)) + 0.5 * np.cos(OMEGA * (t - 2.0))[:, None]
    told = found(y, w, planned(t, seed, w))
    pull = (told.lag - 2.0) / told.lag_error
    assert pull.mean() == pytest.approx(0.0, abs=0.1)
    assert pull.std() == pytest.approx(1.0, abs=0.2)


def test_a_pixel_taken_out_of_its_seed_is_judged_by_the_others() -> None:
    t, w = scene_times(12), np.ones(600)
    y = np.random.default_rng(13).normal(0, 1, (600, 6)).astype(np.float32).astype(np.float64)
    plan = planned(t, y.mean(axis=1), w)
    told = found(y, w, plan, members=6)
    for p in range(6):
        other = np.delete(y, p, axis=1).mean(axis=1)
        alone = found(y[:, p : p + 1], w, planned(t, other, w))
        assert told.correlation[p] == pytest.approx(alone.correlation[0], abs=1e-6)
        assert told.coherence[p] == pytest.approx(alone.coherence[0], abs=1e-6)
        assert told.lag[p] == pytest.approx(alone.lag[0], abs=1e-5)
    assert (found(y, w, plan).correlation > 0.3).all()  # each is a sixth of it
    assert np.abs(told.correlation).max() < 0.2


def test_a_run_of_few_periods_is_cut_into_fewer_segments_or_refused() -> None:
    t = np.arange(300) * 5.0
    assert segments_of(t, 14.8, 12).max() == 11
    assert segments_of(t, 80.0, 12).max() == 5
    with pytest.raises(ParameterError, match="at least 4 segments of 3 periods"):
        segments_of(t, 300.0, 12)
    with pytest.raises(ParameterError, match="does not vary"):
        planned(t, np.arange(300.0), np.ones(300))


def test_clusters_and_the_edges_between_them() -> None:
    """Two blobs in step with each other, a third on its own."""
    rng = np.random.default_rng(14)
    common, other = rng.normal(size=(2, 12)) + 1j * rng.normal(size=(2, 12))
    rows = []
    for (y, x), z, evidence in (((5, 5), common, 9.0), ((20, 8), common * np.exp(1j), 7.0), ((30, 30), other, 5.0)):
        for dy in (0, 1):
            for dx in (0, 1):
                noisy = z + 0.05 * (rng.normal(size=12) + 1j * rng.normal(size=12))
                pairs = np.stack([noisy.real, noisy.imag], axis=1).reshape(-1)
                rows.append([y + dy, x + dx, 0.2, 1.5, 0.8, evidence - 0.1 * (dy + dx), *pairs])
    told, values = clusters(np.array(rows)[rng.permutation(len(rows))])
    assert (told["row"], told["column"]) == ([5.5, 20.5, 30.5], [5.5, 8.5, 30.5])
    assert told["pixels"] == [4, 4, 4]
    assert told["log10_p"] == [9.0, 7.0, 5.0]
    between = edges(values, 1 / PERIOD, 0.01)
    assert (between["from"], between["to"]) == ([0], [1])
    assert between["lag_s"][0] == pytest.approx(1 / OMEGA, abs=0.15)
    assert between["gamma"][0] > 0.98
