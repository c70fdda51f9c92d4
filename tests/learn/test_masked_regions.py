"""Regions of which a mask image leaves samples out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from lerarlink import Graph
from lerarlink.engine.errors import EngineError
from lerarlink.engine.run import resolved
from lerarlink.graphs.check import check
from lerarlink.graphs.learning import Region, learn
from lerarlink.tools.cli import lerar

AREA = "rect 40,50,150,140"
Given = Callable[..., Any]


def measured(given: Given, pixels: Any, mask: Any = None, process: str = "MeasureRegion", **params: Any) -> Any:
    """Return the node that measures pixels, with a mask whose range is 0 to 1."""
    g = Graph()
    image = given(g, np.asarray(pixels, np.float32), bounds=(0.0, 65535.0))
    more = {} if mask is None else {"mask": given(g, np.asarray(mask, np.float32), bounds=(0.0, 1.0))}
    return g.add(process, name="sky", image=image, **({"area": AREA} | more | params))


def plain(value: Any) -> Any:
    """Return a Value as what can be compared bit by bit, NaN and all."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value)


def object_and_sky(seed: int = 1) -> tuple[Any, Any]:
    """Return a sky of 500 ADU with noise of 8 and a galaxy that covers most of the region; and where the galaxy is."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256]
    r = np.hypot(x - 115, y - 120)
    pixels = 500.0 + rng.normal(0.0, 8.0, x.shape) + np.where(r < 55, 3000.0 * np.exp(-r / 25.0), 0.0)
    return pixels, r < 56


def test_the_sky_around_a_masked_object_is_the_true_one(given: Given) -> None:
    pixels, bright = object_and_sky()
    open_sky = measured(given, pixels).value("measures")
    assert open_sky["signal"]["mean"]["value"][0] > 700.0
    m = measured(given, pixels, ~bright).value("measures")
    assert m["bg"]["median"]["value"][0] == pytest.approx(500.0, abs=0.3)
    assert m["signal"]["mean"]["value"][0] == pytest.approx(500.0, abs=0.3)
    assert m["noise"]["sigma"]["value"][0] == pytest.approx(8.0, rel=0.02)
    assert m["range"]["p999"]["value"][0] < 530.0
    left = 1.0 - np.count_nonzero(bright[50:190, 40:190]) / (150 * 140)
    assert m["region"]["coverage"] == pytest.approx(left, abs=1e-9)
    assert m["signal"]["mean"]["n"] == round(150 * 140 * left)


@pytest.mark.parametrize("options", [{}, {"strip_samples": 256 * 3, "workers": 2}, {"scheduler": "sync"}])
def test_masked_samples_count_as_missing_ones_to_the_last_bit(
    given: Given, field: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    truth = field(1, faintest=60.0, stars=(25, 40))
    y, x = np.mgrid[:256, :256]
    out = (np.hypot(x - 120, y - 110) < 30) | (x < 50)
    mask = np.where(out, 0.49, 0.5)
    mask[out & (y > 110)] = np.nan
    by_mask = measured(given, truth.pixels, mask, psf_fallback="frame")
    by_hand = measured(given, np.where(out, np.nan, truth.pixels), psf_fallback="frame")
    wanted = {port: by_hand.value(port) for port in ("measures", "psf", "stars")}
    if strip := options.pop("strip_samples", 0):
        monkeypatch.setenv("LERAR_STRIP_SAMPLES", str(strip))
    found = {port: by_mask.value(port, **options) for port in wanted}
    for of in (found, wanted):
        for name in ("coverage", "size"):
            del of["measures"]["region"][name]
    assert np.isfinite(found["measures"]["psf"]["fwhm"]["value"])
    assert plain(found) == plain(wanted)


def test_each_channel_may_have_a_mask_of_its_own(given: Given) -> None:
    pixels, bright = object_and_sky()
    cube = np.stack([pixels, pixels + 100.0, pixels + 200.0])
    masks = np.stack([~bright, np.ones_like(bright), ~bright])
    m = measured(given, cube, masks).value("measures")
    assert m["bg"]["median"]["value"][::2] == pytest.approx([500.0, 700.0], abs=0.3)
    assert m["signal"]["mean"]["value"][1] > 800.0
    assert m["signal"]["mean"]["n"] < 150 * 140
    one = measured(given, cube, ~bright).value("measures")
    assert one["bg"]["median"]["value"] == pytest.approx([500.0, 600.0, 700.0], abs=0.3)
    assert m["region"]["coverage"] == one["region"]["coverage"]


def test_the_line_between_two_images_is_that_of_what_the_mask_keeps(given: Given) -> None:
    pixels, _ = object_and_sky()
    flare = np.hypot(*(np.mgrid[:256, :256] - np.array([90, 120])[:, None, None])) < 30
    other = 0.5 * pixels + 100.0 + np.random.default_rng(9).normal(0.0, 4.0, pixels.shape)
    g = Graph()
    seen = np.where(flare, pixels + 2000.0, pixels)
    image, reference = (given(g, p, bounds=(0.0, 65535.0)) for p in (seen, other))
    mask = given(g, ~flare, bounds=(0.0, 1.0))
    line = g.add("RegionLine", image=image, reference=reference, mask=mask, area=AREA).value()["line"]
    assert line["scale"]["value"] == pytest.approx(0.5, rel=0.01)
    assert line["scale"]["n"] <= 150 * 140 - np.count_nonzero(flare[50:190, 40:190])


@pytest.mark.parametrize(
    ("mask", "params", "told"),
    [
        (np.ones((100, 256)), {}, "the mask is 256x100, the image 256x256"),
        (np.ones((3, 256, 256)), {}, "the mask has 3 channels, the image 1"),
        (np.zeros((256, 256)), {}, r"LRN-1: the mask leaves 0.0% of 'rect 40,50,150,140', min_coverage is 50.0%"),
        (np.arange(256) >= np.full((256, 1), 188), {"min_coverage": 0.0, "min_pixels": 500}, "the mask leaves 280 px"),
    ],
)
def test_masks_that_do_not_fit_or_leave_too_little_are_refused(
    given: Given, mask: Any, params: dict[str, Any], told: str
) -> None:
    pixels, _ = object_and_sky()
    with pytest.raises(EngineError, match=told):
        measured(given, pixels, mask, **params).value("measures")


def test_a_process_that_takes_a_mask_itself_is_not_blended_and_is_saved(given: Given, tmp_path: Path) -> None:
    pixels, bright = object_and_sky()
    node = measured(given, pixels, ~bright, process="LearnLink")
    g = node._graph
    assert [p for p in check(g) if p.node == "sky"] == []
    g.save(tmp_path / "g.yaml")
    assert Graph.load(tmp_path / "g.yaml").feeds("sky") == g.feeds("sky")
    told = node.value("measures")["bg"]
    assert told == measured(given, pixels, ~bright).value("measures")["bg"]


def stored(graph: Graph, node: str) -> str:
    return str(graph[node].image.key)


def test_a_mask_counts_where_it_meets_the_region_and_changes_nothing_elsewhere(given: Given) -> None:
    pixels, bright = object_and_sky()
    keys, values = [], []
    for spot in (None, (250, 200), (40, 200)):
        mask = ~bright
        if spot:
            mask[spot[0] : spot[0] + 5, spot[1] - 60 : spot[1] + 5] = False
        g = measured(given, pixels, mask, process="LearnLink", area="rect 170,10,80,70")._graph
        image = g.feeds("sky")["image"]
        g.add("ChannelLevels", name="out", image=g[image.node], offset="= sky.bg.median")
        values.append([r.value for r in resolved(g)])
        keys.append(stored(g, "out"))
    assert values[0] == values[1] != values[2]
    assert keys[0] == keys[1] != keys[2]


# -- lerar learn ----------------------------------------------------------------------------------------------


def test_a_graph_learns_with_a_mask_made_of_the_image_itself(tmp_path: Path) -> None:
    pixels, _ = object_and_sky()
    header = fits.Header([("LERBLO", 0.0), ("LERBHI", 65535.0), ("ROWORDER", "TOP-DOWN")])
    cube = np.stack([pixels + 300.0, pixels, pixels + 100.0]).astype(np.float32)
    fits.PrimaryHDU(cube, header).writeto(tmp_path / "rgb.fits")
    g = Graph()
    image = g.add("ReadImage", name="image", path=str(tmp_path / "rgb.fits"))
    one = g.add("ChannelExtraction", name="one", image=image)
    bw = g.add("Binarize", name="bright", image=one, threshold_rk=840.0 / 65535.0)
    g.add("Invert", name="dark", image=bw)
    g.add("WriteImage", name="out", image=image, path=str(tmp_path / "out.fits"))
    g.save(tmp_path / "g.yaml")
    arguments = ["learn", str(tmp_path / "g.yaml"), "--region", AREA, "--recipe", "background-neutralisation",
                 "--to", "image", "--mask", "dark", "--json"]  # fmt: skip
    done = CliRunner().invoke(lerar, arguments)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["measuring"] == ["learn"]
    g = Graph.load(tmp_path / "g.yaml")
    assert g.feeds("learn")["mask"].node == "dark"
    # What the mask is made of stays before what it tells; what is written comes behind.
    assert g.feeds("one")["image"].node == "image"
    assert g.feeds("out")["image"].node == "image-background-neutralisation"
    assert {r.param: r.value for r in resolved(g)}["offset"] == pytest.approx(
        [300 / 65535, 0.0, 100 / 65535], abs=1e-5
    )
    before = (tmp_path / "g.yaml").read_bytes()
    done = CliRunner().invoke(lerar, [*arguments[:-2], "nobody"])
    assert done.exit_code not in (0, 1)
    assert "there is no node 'nobody'" in done.stderr
    assert (tmp_path / "g.yaml").read_bytes() == before


def test_a_mask_is_part_of_what_is_measured_already(given: Given) -> None:
    pixels, bright = object_and_sky()
    g = measured(given, pixels, ~bright)._graph
    image, mask = g.feeds("sky")["image"].node, g.feeds("sky")["mask"].node
    same = learn(g.copy(), "stretch", Region(AREA, image, mask=mask), image)
    other = learn(g.copy(), "stretch", Region(AREA, image), image)
    assert same.measuring == ("sky",)
    assert other.measuring == ("learn",)
