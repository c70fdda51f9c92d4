"""Values that differ from frame to frame, frozen: kept with each frame, and given to that series alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from lerarlink import Graph
from lerarlink.engine.errors import GraphError, LinkError
from lerarlink.engine.run import resolved
from lerarlink.graphs.freezing import freeze, stale, thaw
from lerarlink.graphs.learning import Region, learn
from lerarlink.graphs.learnt import keep_learnt
from lerarlink.graphs.lint.rules import lint
from lerarlink.tools.cli import lerar

NAMES = ("night-a.fits", "night-b.fits", "night-c.fits")
AREA = "rect 10,10,60,60"


def call(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(lerar, [str(a) for a in arguments])
    assert done.exit_code == code, done.stderr
    return done.stderr if code else done.stdout


def write(path: Path, pixels: Any) -> str:
    header = fits.Header([("LERBLO", 0.0), ("LERBHI", 65535.0), ("ROWORDER", "TOP-DOWN")])
    fits.PrimaryHDU(np.asarray(pixels, np.float32), header).writeto(path, overwrite=True)
    return str(path)


def sky(k: int) -> Any:
    x = np.mgrid[:80, :90][1]
    return 500.0 + 37.0 * k + 0.1 * k * x + np.random.default_rng(k).normal(0.0, 6.0, x.shape)


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A saved graph that takes from each of three frames the slope that it has in a region."""
    paths = [write(tmp_path / name, sky(k)) for k, name in enumerate(NAMES)]
    g = Graph()
    g.add("ReadSeries", name="frames", paths=paths)
    learn(g, "gradient", Region(AREA), "frames")
    out = str(tmp_path / "out-{index}.fits")
    g.add("WriteImage", name="out", image=g["frames-gradient"], path=out)
    g.save(tmp_path / "g.yaml")
    return tmp_path / "g.yaml"


def values(graph: Graph) -> dict[tuple[str, int | None], Any]:
    return {(r.param, r.frame): r.value for r in resolved(graph)}


def digests(folder: Path) -> list[str]:
    return [hashlib.sha256(fits.getdata(p).tobytes()).hexdigest() for p in sorted(folder.glob("out-*.fits"))]


AGAIN = """
import sys
from lerarlink.engine.measuring import Measuring
from lerarlink.graphs.document import Graph

def refuse(*_):
    raise AssertionError("measured")

Measuring.stage = refuse
report = Graph.load(sys.argv[1]).run()
print([[r.param, r.frame, r.value] for r in report.links])
"""


