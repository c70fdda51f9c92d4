"""`lerar learn`: what it adds to saved graphs, what such graphs do, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from lerarlink import Graph
from lerarlink.engine.errors import GraphError, ParameterError
from lerarlink.engine.run import resolved
from lerarlink.graphs.learning import Region, learn
from lerarlink.graphs.learnt import keep_learnt
from lerarlink.tools.cli import lerar


def call(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(lerar, [str(a) for a in arguments])
    assert done.exit_code == code, done.stderr
    return done.stderr if code else done.stdout


def write(path: Path, pixels: Any) -> Path:
    header = fits.Header([("LERBLO", 0.0), ("LERBHI", 65535.0), ("ROWORDER", "TOP-DOWN")])
    fits.PrimaryHDU(np.asarray(pixels, np.float32), header).writeto(path, overwrite=True)
    return path


@pytest.fixture
def colour(field: Callable[..., Any], tmp_path: Path) -> Path:
    """A colour image whose sky has a colour cast: 400, 100 and 200 above green's."""
    truth = field(3, faintest=60.0, stars=(25, 40))
    base = truth.pixels - truth.sky
    return write(tmp_path / "rgb.fits", [base + 900.0, base + 500.0, base + 600.0])


@pytest.fixture
def saved(colour: Path, tmp_path: Path) -> Path:
    g = Graph()
    image = g.add("ReadImage", name="image", path=str(colour))
    g.add("WriteImage", name="out", image=image, path=str(tmp_path / "out.fits"))
    g.save(tmp_path / "g.yaml")
    return tmp_path / "g.yaml"


REGION = "rect 30,40,120,110"


def test_a_graph_learns_a_neutral_background_by_one_command(saved: Path, tmp_path: Path) -> None:
    told = call("learn", saved, "--region", REGION, "--recipe", "background-neutralisation", "--to", "image")
    assert "follows  image-background-neutralisation.offset = learn.bg.median - min(learn.bg.median)" in told
    g = Graph.load(saved)
    assert g.feeds("out")["image"].node == "image-background-neutralisation"
    assert g.feeds("learn")["image"].node == "image"
    call("run", saved)
    made = fits.getdata(tmp_path / "out.fits")
    skies = [np.median(c[40:150, 30:150]) for c in made]
    assert max(skies) - min(skies) < 0.5
    links = {r.param: r for r in resolved(Graph.load(saved))}
    assert links["offset"].value == pytest.approx([400 / 65535, 0.0, 100 / 65535], abs=1e-5)
    assert links["offset"].error is not None


def test_a_node_that_has_the_parameters_follows_itself(saved: Path, tmp_path: Path) -> None:
    g = Graph.load(saved)
    g.add("BackgroundNeutralization", name="neutral", image=g["image"], mode="target_background")
    g.save(saved)
    call("learn", saved, "--region", REGION, "--recipe", "background-neutralisation", "--to", "neutral")
    g = Graph.load(saved)
    assert g.links_of("neutral")["background"].expr == "learn.bg.median"
    sky = np.median(g["neutral"].compute()[:, 40:150, 30:150], axis=(1, 2)) / 65535
    assert sky == pytest.approx([0.001] * 3, abs=2e-5)


def test_every_recipe_sets_parameters_that_can_be_followed(saved: Path) -> None:
    from lerarlink.graphs.learning_recipes import RECIPES

    g = Graph.load(saved)
    luminance = g.add("ChannelExtraction", name="one", image=g["image"])
    g.add("DetectStars", name="stars", image=luminance)
    g.add("StarAlignment", name="aligned", images=[luminance, luminance])
    g.add("FrameSeriesMeasures", name="series", frames=[luminance, luminance])
    g.add("ReadImage", name="other", path=g.spec("image").params["path"])
    g.save(saved)
    to = {"star-detection": "stars", "registration": "aligned", "lerar-reference": "series"}
    for name in RECIPES:
        out = saved.with_name(f"{name}.yaml")
        more = ["--second-region", "circle 90,90,20"] if name == "white-reference" else []
        more += ["--reference", "other"] if name == "linear-fit" else []
        of = ["--of", "one"] if name in to else []
        call("learn", saved, "--region", "rect 5,5,245,245", "--recipe", name, "--to", to.get(name, "image"),
             *more, *of, "-o", out)  # fmt: skip
        g = Graph.load(out)
        found = {r.param: r.value for r in resolved(g)}
        assert found, name
        # These fields have too little range of light for a gain.
        assert {r.param for r in resolved(g) if r.how != "expression"} <= {"gain", "read_noise"}, name
    listed = call("learn", "--list")
    assert all(name in listed for name in RECIPES)


