"""Graphs come back from files as they were: same document, same bytes, same keys."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import yaml
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from lerarlink import Graph
from lerarlink.engine.errors import GraphError, ParameterError, SourceError, UnknownProcessError
from lerarlink.engine.graph import Link, NodeSpec
from lerarlink.engine.links.parameter import Taken
from lerarlink.engine.region import Box
from lerarlink.graphs import format as file_format
from lerarlink.graphs import packs
from lerarlink.graphs.diff.changes import diff
from lerarlink.graphs.document import Input, NamedOutput, Pack, ParameterLink, Setting
from lerarlink.graphs.migrations import everywhere
from lerarlink.graphs.schema import FIELDS, checked_document

SAMPLES = Path(__file__).parent / "samples"
SUFFIXES = (".lerar", ".yaml", ".json")

# -- graphs of all kinds ------------------------------------------------------------------------------

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,11}", fullmatch=True)
ports = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(["no", "1e-4", "0x1F", "12:30", "~", "- a", "a: b", "#", "null", "1_000", ".5", "=", "<<"])
    | st.sampled_from(["a\nb", "a\nb\n\n c", "a\nb\n", "\na", " a\nb", "a \nb", "a\n- b: c #", "---\n..."])
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=8)


parameter_links = st.builds(
    ParameterLink,
    expr=st.sampled_from(["a.b + 2", "clamp(sky.bg.median, 0, 1)"]),
    unit=st.sampled_from(["", "px"]),
    mode=st.sampled_from(["live", "frozen"]),
    clamp=st.none() | st.just((-1.0, 2.5)),
    fallback=st.sampled_from(["", "0.5"]),
    deadband=st.sampled_from([0.0, 0.25]),
)


@st.composite
def graphs(draw: Any) -> Graph:
    """Any graph, whatever its processes are; links may well run in circles."""
    g = Graph()
    nodes = draw(st.lists(names, min_size=1, max_size=7, unique=True))
    links = st.builds(Link, st.sampled_from(nodes), ports)
    feeds = st.dictionaries(ports, links | st.lists(links, min_size=1, max_size=4).map(tuple), max_size=3)
    for name in nodes:
        spec = NodeSpec(
            name=name,
            process=draw(st.sampled_from(["color.linear_fit", "ReadImage", "future.thing"])),
            version=draw(st.integers(0, 9)),
            params=draw(st.dictionaries(ports, values, max_size=4)),
            region=draw(st.none() | st.just(Box(0, -3, 7, 9))),
        )
        g.insert(spec, {})
    for name in nodes:
        for port, feed in draw(feeds).items():
            g.link(feed, name, port)
    g.outputs = draw(st.lists(st.sampled_from(nodes), unique=True))
    g.layout = draw(st.dictionaries(st.sampled_from(nodes), st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))))
    g.doc = draw(texts)
    g.notes = draw(st.dictionaries(st.sampled_from(nodes), texts.filter(bool), max_size=2))
    g.tags = draw(st.dictionaries(st.sampled_from(nodes), st.sampled_from([("a", "b"), ("allow-W01",)]), max_size=2))
    for name in draw(st.lists(st.sampled_from(["early_end", "late_end"]), unique=True)):
        g.named_outputs[name] = NamedOutput(name=name, node=draw(st.sampled_from(nodes)), port="image", doc=draw(texts))
    g.parameter_links = draw(st.dictionaries(st.tuples(st.sampled_from(nodes), ports), parameter_links, max_size=2))
    if any(g.spec(n).process == "future.thing" for n in g) and draw(st.booleans()):
        g.packs["future-pack"] = Pack("future-pack", draw(texts), ("future.thing",))
    for name in draw(st.lists(st.sampled_from(["red", "L-1", "_x"]), unique=True)):
        g.inputs[name] = Input(name=name, node=nodes[0], param="path", optional=draw(st.booleans()), doc=draw(texts))
        g.settings[name] = Setting(name=name, sets=((nodes[-1], "k"), (nodes[0], "path")), doc=draw(texts))
    return g


def parts(g: Graph) -> Any:
    """Return everything that a graph is made of."""
    nodes = {n: (g.spec(n), g.feeds(n)) for n in g}
    said = g.notes, g.tags, g.named_outputs, g.parameter_links, g.packs
    return nodes, g.outputs, g.layout, g.doc, g.inputs, g.settings, said


@given(graphs())
@settings(deadline=None, max_examples=30)
def test_any_graph_comes_back_from_any_spelling_and_saves_to_the_same_bytes(g: Graph) -> None:
    document = g.to_document()
    for spelling in ("msgpack", "yaml", "json"):
        data = file_format.encode(document, spelling)
        back = Graph.from_document(file_format.decode(data, spelling))
        assert parts(back) == parts(g)
        assert back.to_document() == document
        assert file_format.encode(back.to_document(), spelling) == data


@given(graphs())
@settings(deadline=None, max_examples=30)
def test_files_are_what_other_readers_of_these_formats_read(g: Graph) -> None:
    document = g.to_document()
    assert msgpack.unpackb(file_format.encode(document, "msgpack")) == document
    assert json.loads(file_format.encode(document, "json")) == document
    assert yaml.safe_load(file_format.encode(document, "yaml")) == document


@given(graphs(), st.randoms())
@settings(deadline=None, max_examples=20)
def test_the_order_of_building_is_not_in_the_file(g: Graph, random: Any) -> None:
    shuffled = Graph()
    order = list(g)
    random.shuffle(order)
    for name in order:
        shuffled.insert(g.spec(name), {})
    for name in order:
        for port, feed in g.feeds(name).items():
            shuffled.link(feed, name, port)
    shuffled.outputs, shuffled.layout, shuffled.doc = g.outputs, g.layout, g.doc
    shuffled.inputs, shuffled.settings = g.inputs, g.settings
    shuffled.notes, shuffled.tags, shuffled.packs = g.notes, g.tags, g.packs
    shuffled.named_outputs, shuffled.parameter_links = g.named_outputs, g.parameter_links
    assert list(shuffled.to_document().items()) == list(g.to_document().items())


# -- files ----------------------------------------------------------------------------------------------


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "sky.fits"
    path.parent.mkdir()
    pixels = np.random.default_rng(1).normal(0.2, 0.01, (20, 30)).astype(np.float32)
    fits.PrimaryHDU(pixels).writeto(path)
    return path


def chain(path: str) -> Graph:
    g = Graph()
    image = g.add("ReadImage", name="image", path=path)
    part = g.add("Crop", name="part", image=image, box=[1, 2, 15, 20])
    g.add("Invert", name="end", image=part, region=(0, 0, 5, 5))
    return g


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_loaded_has_the_same_keys_and_pixels(suffix: str, picture: Path, tmp_path: Path) -> None:
    g = chain(str(picture))
    g.save(tmp_path / f"g{suffix}")
    back = Graph.load(tmp_path / f"g{suffix}")
    assert back["end"].image.key == g["end"].image.key
    assert (back["end"].compute() == g["end"].compute()).all()
    first = (tmp_path / f"g{suffix}").read_bytes()
    back.save(tmp_path / f"g{suffix}")
    assert (tmp_path / f"g{suffix}").read_bytes() == first


steps = st.lists(
    st.sampled_from([("Invert", {}), ("Crop", {"left": 1}), ("Clip", {"high": 0.75}), ("Clip", {"low": 1e-7}),
                     ("HistogramTransformation", {"midtones": 0.1 + 0.2})]),
    min_size=1, max_size=6,
)  # fmt: skip


@given(steps)
@settings(deadline=None, max_examples=15)
def test_all_spellings_of_a_graph_have_the_same_keys(made: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sky.fits"
        fits.PrimaryHDU(np.ones((8, 30), np.float32)).writeto(path)
        g = Graph()
        node = g.add("ReadImage", name="n0", path=str(path))
        for i, (process, params) in enumerate(made, 1):
            node = g.add(process, name=f"n{i}", image=node, **params)
        wanted = [g[n].image.key for n in g]
        for spelling in ("msgpack", "yaml", "json"):
            data = file_format.encode(g.to_document(), spelling)
            back = Graph.from_document(file_format.decode(data, spelling))
            assert [back[n].image.key for n in sorted(g)] == wanted


def test_relative_paths_name_the_same_file_wherever_the_graph_is_saved(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(picture.parent)
    g = chain("sky.fits")
    wanted = g["end"].image.key
    g.save("here.yaml")
    assert Graph.load("here.yaml").spec("image").params["path"] == "sky.fits"
    (tmp_path / "other").mkdir()
    g.save(tmp_path / "other" / "there.lerar")
    assert g.spec("image").params["path"] == "sky.fits"
    monkeypatch.chdir("/")
    there = Graph.load(tmp_path / "other" / "there.lerar")
    assert there.spec("image").params["path"] == os.path.join("..", "data", "sky.fits")
    assert there["end"].image.key == wanted
    there.save(tmp_path / "back.yaml")
    assert Graph.load(tmp_path / "back.yaml").spec("image").params["path"] == os.path.join("data", "sky.fits")


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "g.yaml"
    target.write_text("old")
    g = Graph()
    g.add("ReadImage", path="/x.fits")

    def full(*_: Any) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        g.save(target)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["g.yaml"]


def test_roots_hold_what_a_graph_may_name(tmp_path: Path) -> None:
    g = Graph()
    a = g.add("ReadImage", name="a", path=str(tmp_path / "in" / "a.fits"))
    g.add("WriteImage", name="w", image=a, path=str(tmp_path / "out" / "b.fits"))
    g.save(tmp_path / "g.yaml")
    assert len(Graph.load(tmp_path / "g.yaml", roots=[tmp_path])) == 2
    with pytest.raises(GraphError, match=r"node 'w', path: .*b\.fits lies outside of"):
        Graph.load(tmp_path / "g.yaml", roots=[tmp_path / "in"])
    g.set("a", "path", str(tmp_path / "in" / ".." / ".." / "secret.fits"))
    g.save(tmp_path / "g.yaml")
    with pytest.raises(GraphError, match=r"node 'a', path: .*secret\.fits lies outside of"):
        Graph.load(tmp_path / "g.yaml", roots=[tmp_path])


def test_other_endings_and_absent_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"graph files end in \.lerar, \.yaml, \.yml, \.json, got '\.txt'"):
        Graph().save(tmp_path / "g.txt")
    with pytest.raises(SourceError, match="cannot be opened"):
        Graph.load(tmp_path / "none.lerar")


# -- placeholders, versions ---------------------------------------------------------------------------


def test_unknown_processes_keep_their_parameters_and_say_so_when_used(tmp_path: Path) -> None:
    g = Graph()
    g.insert(NodeSpec(name="a", process="future.thing", version=7, params={"k": (1, (2.5, "x")), "on": True}), {})
    g.add("Invert", name="b")
    g.link(Link("a", "image"), "b", "image")
    g.save(tmp_path / "g.lerar")
    back = Graph.load(tmp_path / "g.lerar")
    assert back.spec("a").params == {"k": (1, (2.5, "x")), "on": True}
    assert back.spec("a").version == 7
    with pytest.raises(UnknownProcessError, match=r"node 'a': no installed pack has process 'future\.thing'"):
        back.spec("a").build()


def test_unknown_processes_are_compared_like_others(tmp_path: Path) -> None:
    def graph(k: Any) -> Graph:
        g = Graph()
        g.insert(NodeSpec(name="a", process="future.thing", version=7, params={"k": k}), {})
        g.add("Invert", name="b")
        g.link(Link("a", "far"), "b", "image")
        return g

    graph(1.5).save(tmp_path / "g.yaml")
    found = diff(Graph.load(tmp_path / "g.yaml"), graph(2))
    assert [(c.kind, c.node, c.item, c.before, c.after) for c in found.changes] == [("retuned", "a", "k", 1.5, 2)]
    assert found.affected == ("b",)
    assert not diff(Graph.load(tmp_path / "g.yaml"), graph(1.5))


def test_packs_are_pinned_until_the_graph_takes_more_from_them(monkeypatch: pytest.MonkeyPatch) -> None:
    index = {"stars.find": "starpack.stars.find", "stars.remove": "starpack.stars.remove", "math.invert": packs._OWN}
    monkeypatch.setattr(packs.registry, "index", lambda: index)
    monkeypatch.setattr(packs, "_distributions", lambda: {"starpack": ("star-pack", "2.0")})
    g = Graph()
    g.insert(NodeSpec(name="a", process="stars.find", version=1), {})
    told = {"name": "star-pack", "version": "2.0", "processes": ["stars.find"]}
    assert g.to_document()["packs"] == [told]
    g.packs = {"star-pack": Pack("star-pack", "1.0", ("stars.find", "stars.gone"))}
    assert g.to_document()["packs"] == [{**told, "version": "1.0"}]
    g.insert(NodeSpec(name="b", process="stars.remove", version=1), {})
    assert g.to_document()["packs"] == [{**told, "processes": ["stars.find", "stars.remove"]}]
    g.remove("a")
    g.remove("b")
    assert "packs" not in g.to_document()


def test_parameter_links_and_variables_are_kept() -> None:
    g = chain("x.fits")
    taken = Taken(unit="px", error=(0.5, 0.25), n=12, source="abc", time="2026-01-01T00:00:00Z")
    g.parameter_links["part", "left"] = ParameterLink(expr="image.width / 10", clamp=(0, 9), mode="frozen", taken=taken)
    g.variables = {"k": 2.8, "names": ("a", "b")}
    back = Graph.from_document(g.to_document())
    assert parts(back) == parts(g) and back.variables == g.variables
    assert parts(back.copy()) == parts(g) and back.copy().variables == g.variables


def test_an_expression_among_the_parameters_is_a_link() -> None:
    g = chain("x.fits")
    document = g.to_document()
    part = next(n for n in document["nodes"] if n["name"] == "part")
    part["params"] = {**part.get("params", {}), "left": "= image.width // 10"}
    back = Graph.from_document(document)
    assert back.parameter_links == {("part", "left"): ParameterLink(expr="image.width // 10")}
    assert "left" not in back.spec("part").params
    part["links"] = {"left": {"expr": "1"}}
    with pytest.raises(GraphError, match="'left' has an expression among params and one among links"):
        Graph.from_document(document)


LATER = {"variables"}
"""Fields that came after format 1 was frozen; older readers refuse them by name."""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_with_every_field_of_version_1_load_for_ever(suffix: str) -> None:
    """Written when format 1 was frozen; never to be written again."""
    path = SAMPLES / f"version-1-full{suffix}"
    document = file_format.read(path)
    spelling = {".lerar": "msgpack"}.get(suffix, suffix[1:])
    assert file_format.encode(document, spelling) == path.read_bytes()
    assert list(document) == [field for field in FIELDS["document"] if field not in LATER]
    assert {field for node in document["nodes"] for field in node} == set(FIELDS["node"])
    assert document["packs"] == [{"name": "lerar-stars", "version": "2.1", "processes": ["stars.remove"]}]
    g = Graph.load(path)
    assert sorted(g) == ["end", "image", "odd", "use.cut", "use.deep.turned"]
    assert g.feeds("use.cut") == {"image": Link("image", "image")}
    assert g.feeds("use.deep.turned") == {"image": Link("use.cut", "image")}
    assert g.spec("use.cut").params == {"left": 7, "right": 7}
    assert g.feeds("end") == {"image": Link("use.deep.turned", "image"), "mask": Link("odd", "image")}
    assert g.spec("odd") == NodeSpec(
        name="odd", process="stars.remove", version=3, region=Box(0, 0, 9, 9),
        params={"list": (1, 1.0, True, "1", None, (-2.5e-7,)), "text": "é\n"},
    )  # fmt: skip
    assert g.parameter_links == {
        ("end", "high"): ParameterLink(expr="sky.bg.median * 4", unit="ADU", mode="frozen", clamp=(0.0, 1.0),
                                       fallback="1", deadband=0.5),
    }  # fmt: skip
    assert g.inputs == {"sky": Input(name="sky", node="image", param="path", optional=True, doc="the light")}
    assert g.settings == {"edge": Setting(name="edge", sets=(("use.cut", "left"), ("use.cut", "right")), doc="border")}
    assert g.outputs == ["end"]
    assert g.named_outputs == {"early": NamedOutput(name="early", node="use.cut", port="image", doc="before the turn")}
    assert (g.notes, g.tags) == ({"end": "why\nso"}, {"end": ("allow-W04", "night")})
    assert (g.layout, g.doc) == ({"end": (10.0, -2.5)}, "every field")
    assert g.to_document() == document


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_of_version_1_load_for_ever(suffix: str) -> None:
    g = Graph.load(SAMPLES / f"version-1{suffix}")
    assert sorted(g) == ["G", "R", "crop.1", "fit", "stats", "thing"]
    assert g.spec("thing") == NodeSpec(
        name="thing", process="future.thing", version=3,
        params={"flag": False, "table": ((1, 2.5), (None, "é\n")), "text": "no"}, region=Box(1, 2, 30, 40),
    )  # fmt: skip
    assert g.feeds("thing") == {"many": (Link("crop.1", "image"), Link("R", "image")), "mask": Link("G", "image")}
    assert g.feeds("fit") == {"image": Link("crop.1", "image"), "reference": Link("G", "image")}
    assert g.inputs == {"red": Input(name="red", node="R", param="path", optional=True, doc="the red one")}
    assert g.settings["left"].sets == (("crop.1", "left"),)
    assert (g.outputs, g.layout, g.doc) == (["fit"], {"fit": (10.0, -2.5)}, "two\nlines")


def test_old_documents_are_brought_up_step_by_step() -> None:
    def one_to_two(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "nodes": [{**n, "process": n.get("kind")} for n in document["nodes"]]}

    def two_to_three(document: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in document.items() if k != "gone"}

    old = {"format": "lerarlink graph", "version": 1, "nodes": [{"kind": "a.b"}], "gone": 1}
    new = file_format.migrated(old, 3, {1: one_to_two, 2: two_to_three})
    assert new == {"format": "lerarlink graph", "version": 3, "nodes": [{"kind": "a.b", "process": "a.b"}]}
    assert old["version"] == 1
    with pytest.raises(GraphError, match=r"written by a newer version \(format 5, this one reads up to 3\)"):
        file_format.migrated({**old, "version": 5}, 3, {})


def test_a_step_reaches_saved_graphs_and_documents_that_break_its_rules_are_refused() -> None:
    @everywhere
    def renamed(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "nodes": [{**n, "process": n["kind"]} for n in document["nodes"]]}

    inner = {"name": "g", "nodes": [{"kind": "c.d"}]}
    old = {"format": "lerarlink graph", "version": 1, "nodes": [{"kind": "a.b"}], "graphs": [inner]}
    new = file_format.migrated(old, 2, {1: renamed})
    assert new["graphs"][0]["nodes"] == [{"kind": "c.d", "process": "c.d"}]
    with pytest.raises(GraphError, match="the document breaks a rule of format 1: KeyError: 'kind'"):
        file_format.migrated({**old, "nodes": [{}]}, 2, {1: renamed})
    with pytest.raises(GraphError, match="breaks a rule of format 1"):
        file_format.migrated({**old, "graphs": 3}, 2, {1: renamed})


def test_the_table_of_migrations_is_complete() -> None:
    assert sorted(file_format.MIGRATIONS) == list(range(1, file_format.VERSION))


# -- building, inputs, settings -------------------------------------------------------------------------


def test_lists_and_tuples_are_one_wherever_parameters_come_in() -> None:
    g = Graph()
    g.add("ReadSeries", name="s", paths=["a.fits", "b.fits"])
    assert g.spec("s").params["paths"] == ("a.fits", "b.fits")
    g.set("s", "paths", ["c.fits"])
    assert g.spec("s").params["paths"] == ("c.fits",)
    g.replace(NodeSpec(name="s", process="io.read_series", version=1, params={"paths": ["d.fits"]}))
    assert g.spec("s").params["paths"] == ("d.fits",)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), b"x", {"a": 1}, 2**70, "\ud800", Path("x"), {1, 2}])
def test_parameters_that_no_file_can_hold_are_refused_at_once(bad: Any) -> None:
    with pytest.raises(GraphError, match="node 'a', k: wanted"):
        Graph().insert(NodeSpec(name="a", process="x.y", version=1, params={"k": bad}), {})


def test_inputs_and_settings_reach_their_parameters(tmp_path: Path) -> None:
    g = Graph()
    g.insert(NodeSpec(name="r.1", process="io.read_image", version=1), {})
    g.insert(NodeSpec(name="s", process="io.read_series", version=1), {})
    for c in ("c", "d"):
        g.add("Crop", name=c, image=g["r.1"])
    g.inputs = {
        "red": Input(name="red", node="r.1", param="path"),
        "lights": Input(name="lights", node="s", param="paths"),
    }
    g.settings = {"left": Setting(name="left", sets=(("c", "left"), ("d", "left")))}
    g.bind("red", Path("x.fits"))
    g.bind("lights", "one.fits")
    g.adjust("left", 7)
    assert g.spec("r.1").params == {"path": "x.fits"}
    assert g.spec("s").params == {"paths": ("one.fits",)}
    assert [g.spec(c).params for c in "cd"] == [{"left": 7}] * 2
    g.folder = str(tmp_path)
    g.bind("lights", ["a.fits", "b.fits"])
    assert g.spec("s").params == {"paths": (os.path.abspath("a.fits"), os.path.abspath("b.fits"))}
    with pytest.raises(GraphError, match="the graph has no input 'blue'; it has 'red', 'lights'"):
        g.bind("blue", "x")
    with pytest.raises(GraphError, match="the graph has no setting 'l'; it has 'left'"):
        g.adjust("l", 1)


def test_a_setting_that_one_node_refuses_changes_none() -> None:
    g = Graph()
    r = g.add("ReadImage", name="r", path="x.fits")
    g.add("Crop", name="c", image=r)
    g.add("Crop", name="d", image=r, box=(0, 0, 2, 2))  # takes no margins beside its box
    g.settings = {"left": Setting(name="left", sets=(("c", "left"), ("d", "left")))}
    before = parts(g)
    with pytest.raises(ParameterError, match="either box or margins"):
        g.adjust("left", 3)
    assert parts(g) == before


def test_copies_are_independent_and_removing_forgets_everywhere() -> None:
    g = Graph()
    r = g.add("ReadImage", name="r", path="x.fits")
    g.add("Crop", name="c", image=r)
    g.inputs = {"red": Input(name="red", node="r", param="path")}
    g.settings = {"left": Setting(name="left", sets=(("c", "left"),))}
    g.layout = {"r": (0.0, 1.0)}
    g.outputs = ["r"]
    other = g.copy()
    other.remove("r")
    assert (other.inputs, other.layout, other.outputs, list(other)) == ({}, {}, [], ["c"])
    assert list(other.settings) == ["left"]
    other.remove("c")
    assert other.settings == {}
    assert (list(g.inputs), list(g.settings), list(g.layout), list(g)) == (["red"], ["left"], ["r"], ["r", "c"])


def test_a_graph_whose_links_lead_nowhere_is_not_written() -> None:
    g = Graph()
    g.add("Invert", name="a")
    g.link(Link("ghost", "image"), "a", "image")
    with pytest.raises(GraphError, match=r"node 'a', feeds\.image: there is no node 'ghost'"):
        g.to_document()


def test_defaults_and_empty_fields_are_not_written() -> None:
    g = Graph()
    g.add("Invert", name="a")
    assert g.to_document() == {
        "format": "lerarlink graph", "version": 1,
        "nodes": [{"name": "a", "process": "math.invert", "version": 1}],
    }  # fmt: skip
    assert checked_document(Graph().to_document())["nodes"] == []
