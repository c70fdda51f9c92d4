"""`lerar diff` and `lerar merge`: formats, pixels, exit codes, images in place of graphs, and git."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.graphs import format as file_format

Lerar = Callable[..., Any]
MakeFits = Callable[..., Path]


def sky(
    source: Path, *, midtones: float = 0.3, name: str = "stretch", out: str = "out.fits", height: int = 60
) -> Graph:
    g = Graph()
    image = g.add("ReadImage", name="read", path=str(source))
    shown = g.add("HistogramTransformation", name=name, image=image, midtones=midtones)
    if height != 60:
        shown = g.add("Crop", name="crop", image=shown, box=(0, 0, height, 80))
    g.add("WriteImage", name="write", image=shown, path=out)
    return g


@pytest.fixture
def pair(make_fits: MakeFits, tmp_path: Path) -> tuple[Path, Path]:
    """Two graphs: in the second the stretch is renamed and stronger."""
    source = make_fits()
    paths = tmp_path / "a.lerar", tmp_path / "b.yaml"
    sky(source).save(paths[0])
    sky(source, midtones=0.2, name="brighten").save(paths[1])
    return paths


def test_equal_graphs_exit_with_0_and_say_nothing(run_lerar: Lerar, pair: tuple[Path, Path], tmp_path: Path) -> None:
    Graph.load(pair[0]).save(tmp_path / "same.json")
    done = run_lerar("diff", pair[0], tmp_path / "same.json")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


def test_differences_exit_with_5_and_say_what_must_run(
    run_lerar: Lerar, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    done = run_lerar("diff", *pair)
    assert done.exit_code == 5
    assert done.stdout.splitlines() == [
        "renamed  brighten (was stretch)",
        "retuned  brighten: midtones 0.3 -> 0.2",
        "affected write",
        "output write changes; 2 of 3 nodes give something else; 3 of 3 nodes must run, "
        "how long that takes cannot be told: ReadImage, HistogramTransformation never timed",
    ]
    told = run_lerar("diff", *pair, "--no-forecast").stdout.splitlines()[-1]
    assert told == "output write changes; 2 of 3 nodes give something else"
    assert run_lerar("diff", *pair, "--quiet").stdout == ""
    (tmp_path / "sky.fits").unlink()
    assert "what must run cannot be told: " in run_lerar("diff", *pair).stdout


def test_json_tells_the_same(run_lerar: Lerar, pair: tuple[Path, Path]) -> None:
    told = json.loads(run_lerar("diff", *pair, "--format", "json").stdout)
    assert told["changes"] == [
        {"kind": "renamed", "node": "brighten", "before": "stretch", "after": "brighten"},
        {
            "kind": "retuned", "node": "brighten", "item": "midtones",
            "before": 0.3, "after": 0.2, "was_set": True, "is_set": True,
        },
    ]  # fmt: skip
    assert (told["equal"], told["affected"], told["outputs"]) == (False, ["write"], ["write"])
    assert told["run"] == {
        "must_run": 3, "of": 3, "seconds": 0.0, "cpu_seconds": 0.0, "passes": 1, "read": 60 * 80 * 2 + 4800,
        "never_timed": ["ReadImage", "HistogramTransformation"],
    }  # fmt: skip


def test_what_was_timed_before_says_how_long_a_change_will_take(
    run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lerarlink.engine.costs._LEAST", 0.0)  # however fast the machine
    source = make_fits(height=900, width=1200)
    sky(source, height=600).save(tmp_path / "a.lerar")
    sky(source, height=600, midtones=0.2).save(tmp_path / "b.lerar")
    assert run_lerar("run", tmp_path / "a.lerar", "--out", tmp_path / "out").exit_code == 0
    told = run_lerar("diff", tmp_path / "a.lerar", tmp_path / "b.lerar").stdout.splitlines()[-1]
    assert told.endswith("3 of 4 nodes give something else; 4 of 4 nodes must run, less than a second")
    told = run_lerar("run", tmp_path / "b.lerar", "--out", tmp_path / "out", "--dry-run").stdout.splitlines()[-1]
    assert told == "1 pass over pixels, 96.1 kB to read; less than a second"


def test_pages_and_drawings_are_written_by_their_endings(
    run_lerar: Lerar, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    for ending in ("html", "svg", "json"):
        path = tmp_path / f"d.{ending}"
        assert run_lerar("diff", *pair, "-o", path).exit_code == 5
        text = path.read_text("utf-8")
        if ending == "json":
            assert json.loads(text)["equal"] is False
        else:
            assert ET.fromstring(text.removeprefix("<!DOCTYPE html>\n")) is not None
            assert "brighten" in text


# -- pixels ---------------------------------------------------------------------------------------


def test_pixels_of_graphs_are_compared_as_numpy_would(
    run_lerar: Lerar, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    done = run_lerar("diff", *pair, "--pixels", "--format", "json", "--blink", tmp_path / "blink.png")
    told = json.loads(done.stdout)
    a, b = (Graph.load(p)[n].compute() for p, n in zip(pair, ("stretch", "brighten"), strict=True))
    (channel,) = told["pixels"][0]["frames"][0]["channels"]
    assert channel["maximum"] == np.abs(b - a).max()
    assert channel["rms"] == pytest.approx(np.sqrt(np.mean((b - a).astype(np.float64) ** 2)), rel=1e-5)
    assert channel["mean"] > 0
    with PIL.Image.open(tmp_path / "blink.png") as blink:
        assert (getattr(blink, "n_frames", 1), blink.size) == (2, (80, 60))


def test_images_are_compared_without_graphs(run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path) -> None:
    a, b = make_fits("a.fits", height=300, width=400), make_fits("b.fits", height=300, width=400)
    assert run_lerar("diff", a, b).exit_code == 4  # no graph in them, and nothing said of pixels
    done = run_lerar("diff", a, b, "--pixels")
    assert (done.exit_code, done.stdout) == (0, f"{a}, {b}: identical pixels\n")
    data = fits.getdata(a)
    data[200, 310] += 7
    fits.writeto(b, data, overwrite=True)
    done = run_lerar("diff", a, b, "--pixels", "--difference", tmp_path / "d.png")
    assert done.exit_code == 5
    assert "differs in rows 200..200, columns 310..310" in done.stdout
    assert "max 7 at 200, 310" in done.stdout
    with PIL.Image.open(tmp_path / "d.png") as opened:
        picture = np.asarray(opened).astype(int)
    # The changed pixel and some room around it; gray is equal, white is more.
    assert picture.shape == (129, 129)
    assert picture[64, 64] == 255
    assert (np.delete(picture.ravel(), 64 * 129 + 64) == 128).all()


def test_images_of_different_sizes_say_so(run_lerar: Lerar, make_fits: MakeFits) -> None:
    done = run_lerar("diff", make_fits("a.fits"), make_fits("b.fits", height=50), "--pixels")
    assert done.exit_code == 5
    assert "80 x 60 x 1 before, 80 x 50 x 1 after; only images of one size can be compared" in done.stdout


def test_an_output_stands_for_the_graph_that_made_it(
    run_lerar: Lerar, pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path, out in zip(pair, "ab", strict=True):
        assert run_lerar("run", path, "--out", tmp_path / out).exit_code == 0
    first, second = tmp_path / "a/out.fits", tmp_path / "b/out.fits"
    assert run_lerar("diff", first, pair[0], "--pixels").stdout == "stretch.image: identical pixels\n"
    told = run_lerar("diff", first, second, "--pixels")
    assert told.exit_code == 5
    assert told.stdout.splitlines()[1] == "retuned  brighten: midtones 0.3 -> 0.2"
    assert "differs in rows 0..59" in told.stdout
    assert run_lerar("diff", pair[1], second).exit_code == 0


def test_a_process_that_is_not_there_is_no_obstacle_to_comparing(run_lerar: Lerar, tmp_path: Path) -> None:
    for name, radius in (("a", 1), ("b", 2)):
        node = {"name": "n", "process": "future.thing", "version": 1, "params": {"radius": radius}}
        file_format.write(tmp_path / f"{name}.lerar", {"format": "lerarlink graph", "version": 1, "nodes": [node]})
    done = run_lerar("diff", tmp_path / "a.lerar", tmp_path / "b.lerar")
    assert done.exit_code == 5
    assert done.stdout.startswith("retuned  n: radius 1 -> 2\n")
    assert run_lerar("diff", tmp_path / "a.lerar", tmp_path / "nothing").exit_code == 3


# -- merge ----------------------------------------------------------------------------------------


def test_merge_writes_what_both_sides_did(run_lerar: Lerar, pair: tuple[Path, Path], tmp_path: Path) -> None:
    sky(tmp_path / "sky.fits", height=30).save(tmp_path / "theirs.json")
    done = run_lerar("merge", pair[0], pair[1], tmp_path / "theirs.json", "-o", tmp_path / "m.lerar")
    assert (done.exit_code, done.stderr) == (0, "")
    merged = Graph.load(tmp_path / "m.lerar")
    assert merged.spec("brighten").params["midtones"] == 0.2
    assert str(merged.feeds("crop")["image"]) == "brighten.image"
    text = run_lerar("merge", pair[0], pair[1], tmp_path / "theirs.json").stdout
    assert file_format.decode(text.encode(), "yaml") == merged.to_document()


def test_conflicts_exit_with_5_and_write_nothing(run_lerar: Lerar, pair: tuple[Path, Path], tmp_path: Path) -> None:
    sky(tmp_path / "sky.fits", midtones=0.1).save(tmp_path / "theirs.lerar")
    arguments = ["merge", pair[0], pair[1], tmp_path / "theirs.lerar", "-o", tmp_path / "m.lerar"]
    done = run_lerar(*arguments)
    assert (done.exit_code, done.stdout) == (5, "")
    assert done.stderr == "conflict: node 'brighten', params.midtones: base 0.3, ours 0.2, theirs 0.1\n"
    assert not (tmp_path / "m.lerar").exists()
    told = json.loads(run_lerar(*arguments, "--json").stdout)
    assert told["conflicts"][0]["item"] == "params.midtones"
    assert run_lerar(*arguments, "--prefer", "theirs").exit_code == 0
    assert Graph.load(tmp_path / "m.lerar").spec("brighten").params["midtones"] == 0.1


# -- git ------------------------------------------------------------------------------------------


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    """Return a function that calls git in a new repository, set up as the page on comparing says."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    repository = tmp_path / "repository"
    repository.mkdir()

    def call(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(["git", *arguments], cwd=repository, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    lerar = f'"{sys.executable}" -m lerarlink.tools.cli'
    call("init", "-q", "-b", "main")
    for name, value in {
        "user.name": "somebody",
        "user.email": "somebody@example.org",
        "diff.lerar.textconv": f"{lerar} show --format yaml",
        "merge.lerar.driver": f"{lerar} merge %O %A %B -o %A",
    }.items():
        call("config", name, value)
    (repository / ".gitattributes").write_text("*.lerar diff=lerar merge=lerar\n")
    return call


def test_git_shows_and_merges_graphs(git: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "repository" / "sky.lerar"
    source = tmp_path / "repository" / "m31.fits"

    def commit(graph: Graph, message: str) -> None:
        graph.save(path)
        git("add", "-A")
        git("commit", "-q", "-m", message)

    commit(sky(source), "first")
    git("checkout", "-q", "-b", "other")
    commit(sky(source, height=30), "crop")
    git("checkout", "-q", "main")
    commit(sky(source, midtones=0.2, name="brighten"), "brighter")
    told = git("diff", "HEAD~1", "HEAD").splitlines()
    assert "-    midtones: 0.3" in told
    assert "+    midtones: 0.2" in told
    git("merge", "-q", "--no-edit", "other")
    merged = Graph.load(path)
    assert merged.spec("brighten").params["midtones"] == 0.2
    assert "crop" in merged
    git("checkout", "-q", "other")
    commit(sky(source, midtones=0.9), "brighter still")
    git("merge", "--no-edit", "main", code=1)
    assert Graph.load(path).spec("stretch").params["midtones"] == 0.9


def test_show_prints_the_graph_as_yaml(run_lerar: Lerar, pair: tuple[Path, Path]) -> None:
    text = run_lerar("show", pair[0], "--format", "yaml").stdout
    assert file_format.decode(text.encode(), "yaml") == Graph.load(pair[0]).to_document()
    assert io.StringIO(text).readline() == "format: lerarlink graph\n"


def test_series_are_compared_frame_by_frame(run_lerar: Lerar, make_fits: MakeFits, tmp_path: Path) -> None:
    paths = tuple(str(make_fits(f"light{i}.fits", seed=i)) for i in range(3))
    for name, midtones in (("a", 0.3), ("b", 0.2)):
        g = Graph()
        lights = g.add("ReadSeries", name="lights", paths=paths)
        g.add("HistogramTransformation", name="stretch", image=lights, midtones=midtones)
        g.save(tmp_path / f"{name}.lerar")
    arguments = ["diff", tmp_path / "a.lerar", tmp_path / "b.lerar", "--pixels"]
    told = run_lerar(*arguments, "--difference", tmp_path / "d.png", "-o", tmp_path / "d.html")
    assert told.exit_code == 5
    page = (tmp_path / "d.html").read_text("utf-8")
    assert all(f"stretch[{i}]: differs in rows" in page for i in range(3))
    assert page.count("data:image/png;base64,") == 2
    with PIL.Image.open(tmp_path / "d.png") as picture:
        assert picture.size == (80, 60)
