"""HistogramTransformation against its steps in float64, channel by channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lerarlink.engine.api import Frame, Known, ParameterError
from lerarlink.engine.fuse import run_pixel
from lerarlink.nodes.stretch.histogram_transformation import HistogramTransformation

IDENTITY = (0.0, 0.5, 1.0, 0.0, 1.0)
rng = np.random.default_rng(9)


def stretched(process: HistogramTransformation, image: np.ndarray, display: Any = None, **frame: Any) -> np.ndarray:
    image = image.astype(np.float32)
    made = Frame(width=image.shape[2], height=image.shape[1], channels=image.shape[0], **frame)
    values = {} if display is None else {"display": display}
    known = Known(frames={"image": made}, values=values, frame=made, box=made.box)
    out = process.frame(known)
    assert (out.bounds, out.state, out.unit) == ((0.0, 1.0), "stretched", "")
    return run_pixel(process, Known(frames={"image": made}, values=values, frame=out, box=made.box), image)


def transformed(x: np.ndarray, row: tuple[float, ...]) -> np.ndarray:
    """One transform as PixInsight's documentation describes it, step by step."""
    c0, m, c1, r0, r1 = row
    v = np.clip(x.astype(np.float64), 0, 1)
    with np.errstate(all="ignore"):
        v = np.where(v <= c0, 0.0, np.where(v >= c1, 1.0, (v - c0) / (c1 - c0)))
        v = np.where((v > 0) & (v < 1), (m - 1) * v / ((2 * m - 1) * v - m), v)
    return np.where(np.isnan(x), np.nan, (v - r0) / (r1 - r0))


RAMP = np.linspace(-0.2, 1.2, 4001).reshape(1, 1, -1)
ROWS = [
    IDENTITY,
    (0.1, 0.5, 1.0, 0.0, 1.0),
    (0.0, 0.02, 1.0, 0.0, 1.0),
    (0.03, 0.7, 0.6, 0.0, 1.0),
    (0.05, 0.2, 0.9, -0.5, 2.0),
    (0.0, 0.0, 1.0, 0.0, 1.0),
    (0.0, 1.0, 1.0, 0.0, 1.0),
]


@pytest.mark.parametrize("row", ROWS)
def test_a_gray_image_follows_the_steps_of_the_rgbk_row(row: tuple[float, ...]) -> None:
    names = ("shadows", "midtones", "highlights", "low_range", "high_range")
    out = stretched(HistogramTransformation(**dict(zip(names, row, strict=True))), RAMP)
    np.testing.assert_allclose(out, transformed(RAMP.astype(np.float32), row), atol=1e-7)


def test_nothing_changes_by_default_within_the_bounds() -> None:
    image = rng.random((1, 50, 60)).astype(np.float32)
    assert np.array_equal(stretched(HistogramTransformation(), image), image)


def test_physical_values_are_normalised_by_the_bounds() -> None:
    x = rng.random((1, 30, 40))
    process = HistogramTransformation(shadows=0.1, midtones=0.2)
    out = stretched(process, x * 4000 + 100, bounds=(100.0, 4100.0), unit="ADU")
    np.testing.assert_allclose(out, stretched(process, x), atol=1e-6)


def test_colour_channels_go_through_their_own_row_and_then_through_the_common_one() -> None:
    table = ((0.1, 0.3, 0.9, 0.0, 1.0), IDENTITY, (0.0, 0.6, 1.0, -0.1, 1.2), (0.05, 0.2, 0.95, 0.0, 1.5), IDENTITY)
    image = rng.random((3, 20, 30)).astype(np.float32)
    out = stretched(HistogramTransformation(table=table), image, color="rgb")
    for c in range(3):
        np.testing.assert_allclose(out[c], transformed(transformed(image[c], table[c]), table[3]), atol=1e-6)


def test_the_alpha_row_is_for_the_first_alpha_channel_alone() -> None:
    table = (IDENTITY, IDENTITY, IDENTITY, (0.0, 0.1, 1.0, 0.0, 1.0), (0.2, 0.5, 1.0, 0.0, 1.0))
    image = rng.random((3, 20, 30)).astype(np.float32)
    out = stretched(HistogramTransformation(table=table), image, color="gray")
    np.testing.assert_allclose(out[0], transformed(image[0], table[3]), atol=1e-6)
    np.testing.assert_allclose(out[1], transformed(image[1], table[4]), atol=1e-6)
    np.testing.assert_allclose(out[2], image[2], atol=1e-7)


def test_missing_pixels_stay_missing_and_nothing_else_becomes_so() -> None:
    image = np.array([[[np.nan, 0.0, 1.0, 0.5]]])
    for process in (HistogramTransformation(midtones=0.0), HistogramTransformation(shadows=0.5, highlights=0.5)):
        assert np.isnan(stretched(process, image)).tolist() == [[[True, False, False, False]]]


def test_equal_clipping_points_give_their_value_everywhere() -> None:
    out = stretched(HistogramTransformation(shadows=0.3, highlights=0.3), RAMP)
    assert np.unique(out) == np.float32(0.3)


def test_a_linked_display_is_applied_row_by_row() -> None:
    image = rng.random((3, 20, 30)).astype(np.float32)
    rows = [[0.1, 1.0, 0.2, 0.0, 1.0], [0.0, 0.9, 0.4, 0.0, 1.0], [0.05, 0.95, 0.3, -0.1, 1.1]]
    out = stretched(HistogramTransformation(), image, {"rows": rows}, color="rgb")
    for c, (c0, c1, m, r0, r1) in enumerate(rows):
        np.testing.assert_allclose(out[c], transformed(image[c], (c0, m, c1, r0, r1)), atol=1e-6)


def test_a_display_of_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ParameterError, match="each of the image's 3 channels, got 2"):
        stretched(HistogramTransformation(), np.zeros((3, 2, 2)), {"rows": [[0, 1, 0.5, 0, 1]] * 2}, color="rgb")


def test_parameters_that_a_display_would_override_are_refused() -> None:
    with pytest.raises(ParameterError, match="takes the place of all parameters"):
        stretched(HistogramTransformation(midtones=0.2), np.zeros((1, 2, 2)), {"rows": [[0, 1, 0.5, 0, 1]]})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shadows": 0.8, "highlights": 0.2}, "shadows must not be above highlights, got 0.8 and 0.2 in row RGB/K"),
        ({"table": (IDENTITY,) * 4}, "wants 5 rows .*, got 4"),
        ({"table": (IDENTITY,) * 5, "midtones": 0.2}, "got both"),
        ({"table": (IDENTITY,) * 4 + ((0.0, 1.5, 1.0, 0.0, 1.0),)}, "midtones of row A .*got 1.5"),
        ({"high_range": 0.5}, "high_range must lie in"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        HistogramTransformation(**wrong)
