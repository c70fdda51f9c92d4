"""Real series of known truth through `run_lerar`: pixels of Kepler and K2 stars, a night of a transit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.tabular import julian_dates
from lerarlink.graphs.document import Graph
from lerarlink.graphs.series import SeriesOptions, build
from lerarlink.tools.lerar import LerarResult, frame_files, run_lerar

Real = Callable[[str], Path]


def found(path: Path, trv: str, out: Path | None = None, **more: Any) -> LerarResult:
    return run_lerar(frame_files([path]), SeriesOptions(trv=trv, **more), out)


@pytest.fixture
def pixels(real_data: Real) -> Callable[[str], Path]:
    return lambda name: real_data(f"timeseries-pixels/{name}")


def test_a_constant_star_has_no_period(pixels: Real) -> None:
    result = found(pixels("synthetic-k2-flat.targ.fits.gz"), "[TRV:0.25d..10d]")
    assert result.detections == []
    assert any("are not searched" in w for w in result.warnings)


def test_a_sine_of_a_thousandth_is_found_with_its_period_and_amplitude(pixels: Real) -> None:
    best = found(pixels("synthetic-k2-sinusoid.targ.fits.gz"), "[TRV:0.4d..10d]").detections[0]
    assert best["log10_p"] < -9.0
    assert best["period_d"] == pytest.approx(5.0, abs=0.25)
    assert best["relative"] == pytest.approx(0.001, abs=0.00004)


@pytest.mark.parametrize("regressors", [(), ("pos_corr1", "pos_corr2")])
def test_drift_and_variation_are_told_apart(pixels: Real, regressors: tuple[str, ...]) -> None:
    """With the star's drift fitted besides, and without."""
    found = {}
    for name in ("flat", "sinusoid"):
        paths = frame_files([pixels(f"synthetic-k2-{name}.targ.fits.gz")])
        graph = build(paths, SeriesOptions(trv="[TRV:0.4d..6.98d]", target=True, regressors=regressors))
        found[name] = graph.run(["sources-total"]).values["sources-total"]["columns"]
    assert found["flat"]["log10_p"] == []
    wave = found["sinusoid"]
    assert wave["log10_p"][0] < -9.0
    assert wave["period_s"][0] / 86400.0 == pytest.approx(5.0, abs=0.25)
    assert wave["relative"][0] == pytest.approx(0.001, abs=0.00004)


def test_a_planet_of_unknown_period_is_found_and_none_where_there_is_none(pixels: Real) -> None:
    planet = found(pixels("synthetic-k2-planet.targ.fits.gz"), "[TRV:1.5d..6.9d;shape=box;dur=4h]")
    assert planet.told["box_search"]["period_s"] / 86400.0 == pytest.approx(5.0, abs=0.05)
    assert planet.detections[0]["period_d"] == pytest.approx(5.0, abs=0.05)
    assert planet.detections[0]["log10_p"] < -5.0
    flat = found(pixels("synthetic-k2-flat.targ.fits.gz"), "[TRV:1.5d..6.9d;shape=box;dur=4h]")
    # The best of thousands of boxes is many of its errors deep, and no box at all once all are counted.
    assert flat.told["box_search"]["snr"] > 5.0 and flat.detections == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "trv", "days"),
    [
        ("kplr005562784-2011271113734", "[TRV:20d..30d;shape=box;dur=8.85h]", 25.3368592),
        ("kplr009002278-2010174085026", "[TRV:3d..20d;shape=box;dur=5h]", 18.16406),
    ],
)
def test_periods_of_eclipses_are_found_in_real_series(pixels: Real, name: str, trv: str, days: float) -> None:
    result = found(pixels(f"{name}_lpd-targ.fits.gz"), trv)
    print(result.told["box_search"], result.detections[0]["log10_p"])
    assert result.detections[0]["period_d"] == pytest.approx(days, abs=0.03)
    assert result.detections[0]["log10_p"] < -9.0


@pytest.mark.long
def test_spots_of_a_real_star_give_half_its_rotation(pixels: Real) -> None:
    best = found(pixels("kplr005562784-2011271113734_lpd-targ.fits.gz"), "[TRV:2d..40d]").detections[0]
    assert best["period_d"] == pytest.approx(13.5, abs=0.5)


