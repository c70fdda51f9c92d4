"""The shipped recipes load, are sound, and make what they promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from PIL import Image

from lerarlink import Graph
from lerarlink.engine.errors import GraphError
from lerarlink.graphs import format as file_format
from lerarlink.graphs import recipe
from lerarlink.graphs.check import check
from lerarlink.graphs.recipe import load_recipe, templates

NAMES = [t.name for t in templates()]
Pixels = npt.NDArray[np.float32]


def test_recipes_are_listed_with_a_line_each() -> None:
    assert NAMES == ["calibrate", "lrgb", "osc", "sho", "stretch"]
    assert all(t.doc.endswith(".") and "\n" not in t.doc for t in templates())
    with pytest.raises(GraphError, match="there is no recipe 'lrbg'; there are calibrate, lrgb, osc, sho, stretch"):
        load_recipe("lrbg")


@pytest.mark.parametrize("name", NAMES)
def test_recipes_are_sound_and_lack_nothing_but_their_inputs(name: str) -> None:
    g = load_recipe(name)
    assert check(g, template=True) == []
    needed = {i.name for i in g.inputs.values() if not i.optional}
    assert {p.cure.removeprefix("give it a file: ").removesuffix("=PATH") for p in check(g)} == needed
    for i in needed:
        g.bind(i, "x.fits")
    assert check(g) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_input_and_setting_reaches_a_parameter_that_is_there(name: str) -> None:
    g = load_recipe(name)
    for item in g.inputs.values():
        assert g.spec(item.node).find().params[item.param].file == "input"
        assert item.doc
    for setting in g.settings.values():
        assert setting.doc
        for node, param in setting.sets:
            assert param in g.spec(node).find().params


@pytest.mark.parametrize("name", NAMES)
def test_recipes_are_kept_as_save_writes_them(name: str) -> None:
    path = Path(recipe.__file__).parent / "recipes" / f"{name}.yaml"
    assert file_format.encode(load_recipe(name).to_document(), "yaml") == path.read_bytes()


def test_a_recipe_is_new_each_time_and_sees_paths_from_here(tmp_path: Path) -> None:
    g = load_recipe("stretch")
    g.bind("image", "x.fits")
    assert g.spec("image").params == {"path": "x.fits"}
    assert g.folder is None
    assert load_recipe("stretch").spec("image").params == {}


# -- made -----------------------------------------------------------------------------------------------


def sky(seed: int, gain: float, offset: float) -> Pixels:
    """Return one scene (the same for all seeds) as a camera of some gain and offset sees it, with noise."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:64, :80]
    scene = 0.02 + 0.02 * x / 80
    for _ in range(15):
        cy, cx, peak = rng.uniform(0, 64), rng.uniform(0, 80), rng.uniform(0.05, 0.5)
        scene = scene + peak * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 5)
    noise = np.random.default_rng(seed).normal(0, 1e-4, scene.shape)
    return (offset + gain * (scene + noise)).astype(np.float32)


TRUTH = {"red": (0.8, 0.004), "green": (1.0, 0.001), "blue": (1.1, 0.002)}


@pytest.fixture
def masters(tmp_path: Path) -> dict[str, str]:
    made = {}
    header = fits.Header([("LERBLO", 0.0), ("LERBHI", 1.0), ("ROWORDER", "TOP-DOWN")])
    for seed, (name, (gain, offset)) in enumerate({**TRUTH, "luminance": (1.0, 0.0)}.items()):
        made[name] = str(tmp_path / f"{name}.fits")
        fits.PrimaryHDU(sky(seed, gain, offset), header).writeto(made[name])
    return made


def lrgb(masters: dict[str, str], out: Path, names: str, **values: Any) -> Graph:
    g = load_recipe("lrgb")
    for name in names.split():
        g.bind(name, masters[name])
    for name, ending in (("linear_file", "linear.fits"), ("stretched_file", "s.fits"), ("picture_file", "p.png")):
        g.adjust(name, str(out / ending))
    for name, value in values.items():
        g.adjust(name, value)
    return g


