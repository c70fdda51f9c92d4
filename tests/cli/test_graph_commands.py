"""Commands on graphs: run, show, new, templates, and stats and preview of nodes."""

from __future__ import annotations

import json
import xml.etree.ElementTree
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import yaml
from astropy.io import fits

from lerarlink.graphs.document import Graph

Lerar = Callable[..., Any]
MakeFits = Callable[..., Path]
Find = Callable[[str], Path]


def write_graph(path: Path, nodes: Mapping[str, Any]) -> Path:
    """Write a graph of nodes given as name -> (process, params, feeds)."""
    made = [
        {"name": n, "process": process, "version": 1, "params": params, "feeds": feeds}
        for n, (process, params, feeds) in nodes.items()
    ]
    path.write_text(yaml.safe_dump({"format": "lerarlink graph", "version": 1, "nodes": made}))
    return path


@pytest.fixture
def inverted(make_fits: MakeFits, tmp_path: Path) -> Path:
    """A graph that measures a file and writes its negative to inverted.fits."""
    return write_graph(
        tmp_path / "g.yaml",
        {
            "read": ("io.read_image", {"path": make_fits().name}, {}),
            "numbers": ("measure.statistics", {}, {"image": "read.image"}),
            "invert": ("math.invert", {}, {"image": "read.image"}),
            "write": ("io.write_image", {"path": "inverted.fits"}, {"image": "invert.image"}),
        },
    )


@pytest.fixture
def masters(make_fits: MakeFits) -> list[str]:
    """Arguments that give the lrgb recipe three small masters of one sky with different gains."""
    gains = {"red": 0.7, "green": 1.0, "blue": 0.5}
    return [f"--input={name}={make_fits(f'{name}.fits', gain=gain)}" for name, gain in gains.items()]


# -- run ------------------------------------------------------------------------------------------


def test_run_writes_the_outputs_and_prints_their_names(run_lerar: Lerar, inverted: Path, tmp_path: Path) -> None:
    done = run_lerar("run", inverted, "--out", tmp_path / "new" / "out")
    out = tmp_path / "new" / "out" / "inverted.fits"
    assert (done.exit_code, done.stdout) == (0, f"{out}\n")
    assert "1 measured" in done.stderr and "1 written" in done.stderr
    before = fits.getdata(tmp_path / "sky.fits").astype(np.float64)
    np.testing.assert_array_equal(fits.getdata(out), 65535.0 - before)


def test_run_tells_what_it_did_as_json_and_recalls_what_it_knows(
    run_lerar: Lerar, inverted: Path, tmp_path: Path
) -> None:
    first = json.loads(run_lerar("run", inverted, "--out", tmp_path, "--json").stdout)
    again = json.loads(run_lerar("run", inverted, "--out", tmp_path, "--json").stdout)
    assert first["states"] == {"numbers": "measured", "write": "written"}
    assert again["states"] == {"numbers": "recalled", "write": "written"}
    assert first["values"]["numbers"] == again["values"]["numbers"]
    sky = fits.getdata(tmp_path / "sky.fits")
    assert first["values"]["numbers"]["channels"][0]["median"] == np.median(sky)
    assert again["written"] == [str(tmp_path / "inverted.fits")]


def test_quiet_says_nothing_but_the_result(run_lerar: Lerar, inverted: Path, tmp_path: Path) -> None:
    done = run_lerar("run", inverted, "--out", tmp_path, "--quiet", "--progress")
    assert (done.exit_code, done.stderr) == (0, "")


def test_progress_in_a_log_is_a_line_for_each_stage(run_lerar: Lerar, inverted: Path, tmp_path: Path) -> None:
    lines = run_lerar("run", inverted, "--out", tmp_path, "--progress").stderr.splitlines()
    assert lines[0].startswith("stage 1: measure numbers: 1/1 bands")
    assert any(line.startswith("stage 2: write write:") and "B/s" in line for line in lines)


