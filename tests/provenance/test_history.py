"""The store remembers which versions of a graph were run, and gives them back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lerarlink import Graph
from lerarlink.engine.errors import GraphError
from lerarlink.engine.store import Store
from lerarlink.graphs.history import chosen, log, name_of, note_run, runs, version_of
from lerarlink.graphs.recipe import load_recipe
from lerarlink.tools.cli import lerar


def call(*arguments: object) -> Any:
    return CliRunner().invoke(lerar, [str(a) for a in arguments])


@pytest.fixture
def graph(sky: Path, tmp_path: Path) -> Path:
    """A graph file that stretches a frame beside it."""
    shutil.copy(sky / "R.fits", tmp_path / "light.fits")
    made = load_recipe("stretch")
    made.folder = str(tmp_path)
    made.set("image", "path", "light.fits")
    made.save(tmp_path / "g.yaml")
    return tmp_path / "g.yaml"


def noted(store: Store, made: Graph, name: str = "g") -> str:
    return note_run(store, made, name, seconds=1.0, written=["a.fits"])


def test_a_version_is_a_graph_and_its_files_wherever_its_outputs_go(graph: Path, tmp_path: Path) -> None:
    one = Graph.load(graph)
    other = Graph.load(graph)
    other.set("write-picture", "path", str(tmp_path / "out" / "stretched.png"))
    other.set("write-stretched", "path", str(tmp_path / "out" / "stretched.fits"))
    other.layout["image"] = (1.0, 2.0)
    assert version_of(one) == version_of(other)
    other.adjust("target_background", 0.2)
    assert version_of(one) != version_of(other)


def test_runs_are_told_by_version_in_their_order(graph: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    made = Graph.load(graph)
    first = noted(store, made)
    noted(store, made)
    made.adjust("target_background", 0.2)
    second = noted(store, made)
    noted(store, made, "another graph")
    found = log(store, "g")
    assert [(v.number, v.id, len(v.runs)) for v in found] == [(1, first, 2), (2, second, 1)]
    assert found[1].graph().to_document() == made.to_document()
    assert chosen(found, "1", "g").id == first
    assert chosen(found, second[:6], "g").id == second
    assert chosen(found, "last", "g").id == second
    for wrong in ("3", "", "zzzz"):
        with pytest.raises(GraphError, match="none fit; there are 1"):
            chosen(found, wrong, "g")
    with pytest.raises(GraphError, match="no run of this graph is noted"):
        chosen([], "1", "g")


def test_runs_one_right_after_the_other_keep_their_order(graph: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    one, other = Graph.load(graph), Graph.load(graph)
    other.adjust("target_background", 0.2)
    noted_ones = [noted(store, made) for made in (one, other) * 30]
    assert [r.version for r in runs(store)] == noted_ones
    assert chosen(log(store, "g"), "last", "g").id == noted_ones[-1]


def test_lerar_run_notes_and_log_tells_what_changed(graph: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for more in ((), (), ("--set", "target_background=0.2")):
        assert call("run", graph, "--out", out, *more, "--quiet").exit_code == 0
    told = json.loads(call("log", graph, "--json").stdout)
    assert [(v["number"], len(v["runs"])) for v in told] == [(1, 2), (2, 1)]
    assert told[1]["changes"] == ["display: target_background 0.25 (default) -> 0.2"]
    assert sorted(told[1]["runs"][0]["written"]) == [str(out / "stretched.fits"), str(out / "stretched.png")]
    text = call("log", graph).stdout
    assert "target_background" in text and text.index(told[1]["id"][:8]) < text.index(told[0]["id"][:8])


def test_a_run_that_fails_or_is_only_planned_is_not_noted(graph: Path) -> None:
    assert call("run", graph, "--dry-run").exit_code == 0
    assert call("run", graph, "--input", "image=nowhere.fits").exit_code == 3
    assert call("log", graph, "--json").stdout == "[]\n"


def test_checkout_gives_back_a_version_that_runs_the_same(graph: Path, tmp_path: Path) -> None:
    call("run", graph, "--out", tmp_path / "one", "--quiet")
    made = Graph.load(graph)
    made.adjust("target_background", 0.1)
    made.save(graph)
    call("run", graph, "--out", tmp_path / "two", "--quiet")
    (tmp_path / "deep").mkdir()
    old = tmp_path / "deep" / "old.yaml"
    assert call("checkout", graph, "1", "-o", old).exit_code == 0
    assert Graph.load(old).spec("image").params["path"] == "../light.fits"
    call("run", old, "--out", tmp_path / "three", "--quiet")
    one, three = ((tmp_path / n / "stretched.fits").read_bytes() for n in ("one", "three"))
    assert one == three
    assert call("checkout", graph, "1", "-o", old).exit_code == 2
    assert call("checkout", graph, "last", "-o", old, "--force").exit_code == 0
    assert Graph.load(old).spec("display").params["target_background"] == 0.1
    assert call("checkout", graph, "9", "-o", old, "--force").exit_code == 4
    assert call("checkout", graph, "1", "-o", tmp_path / "no" / "x.yaml").exit_code == 3


def test_log_of_an_image_goes_back_to_files_that_tell_nothing(graph: Path, tmp_path: Path) -> None:
    call("run", graph, "--out", tmp_path / "one", "--quiet")
    first = tmp_path / "one" / "stretched.fits"
    call("run", "stretch", "--input", f"image={first}", "--out", tmp_path / "two", "--quiet")
    told = json.loads(call("log", tmp_path / "two" / "stretched.png", "--json").stdout)
    assert [(t["depth"], t["path"]) for t in told] == [(0, str(tmp_path / "two" / "stretched.png")), (1, str(first))]
    assert [r["graph"] for t in told for r in t["runs"]] == ["recipe stretch", str(graph)]
    assert told[1]["sources"][0]["path"] == str(tmp_path / "light.fits")
    assert told[0]["version"] == json.loads(call("log", "stretch", "--json").stdout)[0]["id"]
    (tmp_path / "light.fits").unlink()
    assert "light.fits" in (text := call("log", first).stdout) and "(not where it was)" in text
    assert call("log", graph.with_name("light.fits").with_suffix(".png")).exit_code == 0  # a recipe nobody has run


def test_history_outlives_prune_and_clear(graph: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    noted(store, Graph.load(graph))
    store.put_value("ab" * 16, 1)
    assert [e.kind for e in store.prune(0)] == ["values"]
    store.clear()
    assert len(log(store, "g")) == 1
    assert {e.kind for e in store.entries()} == {"history"}


def test_damaged_notes_count_as_absent_and_are_found_by_verify(graph: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    made = Graph.load(graph)
    noted(store, made)
    made.adjust("target_background", 0.2)
    lost = noted(store, made)
    path = next(e.path for e in store.entries() if e.key == lost)
    path.write_bytes(path.read_bytes()[:-1])
    assert [v.number for v in log(store, "g")] == [1]
    assert [e.key for e in store.verify()] == [lost]
    assert len(runs(store)) == 2


def test_a_full_disk_costs_the_note_and_nothing_else(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    store = Store(tmp_path / "store")
    monkeypatch.setattr("lerarlink.engine.store._put", full)
    noted(store, Graph.load(graph))
    assert log(store, "g") == []


SCRIPT = """
import sys
from pathlib import Path
from lerarlink import Graph
from lerarlink.engine.store import Store
from lerarlink.graphs.history import note_run
made, store = Graph.load(sys.argv[1]), Store(Path(sys.argv[2]))
note_run(store, made, "g", seconds=1.0, written=[])
print("start", flush=True)
for n in range(100_000):
    made.set("display", "target_background", 0.1 + n / 1_000_000)
    note_run(store, made, "g", seconds=1.0, written=[])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_leaves_every_note_whole_or_absent(graph: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(graph), str(tmp_path / "store")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) as run:
        assert run.stdout is not None and run.stdout.readline() == "start\n"
        time.sleep(0.5)
        run.send_signal(signal.SIGKILL)
    store = Store(tmp_path / "store")
    whole = {e.path.name for e in store.entries() if not e.path.name.startswith(".")}
    assert {e.path.name for e in store.verify()} & whole == set()
    found = log(store, "g")
    assert len(found) > 3 and all(v.graph().spec("display") for v in found)


