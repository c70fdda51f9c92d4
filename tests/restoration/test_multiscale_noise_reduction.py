"""Noise goes, structures stay: checked against scipy's convolutions, simulated noise, and photon statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from scipy import ndimage

from lerarlink import Graph
from lerarlink.engine.errors import ParameterError
from lerarlink.nodes.restoration._shrinking import LAYER_NOISE, Shrinking, even, reach, shrunk, uneven

B3 = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0


def reduced(tmp_path: Path, pixels: Any, bounds: tuple[float, float] = (0.0, 65535.0), **params: Any) -> Any:
    fits.PrimaryHDU(np.asarray(pixels, np.float32)).writeto(tmp_path / "a.fits", overwrite=True)
    g = Graph()
    image = g.add("ReadImage", path=str(tmp_path / "a.fits"), bounds=bounds)
    return g.add("MultiscaleNoiseReduction", image=image, **params).compute()[0].astype(float)


def layers_by_scipy(plane: npt.NDArray[np.float64], count: int) -> list[npt.NDArray[np.float64]]:
    """The transform as the paper has it: convolutions with holes, of two dimensions at once."""
    found, c = [], plane
    for j in range(count):
        holes = np.zeros(4 * 2**j + 1)
        holes[:: 2**j] = B3
        smooth = ndimage.convolve(c, np.outer(holes, holes), mode="mirror")
        found.append(c - smooth)
        c = smooth
    return [*found, c]


def test_layers_are_those_of_plain_convolutions() -> None:
    plane = np.random.default_rng(1).normal(0, 1, (60, 70))
    w = layers_by_scipy(plane, 3)
    limits = [t * 1.1 * n for t, n in zip((3.0, 2.0, 1.0), LAYER_NOISE, strict=False)]
    wanted = sum(np.where(np.abs(x) < t, 0.3 * x, x) for x, t in zip(w[:3], limits, strict=True)) + w[3]
    made = shrunk(plane, 1.1, Shrinking((3.0, 2.0, 1.0), (0.7,) * 3, False))
    assert np.allclose(made, wanted, atol=1e-12)


def test_noise_of_layers_is_that_of_white_noise() -> None:
    # A layer is the difference of two separable smoothings of one pixel.
    line = np.ones(1)
    for j, told in enumerate(LAYER_NOISE):
        holes = np.zeros(4 * 2**j + 1)
        holes[:: 2**j] = B3
        wider = np.convolve(line, holes)
        line = np.pad(line, (len(wider) - len(line)) // 2)
        assert np.linalg.norm(np.outer(line, line) - np.outer(wider, wider)) == pytest.approx(told, rel=3e-3)
        line = wider
    assert len(line) == 2 * reach(8) + 1


@pytest.mark.parametrize("soft", [False, True])
def test_noise_goes_and_stars_keep_their_light(tmp_path: Path, soft: bool) -> None:
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:128, :128]
    stars = sum(
        4000.0 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 5.0) for a, b in ((30, 40), (90, 30), (60, 95))
    )
    made = reduced(tmp_path, 1000.0 + stars + rng.normal(0, 20, x.shape), soft=soft)
    sky = stars < 1.0
    assert np.std(made[sky]) < 0.3 * 20.0
    for a, b in ((30, 40), (90, 30), (60, 95)):
        disc = np.hypot(x - a, y - b) < 8
        light = (made[disc] - 1000.0).sum()
        assert light == pytest.approx(stars[disc].sum(), rel=0.09 if soft else 0.03)


def test_missing_samples_stay_missing_and_do_not_count(tmp_path: Path) -> None:
    plane = np.full((64, 64), 500.0)
    plane[20:30, 20:40] = np.nan
    made = reduced(tmp_path, plane, noise=(0.001,))
    assert np.isnan(made[20:30, 20:40]).all()
    assert np.allclose(made[~np.isnan(plane)], 500.0, atol=1e-3)


def test_photon_noise_is_reduced_alike_in_dark_and_in_light(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    level = np.repeat([20.0, 200.0, 2000.0], 60)[None, :] * np.ones((120, 1))
    samples = rng.poisson(level) + rng.normal(0, 3.0, level.shape) + 100.0
    made = reduced(
        tmp_path, samples, bounds=(0.0, 4096.0), gain=4096.0, read_noise=3.0, pedestal=100.0 / 4096.0,
        threshold=(4.0, 4.0, 4.0), amount=(1.0, 1.0, 1.0),
    )  # fmt: skip
    for at, true in ((30, 20.0), (90, 200.0), (150, 2000.0)):
        part = made[20:100, at - 15 : at + 15]
        noise = np.sqrt(true + 9.0)
        # The unbiased inverse: plain squaring would be lower by a quarter of an electron.
        assert part.mean() - 100.0 == pytest.approx(true, abs=4.0 * noise / np.sqrt(part.size) + 0.02)
        assert part.std() < 0.2 * noise


def test_the_inverse_has_no_bias_down_to_a_few_photons() -> None:
    rng = np.random.default_rng(4)
    for mean in (2.0, 5.0, 30.0):
        counts = rng.poisson(mean, 2_000_000) + rng.normal(0, 1.0, 2_000_000)
        assert uneven(np.array([even(counts, 1.0, 1.0).mean()]), 1.0, 1.0)[0] == pytest.approx(mean, abs=0.06)


def test_layers_and_amounts_must_go_together(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="one number for each of 1 to 8 layers, got 2 and 1"):
        reduced(tmp_path, np.zeros((8, 8)), threshold=(1.0, 1.0), amount=(1.0,))
    with pytest.raises(ParameterError, match="one for each of 1 channels"):
        reduced(tmp_path, np.zeros((8, 8)), noise=(0.1, 0.1))