@pytest.mark.parametrize("scheduler", ["threads", "sync", "processes"])
def test_every_scheduler_writes_the_same_bytes(
    run_lerar: Lerar, inverted: Path, tmp_path: Path, scheduler: str
) -> None:
    run_lerar("run", inverted, "--out", tmp_path / "a")
    done = run_lerar("run", inverted, "--out", tmp_path / "b", "--scheduler", scheduler, "--workers", "2")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "a/inverted.fits").read_bytes() == (tmp_path / "b/inverted.fits").read_bytes()


def test_an_input_replaces_what_a_node_reads(
    run_lerar: Lerar, inverted: Path, make_fits: MakeFits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_fits("sub.fits", height=11)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    # Seen from here, not from the folder of the graph file.
    assert run_lerar("run", inverted, "--input", f"read=../{other.name}", "--out", "o").exit_code == 0
    assert fits.getdata("o/inverted.fits").shape == (11, 80)


def test_settings_are_typed_by_the_declaration(run_lerar: Lerar, inverted: Path, tmp_path: Path) -> None:
    given = ["write.sample_format=uint16", "numbers.percentiles=10,20.5", "numbers.box=null"]
    settings = [f"--set={text}" for text in given]
    told = json.loads(run_lerar("run", inverted, "--out", tmp_path, "--json", *settings).stdout)
    assert fits.getheader(tmp_path / "inverted.fits")["BITPIX"] == 16
    assert [p for p, _ in told["values"]["numbers"]["channels"][0]["percentiles"]] == [10.0, 20.5]


def test_a_target_makes_what_it_needs_and_nothing_else(run_lerar: Lerar, inverted: Path, tmp_path: Path) -> None:
    told = json.loads(run_lerar("run", inverted, "--out", tmp_path / "o", "--json", "--target", "numbers").stdout)
    assert (told["states"], told["written"]) == ({"numbers": "measured"}, [])


def test_pinned_pixels_are_kept_in_the_store(run_lerar: Lerar, inverted: Path, tmp_path: Path) -> None:
    told = json.loads(run_lerar("run", inverted, "--out", tmp_path, "--json", "--pin", "invert").stdout)
    assert told["states"]["invert"] == "kept"
    assert json.loads(run_lerar("cache", "ls", "--json").stdout)["kinds"]["pixels"]["files"] == 1


def test_a_series_takes_many_files_and_patterns(run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path) -> None:
    for n in range(3):
        make_fits(f"light{n}.fits", height=10 + n)
    graph = write_graph(
        tmp_path / "s.yaml",
        {
            "lights": ("io.read_series", {"paths": ["none.fits"]}, {}),
            "numbers": ("measure.statistics", {}, {"image": "lights.image"}),
        },
    )
    given = ["--input", f"lights={tmp_path}/light[01].fits", "--input", f"lights={tmp_path / 'light2.fits'}"]
    done = run_lerar("run", graph, "--json", *given)
    assert done.exit_code == 0, done.stderr
    values = json.loads(done.stdout)["values"]
    assert [values[f"numbers[{n}]"]["channels"][0]["count"] for n in range(3)] == [800, 880, 960]
    none = run_lerar("run", graph, "--input", f"lights={tmp_path}/dark*.fits")
    assert none.exit_code == 3 and "no file matches" in none.error


# -- dry run --------------------------------------------------------------------------------------


def tree(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file()}


def outlook(done: Any) -> dict[str, str]:
    assert done.exit_code == 0, done.stderr
    return {n["node"]: n["does"] for n in json.loads(done.stdout)["nodes"]}


def test_a_dry_run_says_what_is_stored_and_what_runs_and_writes_nothing(
    run_lerar: Lerar, inverted: Path, tmp_path: Path, private_store: Path
) -> None:
    call = ["run", inverted, "--out", tmp_path / "o", "--dry-run", "--json"]
    before = tree(tmp_path), tree(private_store)
    cold = run_lerar(*call)
    assert outlook(cold) == {"read": "reads", "numbers": "runs", "invert": "runs", "write": "writes"}
    assert json.loads(cold.stdout)["outputs"] == [str(tmp_path / "o" / "inverted.fits")]
    assert (tree(tmp_path), tree(private_store)) == before
    run_lerar(*call[:4])
    before = tree(tmp_path), tree(private_store)
    assert outlook(run_lerar(*call))["numbers"] == "stored"
    assert (tree(tmp_path), tree(private_store)) == before


def test_a_dry_run_knows_that_a_changed_parameter_changes_what_follows(
    run_lerar: Lerar, masters: list[str], tmp_path: Path
) -> None:
    out = ["--out", str(tmp_path / "o")]
    assert run_lerar("run", "lrgb", *masters, *out).exit_code == 0
    call = ["run", "lrgb", *masters, *out, "--dry-run", "--json"]
    assert outlook(run_lerar(*call))["display"] == "stored"
    changed = outlook(run_lerar(*call, "--set", "crop-red.left=2", "--set", "crop_right=0", "--target", "medians-red"))
    assert changed["medians-red"] == "runs"
    assert changed["display"] == changed["medians-blue"] == "rests"
    # Only blue is scaled anew: what is known of the other masters stays known.
    changed = outlook(run_lerar(*call, "--set", "fit-blue.reject_high=0.8"))
    assert changed["medians-red"] == changed["fit-red"] == "stored"
    assert changed["fit-blue"] == changed["neutral"] == "runs"
    assert changed["luminance"] == "absent"


def test_a_dry_run_tells_what_is_kept_from_pass_to_pass_because_it_took_long(
    run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lerarlink.engine.costs._LEAST", 0.0)
    g = Graph()
    image = g.add("ReadImage", name="read", path=str(make_fits(height=60, width=80)))
    smooth = g.add("PixelMath", name="smooth", image=image, expression="medfilt($T, 9)")
    display = g.add("ScreenTransferFunction", name="display", image=smooth)
    shown = g.add("HistogramTransformation", name="shown", image=smooth, display=display)
    g.add("WriteImage", name="write", image=shown, path="shown.fits")
    g.save(tmp_path / "g.yaml")
    call = ["run", tmp_path / "g.yaml", "--out", tmp_path / "o"]

    def told() -> str:
        done = run_lerar(*call, "--set", "display.target_background=0.2", "--dry-run", "--json")
        return {n["node"]: n["why"] for n in json.loads(done.stdout)["nodes"]}["smooth"]

    assert told() == "its pixels are made strip by strip where they are needed"
    assert run_lerar(*call).exit_code == 0
    assert told() == "its pixels are made once and kept for later passes, as far as memory goes"


def test_a_dry_run_is_a_table_with_reasons(run_lerar: Lerar, inverted: Path, tmp_path: Path) -> None:
    text = run_lerar("run", inverted, "--dry-run").stdout
    assert "was not read before" in text and "80 x 60 x 1" in text and "inverted.fits" in text


def test_a_dry_run_finds_the_errors_that_headers_tell(run_lerar: Lerar, inverted: Path) -> None:
    done = run_lerar("run", inverted, "--dry-run", "--input", "read=nothing.fits")
    assert done.exit_code == 3 and "nothing.fits" in done.error


# -- bad graphs and bad inputs --------------------------------------------------------------------


def bad_graphs(sky: str) -> dict[str, tuple[dict[str, Any], int, str]]:
    """Return graphs with one thing wrong each, their exit codes, and what the error must say."""
    on = {"image": "read.image"}
    good = {
        "read": ("io.read_image", {"path": sky}, {}),
        "x": ("math.invert", {}, on),
        "write": ("io.write_image", {"path": "out.fits"}, {"image": "x.image"}),
    }

    def write(**params: Any) -> tuple[str, Any, Any]:
        return "io.write_image", params, {"image": "x.image"}

    after_stretch = {
        "s": ("stretch.histogram_transformation", {}, on),
        "x": ("color.linear_fit", {}, {"image": "s.image", "reference": "read.image"}),
    }
    circle = {"x": ("math.invert", {}, {"image": "y.image"}), "y": ("math.clip", {}, {"image": "x.image"})}
    return {
        "unlinked port": ({**good, "x": ("math.invert", {}, {})}, 4, "Lerar Link unresolved"),
        "circle": ({**good, **circle}, 4, "links run in a circle: x -> y -> x"),
        "unknown parameter": ({**good, "x": ("math.invert", {"much": 1}, on)}, 4, "'much'"),
        "out of range": ({**good, "write": write(path="a.jpg", quality=0)}, 4, "quality must lie in [1, 100], got 0"),
        "unknown process": ({**good, "x": ("math.revert", {}, on)}, 6, "'math.revert'"),
        "linear after stretch": ({**good, **after_stretch}, 4, "move 'x' before 's'"),
        "missing file": ({**good, "read": ("io.read_image", {"path": "no.fits"}, {})}, 3, "no.fits"),
        "no such port": ({**good, "x": ("math.invert", {}, {"image": "read.imago"})}, 4, "imago"),
        "unknown format": ({**good, "write": write(path="a.doc")}, 4, ".doc"),
    }


@pytest.mark.parametrize("case", list(bad_graphs("")))
@pytest.mark.parametrize("dry", [False, True])
def test_a_bad_graph_is_told_in_one_line_and_leaves_nothing(
    run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path, case: str, dry: bool
) -> None:
    nodes, code, told = bad_graphs(make_fits().name)[case]
    graph = write_graph(tmp_path / "bad.yaml", nodes)
    before = tree(tmp_path)
    done = run_lerar("run", graph, "--out", tmp_path / "out", *(["--dry-run"] if dry else []))
    if dry and case == "unknown format":
        return  # a writer is asked for its format when it begins to write
    assert done.exit_code == code, done.stderr
    assert told in done.error
    assert tree(tmp_path) == before and not (tmp_path / "out").exists()


def test_images_of_different_sizes_are_told_with_both_sizes(
    run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path
) -> None:
    paths = {"red": make_fits("r.fits"), "green": make_fits("g.fits", width=79), "blue": make_fits("b.fits")}
    done = run_lerar("run", "lrgb", *(f"--input={n}={p}" for n, p in paths.items()), "--out", tmp_path / "out")
    assert done.exit_code == 4
    assert "80x60" in done.error and "79x60" in done.error
    assert not (tmp_path / "out").exists()


def test_a_truncated_source_leaves_no_partial_output(
    run_lerar: Lerar, inverted: Path, make_fits: MakeFits, tmp_path: Path
) -> None:
    (tmp_path / "cut.fits").write_bytes(make_fits("big.fits", height=300).read_bytes()[:30000])
    for scheduler in ("threads", "processes"):
        arguments = ["--input", f"read={tmp_path / 'cut.fits'}", "--out", tmp_path / "out", "--scheduler", scheduler]
        done = run_lerar("run", inverted, *arguments)
        assert done.exit_code == 3 and "cut.fits" in done.error, scheduler
        assert not (tmp_path / "out").exists()


def test_all_problems_of_a_graph_are_told(run_lerar: Lerar, tmp_path: Path) -> None:
    nodes = {"x": ("math.invert", {}, {}), "y": ("math.invert", {"a": 1}, {"image": "x.image"}), "z": ("no.no", {}, {})}
    done = run_lerar("run", write_graph(tmp_path / "bad.yaml", nodes))
    lines = done.stderr.splitlines()
    assert done.exit_code == 6
    assert len(lines) == 3 and all(line.startswith("error: ") for line in lines)


def test_what_the_target_does_not_need_may_be_broken(run_lerar: Lerar, inverted: Path) -> None:
    document = yaml.safe_load(inverted.read_text())
    document["nodes"].append({"name": "broken", "process": "no.such", "version": 1, "feeds": {"image": "read.image"}})
    inverted.write_text(yaml.safe_dump(document))
    assert run_lerar("run", inverted, "--target", "numbers").exit_code == 0
    assert run_lerar("stats", f"{inverted}:read").exit_code == 0
    assert run_lerar("run", inverted).exit_code == 6


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--set", "invert.much=1"], 4, "Invert has no parameter 'much'"),
        (["--set", "nobody.much=1"], 4, "no node 'nobody'"),
        (["--set", "much=1"], 4, "NODE.PARAM"),
        (["--set", "write.quality=1000"], 4, "quality must lie in [1, 100]"),
        (["--set", "write.quality"], 4, "name=value"),
        (["--input", "write=x.fits"], 4, "no input 'write'"),
        (["--input", "read=a.fits", "--input", "read=b.fits"], 4, "takes one file, got 2"),
        (["--target", "nobody"], 4, "no node 'nobody'"),
        (["--pin", "nobody"], 4, "no node 'nobody'"),
        (["--workers", "0"], 2, "--workers"),
        (["--scheduler", "gpu"], 2, "--scheduler"),
    ],
)
def test_arguments_that_do_not_fit_the_graph(
    run_lerar: Lerar, inverted: Path, arguments: list[str], code: int, told: str
) -> None:
    done = run_lerar("run", inverted, *arguments)
    assert done.exit_code == code and told in done.error


