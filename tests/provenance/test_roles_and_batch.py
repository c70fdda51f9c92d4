"""Graphs applied to other files: each file finds its role; one graph over many folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from lerarlink import Graph
from lerarlink.engine.errors import GraphError, ParameterError, SourceError
from lerarlink.graphs.preprocess.records import FrameRecord
from lerarlink.graphs.recipe import load_recipe
from lerarlink.graphs.roles import assign, fitting, named_role, readers
from lerarlink.tools.batch import items
from lerarlink.tools.binding import bind
from lerarlink.tools.cli import lerar
from lerarlink.tools.embedded import needed_document
from lerarlink.tools.pixel_comparison import deviation

Recipe = Callable[..., Graph]


def call(*arguments: object) -> Any:
    return CliRunner().invoke(lerar, [str(a) for a in arguments])


def record(path: str, kind: str = "light", **words: Any) -> FrameRecord:
    return FrameRecord(path=path, kind=kind, **words)  # type: ignore[arg-type]


def paths(graph: Graph) -> dict[str, Any]:
    """Return the names of the files that each node reads."""
    found = {}
    for reader in readers(graph):
        value = graph.spec(reader.node).params.get(reader.param)
        files = [value] if isinstance(value, str) else list(value or ())
        found[reader.name] = [Path(f).name for f in files if f]
    return found


# -- roles --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("dark", {"kind": "dark"}),
        ("flats", {"kind": "flat"}),
        ("red", {"kind": "light", "filter": "R"}),
        ("luminance", {"kind": "light", "filter": "L"}),
        ("sii", {"kind": "light", "filter": "SII"}),
        ("image", None),
    ],
)
def test_names_of_inputs_tell_their_role(name: str, role: object) -> None:
    assert named_role(name) == role


def test_settings_of_the_camera_count_only_where_roles_differ_by_them() -> None:
    short, long = {"kind": "dark", "exposure": 60.0}, {"kind": "dark", "exposure": 300.0}
    records = [record("a", "dark", exposure=60.0), record("b", "dark", exposure=300.0), record("c", "bias")]
    assert [r.path for r in fitting(short, records, [short, long])] == ["a"]
    assert [r.path for r in fitting(long, records, [short, long])] == ["b"]
    assert [r.path for r in fitting(short, records, [short])] == ["a", "b"]


def test_filters_tell_lights_and_flats_apart_but_not_darks() -> None:
    role = {"kind": "dark", "filter": "R", "master": False}
    records = [record("a", "dark", filter="Ha"), record("b", "dark", master=True), record("c", "light", filter="R")]
    assert [r.path for r in fitting(role, records)] == ["a"]


def test_files_that_fit_two_inputs_are_to_be_named() -> None:
    graph = Graph()
    for name in ("one", "two"):
        graph.add("ReadSeries", name=name, paths=("old.fits",))
    alike = {"kind": "light", "filter": "R"}
    with pytest.raises(GraphError, match="'one' and 'two' read files that are alike, such as a"):
        assign(readers(graph, {"one": alike, "two": alike}), [record("a", filter="R")])


def test_calibration_frames_may_stay_and_lights_may_not() -> None:
    graph = Graph()
    for name in ("dark", "light"):
        graph.add("ReadSeries", name=name, paths=("old.fits",))
    found = readers(graph, {"dark": {"kind": "dark"}, "light": {"kind": "light", "filter": "R"}})
    taken, notes = assign(found, [record("a", filter="R"), record("b", filter="R")])
    assert {r.name: files for r, files in taken.items()} == {"light": ["a", "b"]}
    assert notes == ["dark: dark is not among the files given, its files stay"]
    with pytest.raises(SourceError, match=r"'light': no file given fits \(light R\)"):
        assign(found, [record("a", "dark")])


# -- binding ------------------------------------------------------------------------------------------


def test_a_folder_fills_the_inputs_of_a_recipe_by_filter(sky: Path) -> None:
    graph = load_recipe("lrgb")
    assert bind(graph, [str(sky)]) == []
    assert paths(graph) == {"red": ["R.fits"], "green": ["G.fits"], "blue": ["B.fits"], "luminance": ["L.fits"]}


def test_inputs_are_bound_by_name_pattern_and_folder(sky: Path, tmp_path: Path) -> None:
    graph = Graph()
    graph.add("ReadSeries", name="lights", paths=(str(sky / "R.fits"),))
    graph.add("ReadImage", name="one", path=str(sky / "R.fits"))
    bind(graph, [f"lights={sky}/[RG].fits", f"lights={sky}/B.fits", f"one={sky}/L.fits"])
    assert paths(graph) == {"lights": ["G.fits", "R.fits", "B.fits"], "one": ["L.fits"]}
    bind(graph, [f"lights={sky}"], {"lights": {"kind": "light", "filter": "G"}})
    assert paths(graph)["lights"] == ["G.fits"]
    with pytest.raises(GraphError, match="'one' takes one file, got 4"):
        bind(graph, [f"one={sky}/?.fits"])
    with pytest.raises(ParameterError, match="no input 'two'; it has 'lights', 'one'"):
        bind(graph, [f"two={sky}/R.fits"])
    with pytest.raises(SourceError, match=r"no file matches .*\.xisf"):
        bind(graph, [f"one={sky}/*.xisf"])
    with pytest.raises(SourceError, match=r"none fits \(light Ha\)"):
        bind(graph, [f"lights={sky}"], {"lights": {"kind": "light", "filter": "Ha"}})


@pytest.fixture
def nights(sky: Path, tmp_path: Path) -> Path:
    """Two nights: the second has the same filters under other names, and is twice as bright."""
    for night in "12":
        (tmp_path / "nights" / night).mkdir(parents=True)
    for number, letter in enumerate("RGBL"):
        shutil.copy(sky / f"{letter}.fits", tmp_path / "nights" / "1")
        with fits.open(sky / f"{letter}.fits") as hdus:
            hdus[0].data = (hdus[0].data * 0.5).astype(hdus[0].data.dtype)
            hdus.writeto(tmp_path / "nights" / "2" / f"master-{number}.fits")
    return tmp_path / "nights"


def test_replay_applies_the_graph_of_an_image_to_another_night(nights: Path, recipe: Recipe, tmp_path: Path) -> None:
    recipe("lrgb", tmp_path / "out").run()
    done = call("replay", tmp_path / "out" / "lrgb.fits", "--bind", nights / "2", "--out", tmp_path / "two", "--quiet")
    assert done.exit_code == 0, done.output
    found = needed_document(tmp_path / "two" / "lrgb.fits")
    assert [s.name for s in found.sources] == [f"master-{n}.fits" for n in (2, 1, 3, 0)]
    by_hand = load_recipe("lrgb")
    for name, number in (("red", 0), ("green", 1), ("blue", 2), ("luminance", 3)):
        by_hand.bind(name, str(nights / "2" / f"master-{number}.fits"))
    assert by_hand["stretched"].image.key == found.key


def test_replay_writes_the_graph_as_a_file(nights: Path, recipe: Recipe, tmp_path: Path) -> None:
    recipe("stretch", tmp_path / "out").run()
    out = tmp_path / "out" / "stretched.fits"
    done = call("replay", out, "--as", tmp_path / "g.yaml", "--set", "target_background=0.2")
    assert done.exit_code == 0 and "5 nodes" in done.output
    graph = Graph.load(tmp_path / "g.yaml")
    assert graph.spec("display").params["target_background"] == 0.2
    assert "image" in graph.inputs and paths(graph) == {"image": ["R.fits"]}


# -- the command --------------------------------------------------------------------------------------


def test_replay_says_what_is_the_same_and_ends_with_5_where_it_is_not(recipe: Recipe, tmp_path: Path) -> None:
    recipe("stretch", tmp_path).run()
    out = tmp_path / "stretched.fits"
    done = call("replay", out)
    assert (done.exit_code, done.stdout) == (0, f"{out}: identical to the last bit, the whole file\n")
    with fits.open(out, mode="update") as hdus:
        hdus[0].data[5:8, 10:20] += np.float32(0.25)
    done = call("replay", out)
    assert done.exit_code == 5
    assert "different: 30 of 6,144 samples, max 0.25, rms 0.017" in done.stdout
    assert "within rows 5:8, columns 10:20" in done.stdout
    told = json.loads(call("replay", out, "--json").stdout)[0]
    assert told["state"] == "different" and told["deviation"]["box"] == [5, 10, 8, 20]
    assert told["sources"] == 1 and told["key"] == told["former_key"]


def test_replay_refuses_in_sentences(sky: Path, recipe: Recipe, tmp_path: Path) -> None:
    assert call("replay", sky / "R.fits").exit_code == 4
    assert call("replay", tmp_path / "nothing.fits").exit_code == 3
    recipe("stretch", tmp_path).run()
    out = tmp_path / "stretched.fits"
    assert call("replay", out, "--out", tmp_path).exit_code == 2
    done = call("replay", out, "--bind", f"image={sky}/G.fits", "--out", tmp_path)
    assert done.exit_code == 2 and "would write over" in done.stderr


def test_commands_take_an_image_for_the_graph_it_carries(recipe: Recipe, tmp_path: Path) -> None:
    recipe("stretch", tmp_path).run()
    image, picture = tmp_path / "stretched.fits", tmp_path / "stretched.png"
    assert "ScreenTransferFunction" in call("show", image).stdout
    assert call("show", picture, "--format", "json").stdout == call("show", image, "--format", "json").stdout
    done = call("run", image, "--set", "target_background=0.1", "--out", tmp_path / "again")
    assert done.exit_code == 0, done.output
    assert deviation(image, tmp_path / "again" / "stretched.fits") is not None
    assert call("run", image, "--no-provenance", "--out", tmp_path / "silent").exit_code == 0
    assert call("replay", tmp_path / "silent" / "stretched.fits").exit_code == 4


# -- batch --------------------------------------------------------------------------------------------


def test_batch_runs_a_recipe_over_folders_and_tells_what_fails(nights: Path, tmp_path: Path) -> None:
    (nights / "3").mkdir()
    shutil.copy(nights / "1" / "R.fits", nights / "3")
    done = call("batch", "lrgb", "--over", f"{nights}/*/", "--out", f"{tmp_path}/out/{{name}}", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 3 and "1 of 3 failed" in done.stderr
    assert [len(t["written"]) for t in told] == [3, 3, 0]
    assert "'blue': no file given fits (light B)" in told[2]["error"]
    found = needed_document(tmp_path / "out" / "2" / "lrgb.fits")
    assert {s.name for s in found.sources} == {f"master-{n}.fits" for n in range(4)}
    assert not (tmp_path / "out" / "3").exists()


def test_batch_leaves_its_own_outputs_out_when_it_runs_again(nights: Path) -> None:
    for _ in range(2):
        done = call("batch", "lrgb", "--over", f"{nights}/1", "--quiet")
        assert done.exit_code == 0, done.output
    assert (nights / "1" / "lrgb" / "lrgb.fits").exists()


def test_batch_takes_files_and_named_inputs(nights: Path, tmp_path: Path) -> None:
    done = call("batch", "stretch", "--over", f"{nights}/1/[RG].fits", "--out", f"{tmp_path}/{{name}}", "--quiet")
    assert done.exit_code == 0, done.output
    assert {Path(p).parent.name for p in done.stdout.split()} == {"R", "G"}
    named = ("--input", "image=*0.fits", "--out", f"{tmp_path}/n{{name}}", "--dry-run")
    done = call("batch", "stretch", "--over", f"{nights}/2", *named)
    assert (done.exit_code, done.stdout) == (0, f"{nights}/2 -> {tmp_path}/n2/\n")
    assert not (tmp_path / "n2").exists()
    done = call("batch", "lrgb", "--over", f"{nights}/1/R.fits")
    assert done.exit_code == 4 and "is a file: the graph must read one, it reads" in done.stderr


def test_outputs_of_two_items_never_meet(nights: Path) -> None:
    with pytest.raises(ParameterError, match=r"would both go to out; use \{name\}"):
        items([f"{nights}/*/"], "g.yaml", "out")
    with pytest.raises(ParameterError, match=r"wanted \{folder\}"):
        items([f"{nights}/*/"], "g.yaml", "out/{night}")
    with pytest.raises(SourceError, match="no folder and no file fits"):
        items([f"{nights}/x*"], "g.yaml")
    assert [i.out for i in items([f"{nights}/1", f"{nights}/1/R.fits"], "dir/g.yaml")] == [
        f"{nights}/1/g", f"{nights}/1/g/R",
    ]  # fmt: skip
