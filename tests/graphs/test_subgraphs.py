"""A saved graph is used as a node: opened under names that stay, run like any other, saved as it was written."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from lerarlink import Graph
from lerarlink.engine.errors import GraphError, ParameterError
from lerarlink.engine.graph import Link
from lerarlink.graphs.diff.changes import diff
from lerarlink.graphs.document import Input, NamedOutput, Setting
from lerarlink.graphs.recipe import load_recipe
from lerarlink.graphs.schema import Document, checked_document
from lerarlink.graphs.subgraph import expanded

Build = Any


@pytest.fixture
def sky(tmp_path: Path) -> Path:
    path = tmp_path / "sky.fits"
    fits.PrimaryHDU(np.random.default_rng(3).random((24, 31)).astype(np.float32)).writeto(path)
    return path


def trimmed() -> Graph:
    """Return a graph that cuts and inverts a file, to be used as a node."""
    g = Graph()
    g.insert(spec("source", "io.read_image", path=""), {})
    cut = g.add("Crop", name="cut", image=g["source"], left=2)
    g.add("Invert", name="dark", image=cut)
    g.inputs["sky"] = Input(name="sky", node="source", param="path")
    g.settings["edge"] = Setting(name="edge", sets=(("cut", "left"), ("cut", "right")))
    g.outputs = ["dark"]
    g.named_outputs["bright"] = NamedOutput(name="bright", node="cut", port="image")
    g.layout, g.notes, g.tags = {"cut": (3.0, 4.0)}, {"cut": "no border"}, {"dark": ("x", "a")}
    return g


def spec(name: str, process: str, **params: Any) -> Any:
    from lerarlink.engine.graph import NodeSpec

    return NodeSpec(name=name, process=process, version=1, params=params)


def written(sky: Path) -> Document:
    """Return a document that uses one saved graph twice, the second time on what the first one gives."""
    saved = {k: v for k, v in trimmed().to_document().items() if k not in ("format", "version")}
    saved["outputs"] = [*saved["outputs"], {"name": "end", "node": "dark", "port": "image"}]
    return checked_document(
        {
            "format": "lerarlink graph",
            "version": 1,
            "graphs": [{"name": "trim", **saved}],
            "inputs": [{"name": "raw", "node": "one", "param": "sky"}],
            "settings": [{"name": "border", "sets": ["one.edge", "two.edge", "last.left"]}],
            "nodes": [
                {"name": "one", "process": "graph.trim", "version": 1, "params": {"sky": str(sky), "edge": 3}},
                {"name": "two", "process": "graph.trim", "version": 1, "feeds": {"sky": "one.end"}, "note": "again"},
                {"name": "last", "process": "geometry.crop", "version": 1, "feeds": {"image": "two.bright"}},
            ],
            "outputs": ["two", {"name": "early", "node": "one", "port": "bright"}],
            "layout": {"one": [1, 2], "last": [5, 6]},
        }
    )


def test_opened_it_is_the_graph_one_would_have_built_by_hand(sky: Path) -> None:
    g = Graph.from_document(written(sky))
    assert sorted(g) == ["last", "one.cut", "one.dark", "one.source", "two.cut", "two.dark"]
    assert g.uses == ["one", "two"]
    assert g.spec("one.source").params == {"path": str(sky)}
    assert g.spec("one.cut").params == {"left": 3, "right": 3}
    assert g.spec("two.cut").params == {"left": 2}
    assert g.feeds("two.cut") == {"image": Link("one.dark", "image")}
    assert g.feeds("last") == {"image": Link("two.cut", "image")}
    assert g.inputs["raw"] == Input(name="raw", node="one.source", param="path")
    assert g.settings["border"].sets == (
        ("one.cut", "left"), ("one.cut", "right"), ("two.cut", "left"), ("two.cut", "right"), ("last", "left"),
    )  # fmt: skip
    assert g.outputs == ["two.dark", "two.cut"]
    assert g.named_outputs["early"] == NamedOutput(name="early", node="one.cut", port="image")
    assert (g.notes, g.tags["one.dark"]) == ({"one.cut": "no border", "two.cut": "no border"}, ("a", "x"))
    pixels = fits.getdata(sky)
    assert np.array_equal(g["last"].compute()[0], (1 - pixels[:, 3:-3])[:, 2:])


@pytest.mark.parametrize("suffix", [".lerar", ".yaml", ".json"])
def test_it_is_saved_as_it_was_written(sky: Path, suffix: str, tmp_path: Path) -> None:
    g = Graph.from_document(written(sky))
    assert g.to_document() == written(sky)
    g.save(tmp_path / f"a{suffix}")
    Graph.load(tmp_path / f"a{suffix}").save(tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert Graph.load(tmp_path / f"a{suffix}")["last"].image.key == g["last"].image.key


def test_changes_outside_leave_it_a_node_and_changes_inside_open_it_for_good(sky: Path) -> None:
    g = Graph.from_document(written(sky))
    g.add("Invert", name="more", image=g["two.dark"])
    g.layout["more"] = (0.0, 0.0)
    processes = {n["name"]: n["process"] for n in g.to_document()["nodes"]}
    assert processes == {"one": "graph.trim", "two": "graph.trim", "last": "geometry.crop", "more": "math.invert"}
    g.set("one.cut", "top", 1)
    document = g.to_document()
    names = [n["name"] for n in document["nodes"]]
    assert names == ["last", "more", "one.cut", "one.dark", "one.source", "two"]
    assert next(n for n in document["nodes"] if n["name"] == "two")["feeds"] == {"sky": "one.dark.image"}
    assert Graph.from_document(document).to_document(flat=True) == g.to_document(flat=True)
    g.link(Link("two.source", "image"), "last", "image")  # the middle of the other: a node that is not even there
    with pytest.raises(GraphError, match=r"there is no node 'two\.source'"):
        g.to_document()


def test_its_parameters_are_inputs_and_settings(sky: Path) -> None:
    g = Graph.from_document(written(sky))
    g.set("one", "edge", 5)
    assert g.spec("one.cut").params == {"left": 5, "right": 5}
    assert next(n for n in g.to_document()["nodes"] if n["name"] == "one")["params"]["edge"] == 5
    with pytest.raises(ParameterError, match=r"node 'one\.cut': Crop: left must be int"):
        g.set("one", "edge", "wide")
    assert g.spec("one.cut").params == {"left": 5, "right": 5}
    with pytest.raises(GraphError, match=r"no input or setting 'colour'; it has sky, edge"):
        g.set("one", "colour", 1)
    assert g.behind("two", "edge") == (("two.cut", "left"), ("two.cut", "right"))
    assert g.behind("last", "left") == (("last", "left"),)


def test_python_uses_saved_graphs_as_nodes(sky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed().save(tmp_path / "trim.yaml")
    monkeypatch.chdir(tmp_path)
    g = Graph()
    one = g.use("trim.yaml", name="one", sky="sky.fits", edge=3)
    two = g.use(Graph.load("trim.yaml"), name="two", sky=one)  # a node stands for its first output
    last = g.add("Crop", name="last", image=two.bright, left=1)
    assert [s["name"] for s in g.to_document()["graphs"]] == ["one"]  # the same graph is kept once
    assert repr(two) == "<node two: a saved graph with dark, bright>"
    assert np.array_equal(last.compute()[0], (1 - fits.getdata(sky)[:, 3:-3])[:, 3:])
    assert two.image.frame.width == 23
    with pytest.raises(GraphError, match="node 'two' has no output 'cut'; it has dark, bright"):
        two.output("cut")
    with pytest.raises(GraphError, match=r"there is already a node 'one\.cut'"):
        g.use("trim.yaml", name="one", sky="x.fits")
    with pytest.raises(GraphError, match=r"node 'three', params: graph 'three|one' has no 'middle'"):
        g.use("trim.yaml", name="three", middle=1)
    (tmp_path / "far").mkdir()
    g.save("far/whole.lerar")
    monkeypatch.chdir("/")
    there = Graph.load(tmp_path / "far" / "whole.lerar")
    assert there.spec("one.source").params["path"] == "../sky.fits"
    assert there.uses == ["one", "two"]
    assert there["last"].image.key == g_key(g, tmp_path, monkeypatch)


def g_key(g: Graph, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(folder)
    return g["last"].image.key


def test_recipes_can_be_used_as_nodes() -> None:
    g = Graph()
    red = g.add("ReadImage", name="red", path="r.fits")
    colour = g.use(load_recipe("lrgb"), name="colour", red=red, green="g.fits", blue="b.fits", crop_left=7)
    g.add("WriteImage", name="out", image=colour.stretched, path="out.fits")
    assert g.feeds("out") == {"image": Link("colour.stretched", "image")}
    assert "colour.red" not in g
    assert Graph.from_document(g.to_document()).to_document() == g.to_document()


def test_saved_graphs_may_hold_saved_graphs(sky: Path) -> None:
    inner = Graph.from_document(written(sky))
    g = Graph()
    g.use(inner, name="deep", raw="other.fits", border=1)
    assert g.spec("deep.one.source").params == {"path": "other.fits"}
    assert g.spec("deep.two.cut").params == {"left": 1, "right": 1}
    back = Graph.from_document(g.to_document())
    assert back.to_document() == g.to_document()
    assert back.to_document(flat=True) == g.to_document(flat=True)


def test_a_change_of_a_saved_graph_is_told_where_it_is_used(sky: Path) -> None:
    before, after = Graph.from_document(written(sky)), Graph.from_document(written(sky))
    after.set("one", "edge", 4)
    found = diff(before, after)
    assert [(c.node, c.item, c.after) for c in found.changes] == [("one.cut", "left", 4), ("one.cut", "right", 4)]
    assert not diff(written(sky), Graph.from_document(written(sky)).to_document(flat=True))


def change(path: str, value: Any) -> Any:
    """Return a change of the document, at a path such as ``nodes/0/params``."""

    def apply(document: Document) -> None:
        *way, last = path.split("/")
        at: Any = document
        for step in way:
            at = at[int(step)] if step.isdigit() else at[step]
        at[int(last) if last.isdigit() else last] = value

    return apply


LINKED = {"left": {"expr": "2"}}
WRONG: dict[str, tuple[Any, str]] = {
    "no such graph": (change("nodes/1/process", "graph.gone"), "node 'one': there is no saved graph 'gone'; .* 'trim'"),
    "version": (change("nodes/1/version", 2), "node 'one': a saved graph has version 1 and no region, got version 2"),
    "region": (change("nodes/1/region", [0, 0, 1, 1]), "version 1 and no region, got region"),
    "param": (change("nodes/1/params", {"wide": 1}), "node 'one', params: graph 'trim' has no 'wide'; it has 'sky'"),
    "feed": (change("nodes/2/feeds", {"edge": "one.end"}), "node 'two', feeds: graph 'trim' has no 'edge'"),
    "both": (change("nodes/2/params", {"sky": "x"}), "node 'two': 'sky' is given both a file and a link"),
    "port": (change("nodes/0/feeds", {"image": "two.cut"}), "graph 'trim' has no output 'cut'; it has 'bright', 'end'"),
    "input": (change("inputs/0/param", "edge"), "input 'raw': graph 'trim' has no 'edge'; it has 'sky'"),
    "setting": (change("settings/0/sets", ["one.x"]), "setting 'border': graph 'trim' has no 'x'"),
    "output": (change("outputs/1/port", "x"), "output 'early': graph 'trim' has no output 'x'"),
    "name within": (change("graphs/0/nodes/0/name", "x"), "graph 'trim', .*there is no node 'cut'"),
    "field within": (change("graphs/0/colour", 1), r"graphs\[0\]: unknown field 'colour'"),
    "link within": (change("graphs/0/nodes/0/links", LINKED), "nodes of saved graphs have no parameter links"),
    "two of a name": (lambda d: d["graphs"].append(d["graphs"][0]), "graphs: the name 'trim' stands there twice"),
    "name taken": (lambda d: d["nodes"].append({**d["nodes"][0], "name": "one.cut"}), r"'one\.cut' stands there twice"),
    "linked away": (change("inputs/0/node", "two"), r"'two\.sky' is of no use: what it sets is linked instead"),
    "circle": (change("nodes/1", {"name": "one", "process": "graph.pass", "version": 1, "feeds": {"i": "three.o"}}),
               "links run in a circle through saved graphs"),
}  # fmt: skip


def passing(document: Document) -> None:
    """Add a saved graph that hands its input on, and a use of it that is fed by ``one``."""
    node = {"name": "r", "process": "io.read_image", "version": 1}
    inputs = [{"name": "i", "node": "r", "param": "path"}]
    outputs = [{"name": "o", "node": "r", "port": "image"}]
    document["graphs"].append({"name": "pass", "nodes": [node], "inputs": inputs, "outputs": outputs})
    document["nodes"] = [n for n in document["nodes"] if n["name"] == "one"]
    document["nodes"].append({"name": "three", "process": "graph.pass", "version": 1, "feeds": {"i": "one.o"}})
    document["nodes"].append({"name": "end", "process": "math.invert", "version": 1, "feeds": {"image": "one.o"}})
    for field in ("inputs", "settings", "outputs", "layout"):
        document.pop(field)


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused_where_it_stands(case: str, sky: Path) -> None:
    document = copy.deepcopy(written(sky))
    apply, why = WRONG[case]
    apply(document)
    if case == "circle":
        passing(document)
    with pytest.raises(GraphError, match=why):
        Graph.from_document(document)


def test_what_is_only_handed_on_is_linked_past_the_saved_graph(sky: Path) -> None:
    document = written(sky)
    passing(document)
    document["nodes"] = [
        {"name": "r", "process": "io.read_image", "version": 1, "params": {"path": str(sky)}},
        {"name": "three", "process": "graph.pass", "version": 1, "feeds": {"i": "r.image"}},
        {"name": "four", "process": "graph.pass", "version": 1, "feeds": {"i": "three.o"}},
        {"name": "end", "process": "math.invert", "version": 1, "feeds": {"image": "four.o"}},
    ]
    g = Graph.from_document(document)
    assert sorted(g) == ["end", "r"]
    assert g.feeds("end") == {"image": Link("r", "image")}
    assert g.to_document() == checked_document(document)


def test_saved_graphs_that_multiply_are_refused_before_they_are_opened() -> None:
    """Six levels of thirty uses each would be 30^6 nodes."""
    made: Document = {"nodes": [{"name": "n", "process": "math.invert", "version": 1}]}
    for _ in range(6):
        uses = [{"name": f"u{i}", "process": "graph.g", "version": 1} for i in range(30)]
        made = {"nodes": uses, "graphs": [{"name": "g", **made}]}
    with pytest.raises(GraphError, match="opening the saved graphs would make 729,000,000"):
        Graph.from_document({"format": "lerarlink graph", "version": 1, **made})
    made = {"nodes": [], "graphs": [{"name": "g", **made}]}
    with pytest.raises(GraphError, match="saved graphs may lie at most 6 deep in each other"):
        Graph.from_document({"format": "lerarlink graph", "version": 1, **made})


# -- any graph ----------------------------------------------------------------------------------------


@st.composite
def documents(draw: Any, depth: int = 0) -> Document:
    """Documents that hold saved graphs and use them, each fed by some of what comes before."""
    kept = draw(st.lists(documents(depth + 1), max_size=2)) if depth < 2 else []
    saved = {f"g{i}": g for i, g in enumerate(kept)}
    nodes: list[Document] = [{"name": "r0", "process": "io.read_image", "version": 1, "params": {"path": "a.fits"}}]
    links, targets = ["r0.image"], ["r0.path"]
    for i in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["crop", *saved]))
        node: Document = {"name": f"n{i}", "version": 1}
        if kind == "crop":
            fed = {"image": draw(st.sampled_from(links))}
            node |= {"process": "geometry.crop", "params": {"left": i}, "feeds": fed}
            links.append(f"n{i}.image")
            targets.append(f"n{i}.left")
        else:
            node |= {"process": f"graph.{kind}"}
            if draw(st.booleans()):
                node["feeds"] = {"start": draw(st.sampled_from(links))}
            elif draw(st.booleans()):
                node["params"] = {"start": "b.fits"}
            links += [f"n{i}.{o['name']}" for o in saved[kind]["outputs"]]
        nodes.append(node)
    outputs = [
        {"name": f"o{i}", "node": link.rpartition(".")[0], "port": link.rpartition(".")[2]}
        for i, link in enumerate(draw(st.lists(st.sampled_from(links), min_size=1, max_size=2, unique=True)))
    ]
    made: Document = {
        "nodes": nodes,
        "inputs": [{"name": "start", "node": "r0", "param": "path"}],
        "outputs": outputs,
        "settings": [{"name": "s", "sets": draw(st.lists(st.sampled_from(targets), min_size=1, unique=True))}],
    }
    if saved:
        made["graphs"] = [{"name": name, **g} for name, g in saved.items()]
    return made if depth else checked_document({"format": "lerarlink graph", "version": 1, **made})


@given(documents(), st.randoms())
@settings(deadline=None, max_examples=40)
def test_any_graph_of_graphs_comes_back_and_changes_mean_the_same_after_saving(document: Document, random: Any) -> None:
    g = Graph.from_document(document)
    assert g.to_document() == document
    assert "graphs" not in expanded(document)
    for name in random.sample(sorted(g), min(2, len(g))):
        if "left" in g.spec(name).params:
            g.set(name, "left", 99)
        g.notes[name] = "changed"
    assert Graph.from_document(g.to_document()).to_document(flat=True) == g.to_document(flat=True)


def test_outputs_tell_of_the_nodes_that_ran_and_can_be_made_again(sky: Path, tmp_path: Path) -> None:
    from lerarlink.tools.embedded import needed_document

    trimmed().save(tmp_path / "trim.yaml")
    g = Graph()
    one = g.use(tmp_path / "trim.yaml", name="one", sky=g.add("ReadImage", name="image", path=str(sky)), edge=3)
    g.add("WriteImage", name="out", image=one, path=str(tmp_path / "out.fits"))
    g.run()
    told = needed_document(str(tmp_path / "out.fits"))
    assert [n["name"] for n in told.document["nodes"]] == ["image", "one.cut", "one.dark", "out"]
    assert told.graph()["one.dark"].image.key == g["one.dark"].image.key
