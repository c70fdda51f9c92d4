"""What is measured in a region, against the truth of simulated fields."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lerarlink import Graph
from lerarlink.engine.errors import EngineError

Measured = Callable[..., dict[str, Any]]


def one(measures: dict[str, Any], key: str) -> float:
    group, name = key.split(".")
    return float(np.atleast_1d(measures[group][name]["value"])[0])


def check_sky(field: Any, measures: dict[str, Any], reach: int = 256) -> float:
    """Check noise and slope of a field; return how far the background is off, in sigmas."""
    assert abs(one(measures, "noise.sigma") / field.noise - 1.0) < 0.02
    for n, key in enumerate(("gradient.dx", "gradient.dy")):
        assert abs(one(measures, key) - field.slope[n]) * reach < 0.12 * field.noise
    off = (one(measures, "bg.median") - field.sky) / field.noise
    assert abs(off) < 0.15
    return off


def check_stars(field: Any, measures: dict[str, Any]) -> None:
    assert measures["psf"]["count"] >= 5
    assert abs(one(measures, "psf.fwhm") / field.fwhm - 1.0) < 0.01
    assert abs(one(measures, "psf.ellipticity") - field.ellipticity) < 0.01
    assert abs(one(measures, "psf.beta") / field.beta - 1.0) < 0.05
    turned = (one(measures, "psf.angle") - field.angle + 90.0) % 180.0 - 90.0
    assert abs(turned) < 3.0


BRIGHT: dict[str, Any] = {"faintest": 60.0, "brightest": 1700.0, "stars": (25, 40)}


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_sky_and_slope_of_a_field_of_stars_are_the_true_ones(
    seed: int, field: Callable[..., Any], measured: Measured
) -> None:
    truth = field(seed)
    check_sky(truth, measured(truth.pixels))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_shape_of_stars_is_the_true_one(seed: int, field: Callable[..., Any], measured: Measured) -> None:
    truth = field(seed, **BRIGHT)
    check_stars(truth, measured(truth.pixels))


@pytest.mark.slow
def test_noise_and_sky_of_thirty_fields(field: Callable[..., Any], measured: Measured) -> None:
    fields = [field(seed) for seed in range(30)]
    found = [measured(f.pixels) for f in fields]
    off = [check_sky(f, m) for f, m in zip(fields, found, strict=True)]
    assert abs(float(np.mean(off))) < 0.08
    noise = [one(m, "noise.sigma") / f.noise - 1.0 for f, m in zip(fields, found, strict=True)]
    assert math.sqrt(float(np.mean(np.square(noise)))) < 0.01


@pytest.mark.slow
def test_star_shapes_of_thirty_fields(field: Callable[..., Any], measured: Measured) -> None:
    for seed in range(30):
        truth = field(seed, **BRIGHT)
        check_stars(truth, measured(truth.pixels))


def test_errors_tell_how_far_figures_scatter(measured: Measured) -> None:
    """Fields of nothing but noise: background, noise and slope lie about the truth as their errors say."""
    pulls = []
    for seed in range(12):
        rng = np.random.default_rng([7, seed])
        m = measured(rng.normal(500.0, 10.0, (96, 96)))
        for key, truth in (("bg.median", 500.0), ("gradient.dx", 0.0), ("gradient.dy", 0.0)):
            group, name = key.split(".")
            pulls.append((one(m, key) - truth) / m[group][name]["error"][0])
    assert 0.6 < float(np.std(pulls)) < 1.5
    # Clipping sooner above than below moves the median by 0.008 sigma, here 0.6 of its error.
    assert abs(float(np.mean(pulls))) < 0.6


def test_gain_and_read_noise_come_from_a_scene_of_many_levels(measured: Measured) -> None:
    rng = np.random.default_rng(3)
    y = np.mgrid[:256, :256][0]
    electrons = 200.0 + 40.0 * y
    image = rng.poisson(electrons) / 1.6 + rng.normal(0.0, 6.0, (256, 256))
    m = measured(image)
    assert m["noise"]["gain"]["value"][0] == pytest.approx(1.6, rel=0.05)
    assert m["noise"]["gain"]["flags"] == ""
    assert m["noise"]["read"]["value"][0] == pytest.approx(6.0, abs=4.0)


def test_resampled_noise_is_correlated_and_white_noise_is_not(measured: Measured) -> None:
    rng = np.random.default_rng(4)
    white = 100.0 + rng.normal(0.0, 5.0, (160, 160))
    smooth = 0.25 * (white[:-1, :-1] + white[1:, :-1] + white[:-1, 1:] + white[1:, 1:])
    assert abs(one(measured(white), "noise.correlation")) < 0.02
    assert one(measured(smooth), "noise.correlation") > 0.2


def test_the_largest_structure_has_its_scale(measured: Measured) -> None:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:160, :160]

    def smooth(frequency: float) -> float:
        """What the B3 kernel leaves of a wave, along both axes."""
        return ((6 + 8 * math.cos(2 * math.pi * frequency) + 2 * math.cos(4 * math.pi * frequency)) / 16) ** 2

    for period in (6.0, 12.0, 24.0):
        left = np.cumprod([1.0] + [smooth(2**j / period) for j in range(5)])
        waves = 40.0 * np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period)
        found = one(measured(1000.0 + waves + rng.normal(0.0, 1.0, x.shape)), "structure.scale")
        assert found == 2.0 ** (1 + int(np.argmax(left[:-1] - left[1:])))
    m = measured(100.0 + rng.normal(0.0, 5.0, (160, 160)))
    assert math.isnan(one(m, "structure.scale"))
    assert m["structure"]["scale"]["flags"].startswith("LRN-4")


def test_colours_are_ratios_above_the_background(given: Any, measured: Measured) -> None:
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:120, :120]
    stars = sum(np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8.0) for cx, cy in ((30, 30), (85, 40), (60, 90)))
    cube = np.stack(
        [s + a * 4000.0 * stars + rng.normal(0.0, 3.0, x.shape) for s, a in ((900, 1.5), (500, 1), (700, 0.6))]
    )
    whole = measured(cube)
    assert one(whole, "colour.rg") == pytest.approx(1.5, rel=0.01)
    assert one(whole, "colour.bg") == pytest.approx(0.6, rel=0.02)
    g = Graph()
    image = given(g, cube, bounds=(0.0, 65535.0))
    stars_found = g.add("DetectStars", image=image)
    m = g.add("MeasureRegion", image=image, catalogue=stars_found.output(), area="stars 5", min_coverage=0.0)
    value = m.value("measures")
    assert value["colour"]["rg"]["n"] == 3
    assert one(value, "colour.rg") == pytest.approx(1.5, rel=0.02)
    assert one(value, "colour.bg") == pytest.approx(0.6, rel=0.02)
    gray = measured(cube[0])
    assert gray["colour"]["rg"]["flags"].startswith("LRN-4")


def test_missing_samples_and_what_lies_outside_count_for_nothing(field: Callable[..., Any], measured: Measured) -> None:
    truth = field(2)
    area = "rect 40,50,150,140 except circle 100,100,20"
    alone = measured(truth.pixels, area)
    holed = truth.pixels.copy()
    y, x = np.mgrid[:256, :256]
    holed[np.hypot(x - 100, y - 100) < 15] = np.nan
    holed[10:20] = 60000.0
    again = measured(holed, area)
    assert one(again, "bg.median") == one(alone, "bg.median")
    assert one(again, "noise.sigma") == pytest.approx(one(alone, "noise.sigma"), rel=0.01)


def test_the_figures_are_those_of_the_region_wherever_the_image_is_cut(
    field: Callable[..., Any], measured: Measured
) -> None:
    """Cropped around the region, beyond what its filters reach, an image gives the same figures."""
    truth = field(4)
    first = measured(truth.pixels, "rect 80,90,90,70")
    second = measured(truth.pixels[20:230, 10:240], "rect 70,70,90,70")
    for key in ("bg.median", "noise.sigma", "gradient.dx", "gradient.amplitude", "structure.scale"):
        assert one(second, key) == pytest.approx(one(first, key), rel=1e-6), key


@pytest.mark.parametrize(
    ("area", "told"),
    [("rect 250,250,60,60", "LRN-1"), ("rect 10,10,5,5", "LRN-1"), ("sky circle 10,10,60", "LRN-2"),
     ("rect 10,10,0,5", "sizes of a rect"), ("blob 3", "'blob' is no shape")],
)  # fmt: skip
def test_regions_that_cannot_be_measured_are_refused_in_a_sentence(area: str, told: str, measured: Measured) -> None:
    with pytest.raises(EngineError, match=told):
        measured(np.full((256, 256), 100.0), area)


def test_too_few_stars_are_told_and_the_whole_image_may_stand_in(field: Callable[..., Any], measured: Measured) -> None:
    truth = field(1, **BRIGHT)
    alone = measured(truth.pixels, "rect 5,5,24,24")
    assert math.isnan(one(alone, "psf.fwhm"))
    assert alone["psf"]["fwhm"]["flags"].startswith("LRN-3")
    wide = measured(truth.pixels, "rect 5,5,24,24", psf_fallback="frame")
    assert wide["psf"]["source"] == "frame"
    assert one(wide, "psf.fwhm") == pytest.approx(truth.fwhm, rel=0.01)