def test_lrgb_crops_measures_fits_and_writes(masters: dict[str, str], tmp_path: Path) -> None:
    g = lrgb(masters, tmp_path, "red green blue", crop_left=3, crop_top=2, crop_right=1, crop_bottom=5)
    report = g.run()
    assert sorted(Path(p).name for p in report.written) == ["linear.fits", "p.png", "s.fits"]
    part = (slice(2, 59), slice(3, 79))
    for name in TRUTH:
        wanted = np.median(fits.getdata(masters[name])[part].astype(np.float64))
        assert report.values[f"medians-{name}"]["channels"][0]["median"] == pytest.approx(wanted, rel=1e-12)
        gain, offset = TRUTH[name]
        line = report.values[f"fit-{name}"]["channels"][0]
        # green = 0.001 + scene = 0.001 + (channel - offset) / gain
        assert line["b"] == pytest.approx(1 / gain, rel=0.01)
        assert line["a"] == pytest.approx(0.001 - offset / gain, abs=1e-4)
    linear = fits.getdata(tmp_path / "linear.fits")
    assert linear.shape == (3, 57, 76)
    spread = np.median(linear, axis=(1, 2))
    assert np.ptp(spread) < 1e-3
    stretched = fits.getdata(tmp_path / "s.fits")
    assert np.median(stretched) == pytest.approx(0.25, abs=0.05)
    with Image.open(tmp_path / "p.png") as opened:
        picture = np.asarray(opened)
    assert picture.shape == (57, 76, 3)
    assert picture.std() > 5
    assert "medians-luminance" not in report.values


def test_lrgb_takes_its_lightness_from_luminance_where_given(masters: dict[str, str], tmp_path: Path) -> None:
    without = lrgb(masters, tmp_path, "red green blue")["lrgb"].compute()
    g = lrgb(masters, tmp_path, "red green blue luminance")
    given = g["lrgb"].compute()
    assert given.shape == without.shape
    assert not np.allclose(given, without)
    report = g.run(["medians-luminance"])
    wanted = np.median(fits.getdata(masters["luminance"]).astype(np.float64))
    assert report.values["medians-luminance"]["channels"][0]["median"] == pytest.approx(wanted, rel=1e-12)


def test_lrgb_fits_to_the_brightest_when_told_to(masters: dict[str, str], tmp_path: Path) -> None:
    lines = {}
    for choice, index in (("first", 0), ("brightest", 2)):
        g = lrgb(masters, tmp_path, "red green blue", reference=choice)
        assert g["reference"].value("measures")["index"] == index
        lines[choice] = {n: g[f"fit-{n}"].value("line")["channels"][0]["b"] for n in TRUTH}
    assert lines["first"]["green"] == pytest.approx(1.0, abs=1e-9)
    assert lines["brightest"]["blue"] == pytest.approx(1.0, abs=1e-9)
    assert lines["brightest"]["red"] == pytest.approx(1.1 / 0.8, rel=0.01)


def test_lrgb_has_the_same_keys_from_both_kinds_of_files(masters: dict[str, str], tmp_path: Path) -> None:
    g = lrgb(masters, tmp_path, "red green blue luminance")
    wanted = g["stretched"].image.key
    for suffix in (".lerar", ".yaml"):
        g.save(tmp_path / f"g{suffix}")
        assert Graph.load(tmp_path / f"g{suffix}")["stretched"].image.key == wanted


def test_stretch_writes_a_picture(masters: dict[str, str], tmp_path: Path) -> None:
    g = load_recipe("stretch")
    g.bind("image", masters["green"])
    g.adjust("stretched_file", str(tmp_path / "s.fits"))
    g.adjust("picture_file", str(tmp_path / "p.png"))
    g.adjust("target_background", 0.15)
    g.run()
    assert np.median(fits.getdata(tmp_path / "s.fits")) == pytest.approx(0.15, abs=0.03)
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size == (80, 64)


