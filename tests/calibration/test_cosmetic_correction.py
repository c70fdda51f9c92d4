"""Hot and cold pixels against the rules written out plainly, and against defects that were put there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lerarlink.engine.errors import EngineError
from lerarlink.engine.graph import Graph

HEIGHT, WIDTH = 40, 52
Y, X = np.mgrid[:HEIGHT, :WIDTH]
ADU = {"bounds": (0.0, 65535.0)}


def sky(seed: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    stars = sum(p * np.exp(-((Y - y) ** 2 + (X - x) ** 2) / 3.0) for y, x, p in [(9, 12, 9000), (25, 40, 60000)])
    return np.clip(rng.normal(1000, 30, (HEIGHT, WIDTH)) + stars, 0, 65535).astype(np.float32)


def corrected(given: Any, pixels: Any, dark: Any = None, words: Any = None, **options: Any) -> np.ndarray:
    g = Graph()
    words = {**ADU, **(words or {})}
    feeds = {"image": given(g, pixels, **words)}
    if dark is not None:
        feeds["dark"] = given(g, dark, **words)
    node = g.add("CosmeticCorrection", **feeds, **options)
    got: np.ndarray = node.compute()
    assert np.array_equal(got, node.compute(strip_samples=1), equal_nan=True)
    return got


def around(x: np.ndarray, y: int, c: int, step: int, inner: int, outer: int) -> np.ndarray:
    found = [
        x[y + i * step, c + j * step]
        for i in range(-outer, outer + 1)
        for j in range(-outer, outer + 1)
        if max(abs(i), abs(j)) > inner and 0 <= y + i * step < x.shape[0] and 0 <= c + j * step < x.shape[1]
    ]
    return np.array([v for v in found if np.isfinite(v)], np.float64)


def average_deviation(x: np.ndarray, hi: float = 65535.0) -> float:
    v = x[np.isfinite(x)].astype(np.float64)
    v = v[(np.abs(v) > hi / 65535) & (v < hi - hi / 65535)]
    d = np.abs(v - np.median(v))
    return float(d[d <= 0.9 * hi].mean())


def plain(image: np.ndarray, hot: float | None, cold: float | None, step: int = 1, amount: float = 1.0) -> np.ndarray:
    d = average_deviation(image)
    out = image.astype(np.float64)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            t, near = float(image[y, x]), around(image, y, x, step, 0, 1)
            a, m, b = near.mean(), np.median(near), np.median(around(image, y, x, step, 1, 3))
            if hot is not None and a < b + d / 2 and t > b + d and t > m + hot * d:
                out[y, x] = a * amount + t * (1 - amount)
            elif cold is not None and t + cold * d < b and t + cold * d < m:
                out[y, x] = b * amount + t * (1 - amount)
    return out


@pytest.mark.parametrize(
    ("hot", "cold", "amount", "step", "words"),
    [
        (3.0, 3.0, 1.0, 1, {}),
        (3.0, None, 1.0, 1, {}),
        (None, 2.0, 0.25, 1, {}),
        (0.0, 0.0, 1.0, 1, {}),
        (1.5, 1.5, 0.5, 2, {"cfa": "RGGB"}),
        (1.5, 1.5, 1.0, 6, {"cfa": "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG"}),
    ],
)
def test_outliers_are_those_of_the_three_conditions(
    given: Any, hot: float | None, cold: float | None, amount: float, step: int, words: Any
) -> None:
    image = sky()
    image[[3, 0, 30, 39], [3, 51, 20, 0]] = [20000, 3000, 1300, 1]
    image[[5, 33], [40, 9]] = [200, 60]
    got = corrected(
        given, image, words=words, amount=amount, hot_auto_check=hot is not None, hot_auto_value=hot or 0.0,
        cold_auto_check=cold is not None, cold_auto_value=cold or 0.0,
    )  # fmt: skip
    expected = plain(image, hot, cold, step, amount)
    assert (expected != image).sum() >= 2
    np.testing.assert_allclose(got[0], expected, rtol=1e-6)


def test_the_deviation_is_exact_and_leaves_out_both_ends(given: Any) -> None:
    image = sky()
    image[10:14] = 0.0
    image[14:16] = 65535.0
    image[16] = 65000.0  # more than 0.9 of the range from the median
    image[17, :9] = np.nan
    image[18:20] = -40.0  # below black, but not at it
    g = Graph()
    told = g.add("AverageDeviation", image=given(g, image, **ADU)).value()
    assert told["deviation"][0] == pytest.approx(average_deviation(image), rel=1e-12)
    assert told["deviation"][0] != pytest.approx(np.abs(image[image > 0] - np.median(image)).mean(), rel=0.01)


def test_the_deviation_of_a_large_image_may_be_told_by_a_sixteenth_of_its_rows(given: Any) -> None:
    image = np.random.default_rng(3).normal(1000.0, 20.0, (2100, 2048)).astype(np.float32)
    g = Graph()
    read = given(g, image, **ADU)
    told = g.add("AverageDeviation", image=read, whole_image=False).value()
    assert told["deviation"][0] == pytest.approx(average_deviation(image), rel=0.005)
    assert told["median"][0] == pytest.approx(1000.0, abs=0.3)
    assert 0.05 * image.size < told["count"][0] < 0.08 * image.size
    assert g.add("AverageDeviation", image=read).value()["count"] == [image.size]


def test_hot_pixels_go_and_stars_stay(given: Any) -> None:
    rng = np.random.default_rng(1)
    clean = sky(7)
    image = clean.copy()
    places = rng.choice(HEIGHT * WIDTH, 60, replace=False)
    near_star = (np.hypot(Y - 9, X - 12) < 8) | (np.hypot(Y - 25, X - 40) < 10)
    hot = np.zeros(image.size, bool)
    hot[places] = True
    hot = hot.reshape(image.shape) & ~near_star
    image[hot] += 5000
    got = corrected(given, image, hot_auto_check=True, hot_auto_value=8.0)[0]
    assert np.array_equal(got[near_star], clean[near_star])
    alone = hot & (sum(np.roll(hot, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) == 1)
    assert alone.sum() > 20
    assert np.abs(got[alone] - 1000).max() < 150


def test_one_colour_of_a_mosaic_does_not_make_the_others_hot(given: Any) -> None:
    rng = np.random.default_rng(2)
    gains = np.array([[4.0, 1.0], [1.0, 0.5]])[Y % 2, X % 2]
    image = (gains * 2000 + rng.normal(0, 5, gains.shape)).astype(np.float32)
    image[20, 20] += 9000
    options = {"hot_auto_check": True, "hot_auto_value": 3.0}
    kept = corrected(given, image, words={"cfa": "RGGB"}, **options)[0]
    assert list(zip(*np.nonzero(kept != image), strict=True)) == [(20, 20)]
    assert kept[20, 20] == pytest.approx(8000, abs=20)
    assert np.array_equal(corrected(given, image, cfa=True, **options)[0], kept)
    assert not np.array_equal(corrected(given, image, words={"cfa": "RGGB"}, cfa=False, **options)[0], kept)


# -- master dark --------------------------------------------------------------------------------------


def test_the_dark_tells_hot_and_cold_pixels(given: Any) -> None:
    image = sky(3)
    dark = np.random.default_rng(4).normal(100, 5, image.shape).astype(np.float32)
    dark[[8, 20], [30, 0]] = 40000
    dark[30, 31] = 0.0
    got = corrected(
        given, image, dark, hot_dark_check=True, hot_dark_level=0.5, cold_dark_check=True, cold_dark_level=10 / 65535
    )[0].astype(np.float64)  # fmt: skip
    expected = image.astype(np.float64)
    expected[8, 30] = image[[7, 7, 9, 9], [29, 31, 29, 31]].astype(np.float64).mean()
    expected[20, 0] = image[[19, 21], [1, 1]].astype(np.float64).mean()
    expected[30, 31] = np.median([image[30 + i, 31 + j] for i in (-2, -1, 1, 2) for j in (-2, -1, 1, 2)])
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("words", [{}, {"cfa": "GRBG"}])
def test_defective_neighbours_do_not_count(given: Any, words: Any) -> None:
    step = 2 if words else 1
    image = sky(3)
    dark = np.full(image.shape, 100.0)
    dark[10, 20] = dark[10 + step, 20 + step] = 65535.0
    image[dark > 1000] = 50000.0
    got = corrected(given, image, dark, words, hot_dark_check=True)[0]
    others = [image[10 + i * step, 20 + j * step] for i, j in ((-1, -1), (-1, 1), (1, -1))]
    assert got[10, 20] == pytest.approx(np.mean(np.float64(others)), rel=1e-6)
    assert (got != image).sum() == 2


def test_a_level_in_sigma_is_that_of_mean_and_standard_deviation(given: Any) -> None:
    dark = np.random.default_rng(9).normal(100, 5, (HEIGHT, WIDTH)).astype(np.float32)
    g = Graph()
    node = g.add(
        "DefectMap", dark=given(g, dark, **ADU), hot_dark_sigma=2.0, cold_dark_check=True, cold_dark_sigma=2.5
    )
    told, d = node.value(), dark.astype(np.float64)
    assert told["hot_level"][0] == pytest.approx(d.mean() + 2.0 * d.std(ddof=1), rel=1e-12)
    assert np.array_equal(told["hot"][0], np.flatnonzero(d >= told["hot_level"][0]))
    assert np.array_equal(told["cold"][0], np.flatnonzero(d <= d.mean() - 2.5 * d.std(ddof=1)))


# -- defect list --------------------------------------------------------------------------------------


def test_listed_rows_and_columns_become_what_lies_beside_them(given: Any) -> None:
    ramp = (500 + 3 * X + 7 * Y).astype(np.float32)
    image = ramp.copy()
    image[12, 5:10] = 60000
    image[:, 30] = 0
    image[33] = 0
    lists = ((True, True, 12, True, 5, 9), (True, False, 30, False, 0, 0), (False, True, 33, False, 0, 0))
    got = corrected(given, image, defect_list=lists)[0]
    expected = ramp.copy()
    expected[33] = 0
    inside = np.zeros(image.shape, bool)
    inside[2:-2, 2:-2] = True
    # Where the crossing of column 30 with the uncorrected row 33 takes part, the median is of other samples.
    inside[31:36, 28:33] = False
    assert np.array_equal(got[inside], expected[inside])


@pytest.mark.parametrize(
    ("options", "dark", "told"),
    [
        ({}, False, "nothing to correct"),
        ({"hot_dark_check": True}, False, "dark is not linked"),
        ({"hot_auto_check": True}, True, "dark is linked"),
        ({"defect_list": ((True, True, HEIGHT, False, 0, 0),)}, False, "outside the image"),
        ({"defect_list": ((True, True, 3, True, 9, 8),)}, False, "must not end before it begins"),
        ({"cold_dark_check": True, "cold_dark_level": 0.01}, True, r"100.0 % of the dark's pixels are cold"),
    ],
)
def test_what_makes_no_sense_is_refused(given: Any, options: Any, dark: bool, told: str) -> None:
    with pytest.raises(EngineError, match=told):
        corrected(given, sky(), np.full((HEIGHT, WIDTH), 100.0) if dark else None, **options)


def test_a_dark_of_another_size_is_refused(given: Any) -> None:
    with pytest.raises(EngineError, match=f"the master dark is {WIDTH}x20, the image is {WIDTH}x{HEIGHT}"):
        corrected(given, sky(), np.full((20, WIDTH), 100.0), hot_dark_check=True)


def test_missing_samples_stay_missing_and_do_not_count(given: Any) -> None:
    image = sky()
    image[10:13, 20:23] = np.nan
    image[11, 24] = 30000
    got = corrected(given, image, hot_auto_check=True, cold_auto_check=True)[0]
    assert np.array_equal(np.isnan(got), np.isnan(image))
    assert got[11, 24] == pytest.approx(around(image, 11, 24, 1, 0, 1).mean(), rel=1e-6)
