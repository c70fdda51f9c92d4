"""Fits over time against least squares written out, and their probabilities against noise that was drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special, stats

from lerarlink.engine.errors import ParameterError
from lerarlink.nodes.time import _conclude as c
from lerarlink.nodes.time._design import (
    design,
    frame_weights,
    nuisance_basis,
    nuisance_columns,
    orthonormal,
    side_frequencies,
)
from lerarlink.nodes.time._lockin import Sums, median_and_deviation
from lerarlink.nodes.time._significance import (
    alarm_log10,
    beta_log10,
    correlation_log10,
    discovery_threshold,
    expected_significance,
    fisher_log10,
    frames_needed,
    known_noise_log10,
    local_ln,
    pixels_log10,
    student_log10,
    trials_log10,
    upper_limit,
)

PERIOD = 14.8


def scene_times(seed: int = 0, count: int = 600) -> np.ndarray:
    """Return mid-exposures 5 s apart, with jitter and two gaps."""
    t = np.arange(count) * 5.0 + np.random.default_rng(seed).uniform(-0.4, 0.4, count)
    t[count // 3 :] += 137.3
    t[count * 43 // 60 :] += 61.9
    return t


def uneven(seed: int, count: int) -> np.ndarray:
    """Return noises of frames that differ by a tenth."""
    return np.exp(np.random.default_rng([seed, 1]).normal(0.0, 0.1, count))


def summed(values: np.ndarray, weights: np.ndarray, plan: Any, clip: float = 0.0) -> Sums:
    columns, sides = plan.columns(), plan.side_columns()
    sums = Sums.of(values, len(values), len(columns), len(sides), clip)
    for i in range(0, len(values), 64):
        here = slice(i, i + 64)
        sums.add(np.ascontiguousarray(values[here], np.float32), weights[here], columns[:, here], sides[:, here])
    return sums


def waves(t: np.ndarray, f: float, harmonics: int, t0: float = 0.0) -> np.ndarray:
    return np.array([g(2 * np.pi * h * f * (t - t0)) for h in range(1, harmonics + 1) for g in (np.cos, np.sin)])


def chi2(rows: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the least weighted square sum and the coefficients, by LAPACK."""
    r = np.sqrt(w)
    found = np.linalg.lstsq((rows * r).T, y * r, rcond=None)[0]
    return float((((y - found @ rows) * r) ** 2).sum()), found


def slow(t: np.ndarray, degree: int) -> np.ndarray:
    x = (t - t.mean()) / np.ptp(t)
    return np.array([x**k for k in range(degree + 1)])


def reference(y: np.ndarray, t: np.ndarray, w: np.ndarray, degree: int, harmonics: int, t0: float) -> dict[str, Any]:
    """Fit one pixel by LAPACK and tell what the formulas say."""
    base, more = slow(t, degree), waves(t, 1 / PERIOD, harmonics, t0)
    rest, _ = chi2(base, y, w)
    full = np.concatenate([base, more])
    left, found = chi2(full, y, w)
    freedom = len(t) - len(full)
    cov = np.linalg.inv((full * w) @ full.T) * left / freedom
    a, b = found[len(base) : len(base) + 2]
    cab = cov[len(base) : len(base) + 2, len(base) : len(base) + 2]
    size2 = a * a + b * b
    return {
        "power": 1 - left / rest, "amplitude": math.sqrt(size2), "phase": math.atan2(b, a),
        "error": math.sqrt(np.array([a, b]) @ cab @ [a, b] / size2),
        "phase_error": math.sqrt(np.array([-b, a]) @ cab @ [-b, a]) / size2,
        "statistic": (rest - left) / (2 * harmonics) / (left / freedom), "freedom": freedom,
    }  # fmt: skip


