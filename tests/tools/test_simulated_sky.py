"""The simulated sky is what it says: the same for a seed, photons where they were put, noise as it should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from lerarlink.tools.simulate import FILTERS, Camera, Sky, SkySettings, simulate

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


def test_a_star_has_the_light_it_was_given() -> None:
    sky = Sky.make(SkySettings(width=400, height=400, seed=3, **{**EMPTY, "stars": 1}))
    (star,) = sky.stars
    light = sky.light("G", 0, 400) - sky.settings.background
    reach = min(star.x, star.y, 399 - star.x, 399 - star.y)
    wanted = sky.flux(star, "G") * sky.settings.moffat.enclosed(reach)
    assert light.sum() == pytest.approx(wanted, rel=0.02)
    y, x = np.mgrid[:400, :400]
    assert (light * x).sum() / light.sum() == pytest.approx(star.x, abs=0.2)
    assert (light * y).sum() / light.sum() == pytest.approx(star.y, abs=0.2)


def test_noise_is_shot_noise_and_read_noise() -> None:
    sky = Sky.make(SkySettings(width=600, height=448, **EMPTY))  # type: ignore[arg-type]
    camera = Camera(exposures=1)
    rows = np.concatenate([camera.rows(sky, GREEN, y, y + 64) for y in range(0, 448, 64)])
    assert rows.mean() == pytest.approx(sky.settings.background * camera.gain(GREEN) + camera.offset(GREEN), rel=1e-3)
    assert rows.var() == pytest.approx(camera.variance(GREEN, sky.settings.background), rel=0.02)


def test_strips_of_a_sky_fit_together() -> None:
    sky = Sky.make(SkySettings(width=120, height=100))
    whole = sky.light("R", 0, 100)
    np.testing.assert_allclose(np.vstack([sky.light("R", 0, 37), sky.light("R", 37, 100)]), whole, rtol=1e-9)


def test_frames_carry_real_header_words(tmp_path: Path) -> None:
    simulate(tmp_path, SkySettings(width=80, height=60))
    header = fits.getheader(tmp_path / "R.fits")
    assert (header["FILTER"], header["EXPTIME"], header["CCD-TEMP"], header["BITPIX"]) == ("R", 180.0, -10.0, 16)
    assert header["CTYPE1"] == "RA---TAN"