def test_the_white_reference_becomes_white_and_a_slope_goes(saved: Path, tmp_path: Path) -> None:
    y, x = np.mgrid[:200, :200]
    rng = np.random.default_rng(1)
    patch = np.hypot(x - 150, y - 50) < 25
    cube = [s + f * 3000.0 * patch + rng.normal(0, 4, x.shape) for s, f in ((500, 1.4), (400, 1.0), (450, 0.7))]
    write(tmp_path / "rgb.fits", cube)
    call("learn", saved, "--region", "rect 10,110,150,80", "--second-region", "circle 150,50,18",
         "--recipe", "white-reference", "--to", "image")  # fmt: skip
    call("run", saved)
    made = fits.getdata(tmp_path / "out.fits")
    above = [c[patch].mean() - np.median(c[110:190, 10:160]) for c in made]
    assert above == pytest.approx([3000.0] * 3, rel=0.01)
    assert [np.median(c[110:190]) for c in made] == pytest.approx([500, 400, 450], abs=2)
    call("new", saved, "-o", tmp_path / "flat.yaml")
    write(tmp_path / "rgb.fits", [700 + 0.5 * (x - 80) - 0.3 * (y - 90) + rng.normal(0, 4, x.shape)] * 3)
    g = Graph()
    g.add("ReadImage", name="image", path=str(tmp_path / "rgb.fits"))
    g.save(tmp_path / "flat.yaml")
    call("learn", tmp_path / "flat.yaml", "--region", "rect 0,0,200,200", "--recipe", "gradient", "--to", "image")
    flat = Graph.load(tmp_path / "flat.yaml")["image-gradient"].compute()[0]
    assert np.ptp([np.median(flat[a : a + 50, b : b + 50]) for a in (0, 150) for b in (0, 150)]) < 3.0
    assert np.median(flat) == pytest.approx(700 + 0.5 * 19.5 - 0.3 * 9.5, abs=1.5)


def test_an_image_is_scaled_like_another_by_what_both_show_in_a_region(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:160, :160]
    scene = 400.0 * np.exp(-np.hypot(x - 80, y - 80) / 40.0)
    scene[20:25, 30:35] += 20_000.0  # something that only one of them saw
    write(tmp_path / "a.fits", 300 + 0.4 * scene + rng.normal(0, 25, x.shape))
    scene[20:25, 30:35] = 0.0
    write(tmp_path / "b.fits", 900 + scene + rng.normal(0, 40, x.shape))
    g = Graph()
    for name in "ab":
        g.add("ReadImage", name=name, path=str(tmp_path / f"{name}.fits"))
    g.save(tmp_path / "g.yaml")
    call("learn", tmp_path / "g.yaml", "--region", "rect 5,5,150,150", "--recipe", "linear-fit", "--to", "a",
         "--reference", "b")  # fmt: skip
    g = Graph.load(tmp_path / "g.yaml")
    found = {r.param: r for r in resolved(g)}
    # Least squares with errors on one axis alone would give 2.5 times 0.94 here.
    assert found["factor"].value[0] == pytest.approx(2.5, rel=0.015)
    assert abs(found["factor"].value[0] - 2.5) < 4.0 * found["factor"].error
    fitted = g["a-linear-fit"].compute()[0]
    like = fits.getdata(tmp_path / "b.fits")
    assert np.median(fitted[130:, 130:]) == pytest.approx(np.median(like[130:, 130:]), abs=6)
    with pytest.raises(ParameterError, match="wants the image that is the reference"):
        learn(g, "linear-fit", Region("rect 5,5,150,150"), "a")


