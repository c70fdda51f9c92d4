"""The search over many frequencies, against astropy's periodogram and simulated stars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from astropy.timeseries import LombScargle
from scipy import stats

from lerarlink.nodes.time import _conclude as c
from lerarlink.nodes.time import _search as s
from lerarlink.nodes.time._calibrate import grid_trials
from lerarlink.nodes.time._design import frame_weights, nuisance_basis, nuisance_columns
from lerarlink.nodes.time._significance import alarm_log10, trials_log10
from lerarlink.nodes.time._strip import cleaned
from lerarlink.nodes.time.lock_in import _significance

PERIOD = 14.8


def scene_times(seed: int = 0, count: int = 600) -> np.ndarray:
    """Return mid-exposures 5 s apart, with jitter and two gaps."""
    t = np.arange(count) * 5.0 + np.random.default_rng(seed).uniform(-0.4, 0.4, count)
    t[count // 3 :] += 137.3
    t[count * 43 // 60 :] += 61.9
    return t


def basis(t: np.ndarray, w: np.ndarray, degree: int) -> Any:
    return nuisance_basis(*nuisance_columns(t, degree), np.sqrt(w))


def grid_of(t: np.ndarray, low: float, high: float, *, local: bool = False, **more: Any) -> s.Grid:
    """Return the trials between two periods."""
    span, over = float(np.ptp(t)), 5
    count = 1 + math.floor((1 / low - 1 / high) * over * span)
    return s.Grid(first=1 / high, step=1 / (over * span), count=count, stride=over if local else 0,
                  sides=16 if local else 0, lowest=1.5 / span, **more)  # fmt: skip


def searched(y: np.ndarray, t: np.ndarray, w: np.ndarray, degree: int, grid: s.Grid) -> np.ndarray:
    none = np.zeros(y.shape[1], np.int64)
    figures, _ = s.search(y.astype(np.float32), none, none.astype(np.int32), np.zeros(y.shape[1]), t, 0.0, np.sqrt(w),
                          basis(t, w, degree), grid)  # fmt: skip
    return figures


def test_power_is_that_of_an_exact_periodogram_with_a_floating_mean() -> None:
    t = scene_times(1)
    sigma = np.exp(np.random.default_rng(2).normal(0, 0.1, 600))
    y = 500 + np.random.default_rng(3).normal(0, 1, 600) * sigma + 0.3 * np.cos(2 * np.pi * t / PERIOD)
    w = frame_weights(sigma, 600)
    hertz = grid_of(t, 5.0, 60.0).frequencies()
    assert len(hertz) > 2300
    for harmonics in (1, 2):
        told = LombScargle(t, y, sigma, nterms=harmonics).power(
            hertz, method="slow" if harmonics == 1 else "chi2", assume_regular_frequency=True
        )
        assert np.abs(s.powers(y, t, np.sqrt(w), basis(t, w, 0), hertz, harmonics) - told).max() < 1e-9


def test_each_pixel_keeps_its_best_trial_and_its_probability() -> None:
    t = scene_times(4, 200)
    sigma = np.exp(np.random.default_rng(5).normal(0, 0.1, 200))
    w = frame_weights(sigma, 200)
    y = np.random.default_rng(6).normal(0, 1, (200, 70)) * sigma[:, None]
    y[:, 3] += 0.8 * np.cos(2 * np.pi * t / PERIOD - 2.0)
    y = y.astype(np.float32).astype(np.float64)
    grid = grid_of(t, 8.0, 40.0)
    figures = searched(y, t, w, 1, grid)
    for p in (0, 3, 69):
        power = s.powers(y[:, p], t, np.sqrt(w), basis(t, w, 1), grid.frequencies())
        best = int(power.argmax())
        assert figures[c.POWER, p] == pytest.approx(power[best], rel=1e-9)
        assert abs(figures[c.FREQUENCY, p] - grid.frequencies()[best]) <= 0.51 * grid.step
        assert figures[c.EVIDENCE, p] == pytest.approx(
            -math.log10(stats.beta.sf(power[best], 1, (200 - 4) / 2)), rel=1e-8
        )
    assert 1 / figures[c.FREQUENCY, 3] == pytest.approx(PERIOD, abs=3 * PERIOD**2 * figures[c.FREQUENCY_ERROR, 3])
    assert figures[c.PHASE, 3] == pytest.approx(2.0, abs=3 * figures[c.PHASE_ERROR, 3])


def test_the_noise_of_a_trial_is_that_of_trials_nearby() -> None:
    """One trial, by LAPACK: fit, then what 16 neighbours at multiples of 1/T explain, each on its own."""
    t = scene_times(7, 300)
    w = np.ones(300)
    y = np.random.default_rng(8).normal(0, 1, (300, 3)).astype(np.float32).astype(np.float64)
    span = float(np.ptp(t))
    grid = s.Grid(first=1 / PERIOD, step=1 / (5 * span), count=1, stride=5, sides=16, lowest=1.5 / span)
    figures = searched(y, t, w, 1, grid)
    q = basis(t, w, 1)

    def pair(f: float) -> np.ndarray:
        x = np.array([np.cos(2 * np.pi * f * t), np.sin(2 * np.pi * f * t)])
        return np.linalg.qr((x - x @ q.T @ q).T)[0].T

    fit = pair(1 / PERIOD)
    sides = [pair(1 / PERIOD + sign * k / span) for k in range(2, 10) for sign in (-1, 1)]
    free = sum(2 - ((fit @ side.T) ** 2).sum() for side in sides)
    for p in range(3):
        gain = ((fit @ y[:, p]) ** 2).sum()
        left = sum((((side @ y[:, p]) - side @ fit.T @ (fit @ y[:, p])) ** 2).sum() for side in sides)
        f = gain / 2 / (left / free)
        assert figures[c.STATISTIC, p] == pytest.approx(f, rel=1e-9)
        assert figures[c.EVIDENCE, p] == pytest.approx(-math.log10(stats.f.sf(f, 2, free)), rel=1e-8)


def spoiled(t: np.ndarray, w: np.ndarray, pixels: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels of a cosine of 6 in noise of weight *w*, and which samples are bad: so many about its maximum."""
    rng = np.random.default_rng(seed)
    y = 500 + rng.normal(0, 5, (len(t), pixels)) / np.sqrt(w)[:, None]
    y += 6 * np.cos(2 * np.pi * t / PERIOD - 1.0)[:, None]
    phase = np.abs((t / PERIOD - 1.0 / (2 * np.pi) + 0.5) % 1.0 - 0.5)
    bad = np.zeros(y.shape, bool)
    for p in range(pixels):
        high = rng.permutation(np.nonzero(phase < 0.2)[0])
        bad[high[: round(share * len(t))], p] = True
    return y, bad


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("harmonics", [1, 2])
def test_many_bad_samples_are_left_out_of_the_search_exactly(local: bool, harmonics: int) -> None:
    """Of a tenth at one phase, hit by outliers, nothing is left: power and side noise are those of the frames that are
    good, by astropy's periodogram and by LAPACK."""
    t = scene_times(15, 300)
    sigma = np.exp(np.random.default_rng(16).normal(0, 0.1, 300))
    w = frame_weights(sigma, 300)
    y, bad = spoiled(t, w, 3, 0.1, 17)
    hit = np.where(bad, y + 4000.0, y).astype(np.float32)
    samples, sums, lost = cleaned(hit, 6.0, w)
    assert (lost == bad.sum(axis=0)).all()
    grid = grid_of(t, 11.0, 20.0, local=local, harmonics=harmonics)
    figures, _ = s.search(samples, lost, sums.missing, sums.pedestal, t, 0.0, np.sqrt(w), basis(t, w, 0), grid,
                          sums.bad)  # fmt: skip
    hertz = grid.frequencies()
    for p in range(3):
        keep = ~bad[:, p]
        exact = hit[keep, p].astype(np.float64)
        told = LombScargle(t[keep], exact, 1 / np.sqrt(w[keep]), nterms=harmonics)
        power = told.power(hertz, method="slow" if harmonics == 1 else "chi2", assume_regular_frequency=True)
        # Of the trials about the frequency, which is refined by a parabola, the one that was kept.
        near = np.abs(hertz - figures[c.FREQUENCY, p]) < 1.6 * grid.step
        best = int(np.argmin(np.where(near, np.abs(power - figures[c.POWER, p]), np.inf)))
        assert figures[c.POWER, p] == pytest.approx(power[best], rel=1e-9)
        if not local:
            assert best == power.argmax()
            assert figures[c.EVIDENCE, p] == pytest.approx(
                -math.log10(stats.beta.sf(power[best], harmonics, (keep.sum() - 1 - 2 * harmonics) / 2)), rel=1e-8
            )
        else:
            f, evidence = by_lapack(t[keep], exact, w[keep], hertz[best], harmonics, float(np.ptp(t)))
            assert figures[c.STATISTIC, p] == pytest.approx(f, rel=1e-7)
            assert figures[c.EVIDENCE, p] == pytest.approx(evidence, rel=1e-7)
        assert figures[c.REPAIR, p] == 1.0
        assert 1 / figures[c.FREQUENCY, p] == pytest.approx(PERIOD, abs=3 * PERIOD**2 * figures[c.FREQUENCY_ERROR, p])