# -- one pixel --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("degree", "harmonics"), [(0, 1), (2, 1), (3, 3)])
def test_a_fit_is_that_of_weighted_least_squares(degree: int, harmonics: int) -> None:
    t, sigma = scene_times(1, 240), uneven(1, 240)
    w = frame_weights(sigma, 240)
    rng = np.random.default_rng(3)
    y = 500 + 3 * np.cos(2 * np.pi * (t - 7.0) / PERIOD - 1.0) + rng.normal(0, 5, (9, 240)) * sigma
    y = y.astype(np.float32).astype(np.float64)
    plan = design(t, w, nuisance_columns(t, degree), np.array([1 / PERIOD]), t0=7.0, harmonics=harmonics, sides=0)
    figures, found = c.conclude(summed(y.T, w, plan), plan, t, 7.0, local=False)
    for p, pixel in enumerate(y):
        told = reference(pixel, t, w, degree, harmonics, 7.0)
        got = figures[[c.POWER, c.RAW, c.PHASE, c.RAW_ERROR, c.PHASE_ERROR, c.STATISTIC], p]
        wanted = [told[k] for k in ("power", "amplitude", "phase", "error", "phase_error", "statistic")]
        assert got == pytest.approx(wanted, rel=1e-9)
        p_value = stats.beta.sf(told["power"], harmonics, told["freedom"] / 2)
        assert figures[c.EVIDENCE, p] == pytest.approx(-math.log10(p_value), rel=1e-8)
        assert found[[0, harmonics], p] == pytest.approx([told["amplitude"], told["phase"]], rel=1e-9)


def test_local_noise_is_what_further_columns_at_nearby_frequencies_explain() -> None:
    t, sigma = scene_times(2, 300), uneven(2, 300)
    w = frame_weights(sigma, 300)
    y = (100 + np.random.default_rng(4).normal(0, 5, (5, 300))).astype(np.float32).astype(np.float64)
    plan = design(t, w, nuisance_columns(t, 2), np.array([1 / PERIOD]), sides=32)
    figures, _ = c.conclude(summed(y.T, w, plan), plan, t, 0.0, local=True)
    span = np.ptp(t)
    sides = np.concatenate([waves(t, 1 / PERIOD + s * k / span, 1) for k in range(2, 18) for s in (-1, 1)])
    assert len(plan.side_hertz) == 32
    base = np.concatenate([slow(t, 2), waves(t, 1 / PERIOD, 1)])
    for p, pixel in enumerate(y):
        none, fit = chi2(slow(t, 2), pixel, w)[0], chi2(base, pixel, w)[0]
        noise = (fit - chi2(np.concatenate([base, sides]), pixel, w)[0]) / 64
        f = (none - fit) / 2 / noise
        assert figures[c.STATISTIC, p] == pytest.approx(f, rel=1e-5)  # side sums are float32
        assert figures[c.EVIDENCE, p] == pytest.approx(-math.log10(stats.f.sf(f, 2, 64)), rel=1e-5)


def test_few_outliers_become_the_median_and_many_leave_the_equations() -> None:
    """Up to a twentieth are replaced, in one design for all; beyond, a pixel is fitted without them; above 30 % not."""
    t = scene_times(3, 200)
    w = frame_weights(uneven(3, 200), 200)
    rng = np.random.default_rng(5)
    y = (500 + rng.normal(0, 5, (4, 200)) + 10 * np.cos(2 * np.pi * t / PERIOD)).astype(np.float32)
    bad = np.zeros(y.shape, bool)
    for p, count in enumerate((0, 8, 40, 70)):
        bad[p, rng.choice(200, count, replace=False)] = True
    hit = y.copy()
    hit[bad] = np.where(rng.random(bad.sum()) < 0.5, np.nan, 9000.0)
    plan = design(t, w, nuisance_columns(t, 1), np.array([1 / PERIOD]), sides=16)
    sums = summed(hit.T, w, plan, clip=8.0)
    for local in (False, True):
        figures, _ = c.conclude(sums, plan, t, 0.0, local=local, sides=16)
        assert figures[c.USED] == pytest.approx([1, 0.96, 0.8, 0.65])
        assert np.isnan(figures[c.RAW, 3])
        assert np.isfinite(figures[c.RAW, :3]).all()
    few = hit[1].astype(np.float64)
    few[bad[1]] = np.median(hit[1][np.isfinite(hit[1])])
    figures, _ = c.conclude(sums, plan, t, 0.0, local=False)
    assert figures[[c.RAW, c.POWER], 1] == pytest.approx(
        [reference(few, t, w, 1, 1, 0.0)[k] for k in ("amplitude", "power")], rel=1e-6
    )
    assert figures[c.REPAIR, :3] == pytest.approx([1, 200 / 192, 1])
    keep = ~bad[2]
    told = reference(y[2, keep].astype(np.float64), t[keep], w[keep], 1, 1, 0.0)
    assert figures[[c.RAW, c.POWER, c.RAW_ERROR], 2] == pytest.approx(
        [told[k] for k in ("amplitude", "power", "error")], rel=1e-6
    )


