"""Deconvolution against images whose sharp form is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.signal import fftconvolve

from lerarlink import Graph
from lerarlink.engine.errors import EngineError

SIZE = 320
FWHM = 4.0


def moffat(fwhm: float, beta: float = 3.5, reach: int = 20) -> Any:
    k = 2.0 * math.sqrt(2.0 ** (1.0 / beta) - 1.0)
    v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    made = (1.0 + (u * u + v * v) * (k / fwhm) ** 2) ** -beta
    return made / made.sum()


def scene(seed: int = 1) -> tuple[Any, Any, Any]:
    """Return a sharp scene, the same blurred and noisy, and where the stars are."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    sharp = 300.0 + 150.0 * np.exp(-((x - 170) ** 2 + (y - 140) ** 2) / 3000.0) * (1 + np.sin(x / 7.0))
    places = [(int(cx), int(cy)) for cx, cy in rng.uniform(30, SIZE - 30, (25, 2))]
    for cx, cy in places:
        sharp[cy, cx] += rng.uniform(4e3, 6e4)
    blurred = fftconvolve(np.pad(sharp, 20, mode="edge"), moffat(FWHM), "valid")
    return sharp, blurred + rng.normal(0.0, 5.0, sharp.shape), places


def rows(kernel: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, kernel.tolist()))


@pytest.fixture
def sharpened(given: Callable[..., Any]) -> Callable[..., Any]:
    def make(pixels: Any, **params: Any) -> Any:
        g = Graph()
        strips = params.pop("strip_samples", 10**9)
        node = g.add("Deconvolution", image=given(g, pixels, bounds=(0.0, 65535.0)), **params)
        return node.compute(strip_samples=strips)[0]

    return make


def widths(image: Any, places: Any) -> float:
    """Return the median width of single stars by their second moments within five pixels."""
    found = []
    for cx, cy in places:
        if min(math.hypot(cx - a, cy - b) for a, b in places if (a, b) != (cx, cy)) < 16:
            continue
        part = image[cy - 5 : cy + 6, cx - 5 : cx + 6].astype(float)
        part = np.maximum(part - np.median(image[cy - 12 : cy + 13, cx - 12 : cx + 13]), 0.0)
        v, u = np.mgrid[-5:6, -5:6]
        found.append(math.sqrt((part * (u * u + v * v)).sum() / part.sum() / 2.0))
    return float(np.median(found))


def test_stars_become_sharper_their_light_stays_and_noise_does_not_grow_much(sharpened: Any) -> None:
    sharp, seen, places = scene()
    made = sharpened(seen, kernel=rows(moffat(FWHM)), iterations=30, noise=(5.0 / 65535.0,))
    assert widths(made, places) < 0.7 * widths(seen, places)
    away = np.ones(sharp.shape, bool)
    for cx, cy in places:
        away[max(0, cy - 20) : cy + 21, max(0, cx - 20) : cx + 21] = False
    assert (made - sharp)[away].std() < 10.0
    inside = np.s_[16:-16, 16:-16]
    assert (made - 300.0)[inside].sum() == pytest.approx((sharp - 300.0)[inside].sum(), rel=0.02)


def test_regularised_iterations_keep_more_noise_out_than_plain_ones(sharpened: Any) -> None:
    rng = np.random.default_rng(2)
    flat = 500.0 + rng.normal(0.0, 5.0, (200, 200))
    kernel = rows(moffat(FWHM))
    plain = sharpened(flat, kernel=kernel, iterations=30, regularization=False)
    quiet = sharpened(
        flat, kernel=kernel, iterations=30, noise_threshold=(3.5, 3.0, 2.5, 2.5), noise_reduction=(1.0, 1.0, 1.0, 1.0)
    )
    assert quiet.std() < 1.1 * flat.std()
    assert plain.std() > 1.5 * quiet.std()


def test_strips_and_the_places_of_blocks_do_not_show(sharpened: Any) -> None:
    _, seen, _ = scene(3)
    wide = np.concatenate([seen, seen[::-1]], axis=1)[:, :600]
    whole = sharpened(wide, iterations=5, sigma=1.7)
    thin = sharpened(wide, iterations=5, sigma=1.7, strip_samples=600 * 7)
    assert np.array_equal(whole, thin)
    # A block's border is where the neighbour's begins: what lies on both sides goes on smoothly.
    assert np.abs(np.diff(whole[:, 250:262], axis=1)).max() <= np.abs(np.diff(whole, axis=1)).max()
    part = sharpened(wide[:, 40:], iterations=5, sigma=1.7)
    assert np.abs(part[:, 60:-60] - whole[:, 100:-60]).max() < 0.01 * wide.max()


def test_the_mean_is_kept_and_missing_samples_stay_missing(sharpened: Any) -> None:
    rng = np.random.default_rng(5)
    flat = rng.normal(0.0, 3.0, (150, 140))  # a sky about zero
    flat[70:73, 60:64] = np.nan
    made = sharpened(flat, iterations=20)
    assert np.array_equal(np.isnan(made), np.isnan(flat))
    assert np.nanmean(made) == pytest.approx(np.nanmean(flat), abs=0.05)


def test_dark_rings_are_held_up(sharpened: Any) -> None:
    rng = np.random.default_rng(6)
    y, x = np.mgrid[:160, :160]
    image = 200.0 + rng.normal(0.0, 2.0, x.shape)
    image += 30000.0 * np.exp(-((x - 80) ** 2 + (y - 80) ** 2) / (2 * 1.7**2))
    kernel = rows(moffat(5.0))  # too wide a kernel makes rings
    free = sharpened(image, kernel=kernel, iterations=40)
    held = sharpened(image, kernel=kernel, iterations=40, deringing=True)
    ring = np.hypot(x - 80, y - 80) < 15
    assert free[ring].min() < 150.0
    assert held[ring].min() > 185.0


def test_van_cittert_sharpens_too(sharpened: Any) -> None:
    _, seen, places = scene()
    made = sharpened(seen, kernel=rows(moffat(FWHM)), iterations=10, algorithm="van_cittert")
    assert widths(made, places) < 0.9 * widths(seen, places)


def test_kernels_that_are_none_are_refused(sharpened: Any, given: Callable[..., Any]) -> None:
    flat = np.full((40, 40), 5.0)
    for kernel in (((1.0, 1.0),), ((1.0, 1.0), (1.0, 1.0)), ((0.0,),)):
        with pytest.raises(EngineError, match="Deconvolution: kernel"):
            sharpened(flat, kernel=kernel)
    g = Graph()
    image = given(g, flat, bounds=(0.0, 1.0))
    psf = g.add("MeasureRegion", image=image).output("psf")
    with pytest.raises(EngineError, match="LRN-3"):
        g.add("Deconvolution", image=image, psf=psf).compute()