def test_graphs_are_known_by_their_file_and_recipes_by_their_name(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(graph.parent)
    assert name_of("g.yaml") == name_of(str(graph)) == os.path.realpath(graph)
    assert name_of("lrgb") == "recipe lrgb"


def test_runs_from_python_are_noted_under_the_file_of_the_graph_or_the_script(graph: Path, tmp_path: Path) -> None:
    made = Graph.load(graph)
    for name in ("write-stretched", "write-picture"):
        made.set(name, "path", str(tmp_path / "out" / Path(made.spec(name).params["path"]).name))
    made.run(targets=["write-stretched"])
    made.run(noted="")  # asked for not to be
    (version,) = log(Store(), str(graph))
    assert [r.targets for r in version.runs] == [("write-stretched",)]
    assert version.runs[0].written == (str(tmp_path / "out" / "stretched.fits"),)
    told = json.loads(call("log", tmp_path / "out" / "stretched.fits", "--json").stdout)
    assert [r["graph"] for r in told[0]["runs"]] == [str(graph)]
    nameless = Graph.from_document(made.to_document())
    nameless.folder = made.folder
    nameless.run()
    assert runs(Store())[-1].graph.startswith(("script ", "Python"))
    nameless.save(tmp_path / "saved.yaml")
    nameless.run()
    assert runs(Store())[-1].graph == str(tmp_path / "saved.yaml")


def test_runs_that_write_nothing_are_not_noted(graph: Path) -> None:
    made = Graph.load(graph)
    made.run(["display"])
    assert runs(Store()) == []