def test_the_number_of_harmonics_is_that_of_the_least_information_criterion() -> None:
    t = scene_times(4, 300)
    w = np.ones(300)
    rng = np.random.default_rng(6)
    shapes = [np.cos(2 * np.pi * t / PERIOD), np.cos(2 * np.pi * t / PERIOD) + np.cos(6 * np.pi * t / PERIOD + 1)]
    y = np.array([5 * s + rng.normal(0, 5, 300) for s in shapes]).astype(np.float32)
    plan = design(t, w, nuisance_columns(t, 0), np.array([1 / PERIOD]), harmonics=5, sides=0)
    figures, found = c.conclude(summed(y.T, w, plan), plan, t, 0.0, local=False, choose=True)
    for p, pixel in enumerate(y.astype(np.float64)):
        rest = chi2(slow(t, 0), pixel, w)[0]
        score = [
            300 * math.log(chi2(np.concatenate([slow(t, 0), waves(t, 1 / PERIOD, h)]), pixel, w)[0] / rest)
            + 2 * h * math.log(300)
            for h in range(1, 6)
        ]
        assert figures[c.ORDER, p] == 1 + int(np.argmin(score))
        assert np.isnan(found[5:, p]).sum() == 5 - figures[c.ORDER, p]
    assert figures[c.ORDER].tolist() == [1, 3]


def test_a_sky_ten_thousand_times_the_noise_costs_no_digits() -> None:
    t, w = scene_times(5, 600), np.ones(600)
    y = 3 * np.cos(2 * np.pi * t / PERIOD) + np.random.default_rng(7).normal(0, 6, 600)
    plan = design(t, w, nuisance_columns(t, 2), np.array([1 / PERIOD]), sides=0)
    high = (y + 60_000.0).astype(np.float32)
    figures, _ = c.conclude(summed(high[:, None], w, plan), plan, t, 0.0, local=False)
    told = reference(high.astype(np.float64), t, w, 2, 1, 0.0)
    assert figures[c.POWER, 0] == pytest.approx(told["power"], rel=1e-9)


def test_a_pixel_that_does_not_vary_has_no_evidence() -> None:
    t, w = scene_times(5, 100), np.ones(100)
    plan = design(t, w, nuisance_columns(t, 2), np.array([1 / PERIOD]), sides=16)
    sums = summed(np.full((100, 1), 7.0, np.float32), w, plan)
    for local in (False, True):
        figures, _ = c.conclude(sums, plan, t, 0.0, local=local, sides=16)
        assert figures[[c.POWER, c.RAW, c.EVIDENCE, c.MEAN], 0].tolist() == [0.0, 0.0, 0.0, 7.0]


def test_medians_leave_missing_samples_out() -> None:
    y = np.random.default_rng(8).normal(0, 1, (41, 7)).astype(np.float32)
    y[3:20, 2], y[:, 5] = np.nan, np.nan
    middle, spread = median_and_deviation(y)
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="All-NaN"):
        told = np.nanmedian(y, axis=0)
        mad = 1.4826022 * np.nanmedian(np.abs(y - told), axis=0)
    assert middle == pytest.approx(told, nan_ok=True)
    assert spread == pytest.approx(mad, rel=1e-6, nan_ok=True)


# -- designs ----------------------------------------------------------------------------------------


def test_a_basis_is_orthonormal_and_gives_its_columns_back() -> None:
    rng = np.random.default_rng(9)
    first, _, _ = orthonormal(rng.normal(size=(3, 50)))
    columns = rng.normal(size=(4, 50))
    columns[2] = columns[0] - 2 * columns[1] + first[1]
    basis, triangle, kept = orthonormal(columns, first)
    assert kept.tolist() == [True, True, False, True]
    both = np.concatenate([first, basis])
    assert both @ both.T == pytest.approx(np.eye(6), abs=1e-14)
    assert triangle.T @ basis == pytest.approx(columns - columns @ first.T @ first, abs=1e-12)


