"""PixelMath's moved and filtered images, headers, sky coordinates and accumulating symbols."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import wcs as astropy_wcs
from astropy.io import fits
from scipy import ndimage

from lerarlink import Graph
from lerarlink.engine.errors import ParameterError
from lerarlink.engine.frame import Frame, Word
from lerarlink.engine.process import Known
from lerarlink.engine.region import Box
from lerarlink.nodes.math.pixel_math import PixelMath

Render = Callable[..., np.ndarray]
FREE: dict[str, Any] = {"truncate": False}


@pytest.fixture(scope="module")
def gray() -> np.ndarray:
    return np.random.default_rng(8).uniform(0.01, 0.99, (1, 23, 18)).astype(np.float32)


# -- filters ----------------------------------------------------------------------------------------

EMBOSS = np.array([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]])
WIDE = np.arange(25.0).reshape(5, 5)
LAPLACE = np.array([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])


def call(kernel: np.ndarray) -> str:
    return f"kconv($T, {', '.join(map(str, kernel.ravel()))})"


@pytest.mark.parametrize("kernel", [EMBOSS, WIDE, LAPLACE, -WIDE], ids=["emboss", "wide", "laplace", "negative"])
def test_kernels_are_convolved_and_normalised(render: Render, gray: np.ndarray, kernel: np.ndarray) -> None:
    process = PixelMath(expression=call(kernel), **FREE)
    out = render(process, gray)
    truth = ndimage.convolve(gray[0].astype(float), kernel / (kernel.sum() or 1), mode="nearest")
    np.testing.assert_allclose(out[0], truth, rtol=1e-6, atol=1e-7)
    for rows in (1, 5):
        np.testing.assert_array_equal(render(process, gray, rows=rows), out)


@pytest.mark.parametrize("text", ["lvar($T)", "lvar($T, 5)", "lvar($T, 7, krn_gauss())", "lvar($T, 5, krn_flat())"])
def test_local_variance_is_that_of_the_weighted_window(render: Render, gray: np.ndarray, text: str) -> None:
    size = int(text.split(",")[1].strip(" )")) if "," in text else 3
    x = np.arange(size) - size // 2
    sigma = (size // 2) / math.sqrt(-2 * math.log(0.01))
    weights = np.exp(-0.5 * (x / sigma) ** 2) if "gauss" in text else np.ones(size)
    weights /= weights.sum()
    a = np.pad(gray[0].astype(float), size // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(a, (size, size))
    both = np.outer(weights, weights)
    mean = (windows * both).sum(axis=(2, 3))
    truth = ((windows - mean[..., None, None]) ** 2 * both).sum(axis=(2, 3))
    process = PixelMath(expression=text, **FREE)
    np.testing.assert_allclose(render(process, gray)[0], truth, rtol=1e-5, atol=1e-12)
    np.testing.assert_array_equal(render(process, gray, rows=2), render(process, gray))


@pytest.mark.parametrize("size", [3, 5])
def test_the_three_way_structure_ranks_each_way_by_itself(render: Render, gray: np.ndarray, size: int) -> None:
    r = size // 2
    a = np.pad(gray[0].astype(float), r, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(a, (size, size))
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    cross = ((y == 0) | (x == 0)) & ((y != 0) | (x != 0))
    diagonal = (abs(y) == abs(x)) & (y != 0)
    for name, rank in {"medfilt": np.median, "erosion": np.min, "dilation": np.max}.items():
        ways = [rank(windows[..., way], axis=-1) for way in (cross, diagonal)]
        truth = rank([*ways, gray[0].astype(float)], axis=0)
        out = render(PixelMath(expression=f"{name}($T, {size}, str_threeway())"), gray, rows=4)
        np.testing.assert_allclose(out[0], truth, rtol=2e-7, err_msg=name)


# -- moved images -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [100, 4, 1])
def test_mirrors_and_whole_pixels_are_exact(render: Render, gray: np.ndarray, rows: int) -> None:
    a = gray[0]
    shifted = np.zeros_like(a)
    shifted[2:, :-3] = a[:-2, 3:]
    for text, truth in {
        "hmirror($T)": a[:, ::-1], "vmirror($T)": a[::-1], "translate($T, -3, 2)": shifted, "rotate($T, 0)": a,
        "rotate($T, 180)": a[::-1, ::-1], "rotate($T, -540)": a[::-1, ::-1], "urotate($T, 180)": a[::-1, ::-1],
        "translate($T, 99, 0)": 0 * a,
    }.items():  # fmt: skip
        np.testing.assert_array_equal(render(PixelMath(expression=text), gray, rows=rows)[0], truth, err_msg=text)


@pytest.mark.parametrize("rows", [100, 3])
def test_quarter_turns_go_counter_clockwise(render: Render, rows: int) -> None:
    a = np.random.default_rng(1).uniform(0, 1, (1, 15, 15)).astype(np.float32)
    for quarters in (1, 3):
        out = render(PixelMath(expression=f"rotate($T, {90 * quarters})"), a, rows=rows)
        np.testing.assert_array_equal(out[0], np.rot90(a[0], quarters))
    wide = np.zeros((1, 9, 15), np.float32)
    wide[0, :7, :] = np.random.default_rng(2).uniform(0, 1, (7, 15))
    seen = np.zeros((9, 15), np.float32)
    seen[:, :9] = np.rot90(wide[0])[:9]
    out = render(PixelMath(expression="urotate($T, 90)"), wide, rows=rows)
    np.testing.assert_array_equal(out[0], seen)


def clamped_cubic(p: np.ndarray, f: float) -> float:
    c = np.array([[-0.5, 1, -0.5, 0], [1.5, -2.5, 0, 1], [-1.5, 2, 0.5, 0], [0.5, -0.5, 0, 0]]) @ [f**3, f**2, f, 1]
    inner, outer = p[1] * c[1] + p[2] * c[2], p[0] * c[0] + p[3] * c[3]
    return inner + outer if -outer < 0.3 * inner else inner / (c[1] + c[2])


def looked_up(a: np.ndarray, y: float, x: float) -> float:
    if not (-0.5 <= y < a.shape[0] - 0.5 and -0.5 <= x < a.shape[1] - 0.5):
        return 0.0
    p = np.pad(a, 4, mode="edge")
    iy, ix = math.floor(y), math.floor(x)
    rows = [clamped_cubic(p[4 + iy - 1 + k, 3 + ix : 7 + ix], x - ix) for k in range(4)]
    return clamped_cubic(np.array(rows), y - iy)


@pytest.mark.parametrize("rows", [100, 2])
@pytest.mark.parametrize(
    "text", ["translate($T, 2.25, -1.6)", "rotate($T, 33)", "rotate($T, -7.5, 4, 20)", "urotate($T, 40)"]
)
def test_between_pixels_the_clamped_spline_decides(render: Render, gray: np.ndarray, text: str, rows: int) -> None:
    a = gray[0].astype(float)
    height, width = a.shape
    given = [float(v) for v in text[text.index(",") + 1 : -1].split(",")]
    truth = np.zeros_like(a)
    for y in range(height):
        for x in range(width):
            if text.startswith("translate"):
                truth[y, x] = looked_up(a, y - given[1], x - given[0])
                continue
            turn = np.exp(-1j * math.radians(given[0]))
            cx, cy = given[1:] or ((width - 1) / 2, (height - 1) / 2)
            corners = [complex(u - cx, cy - v) / turn for u in (0, width - 1) for v in (0, height - 1)]
            left, top = min(c.real for c in corners), max(c.imag for c in corners)
            seen = complex(x + left, top - y) if text.startswith("u") else complex(x - cx, cy - y)
            source = seen * turn
            truth[y, x] = looked_up(a, cy - source.imag, cx + source.real)
    out = render(PixelMath(expression=text, **FREE), gray, rows=rows)
    np.testing.assert_allclose(out[0], truth, rtol=2e-6, atol=1e-9)


def test_moved_images_pass_over_missing_samples(render: Render) -> None:
    image = np.full((1, 12, 12), 0.25)
    image[0, 3, 4] = np.nan
    out = render(PixelMath(expression="translate($T, 0.25, 0)"), image)[0]
    assert np.isnan(out).sum() == 1 and np.isnan(out[3, 4])
    np.testing.assert_allclose(out[~np.isnan(out)], 0.25)
    assert np.isnan(render(PixelMath(expression="hmirror($T)"), image)[0, 3, 7])


def test_moved_images_need_the_moved_box_only() -> None:
    known = Known(frames={"image": Frame(width=100, height=50), "images": (Frame(width=100, height=50),) * 2})
    process = PixelMath(expression="vmirror(one) + translate($T, 0, 10) + med(two)", names=("one", "two"))
    box = Box(10, 0, 15, 100)
    assert process.needs(box, "images", known) == box, "medians are measured first, of the image as it is"
    known = replace(known, measured={})
    first, second = process.needs(box, "images", known)
    assert process.needs(box, "image", known) == Box(0, 0, 5, 100)
    assert first == Box(35, 0, 40, 100) and second.empty
    turned = PixelMath(expression="rotate($T, 90)", names=())
    found = turned.needs(box, "image", Known(frames={"image": Frame(width=100, height=50)}))
    assert found.x1 - found.x0 <= 5 + 5 and found.height == 50


# -- headers ----------------------------------------------------------------------------------------

HEADED = {
    "header": (
        ("EXPTIME", 120.5, ""), ("OBJECT", "M 31", ""), ("CCD-TEMP", -10, ""), ("FLAG", True, ""), ("GAIN", "1.5", ""),
        ("ESO DET BIN", 2, ""), ("EMPTY", None, ""), ("Own:Scale", 0.25, "XISF Float32"),
    ),
    "words": (("exposure", Word(120.5, "from EXPTIME")), ("focal_length", Word(530.0, "from FOCALLEN"))),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("keyword_value($T, EXPTIME)", 120.5), ("keyword_value(exptime)", 120.5), ("keyword_value( CCD-TEMP )", -10),
        ("keyword_value($T, FLAG)", 1), ("keyword_value(GAIN)", 1.5), ('keyword_value($T, "ESO DET BIN")', 2),
        ("keyword_defined(OBJECT) + 2*keyword_defined($T, NOPE)", 1), ("property_value(Own:Scale)", 0.25),
        ("property_value($T, Instrument:ExposureTime)", 120.5), ("property_value(exposure)", 120.5),
        ("property_value(Instrument:Telescope:FocalLength)", 0.53), ("property_defined(Instrument:Camera:Gain)", 0),
        ("property_defined(Own:Scale)", 1),
    ],
)  # fmt: skip
def test_numbers_come_from_the_header(render: Render, gray: np.ndarray, text: str, truth: float) -> None:
    out = render(PixelMath(expression="k + 0*$T", symbols=f"k = {text}", **FREE), gray, **HEADED)
    np.testing.assert_allclose(out, truth, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("keyword_value(OBJECT)", r"keyword 'OBJECT' of \$T should be a number, is 'M 31'"),
        ("keyword_value(EMPTY)", "should be a number, is None"),
        ("keyword_value(AIRMASS)", "not there; keyword_defined"),
        ("property_value(x:y)", "not there; property_defined"),
    ],
)  # fmt: skip
def test_header_words_that_are_no_numbers_are_told_before_any_pixel(text: str, words: str) -> None:
    known = Known(frames={"image": Frame(width=3, height=2, **HEADED)})
    with pytest.raises(ParameterError, match=words):
        PixelMath(expression=text).frame(known)


# -- the sky ----------------------------------------------------------------------------------------

TAN = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 7.3, "CRPIX2": 12.1, "CRVAL1": 359.9, "CRVAL2": 41.2,
    "CD1_1": -0.011, "CD1_2": 0.002, "CD2_1": 0.0023, "CD2_2": 0.0105,
}  # fmt: skip
SCALED = {k: v for k, v in TAN.items() if not k.startswith("CD")}
SOLUTIONS: dict[str, dict[str, Any]] = {
    "CD": TAN,
    "CDELT and CROTA": {**SCALED, "CDELT1": -0.01, "CDELT2": 0.012, "CROTA2": 25.0},
    "PC": {**SCALED, "CDELT1": -0.01, "CDELT2": 0.012, "PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8},
    "near the pole": {**TAN, "CRVAL2": 89.95},
    "another pole of the grid": {**TAN, "LONPOLE": 150.0, "CRVAL2": -20.0},
    "axes exchanged": {**TAN, "CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": -33.0, "CRVAL2": 10.0},
    "SIP": {
        **TAN, "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 3, "A_2_0": 1e-3,
        "A_1_1": -2e-3, "B_0_2": 3e-3, "B_1_2": 1e-4,
    },
}  # fmt: skip


def cards(words: dict[str, Any]) -> tuple[tuple[str, Any, str], ...]:
    return tuple((k, v, "") for k, v in words.items())


@pytest.mark.parametrize("name", SOLUTIONS)
def test_celestial_coordinates_agree_with_astropy(render: Render, gray: np.ndarray, name: str) -> None:
    words = SOLUTIONS[name]
    y, x = np.mgrid[:23, :18].astype(float)
    solution = astropy_wcs.WCS(fits.Header([(k, v) for k, v in words.items()]))
    first, second = solution.all_pix2world(x, y, 0)
    ra, dec = (second, first) if name == "axes exchanged" else (first, second)
    got = {}
    for kind in ("ra", "rra", "dec"):
        process = PixelMath(expression=f"{kind}()", **FREE)
        got[kind] = render(process, gray, wcs=cards(words))[0]
        np.testing.assert_array_equal(render(process, gray, rows=3, wcs=cards(words))[0], got[kind])
    np.testing.assert_allclose(got["ra"], ra % 360, atol=2e-5)
    np.testing.assert_allclose(got["dec"], dec, atol=5e-6)
    centre = words["CRVAL2"] if name == "axes exchanged" else words["CRVAL1"]
    np.testing.assert_allclose(got["rra"], (ra - centre + 180) % 360 - 180, atol=1e-5)
    # An offset keeps the digits that float32 loses.
    fine = render(PixelMath(expression=f"1e6*(dec() - ({float(dec.mean())!r}))", **FREE), gray, wcs=cards(words))[0]
    np.testing.assert_allclose(fine, 1e6 * (dec - dec.mean()), rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({}, "no celestial solution"), ({**TAN, "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"}, "RA---SIN"),
        ({**TAN, "CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, "GLON-TAN"), ({**TAN, "PV1_1": 1.0}, "PV or table"),
        ({**TAN, "CRVAL1": "x"}, "CRVAL1 of .* should be a number"), ({**TAN, "CUNIT1": "arcsec"}, "in degrees"),
    ],
)  # fmt: skip
def test_other_solutions_are_refused_before_any_pixel(words: dict[str, Any], told: str) -> None:
    known = Known(frames={"image": Frame(width=3, height=2, wcs=cards(words))})
    with pytest.raises(ParameterError, match=told):
        PixelMath(expression="ra() + dec()").frame(known)


# -- accumulating symbols ---------------------------------------------------------------------------


@pytest.fixture
def totals(measure_by_hand: Callable[..., Any]) -> Callable[..., Any]:
    def found(image: np.ndarray, **parameters: Any) -> Any:
        process = PixelMath(**parameters)
        return process.value("globals", measure_by_hand(process, image))

    return found


def test_accumulators_sum_up_all_pixels_of_each_channel(
    render: Render, gray: np.ndarray, totals: Callable[..., Any]
) -> None:
    rgb = np.concatenate([gray, gray**2, gray**3])
    rgb[1, 3, 3] = np.nan
    parameters = {
        "expression": "n += $T > m; s += $T; s -= 0.25; p *= 1 + $T/100; p /= 2; $T/2",
        "symbols": "m = med($T), n = global(+), s = global(+, 10), p = global(*, 3)",
    }
    found = totals(rgb, **parameters)
    for c, plane in enumerate(rgb.astype(float)):
        x = plane[np.isfinite(plane)]
        assert found["n"][c] == (x > np.median(x)).sum()
        assert found["s"][c] == pytest.approx(10 + (x - 0.25).sum(), rel=1e-12)
        assert found["p"][c] == pytest.approx(3 * np.prod((1 + x / 100) / 2), rel=1e-9)
    np.testing.assert_allclose(render(PixelMath(**parameters), rgb), rgb / 2, rtol=1e-6)


def test_accumulators_are_a_value_of_the_graph(gray: np.ndarray, tmp_path: Path) -> None:
    header = fits.Header([("LERBLO", 0.0), ("LERBHI", 1.0), ("ROWORDER", "TOP-DOWN"), ("LIMIT", 0.25)])
    fits.PrimaryHDU(gray[0], header).writeto(tmp_path / "a.fits")
    g = Graph()
    image = g.add("ReadImage", path=str(tmp_path / "a.fits"))
    symbols = "n = global(+), m = global(+), limit = keyword_value(LIMIT)"
    expression = "n += vmirror($T) > limit; m += $T / med($T); ~$T"
    node = g.add("PixelMath", image=image, expression=expression, symbols=symbols)
    found = node.output("globals").value()
    assert found["n"] == [float((gray > 0.25).sum())]
    assert found["m"][0] == pytest.approx(gray.sum(dtype=float) / np.median(gray), rel=1e-6)
    np.testing.assert_allclose(node.compute(), 1 - gray, rtol=1e-6)


def test_without_accumulators_nothing_is_told(gray: np.ndarray, totals: Callable[..., Any]) -> None:
    assert totals(gray, expression="$T") == {} == totals(gray, expression="$T - med($T)")


@pytest.mark.parametrize(
    ("expression", "symbols", "words"),
    [
        ("$T; n += 1", "n = global(+)", "last statement"), ("n = 3; $T", "n = global(+)", r"n \+= value"),
        ("n *= 3; $T", "n = global(+)", r"n \+= value"), ("$T*n", "n = global(+)", "port 'globals'"),
        ("n += n; $T", "n = global(+)", "port 'globals'"), ("a = n += 1; $T", "n = global(+)", "statements of its own"),
        ("$T", "n = global(5)", r"an operator, \+ or \*"), ("$T", "n = global(+, $T)", "must be a constant"),
    ],
)  # fmt: skip
def test_accumulators_only_accumulate(expression: str, symbols: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        PixelMath(expression=expression, symbols=symbols)
