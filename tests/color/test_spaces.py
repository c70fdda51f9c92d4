"""Colour spaces against definitions written down a second time, and against the standard library."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from lerarlink.nodes.color._spaces import HSI, HSV, LAB, LCH, SPACES, SRGB, XYZ, from_rgb, to_rgb

# Columns: XYZ of the sRGB primaries adapted to D50 (Bruce Lindbloom's tables).
SRGB_D50 = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
D50 = np.array([0.96422, 1.0, 0.82521])


def planes(*colours: tuple[float, float, float]) -> np.ndarray:
    return np.array(colours, np.float64).T[:, None, :]


def cie_lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*, a*, b* in their own units, of sRGB samples."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    t = np.einsum("ij,jyx->iyx", SRGB_D50, linear) / D50[:, None, None]
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    rgb = np.random.default_rng(3).random((3, 60, 70))
    rgb[:, 0] = np.linspace(0, 0.05, 70)  # grays on the toe
    rgb[:, 1, :8] = planes(*np.ndindex(2, 2, 2))[:, 0]  # the corners of the cube
    return rgb


def test_lab_is_that_of_cie_with_the_primaries_adapted_to_d50(colours: np.ndarray) -> None:
    lightness, a, b = from_rgb(colours, LAB, SRGB)
    expected = cie_lab(colours)
    end = 100 * (1 - 16 / 116)
    np.testing.assert_allclose(100 * lightness, expected[0], atol=0.01)
    np.testing.assert_allclose((2 * a - 1) * 5 * end, expected[1], atol=0.02)
    np.testing.assert_allclose((2 * b - 1) * 2 * end, expected[2], atol=0.02)


def test_published_lab_of_the_srgb_primaries_under_d50() -> None:
    # Red, green, blue as the ICC profile of sRGB gives them.
    published = np.array([[54.29, 80.81, 69.89], [87.82, -79.27, 80.99], [29.57, 68.30, -112.03]]).T
    got = from_rgb(planes((1, 0, 0), (0, 1, 0), (0, 0, 1)), LAB, SRGB)[:, 0]
    end = 100 * (1 - 16 / 116)
    got = np.stack([100 * got[0], (2 * got[1] - 1) * 5 * end, (2 * got[2] - 1) * 2 * end])
    np.testing.assert_allclose(got, published, atol=0.05)


def test_lch_is_lab_in_polar_coordinates(colours: np.ndarray) -> None:
    expected = cie_lab(colours)
    lightness, c, h = from_rgb(colours, LCH, SRGB)
    most = 100 * (1 - 16 / 116) * np.hypot(5, 2)
    np.testing.assert_allclose(100 * lightness, expected[0], atol=0.01)
    np.testing.assert_allclose(c * most, np.hypot(expected[1], expected[2]), atol=0.02)
    vivid = c * most > 5
    turn = (h - np.arctan2(expected[2], expected[1]) / (2 * np.pi) + 0.5) % 1 - 0.5
    assert np.abs(turn[vivid]).max() < 1e-3


def test_xyz_of_white_is_one_and_y_has_the_published_weights() -> None:
    x, y, z = from_rgb(planes((1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1)), XYZ, 1.0)[:, 0]
    np.testing.assert_allclose([x[0], y[0], z[0]], 1, atol=1e-12)
    np.testing.assert_allclose(y[1:], [0.222491, 0.716888, 0.060621], atol=1e-6)
    np.testing.assert_allclose(np.stack([x, y, z])[:, 1:], SRGB_D50 / D50[:, None], atol=2e-4)


@pytest.mark.parametrize("gamma", [1.0, 2.2])
def test_a_plain_gamma_is_a_power_of_the_samples(colours: np.ndarray, gamma: float) -> None:
    y = from_rgb(colours, XYZ, gamma)[1]
    expected = np.einsum("j,jyx->yx", [0.222491, 0.716888, 0.060621], colours**gamma)
    np.testing.assert_allclose(y, expected, atol=1e-6)


def test_hsv_and_hsi_are_those_of_the_standard_library(colours: np.ndarray) -> None:
    some = colours[:, :3].reshape(3, -1)
    hsv = np.array([colorsys.rgb_to_hsv(*c) for c in some.T]).T
    hls = np.array([colorsys.rgb_to_hls(*c) for c in some.T]).T
    np.testing.assert_allclose(from_rgb(some[:, None], HSV, SRGB)[:, 0], hsv, atol=1e-12)
    np.testing.assert_allclose(from_rgb(some[:, None], HSI, SRGB)[:, 0], hls[[0, 2, 1]], atol=1e-12)


@pytest.mark.parametrize("space", range(1, len(SPACES)))
@pytest.mark.parametrize("gamma", [SRGB, 1.0, 2.2])
def test_there_and_back_gives_the_same_colours(colours: np.ndarray, space: int, gamma: float) -> None:
    there = from_rgb(colours, space, gamma)
    assert there.min() >= 0 and there.max() <= 1
    np.testing.assert_allclose(to_rgb(there, space, gamma), colours, atol=1e-6)


@pytest.mark.parametrize("space", range(1, len(SPACES)))
def test_hue_one_is_hue_zero_and_other_components_may_leave_the_gamut(space: int) -> None:
    extremes = planes(*np.ndindex(2, 2, 2))
    back = to_rgb(extremes, space, SRGB)
    assert back.min() >= 0 and back.max() <= 1
    if space in (HSV, HSI):
        np.testing.assert_allclose(back[:, :, :4], back[:, :, 4:], atol=1e-12)


def test_a_missing_component_is_missing_in_all_and_others_are_clamped() -> None:
    rgb = planes((0.2, np.nan, 0.4), (0.2, np.inf, 0.4), (-0.5, 0.3, 1.5))
    for space in range(1, len(SPACES)):
        got = from_rgb(rgb, space, SRGB)[:, 0]
        assert np.isnan(got[:, :2]).all()
        np.testing.assert_array_equal(got[:, 2:], from_rgb(planes((0, 0.3, 1)), space, SRGB)[:, 0])