def test_side_frequencies_keep_off_slow_terms_and_what_is_to_be_avoided() -> None:
    hertz, steps = side_frequencies(0.010, 0.010, 1000.0, 32, [0.0144])
    assert hertz[:4] == pytest.approx([0.008, 0.012, 0.007, 0.013])
    assert hertz.min() >= 1.5 / 1000
    assert not (np.abs(hertz - 0.0144) <= 1 / 1000).any()
    assert steps.max() == 17


def test_columns_that_cannot_be_told_apart_are_named() -> None:
    t = scene_times(6, 100)
    names, columns = nuisance_columns(t, 1, {"airmass": 3 * t + 2})
    with pytest.raises(ParameterError, match=r"LRR-2: .* regressor 'airmass'"):
        nuisance_basis(names, columns, np.ones(100))
    even = np.arange(100) * 5.0
    with pytest.raises(ParameterError, match="LRR-2: harmonic 1 of 5 s"):
        design(even, np.ones(100), nuisance_columns(even, 2), np.array([1 / 5.0]), sides=0)


# -- probabilities ----------------------------------------------------------------------------------


def test_log_survivals_are_those_of_the_distributions() -> None:
    for h in (1, 2, 3, 8):
        for x in (1e-3, 0.02, 0.3, 0.7):
            assert beta_log10(x, h, 101.0) == pytest.approx(-stats.beta.logsf(x, h, 50.5) / math.log(10), rel=1e-7)
            assert float(known_noise_log10(40 * x, h)) == pytest.approx(-math.log10(stats.chi2.sf(40 * x, 2 * h)))
    assert local_ln(7.3, 16.0) == pytest.approx(stats.f.logsf(7.3, 2, 32))
    ps = np.array([0.2, 0.04, 0.5])
    assert fisher_log10(-np.log(ps).sum(), 3) == pytest.approx(-math.log10(stats.combine_pvalues(ps).pvalue))
    assert float(student_log10(4.0, 39)) == pytest.approx(-math.log10(stats.t.sf(4.0, 39)))
    a, b = np.random.default_rng(1).normal(size=(2, 40)) + np.linspace(0, 2, 40)
    r, p = stats.pearsonr(a, b)
    assert float(correlation_log10(r, 38)) == pytest.approx(-math.log10(p))


def test_probabilities_far_below_the_smallest_float_are_told() -> None:
    assert beta_log10(0.999, 1, 600.0) == pytest.approx(900.0)
    assert float(pixels_log10(900.0, 1e6)) == pytest.approx(894.0)
    assert float(trials_log10(900.0, 10.0, 100.0)) == pytest.approx(898.0)


def test_many_pixels_and_discoveries() -> None:
    x = np.array([0.1, 2.0, 5.0])
    assert 10 ** -pixels_log10(x, 100) == pytest.approx(1 - (1 - 10**-x) ** 100)
    rng = np.random.default_rng(10)
    p = np.concatenate([rng.random(900), rng.random(100) * 1e-4])
    limit = discovery_threshold(-np.log10(p), 0.01)
    assert (-np.log10(p) >= limit).sum() == (stats.false_discovery_control(p) <= 0.01).sum()
    assert discovery_threshold(-np.log10(rng.random(50)), 1e-9) == math.inf


def test_the_bound_of_a_maximum_is_the_published_formula() -> None:
    n, z, width = 300, 0.06, 250.0
    gamma = math.sqrt(2 / (n - 1)) * math.exp(special.gammaln((n - 1) / 2) - special.gammaln((n - 2) / 2))
    p = (1 - z) ** ((n - 3) / 2)
    tau = gamma * width * (1 - z) ** ((n - 4) / 2) * math.sqrt((n - 1) * z / 2)
    assert float(alarm_log10(-math.log10(p), z, n, width)) == pytest.approx(-math.log10(1 - (1 - p) * math.exp(-tau)))


