"""Outputs are made again from what they tell of themselves, and are the same to the last bit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from lerarlink import Graph
from lerarlink.engine.errors import GraphError, NodeFailed, SourceError
from lerarlink.engine.region import Box
from lerarlink.graphs.recipe import templates
from lerarlink.tools.pixel_comparison import deviation
from lerarlink.tools.replay import Ways, replay_graph, replay_image
from lerarlink.tools.sources import SourcesMissing

Recipe = Callable[..., Graph]
NAMES = [t.name for t in templates()]
ENDINGS = (".fits", ".xisf", ".tif")
SYNC = Ways(scheduler="sync")

# Runs in a process of its own: another working folder, other strips, other threads, a store that knows nothing.
SCRIPT = """
import json, sys
from lerarlink.tools.replay import Ways, replay_image
ways = Ways(scheduler="threads", workers=3, strip_samples=501)
print(json.dumps({path: replay_image(path, ways=ways).state for path in sys.argv[1:]}))
"""


# -- every recipe -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_is_replayed_in_a_fresh_process_to_the_last_bit(
    name: str, recipe: Recipe, tmp_path: Path
) -> None:
    outputs = [p for e in ENDINGS for p in recipe(name, tmp_path / e[1:], e).run().written]
    assert {Path(p).suffix for p in outputs} == {*ENDINGS, ".png"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {**os.environ, "LERAR_CACHE_DIR": str(tmp_path / "store")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *outputs], cwd=elsewhere, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(outputs, "identical")


# -- one file -----------------------------------------------------------------------------------------


@pytest.fixture
def picture(recipe: Recipe, tmp_path: Path) -> Path:
    recipe("stretch", tmp_path / "out").run()
    return tmp_path / "out" / "stretched.fits"


@pytest.fixture
def own(sky: Path, tmp_path: Path) -> Path:
    """An output of a source that a test may move."""
    (tmp_path / "in").mkdir()
    shutil.copy(sky / "R.fits", tmp_path / "in" / "R.fits")
    graph = Graph()
    image = graph.add("ReadImage", name="light", path=str(tmp_path / "in" / "R.fits"))
    graph.add("WriteImage", name="out", image=graph.add("Invert", image=image), path=str(tmp_path / "out" / "a.fits"))
    graph.run()
    return tmp_path / "out" / "a.fits"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.fits", {"compression": "gzip"}),
        ("b.fits", {"compression": "gzip", "sample_format": "uint16"}),
        ("c.fits.fz", {"sample_format": "uint16"}),
        ("d.xisf", {"compression": "zlib+sh"}),
        ("e.xisf", {"compression": "lz4"}),
        ("f.tif", {"compression": "deflate", "sample_format": "uint16"}),
    ],
)
def test_compressed_files_are_made_again_byte_for_byte_at_any_hour(
    name: str, options: dict[str, str], sky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = Graph()
    image = graph.add("Invert", image=graph.add("ReadImage", path=str(sky / "R.fits")))
    graph.add("WriteImage", name="out", image=image, path=str(tmp_path / name), **options)
    monkeypatch.setattr("gzip.time", SimpleNamespace(time=lambda: 1_000_000_000.0))
    graph.run()
    monkeypatch.setattr("gzip.time", SimpleNamespace(time=lambda: 2_000_000_000.0))
    assert replay_image(tmp_path / name, ways=SYNC).state == "identical"


def test_nothing_is_taken_from_the_store_or_from_the_file_itself(own: Path) -> None:
    with own.open("r+b") as file:
        file.seek(2880 * 10)  # among the pixels
        file.write(b"\x45\x00\x00\x00")
    found = replay_image(own, ways=SYNC)
    assert found.state == "different" and found.key == found.former_key
    assert found.deviation is not None and found.deviation.samples == 1
    assert found.deviation.box is not None and (found.deviation.box.height, found.deviation.box.width) == (1, 1)


def test_other_words_beside_the_same_pixels_are_told_apart_from_other_pixels(own: Path) -> None:
    fits.setval(own, "OBJECT", value="M 42")
    found = replay_image(own, ways=SYNC)
    assert (found.state, found.same, found.deviation) == ("same pixels", True, None)


def test_a_source_that_moved_is_found_by_its_digest(own: Path, tmp_path: Path) -> None:
    deep = tmp_path / "archive" / "2026" / "other name.fits"
    deep.parent.mkdir(parents=True)
    (tmp_path / "in" / "R.fits").rename(deep)
    decoy = tmp_path / "archive" / "R.fits"  # the same name and size, another content
    data = bytearray(deep.read_bytes())
    data[-3000] ^= 1
    decoy.write_bytes(data)
    with pytest.raises(SourcesMissing, match=r"R\.fits \(node 'light'\) is not there, and no file searched"):
        replay_image(own, ways=SYNC)
    found = replay_image(own, search=[tmp_path / "archive"], ways=SYNC)
    assert found.state == "identical"
    assert [(m.path, m.place) for m in found.moved] == [(str(tmp_path / "in" / "R.fits"), str(deep))]


def test_a_source_that_lies_beside_the_output_is_found_without_searching(own: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "R.fits").rename(tmp_path / "out" / "raw.fits")
    assert replay_image(own, ways=SYNC).state == "identical"


def test_a_source_that_holds_something_else_is_refused(own: Path, tmp_path: Path) -> None:
    fits.setval(tmp_path / "in" / "R.fits", "FILTER", value="Z")
    with pytest.raises(SourceError, match="holds something else now"):
        replay_image(own, ways=SYNC)
    with pytest.raises(SourceError, match="there is no such folder to search"):
        replay_image(own, search=[tmp_path / "nowhere"], ways=SYNC)


def test_private_outputs_are_replayed_where_their_sources_are_found(sky: Path, recipe: Recipe, tmp_path: Path) -> None:
    recipe("lrgb", tmp_path / "out").run(private=True)
    with pytest.raises(SourcesMissing) as error:
        replay_image(tmp_path / "out" / "lrgb.fits", ways=SYNC)
    assert len(error.value.missing) == 4
    assert replay_image(tmp_path / "out" / "lrgb.fits", search=[sky], ways=SYNC).state == "identical"


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_every_scheduler_makes_the_same_again(scheduler: str, picture: Path) -> None:
    found = replay_image(picture, ways=Ways(scheduler=scheduler, workers=2))  # type: ignore[arg-type]
    assert found.state == "identical"


def test_one_frame_of_a_series_is_made_again_alone(sky: Path, tmp_path: Path) -> None:
    graph = Graph()
    lights = graph.add("ReadSeries", name="lights", paths=tuple(str(sky / f"{c}.fits") for c in "RGB"))
    graph.add("WriteImage", name="out", image=graph.add("Invert", image=lights), path=str(tmp_path / "frame.xisf"))
    graph.run()
    found = replay_image(tmp_path / "frame_0002.xisf", ways=SYNC, keep=tmp_path / "kept")
    assert found.state == "identical"
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["frame_0002.xisf"]
    assert deviation(found.kept, tmp_path / "frame_0002.xisf") is None


def test_what_is_kept_replaces_nothing(own: Path) -> None:
    before = own.read_bytes()
    with pytest.raises(FileExistsError):
        replay_image(own, ways=SYNC, keep=own.parent)
    assert own.read_bytes() == before


def test_a_graph_makes_all_its_outputs_again(recipe: Recipe, tmp_path: Path) -> None:
    graph = recipe("stretch", tmp_path / "out")
    assert {o.state for o in replay_graph(graph, ways=SYNC)} == {"missing"}
    graph.run()
    assert [o.state for o in replay_graph(graph, ways=SYNC)] == ["same pixels"] * 2
    graph.adjust("target_background", 0.2)
    others = replay_graph(graph, ways=SYNC)
    assert [o.state for o in others] == ["different"] * 2
    assert all(o.key != o.former_key for o in others)
    empty = Graph()
    empty.add("ReadImage", path="x.fits")
    with pytest.raises(GraphError, match="the graph writes no file"):
        replay_graph(empty)


def test_a_replay_that_fails_leaves_nothing_behind(own: Path, private_store: Path) -> None:
    with pytest.raises((GraphError, SourceError, NodeFailed, FileExistsError)):
        replay_image(own, ways=SYNC, keep=own.parent)
    assert list((private_store / "scratch").iterdir()) == []
    assert [p.name for p in own.parent.iterdir()] == ["a.fits"]


# -- comparing ----------------------------------------------------------------------------------------


def test_deviations_are_what_numpy_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    a = rng.normal(100, 5, (3, 40, 50)).astype(np.float32)
    b = a.copy()
    b[1, 7:20, 11:31] += rng.normal(0, 1, (13, 20)).astype(np.float32)
    a[0, 1, 1] = b[0, 1, 1] = np.nan
    a[2, 30, 2] = np.nan
    for name, data in (("a", a), ("b", b)):
        fits.writeto(tmp_path / f"{name}.fits", data)
    found = deviation(tmp_path / "a.fits", tmp_path / "b.fits")
    assert found is not None
    steps = np.abs(a.astype(np.float64) - b)
    differs = (a != b) & ~(np.isnan(a) & np.isnan(b))
    assert found.samples == differs.sum() and found.of == a.size
    assert found.maximum == np.nanmax(steps)
    assert found.rms == pytest.approx(np.sqrt(np.nansum(steps**2) / a.size))
    assert found.box == Box(7, 2, 31, 31)
    assert "max" in str(found) and "rows 7:31, columns 2:31" in str(found)


def test_images_of_two_sizes_are_told_so(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "a.fits", np.ones((4, 6), np.float32))
    fits.writeto(tmp_path / "b.fits", np.ones((3, 4, 6), np.float32))
    assert str(deviation(tmp_path / "a.fits", tmp_path / "b.fits")) == "6x4x1 against 6x4x3 pixels"
