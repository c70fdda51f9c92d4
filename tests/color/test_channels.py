"""Taking colour images apart and putting them together."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.errors import GraphError
from lerarlink.engine.graph import Graph

SPACES = ["RGB", "XYZ", "Lab", "LCh", "HSV", "HSI"]
RNG = np.random.default_rng(8)
COLOURS = (100 + 3000 * RNG.random((3, 37, 53))).astype(np.float32)
BOUNDS = (50.0, 4000.0)


def apart(g: Graph, image: Any, **options: Any) -> list[Any]:
    node = g.add("ChannelExtraction", image=image, **options)
    return [node.output(port) for port in ("first", "second", "third")]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("gamma", [{}, {"srgb_gamma": False, "channel_gamma": 1.0}])
def test_what_was_taken_apart_goes_together_again(given: Any, space: str, gamma: dict[str, Any]) -> None:
    g = Graph()
    red, green, blue = apart(g, given(g, COLOURS, bounds=BOUNDS), color_space=space, **gamma)
    whole = g.add("ChannelCombination", red=red, green=green, blue=blue, color_space=space, **gamma)
    got, frame = whole.compute(), whole.image.frame
    lo, hi = frame.known_bounds()
    assert (frame.channels, frame.color) == (3, "rgb")
    np.testing.assert_allclose((got - lo) / (hi - lo), (COLOURS - 50.0) / 3950.0, atol=4e-6)
    assert (got == whole.compute(strip_samples=61)).all()


def test_rgb_channels_keep_their_values_and_bounds(given: Any) -> None:
    g = Graph()
    outputs = apart(g, given(g, COLOURS, bounds=BOUNDS, unit="ADU"))
    for plane, output in zip(COLOURS, outputs, strict=True):
        assert (output.image.compute()[0] == plane).all()
        assert output.image.frame.bounds == BOUNDS
        assert (output.image.frame.unit, output.image.frame.color) == ("ADU", "gray")


def test_hue_saturation_and_value_are_those_of_the_standard_library(given: Any) -> None:
    g = Graph()
    outputs = apart(g, given(g, COLOURS, bounds=BOUNDS), color_space="HSV")
    expected = np.array([colorsys.rgb_to_hsv(*c) for c in (COLOURS.reshape(3, -1).T.astype(float) - 50) / 3950])
    for i, output in enumerate(outputs):
        assert output.image.frame.bounds == (0.0, 1.0)
        np.testing.assert_allclose(output.image.compute().ravel(), expected[:, i], atol=1e-6)


def test_bounds_of_a_combination_hold_all_three_and_values_stay(given: Any) -> None:
    g = Graph()
    bounds = [(0.0, 100.0), (-5.0, 90.0), (0.0, 65535.0)]
    planes = [given(g, COLOURS[i], bounds=b, unit="ADU") for i, b in enumerate(bounds)]
    whole = g.add("ChannelCombination", red=planes[0], green=planes[1], blue=planes[2])
    assert whole.image.frame.bounds == (-5.0, 65535.0)
    assert (whole.compute() == COLOURS).all()


def test_alpha_channels_and_mosaics_are_left_behind(given: Any) -> None:
    g = Graph()
    plane = given(g, COLOURS[:2], cfa="RGGB", color="gray")
    whole = g.add("ChannelCombination", red=plane, green=plane, blue=plane)
    assert whole.image.frame.cfa is None
    assert (whole.compute() == COLOURS[[0, 0, 0]]).all()


def test_missing_samples_stay_missing(given: Any) -> None:
    holes = COLOURS.copy()
    holes[1, 3, 4] = np.nan
    g = Graph()
    image = given(g, holes, bounds=BOUNDS)
    for output, missing in zip(apart(g, image), (False, True, False), strict=True):
        assert np.isnan(output.image.compute()[0, 3, 4]) == missing
    for output in apart(g, image, color_space="Lab"):
        assert np.isnan(output.image.compute()[0, 3, 4])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shape": (1, 37, 52)}, "green is 52x37, red is 53x37"),
        ({"shape": (3, 37, 53)}, "green must be a gray image"),
        ({"orientation": "bottom-up"}, "green is bottom-up, red is top-down"),
        ({"state": "stretched"}, "green is stretched, red is linear"),
        ({"bounds": (0.0, 65535.0), "unit": "ADU"}, "green is in 'ADU' with bounds"),
    ],
)
def test_images_that_do_not_fit_are_refused_by_name(given: Any, change: dict[str, Any], told: str) -> None:
    g = Graph()
    red = given(g, COLOURS[0])
    green = given(g, np.zeros(change.pop("shape", (1, 37, 53))), **change)
    whole = g.add("ChannelCombination", red=red, green=green, blue=red)
    with pytest.raises(GraphError, match=told):
        _ = whole.image.frame


def test_gray_images_have_no_colours_to_extract(given: Any) -> None:
    g = Graph()
    with pytest.raises(GraphError, match="must be a colour image"):
        _ = apart(g, given(g, COLOURS[0]))[0].image.frame
