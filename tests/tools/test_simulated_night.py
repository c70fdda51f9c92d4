"""A simulated night is what its truth says: stars in place, headers that match, bytes that follow from a seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.graphs.preprocess.match import match
from lerarlink.tools.scan import scan
from lerarlink.tools.simulate import Moffat, NightSettings, NightTruth, night, simulate_night
from lerarlink.tools.simulate.placement import Placement, between, moved
from lerarlink.tools.simulate.scene import THROUGHPUT, StarImages
from lerarlink.tools.simulate.truth import Light

SIZE = (192, 256)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NightTruth]:
    folder = tmp_path_factory.mktemp("night")
    truth = simulate_night(
        folder, size=SIZE, frames=3, filters=("L", "R"), seed=3, calibration=2, trails=0.4, cosmics=2e-4
    )
    return folder, truth


def pixels(folder: Path, file: str) -> np.ndarray:
    return np.asarray(fits.getdata(folder / "frames" / file), np.float64)


def bare(folder: Path, truth: NightTruth, file: str) -> np.ndarray:
    """Return electrons of a frame without bias."""
    return (pixels(folder, file) - truth.sensor.columns) * truth.sensor.e_per_adu


def test_a_seed_is_a_night(made: tuple[Path, NightTruth], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, truth = made
    monkeypatch.setattr(night.os, "cpu_count", lambda: 1)
    how = {"size": SIZE, "frames": 3, "filters": ("L", "R"), "calibration": 2, "trails": 0.4, "cosmics": 2e-4}
    assert simulate_night(tmp_path / "same", seed=3, **how) == truth
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.*"))
    assert len(names) == 3 + 2 * (3 + 2) + 4 * 2
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "same" / name).read_bytes()
    simulate_night(tmp_path / "other", seed=4, **how)
    light = "frames/light/L/L_180s_0001.fits"
    assert (folder / light).read_bytes() != (tmp_path / "other" / light).read_bytes()


def test_the_headers_link_each_light_to_what_serves_it(made: tuple[Path, NightTruth]) -> None:
    matching = match(scan([made[0] / "frames"]).records)
    assert not matching.broken
    for group in matching.lights():
        links = matching.of(group)
        dark, flat = links["dark"].source, links["flat"].source
        assert dark is not None and flat is not None
        assert {Path(r.path).name for r in dark.records} == {"dark_-10C_0001.fits", "dark_-10C_0002.fits"}
        assert {r.filter for r in flat.records} == {group.first.filter}
        served = matching.of(flat)["darkflat"].source
        assert served is not None and served.kind == "darkflat"


def test_stars_lie_where_the_transforms_put_them(made: tuple[Path, NightTruth]) -> None:
    folder, truth = made
    reference = truth.lights[0]
    x, y = truth.stars(reference)
    flux = truth.scene.flux("L")
    found = 0
    for light in truth.of("L"):
        frame = bare(folder, truth, light.file) / truth.sensor.flat(0)
        at_x, at_y = moved(truth.transform(light, reference), x, y)
        for k in np.flatnonzero((flux > 4e4) & (flux < 3e5)):
            i, j = round(at_y[k]), round(at_x[k])
            if not (12 <= i < SIZE[0] - 12 and 12 <= j < SIZE[1] - 12):
                continue
            alone = np.hypot(at_x - at_x[k], at_y - at_y[k])
            if ((alone > 0) & (alone < 12) & (flux > 0.02 * flux[k])).any():
                continue
            part = frame[i - 7 : i + 8, j - 7 : j + 8]
            v, u = np.mgrid[i - 7 : i + 8, j - 7 : j + 8]
            part = part - np.median(frame[i - 12 : i + 13, j - 12 : j + 13])
            # A narrow window about the true place: its centroid is off by half of what the star is off.
            window = np.exp(-((u - at_x[k]) ** 2 + (v - at_y[k]) ** 2) / 8.0)
            total = (part * window).sum()
            assert abs((part * window * (u - at_x[k])).sum() / total) < 0.08
            assert abs((part * window * (v - at_y[k])).sum() / total) < 0.08
            found += 1
    assert found >= 6


def test_a_star_has_all_its_light_at_its_place() -> None:
    sharp, soft = Moffat(2.4, 4.0), Moffat(3.2, 4.0)
    images = StarImages.of([sharp, soft], [0.25, 0.75], np.full((1, 2, 2), 1e5))
    plane = np.zeros((101, 121))
    images.draw(plane, 0, np.array([60.3]), np.array([48.7]))
    v, u = np.mgrid[:101, :121]
    assert plane.sum() == pytest.approx(1e5, rel=1e-3)
    assert (plane * u).sum() / plane.sum() == pytest.approx(60.3, abs=0.003)
    assert (plane * v).sum() / plane.sum() == pytest.approx(48.7, abs=0.003)
    # Far from the core a pixel is the profile at its middle.
    away = np.hypot(60.3 - 75, 48.7 - 49)
    wanted = sum(w * m.peak * (1 + (away / m.alpha) ** 2) ** -4 for m, w in ((sharp, 0.25), (soft, 0.75)))
    assert plane[49, 75] == pytest.approx(1e5 * wanted, rel=1e-3)
    parts = np.zeros_like(plane)
    for y0, y1 in ((0, 40), (40, 53), (53, 101)):
        images.draw(parts[y0:y1], y0, np.array([60.3]), np.array([48.7]))
    np.testing.assert_array_equal(parts, plane)


def left_of(folder: Path, truth: NightTruth, light: Light) -> tuple[np.ndarray, np.ndarray]:
    """Return what a raw light shows beyond its truth, in electrons before the optics, and the deviation of that."""
    band: Any = light.filter
    flat = truth.sensor.flat(truth.settings.names.index(light.filter)).astype(np.float64)
    seen = light.transparency * (truth.extended_light(band, light) + truth.star_light(band, light, [light]))
    seen += light.glow * THROUGHPUT[band] * night.GLOW[band]
    dark = truth.sensor.dark(truth.settings.exposure, truth.settings.temperature, 0, SIZE[0])
    sigma = np.sqrt(truth.sensor.variance(seen * flat + dark)) / flat
    return (bare(folder, truth, light.file) - dark) / flat - seen, sigma


@pytest.mark.parametrize("which", [0, 2, 5])
def test_a_raw_light_is_what_the_truth_lets_expect(made: tuple[Path, NightTruth], which: int) -> None:
    folder, truth = made
    light = truth.lights[which]
    rest, sigma = left_of(folder, truth, light)
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    middle = np.array([SIZE[0], SIZE[1]]) / 2 - 0.5
    # The sky's light is a plane, which is not part of what `left_of` knows.
    turned = light.placement.matrix[:2, :2] @ light.slope * THROUGHPUT[light.filter] * night.GLOW[light.filter]  # type: ignore[index]
    rest = rest - (turned[0] * (u - middle[1]) + turned[1] * (v - middle[0])) / (SIZE[1] / 2)
    clear = np.ones(SIZE, bool)
    for trail in light.trails:
        angle = np.radians(trail.direction)
        clear &= np.abs((u - trail.x) * np.sin(angle) - (v - trail.y) * np.cos(angle)) > 6.0 * trail.sigma
    z = (rest / sigma)[clear]
    assert np.median(z) == pytest.approx(0.0, abs=0.06)
    assert 1.4826 * np.median(np.abs(z)) == pytest.approx(1.0, abs=0.03)


def test_darks_show_the_hot_pixels_and_grow_with_temperature(made: tuple[Path, NightTruth]) -> None:
    folder, truth = made
    x, y, rate = truth.sensor.hot
    cold, warm = (bare(folder, truth, f"dark/dark_{t}C_0001.fits")[y, x] for t in ("-10", "2"))
    wanted = rate * truth.settings.exposure
    clear = 4.0 * wanted < 0.9 * truth.sensor.full_well
    assert np.abs((cold - wanted)[clear]).max() < 6 * np.sqrt(wanted.max() + 10)
    assert np.sum(warm[clear]) / np.sum(cold[clear]) == pytest.approx(4.0, rel=0.03)


def test_trails_and_particles_are_where_the_truth_has_them(made: tuple[Path, NightTruth]) -> None:
    folder, truth = made
    light = next(one for one in truth.of("L") if one.trails)
    trail, frame = light.trails[0], left_of(folder, truth, light)[0]
    angle, along = np.radians(trail.direction), np.arange(-60, 60)
    u, v = trail.x + along * np.cos(angle), trail.y + along * np.sin(angle)
    inside = (u > 12) & (v > 12) & (u < SIZE[1] - 12) & (v < SIZE[0] - 12)

    def at(off: float) -> float:
        j, i = (np.rint(c[inside]).astype(int) for c in (u - off * np.sin(angle), v + off * np.cos(angle)))
        return float(np.median(frame[i, j]))

    assert 0.85 * trail.peak < at(0.0) - (at(-8.0) + at(8.0)) / 2 < 1.05 * trail.peak
    tracks = [t for one in truth.lights for t in one.tracks]
    assert len(tracks) == pytest.approx(truth.settings.cosmics * len(truth.lights) * SIZE[0] * SIZE[1], rel=0.5)
    strong = max(((one, t) for one in truth.of("R") for t in one.tracks if 8 < t.x < 240 and 8 < t.y < 180),
                 key=lambda p: p[1].charge / p[1].length)  # fmt: skip
    hit = bare(folder, truth, strong[0].file)
    i, j = round(strong[1].y), round(strong[1].x)
    assert hit[i, j] > np.median(hit[i - 6 : i + 7, j - 6 : j + 7]) + 300


def test_the_truth_of_a_file_is_the_truth(made: tuple[Path, NightTruth]) -> None:
    folder, truth = made
    again = NightTruth.load(folder / "truth.json")
    assert again == truth
    assert again.light("anywhere/R_180s_0002.fits").frame == 1
    with pytest.raises(KeyError, match="no light of this name"):
        truth.light("R_180s_0099.fits")
    stars = np.loadtxt(folder / "stars.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(stars[:, 0], truth.scene.places[0], rtol=1e-8, atol=1e-6)
    np.testing.assert_allclose(stars[:, 3], truth.scene.flux("R"), rtol=1e-8)


def test_placements_undo_and_follow_each_other() -> None:
    a, b = Placement(100, 80, 0.2, 3.0, -1.0), Placement(100, 80, 179.9, -2.0, 5.0)
    x, y = np.array([0.0, 99.0, 50.0]), np.array([0.0, 79.0, 3.0])
    np.testing.assert_allclose(a.nominal(*a.of(x, y)), (x, y), atol=1e-9)
    np.testing.assert_allclose(moved(between(a, b), *a.of(x, y)), b.of(x, y), atol=1e-9)


def test_a_meridian_flip_turns_later_lights_around_and_the_sky_with_them() -> None:
    truth = night.draw_truth(NightSettings(frames=4, filters=("L",)))
    assert [round(one.placement.turn, -2) for one in truth.lights] == [0, 0, 200, 200]
    assert all(abs(one.placement.turn % 180) < 0.31 or abs(one.placement.turn % 180) > 179.69 for one in truth.lights)
    assert not any(one.placement.turn > 90 for one in night.draw_truth(replace(truth.settings, flip=False)).lights)


def test_a_colour_camera_writes_mosaics(tmp_path: Path) -> None:
    truth = simulate_night(tmp_path, size=(96, 128), frames=2, filters="GBRG", calibration=1, dust=0.0, glow=2000.0)
    header = fits.getheader(tmp_path / "frames/light/OSC/OSC_180s_0001.fits")
    assert (header["BAYERPAT"], header["ROWORDER"]) == ("GBRG", "TOP-DOWN")
    assert "FILTER" not in header
    light = truth.lights[0]
    frame = bare(tmp_path, truth, light.file) / truth.sensor.flat(0)
    parts = {(i, j): np.median(frame[i::2, j::2]) for i in (0, 1) for j in (0, 1)}
    assert parts[0, 0] == pytest.approx(parts[1, 1], rel=0.02)  # green
    glow = {"R": 0.72 * 1.12, "G": 1.0, "B": 0.83 * 0.88}
    assert parts[1, 0] / parts[0, 0] == pytest.approx(glow["R"], rel=0.06)
    assert parts[0, 1] / parts[0, 0] == pytest.approx(glow["B"], rel=0.06)


@pytest.mark.parametrize(
    ("how", "told"),
    [({"pattern": "RGXB"}, "pattern must be four of"), ({"filters": ("L", "Ha")}, "got Ha"), ({"frames": 0}, "got 0")],
)
def test_settings_that_make_no_sense_are_refused(how: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        NightSettings(**how)  # type: ignore[arg-type]