def test_values_of_frames_replay_in_a_new_process_bit_for_bit(series: Path, tmp_path: Path) -> None:
    g = Graph.load(series)
    live = values(g)
    assert len({v for (p, _), v in live.items() if p == "slope_x"}) == 3
    g.run()
    written = digests(tmp_path)
    assert len(set(written)) == 3
    frozen = tmp_path / "frozen.lerar"
    told = json.loads(call("learn", series, "--freeze", "-o", frozen, "--json"))["frozen"]
    assert {(f["param"], f["frame"]): f["file"] for f in told}["slope_x", 1] == "night-b.fits"
    for path in tmp_path.glob("out-*.fits"):
        path.unlink()
    done = subprocess.run([sys.executable, "-c", AGAIN, str(frozen)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    again = {(p, k): v for p, k, v in eval(done.stdout.splitlines()[-1])}
    assert again == live
    assert digests(tmp_path) == written


def test_what_is_kept_of_a_frame_is_told_and_comes_back_from_every_spelling(series: Path, tmp_path: Path) -> None:
    g = Graph.load(series)
    live = {(r.param, r.frame): r for r in resolved(g)}
    freeze(g)
    at = ("frames-gradient", "slope_x")
    link = g.parameter_links[at]
    assert [one.frame for one in link.frames] == list(NAMES)
    assert [one.value for one in link.frames] == [live["slope_x", k].value for k in range(3)]
    assert [one.error for one in link.frames] == [live["slope_x", k].error for k in range(3)]
    assert len({one.source for one in link.frames}) == 3
    assert link.taken is not None
    assert link.taken.unit
    # What is the same at all frames is one value, which holds for any image.
    assert g.parameter_links["frames-gradient", "x0"].frames == ()
    for suffix in ("yaml", "json", "lerar"):
        g.save(tmp_path / f"again.{suffix}")
        back = Graph.load(tmp_path / f"again.{suffix}")
        assert back.parameter_links == g.parameter_links
        back.save(tmp_path / f"twice.{suffix}")
        assert (tmp_path / f"twice.{suffix}").read_bytes() == (tmp_path / f"again.{suffix}").read_bytes()
    assert stale(g, *at) == ""
    thaw(g)
    assert values(g) == {k: r.value for k, r in live.items()}
    assert g.to_document() != back.to_document()


def test_another_number_of_frames_is_refused_with_both_numbers(series: Path, tmp_path: Path) -> None:
    g = Graph.load(series)
    freeze(g)
    paths = g.spec("frames").params["paths"]
    for some in (paths[:2], (*paths, write(tmp_path / "night-d.fits", sky(3)))):
        g.set("frames", "paths", some)
        with pytest.raises(LinkError) as told:
            g.run()
        text = str(told.value)
        assert "node 'frames-gradient', parameter 'slope_" in text
        assert f"frozen for the 3 frames of a series: the series has {len(some)} frames now" in text
        assert "give it that series; or thaw it, and freeze it for this one" in text
    single = g.add("ReadImage", name="single", path=paths[0])
    g.link(single.output().link, "frames-gradient", "image")
    with pytest.raises(LinkError, match="the node works on one image now"):
        g.run()


def test_other_frames_are_refused_by_name_and_another_folder_is_not(series: Path, tmp_path: Path) -> None:
    g = Graph.load(series)
    freeze(g)
    kept = values(g)
    paths = list(g.spec("frames").params["paths"])
    g.set("frames", "paths", (paths[0], paths[2], paths[1]))
    with pytest.raises(LinkError, match=r"frame 2 was 'night-b\.fits', and is 'night-c\.fits' now"):
        g.run()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    g.set("frames", "paths", tuple(write(folder / name, 2.0 * sky(k)) for k, name in enumerate(NAMES)))
    assert values(g) == kept


def test_frames_of_one_file_are_told_apart(tmp_path: Path) -> None:
    header = fits.Header([("ROWORDER", "TOP-DOWN")])
    cube = np.stack([sky(k) for k in range(5)]).astype(np.float32)
    fits.PrimaryHDU(cube, header).writeto(tmp_path / "cube.fits")
    g = Graph()
    frames = g.add("ReadFrames", name="frames", paths=[str(tmp_path / "cube.fits")], bounds=(0.0, 65535.0))
    cut = g.add("Crop", name="cut", image=frames, left=4)
    g.add("LearnLink", name="sky", image=cut, area=AREA)
    g.add("ChannelLevels", name="level", image=cut, offset="= sky.bg.median")
    freeze(g)
    link = g.parameter_links["level", "offset"]
    assert [one.frame for one in link.frames] == [f"cube.fits[{k}]" for k in range(5)]
    assert keep_learnt(g) == ()
    with pytest.raises(GraphError, match="each of 5 frames"):
        keep_learnt(g, ["sky"])
    # Another parameter reads that one, frame by frame.
    g.add("ChannelLevels", name="twice", image=g["level"], offset="= 2*level.offset[0]")
    twice = [r.value[0] for r in resolved(g) if r.node == "twice"]
    assert twice == [2.0 * one.value[0] for one in link.frames]


def test_frozen_frames_are_compared_linted_shown_and_exported(series: Path, tmp_path: Path) -> None:
    one, other, moved = tmp_path / "one.yaml", tmp_path / "other.yaml", tmp_path / "moved.yaml"
    call("learn", series, "--freeze", "-o", one)
    g = Graph.load(one)
    for k, name in enumerate(NAMES):
        write(tmp_path / name, sky(k + 5))
    thaw(g)
    freeze(g)
    g.save(other)
    told = CliRunner().invoke(lerar, ["diff", str(one), str(other)])
    assert told.exit_code == 5, told.stderr
    assert "retuned  frames-gradient: slope_x [[" in told.stdout
    assert str(g.parameter_links["frames-gradient", "slope_x"].frames[2].value[0]) in told.stdout
    assert [f for f in lint(g) if f.code == "W07"] == []
    g.set("learn", "area", "rect 12,12,50,50")
    assert {f.item for f in lint(g) if f.code == "W07"} >= {"slope_x", "slope_y"}
    g.save(moved)
    assert "slope_x := 3 values" in call("show", one)
    theirs = Graph.load(one)
    theirs.notes["out"] = "written elsewhere"
    theirs.save(tmp_path / "theirs.yaml")
    call("merge", one, other, tmp_path / "theirs.yaml", "-o", tmp_path / "both.yaml")
    both = Graph.load(tmp_path / "both.yaml")
    assert both.parameter_links == Graph.load(other).parameter_links
    assert both.notes == theirs.notes
    script = tmp_path / "g.py"
    call("export", "script", one, "-o", script)
    made: dict[str, Any] = {"__name__": "made", "__file__": str(script)}
    exec(compile(script.read_text(), str(script), "exec"), made)
    assert made["build"]().parameter_links == Graph.load(one).parameter_links


def test_an_output_is_replayed_where_its_frames_have_other_names(series: Path, tmp_path: Path) -> None:
    call("learn", series, "--freeze")
    call("run", series)
    out = tmp_path / "out-0002.fits"
    assert "identical" in call("replay", out)
    (tmp_path / "archive").mkdir()
    for name in NAMES:
        (tmp_path / name).rename(tmp_path / "archive" / f"old-{name}")
    assert "identical" in call("replay", out, "--search", tmp_path / "archive")


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        ("many", "taken, frames: wanted a list, got 'many'"),
        ([{"frame": "a.fits"}], "field 'value' is missing"),
        ([{"value": 1.0, "colour": "red"}], "unknown field 'colour'"),
        ([{"value": {"a": 1}}], "wanted null, true, false, a number, text or a list"),
    ],
)
def test_frames_that_break_a_rule_are_refused(series: Path, frames: Any, told: str) -> None:
    g = Graph.load(series)
    freeze(g)
    document = g.to_document()
    node = next(n for n in document["nodes"] if n["name"] == "frames-gradient")
    node["links"]["slope_x"]["taken"]["frames"] = frames
    with pytest.raises(GraphError, match=told):
        Graph.from_document(document)
