"""Demosaicing against mosaics whose colours are known, the published formula, and a real mosaic."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.errors import EngineError
from lerarlink.engine.graph import Graph

BAYER = ("RGGB", "BGGR", "GBRG", "GRBG")
OTHERS = ("GRGB", "GBGR", "RGBG", "BGRG")
SIZES = [(2, 2), (3, 2), (2, 5), (8, 8), (9, 7), (10, 13)]
RNG = np.random.default_rng(7)


def seen(colour: np.ndarray, pattern: str) -> np.ndarray:
    """Return what a sensor behind *pattern* sees of a colour image (3, rows, columns)."""
    y, x = np.mgrid[: colour.shape[1], : colour.shape[2]]
    letters = np.array(["RGB".index(letter) for letter in pattern]).reshape(2, 2)
    return np.take_along_axis(colour, letters[y % 2, x % 2][None], 0)


def debayered(mosaic: Any, pixels: Any, pattern: str | None, method: str, **words: Any) -> tuple[np.ndarray, Any]:
    image = mosaic(pixels, cfa=pattern, **words)
    node = image._graph.add("Debayer", image=image, debayer_method=method)
    whole = node.compute()
    assert np.array_equal(whole, node.compute(strip_samples=1), equal_nan=True)
    return whole, node.image.frame


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pattern", BAYER)
@pytest.mark.parametrize("method", ["superpixel", "bilinear", "vng"])
def test_one_colour_stays_that_colour_up_to_the_edges(mosaic: Any, method: str, pattern: str, size: Any) -> None:
    colour = np.broadcast_to(np.array([0.25, 0.5, 0.125])[:, None, None], (3, *size))
    got, frame = debayered(mosaic, seen(colour, pattern), pattern, method)
    shape = (3, size[0] // 2, size[1] // 2) if method == "superpixel" else (3, *size)
    assert got.shape == shape
    assert np.array_equal(got, colour[:, : shape[1], : shape[2]].astype(np.float32))
    assert (frame.color, frame.channels, frame.cfa) == ("rgb", 3, None)


def ramps(height: int, width: int, slopes: Any) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([level + a * y + b * x for level, a, b in slopes])


@pytest.mark.parametrize("pattern", BAYER + OTHERS)
def test_bilinear_is_exact_on_ramps(mosaic: Any, pattern: str) -> None:
    truth = ramps(12, 11, [(100, 3, -2), (300, -1, 4), (50, 2, 2)])
    got, _ = debayered(mosaic, seen(truth, pattern), pattern, "bilinear", bounds=(0.0, 65535.0))
    # Beyond the edge the ramps turn, so the outermost rows and columns know no better.
    assert np.array_equal(got[:, 1:-1, 1:-1], truth[:, 1:-1, 1:-1])


@pytest.mark.parametrize("pattern", BAYER)
def test_vng_is_exact_where_colours_differ_by_a_constant_along_a_ramp(mosaic: Any, pattern: str) -> None:
    truth = ramps(14, 13, [(100, 3, -2), (300, 3, -2), (50, 3, -2)])
    got, _ = debayered(mosaic, seen(truth, pattern), pattern, "vng", bounds=(0.0, 65535.0))
    assert np.abs(got - truth)[:, 2:-2, 2:-2].max() <= 1e-4


@pytest.mark.parametrize("pattern", BAYER + OTHERS)
def test_superpixel_takes_the_samples_of_the_cell(mosaic: Any, pattern: str) -> None:
    raw = RNG.integers(0, 60000, (7, 9)).astype(np.float64)
    got, _ = debayered(mosaic, raw, pattern, "superpixel", bounds=(0.0, 65535.0))
    corners = [raw[i:6:2, j:8:2] for i in (0, 1) for j in (0, 1)]
    for c, letter in enumerate("RGB"):
        of_colour = [s for s, name in zip(corners, pattern, strict=True) if name == letter]
        assert np.array_equal(got[c], np.mean(of_colour, axis=0).astype(np.float32))


# -- the published formulas, with the paper's numbering of the 5 x 5 samples row by row from 1 to 25 ---------

AT_RED = {
    "N": ("8-18 3-13", "7-17 9-19 2-12 4-14"), "E": ("14-12 15-13", "9-7 19-17 10-8 20-18"),
    "S": ("18-8 23-13", "19-9 17-7 24-14 22-12"), "W": ("12-14 11-13", "17-19 7-9 16-18 6-8"),
    "NE": ("9-17 5-13", "8-12 14-18 4-8 10-14"), "SE": ("19-7 25-13", "14-8 18-12 20-14 24-18"),
    "NW": ("7-19 1-13", "12-18 8-14 6-12 2-8"), "SW": ("17-9 21-13", "18-14 12-8 22-18 16-12"),
}  # fmt: skip
RED_MEANS = {  # red, green, blue
    "N": ("3 13", "8", "7 9"), "E": ("13 15", "14", "9 19"), "S": ("13 23", "18", "17 19"),
    "W": ("11 13", "12", "7 17"), "NE": ("5 13", "4 8 10 14", "9"), "SE": ("13 25", "14 18 20 24", "19"),
    "NW": ("1 13", "2 6 8 12", "7"), "SW": ("13 21", "12 16 18 22", "17"),
}  # fmt: skip
AT_GREEN = AT_RED | {
    "NE": ("9-17 5-13 4-12 10-18", ""), "SE": ("19-7 25-13 20-8 24-12", ""),
    "NW": ("7-19 1-13 2-14 6-18", ""), "SW": ("17-9 21-13 22-14 16-8", ""),
}  # fmt: skip
GREEN_MEANS = {  # green, the colour of 12 and 14, the colour of 8 and 18
    "N": ("3 13", "2 4 12 14", "8"), "E": ("13 15", "14", "8 10 18 20"), "S": ("13 23", "12 14 22 24", "18"),
    "W": ("11 13", "12", "6 8 16 18"), "NE": ("9", "4 14", "8 10"), "SE": ("19", "14 24", "18 20"),
    "NW": ("7", "2 12", "6 8"), "SW": ("17", "12 22", "16 18"),
}  # fmt: skip


def plain_vng(raw: np.ndarray, pattern: str) -> np.ndarray:
    h, w = raw.shape
    p = np.pad(raw, 2, mode="reflect")
    out = np.zeros((3, h, w))
    for y in range(h):
        for x in range(w):
            s = np.concatenate([[np.nan], p[y : y + 5, x : x + 5].ravel()])

            def steps(text: str, s: Any = s) -> float:
                return sum(abs(s[int(a)] - s[int(b)]) for a, b in re.findall(r"(\d+)-(\d+)", text))

            def mean(text: str, s: Any = s) -> float:
                return float(np.mean([s[int(n)] for n in text.split()]))

            own, beside, below = (pattern[i % 2 * 2 + j % 2] for i, j in ((y, x), (y, x + 1), (y + 1, x)))
            table, means = (AT_GREEN, GREEN_MEANS) if own == "G" else (AT_RED, RED_MEANS)
            g = {d: steps(a) + steps(b) / 2 for d, (a, b) in table.items()}
            limit = 1.5 * min(g.values()) + 0.5 * (max(g.values()) - min(g.values()))
            sums = np.sum([[mean(t) for t in means[d]] for d in g if g[d] <= limit], axis=0)
            n = sum(v <= limit for v in g.values())
            names = (own, beside, below) if own == "G" else (own, "G", "B" if own == "R" else "R")
            for name, total in zip(names, sums, strict=True):
                out["RGB".index(name), y, x] = s[13] + (total - sums[0]) / n
    return out


@pytest.mark.parametrize("pattern", BAYER)
def test_vng_is_the_published_formula(mosaic: Any, pattern: str) -> None:
    # Eighths, so that equal gradients are equal in every order of summation.
    raw = RNG.integers(0, 4000, (9, 12)) / 8 + 30000.0
    got, _ = debayered(mosaic, raw, pattern, "vng", bounds=(0.0, 65535.0))
    np.testing.assert_allclose(got, plain_vng(raw, pattern), rtol=1e-6)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.2, 0.8)])
def test_interpolated_colours_keep_within_the_bounds_and_the_samples(mosaic: Any, bounds: tuple[float, float]) -> None:
    raw = RNG.choice([0.0, 1.0], (20, 20))
    got, _ = debayered(mosaic, raw, "RGGB", "vng", bounds=bounds)
    assert got.min() >= 0.0
    assert got.max() <= 1.0
    assert plain_vng(raw, "RGGB").max() > 1.0, "the formula alone goes beyond"


@pytest.mark.parametrize("method", ["bilinear", "vng"])
def test_a_missing_sample_stays_alone(mosaic: Any, method: str) -> None:
    colour = np.broadcast_to(np.array([0.25, 0.5, 0.125])[:, None, None], (3, 12, 12))
    raw = seen(colour, "GBRG").astype(np.float32)
    raw[0, 5, 6] = np.nan
    raw[0, 8, 2:5] = np.inf
    got, _ = debayered(mosaic, raw, "GBRG", method)
    holes = ~np.isfinite(raw[0])
    assert np.isnan(got[:, holes]).all()
    assert np.array_equal(got[:, ~holes], colour[:, ~holes].astype(np.float32))


def test_superpixel_scales_the_celestial_solution(mosaic: Any) -> None:
    wcs = (("CTYPE1", "RA---TAN", ""), ("CTYPE2", "DEC--TAN", ""), ("CRPIX1", 5.5, ""), ("CRPIX2", 3.5, ""),
           ("CRVAL1", 10.0, ""), ("CRVAL2", 20.0, ""), ("CDELT1", -0.001, ""), ("CDELT2", 0.001, ""))  # fmt: skip
    _, half = debayered(mosaic, np.ones((8, 10)), "RGGB", "superpixel", wcs=wcs)
    _, full = debayered(mosaic, np.ones((8, 10)), "RGGB", "bilinear", wcs=wcs)
    words = {k: v for k, v, _ in half.wcs}
    assert [words[k] for k in ("CRPIX1", "CRPIX2", "CDELT1", "CDELT2")] == [3.0, 2.0, -0.002, 0.002]
    assert full.wcs == wcs


@pytest.mark.parametrize(
    ("words", "params", "told"),
    [
        ({"cfa": "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG"}, {}, "X-Trans"),
        ({}, {}, "give cfa_pattern"),
        ({"cfa": "RGBW"}, {}, "got RGBW"),
        ({"cfa": "GRGB"}, {}, "vng is defined for the cells RGGB"),
        ({}, {"cfa_pattern": "RGBX"}, "cfa_pattern must be one of"),
    ],
)
def test_what_cannot_be_done_is_refused_clearly(mosaic: Any, words: Any, params: Any, told: str) -> None:
    image = mosaic(np.ones((6, 6)), **words)
    with pytest.raises(EngineError, match=told):
        _ = image._graph.add("Debayer", image=image, **params).image.frame


def test_colour_images_are_refused(mosaic: Any) -> None:
    image = mosaic(np.ones((3, 6, 6)), color="rgb")
    with pytest.raises(EngineError, match="in colour already"):
        _ = image._graph.add("Debayer", image=image, cfa_pattern="RGGB").image.frame


def test_a_real_mosaic_keeps_its_samples_and_its_two_greens_agree(real_data: Callable[[str], Path]) -> None:
    path = real_data("seestar-m94/night1_Light_M94_10.0s_IRCUT_20250326-212046.fits.fz")
    g = Graph()
    raw = g.add("ReadImage", path=str(path))
    cell = raw.image.frame.cfa
    assert cell == "GRBG"
    pixels = raw.compute()
    full = {m: g.add("Debayer", name=m, image=raw, debayer_method=m).compute() for m in ("bilinear", "vng")}
    half = g.add("Debayer", image=raw, debayer_method="superpixel").compute()
    levels = np.median(half, axis=(1, 2))
    greens = [np.median(pixels[0, i::2, i::2]) for i in (0, 1)]
    assert abs(greens[0] - greens[1]) < 5, "both are green if the cell is right"
    assert levels[1] > levels[[0, 2]].max() + 100
    for got in full.values():
        assert np.array_equal(seen(got, cell), pixels)
        assert np.abs(np.median(got, axis=(1, 2)) - levels).max() < 5
        smooth = got.reshape(3, 960, 2, 540, 2).mean(axis=(2, 4))
        # Red and blue have one noisy sample a cell, which the interpolation averages.
        assert [np.corrcoef(smooth[c].ravel(), half[c].ravel())[0, 1] > 0.7 for c in range(3)] == [True] * 3