def test_what_a_run_can_be_expected_to_show() -> None:
    gain = math.sqrt(math.pi) * 3 / 2.3548
    z, evidence = expected_significance(0.3, 600, float(np.sinc(2 / 14.8)), gain)
    assert z == pytest.approx(0.3 * np.sinc(2 / 14.8) * math.sqrt(300) * gain)
    assert evidence == pytest.approx(-math.log10(math.exp(-z * z / 2)))
    assert frames_needed(6.6, 0.3, 1.0, gain) == pytest.approx(200, abs=15)


def test_upper_limits_hold_in_nineteen_of_twenty_runs() -> None:
    rng = np.random.default_rng(11)
    for true in (1.0, 3.0, 6.0):
        seen = np.hypot(rng.normal(true, 1, 20_000), rng.normal(0, 1, 20_000))
        assert (upper_limit(seen) >= true).mean() >= 0.945
    exact = optimize.brentq(lambda x: stats.ncx2.cdf(16.0, 2, x * x) - 0.05, 4, 8)
    assert float(upper_limit(4.0)) == pytest.approx(exact, rel=1e-3)


# -- noise that was drawn ---------------------------------------------------------------------------


def nulls(
    pixels: int, *, degree: int, harmonics: int = 1, local: bool, sides: int = 32, period: float = PERIOD,
    memory: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """Return the probabilities of pixels of pure noise, unequal in the frames' noise, or with a memory."""
    t = scene_times(20)
    sigma = np.ones(600) if memory else uneven(20, 600)
    w = frame_weights(sigma, 600)
    plan = design(t, w, nuisance_columns(t, degree), np.array([1 / period]), harmonics=harmonics,
                  sides=sides if local else 0)  # fmt: skip
    rng, found = np.random.default_rng(21), []
    for _ in range(0, pixels, 10_000):
        y = rng.standard_normal((600, 10_000), np.float32)
        if memory:
            for i in range(1, 600):
                y[i] = memory * y[i - 1] + math.sqrt(1 - memory**2) * y[i]
        y *= sigma[:, None].astype(np.float32)
        figures, _ = c.conclude(summed(y, w, plan), plan, t, 0.0, local=local, sides=sides)
        found.append(10.0 ** -figures[c.EVIDENCE])
    return np.concatenate(found)


def rate(p: np.ndarray, level: float) -> float:
    return float((p < level).mean() / level)


@pytest.mark.parametrize(("degree", "harmonics", "local"), [(0, 1, False), (2, 2, False), (2, 1, True), (2, 2, True)])
def test_noise_alone_is_as_improbable_as_told(degree: int, harmonics: int, local: bool) -> None:
    p = nulls(20_000, degree=degree, harmonics=harmonics, local=local)
    assert rate(p, 0.1) == pytest.approx(1.0, abs=0.06)
    assert rate(p, 0.01) == pytest.approx(1.0, abs=0.21)
    assert stats.kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.long
@pytest.mark.parametrize(
    ("degree", "harmonics", "local"),
    [(0, 1, False), (0, 2, False), (0, 3, False), (3, 1, False), (0, 1, True), (3, 2, True), (3, 3, True)],
)
def test_two_hundred_thousand_pixels_of_noise_are_as_improbable_as_told(
    degree: int, harmonics: int, local: bool
) -> None:
    p = nulls(200_000, degree=degree, harmonics=harmonics, local=local)
    told = rate(p, 1e-2), rate(p, 1e-3), float(stats.kstest(p, "uniform").pvalue)
    print(f"degree {degree} harmonics {harmonics} local {local}: {told}")
    assert 0.9 <= told[0] <= 1.1
    assert 0.75 <= told[1] <= 1.25
    assert told[2] > 1e-3


def test_noise_with_a_memory_deceives_the_residuals_and_not_the_side_frequencies() -> None:
    """AR(1) of 0.6 from frame to frame, at 300 s: judged by residuals it is found everywhere."""
    local = nulls(40_000, degree=2, local=True, sides=16, period=300.0, memory=0.6)
    white = nulls(10_000, degree=2, local=False, period=300.0, memory=0.6)
    print(rate(local, 1e-2), rate(white, 1e-2))
    assert 0.8 <= rate(local, 1e-2) <= 1.3
    assert rate(white, 1e-2) > 5