def by_lapack(
    t: np.ndarray, y: np.ndarray, w: np.ndarray, f: float, harmonics: int, span: float
) -> tuple[float, float]:
    """Return the ratio of a trial's power to that of 16 neighbours, each judged on its own, and its evidence."""
    r, one = np.sqrt(w), np.sqrt(w / w.sum())[:, None]

    def columns(g: float) -> np.ndarray:
        x = np.array([[np.cos(2 * np.pi * h * g * t), np.sin(2 * np.pi * h * g * t)] for h in range(1, harmonics + 1)])
        x = x.reshape(2 * harmonics, -1).T * r[:, None]
        return np.linalg.qr(x - one @ (one.T @ x))[0]

    z = y * r - (one @ (one.T @ (y * r)[:, None]))[:, 0]
    fit = columns(f)
    sides = [columns(f + sign * k / span) for k in range(2, 10) for sign in (-1, 1)]
    free = sum(2 * harmonics - ((fit.T @ side) ** 2).sum() for side in sides)
    gain = ((fit.T @ z) ** 2).sum()
    left = sum((((side.T @ z) - side.T @ fit @ (fit.T @ z)) ** 2).sum() for side in sides)
    return gain / (2 * harmonics) / (left / free), -math.log10(stats.beta.sf(gain / (gain + left), harmonics, free / 2))


