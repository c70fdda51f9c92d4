"""Each rejection algorithm against a slow, plain implementation written from its description."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest
from scipy import optimize, stats

from lerarlink.nodes.integration import _combining as combining
from lerarlink.nodes.integration import _cutting as cutting
from lerarlink.nodes.integration import _lanes as lanes
from lerarlink.nodes.integration import _loading as loading
from lerarlink.nodes.integration import _rejection as reject
from lerarlink.nodes.integration import _stack as stack
from lerarlink.nodes.integration._line import l1_line
from lerarlink.nodes.integration._line_bounds import ROWS, line_bounds
from lerarlink.nodes.integration._settings import Rejecting
from lerarlink.nodes.integration._sorting import LANES, network, selection, sort_rows
from lerarlink.nodes.integration._straight import FEWEST as FEWEST_ROWS
from lerarlink.nodes.integration._straight import GOALS, comparators, networks, run, sorter
from lerarlink.nodes.integration._straight import MOST as MOST_ROWS
from lerarlink.nodes.integration._tables import esd_critical, rcr_numbers

Floats = npt.NDArray[np.float64]
SPAN = 65535.0
LIMITS = Rejecting(pc_clip_low=0.02, pc_clip_high=0.015, linear_fit_low=3.0, linear_fit_high=2.5, ccd_gain=1.5)
Kept = tuple[int, int]


# -- the plain implementations: from a sorted list to the kept range ---------------------------------------


def shrink(v: Floats, lo: int, hi: int, low: Callable[[float], bool], high: Callable[[float], bool]) -> Kept:
    while lo < hi and low(v[lo]):
        lo += 1
    while hi > lo and high(v[hi - 1]):
        hi -= 1
    return lo, hi


def lifted(v: Floats) -> Floats:
    return v - min(0.0, v[0])


def plain_min_max(v: Floats, s: Rejecting) -> Kept:
    return s.min_max_low, max(s.min_max_low, len(v) - s.min_max_high)


def plain_percentile(v: Floats, s: Rejecting) -> Kept:
    v = lifted(v)
    m = float(np.median(v))
    if m <= 0:
        return 0, len(v)
    return shrink(v, 0, len(v), lambda x: (m - x) / m > s.pc_clip_low, lambda x: (x - m) / m > s.pc_clip_high)


def clipped(v: Floats, s: Rejecting, sigma: Callable[[Floats], float], centre: Callable[[Floats], float]) -> Kept:
    lo, hi = 0, len(v)
    while hi - lo >= 3:
        m, d = centre(v[lo:hi]), sigma(v[lo:hi])
        if not d > 0:
            break
        found = shrink(v, lo, hi, lambda x: (m - x) / d > s.sigma_low, lambda x: (x - m) / d > s.sigma_high)  # noqa: B023
        if found == (lo, hi):
            break
        lo, hi = found
    return lo, hi


def plain_sigma(v: Floats, s: Rejecting) -> Kept:
    return clipped(v, s, lambda x: float(x.std(ddof=1)) if np.ptp(x) else 0.0, lambda x: float(np.median(x)))


def plain_averaged(v: Floats, s: Rejecting) -> Kept:
    v = lifted(v)
    m = float(np.median(v))
    if m <= 0:
        return 0, len(v)
    factor = math.sqrt(float(((v - m) ** 2 / m).sum()) / (len(v) - 1))
    return clipped(v, s, lambda x: factor * math.sqrt(max(0.0, np.median(x))), lambda x: float(np.median(x)))


def plain_ccd(v: Floats, s: Rejecting) -> Kept:
    v = lifted(v)

    def sigma(x: Floats) -> float:
        signal = float(np.median(x)) / SPAN * 65535
        return math.sqrt((s.ccd_read_noise / s.ccd_gain) ** 2 + signal / s.ccd_gain + (s.ccd_scale_noise * signal) ** 2)

    return clipped(v, s, sigma, lambda x: float(np.median(x)))


def sn(v: Floats) -> float:
    n = len(v)
    high = [sorted(abs(v - x))[n // 2] for x in v]
    return float(sorted(high)[(n + 1) // 2 - 1])


def winsorized_moments(v: Floats, cutoff: float) -> tuple[float, float]:
    m, s = float(np.median(v)), 1.1926 * sn(v)
    if s == 0:
        return m, 0.0
    w = v.copy()
    w[(w < m - cutoff * s) | (w > m + cutoff * s)] = m
    for _ in range(100):
        w = np.clip(w, m - 1.5 * s, m + 1.5 * s)
        before, s, m = s, 1.134 * float(w.std(ddof=1)), float(w.mean())
        if s == 0 or abs(before - s) / before < 0.0005:
            break
    return m, s


def plain_winsorized(v: Floats, s: Rejecting) -> Kept:
    def moment(which: int) -> Callable[[Floats], float]:
        return lambda x: winsorized_moments(x, s.winsorization_cutoff)[which]

    return clipped(v, s, moment(1), moment(0))


def objective(v: Floats, a: float, b: float) -> float:
    return float(abs(v - a - b * np.arange(len(v))).sum())


def brute_line(v: Floats) -> tuple[float, float]:
    """Try the lines through all pairs."""
    lines = [
        ((v[i] * j - v[j] * i) / (j - i), (v[j] - v[i]) / (j - i)) for i, j in itertools.combinations(range(len(v)), 2)
    ]
    return min(lines, key=lambda line: objective(v, *line))


class SeveralBestLinesError(Exception):
    """Weights over an index are whole numbers, so that two lines can be equally good to the last digit."""


def only_best_line(v: Floats) -> tuple[float, float]:
    a, b = brute_line(v)
    best = objective(v, a, b)
    for i, j in itertools.combinations(range(len(v)), 2):
        slope = (v[j] - v[i]) / (j - i)
        if abs(slope - b) > 1e-9 * np.ptp(v) and objective(v, v[i] - slope * i, slope) < best * (1 + 1e-9):
            raise SeveralBestLinesError
    return a, b


def plain_linear(v: Floats, s: Rejecting) -> Kept:
    lo, hi = 0, len(v)
    while hi - lo >= 5:
        a, b = only_best_line(v[lo:hi])
        fit = np.zeros(len(v))
        fit[lo:hi] = a + b * np.arange(hi - lo)
        d = 2 * float(abs(v - fit)[lo:hi].mean()) * math.sqrt(1 + (b / SPAN) ** 2)
        start, end = lo, hi
        if not d > 1e-9 * np.ptp(v):
            break
        while lo < end and (fit[lo] - v[lo]) / d >= s.linear_fit_low:
            lo += 1
        while hi > lo and (v[hi - 1] - fit[hi - 1]) / d >= s.linear_fit_high:
            hi -= 1
        if (lo, hi) == (start, end):
            break
    return lo, hi


def plain_esd(v: Floats, s: Rejecting) -> Kept:
    n, p, relax = len(v), s.esd_outliers_fraction, s.esd_low_relaxation
    most = min(max(1, int(p * n)), n - 2)
    left = list(range(n))
    removed = []
    for i in range(most):
        x = v[left]
        th, tl = max(1, int(p * len(x)) - i), max(1, int(p / relax * len(x)) - i)
        inner = x[tl : len(x) - th]
        mu = float(inner.mean()) if len(inner) else float(np.median(x))
        sh = math.sqrt(float(((x - mu) ** 2).sum()) / (len(x) - 1))
        if sh == 0 or np.ptp(x) == 0:
            break
        r = np.where(x >= mu, (x - mu) / sh, (mu - x) / (relax * sh))
        at = len(r) - 1 if r[-1] >= r[0] else 0
        assert r[at] == r.max()
        t = float(stats.t.isf(s.esd_alpha / (2 * (n - i)), n - i - 2))
        if r[at] < t * (n - i - 1) / math.sqrt((n - i - 2 + t * t) * (n - i)):
            break
        removed.append(left.pop(at))
    return left[0], left[-1] + 1


def plain_rcr(v: Floats, s: Rejecting) -> Kept:
    def spread(x: Floats, mu: float, line: bool) -> float:
        n = len(x)
        d = np.sort(abs(x - mu))
        few = int(0.683 * n)
        correction = 1 / (1 - 2.9442 * n**-1.073)
        if not line or few < 8:
            return float(correction * d[min(few, n - 1)])
        expected = stats.halfnorm.ppf((np.arange(few) + 1 - 0.317) / n)
        b, a = np.polyfit(expected, d[:few], 1)
        return float(correction * (a + b))

    left = v.copy()
    start = 0
    for phase in range(3):
        while len(left) >= 3:
            mu = float(left.mean() if phase == 2 else np.median(left))
            d = float(left.std(ddof=1)) if phase == 2 else spread(left, mu, phase == 0)
            if d <= 0 or np.ptp(left) == 0:
                break
            low, high = mu - left[0], left[-1] - mu
            if len(left) * stats.norm.sf(max(low, high) / d) >= s.rcr_limit:
                break
            if low > high:
                left, start = left[1:], start + 1
            else:
                left = left[:-1]
    return start, start + len(left)


PLAIN: dict[str, Callable[[Floats, Rejecting], Kept]] = {
    "min_max": plain_min_max, "percentile_clip": plain_percentile, "sigma_clip": plain_sigma,
    "winsorized_sigma_clip": plain_winsorized, "averaged_sigma_clip": plain_averaged, "linear_fit": plain_linear,
    "esd": plain_esd, "rcr": plain_rcr, "ccd_clip": plain_ccd,
}  # fmt: skip
KINDS = ("clean", "outliers", "integers", "holes", "negative")
PAIRS = list(itertools.product(PLAIN, KINDS))


# -- what the kernel says -------------------------------------------------------------------------------------


def integrated(
    samples: npt.NDArray[Any], method: str, settings: Rejecting = LIMITS, how: str = "average",
    numbers: dict[int, Any] | None = None,
) -> tuple[Any, Any]:  # fmt: skip
    """Return the four results and the fates for *samples* (frames, pixels); *numbers*: columns of the table."""
    n, pixels = samples.shape
    x = np.ascontiguousarray(samples, np.float32)
    addresses = np.array([row.ctypes.data for row in x], np.uint64)
    frames = np.zeros((n, loading.COLUMNS))
    frames[:, [loading.REJECT_GAIN, loading.GAIN, loading.WEIGHT, loading.RAW_GAIN]] = 1.0
    frames[:, loading.RANGE_LOW], frames[:, loading.RANGE_HIGH] = -np.inf, np.inf
    for column, values in (numbers or {}).items():
        frames[:, column] = values
    out, fates = np.empty((4, pixels), np.float32), np.zeros((n, pixels), np.uint8)
    m = reject.METHODS.index(method)
    stack.integrate(
        addresses, addresses, addresses, frames, np.zeros((0, pixels), np.uint8), combining.COMBINATIONS.index(how), m,
        reject.FEWEST[m], settings.numbers(m, SPAN), np.array([settings.clip_low, settings.clip_high]), True, n,
        settings.table(m, n), *networks(n), out, fates,
    )  # fmt: skip
    return out, fates


def expected(column: Floats, method: str, settings: Rejecting = LIMITS) -> npt.NDArray[np.uint8]:
    """Return the fates of one stack by the plain implementation."""
    fates = np.full(len(column), loading.MISSING, np.uint8)
    there = np.flatnonzero(np.isfinite(column) & (column != 0))
    order = there[np.argsort(column[there], kind="stable")]
    lo, hi = 0, len(order)
    if hi >= reject.FEWEST[reject.METHODS.index(method)]:
        lo, hi = PLAIN[method](column[order].astype(np.float64), settings)
    fates[order[:lo]], fates[order[lo:hi]], fates[order[hi:]] = loading.LOW, loading.KEPT, loading.HIGH
    return fates


def stacks(kind: str, n: int, pixels: int, seed: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    x = rng.normal(1000, 20, (n, pixels))
    if kind == "outliers":
        struck = rng.random(x.shape) < 0.1
        x[struck] += rng.choice([-400, 900, 60000], struck.sum())
    if kind == "integers":
        x = np.round(rng.normal(100, 1.5, (n, pixels)))
        x[rng.random(x.shape) < 0.05] += 40
    if kind == "holes":
        x[rng.random(x.shape) < 0.05] += 500
        x[rng.random(x.shape) < 0.2] = 0
        x[rng.random(x.shape) < 0.2] = np.nan
    if kind == "negative":
        x -= 1015
    return x.astype(np.float32)


def told_apart(x: npt.NDArray[np.float32], method: str) -> npt.NDArray[np.float32]:
    """Return the stacks of which the plain implementation has one thing to say: all, but for short linear fits."""
    sure = []
    for i in range(x.shape[1]):
        with contextlib.suppress(SeveralBestLinesError):
            expected(x[:, i], method)
            sure.append(i)
    assert len(sure) >= (10 if method == "linear_fit" else x.shape[1])
    return np.ascontiguousarray(x[:, sure])


# The best line through tied samples is not one line; for linear_fit, its objective is tested below.
@pytest.mark.parametrize(("method", "kind"), [pair for pair in PAIRS if pair != ("linear_fit", "integers")])
@pytest.mark.parametrize("n", [3, 5, 9, 16, 33])
def test_rejection_agrees_with_the_plain_implementation(method: str, n: int, kind: str) -> None:
    x = told_apart(stacks(kind, n, 70 if n < 20 else 20, seed=n), method)
    out, fates = integrated(x, method)
    wanted = np.stack([expected(x[:, i], method) for i in range(x.shape[1])], axis=1)
    assert np.array_equal(fates, wanted)
    kept = fates == loading.KEPT
    survived = kept.any(axis=0)
    mean = np.where(kept, x, 0).astype(np.float64).sum(axis=0)[survived] / kept.sum(axis=0)[survived]
    assert np.allclose(out[0][survived], mean, rtol=1e-6)
    assert np.allclose(out[1][survived], (fates == loading.LOW).sum(axis=0)[survived] / n)
    assert np.allclose(out[2][survived], (fates == loading.HIGH).sum(axis=0)[survived] / n)
    assert np.allclose(out[3][survived], kept.sum(axis=0)[survived] / n)


@pytest.mark.parametrize("method", PLAIN)
def test_a_hundred_frames_with_known_outliers_lose_those(method: str) -> None:
    x = np.random.default_rng(5).normal(1000, 5, (100, 40)).astype(np.float32)
    x[7] += 900
    x[50] -= 900
    settings = Rejecting(min_max_low=1, min_max_high=1, ccd_gain=40, sigma_low=5, sigma_high=5)
    _, fates = integrated(x, method, settings)
    assert (fates[7] == loading.HIGH).all()
    assert (fates[50] == loading.LOW).all()
    others = np.delete(fates, [7, 50], axis=0)
    assert (others != loading.KEPT).mean() < (0.01 if method in ("rcr", "linear_fit") else 0.002)


@pytest.mark.parametrize("kind", ["outliers", "integers", "holes", "negative"])
@pytest.mark.parametrize("method", [m for m in PLAIN if m != "linear_fit"])
def test_a_hundred_frames_agree_with_the_plain_implementation(method: str, kind: str) -> None:
    x = stacks(kind, 100, 5, seed=100)
    _, fates = integrated(x, method)
    assert np.array_equal(fates, np.stack([expected(x[:, i], method) for i in range(5)], axis=1))


@pytest.mark.parametrize("n", [45, 70, 100])
def test_many_frames_have_the_line_of_linear_programming(n: int) -> None:
    rng = np.random.default_rng(n)
    v = np.sort(rng.normal(1000, 20, n))
    v[-3:] += 500
    a, b = l1_line(v, np.empty(3 * n))
    # Minimise the sum of t, where -t <= v - a - b i <= t.
    i = np.arange(n, dtype=float)
    line, one = np.stack([np.ones(n), i], axis=1), np.eye(n)
    found = optimize.linprog(
        np.r_[0, 0, np.ones(n)], A_ub=np.block([[line, -one], [-line, -one]]), b_ub=np.r_[v, -v],
        bounds=[(None, None)] * 2 + [(0, None)] * n,
    )  # fmt: skip
    assert objective(v, a, b) == pytest.approx(found.fun, rel=1e-9)


@pytest.mark.parametrize("n", [8, 16, 33, 64])
def test_stacks_that_are_proved_whole_have_no_line_that_rejects(n: int) -> None:
    """The proof holds for any line; tried are those through all pairs, of clean and of struck stacks."""
    low, high = 1.5, 1.2
    z = line_bounds(n, low, high)
    assert np.abs(z.sum(axis=1)).max() < 1e-9
    assert np.abs((z * np.arange(n)).sum(axis=1)).max() < 1e-8
    rng = np.random.default_rng(n)
    x = np.sort(rng.normal(0, 1, (40, n)) + (rng.random((40, n)) < 0.05) * 6, axis=1)
    proved = (x[:, None, :] * z).sum(axis=2) > 0
    top, bottom = proved[:, :ROWS].any(axis=1), proved[:, ROWS:].any(axis=1)
    for v, sure_high, sure_low in zip(x, top, bottom, strict=True):
        p, q = np.triu_indices(n, 1)
        slope = (v[q] - v[p]) / (q - p)
        r = v - (v[p] - slope * p)[:, None] - slope[:, None] * np.arange(n)
        mean = 2 * np.abs(r).mean(axis=1)
        assert not sure_high or (r[:, -1] < high * mean).all()
        assert not sure_low or (-r[:, 0] < low * mean).all()


def test_most_stacks_of_noise_are_proved_whole_without_a_fit() -> None:
    x = np.sort(np.random.default_rng(1).normal(size=(2000, 16)), axis=1)
    proved = (x[:, None, :] * line_bounds(16, 5.0, 4.0)).sum(axis=2) > 0
    assert (proved[:, :ROWS].any(axis=1) & proved[:, ROWS:].any(axis=1)).mean() > 0.85


@pytest.mark.parametrize("scale", [1e-42, 1.0, 1e30, 3e37])
@pytest.mark.parametrize("n", [5, 8, 16, 33, 64])
def test_what_single_precision_proves_whole_is_left_whole_by_the_fit(n: int, scale: float) -> None:
    """Clean, struck, coarsely quantised and constant stacks on a pedestal, and numbers at the ends of the range."""
    p = LIMITS.numbers(reject.LINEAR, SPAN)
    bounds = cutting.single(LIMITS.table(reject.LINEAR, n), n)
    rng = np.random.default_rng(n)
    calm, sure = np.zeros(LANES, np.uint8), 0
    for kind in range(6):
        x = rng.normal(0, 1, (n, LANES)) + (rng.random((n, LANES)) < 0.05 * (kind % 3)) * 6
        x = np.round(2 * x) / 2 if kind > 2 else x + 100 * (kind == 1 and scale == 1.0)
        x[:, 7] = x[0, 7]
        block = np.sort((x * scale).astype(np.float32), axis=0)
        cutting._unbent(block, bounds, calm)
        sure += int(calm.sum())
        for lane in np.flatnonzero(calm):
            assert reject.linear(block[:, lane].astype(np.float64), n, p, np.empty(3 * n)) == (0, n)
        assert not calm[7]
    assert n not in (8, 16) or scale not in (1.0, 1e30) or sure > LANES


def test_tables_that_prove_nothing_prove_nothing() -> None:
    assert ROWS % lanes.TOGETHER == 0  # so many rows are tried at a time
    block = np.sort(np.random.default_rng(0).normal(size=(16, LANES)).astype(np.float32), axis=0)
    calm = np.ones(LANES, np.uint8)
    for table in (np.zeros((2 * ROWS, 16)), np.zeros((1, 1))):
        cutting._unbent(block, cutting.single(table, 16), calm)
        assert not calm.any()


@pytest.mark.parametrize("method", PLAIN)
@pytest.mark.parametrize("n", [3, 8, 40])
def test_constant_stacks_lose_nothing_but_counted_samples(method: str, n: int) -> None:
    _, fates = integrated(np.full((n, 65), 77.5), method)
    lost = (fates != loading.KEPT).sum(axis=0)
    assert (lost == (2 if method == "min_max" else 0)).all()


@pytest.mark.parametrize("method", ["sigma_clip", "winsorized_sigma_clip", "esd", "linear_fit", "min_max", "rcr"])
def test_a_side_that_is_off_rejects_nothing(method: str) -> None:
    x = stacks("outliers", 16, 128, seed=2)
    _, fates = integrated(x, method, Rejecting(clip_low=False, linear_fit_high=2.5))
    assert not (fates == loading.LOW).any()
    assert (fates == loading.HIGH).any()
    _, fates = integrated(x, method, Rejecting(clip_high=False, sigma_low=2, linear_fit_low=2))
    assert not (fates == loading.HIGH).any()
    assert (fates == loading.LOW).any()


def test_of_equal_samples_low_rejection_takes_the_first_and_high_the_last() -> None:
    x = np.array([[5, 5, 5, 9, 9, 9]], np.float32).T.repeat(3, axis=1)
    _, fates = integrated(x, "min_max", Rejecting(min_max_low=2, min_max_high=1))
    assert fates[:, 1].tolist() == [loading.LOW, loading.LOW, loading.KEPT, loading.KEPT, loading.KEPT, loading.HIGH]


@pytest.mark.parametrize("method", PLAIN)
def test_neighbouring_pixels_do_not_matter(method: str) -> None:
    x = stacks("holes", 12, 150, seed=4)
    out, fates = integrated(x, method)
    for a, b in ((0, 1), (1, 63), (37, 149), (149, 150)):
        part, part_fates = integrated(x[:, a:b], method)
        assert part.tobytes() == out[:, a:b].tobytes()
        assert np.array_equal(part_fates, fates[:, a:b])


# -- combination ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["median", "minimum", "maximum"])
@pytest.mark.parametrize("method", ["no_rejection", "sigma_clip"])
@pytest.mark.parametrize("n", [3, 10, 35])
def test_what_is_kept_is_combined(how: str, method: str, n: int) -> None:
    x = stacks("holes", n, 100, seed=n)
    out, fates = integrated(x, method, how=how)
    kept = np.where(fates == loading.KEPT, x, np.nan)
    some = (fates == loading.KEPT).any(axis=0)
    truth = {"median": np.nanmedian, "minimum": np.nanmin, "maximum": np.nanmax}[how](kept[:, some], axis=0)
    assert np.array_equal(out[0][some], truth.astype(np.float32))


def test_a_pixel_of_which_nothing_remains_gets_the_median_of_its_raw_samples() -> None:
    x = np.array([[1, 2, 9, 30], [0, 0, 0, 7], [0, 0, 0, 0], [np.nan] * 4], np.float32).T
    out, _ = integrated(x, "min_max", Rejecting(min_max_low=2, min_max_high=2))
    assert out[0, :3].tolist() == [5.5, 0.0, 0.0]
    assert out[3, :3].tolist() == [0, 0, 0]
    assert np.isnan(out[:, 3]).all()


# -- the parts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 7, 16, 31, 32, 33, 64, 100])
def test_networks_sort_and_select(n: int) -> None:
    x = np.random.default_rng(n).integers(-5, 20, (n, LANES)).astype(np.float32)
    x[x > 17] = np.inf
    wanted = np.sort(x, axis=0)
    made = x.copy()
    sort_rows(made, network(n))
    assert np.array_equal(made, wanted)
    for rank in {0, n // 3, n // 2, n - 1}:
        made = x.copy()
        sort_rows(made, selection(n, rank))
        assert np.array_equal(made[rank], wanted[rank])


@pytest.mark.parametrize("n", [FEWEST_ROWS, 7, 16, 17, 31, 32, MOST_ROWS])
def test_straight_code_does_what_the_table_does(n: int) -> None:
    x = np.random.default_rng(n).integers(-5, 20, (n, LANES)).astype(np.float32)
    x[x > 17] = np.inf
    for goal in GOALS:
        made, wanted = x.copy(), x.copy()
        sort_rows(wanted, comparators(n, goal))
        by_address(np.uint64(sorter(n, goal)), made)
        assert np.array_equal(made, wanted)


@numba.njit  # type: ignore[untyped-decorator]
def by_address(function: Any, block: Any) -> None:
    run(function, np.uint64(block.ctypes.data))


@pytest.mark.parametrize("n", [2, 5, 16, 60])
@pytest.mark.parametrize("how", combining.COMBINATIONS)
@pytest.mark.parametrize("method", ["no_rejection", "sigma_clip", "winsorized_sigma_clip", "min_max"])
@pytest.mark.parametrize("odd", [False, True])
def test_a_pixel_does_not_depend_on_its_neighbours(n: int, how: str, method: str, odd: bool) -> None:
    """Whole blocks of lanes go another way than what is left at the end; each bit must be the same."""
    x = np.random.default_rng(n).normal(5, 1, (n, 2 * LANES + 7)).astype(np.float32)
    x[0, ::9] += 30
    if odd:
        x[-1, 3], x[0, 7], x[n // 2, 11], x[0, 13] = np.nan, np.inf, 0.0, -0.0
        x[:, 17], x[:, 19] = np.nan, 4.0
    gains = np.linspace(0.9, 1.1, n)
    scaled = {loading.REJECT_GAIN: gains, loading.REJECT_OFFSET: -0.3, loading.GAIN: gains[::-1]}
    numbers = {**scaled, loading.WEIGHT: gains, loading.RANGE_HIGH: 30.0} if odd else None
    whole, fates = integrated(x, method, how=how, numbers=numbers)
    for at in range(x.shape[1]):
        alone, fate = integrated(x[:, at : at + 1], method, how=how, numbers=numbers)
        assert alone[:, 0].tobytes() == whole[:, at].tobytes()
        assert np.array_equal(fate[:, 0], fates[:, at])


def test_a_hundred_zero_one_columns_are_sorted_by_every_network() -> None:
    """By the zero-one principle a network that sorts all columns of zeros and ones sorts everything."""
    for n in (4, 9, 12):
        every = np.array(list(itertools.product([0, 1], repeat=n)), np.float32).T
        for at in range(0, every.shape[1], LANES):
            block = np.zeros((n, LANES), np.float32)
            part = every[:, at : at + LANES]
            block[:, : part.shape[1]] = part
            sort_rows(block, network(n))
            assert (np.diff(block, axis=0) >= 0).all()


@pytest.mark.parametrize("n", [5, 6, 13, 30])
@pytest.mark.parametrize("kind", ["normal", "tied", "even", "step"])
def test_the_line_has_the_least_sum_of_absolute_deviations(n: int, kind: str) -> None:
    rng = np.random.default_rng(n)
    for _ in range(20):
        v = rng.normal(0, 1, n)
        few = rng.integers(0, 3, n).astype(float)
        v = {"normal": v, "tied": np.round(v), "even": few, "step": np.where(v > 0.3, 10.0, v)}[kind]
        v.sort()
        a, b = l1_line(v, np.empty(3 * n))
        best = objective(v, *brute_line(v))
        assert objective(v, a, b) <= best + 1e-8 * (1 + np.ptp(v))


@pytest.mark.parametrize("n", range(3, 40))
def test_sn_of_a_part_of_a_sorted_stack(n: int) -> None:
    v = np.sort(np.random.default_rng(n).normal(0, 1, n + 4))
    assert reject.sn_of(v, 2, n + 2, np.empty(n)) == pytest.approx(sn(v[2 : n + 2]), abs=1e-14)


def test_published_critical_values() -> None:
    # NIST/SEMATECH e-Handbook, section 1.3.5.17.3: Rosner's data, n = 54, alpha = 0.05.
    table = esd_critical(54, 0.05, 0.3)
    assert table[54, :10].round(3).tolist() == [3.159, 3.151, 3.144, 3.136, 3.128, 3.120, 3.112, 3.103, 3.094, 3.085]


def test_correction_of_small_samples() -> None:
    table = rcr_numbers(20)
    assert table[20, 0] == pytest.approx(1 / (1 - 2.9442 * 20**-1.073))
    assert table[20, 13] == pytest.approx(stats.halfnorm.ppf((13 - 0.317) / 20))