def test_noise_that_a_region_tells_is_reduced(saved: Path, tmp_path: Path) -> None:
    call("learn", saved, "--region", REGION, "--recipe", "denoise", "--to", "image")
    call("run", saved)
    before, after = fits.getdata(tmp_path / "rgb.fits"), fits.getdata(tmp_path / "out.fits")
    noise = [np.median(np.abs(np.diff(np.asarray(c[40:150, 30:150], float)))) for c in (before[0], after[0])]
    assert noise[1] < 0.35 * noise[0]
    assert after.sum(dtype=float) == pytest.approx(before.sum(dtype=float), rel=2e-3)


def test_a_stable_area_tells_the_transparency_of_frames(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:64, :64]
    lamp = 5000.0 * np.exp(-(np.hypot(x - 40, y - 22) ** 2) / 18.0)
    haze = 1.0 - 0.3 * rng.random(12)
    paths = [str(write(tmp_path / f"{k}.fits", 500 + h * lamp + rng.normal(0, 5, x.shape))) for k, h in enumerate(haze)]
    g = Graph()
    frames = g.add("ReadSeries", name="frames", paths=paths)
    g.add("FrameSeriesMeasures", name="series", frames=frames, gain="region")
    learn(g, "lerar-reference", Region("rect 30,12,20,20"), "series")
    gain = np.array(g["series"].value()["columns"]["gain"])
    assert gain == pytest.approx(haze / np.median(haze), rel=0.01)


def test_what_a_learn_link_keeps_is_given_on_any_image(saved: Path, tmp_path: Path, colour: Path) -> None:
    g = Graph.load(saved)
    sky = g.add("LearnLink", name="sky", image=g["image"], area="rect 5,5,245,245")
    sharp = g.add("Deconvolution", name="sharp", image=g["image"], psf=sky.output("psf"), iterations=2)
    g.link(sharp.output().link, "out", "image")
    g.save(saved)
    before, kernel = sky.value("measures"), np.asarray(sky.value("psf")["kernel"])
    frozen = tmp_path / "frozen.yaml"
    call("learn", saved, "--freeze", "-o", frozen)
    write(tmp_path / "rgb.fits", fits.getdata(colour) * 1.3)
    kept = Graph.load(frozen)
    after = kept["sky"].value("measures")
    # As texts, for figures that are not known are no numbers.
    assert all(str(after[name]) == str(before[name]) for name in ("bg", "noise", "gradient", "signal", "range"))
    assert np.array_equal(kept["sky"].value("psf")["kernel"], kernel)
    told = json.loads(call("run", frozen, "--dry-run", "--json"))
    assert not any("RegionMeasures" in str(n) for n in told["nodes"]), "a frozen LearnLink measures nothing"
    call("learn", frozen, "--thaw")
    again = Graph.load(frozen)["sky"].value("measures")
    assert again["bg"]["median"]["value"][0] == pytest.approx(1.3 * before["bg"]["median"]["value"][0], rel=1e-3)
    with pytest.raises(ParameterError, match="nothing was learnt yet"):
        g.set("sky", "mode", "frozen")
    for text in ("not base64!", "AAAA", base64.b64encode(zlib.compress(b"\x93\x01\x02\x03")).decode()):
        g.set("sky", "learnt", text)
        with pytest.raises(ParameterError, match="learnt"):
            g.set("sky", "mode", "frozen")


def test_frames_of_a_series_keep_no_one_figure(tmp_path: Path, colour: Path) -> None:
    paths = [str(write(tmp_path / f"{k}.fits", fits.getdata(colour) + k)) for k in range(2)]
    g = Graph()
    g.add("LearnLink", name="sky", image=g.add("ReadSeries", paths=paths), area=REGION)
    with pytest.raises(GraphError, match="each of 2 frames"):
        keep_learnt(g)
    assert g.spec("sky").params.get("mode", "relearn") == "relearn"


