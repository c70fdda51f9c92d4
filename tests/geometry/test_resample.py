"""Resample against scipy, analytic patterns and a plain implementation of each formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from lerarlink.engine.errors import ParameterError
from lerarlink.engine.frame import Frame
from lerarlink.engine.process import Known
from lerarlink.nodes.geometry.resample import Resample

Render = Callable[..., np.ndarray]
METHODS = [
    "nearest_neighbor", "bilinear", "bicubic_spline", "bicubic_b_spline", "lanczos3", "lanczos4", "lanczos5",
    "mitchell_netravali_filter", "catmull_rom_spline_filter", "cubic_b_spline_filter",
]  # fmt: skip


def stars(height: int, width: int, seed: int = 1) -> np.ndarray:
    """Noise with point-like stars: what makes Lanczos ring."""
    rng = np.random.default_rng(seed)
    a = rng.uniform(0.01, 0.03, (1, height, width))
    for _ in range(max(1, height * width // 40)):
        a[0, rng.integers(height), rng.integers(width)] += rng.uniform(0.2, 1)
    return a.astype(np.float32)


def positions(n_out: int, n_in: int) -> np.ndarray:
    return (np.arange(n_out) + 0.5) * n_in / n_out - 0.5



def plain_lanczos(image: np.ndarray, out: tuple[int, int], n: int, c: float) -> np.ndarray:
    """The clamped Lanczos formula, pixel by pixel."""
    padded = np.pad(image.astype(float), 40, mode="reflect")

    def kernel(x: float) -> float:
        return float(np.sinc(x) * np.sinc(x / n)) if abs(x) < n else 0.0

    result = np.empty(out)
    for i, y in enumerate(positions(out[0], image.shape[0])):
        for j, x in enumerate(positions(out[1], image.shape[1])):
            y0, x0 = int(np.floor(y)), int(np.floor(x))
            sp = sn = wp = wn = 0.0
            for a in range(y0 - n + 1, y0 + n + 1):
                for b in range(x0 - n + 1, x0 + n + 1):
                    w = kernel(y - a) * kernel(x - b)
                    s = padded[a + 40, b + 40] * w
                    if s >= 0:
                        sp, wp = sp + s, wp + w
                    else:
                        sn, wn = sn - s, wn - w
            r = sn / sp
            if r >= 1:
                result[i, j] = sp / wp
                continue
            if r > c:
                q = (r - c) / (1 - c)
                sn, wn = sn * (1 - q * q), wn * (1 - q * q)
            result[i, j] = (sp - sn) / (wp - wn)
    return result


@pytest.mark.parametrize("n", [3, 4, 5])
def test_clamped_lanczos_is_the_formula(render: Render, n: int) -> None:
    image = stars(13, 17)
    process = Resample(mode="absolute_pixels", x_size=29, y_size=23, interpolation=f"lanczos{n}")
    truth = plain_lanczos(image[0], (23, 29), n, 0.3)
    np.testing.assert_allclose(render(process, image)[0], truth, rtol=3e-7, atol=1e-8)
    unclamped = plain_lanczos(image[0], (23, 29), n, 1 - 1e-9)
    assert np.abs(unclamped - truth).max() > 0.01  # the clamp has something to do here


def test_the_clamped_spline_is_the_formula(render: Render) -> None:
    image, c = stars(9, 11), 0.3

    def weights(t: float) -> np.ndarray:  # Keys, a = -1/2, at distances 1 + t, t, 1 - t, 2 - t
        return np.array([
            -0.5 * t**3 + t**2 - 0.5 * t, 1.5 * t**3 - 2.5 * t**2 + 1,
            -1.5 * t**3 + 2 * t**2 + 0.5 * t, 0.5 * t**3 - 0.5 * t**2,
        ])  # fmt: skip

    def one(p: np.ndarray, t: float) -> float:
        w = weights(t)
        inner, outer = p[1] * w[1] + p[2] * w[2], p[0] * w[0] + p[3] * w[3]
        return inner + outer if -outer < c * inner else inner / (w[1] + w[2])

    def line(values: np.ndarray, n: int) -> np.ndarray:
        padded = np.pad(values, 4, mode="reflect")
        out = []
        for x in positions(n, len(values)):
            k = int(np.floor(x))
            out.append(one(padded[k + 3 : k + 7], x - k))
        return np.array(out)

    rows = np.array([line(r, 19) for r in image[0].astype(float)])
    truth = np.array([line(col, 14) for col in rows.T]).T
    process = Resample(mode="absolute_pixels", x_size=19, y_size=14, interpolation="bicubic_spline")
    np.testing.assert_allclose(render(process, image)[0], truth, rtol=3e-7, atol=1e-8)


def test_bilinear_agrees_with_scipy(render: Render) -> None:
    image = stars(14, 9)
    yx = np.meshgrid(positions(31, 14), positions(20, 9), indexing="ij")
    truth = ndimage.map_coordinates(image[0].astype(float), yx, order=1, mode="mirror")
    process = Resample(mode="absolute_pixels", x_size=20, y_size=31, interpolation="bilinear")
    np.testing.assert_allclose(render(process, image)[0], truth, rtol=2e-7)


def test_the_b_spline_agrees_with_scipy_without_prefilter(render: Render) -> None:
    image = stars(14, 9)
    yx = np.meshgrid(positions(31, 14), positions(20, 9), indexing="ij")
    truth = ndimage.map_coordinates(image[0].astype(float), yx, order=3, mode="mirror", prefilter=False)
    process = Resample(mode="absolute_pixels", x_size=20, y_size=31, interpolation="bicubic_b_spline")
    np.testing.assert_allclose(render(process, image)[0], truth, rtol=2e-6)


@pytest.mark.parametrize(("method", "within"), [("lanczos3", 4e-3), ("lanczos5", 2e-3), ("bicubic_spline", 2e-2)])
def test_a_smooth_wave_is_met_where_it_is(render: Render, method: str, within: float) -> None:
    """Band-limited truth: the wave itself at the new pixel centres, borders aside."""

    def wave(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return 0.5 + 0.2 * np.sin(2 * np.pi * x / 11 + 0.3) + 0.1 * np.cos(2 * np.pi * (y / 9 + x / 14))

    h, w, oh, ow = 40, 50, 70, 117
    image = wave(*np.meshgrid(np.arange(h), np.arange(w), indexing="ij"))[None]
    truth = wave(*np.meshgrid(positions(oh, h), positions(ow, w), indexing="ij"))
    # Unclamped: on a smooth wave the clamp of the longer kernels already costs contrast.
    process = Resample(mode="absolute_pixels", x_size=ow, y_size=oh, interpolation=method, clamping_threshold=1)
    inner = np.s_[12:-12, 14:-14]
    assert np.abs(render(process, image)[0] - truth)[inner].max() < within


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [(1.7, 2.3), (0.3, 0.45), (1.0, 0.6)])
def test_flat_light_stays_flat(render: Render, method: str, factor: tuple[float, float]) -> None:
    process = Resample(x_size=factor[0], y_size=factor[1], interpolation=method)
    out = render(process, np.full((1, 20, 24), 730.25), bounds=(0, 65535))
    np.testing.assert_allclose(out, 730.25, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [2.2, 0.35])
def test_strips_do_not_matter(render: Render, method: str, factor: float) -> None:
    image = stars(33, 21, seed=3)
    image[0, 10, 5:9] = np.nan
    image[0, 20, 20] = np.inf
    process = Resample(x_size=factor, y_size=factor, interpolation=method)
    whole = render(process, image)
    for rows, columns in ((1, 100), (4, 3)):
        np.testing.assert_array_equal(render(process, image, rows, columns), whole)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2)])
@pytest.mark.parametrize("method", METHODS)
def test_images_smaller_than_the_window_work(render: Render, method: str, size: tuple[int, int]) -> None:
    process = Resample(mode="absolute_pixels", x_size=5, y_size=4, interpolation=method)
    out = render(process, np.full((1, *size), 0.25))
    np.testing.assert_allclose(out, 0.25, rtol=1e-6)


def test_reduction_keeps_the_mean_of_noise_and_lowers_it(render: Render) -> None:
    image = np.random.default_rng(2).normal(100, 10, (1, 200, 200))
    out = render(Resample(x_size=0.25, y_size=0.25), image, bounds=(0, 65535))[0]
    assert abs(out.mean() - 100) < 0.3
    assert out.std() < 5  # nearest neighbour would leave 10


def test_missing_samples_are_filled_by_the_rest_or_stay_missing(render: Render) -> None:
    image = np.full((1, 20, 20), 4.0)
    image[0, 8, 8] = np.nan
    image[0, 14:20, 14:20] = np.inf
    for method in ("lanczos3", "bicubic_spline", "mitchell_netravali_filter"):
        out = render(Resample(x_size=2, y_size=2, interpolation=method), image)[0]
        np.testing.assert_allclose(out[np.isfinite(out)], 4.0, rtol=1e-6)
        assert np.isnan(out[30:, 30:]).all()
        hole = np.isnan(out[10:24, 10:24])
        assert 1 <= hole.sum() <= 16
        assert np.isfinite(out[:13]).all()


def test_the_same_size_is_the_same_image(render: Render) -> None:
    image = stars(9, 8)
    np.testing.assert_array_equal(render(Resample(interpolation="cubic_b_spline_filter"), image), image)


@pytest.mark.parametrize(
    ("factor", "method"), [(1.5, "lanczos3"), (0.9, "lanczos3"), (0.51, "lanczos3"), (0.5, "mitchell_netravali_filter")]
)
def test_auto_takes_lanczos_until_the_reduction_is_strong(factor: float, method: str) -> None:
    assert Resample(x_size=factor, y_size=factor).method(Frame(width=1000, height=800)) == method


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({"x_size": 0.5, "y_size": 0.25}, (50, 20)),
        ({"mode": "absolute_pixels", "x_size": 33, "y_size": 7}, (33, 7)),
        ({"mode": "absolute_pixels", "absolute_mode": "force_width", "x_size": 50}, (50, 40)),
        ({"mode": "absolute_pixels", "absolute_mode": "force_height", "y_size": 160}, (200, 160)),
        ({"mode": "absolute_inches", "x_size": 2, "y_size": 1}, (144, 72)),
        ({"mode": "absolute_centimeters", "x_size": 2.54, "y_size": 5.08}, (72, 144)),
        ({"mode": "absolute_centimeters", "x_size": 2, "y_size": 1, "metric": True}, (144, 72)),
        ({"mode": "force_area", "x_size": 2000}, (50, 40)),
        ({"x_size": 1e-6, "y_size": 1e-6}, (1, 1)),
    ],
)
def test_sizes_mean_what_mode_says(parameters: dict[str, Any], size: tuple[int, int]) -> None:
    out = Resample(**parameters).frame(Known(frames={"image": Frame(width=100, height=80)}))
    assert (out.width, out.height) == size


def test_the_solution_is_scaled_about_pixel_edges() -> None:
    cards = (("CRPIX1", 0.5, ""), ("CRPIX2", 80.5, ""), ("CD1_1", 1.0, ""), ("CD2_2", 2.0, ""))
    source = Frame(width=100, height=80, wcs=cards)
    out = Resample(x_size=0.5, y_size=0.25).frame(Known(frames={"image": source}))
    words = {k: v for k, v, _ in out.wcs}
    assert (words["CRPIX1"], words["CRPIX2"]) == (0.5, 20.5)
    assert (words["CD1_1"], words["CD2_2"]) == (2.0, 8.0)


def test_what_cannot_be_resampled_is_refused() -> None:
    mosaic = Known(frames={"image": Frame(width=100, height=80, cfa="RGGB")})
    with pytest.raises(ParameterError, match=r"mosaic \(RGGB\).*Debayer"):
        Resample(x_size=2).frame(mosaic)
    with pytest.raises(ParameterError, match="above 0"):
        Resample(x_size=0)
    with pytest.raises(ParameterError, match="1000000 pixels"):
        Resample(x_size=1e5).frame(Known(frames={"image": Frame(width=100, height=80)}))