def test_a_bound_over_a_range_is_of_the_frames_that_are_left() -> None:
    """Of a pixel with a quarter of its frames bad, the same as of one that never had these."""
    plan = {"method": "grid", "most": 1e9, "local": False, "harmonics": 1, "terms": 3, "width": 120.0}
    figures = np.full((c.FIGURES, 2), np.nan)
    figures[c.EVIDENCE], figures[c.POWER], figures[c.USED] = 7.0, 0.06, (1.0, 0.75)
    told = _significance(figures, {**plan, "frames": range(400)}, 0)
    assert told[1] == _significance(figures[:, :1], {**plan, "frames": range(300)}, 0)[0] < told[0]


def test_outliers_at_one_phase_do_not_shrink_what_is_found() -> None:
    t = scene_times(18, 300)
    w = np.ones(300)
    y, bad = spoiled(t, w, 60, 0.1, 19)
    hit = np.where(bad, y + 4000.0, y).astype(np.float32)
    grid = grid_of(t, 11.0, 20.0, local=True)
    samples, sums, lost = cleaned(hit, 6.0, w)
    given = sums.missing, sums.pedestal, t, 0.0, np.sqrt(w), basis(t, w, 1), grid
    figures, _ = s.search(samples, lost, *given, sums.bad)
    pulls = (figures[c.RAW] * figures[c.REPAIR] - 6.0) / figures[c.RAW_ERROR]
    assert abs(pulls.mean()) < 0.5
    assert pulls.std() == pytest.approx(1.0, abs=0.3)
    off = (figures[c.FREQUENCY] - 1 / PERIOD) / figures[c.FREQUENCY_ERROR]
    assert abs(off.mean()) < 0.5 and off.std() == pytest.approx(1.0, abs=0.3)
    # Put at the median, as few bad samples are, they would take more of it than their share of the frames.
    few, _ = s.search(samples, 0 * lost, *given)
    print(figures[c.RAW].mean(), few[c.RAW].mean() / 0.9, pulls.mean(), pulls.std())
    assert few[c.RAW].mean() / 0.9 < 5.9 < figures[c.RAW].mean() < 6.15
    # Neither its neighbours nor what is bad in them changes a pixel.
    alone, _ = s.search(samples[:, 7:8].copy(), lost[7:8], sums.missing[7:8], sums.pedestal[7:8], *given[2:],
                        sums.bad[:, 7:8])  # fmt: skip
    assert alone.tobytes() == figures[:, 7:8].tobytes()


def alarms(series: int, local: bool) -> tuple[float, np.ndarray]:
    """Return what is told where the best of all trials truly comes once in a hundred series, and all of it."""
    t = scene_times(9)
    sigma = np.exp(np.random.default_rng(10).normal(0, 0.1, 600))
    w = frame_weights(sigma, 600)
    grid = grid_of(t, 5.95, 60.0, local=local)
    y = np.random.default_rng(11).normal(0, 1, (600, series)) * sigma[:, None]
    figures = searched(y, t, w, 2, grid)
    if local:
        worth = grid_trials(t, 0.0, np.sqrt(w), basis(t, w, 2), grid, 1000)
        told = 10.0 ** -trials_log10(figures[c.EVIDENCE], worth, grid.count)
    else:
        variance = float((w * (t - (w * t).sum() / w.sum()) ** 2).sum() / w.sum())
        width = grid.step * (grid.count - 1) * math.sqrt(4 * math.pi * variance)
        told = 10.0 ** -alarm_log10(figures[c.EVIDENCE], figures[c.POWER], 600 - 2, width)
    return float(np.quantile(told, 0.01)), told


