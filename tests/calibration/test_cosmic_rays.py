"""Cosmic rays against the published method written out plainly, against simulated truth, and on a real frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from lerarlink.engine.errors import EngineError
from lerarlink.engine.graph import Graph

ADU = {"bounds": (0.0, 65535.0)}


def night(height: int, width: int, seed: int, rays: int, sigma: float = 1.3) -> tuple[np.ndarray, ...]:
    """Return a frame without and with cosmic rays, where they are, and the star image alone (1 e-/DN)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    stars = np.zeros((height, width))
    for _ in range(height * width // 900):
        cy, cx, flux = rng.uniform(0, height), rng.uniform(0, width), 10 ** rng.uniform(3, 5.2)
        stars += flux / (2 * np.pi * sigma**2) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2))
    clean = rng.poisson(300 + stars) + rng.normal(0, 6.5, (height, width))
    hit = np.zeros((height, width), bool)
    for _ in range(rays):
        cy, cx, angle = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0, np.pi)
        along = np.arange(rng.integers(1, 9))
        ys, xs = np.rint(cy + along * np.sin(angle)).astype(int), np.rint(cx + along * np.cos(angle)).astype(int)
        inside = (ys >= 0) & (ys < height) & (xs >= 0) & (xs < width)
        hit[ys[inside], xs[inside]] = True
    struck = clean + hit * rng.uniform(400, 8000, (height, width))
    return clean.astype(np.float32), struck.astype(np.float32), hit, stars


def cleaned(given: Any, pixels: Any, words: Any = None, strips: tuple[int, ...] = (), **options: Any) -> Any:
    g = Graph()
    node = g.add("CosmicRays", image=given(g, pixels, **{**ADU, **(words or {})}), **options)
    image, rays = node.image.compute(), node.rays.image.compute()
    for samples in strips:
        assert np.array_equal(node.image.compute(strip_samples=samples), image, equal_nan=True)
    return image[0], rays[0]


def plain(image: np.ndarray, rounds: int, sigma: float = 4.5, frac: float = 0.3, contrast: float = 5.0) -> Any:
    """Whole arrays, every step everywhere; edges mirrored, so that they differ near the edge."""
    x = image.astype(np.float64)
    rays = np.zeros(x.shape, bool)
    kernel = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])
    for _ in range(rounds):
        fine = np.maximum(ndimage.convolve(x.repeat(2, 0).repeat(2, 1), kernel, float), 0)
        h, w = x.shape
        laplacian = fine.reshape(h, 2, w, 2).mean(axis=(1, 3))
        noise = np.sqrt(np.maximum(ndimage.median_filter(x, 5), 0) + 6.5**2)
        s = laplacian / (2 * noise)
        s = s - ndimage.median_filter(s, 5)
        small = ndimage.median_filter(x, 3)
        fine_structure = np.maximum((small - ndimage.median_filter(small, 7)) / noise, 0.01)
        sure = (s > sigma) & (s / fine_structure > contrast)
        sure = ndimage.binary_dilation(sure, np.ones((3, 3))) & (s > sigma)
        sure = ndimage.binary_dilation(sure, np.ones((3, 3))) & (s > frac * sigma)
        rays |= sure
        holed = np.where(rays, np.nan, image)
        for r, c in zip(*np.nonzero(rays), strict=True):
            near = holed[max(0, r - 2) : r + 3, max(0, c - 2) : c + 3]
            if np.isnan(near).all():
                near = holed[max(0, r - 4) : r + 5, max(0, c - 4) : c + 5]
            x[r, c] = np.float32(np.nanmedian(near.astype(np.float64)))
    return x, rays


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_it_is_the_published_method(given: Any, rounds: int) -> None:
    _, struck, _, _ = night(150, 170, 3, 120)
    struck[60:68, 80:87] += 20000  # too thick for a 5 x 5 search
    got, rays = cleaned(given, struck, iterations=rounds, saturation=1.0)
    expected, expected_rays = plain(struck, rounds)
    inside = (slice(10 * rounds, -10 * rounds), slice(10 * rounds, -10 * rounds))
    assert expected_rays[inside].sum() > 80
    assert np.array_equal(rays[inside].astype(bool), expected_rays[inside])
    np.testing.assert_allclose(got[inside], expected[inside], rtol=1e-6)


def test_strips_do_not_matter(given: Any) -> None:
    cleaned(given, night(90, 60, 4, 60)[1], strips=(1, 60 * 17))