def test_calibrate_does_with_the_masters_it_is_given(masters: dict[str, str], tmp_path: Path) -> None:
    truth = fits.getdata(masters["green"])
    bias = np.full(truth.shape, 0.01, np.float32)
    flat = np.linspace(0.7, 1.3, truth.shape[1], dtype=np.float32)[None].repeat(truth.shape[0], 0) * 0.5
    header = fits.Header([("LERBLO", 0.0), ("LERBHI", 1.0)])
    for name, pixels in (("light", truth * flat / 0.5 + bias), ("bias", bias), ("flat", flat)):
        fits.PrimaryHDU(pixels.astype(np.float32), header).writeto(tmp_path / f"{name}.fits")
    g = load_recipe("calibrate")
    for name in ("light", "bias", "flat"):
        g.bind(name, str(tmp_path / f"{name}.fits"))
    g.adjust("calibrated_file", str(tmp_path / "c.fits"))
    g.adjust("picture_file", str(tmp_path / "c.png"))
    g.run()
    np.testing.assert_allclose(fits.getdata(tmp_path / "c.fits"), truth, rtol=2e-3, atol=1e-6)
    g = load_recipe("calibrate")
    g.bind("light", str(tmp_path / "light.fits"))
    np.testing.assert_allclose(g["calibrated"].compute()[0], truth * flat / 0.5 + bias, rtol=1e-6)


def files_to(g: Graph, out: Path) -> Graph:
    for name, ending in (("linear_file", "linear.fits"), ("stretched_file", "s.fits"), ("picture_file", "p.png")):
        g.adjust(name, str(out / ending))
    return g


def test_sho_shows_sii_ha_and_oiii_as_red_green_and_blue(masters: dict[str, str], tmp_path: Path) -> None:
    g = files_to(load_recipe("sho"), tmp_path)
    # Ha has ten times the light of the others: the picture must not be green for it.
    header, given = fits.getheader(masters["green"]), {}
    for name, source, factor in (("sii", "red", 0.1), ("ha", "green", 1.0), ("oiii", "blue", 0.1)):
        given[name] = (factor * fits.getdata(masters[source])).astype(np.float32)
        fits.PrimaryHDU(given[name], header).writeto(tmp_path / f"{name}.fits")
        g.bind(name, str(tmp_path / f"{name}.fits"))
    g.adjust("crop_left", 4)
    g.run()
    linear = fits.getdata(tmp_path / "linear.fits").astype(np.float64)
    assert linear.shape == (3, 64, 76)
    for channel, name in zip(linear, ("sii", "ha", "oiii"), strict=True):
        assert np.corrcoef(channel.ravel(), given[name][:, 4:].astype(np.float64).ravel())[0, 1] > 0.9999999
    assert np.ptp(np.median(linear, axis=(1, 2))) < 1e-6
    sky = np.median(fits.getdata(tmp_path / "s.fits"), axis=(1, 2))
    assert sky == pytest.approx([0.25] * 3, abs=0.01)


def test_osc_makes_the_sky_of_a_colour_camera_gray_and_keeps_its_colours(
    masters: dict[str, str], tmp_path: Path
) -> None:
    channels = np.stack([fits.getdata(masters[n]) for n in ("red", "green", "blue")])
    header = fits.Header([("LERBLO", 0.0), ("LERBHI", 1.0), ("ROWORDER", "TOP-DOWN")])
    fits.PrimaryHDU(channels.astype(np.float32), header).writeto(tmp_path / "osc.fits")
    g = files_to(load_recipe("osc"), tmp_path)
    g.bind("image", str(tmp_path / "osc.fits"))
    g.run()
    linear = fits.getdata(tmp_path / "linear.fits").astype(np.float64)
    assert np.ptp(np.median(linear, axis=(1, 2))) < 1e-6
    spread = [np.std(c) for c in linear]
    assert spread[2] / spread[0] == pytest.approx(1.1 / 0.8, rel=0.01)
    assert np.median(fits.getdata(tmp_path / "s.fits"), axis=(1, 2)) == pytest.approx([0.25] * 3, abs=0.02)
