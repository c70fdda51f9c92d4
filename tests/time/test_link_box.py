"""Depths of boxes, against weighted means, drawn noise and catalogued eclipses and transits."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy import stats

from lerarlink.nodes.time import _conclude as c
from lerarlink.nodes.time._box import Boxes, boxes, conclude_boxes, inside, without_running_median
from lerarlink.nodes.time._design import frame_weights, nuisance_basis, nuisance_columns
from lerarlink.nodes.time._lockin import Sums

DAY = 86400.0


def made(t: np.ndarray, w: np.ndarray, degree: int, period: float, middle: float, duration: float) -> Boxes:
    plan = boxes(t, np.sqrt(w), nuisance_basis(*nuisance_columns(t, degree), np.sqrt(w)), period, middle, duration)
    assert plan is not None
    return plan


def concluded(y: np.ndarray, w: np.ndarray, plan: Boxes, period: float, local: bool, clip: float = 0.0) -> np.ndarray:
    columns = plan.columns()
    sums = Sums.of(y.astype(np.float32), len(y), len(columns), 0, clip)
    none = np.zeros((0, len(y)), np.float32)
    for i in range(0, len(y), 64):
        here = slice(i, i + 64)
        sums.add(np.ascontiguousarray(y[here], np.float32), w[here], columns[:, here], none[:, here])
    return conclude_boxes(sums, plan, period, local)[0]


def test_the_inside_of_a_box_comes_again_every_period() -> None:
    t = np.array([0.0, 4.9, 5.1, 94.9, 95.1, 100.0, 205.1, -5.1, -4.9])
    assert inside(t, 100.0, 0.0, 10.0).tolist() == [True, True, False, False, True, True, False, False, True]


def test_a_depth_is_the_mean_outside_less_that_inside() -> None:
    t = np.arange(400) * 30.0
    sigma = np.exp(np.random.default_rng(1).normal(0, 0.2, 400))
    w = frame_weights(sigma, 400)
    y = (900 + np.random.default_rng(2).normal(0, 3, (400, 5))).astype(np.float32).astype(np.float64)
    dip = inside(t, 2000.0, 500.0, 240.0)
    y[dip, 1] -= 8
    figures = concluded(y, w, made(t, w, 0, 2000.0, 500.0, 240.0), 2000.0, local=False)
    out = (w[~dip] @ y[~dip]) / w[~dip].sum()
    inner = (w[dip] @ y[dip]) / w[dip].sum()
    assert figures[c.RAW] == pytest.approx(out - inner, rel=1e-5)
    left = (w[~dip] @ (y[~dip] - out) ** 2 + w[dip] @ (y[dip] - inner) ** 2) / 398
    error = np.sqrt(left * (1 / w[dip].sum() + 1 / w[~dip].sum()))
    assert figures[c.RAW_ERROR] == pytest.approx(error, rel=1e-5)
    assert figures[c.EVIDENCE, 1] == pytest.approx(-math.log10(stats.t.sf((out - inner)[1] / error[1], 398)), rel=1e-4)


def test_bad_samples_leave_the_equations_of_a_box() -> None:
    t, w = np.arange(300) * 30.0, np.ones(300)
    rng = np.random.default_rng(3)
    y = rng.normal(100, 3, (300, 2)).astype(np.float32)
    bad = rng.random(300) < 0.15
    y[bad, 1] = np.nan
    figures = concluded(y, w, made(t, w, 1, 2000.0, 500.0, 240.0), 2000.0, local=False, clip=8.0)
    keep = ~bad
    rows = np.array([np.ones(300), t / t.max(), -inside(t, 2000.0, 500.0, 240.0).astype(float)])[:, keep]
    told = np.linalg.lstsq(rows.T, y[keep, 1].astype(np.float64), rcond=None)[0]
    assert figures[c.RAW, 1] == pytest.approx(told[2], rel=1e-5)


@pytest.mark.parametrize("local", [False, True])
def test_noise_alone_has_no_dips(local: bool) -> None:
    t, w = np.arange(600) * 30.0, np.ones(600)
    y = np.random.default_rng(4).normal(0, 1, (600, 20_000)).astype(np.float32)
    figures = concluded(y, w, made(t, w, 2, 3000.0, 700.0, 200.0), 3000.0, local=local)
    p = 10.0 ** -figures[c.EVIDENCE]
    # Half of all depths are negative: no evidence for a dip, p = 0.5 at least.
    assert (p < 0.1).mean() / 0.1 == pytest.approx(1.0, abs=0.12)
    assert (p < 0.01).mean() / 0.01 == pytest.approx(1.0, abs=0.45)


def test_a_running_median_leaves_dips_and_takes_slow_changes() -> None:
    t = np.arange(500) * 60.0
    y = np.random.default_rng(5).normal(0, 1, (500, 3)) + 40 * np.sin(t / 9000.0)[:, None] + 1000
    y[100, 1] = np.nan
    found = without_running_median(y.astype(np.float32), t, 3000.0)
    for i in (0, 30, 250, 499):
        near = np.abs(t - t[i]) <= 1500.0
        told = y[i] - np.nanmedian(y[near], axis=0) + np.nanmedian(y, axis=0)
        assert found[i] == pytest.approx(told, abs=2e-4, nan_ok=True)


# -- real pixels ------------------------------------------------------------------------------------


def kepler(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return days since the file's zero and the pixels of good cadences."""
    with fits.open(path) as hdus:
        data = hdus[1].data
        good = np.isfinite(data["TIME"]) & (data["QUALITY"] == 0) & np.isfinite(data["FLUX"]).any(axis=(1, 2))
        return data["TIME"][good].astype(np.float64), data["FLUX"][good].astype(np.float64)


