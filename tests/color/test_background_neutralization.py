"""Background neutralization against numpy medians."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lerarlink.engine.errors import EngineError, GraphError, ParameterError
from lerarlink.engine.graph import Graph

LO, HI = 10.0, 1010.0
SKY = (0.03, 0.05, 0.08)


@pytest.fixture(autouse=True)
def many_small_measuring_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in tiles of some 7 rows, so that a small image is merged from many."""
    monkeypatch.setattr("lerarlink.engine.region.MEASURE_TILE_SAMPLES", 600)
    monkeypatch.setattr("lerarlink.engine.region.MEASURE_BLOCK_SAMPLES", 1800)


def sky_with_stars() -> np.ndarray:
    """A noisy background of three levels, stars, and one bright pixel that is missing in green."""
    rng = np.random.default_rng(5)
    x = np.array(SKY)[:, None, None] + rng.normal(0, 0.004, (3, 90, 71))
    x[:, rng.random((90, 71)) < 0.03] += rng.uniform(0.2, 0.8)
    image = (LO + (HI - LO) * x).astype(np.float32)
    image[1, 4, 4] = np.nan
    return image


IMAGE = sky_with_stars()
X = (IMAGE.astype(float) - LO) / (HI - LO)


def medians(x: np.ndarray, low: float = 0.0, high: float = 0.1) -> np.ndarray:
    inside = ((x > low) & (x < high)).all(axis=0)
    return np.median(x[:, inside], axis=1)


def neutralized(given: Any, image: np.ndarray = IMAGE, **options: Any) -> tuple[np.ndarray, Any, Any]:
    g = Graph()
    node = g.add("BackgroundNeutralization", image=given(g, image, bounds=(LO, HI), unit="ADU"), **options)
    got = node.compute()
    assert np.array_equal(got, node.compute(strip_samples=143), equal_nan=True)
    g.run()
    return got, node, node.value("measures")


def test_the_background_is_the_median_of_pixels_inside_in_all_channels(given: Any) -> None:
    _, _, told = neutralized(given)
    np.testing.assert_allclose(told["background"], medians(X), rtol=0, atol=1e-12)
    assert told["pixels"] == ((X > 0) & (X < 0.1)).all(axis=0).sum()


@pytest.mark.parametrize("mode", ["rescale", "rescale_as_needed"])
def test_one_scale_for_all_channels_brings_what_left_the_range_back(given: Any, mode: str) -> None:
    got, node, told = neutralized(given, mode=mode)
    left = X - medians(X)[:, None, None]
    expected = (left - np.nanmin(left)) / (np.nanmax(left) - np.nanmin(left))
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert told["rescaled"]
    assert (np.nanmin(got), np.nanmax(got)) == (0, 1)
    # What follows sees the new bounds.
    intensity = node.output().graph.add("ChannelExtraction", image=node.output("image"), color_space="HSI")
    expected = 0.5 * (got.max(axis=0) + got.min(axis=0))
    np.testing.assert_allclose(intensity.output("third").image.compute()[0], expected, atol=1e-6)


def test_rescale_as_needed_leaves_what_stays_in_range(given: Any) -> None:
    # The background is measured high up, where a box holds the darkest pixels.
    image = IMAGE.copy()
    image[:, :30] = (LO + (HI - LO) * np.array([0.01, 0.02, 0.015])[:, None, None]).astype(np.float32)
    got, _, told = neutralized(given, image, box=(0, 0, 30, 71))
    assert not told["rescaled"]
    np.testing.assert_allclose(told["background"], [0.01, 0.02, 0.015], atol=1e-7)
    expected = image - (HI - LO) * np.array([0.01, 0.02, 0.015])[:, None, None]
    np.testing.assert_allclose(got, expected, atol=1e-3)
    assert np.array_equal(np.isnan(got), np.isnan(image))


def test_target_background_and_truncate_clamp_and_keep_the_unit(given: Any) -> None:
    left = X - medians(X)[:, None, None]
    for mode, shift in (("truncate", 0.0), ("target_background", 0.02)):
        got, node, told = neutralized(given, mode=mode, target_background=0.02)
        np.testing.assert_allclose(got, LO + (HI - LO) * (left + shift).clip(0, 1), atol=1e-3)
        assert not told["rescaled"]
        assert (node.image.frame.bounds, node.image.frame.unit) == ((LO, HI), "ADU")


def test_background_may_be_measured_in_another_image(given: Any) -> None:
    g = Graph()
    reference = given(g, X * 0.5, bounds=(0.0, 1.0))
    image = given(g, IMAGE, bounds=(LO, HI))
    node = g.add("BackgroundNeutralization", image=image, reference=reference, mode="truncate")
    b = medians((X * 0.5).astype(np.float32).astype(float))
    np.testing.assert_allclose(node.compute(), LO + (HI - LO) * (X - b[:, None, None]).clip(0, 1), atol=1e-3)


def test_limits_without_pixels_are_told_with_the_range_that_is_there(given: Any) -> None:
    with pytest.raises(EngineError, match=r"at least 16 pixels .* between 0.95 and 1 are wanted, got 0; .* from \[0.0"):
        neutralized(given, background_low=0.95, background_high=1.0)


def test_what_cannot_be_neutralized_is_refused(given: Any) -> None:
    g = Graph()
    image = given(g, IMAGE, bounds=(LO, HI))
    with pytest.raises(ParameterError, match=r"background_low must be below background_high, got 0.2 and 0.1"):
        g.add("BackgroundNeutralization", image=image, background_low=0.2)
    with pytest.raises(GraphError, match="image must be a colour image"):
        _ = g.add("BackgroundNeutralization", image=given(g, IMAGE[0])).image.frame
    with pytest.raises(GraphError, match="reference is 70x90, image is 71x90"):
        _ = g.add("BackgroundNeutralization", image=image, reference=given(g, IMAGE[:, :, 1:])).image.frame
    with pytest.raises(GraphError, match="must hold pixels of the 90 rows and 71 columns"):
        _ = g.add("BackgroundNeutralization", image=image, box=(0, 0, 91, 5)).image.frame


def test_alpha_is_kept(given: Any) -> None:
    image = np.concatenate([IMAGE, np.full((1, 90, 71), 510, np.float32)])
    got, _, _ = neutralized(given, image)
    np.testing.assert_allclose(got[3], 0.5, atol=1e-6)
    got, _, _ = neutralized(given, image, mode="truncate")
    assert (got[3] == 510).all()
