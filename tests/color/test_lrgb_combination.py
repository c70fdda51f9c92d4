"""LRGB against the formulas, written again with plain CIE L*c*h*."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lerarlink.engine.errors import GraphError, ParameterError
from lerarlink.engine.graph import Graph

RNG = np.random.default_rng(4)
COLOURS = RNG.uniform(0.1, 0.6, (3, 31, 45)).astype(np.float32)
LUMINANCE = RNG.uniform(0.2, 0.7, (1, 31, 45)).astype(np.float32)

X, Y = np.array([0.648431, 0.321152, 0.155886]), np.array([0.330856, 0.597871, 0.066044])
M = np.stack([X / Y, np.ones(3), (1 - X - Y) / Y]) * [0.222491, 0.716888, 0.060621]
WHITE = M.sum(axis=1)


def to_lch(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    t = np.einsum("ij,jyx->iyx", M, linear) / WHITE[:, None, None]
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    a, b = 5 * (f[0] - f[1]), 2 * (f[1] - f[2])
    return 1.16 * f[1] - 0.16, np.hypot(a, b), np.arctan2(b, a)


def to_srgb(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    fy = (lightness + 0.16) / 1.16
    f = np.stack([fy + chroma * np.cos(hue) / 5, fy, fy - chroma * np.sin(hue) / 2])
    t = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = np.einsum("ij,jyx->iyx", np.linalg.inv(M), t * WHITE[:, None, None]).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def mtf(m: float, x: np.ndarray) -> np.ndarray:
    return (m - 1) * x / ((2 * m - 1) * x - m)


def combined(given: Any, luminance: np.ndarray | None = LUMINANCE, **options: Any) -> np.ndarray:
    g = Graph()
    feeds = {} if luminance is None else {"luminance": given(g, luminance)}
    node = g.add("LRGBCombination", image=given(g, COLOURS), **feeds, **options)
    assert node.image.frame.bounds == (0.0, 1.0)
    got = node.compute()
    assert (got == node.compute(strip_samples=91)).all()
    return got


def test_lightness_becomes_that_of_the_luminance_image(given: Any) -> None:
    old, chroma, hue = to_lch(COLOURS.astype(float))
    np.testing.assert_allclose(combined(given), to_srgb(LUMINANCE[0].astype(float), chroma, hue), atol=1e-6)
    assert np.abs(old - LUMINANCE[0]).max() > 0.1


@pytest.mark.parametrize("weight", [1.0, 0.3])
@pytest.mark.parametrize(("lightness", "saturation"), [(0.5, 0.3), (0.4, 0.5), (0.7, 0.2)])
def test_balances_and_weights_follow_the_formulas(
    given: Any, weight: float, lightness: float, saturation: float
) -> None:
    old, chroma, hue = to_lch(COLOURS.astype(float))
    new = weight * mtf(lightness, LUMINANCE[0].astype(float)) + (1 - weight) * old
    # Chroma is normalised by the greatest that a* and b* of [-431, 431] and [-172, 172] can have.
    most = (1 - 16 / 116) * np.hypot(5, 2)
    c = chroma / most
    c = mtf(saturation, c) * new + c * (1 - new)
    got = combined(given, lightness=lightness, saturation=saturation, luminance_weight=weight)
    np.testing.assert_allclose(got, to_srgb(new, c * most, hue), atol=1e-6)


def test_without_luminance_and_with_balances_of_one_half_nothing_changes(given: Any) -> None:
    np.testing.assert_allclose(combined(given, luminance=None), COLOURS, atol=1e-6)


def test_channel_weights_count_relative_to_the_largest(given: Any) -> None:
    weights = {"red_weight": 0.4, "green_weight": 0.2, "blue_weight": 0.3, "clip_highlights": False}
    expected = COLOURS * np.array([1, 0.5, 0.75])[:, None, None]
    np.testing.assert_allclose(combined(given, luminance=None, **weights), expected, atol=1e-6)


def test_clipped_highlights_of_weighted_channels_stay_white(given: Any) -> None:
    g = Graph()
    stars = np.full((3, 4, 5), 0.98, np.float32)
    stars[:, 2:] = 0.2
    node = g.add("LRGBCombination", image=given(g, stars), red_weight=0.5)
    got = node.compute()
    np.testing.assert_allclose(got[:, 0, 0], [0.98, 1, 1], atol=1e-6)
    np.testing.assert_allclose(got[:, 3, 4], [0.2, 0.4, 0.4], atol=1e-6)


def test_alpha_is_kept_and_missing_samples_stay_missing(given: Any) -> None:
    image = np.concatenate([COLOURS, LUMINANCE]) * np.float32(200)
    image[2, 5, 6] = np.nan
    luminance = LUMINANCE.copy()
    luminance[0, 7, 8] = np.nan
    g = Graph()
    whole = given(g, image, bounds=(0.0, 200.0))
    got = g.add("LRGBCombination", image=whole, luminance=given(g, luminance)).compute()
    assert np.isnan(got[:3, 5, 6]).all() and np.isnan(got[:3, 7, 8]).all()
    assert np.isnan(got).sum() == 6
    np.testing.assert_allclose(got[3], LUMINANCE[0], atol=1e-6)


def test_luminance_must_fit_the_colours(given: Any) -> None:
    g = Graph()
    colours = given(g, COLOURS)
    small = g.add("LRGBCombination", image=colours, luminance=given(g, LUMINANCE[:, :, :-1]))
    with pytest.raises(GraphError, match="luminance is 44x31, image is 45x31"):
        _ = small.image.frame
    linear = g.add("LRGBCombination", image=colours, luminance=given(g, LUMINANCE, state="stretched"))
    with pytest.raises(GraphError, match="the state of luminance is stretched, that of image is linear"):
        _ = linear.image.frame
    with pytest.raises(ParameterError, match="one of the channel weights must be above 0"):
        g.add("LRGBCombination", image=colours, red_weight=0.0, green_weight=0.0, blue_weight=0.0)