@pytest.mark.long
def test_the_eclipses_of_koi_608_come_from_the_pixel_beside_the_brightest(pixels: Real) -> None:
    trv = "[TRV:25.3368592d;shape=box;t0=2455025.91552;dur=8.85h]"
    result = found(pixels("kplr005562784-2011271113734_lpd-targ.fits.gz"), trv)
    assert result.graph["link-total"].output("statistic").image.compute()[0, 0, 0] > 8.0
    assert (result.detections[0]["row"], result.detections[0]["column"]) == (1, 1)
    inside = [d for d in result.detections if d["of"] == "pixel"]
    assert (inside[0]["row"], inside[0]["column"]) == (1, 1)
    assert inside[0]["relative"] == pytest.approx(0.017, abs=0.004)


@pytest.mark.long
@pytest.mark.parametrize(
    ("planet", "trv", "least", "most"),
    [
        ("b", "[TRV:5.714932d;shape=box;t0=2455003.9189;dur=2.3h]", 5.0, np.inf),
        ("d", "[TRV:18.16406d;shape=box;t0=2455013.8117;dur=5h]", 9.0, np.inf),
        ("c", "[TRV:12.4417d;shape=box;t0=2454967.651;dur=3h]", -np.inf, 3.0),
    ],
)
def test_planets_of_kepler_62_are_seen_as_far_as_they_can_be(
    pixels: Real, planet: str, trv: str, least: float, most: float
) -> None:
    result = found(pixels("kplr009002278-2010174085026_lpd-targ.fits.gz"), trv)
    ratio = float(result.graph["link-total"].output("statistic").image.compute()[0, 0, 0])
    print(planet, ratio, [d["log10_p"] for d in result.detections])
    assert least < ratio < most
    assert bool(result.detections) == (planet != "c")


@pytest.mark.long
def test_the_transit_of_hat_p_32_is_found_in_its_star_at_its_time(real_data: Real, tmp_path: Path) -> None:
    trv = "[TRV:2.150008d;shape=box;t0=2454420.44637;dur=3.11h;bary=on]"
    result = found(
        real_data("hatp32-microobservatory"), trv, noise="white", site=(-110.88, 31.68, 2300.0), out=tmp_path / "out"
    )
    best = result.detections[0]
    # The reference is frame 64, in which astrometry puts the star there.
    assert abs(best["y"] - 338.6) < 2.0 and abs(best["x"] - 305.5) < 2.0
    assert best["log10_p"] < -8.0
    off, depth = transit(Graph.load(tmp_path / "out" / "series.lerar"))
    print(f"transit {off:.1f} min from the ephemeris, depth {depth:.4f}, {len(result.detections)} detections")
    assert abs(off) < 10.0
    assert depth == pytest.approx(0.025, abs=0.006)


def transit(graph: Graph) -> tuple[float, float]:
    """Return by how many minutes the first source's box is late, and how deep it is, fitted with a slope."""
    curve = graph["curve-1"].value()
    value, times = np.array(curve["value"], float), graph["times"].value()
    days = julian_dates(times, np.array(curve["time_s"]))
    hours = (((days - 2454420.44637) / 2.150008 + 0.5) % 1.0 - 0.5) * 2.150008 * 24.0
    good = np.isfinite(value) & (np.abs(value / np.nanmedian(value) - 1.0) < 0.15)
    hours, value = hours[good], value[good] / np.median(value[good])
    shifts, rests, depths = np.arange(-60, 61), [], []
    for shift in shifts:
        # A trapezium: 3.11 h in all, 0.35 h of it on either side for the planet to come in and go out.
        away = np.abs(hours - shift / 60.0)
        shape = np.clip((1.555 - away) / 0.35, 0.0, 1.0)
        design = np.stack([np.ones_like(hours), hours, -shape], axis=1)
        fit, rest, *_ = np.linalg.lstsq(design, value, rcond=None)
        rests.append(float(rest[0]))
        depths.append(float(fit[2] / fit[0]))
    best = int(np.argmin(rests))
    return float(shifts[best]), depths[best]