def test_frozen_values_replay_in_a_new_process_bit_for_bit(saved: Path, tmp_path: Path, colour: Path) -> None:
    call("learn", saved, "--region", REGION, "--recipe", "background-neutralisation", "--to", "image")
    call("learn", saved, "--region", "rect 5,5,245,245", "--recipe", "deconvolution", "--to",
         "image-background-neutralisation", "--name", "stars")  # fmt: skip
    call("run", saved)
    live = hashlib.sha256(np.ascontiguousarray(fits.getdata(tmp_path / "out.fits")).tobytes()).hexdigest()
    values = {(r.node, r.param): r.value for r in resolved(Graph.load(saved))}
    frozen = tmp_path / "frozen.yaml"
    told = json.loads(call("learn", saved, "--freeze", "-o", frozen, "--json"))
    assert {(f["node"], f["param"]) for f in told["frozen"]} == set(values)
    again = (
        "import sys, hashlib, numpy as np, lerarlink as ll\n"
        "from lerarlink.graphs.document import Graph\n"
        "from lerarlink.engine.run import resolved\n"
        "from astropy.io import fits\n"
        "g = Graph.load(sys.argv[1]); report = g.run()\n"
        "print([[r.node, r.param, r.value] for r in resolved(g)])\n"
        "print(hashlib.sha256(np.ascontiguousarray(fits.getdata(sys.argv[2])).tobytes()).hexdigest())\n"
    )
    (tmp_path / "out.fits").unlink()
    done = subprocess.run(
        [sys.executable, "-c", again, str(frozen), str(tmp_path / "out.fits")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()[-2:]
    assert {(n, p): v for n, p, v in eval(first)} == values
    assert second == live
    # Frozen, the figures stay whatever image comes in; live, they are measured in it.
    other = write(tmp_path / "other.fits", fits.getdata(colour) * 1.2 + 200.0)
    g = Graph.load(frozen)
    g.set("image", "path", str(other))
    assert {(r.node, r.param): r.value for r in resolved(g)} == values
    call("learn", frozen, "--thaw")
    g = Graph.load(frozen)
    g.set("image", "path", str(other))
    assert {(r.node, r.param): r.value for r in resolved(g)} != values


def test_what_is_learnt_follows_a_scaled_and_shifted_image(saved: Path, tmp_path: Path, colour: Path) -> None:
    """An image times 1.7 plus 0.03 of the range: sky, noise and stretch follow, the width of stars stays."""
    for recipe, to, name in (("deconvolution", "image", "stars"), ("stretch", "image-deconvolution", "sky")):
        call(
            "learn",
            saved,
            "--region",
            "rect 5,5,245,245",
            "--recipe",
            recipe,
            "--to",
            to,
            "--name",
            name,
            "--of",
            "image",
        )
    g = Graph.load(saved)
    first = {r.param: r for r in resolved(g)}
    other = write(tmp_path / "other.fits", fits.getdata(colour) * 1.7 + 0.03 * 65535)
    g.set("image", "path", str(other))
    second = {r.param: r for r in resolved(g)}
    m = g["stars"].value("measures")  # of the same region, so measured once
    assert second["noise"].value == pytest.approx(np.multiply(first["noise"].value, 1.7), rel=0.01)
    assert second["iterations"].value == first["iterations"].value
    assert second["shadows"].value == pytest.approx(first["shadows"].value * 1.7 + 0.03, rel=0.01)
    sky = float(np.mean(m["bg"]["median"]["value"])) / 65535
    x = sky - second["shadows"].value
    assert second["midtones"].value == pytest.approx((0.25 - 1) * x / ((2 * 0.25 - 1) * x - 0.25), rel=0.01)


def test_each_frame_of_a_series_learns_for_itself(tmp_path: Path, colour: Path) -> None:
    cube = fits.getdata(colour)
    paths = [str(write(tmp_path / f"{k}.fits", cube + 300.0 * k)) for k in range(3)]
    g = Graph()
    frames = g.add("ReadFrames", name="frames", paths=paths)
    g.add("BackgroundNeutralization", name="neutral", image=frames, mode="target_background")
    learn(g, "background-neutralisation", Region(REGION), "neutral")
    found = {r.frame: r.value for r in resolved(g)}
    assert sorted(found) == [0, 1, 2]
    for k in (1, 2):
        assert np.subtract(found[k], found[0]) == pytest.approx([300.0 * k / 65535] * 3, rel=1e-3)


def test_a_region_drawn_on_one_image_is_measured_in_another(saved: Path) -> None:
    g = Graph.load(saved)
    g.add("Crop", name="cut", image=g["image"], left=20, top=30)
    g.save(saved)
    call("learn", saved, "--region", REGION, "--anchor", "image", "--recipe", "gradient", "--to", "cut")
    g = Graph.load(saved)
    one = g["learn"].value("measures")
    other = g.add("MeasureRegion", image=g["cut"], area="rect 10,10,120,110").value("measures")
    assert one["region"]["box"] == other["region"]["box"] == [10, 10, 120, 130]
    assert one["noise"]["sigma"]["value"] == other["noise"]["sigma"]["value"]


def test_moving_the_region_recomputes_its_cone_only(tmp_path: Path, field: Callable[..., Any]) -> None:
    """The LRGB recipe with a background and a deconvolution that are learnt, and one of the regions moved."""
    for n, name in enumerate("rgb"):
        truth = field(20, faintest=60.0, stars=(25, 40))
        write(tmp_path / f"{name}.fits", truth.pixels + 100.0 * n)
    inputs = [f"--input={word}={tmp_path / word[0]}.fits" for word in ("red", "green", "blue")]
    graph, out = tmp_path / "lrgb.yaml", tmp_path / "o"
    call("new", "lrgb", "-o", graph, *inputs)
    call("learn", graph, "--region", "rect 10,10,64,64", "--recipe", "background-neutralisation", "--to", "neutral",
         "--name", "sky")  # fmt: skip
    call("learn", graph, "--region", "rect 5,5,245,245", "--recipe", "deconvolution", "--to", "lrgb", "--of", "rgb",
         "--name", "stars")  # fmt: skip
    call("run", graph, "--out", out)

    def outlook(*more: str) -> dict[str, str]:
        told = json.loads(call("run", graph, "--out", out, "--dry-run", "--json", *more))
        return {n["node"]: n["does"] for n in told["nodes"]}

    before = outlook()
    assert before["sky"] == before["stars"] == "stored"
    moved = outlook("--set", "sky.area=rect 150,150,64,64")
    assert moved["sky"] in ("runs", "waits")
    now = Graph.load(graph)
    cone = {n for n in now if "sky" in now.order([n])}
    # What was measured and does not follow the region stays; pixels before it are read again, in its window only.
    kept = {n for n, does in before.items() if does == "stored"} - cone
    assert kept >= {"medians-red", "medians-green", "medians-blue", "fit-red", "fit-green", "fit-blue", "stars"}
    assert {n for n in kept if moved[n] != "stored"} == set()
    assert {n for n, does in moved.items() if does == "waits"} <= cone
    assert {"neutral", "lrgb-deconvolution", "display"} <= cone


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--recipe", "background-neutralisation", "--to", "image"], "--recipe wants --region"),
        (["--region", REGION, "--recipe", "alchemy", "--to", "image"], "there is no recipe 'alchemy'"),
        (["--region", REGION, "--recipe", "stretch", "--to", "nobody"], "there is no node 'nobody'"),
        (["--region", REGION, "--recipe", "star-detection", "--to", "image"], "sets parameters of DetectStars"),
        (["--region", "blob 3", "--recipe", "stretch", "--to", "image"], "'blob' is no shape"),
        (["--region", REGION, "--recipe", "stretch", "--to", "image", "--of", "out"], "gives no image"),
        ([], "nothing to do"),
    ],
)
def test_what_cannot_be_learnt_is_refused_and_the_graph_stays(saved: Path, arguments: list[str], told: str) -> None:
    before = saved.read_bytes()
    done = CliRunner().invoke(lerar, ["learn", str(saved), *arguments])
    assert done.exit_code not in (0, 1)
    assert told in done.stderr
    assert saved.read_bytes() == before
