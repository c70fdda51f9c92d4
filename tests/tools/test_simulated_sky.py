"""The simulated sky is what it says: the same for a seed, photons where they were put, noise as it should be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lerarlink import Graph
from lerarlink.tools.simulate import FILTERS, Camera, Sky, SkySettings, Star, simulate
from lerarlink.tools.simulate.sky import WHITE_TEMPERATURE, colour

GREEN = FILTERS[1]
EMPTY = {"stars": 0, "dust": 0.0, "emission": 0.0, "gradient": (0.0,) * 5}


def test_a_seed_is_a_sky(tmp_path: Path) -> None:
    settings = SkySettings(width=150, height=90, seed=5)
    simulate(tmp_path / "a", settings)
    simulate(tmp_path / "b", settings)
    simulate(tmp_path / "c", SkySettings(width=150, height=90, seed=6))
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == ["B.fits", "G.fits", "L.fits", "R.fits", "truth.json"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).read_bytes() != (tmp_path / "c" / name).read_bytes()


def lone_star(x: float, y: float, magnitude: float) -> Sky:
    sky = Sky.make(SkySettings(width=200, height=192, **EMPTY))  # type: ignore[arg-type]
    return replace(sky, stars=(Star(x, y, magnitude, temperature=4000.0),))


def test_a_star_has_the_light_it_was_given() -> None:
    sky = lone_star(90.3, 101.8, magnitude=10.0)
    y, x = np.mgrid[:192, :200]
    inside = np.hypot(y - 101.8, x - 90.3) < 40
    for band in ("R", "G", "B", "L"):
        light = (sky.light(band, 0, 192) - sky.settings.background) * inside
        wanted = sky.flux(sky.stars[0], band) * sky.settings.moffat.enclosed(40)
        assert light.sum() == pytest.approx(wanted, rel=2e-4)
        assert (light * x).sum() / light.sum() == pytest.approx(90.3, abs=0.005)
        assert (light * y).sum() / light.sum() == pytest.approx(101.8, abs=0.005)


def test_a_cool_star_is_red_and_a_hot_one_blue() -> None:
    assert colour(3500.0, "R") > 1.0 > colour(3500.0, "B")
    assert colour(12000.0, "R") < 1.0 < colour(12000.0, "B")
    assert colour(WHITE_TEMPERATURE, "R") == pytest.approx(1.0) == colour(WHITE_TEMPERATURE, "B")


def test_a_star_on_a_frame_is_measured_within_shot_noise() -> None:
    sky, camera = lone_star(99.6, 95.2, magnitude=10.5), Camera(exposures=4)
    frame = np.concatenate([camera.rows(sky, [GREEN], y, y + 64)[0] for y in range(0, 192, 64)])
    y, x = np.mgrid[:192, :200]
    inside = np.hypot(y - 95.2, x - 99.6) < 12
    dark = camera.offset(GREEN) + camera.gain(GREEN) * sky.settings.background
    found = (frame[inside] - dark).sum() / camera.gain(GREEN)
    noise = np.sqrt(camera.variance(GREEN, sky.light("G", 0, 192))[inside].sum()) / camera.gain(GREEN)
    assert found == pytest.approx(sky.flux(sky.stars[0], "G") * sky.settings.moffat.enclosed(12), abs=4 * noise)
    assert 4 * noise < 0.05 * found


@pytest.mark.parametrize("exposures", [1, 25])
def test_noise_is_shot_noise_and_read_noise(exposures: int) -> None:
    sky = Sky.make(SkySettings(width=600, height=448, **EMPTY))  # type: ignore[arg-type]
    camera = Camera(exposures=exposures)
    rows = np.concatenate([camera.rows(sky, [GREEN], y, y + 64)[0] for y in range(0, 448, 64)])
    assert rows.mean() == pytest.approx(sky.settings.background * camera.gain(GREEN) + camera.offset(GREEN), rel=1e-4)
    # A variance of n samples is known to sqrt(2 / n); four times that.
    assert rows.var() == pytest.approx(camera.variance(GREEN, sky.settings.background), rel=4 * (2 / rows.size) ** 0.5)


def test_a_frame_of_its_own_number_has_noise_of_its_own() -> None:
    sky, camera = Sky.make(SkySettings(width=64, height=64)), Camera()
    first, again, other = (camera.rows(sky, [GREEN], 0, 64, frame)[0] for frame in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first == other) < 0.5


def test_optics_dim_the_corners() -> None:
    sky = Sky.make(SkySettings(width=128, height=64, **EMPTY))  # type: ignore[arg-type]
    rows = Camera(vignetting=0.4, exposures=100_000).rows(sky, [GREEN], 0, 64)[0] - Camera().offset(GREEN)
    assert rows[0, 0] / rows[32, 64] == pytest.approx(0.6, abs=0.02)


def test_a_star_saturates_at_the_full_well() -> None:
    sky, camera = lone_star(100.0, 90.0, magnitude=5.0), Camera()
    rows = np.concatenate([camera.rows(sky, [GREEN], y, y + 64)[0] for y in range(0, 192, 64)])
    assert rows[90, 100] == pytest.approx(camera.full_well / camera.e_per_adu + camera.offset(GREEN), abs=2)


def test_a_linear_fit_of_a_grey_sky_finds_the_true_line(tmp_path: Path) -> None:
    truth = simulate(tmp_path, SkySettings(width=480, height=320, seed=4, stars=0, emission=0.0))
    g = Graph()
    green = g.add("ReadImage", path=str(tmp_path / "G.fits"))
    for name in ("R", "B"):
        image = g.add("ReadImage", path=str(tmp_path / f"{name}.fits"))
        (found,) = g.add("LinearFit", image=image, reference=green).value("line")["channels"]
        line = truth.line(name, "G")
        x = fits.getdata(tmp_path / f"{name}.fits").astype(np.float64)
        light = (x.mean() - truth.channel(name).offset) / truth.channel(name).gain
        noise_x, noise_y = (truth.camera.variance(f, light) for f in FILTERS if f.name in (name, "G"))
        if name == "B":
            noise_x, noise_y = noise_y, noise_x
        # The standard error of a line of least absolute deviations, residuals being Gaussian. Noise in x lowers
        # the slope of any regression by its share of the variance of x; that much is not the fit's to know.
        error = np.sqrt((noise_y + line.slope**2 * noise_x) * np.pi / 2 / x.size) / x.std()
        assert abs(found["b"] - line.slope) < 4 * error + 1.5 * line.slope * noise_x / x.var()
        assert abs(found["b"] / line.slope - 1) < 1e-3


def test_strips_of_a_sky_fit_together() -> None:
    sky = Sky.make(SkySettings(width=120, height=100))
    whole = sky.light("R", 0, 100)
    np.testing.assert_allclose(np.vstack([sky.light("R", 0, 37), sky.light("R", 37, 100)]), whole, rtol=1e-9)


def test_frames_carry_real_header_words(tmp_path: Path) -> None:
    simulate(tmp_path, SkySettings(width=80, height=60))
    with fits.open(tmp_path / "R.fits") as file:
        file.verify("exception")
        header = file[0].header
    assert (header["FILTER"], header["EXPTIME"], header["CCD-TEMP"], header["BITPIX"]) == ("R", 180.0, -10.0, 16)
    del header["DATE-OBS"]  # of which astropy would warn that it makes an MJD
    solution = WCS(header)
    middle, right, up = (solution.pixel_to_world(x, y) for x, y in ((39.5, 29.5), (40.5, 29.5), (39.5, 28.5)))
    assert (middle.ra.deg, middle.dec.deg) == pytest.approx((98.0, 5.0))
    assert right.ra < middle.ra  # east is left
    assert up.dec > middle.dec  # rows run down, north is up


def test_the_truth_is_kept_beside_the_frames(tmp_path: Path) -> None:
    truth = simulate(tmp_path, SkySettings(width=80, height=60, stars=3))
    kept = json.loads((tmp_path / "truth.json").read_text("utf-8"))
    assert kept["lines"]["R to G"]["slope"] == truth.line("R", "G").slope == pytest.approx(1.0 / 0.72)
    assert [s["magnitude"] for s in kept["stars"]] == [s.magnitude for s in truth.stars]


def test_a_block_of_rows_begins_at_its_place() -> None:
    sky = Sky.make(SkySettings(width=80, height=100, stars=0))
    with pytest.raises(ValueError, match="got 10:60"):
        Camera().rows(sky, [GREEN], 10, 60)


def test_a_camera_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sky, lights = Sky.make(SkySettings(width=80, height=100, stars=0)), Sky.lights

    def clouded(self: Sky, bands: Any, y0: int, y1: int) -> Any:
        if y0 > 0:
            raise RuntimeError("clouds")
        return lights(self, bands, y0, y1)

    monkeypatch.setattr(Sky, "lights", clouded)
    with pytest.raises(RuntimeError, match="clouds"):
        Camera().write(tmp_path, sky, FILTERS)
    assert list(tmp_path.iterdir()) == []