def test_simulated_rays_go_and_stars_stay(given: Any) -> None:
    clean, struck, hit, stars = night(300, 320, 5, 150)
    got, rays = cleaned(given, struck)
    found = rays.astype(bool)
    seen = hit & (stars < 30)
    assert (found & seen).sum() > 0.97 * seen.sum()
    false = found & ~ndimage.binary_dilation(hit, np.ones((3, 3)))
    assert not false[stars < 30].any(), "only stars that a ray has crossed lose more than it"
    assert cleaned(given, clean)[1].sum() == 0
    assert np.array_equal(got[~found], struck[~found])
    # What stands in for a ray is as far from the truth as one median of noise is.
    assert np.abs((got - clean)[found & seen]).mean() < 1.5 * np.sqrt(300 + 6.5**2)
    far = ~ndimage.binary_dilation(hit, np.ones((13, 13)))
    assert stars[far].max() > 5000
    assert np.array_equal(got[far], clean[far])


def test_saturated_cores_are_left_alone(given: Any) -> None:
    y, x = np.mgrid[:80, :80]
    image = 300 + 400000 * np.exp(-((y - 40) ** 2 + (x - 40) ** 2) / 8.0)
    image = np.minimum(image, 65535.0) + np.random.default_rng(1).normal(0, 18, image.shape)
    image[36:45, 40] = 65535.0  # a bleeding column has the sharpest of edges
    _, rays = cleaned(given, image, saturation=0.95)
    assert rays.sum() == 0


def test_each_plane_of_a_mosaic_is_cleaned_for_itself(given: Any) -> None:
    gains = np.array([[0.5, 1.0], [1.0, 3.0]])
    clean, struck, _, _ = night(120, 121, 8, 60)
    for i in (0, 1):
        for j in (0, 1):
            clean[i::2, j::2] *= gains[i, j]
            struck[i::2, j::2] *= gains[i, j]
    got, rays = cleaned(given, struck, {"cfa": "RGGB"}, strips=(121 * 7,), iterations=2)
    for i in (0, 1):
        for j in (0, 1):
            one, marks = cleaned(given, struck[i::2, j::2], iterations=2)
            assert np.array_equal(got[i::2, j::2], one)
            assert np.array_equal(rays[i::2, j::2], marks)


def test_units_do_not_matter(given: Any) -> None:
    _, struck, _, _ = night(80, 90, 9, 50)
    got, rays = cleaned(given, struck)
    scaled, same = cleaned(given, struck.astype(np.float64) / 65535.0, {"bounds": (0.0, 1.0)})
    assert rays.sum() > 50
    assert (same != rays).mean() < 1e-3
    assert np.abs(scaled * 65535.0 - got)[same == rays].max() < 0.05
    bright, as_before = cleaned(given, struck * np.float32(4.0), gain=0.25)
    assert np.array_equal(as_before, rays)
    assert np.array_equal(bright, got * np.float32(4.0))


def test_missing_samples_stay_missing_and_hide_nothing(given: Any) -> None:
    image = np.random.default_rng(2).normal(300, 18, (50, 50)).astype(np.float32)
    image[20:23, 20] = np.nan
    image[21, 21] = 9000
    image[30, 0] = 9000
    got, rays = cleaned(given, image)
    assert np.array_equal(np.isnan(got), np.isnan(image))
    assert [tuple(p) for p in np.argwhere(rays == 1)] == [(21, 21), (30, 0)]
    assert abs(got[21, 21] - 300) < 30
    assert abs(got[30, 0] - 300) < 30


def test_x_trans_is_refused(given: Any) -> None:
    with pytest.raises(EngineError, match="cell of 36 filters"):
        cleaned(given, np.ones((9, 9)), {"cfa": "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG"})


def test_a_real_frame_loses_its_rays(real_data: Callable[[str], Path]) -> None:
    path = real_data("odd-fits/astroscrappy_gmos_cosmics.fits")
    g = Graph()
    raw = g.add("ReadImage", path=str(path))
    node = g.add("CosmicRays", image=raw, gain=1.933, read_noise=3.85, obj_lim=2.0)
    before, after, rays = raw.compute()[0], node.compute()[0], node.rays.image.compute()[0].astype(bool)
    assert 0.001 < rays.mean() < 0.05
    assert np.array_equal(after[~rays], before[~rays])
    # Sharp spikes: samples far above the median of their surroundings.
    noise = 1.4826 * np.median(np.abs(before - np.median(before)))

    def spikes(x: np.ndarray) -> int:
        return int((x - ndimage.median_filter(x, 5) > 20 * noise).sum())

    assert spikes(before) > 80
    assert spikes(after) == 0
    careful = g.add("CosmicRays", name="careful", image=raw, gain=1.933, read_noise=3.85).compute()[0]
    assert 0 < spikes(careful) < 0.5 * spikes(before), "a long broad trail is eaten from its ends only"