@pytest.mark.parametrize(
    ("content", "code"), [(b"", 4), (b"\xff\xfe\x00", 4), (b"format: other\n", 4), (b"format: [1\n", 4), (None, 3)]
)
def test_a_file_that_is_no_graph(run_lerar: Lerar, tmp_path: Path, content: bytes | None, code: int) -> None:
    path = tmp_path / "g.yaml"
    if content is not None:
        path.write_bytes(content)
    for command in ("run", "show"):
        done = run_lerar(command, path)
        assert done.exit_code == code and "g.yaml" in done.error


def test_a_recipe_without_its_files_names_each_of_them(run_lerar: Lerar) -> None:
    done = run_lerar("run", "lrgb")
    assert done.exit_code == 3
    told = done.stderr.splitlines()
    assert [line.split("'")[1] for line in told] == ["red", "green", "blue"]


# -- stats and preview of nodes -------------------------------------------------------------------


def test_stats_of_a_node_are_those_of_what_it_makes(run_lerar: Lerar, inverted: Path, tmp_path: Path) -> None:
    told = json.loads(run_lerar("stats", "--json", f"{inverted}:invert").stdout)["channels"][0]
    assert told["median"] == np.median(65535.0 - fits.getdata(tmp_path / "sky.fits"))


def test_stats_of_a_measuring_node_are_its_value(run_lerar: Lerar, inverted: Path, tmp_path: Path) -> None:
    told = json.loads(run_lerar("stats", "--json", f"{inverted}:numbers.measures").stdout)
    assert told["channels"][0]["median"] == np.median(fits.getdata(tmp_path / "sky.fits"))
    assert "median: " in run_lerar("stats", f"{inverted}:numbers").stdout


