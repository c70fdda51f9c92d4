"""Invert, Clip, Binarize and Rescale against the formula in numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lerarlink.engine.errors import ParameterError
from lerarlink.engine.frame import Frame
from lerarlink.engine.process import Known
from lerarlink.nodes.math.binarize import Binarize
from lerarlink.nodes.math.clip import Clip
from lerarlink.nodes.math.invert import Invert
from lerarlink.nodes.math.rescale import Rescale

Render = Callable[..., np.ndarray]
ADU = {"bounds": (0.0, 65535.0), "unit": "ADU", "color": "rgb"}


@pytest.fixture
def image() -> np.ndarray:
    """Three colours and an alpha channel in ADU, partly out of range, with missing samples."""
    a = np.random.default_rng(1).normal(30000, 25000, (4, 15, 11)).astype(np.float32)
    a[0, 3, 4], a[2, 0, 0] = np.nan, np.inf
    return a


def test_invert_is_one_minus_x_of_the_bounds(render: Render, image: np.ndarray) -> None:
    out = render(Invert(), image, **ADU)
    np.testing.assert_array_equal(out[:3], (65535.0 - image[:3].astype(float)).astype(np.float32))
    np.testing.assert_array_equal(out[3], image[3])
    shifted = render(Invert(), image[:3], bounds=(-100.0, 300.0))
    np.testing.assert_allclose(shifted, 200 - image[:3].astype(float), rtol=1e-6)


def test_clip_keeps_missing_samples_and_alpha(render: Render, image: np.ndarray) -> None:
    out = render(Clip(low=0.1, high=0.5), image, **ADU)
    np.testing.assert_array_equal(out[:3], np.clip(image[:3], np.float32(6553.5), np.float32(32767.5)))
    np.testing.assert_array_equal(out[3], image[3])
    out = render(Clip(low=-1, high=1000, range_unit="physical"), image, **ADU)
    np.testing.assert_array_equal(out[:3], np.clip(image[:3], -1, 1000))


def test_clip_refuses_a_range_upside_down() -> None:
    with pytest.raises(ParameterError, match=r"low 0\.5, high 0\.2"):
        Clip(low=0.5, high=0.2)


def test_binarize_reaches_the_threshold_or_not(render: Render, image: np.ndarray) -> None:
    image[1, 2, 2] = 65535 / 2
    out = render(Binarize(), image, **ADU)
    there = np.isfinite(image[:3])
    np.testing.assert_array_equal(out[:3][there], (image[:3] / 65535.0 >= 0.5)[there])
    assert np.isnan(out[:3][~there]).all()
    np.testing.assert_allclose(out[3], image[3] / 65535.0, rtol=1e-6)


def test_binarize_takes_a_threshold_a_channel(render: Render, image: np.ndarray) -> None:
    process = Binarize(threshold_rk=0.2, threshold_g=0.4, threshold_b=0.6, is_global=False)
    out = render(process, np.nan_to_num(image[:3], posinf=0), **ADU)
    truth = np.nan_to_num(image[:3], posinf=0) / 65535.0 >= np.array([0.2, 0.4, 0.6])[:, None, None]
    np.testing.assert_array_equal(out, truth)


def test_binarize_gives_bounds_and_state() -> None:
    out = Binarize().frame(Known(frames={"image": Frame(width=2, height=2, bounds=(0, 255), unit="ADU")}))
    assert (out.bounds, out.unit) == ((0.0, 1.0), "")
    assert Binarize.gives == "stretched"


def test_rescale_spreads_all_channels_together(render: Render, image: np.ndarray) -> None:
    finite = image[:3][np.isfinite(image[:3])].astype(float)
    out = render(Rescale(), image, **ADU)
    truth = (image[:3] - finite.min()) / (finite.max() - finite.min()) * 65535
    there = np.isfinite(image[:3])
    np.testing.assert_allclose(out[:3][there], truth[there], rtol=1e-6, atol=1e-2)
    assert (np.nanmin(out[:3][there]), np.nanmax(out[:3][there])) == (0, 65535)
    np.testing.assert_array_equal(out[3], image[3])


def test_rescale_spreads_channels_one_by_one(render: Render, image: np.ndarray) -> None:
    out = render(Rescale(per_channel=True), image, **ADU)
    for plane in out[:3]:
        assert (np.nanmin(plane[np.isfinite(plane)]), plane[np.isfinite(plane)].max()) == (0, 65535)


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_rescale_leaves_an_image_without_range(render: Render, value: float) -> None:
    flat = np.full((1, 4, 5), value, np.float32)
    np.testing.assert_array_equal(render(Rescale(), flat), flat)