def ratio(t: np.ndarray, y: np.ndarray, period: float, middle: float, hours: float) -> np.ndarray:
    """Return depth over error of a box at a known ephemeris in days, two days' running median taken out."""
    seconds, w = t * DAY, np.ones(len(t))
    flat = without_running_median(y.astype(np.float32), seconds, 2 * DAY)
    plan = made(seconds, w, 0, period * DAY, middle * DAY, hours / 24 * DAY)
    return concluded(flat, w, plan, period * DAY, local=True)[c.STATISTIC]


def test_the_planets_of_a_real_star(real_data: Callable[[str], Path]) -> None:
    """Kepler-62 (Borucki et al. 2013): b, d and e stand out in the summed pixels, c is below detection."""
    t, flux = kepler(real_data("timeseries-pixels/kplr009002278-2010174085026_lpd-targ.fits.gz"))
    y = np.nansum(flux, axis=(1, 2))[:, None]
    found = {
        "b": ratio(t, y, 5.714932, 170.9189, 2.31), "c": ratio(t, y, 12.4417, 134.651, 3.0),
        "d": ratio(t, y, 18.16406, 180.8117, 2.97), "e": ratio(t, y, 122.3874, 150.404, 6.92),
    }  # fmt: skip
    print({k: round(float(v[0]), 1) for k, v in found.items()})
    assert found["b"][0] > 5
    assert found["d"][0] > 9
    assert found["e"][0] > 4.5
    assert found["c"][0] < 3


def test_an_eclipse_comes_from_the_pixel_of_its_star(real_data: Callable[[str], Path]) -> None:
    """KOI-608: seen in the sum, strongest beside the brightest pixel."""
    t, flux = kepler(real_data("timeseries-pixels/kplr005562784-2011271113734_lpd-targ.fits.gz"))
    total = ratio(t, np.nansum(flux, axis=(1, 2))[:, None], 25.3368592, 192.91552, 8.85)[0]
    pixels = ratio(t, flux.reshape(len(t), -1), 25.3368592, 192.91552, 8.85).reshape(flux.shape[1:])
    best = np.unravel_index(np.nanargmax(pixels), pixels.shape)
    print(round(float(total), 1), [int(i) for i in best], np.round(pixels, 1).tolist())
    assert total > 8
    assert tuple(best) == (1, 1)