def test_a_node_is_previewed(run_lerar: Lerar, inverted: Path, tmp_path: Path) -> None:
    done = run_lerar("preview", f"{inverted}:invert", "-o", tmp_path / "p.png", "--size", "40", "--stf", "none")
    assert done.exit_code == 0, done.stderr
    with PIL.Image.open(tmp_path / "p.png") as picture:
        assert picture.size == (40, 30)
        assert np.median(np.asarray(picture)) > 240  # the sky is nearly black, its negative nearly white


@pytest.mark.parametrize("target", ["g.yaml:nobody", "g.yaml:read.nothing", "g.yaml:write", "g.yaml:numbers", "g.yaml"])
def test_a_node_that_cannot_be_shown(run_lerar: Lerar, inverted: Path, target: str) -> None:
    done = run_lerar("preview", inverted.parent / target, "-o", inverted.parent / "p.png")
    assert done.exit_code == 4 and done.error
    assert not (inverted.parent / "p.png").exists()


# -- show, new, templates -------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["ascii", "mermaid", "dot", "svg", "json"])
def test_show_draws_every_node(run_lerar: Lerar, inverted: Path, form: str) -> None:
    done = run_lerar("show", inverted, "--format", form)
    assert done.exit_code == 0 and done.stderr == ""
    assert all(name in done.stdout for name in ("read", "numbers", "invert", "write"))


