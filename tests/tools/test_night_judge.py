"""The judge knows a perfect master when it sees one, and says by how much others are off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter

from lerarlink.tools.simulate import NightSettings, NightTruth
from lerarlink.tools.simulate.judge import Residue, judge, main
from lerarlink.tools.simulate.night import draw_truth
from lerarlink.tools.simulate.placement import between

Plane = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def truth() -> NightTruth:
    return draw_truth(NightSettings(height=400, width=600, frames=3, filters=("L",), pixels_a_star=300, seed=2))


@pytest.fixture(scope="module")
def perfect(truth: NightTruth) -> Plane:
    """What a master on the grid of the second light would be without noise, in units of 1/1.25 electron."""
    light = truth.lights[1]
    return 300.0 + 1.25 * (truth.star_light("L", light, truth.lights) + truth.extended_light("L", light))


def noisy(plane: Plane, truth: NightTruth, sigma: float = 20.0) -> Plane:
    return plane + 1.25 * np.random.default_rng(5).normal(0.0, sigma, plane.shape)


def test_a_perfect_master_has_no_faults(truth: NightTruth, perfect: Plane) -> None:
    figures = judge(perfect, truth, "L")
    assert figures.reference == truth.lights[1].file
    assert figures.scale == pytest.approx(1.25, rel=1e-6)
    assert figures.offset < 1e-4 and figures.centroids < 1e-4
    assert figures.fwhm == pytest.approx(figures.true_fwhm, rel=1e-5)
    assert figures.slope == pytest.approx(1.0, abs=1e-5)
    assert figures.scatter is not None and figures.scatter < 1e-5
    assert figures.structure.mean < 1e-3 and figures.structure_total < 1e-3
    assert figures.noise < 1e-3
    for left in (figures.hot, figures.trails, figures.cosmics):
        assert left is not None and abs(left.mean) < 1e-4
    assert all(ok in (None, True) for *_, ok in figures.rows())


def test_the_true_width_is_that_of_the_lights(truth: NightTruth, perfect: Plane) -> None:
    widths = [light.fwhm for light in truth.lights]
    # The mean over a pixel makes a star a little wider: by the variance of a box, 1/12 square pixel.
    wider = np.sqrt(np.mean(widths) ** 2 + 8 * np.log(2) / 12)
    assert judge(perfect, truth, "L").true_fwhm == pytest.approx(wider, rel=0.02)


def test_a_shift_of_a_tenth_of_a_pixel_is_a_tenth(truth: NightTruth) -> None:
    light = truth.lights[1]
    there = replace(light, placement=replace(light.placement, dx=light.placement.dx + 0.1))
    plane = truth.star_light("L", there, truth.lights) + truth.extended_light("L", there)
    figures = judge(plane, truth, "L", reference=light.file)
    assert figures.offset == pytest.approx(0.1, abs=0.003)


def test_without_stars_nothing_is_said_of_them(truth: NightTruth) -> None:
    bare = NightTruth(replace(truth.settings, pixels_a_star=60_000), truth.lights)
    light = bare.lights[1]
    figures = judge(bare.star_light("L", light, bare.lights) + bare.extended_light("L", light), bare, "L")
    assert figures.stars < 5 and figures.offset is None and figures.width_ratio is None and figures.slope is None
    assert figures.structure_total < 1e-3
    assert "stars: mean offset          -\n" in str(figures)


def test_a_blur_is_told_as_width(truth: NightTruth, perfect: Plane) -> None:
    figures = judge(gaussian_filter(perfect, 0.6), truth, "L")
    wanted = np.sqrt(figures.true_fwhm**2 + (2.355 * 0.6) ** 2)
    assert figures.fwhm == pytest.approx(wanted, rel=0.03)


def test_light_that_bends_is_told_as_slope(truth: NightTruth, perfect: Plane) -> None:
    light = truth.lights[1]
    stars = truth.star_light("L", light, truth.lights)
    figures = judge(perfect + 1.25 * 3e-5 * stars**2, truth, "L")
    assert 1.003 < figures.slope < 1.2


def test_noise_is_told_and_is_no_structure(truth: NightTruth, perfect: Plane) -> None:
    figures = judge(noisy(perfect, truth), truth, "L")
    assert figures.noise == pytest.approx(20.0, rel=0.02)
    # Noise that is less than that of the lights leaves nothing; more of it would.
    assert figures.structure_total > 0.3 and figures.structure.mean == 0.0
    assert 5.0 < figures.ideal_noise < 60.0


def test_waves_in_the_background_are_structure(truth: NightTruth, perfect: Plane) -> None:
    x = np.arange(perfect.shape[1])
    waves = 1.25 * 3.0 * np.sin(2 * np.pi * x / 120.0)[None, :]
    figures = judge(perfect + waves, truth, "L")
    # A Gaussian of 8 pixels leaves 92 % of a wave of 120, one of 64 pixels 0.4 %.
    assert figures.structure_total == pytest.approx(3.0 / np.sqrt(2) * 0.91, rel=0.06)
    # A smooth gradient is the sky's, not the master's.
    tilted = judge(perfect + 0.5 * x[None, :], truth, "L")
    assert tilted.structure_total < 0.01


def test_what_hot_pixels_and_trails_leave_is_told_in_sigmas(truth: NightTruth, perfect: Plane) -> None:
    light = truth.lights[1]
    plane = noisy(perfect, truth)
    x, y, _ = truth.sensor.hot
    spoilt = plane.copy()
    spoilt[y, x] += 1.25 * 40.0  # two sigma, in the frame on whose grid the master lies
    clean, hot = judge(plane, truth, "L").hot, judge(spoilt, truth, "L").hot
    assert isinstance(clean, Residue) and isinstance(hot, Residue)
    assert abs(clean.mean) < 4 * clean.error
    # One of three lights has its hot pixels where the master has them.
    assert hot.mean - clean.mean == pytest.approx(2.0 / 3.0, rel=0.25)
    assert light.file == judge(spoilt, truth, "L").reference


def test_transforms_are_compared_with_the_truth(truth: NightTruth, perfect: Plane) -> None:
    reference = truth.lights[1]
    found = {}
    for k, light in enumerate(truth.lights):
        matrix = between(reference.placement, light.placement)
        matrix[0, 2] += 0.02 * k
        found[f"/somewhere/{Path(light.file).name}"] = {"kind": "rigid", "inverse": [{"matrix": matrix}]}
    figures = judge(perfect, truth, "L", transforms=found, reference=reference.file)
    # The reference lies on itself and does not count: lights 0 and 2 are off by 0 and 0.04 pixels.
    assert figures.registration == pytest.approx(0.04 / np.sqrt(2), rel=1e-6)
    assert figures.registration_worst == pytest.approx(0.04, rel=1e-6)
    assert "MISSED" in str(figures)


def test_a_master_of_another_size_is_refused(truth: NightTruth) -> None:
    with pytest.raises(ValueError, match=r"\(400, 600\) rows and columns is wanted, got \(400, 599\)"):
        judge(np.zeros((400, 599)), truth, "L")


def test_the_command_prints_the_table_of_a_file(
    truth: NightTruth, perfect: Plane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from astropy.io import fits

    truth.save(tmp_path)
    # Bottom-up, as FITS has it by its own rule; a master of lerarlink says what it is.
    header = fits.Header({"ROWORDER": "BOTTOM-UP"})
    fits.writeto(tmp_path / "master_L.fits", perfect[::-1].astype(np.float32), header)
    assert main([str(tmp_path / "truth.json"), str(tmp_path / "master_L.fits")]) == 0
    told = capsys.readouterr().out
    assert truth.lights[1].file in told and "background structure" in told and "MISSED" not in told
    assert main([]) == 2
