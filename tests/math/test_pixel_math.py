"""PixelMath on images: functions, statistics, neighbours, places, random numbers, channels, ranges."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage, stats

from lerarlink.engine.errors import ParameterError
from lerarlink.engine.frame import Frame
from lerarlink.engine.process import Known
from lerarlink.engine.region import Box
from lerarlink.nodes.math import _blends, _functions, _signatures
from lerarlink.nodes.math.pixel_math import PixelMath

Render = Callable[..., np.ndarray]
FREE: dict[str, Any] = {"truncate": False}


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    a = np.random.default_rng(4).uniform(0.01, 0.99, (3, 23, 17)).astype(np.float32)
    a[0, 5, 6] = np.nan
    return a


@pytest.fixture(scope="module")
def gray() -> np.ndarray:
    return np.random.default_rng(5).uniform(0.01, 0.99, (1, 23, 17)).astype(np.float32)


def mtf(m: float, x: float) -> float:
    return 0.0 if x <= 0 else 1.0 if x >= 1 else (m - 1) * x / ((2 * m - 1) * x - m)


POINTWISE: dict[str, Callable[[float], float]] = {
    "abs(x - 0.5)": lambda x: abs(x - 0.5), "acos(x)": math.acos, "acosh(1 + x)": lambda x: math.acosh(1 + x),
    "asin(x)": math.asin, "asinh(x)": math.asinh, "atan(x)": math.atan, "atan(x, 0.3)": lambda x: math.atan2(x, 0.3),
    "atanh(x)": math.atanh, "ceil(4*x)": lambda x: math.ceil(4 * x), "cos(x)": math.cos, "cosh(x)": math.cosh,
    "exp(x)": math.exp, "floor(4*x)": lambda x: math.floor(4 * x), "frac(-4*x)": lambda x: -4 * x - math.trunc(-4 * x),
    "ln(x)": math.log, "log(x)": math.log10, "log2(x)": math.log2, "mtf(0.1, x)": lambda x: mtf(0.1, x),
    "mtf(0.3, 2*x - 0.5)": lambda x: mtf(0.3, 2 * x - 0.5), "pi() * x": lambda x: math.pi * x,
    "range(x, 0.3, 0.6)": lambda x: min(max(x, 0.3), 0.6), "truncate(3*x - 1)": lambda x: min(max(3 * x - 1, 0), 1),
    "rescale(x, 0.2, 0.7)": lambda x: min(max((x - 0.2) / 0.5, 0), 1),
    "rescale(x, 0.7, 0.2)": lambda x: min(max((x - 0.2) / 0.5, 0), 1), "rescale(x, 0.4, 0.4)": lambda x: 0,
    "round(10*x)": lambda x: math.floor(10 * x + 0.5), "round(-x, 2)": lambda x: -math.floor(100 * x + 0.5) / 100,
    "sign(x - 0.5)": lambda x: math.copysign(1, x - 0.5), "sin(x)": math.sin, "sinh(x)": math.sinh,
    "sqrt(x)": math.sqrt, "tan(x)": math.tan, "tanh(x)": math.tanh, "trunc(-4*x)": lambda x: math.trunc(-4 * x),
    "binarize(x)": lambda x: x >= 0.5, "binarize(x, 0.2)": lambda x: x >= 0.2,
    "iif(x > 0.5, 2, x)": lambda x: 2 if x > 0.5 else x,
    "iswitch(x > 0.8, 1, x > 0.4, 2, 3)": lambda x: 1 if x > 0.8 else 2 if x > 0.4 else 3,
    "ostat(1, x, 0.5, 0.2)": lambda x: sorted((x, 0.5, 0.2))[1], "init(x)": lambda x: x,
}  # fmt: skip


@pytest.mark.parametrize("text", POINTWISE)
def test_functions_agree_with_plain_math(render: Render, gray: np.ndarray, text: str) -> None:
    out = render(PixelMath(expression=f"x = $T; {text}", **FREE), gray)
    truth = np.vectorize(POINTWISE[text], otypes=[float])(gray.astype(float))
    np.testing.assert_allclose(out, truth, rtol=2e-7, atol=1e-12)


def test_every_function_has_been_called_here_or_below() -> None:
    named = {text.split("(")[0] for text in POINTWISE} | {"iif", "iswitch", "pi"}
    assert set(_functions.POINTWISE) <= named


def bend(s: np.ndarray) -> float:
    d = s - np.median(s)
    w = sorted(abs(d))[math.floor(0.8 * len(s) + 0.5) - 1]
    return len(s) * w**2 * sum(min(max(v / w, -1), 1) ** 2 for v in d) / sum(abs(v) < w for v in d) ** 2


def biweight(s: np.ndarray) -> float:
    d = s - np.median(s)
    y = d / (9 * np.median(abs(d)))
    k = abs(y) < 1
    return len(s) * np.sum((d**2 * (1 - y**2) ** 4)[k]) / np.sum(((1 - y**2) * (1 - 5 * y**2))[k]) ** 2


def sn(s: np.ndarray) -> float:
    n = len(s)
    return sorted(sorted(abs(s - v))[n // 2] for v in s)[(n + 1) // 2 - 1]


def qn(s: np.ndarray) -> float:
    n, h = len(s), len(s) // 2 + 1
    return sorted(abs(s[i] - s[j]) for i in range(n) for j in range(i))[h * (h - 1) // 2 - 1]


SETS: dict[str, Callable[[np.ndarray], float]] = {
    "mean": np.mean, "med": np.median, "min": np.min, "max": np.max, "sum": np.sum, "norm": np.sum,
    "mod": lambda s: np.sum(abs(s)), "ssqr": lambda s: np.sum(s**2), "asqr": lambda s: np.mean(s**2),
    "sdev": lambda s: np.std(s, ddof=1), "var": lambda s: np.var(s, ddof=1),
    "adev": lambda s: np.mean(abs(s - np.median(s))), "mdev": lambda s: np.median(abs(s - np.median(s))),
    "bwmv": biweight, "pbmv": bend, "Sn": sn, "Qn": qn,
    "maxdev": lambda s: np.max(abs(s - np.median(s))),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_functions_of_sets_agree_with_their_formula(render: Render, gray: np.ndarray, name: str) -> None:
    out = render(PixelMath(expression=f"{name}($T, 0.5, -0.3, 1.2, $T*2)", **FREE), gray)
    truth = [SETS[name](np.array([v, 0.5, -0.3, 1.2, v * 2])) for v in gray.astype(float).ravel()]
    np.testing.assert_allclose(out.ravel(), truth, rtol=1e-6)
    assert set(SETS) == set(_functions.SETS)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.0, 65535.0), (-300.0, 1000.0)])
@pytest.mark.parametrize("name", sorted(_signatures.STATISTICS))
def test_statistics_of_an_image_are_exact(
    render: Render, rgb: np.ndarray, name: str, bounds: tuple[float, float]
) -> None:
    """Each channel by itself, over the samples that are there, in units of the bounds."""
    lo, hi = bounds
    image = (lo + rgb * (hi - lo) * 1.3 - 0.2 * (hi - lo)).astype(np.float32)
    out = render(PixelMath(expression=f"{name}($T)", **FREE), image, rows=4, bounds=bounds)
    for plane, made in zip(image, out, strict=True):
        x = (plane[np.isfinite(plane)].astype(float) - lo) / (hi - lo)
        truth = lo + SETS[name](x) * (hi - lo)
        np.testing.assert_allclose(made, truth, rtol=3e-7, atol=1e-6 * (hi - lo))


def test_statistics_of_other_images_and_channels(render: Render, rgb: np.ndarray, gray: np.ndarray) -> None:
    process = PixelMath(expression="m + max($T[1]) - median(other)", symbols="m = min(L)", names=("L", "other"), **FREE)
    out = render(process, rgb, (gray, gray * 0.5))
    truth = gray.min() + rgb[1].max() - np.median(gray * np.float32(0.5))
    np.testing.assert_allclose(out, truth, rtol=1e-6)


def test_units_survive(render: Render) -> None:
    image = np.random.default_rng(1).uniform(100, 60000, (1, 6, 5))
    out = render(PixelMath(expression="0.5 * $T"), image, bounds=(0.0, 65535.0))
    np.testing.assert_allclose(out, image / 2, rtol=1e-6)


def test_images_are_called_by_their_names(render: Render, rgb: np.ndarray, gray: np.ndarray) -> None:
    process = PixelMath(expression="0.3*Ha + 0.7*$T - S2[2]*0.1", names=("Ha", "S2"), **FREE)
    out = render(process, rgb, (gray, rgb * 0.5))
    np.testing.assert_allclose(out, 0.3 * gray + 0.7 * rgb - 0.05 * rgb[2], rtol=1e-5, atol=1e-7)


def test_expressions_a_channel(render: Render, rgb: np.ndarray) -> None:
    four = np.concatenate([rgb, rgb[:1] * 0 + 0.5])
    process = PixelMath(
        expression="$T[2]", expression1="", expression2="$T + 1 - 1; 0.5*$T", expression3="1 - $T",
        use_single_expression=False,
    )  # fmt: skip
    out = render(process, four)
    truth = np.stack([four[2], four[1], 0.5 * four[2], 1 - four[3]])
    np.testing.assert_allclose(out, truth, rtol=1e-6)


def test_a_single_expression_leaves_alpha(render: Render, rgb: np.ndarray) -> None:
    four = np.concatenate([rgb, rgb[1:2]])
    out = render(PixelMath(expression="~$T"), four)
    np.testing.assert_array_equal(out[3], four[3])
    np.testing.assert_allclose(out[:3], 1 - rgb.astype(float), rtol=1e-6)


@pytest.mark.parametrize("rows", [100, 5, 1])
@pytest.mark.parametrize(
    ("text", "dy", "dx"),
    [
        ("$T(x() - 1, y() + 2)", 2, -1), ("pixel($T, x() + 3, y())", 0, 3), ("$T(4 + x() - k, -5 + y())", -5, 2),
        ("$T(x() + 40, y() - 40)", -40, 40),
    ],
)  # fmt: skip
def test_neighbours_are_clamped_at_the_borders(
    render: Render, gray: np.ndarray, rows: int, text: str, dy: int, dx: int
) -> None:
    padded = np.pad(gray, ((0, 0), (50, 50), (50, 50)), mode="edge")
    truth = padded[:, 50 + dy : 50 + dy + 23, 50 + dx : 50 + dx + 17]
    out = render(PixelMath(expression=text, symbols="k = 2"), gray, rows=rows)
    np.testing.assert_array_equal(out, truth)


def test_single_pixels_are_measured(render: Render, rgb: np.ndarray) -> None:
    out = render(PixelMath(expression="$T(3, 20) + 0*$T[1](0, 0) + $T(999, -5)", **FREE), rgb, rows=3)
    truth = (rgb[:, 20, 3] + rgb[:, 0, 16])[:, None, None]
    np.testing.assert_allclose(out, np.broadcast_to(truth, rgb.shape), rtol=1e-6)


def test_places(render: Render, gray: np.ndarray) -> None:
    y, x = np.mgrid[0:23, 0:17].astype(float)
    for text, truth in {
        "x()": x, "y()": y, "X()": x / 16, "Y()": y / 22, "width()": 17 + 0 * x, "h()": 23 + 0 * x,
        "area($T)": 391 + 0 * x, "channels()": 1 + 0 * x, "iscolor()": 0 * x,
        "rdist()": np.hypot(x - 8, y - 11), "rdist(2, 3)": np.hypot(x - 2, y - 3),
        "pangle()": np.arctan2(11 - y, x - 8),
        "inrect(2, 3, 5, 6)": (x >= 2) & (x < 7) & (y >= 3) & (y < 9),
        "inellipse(8, 9, 4, 3)": ((x - 8) / 4) ** 2 + ((y - 9) / 3) ** 2 <= 1,
        "d2line(0, 1, 3, 5)": abs((x - 0) * 4 - (y - 1) * 3) / 5,
        "d2seg(5, 5, 9, 5)": np.hypot(np.maximum(np.maximum(5 - x, x - 9), 0), y - 5),
        "xperp2line(0, 4, 9, 4)": x, "yperp2line(0, 4, 9, 4)": 4 + 0 * x,
        "mind2rect(2, 2, 9, 9)": np.where((x >= 2) & (x <= 10) & (y >= 2) & (y <= 10),
            np.minimum(np.minimum(x - 2, 10 - x), np.minimum(y - 2, 10 - y)), -1),
        "maxd2rect(2, 2, 9, 9)": np.where((x >= 2) & (x <= 10) & (y >= 2) & (y <= 10),
            np.maximum(np.maximum(x - 2, 10 - x), np.maximum(y - 2, 10 - y)), -1),
    }.items():  # fmt: skip
        for rows in (100, 4):
            out = render(PixelMath(expression=text, **FREE), gray, rows=rows)[0]
            np.testing.assert_allclose(out, truth, rtol=1e-6, atol=1e-6, err_msg=text)


def test_hue_saturation_and_value_agree_with_colorsys(render: Render, rgb: np.ndarray) -> None:
    hsv = np.array([colorsys.rgb_to_hsv(*p) for p in rgb.reshape(3, -1).T.astype(float)]).T.reshape(rgb.shape)
    hls = np.array([colorsys.rgb_to_hls(*p) for p in rgb.reshape(3, -1).T.astype(float)]).T.reshape(rgb.shape)
    truths = {"H": hsv[0], "Hd": hsv[0] * 360, "Sv": hsv[1], "V": hsv[2], "I": hls[1], "Si": hls[2]}
    missing = np.isnan(rgb).any(axis=0)
    for name, truth in truths.items():
        out = render(PixelMath(expression=f"{name}($T)", **FREE), rgb)[0]
        np.testing.assert_allclose(out[~missing], truth[~missing], rtol=1e-5, atol=1e-6, err_msg=name)
        assert np.isnan(out[missing]).all()


def test_cie_components_of_known_colours(render: Render) -> None:
    """White, black, mid gray and the sRGB primaries: L* and hue angles in D50 as Lindbloom's calculator gives them."""
    colours = np.array([[1, 1, 1], [0, 0, 0], [0.5, 0.5, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float).T
    image = colours.reshape(3, 1, 6)

    def found(name: str) -> np.ndarray:
        return render(PixelMath(expression=f"{name}($T)", **FREE), image)[0, 0]

    np.testing.assert_allclose(found("CIEL"), [1, 0, 0.53389, 0.54292, 0.87820, 0.29567], atol=2e-4)
    np.testing.assert_allclose(found("CIEY")[3:], [0.222491, 0.716888, 0.060621], atol=1e-6)
    np.testing.assert_allclose(found("CIEhd")[3:], [40.86, 134.39, 301.37], atol=0.2)
    np.testing.assert_allclose(found("CIEa")[:3], 0.5, atol=1e-7)
    np.testing.assert_allclose(found("CIEc")[:3], 0, atol=1e-7)
    np.testing.assert_allclose(found("CIEhr") / (2 * np.pi), found("CIEh"), atol=1e-7)


def test_samples_of_a_pixel_and_normalisation(render: Render, rgb: np.ndarray) -> None:
    np.testing.assert_array_equal(render(PixelMath(expression="maxsample($T)"), rgb)[1], rgb.max(axis=0))
    np.testing.assert_array_equal(render(PixelMath(expression="minsample($T)"), rgb)[2], rgb.min(axis=0))
    out = render(PixelMath(expression="normalize($T, 0.2, 0.6)"), rgb)
    for plane, made in zip(rgb, out, strict=True):
        truth = 0.2 + 0.4 * (plane - np.nanmin(plane)) / (np.nanmax(plane) - np.nanmin(plane))
        np.testing.assert_allclose(made, truth, rtol=1e-5)


BLENDS: dict[str, Callable[[float, float], float]] = {
    "screen": lambda a, b: 1 - (1 - a) * (1 - b), "mov": lambda a, b: b, "dif": lambda a, b: abs(a - b),
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b, "min": min, "max": max, "atan2": math.atan2,
    "overlay": lambda a, b: 2 * a * b if a <= 0.5 else 1 - (1 - 2 * (a - 0.5)) * (1 - b),
    "soft_light": lambda a, b: (1 - 2 * b) * a * a + 2 * a * b,
    "hard_light": lambda a, b: 1 - (1 - a) * (1 - 2 * (b - 0.5)) if b > 0.5 else 2 * a * b,
    "vivid_light": lambda a, b: max(0, 1 - (1 - a) / (2 * b)) if b < 0.5 else min(1, a / (2 * (1 - b))),
    "linear_light": lambda a, b: a + 2 * b - 1, "exclusion": lambda a, b: 0.5 - 2 * (a - 0.5) * (b - 0.5),
    "pin_light": lambda a, b: max(a, 2 * (b - 0.5)) if b > 0.5 else min(a, 2 * b),
    "color_burn": lambda a, b: 1 - min(1, (1 - a) / b), "linear_burn": lambda a, b: a + b - 1,
    "color_dodge": lambda a, b: min(1, a / (1 - b)),
}  # fmt: skip


@pytest.mark.parametrize("name", BLENDS)
def test_blends_are_their_formula(render: Render, gray: np.ndarray, name: str) -> None:
    other = gray[:, ::-1]
    out = render(PixelMath(expression=f"combine($T, b, op_{name}())", names=("b",), **FREE), gray, (other,))
    truth = np.vectorize(BLENDS[name], otypes=[float])(gray.astype(float), other.astype(float))
    np.testing.assert_allclose(out, truth, rtol=1e-6, atol=1e-7)
    assert {f"op_{n}" for n in BLENDS} == set(_blends.BLENDS)


def disc(radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.hypot(y, x) <= radius + 0.5


CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
FILTERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gconv($T)": lambda a: ndimage.gaussian_filter(a, 2, radius=7, mode="nearest"),
    "gconv($T, 1.2, 1, 0, 0.001)": lambda a: ndimage.gaussian_filter(a, 1.2, radius=5, mode="nearest"),
    "gconv($T, 2, 0.5)": lambda a: ndimage.gaussian_filter(a, (1, 2), radius=7, mode="nearest"),
    "gconv($T, 2, 0.3, 90)": lambda a: ndimage.gaussian_filter(a, (2, 0.6), radius=7, mode="nearest"),
    "bconv($T, 5)": lambda a: ndimage.uniform_filter(a, 5, mode="nearest"),
    "medfilt($T)": lambda a: ndimage.median_filter(a, 3, mode="nearest"),
    "medfilt($T, 9)": lambda a: ndimage.median_filter(a, 9, mode="nearest"),
    "medfilt($T, 5, str_circular())": lambda a: ndimage.median_filter(a, footprint=disc(2), mode="nearest"),
    "erosion($T, 5)": lambda a: ndimage.minimum_filter(a, 5, mode="nearest"),
    "dilation($T, 7, str_circular())": lambda a: ndimage.maximum_filter(a, footprint=disc(3), mode="nearest"),
    "dilation($T, 3, str_orthogonal())": lambda a: ndimage.maximum_filter(a, footprint=CROSS, mode="nearest"),
    "dilation($T, 3, str_diagonal())": lambda a: ndimage.maximum_filter(
        a, footprint=~CROSS | np.eye(3, dtype=bool), mode="nearest"
    ),
    "erosion($T, 3, str_star())": lambda a: ndimage.minimum_filter(a, 3, mode="nearest"),
}


@pytest.mark.parametrize("text", FILTERS)
def test_filters_agree_with_scipy(render: Render, gray: np.ndarray, text: str) -> None:
    process = PixelMath(expression=text)
    out = render(process, gray)
    np.testing.assert_allclose(out[0], FILTERS[text](gray[0].astype(float)), rtol=3e-7)
    for rows in (1, 6):
        np.testing.assert_array_equal(render(process, gray, rows=rows), out)


def test_filters_pass_over_missing_samples(render: Render) -> None:
    image = np.full((1, 12, 12), 0.25)
    image[0, 3, 4] = np.nan
    image[0, 8:, 8:] = np.nan
    for text in (
        "gconv($T)", "gconv($T, 2, 0.4, 20)", "bconv($T)", "medfilt($T, 5)", "erosion($T)", "dilation($T)",
        "lvar($T) + 0.25", "kconv($T, 1, 2, 1, 2, 4, 2, 1, 2, 1)", "medfilt($T, 3, str_threeway())",
    ):  # fmt: skip
        out = render(PixelMath(expression=text), image)
        np.testing.assert_allclose(out[np.isfinite(image)], 0.25, rtol=1e-6)
        assert np.isnan(out[np.isnan(image)]).all()


def test_oblong_filters_are_turned_counter_clockwise(render: Render) -> None:
    point = np.zeros((1, 21, 21))
    point[0, 10, 10] = 1
    out = render(PixelMath(expression="gconv($T, 2, 0.3, 30)", **FREE), point)[0].astype(float)
    y, x = np.mgrid[:21, :21] - 10
    angle = 0.5 * math.atan2(2 * -(out * x * y).sum(), (out * (x * x - y * y)).sum())
    assert math.degrees(angle) == pytest.approx(30, abs=0.5)
    assert (out * (x * x + y * y)).sum() / out.sum() == pytest.approx(4 * (1 + 0.09), rel=0.05)


DISTRIBUTIONS = {
    "random()": stats.uniform(), "gauss()": stats.norm(), "gamma(2.5, 3)": stats.gamma(2.5, scale=3),
    "gamma(0.7)": stats.gamma(0.7), "chisq(4)": stats.chi2(4), "studentt(5)": stats.t(5),
}  # fmt: skip


@pytest.mark.parametrize("text", DISTRIBUTIONS)
def test_random_numbers_follow_their_distribution(render: Render, text: str) -> None:
    out = render(PixelMath(expression=text, **FREE), np.zeros((1, 100, 200)))
    assert stats.kstest(out.ravel(), DISTRIBUTIONS[text].cdf).pvalue > 1e-3


@pytest.mark.parametrize("mean", [0.4, 7.0, 3000.0])
def test_poisson_numbers_follow_their_distribution(render: Render, mean: float) -> None:
    out = render(PixelMath(expression=f"poisson({mean})", **FREE), np.zeros((1, 100, 200))).ravel()
    assert (out == np.round(out)).all() and out.min() >= 0
    assert abs(out.mean() - mean) < 4 * math.sqrt(mean / out.size)
    assert abs(out.var() / mean - 1) < 0.06
    if mean < 10:
        for k in range(4):
            p = stats.poisson.pmf(k, mean)
            assert abs((out == k).mean() - p) < 5 * math.sqrt(p / out.size)


def test_random_numbers_depend_on_seed_call_channel_and_place_only(render: Render) -> None:
    black = np.zeros((3, 40, 30))
    process = PixelMath(expression="gauss()", **FREE)
    whole = render(process, black)
    for rows in (1, 7):
        np.testing.assert_array_equal(render(process, black, rows=rows), whole)
    assert abs(np.corrcoef(whole.reshape(3, -1)) - np.eye(3)).max() < 0.1
    other = render(PixelMath(expression="gauss()", seed=2, **FREE), black)
    assert abs(np.corrcoef(whole[0].ravel(), other[0].ravel())[0, 1]) < 0.1
    twice = render(PixelMath(expression="a = gauss(); b = gauss(); a*b", **FREE), black)
    assert abs(twice.mean()) < 0.08 and np.unique(whole).size == whole.size
    chosen = render(PixelMath(expression="rndselect(0.25, 0.5, 1)"), black)
    values, counts = np.unique(chosen, return_counts=True)
    np.testing.assert_array_equal(values, [0.25, 0.5, 1])
    assert abs(counts / chosen.size - 1 / 3).max() < 0.03


@pytest.mark.parametrize("rows", [100, 6, 1])
def test_strips_do_not_matter(render: Render, rgb: np.ndarray, rows: int) -> None:
    process = PixelMath(
        expression="m = med($T); n = $T(x() + 1, y() - 3); iif(n > m, CIEL($T), n^0.3) + 0.01*gauss() + bwmv($T)"
    )
    np.testing.assert_array_equal(render(process, rgb, rows=rows), render(process, rgb))


def test_truncation_and_rescaling(render: Render, rgb: np.ndarray) -> None:
    out = render(PixelMath(expression="3*$T - 1"), rgb)
    np.testing.assert_allclose(out, np.clip(3 * rgb.astype(float) - 1, 0, 1), rtol=1e-6, atol=1e-7)
    out = render(PixelMath(expression="3*$T - 1", truncate_lower=-0.5, truncate_upper=2), rgb)
    np.testing.assert_allclose(out, np.clip(3 * rgb.astype(float) - 1, -0.5, 2), rtol=1e-6, atol=1e-6)
    spread = render(PixelMath(expression="3*$T - mean($T)", rescale=True, rescale_upper=0.5), rgb)
    values = 3 * rgb.astype(float) - np.nanmean(rgb, axis=(1, 2), keepdims=True, dtype=float)
    low, high = np.nanmin(values), np.nanmax(values)
    np.testing.assert_allclose(spread, (values - low) / (high - low) * 0.5, rtol=1e-5, atol=1e-7)
    assert (np.nanmin(spread), np.nanmax(spread)) == (0, 0.5)


def test_statistics_and_ranges_beside_neighbours_count_every_pixel_once(render: Render, gray: np.ndarray) -> None:
    """What is measured is the image, not the wider box that neighbours need."""
    text = "mean($T) + norm($T) + 0*gconv($T, 3) + 0*b(x(), y() + 9) + med(b)"
    beside = PixelMath(expression=text, names=("b",), **FREE)
    out = render(beside, gray, (gray[:, ::-1] / 2,), rows=5)
    np.testing.assert_allclose(out, gray.mean(dtype=float) * 392 + np.median(gray) / 2, rtol=1e-6)
    spread = render(PixelMath(expression="gconv(b) - vmirror($T)", rescale=True, names=("b",)), gray, (gray,), rows=5)
    values = ndimage.gaussian_filter(gray[0].astype(float), 2, radius=7, mode="nearest") - gray[0, ::-1]
    np.testing.assert_allclose(spread[0], (values - values.min()) / np.ptp(values), rtol=1e-5, atol=1e-6)


def test_missing_samples_stay_missing_and_infinities_are_missing(render: Render) -> None:
    image = np.array([[[np.nan, np.inf, 0.5, 0.0]]])
    for text in ("$T + 1 - 1", "$T > 0.2", "$T && 1", "!$T", "iif($T > 0.2, 1, 0)", "min($T, 0.1)", "$T ^ 0", "0 & $T"):
        out = render(PixelMath(expression=text), image)[0, 0]
        np.testing.assert_array_equal(np.isnan(out), [True, True, False, False], err_msg=text)
    assert not np.isnan(render(PixelMath(expression="0.25"), image)).any()


def test_quotients_by_zero_are_white_or_the_largest_sample(render: Render) -> None:
    black = np.zeros((1, 2, 2))
    assert (render(PixelMath(expression="1/$T"), black) == 1).all()
    assert (render(PixelMath(expression="1/$T", truncate=False), black) == np.finfo(np.float32).max).all()


def test_frames_that_do_not_fit_are_named() -> None:
    def frame(process: PixelMath, *linked: Frame) -> Frame:
        known = Known(frames={"image": Frame(width=30, height=20), **({"images": linked} if linked else {})})
        return process.frame(known)

    with pytest.raises(ParameterError, match=r"'b' has 31 x 20 pixels, the target 30 x 20"):
        frame(PixelMath(expression="b", names=("b",)), Frame(width=31, height=20))
    with pytest.raises(ParameterError, match=r"2 named \(b, c\), 1 linked"):
        frame(PixelMath(expression="b", names=("b", "c")), Frame(width=30, height=20))
    assert frame(PixelMath(expression="$T", output_state="stretched")).state == "stretched"
    assert frame(PixelMath(expression="$T", output_state="same")).state == "linear"


@pytest.mark.parametrize(
    "parameters",
    [
        {"names": ("a b",)}, {"names": ("a", "a")}, {"names": ("med",)}, {"truncate_lower": 1.0},
        {"rescale_lower": 2.0}, {"symbols": "k = q"},
        {"symbols": "k += 1"}, {"symbols": "$T = 1"}, {"names": ("b",), "symbols": "b = 1"},
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_meant_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        PixelMath(**({"expression": "$T"} | parameters))


def test_what_is_needed_is_the_box_and_its_neighbours() -> None:
    process = PixelMath(expression="$T(x() - 2, y()) + $T(x(), y() + 5)")
    known = Known(frames={"image": Frame(width=100, height=50)})
    assert process.needs(Box(10, 0, 20, 100), "image", known) == Box(10, 0, 25, 100)
    assert process.needs(Box(40, 0, 50, 100), "images", known) == Box(40, 0, 50, 100)
    assert process.needs(Box(10, 50, 20, 60), "image", known) == Box(10, 48, 25, 60)