def test_show_writes_what_the_extension_says(run_lerar: Lerar, inverted: Path, tmp_path: Path) -> None:
    assert run_lerar("show", inverted, "-o", tmp_path / "g.svg").stdout == ""
    assert xml.etree.ElementTree.parse(tmp_path / "g.svg").getroot().tag.endswith("svg")


def test_show_draws_graphs_that_cannot_run(run_lerar: Lerar, tmp_path: Path) -> None:
    nodes = {"x": ("no.no", {}, {"image": "y.image"}), "y": ("math.clip", {}, {"image": "x.image"})}
    assert run_lerar("show", write_graph(tmp_path / "bad.yaml", nodes)).exit_code == 0


@pytest.mark.parametrize("name", ["g.yaml", "g.lerar", "g.json"])
def test_new_writes_a_recipe_that_runs_from_anywhere(
    run_lerar: Lerar, masters: list[str], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    relative = [m.replace(f"{tmp_path}/", "") for m in masters]
    done = run_lerar("new", "lrgb", "-o", f"deep/{name}", *relative, "--set", "crop_left=3")
    assert done.exit_code == 0, done.stderr
    graph = Graph.load(f"deep/{name}")
    assert graph.spec("red").params["path"] == "../red.fits"
    assert [graph.spec(f"crop-{c}").params["left"] for c in ("red", "green", "blue", "luminance")] == [3] * 4
    monkeypatch.chdir(tmp_path / "deep")
    assert run_lerar("run", name, "--out", "o").exit_code == 0
    assert fits.getdata("o/lrgb.fits").shape == (3, 60, 77)


def test_new_replaces_a_file_only_when_told_to(run_lerar: Lerar, tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text("mine")
    assert run_lerar("new", "stretch", "-o", path).exit_code == 2
    assert path.read_text() == "mine"
    assert run_lerar("new", "stretch", "-o", path, "--force").exit_code == 0
    assert Graph.load(path).inputs["image"].node in Graph.load(path)


def test_new_names_the_recipes_when_there_is_no_such_one(run_lerar: Lerar, tmp_path: Path) -> None:
    done = run_lerar("new", "hubble", "-o", tmp_path / "g.yaml")
    assert done.exit_code == 3 and "lrgb" in done.error
    assert list(tmp_path.iterdir()) == []


def test_templates_tell_inputs_and_settings(run_lerar: Lerar) -> None:
    told = {t["name"]: t for t in json.loads(run_lerar("templates", "--json").stdout)}
    assert [(i["name"], i["optional"]) for i in told["lrgb"]["inputs"]] == [
        ("red", False),
        ("green", False),
        ("blue", False),
        ("luminance", True),
    ]
    text = run_lerar("templates").stdout
    assert all(t["doc"] in text for t in told.values()) and "--input red=PATH" in text


# -- the main job, on real data -------------------------------------------------------------------

SDSS = "sdss-ngc6976-gri/reprojected_sdss_{}.fits.bz2"
TWOMASS = "gc-2mass-jhk/gc_2mass_{}.fits.gz"
XDF = "xdf-f105w-f160w/xdf_hst_wfc3ir_60mas_{}_sci.fits"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "bands", "settings", "shape"),
    [
        (SDSS, "i r g", [], (496, 682, 3)),
        # The galactic centre has no empty sky: the least of it is 0.16 of the range.
        (TWOMASS, "k h j", ["--set", "background_high=0.2"], (720, 721, 3)),
        (XDF, "f160w f160w f105w", [], (200, 200, 3)),
    ],
    ids=["sdss", "2mass", "xdf"],
)
def test_real_masters_become_a_picture_with_a_neutral_sky(
    run_lerar: Lerar,
    real_data: Find,
    tmp_path: Path,
    pattern: str,
    bands: str,
    settings: list[str],
    shape: tuple[int, int, int],
) -> None:
    files = [real_data(pattern.format(band)) for band in bands.split()]
    inputs = [f"--input={name}={path}" for name, path in zip(("red", "green", "blue"), files, strict=True)]
    done = run_lerar("run", "lrgb", *inputs, *settings, "--out", tmp_path)
    assert done.exit_code == 0, done.stderr
    with PIL.Image.open(tmp_path / "lrgb.png") as picture:
        levels = np.asarray(picture).astype(float) / 255
    assert levels.shape == shape
    medians = np.median(levels, axis=(0, 1))
    assert np.all((medians > 0.15) & (medians < 0.4))  # neither black nor washed out
    assert np.ptp(medians) < 0.05  # and without a cast