@pytest.mark.parametrize("local", [False, True])
def test_the_best_of_two_thousand_trials_is_as_improbable_as_told(local: bool) -> None:
    at_one, told = alarms(1000, local)
    assert 0.003 <= at_one <= 0.03
    assert (told < 0.1).mean() == pytest.approx(0.1, abs=0.035)


@pytest.mark.long
@pytest.mark.parametrize("local", [False, True])
def test_the_best_of_two_thousand_trials_of_many_series(local: bool) -> None:
    at_one, told = alarms(20_000, local)
    print(f"local {local}: told {at_one:.4f} at a true 0.01; {np.quantile(told, 0.1):.3f} at 0.1")
    assert 0.005 <= at_one <= 0.025


def test_a_star_that_varies_by_a_percent_is_found_among_all_periods() -> None:
    """Peak 30 of one frame's noise, 1 % of it periodic: its matched light curve, ten times, 5 s to 60 s."""
    gain, smearing = math.sqrt(math.pi) * 3 / 2.3548, float(np.sinc(2 / PERIOD))
    off = []
    for seed in range(10):
        t = scene_times(seed)
        y = np.random.default_rng([seed, 1]).normal(0, 1, 600)
        y += 0.3 * gain * smearing * np.cos(2 * np.pi * t / PERIOD - seed)
        hertz = grid_of(t, 5.0, 60.0).frequencies()
        power = s.powers(y, t, np.ones(600), basis(t, np.ones(600), 2), hertz)
        off.append(abs(hertz[power.argmax()] - 1 / PERIOD) * np.ptp(t))
    assert max(off) < 0.5


def test_the_error_of_a_frequency_is_what_frequencies_scatter_by() -> None:
    t, w = scene_times(12, 300), np.ones(300)
    y = np.random.default_rng(13).normal(0, 1, (300, 400)) + 0.6 * np.cos(2 * np.pi * t / PERIOD)[:, None]
    figures = searched(y, t, w, 0, grid_of(t, 14.0, 16.0))
    pull = (figures[c.FREQUENCY] - 1 / PERIOD) / figures[c.FREQUENCY_ERROR]
    assert pull.std() == pytest.approx(1.0, abs=0.12)
    assert pull.mean() == pytest.approx(0.0, abs=0.15)
    turn = (figures[c.PHASE] / figures[c.PHASE_ERROR]).std()
    assert turn == pytest.approx(1.0, abs=0.12)


def test_a_drifting_camera_is_told_from_a_varying_star_by_where_the_star_stood() -> None:
    """500 half hours of a satellite that rolls every six hours; 0.1 % of 5 d; flux depends on the place by 0.5 %."""
    day = 86400.0
    t = np.arange(500) * 0.021 * day
    rng = np.random.default_rng(14)
    arc = 2 * ((t / (0.25 * day)) % 1.0) - 1 + rng.normal(0, 0.03, 500)
    dx, dy = arc, 0.3 * arc**2
    y = 0.001 * np.cos(2 * np.pi * t / (5 * day) - 1) + 0.003 * arc + 0.002 * arc**2 + rng.normal(0, 8e-5, 500)
    w = np.ones(500)
    span = float(np.ptp(t))
    grid = s.Grid(first=1 / (8 * day), step=1 / (20 * span), count=40, stride=0, sides=0, lowest=1.5 / span)
    none = np.zeros(1, np.int64)
    rows = nuisance_basis(*nuisance_columns(t, 1, {"dx": dx, "dy": dy}), np.ones(500))
    figures, _ = s.search(y[:, None].astype(np.float32), none, none.astype(np.int32), np.zeros(1), t, 0.0, np.sqrt(w),
                          rows, grid)  # fmt: skip
    assert figures[c.RAW, 0] == pytest.approx(0.001, rel=0.03)
    assert 1 / figures[c.FREQUENCY, 0] / day == pytest.approx(5.0, abs=0.25)
    plain = searched(y[:, None], t, w, 1, grid)
    assert figures[c.EVIDENCE, 0] > 5 * plain[c.EVIDENCE, 0]
