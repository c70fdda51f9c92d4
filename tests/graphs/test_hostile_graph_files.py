"""Files that are broken, foreign or hostile are refused in one sentence that says where and why."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgpack
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lerarlink import Graph
from lerarlink.engine.errors import EngineError, GraphError
from lerarlink.graphs import format as file_format
from lerarlink.graphs import yaml_form

SAMPLES = Path(__file__).parent / "samples"
GOOD = json.loads((SAMPLES / "version-1.json").read_text("utf-8"))
BYTES = (SAMPLES / "version-1.lerar").read_bytes()


GOOD_YAML = {s: file_format.read(SAMPLES / f"{s}.yaml") for s in ("version-1", "version-1-full")}


def refused(path: Path, data: bytes, why: str) -> None:
    path.write_bytes(data)
    with pytest.raises(GraphError, match=why) as caught:
        Graph.load(path)
    told = str(caught.value)
    assert told.startswith(str(path))
    assert len(told) < 500


def node(**changes: Any) -> Any:
    """Return a change of node 'fit' of the good document."""

    def change(document: dict[str, Any]) -> None:
        found = next(n for n in document["nodes"] if n["name"] == "fit")
        found.update(changes)

    return change


def top(**changes: Any) -> Any:
    return lambda document: document.update(changes)


def twice(document: dict[str, Any]) -> None:
    document["nodes"].append(document["nodes"][0])


def without(field: str) -> Any:
    return lambda document: document["nodes"][1].pop(field)


PACK = {"name": "p", "version": "1", "processes": ["a.b"]}
INPUT = {"name": "a", "node": "R", "param": "p"}
BROKEN: dict[str, tuple[Any, str]] = {
    "two of a name": (twice, "nodes: the name 'G' stands there twice"),
    "foreign format": (top(format="image"), "no graph: wanted a document with format 'lerarlink graph', got 'image'"),
    "newer": (top(version=5), r"written by a newer version \(format 5, this one reads up to 1\)"),
    "version 0": (top(version=0), "version: wanted a whole number from 1, got 0"),
    "version true": (top(version=True), "version: wanted a whole number from 1, got True"),
    "version text": (top(version="1"), "version: wanted a whole number from 1, got '1'"),
    "version float": (top(version=1.0), r"version: wanted a whole number from 1, got 1\.0"),
    "unknown field": (top(extra=1), "the document: unknown field 'extra'; it may have format, version"),
    "no nodes": (lambda d: d.pop("nodes"), "the document: field 'nodes' is missing"),
    "nodes a mapping": (top(nodes={}), "nodes: wanted a list, got a mapping of 0 entries"),
    "node a number": (top(nodes=[3]), r"nodes\[0\]: wanted a mapping, got 3"),
    "no name": (without("name"), r"nodes\[1\]: field 'name' is missing"),
    "no process": (without("process"), "node 'R': field 'process' is missing"),
    "no version": (without("version"), "node 'R': field 'version' is missing"),
    "name empty": (node(name=""), "node '', name: wanted a node name"),
    "name with slash": (node(name="a/b"), "node 'a/b', name: wanted a node name"),
    "name too long": (node(name="a" * 201), "name: wanted a node name .* of at most 200 characters, got 'aaa"),
    "process a number": (node(process=3), "node 'fit', process: wanted the id of a process"),
    "process a path": (node(process="os:system"), "node 'fit', process: wanted the id of a process"),
    "node version": (node(version=-1), "node 'fit', version: wanted a whole number from 0 to 1000000, got -1"),
    "node version true": (node(version=True), "node 'fit', version: wanted a whole number"),
    "node unknown field": (node(code="print()"), "node 'fit': unknown field 'code'"),
    "params a list": (node(params=[1]), "node 'fit', params: wanted a mapping, got a list of 1"),
    "param a mapping": (node(params={"k": {"a": 1}}), r"'fit', params\.k: wanted null, true, false, a number, text"),
    "param name": (node(params={"a b": 1}), "node 'fit', params, a name: wanted a port or parameter name"),
    "param deep": (node(params={"k": json.loads("[" * 20 + "]" * 20)}), r"params\.k.*: lists may lie at most 16 deep"),
    "param long": (node(params={"k": "x" * 1_000_001}), r"params\.k: text of at most 1,000,000 characters"),
    "param huge": (node(params={"k": 2**64}), r"params\.k: wanted a whole number from"),
    "feed without port": (node(feeds={"image": "R"}), r"node 'fit', feeds\.image: wanted 'node\.port', got 'R'"),
    "feed a number": (node(feeds={"image": 7}), r"node 'fit', feeds\.image: wanted 'node\.port', got 7"),
    "feed of nothing": (node(feeds={"image": []}), r"feeds\.image: wanted 'node\.port' .*, got an empty list"),
    "feed nested": (node(feeds={"image": [["R.image"]]}), r"feeds\.image\[0\]: wanted 'node\.port', got a list of 1"),
    "feed to nobody": (node(feeds={"image": "nobody.image"}), r"node 'fit', feeds\.image: there is no node 'nobody'"),
    "feed port": (node(feeds={"image": "R.a b"}), r"feeds\.image: wanted a port or parameter name"),
    "region short": (node(region=[1, 2, 3]), "node 'fit', region: wanted a list of 4, got 3"),
    "region floats": (node(region=[0, 0, 1.5, 2]), r"node 'fit', region\[2\]: wanted a whole number"),
    "outputs unknown": (top(outputs=["x"]), "outputs: there is no node 'x'"),
    "outputs twice": (top(outputs=["fit", "fit"]), "outputs: the name 'fit' stands there twice"),
    "output without port": (top(outputs=[{"name": "o", "node": "fit"}]), r"outputs\[0\]: field 'port' is missing"),
    "output unknown": (top(outputs=[{"name": "o", "node": "x", "port": "p"}]), "outputs: there is no node 'x'"),
    "output name": (top(outputs=[{"name": "a-b", "node": "fit", "port": "p"}]), "name: wanted a port or parameter"),
    "outputs of a name": (top(outputs=["fit", {"name": "fit", "node": "R", "port": "p"}]), "'fit' stands there twice"),
    "note": (node(note=3), "node 'fit', note: wanted text, got 3"),
    "tags a text": (node(tags="abc"), "node 'fit', tags: wanted a list, got 'abc'"),
    "tag of words": (node(tags=["a b"]), r"node 'fit', tags\[0\]: wanted a name"),
    "tags without end": (node(tags=["t"] * 101), "tags: at most 100 entries are allowed, got 101"),
    "link a text": (node(links={"k": "= a.b"}), r"node 'fit', links\.k: wanted a mapping, got '= a\.b'"),
    "link without expr": (node(links={"k": {}}), r"links\.k: field 'expr' is missing"),
    "link long": (node(links={"k": {"expr": "1+" * 300}}), "wanted an expression of at most 500 characters"),
    "link of code": (node(links={"k": {"expr": "1", "code": "x"}}), r"links\.k: unknown field 'code'"),
    "link mode": (node(links={"k": {"expr": "1", "mode": "often"}}), "mode: wanted 'live' or 'frozen', got 'often'"),
    "link clamp": (node(links={"k": {"expr": "1", "clamp": [2, 1]}}), "clamp: wanted the lower end first, got '2, 1'"),
    "link clamp far": (node(links={"k": {"expr": "1", "clamp": [0, True]}}), "wanted a finite number, got True"),
    "packs of a name": (top(packs=[PACK, PACK]), "packs: the name 'p' stands there twice"),
    "pack of nothing": (top(packs=[{**PACK, "processes": []}]), "processes: wanted at least one, got an empty list"),
    "pack path": (top(packs=[{**PACK, "name": "../p"}]), "name: wanted the name of a pack"),
    "graph unknown": (node(process="graph.gone"), "node 'fit': there is no saved graph 'gone'; there are none"),
    "graph twice": (top(graphs=[{"name": "g", "nodes": []}] * 2), "graphs: the name 'g' stands there twice"),
    "graph half": (top(graphs=[{"name": "g"}]), r"graphs\[0\]: field 'nodes' is missing"),
    "graph with a format": (top(graphs=[{"name": "g", "nodes": [], "version": 1}]), "unknown field 'version'"),
    "layout unknown": (top(layout={"x": [0, 0]}), "layout: there is no node 'x'"),
    "layout far": (top(layout={"fit": [0, 1e300]}), r"layout\.fit\[1\]: wanted a number within 1e9"),
    "layout text": (top(layout={"fit": ["0", 1]}), r"layout\.fit\[0\]: wanted a number, got '0'"),
    "input to nobody": (top(inputs=[{"name": "a", "node": "x", "param": "p"}]), "input 'a': there is no node 'x'"),
    "input with dot": (top(inputs=[{"name": "a.b", "node": "R", "param": "p"}]), r"inputs\[0\], name: wanted a name"),
    "input half": (top(inputs=[{"name": "a"}]), r"inputs\[0\]: field 'node' is missing"),
    "input optional": (top(inputs=[{**INPUT, "optional": 1}]), "optional: wanted true or false, got 1"),
    "inputs twice": (top(inputs=[INPUT] * 2), "inputs: the name 'a' stands there twice"),
    "setting of nothing": (top(settings=[{"name": "a", "sets": []}]), "sets: wanted at least one"),
    "setting to nobody": (top(settings=[{"name": "a", "sets": ["x.k"]}]), "setting 'a': there is no node 'x'"),
    "doc": (top(doc=["a"]), "doc: wanted text, got a list of 1"),
}  # fmt: skip


# MessagePack has no number beyond 64 bits.
TRIED = [(c, s) for c in BROKEN for s in ("json", "yaml", "lerar") if (c, s) != ("param huge", "lerar")]


@pytest.mark.parametrize(("case", "spelling"), TRIED)
def test_documents_that_break_a_rule_are_refused_where_they_break_it(case: str, spelling: str, tmp_path: Path) -> None:
    change, why = BROKEN[case]
    document = copy.deepcopy(GOOD)
    change(document)
    data = msgpack.packb(document) if spelling == "lerar" else json.dumps(document).encode()  # JSON is YAML, too
    refused(tmp_path / f"g.{spelling}", data, why)


def test_the_good_document_is_good() -> None:
    assert len(Graph.from_document(GOOD)) == 6


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xc1", b"[1]", b"null", b"\xff\xfe", b"graph", b"\x93\x01"])
@pytest.mark.parametrize("suffix", [".lerar", ".yaml", ".json"])
def test_what_is_no_document_at_all_is_refused(data: bytes, suffix: str, tmp_path: Path) -> None:
    why = "this is no graph|truncated, or not MessagePack|not YAML|not JSON|not UTF-8|bytes follow|is empty"
    refused(tmp_path / f"g{suffix}", data, why)


# -- MessagePack ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", ["version-1", "version-1-full"])
def test_files_truncated_at_any_byte_and_trailing_bytes_are_refused(sample: str, tmp_path: Path) -> None:
    data = (SAMPLES / f"{sample}.lerar").read_bytes()
    for n in range(len(data)):
        refused(tmp_path / "g.lerar", data[:n], "truncated, or not MessagePack|no graph")
    refused(tmp_path / "g.lerar", data + b"\x00", "bytes follow after the end")


@pytest.mark.parametrize("sample", ["version-1", "version-1-full"])
def test_json_truncated_at_any_byte_is_refused_and_yaml_never_means_something_else(sample: str) -> None:
    data = (SAMPLES / f"{sample}.json").read_bytes().rstrip()
    for n in range(len(data)):
        with pytest.raises(GraphError, match=r"not JSON|no graph|not UTF-8"):
            file_format.decode(data[:n], "json")
    whole = (SAMPLES / f"{sample}.yaml").read_bytes()
    for n in range(0, len(whole), 5):
        # A YAML file that ends early may be a shorter document; then every node it has is one of the whole.
        try:
            cut = file_format.decode(whole[:n], "yaml")
        except GraphError:
            continue
        assert {node["name"] for node in cut["nodes"]} <= {node["name"] for node in GOOD_YAML[sample]["nodes"]}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (msgpack.ExtType(5, b"x"), "extension of type 5"),
        (msgpack.Timestamp(1, 2), "wanted null, true, false, a number, text"),
        (b"bytes", "wanted null, true, false, a number, text or a list of these, got b'bytes'"),
        (float("nan"), "wanted a finite number, got nan"),
        (float("-inf"), "wanted a finite number, got -inf"),
    ],
)
def test_what_only_messagepack_can_say_is_refused(value: Any, why: str, tmp_path: Path) -> None:
    document = copy.deepcopy(GOOD)
    document["nodes"][0]["params"] = {"k": value}
    refused(tmp_path / "g.lerar", msgpack.packb(document), why)


def test_texts_that_are_not_utf8_and_fields_that_stand_twice_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "g.lerar", BYTES.replace(b"the red one", b"the r\xff one"), "text is not UTF-8")
    key = msgpack.packb("format")
    refused(tmp_path / "g.lerar", b"\x82" + 2 * (key + msgpack.packb("lerarlink graph")), "field 'format' stands twice")
    refused(tmp_path / "g.lerar", b"\x81\x01\x02", "wanted text as the name of a field, got 1")


@given(st.integers(0, len(BYTES) - 1), st.integers(0, 255))
@settings(deadline=None, max_examples=150)
def test_a_changed_byte_gives_a_graph_or_a_sentence_and_nothing_else(at: int, byte: int) -> None:
    data = BYTES[:at] + bytes([byte]) + BYTES[at + 1 :]
    try:
        made = Graph.from_document(file_format.decode(data, "msgpack"))
    except EngineError:
        return
    assert file_format.encode(made.to_document(), "msgpack")


def test_claims_of_huge_sizes_take_no_memory(tmp_path: Path) -> None:
    for head in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
        refused(tmp_path / "g.lerar", head, "truncated, or not MessagePack")


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        (".lerar", b"\x91" * 2_000_000),
        (".json", b"[" * 2_000_000),
        (".yaml", b"[" * 2_000),
        (".yaml", b"\n".join(b" " * i + b"- " for i in range(500))),
        (".yaml", b"".join(b" " * i + b"a:\n" for i in range(500))),
    ],
)
def test_nesting_without_end_is_refused(suffix: str, data: bytes, tmp_path: Path) -> None:
    refused(tmp_path / f"g{suffix}", data, "nested too deeply|not MessagePack|no graph")


def test_files_beyond_the_limit_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "g.lerar"
    with path.open("wb") as f:
        f.truncate(file_format.MAX_BYTES + 1)
    with pytest.raises(GraphError, match="a graph file has at most 67,108,864 bytes"):
        Graph.load(path)


def test_too_many_nodes_are_refused() -> None:
    nodes = [{"name": f"n{i}", "process": "a.b", "version": 1} for i in range(100_001)]
    with pytest.raises(GraphError, match="nodes: at most 100,000 entries are allowed, got 100,001"):
        Graph.from_document({"format": "lerarlink graph", "version": 1, "nodes": nodes})


# -- YAML -----------------------------------------------------------------------------------------------

HEAD = "format: lerarlink graph\nversion: 1\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("doc: &a x\nnodes: []\n", "line 3: anchor &a is not allowed here"),
        ("doc: x\nnodes: *a\n", "line 4: alias \\*a is not allowed here|undefined alias"),
        ("nodes: !!python/object/apply:os.system [ls]\n", "line 3: tag .*os.system is not allowed here"),
        ("nodes: !!set {a}\n", "line 3: tag .* is not allowed here"),
        ("doc: !local x\nnodes: []\n", "line 3: tag !local is not allowed here"),
        ("nodes: []\nnodes: []\n", "line 4: field 'nodes' stands twice"),
        ("nodes: []\n---\na: 1\n", "line 4: a second document follows"),
        ("nodes: [\n", "not YAML"),
        ("nodes: []\n\tdoc: x\n", "not YAML"),
        ("doc: \x07\nnodes: []\n", "not YAML"),
        ("1: x\nnodes: []\n", "line 3: wanted text as the name of a field, got int"),
        ("? [a]\n: x\n", "line 3: wanted text as the name of a field, got list"),
        ("nodes: [{name: a, process: b.c, version: 1, params: {k: .nan}}]\n", r"params\.k: wanted a finite number"),
        ("nodes: [{name: a, process: b.c, version: 1, params: {k: 1e999}}]\n", r"params\.k: wanted a finite number"),
        ("nodes: [{name: a, process: b.c, version: 1, params: {k: " + "9" * 5000 + "}}]\n", "more than 40 digits"),
        ("<<: {doc: x}\nnodes: []\n", "unknown field '<<'"),
    ],
)
def test_yaml_that_does_more_than_say_plain_data_is_refused(text: str, why: str, tmp_path: Path) -> None:
    refused(tmp_path / "g.yaml", (HEAD + text).encode(), why)


def test_yaml_bombs_are_refused_at_their_first_anchor(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    start = time.perf_counter()
    refused(tmp_path / "g.yaml", "\n".join(lines).encode(), "line 1: anchor &a0 is not allowed here")
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_scalars_mean_what_yaml_1_2_says(loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(yaml, loader):
        pytest.skip("PyYAML was built without its parser in C")
    monkeypatch.setattr(yaml_form, "_LOADER", getattr(yaml, loader))
    wanted = {
        "no": "no", "yes": "yes", "on": "on", "null": None, "~": None, "true": True, "False": False, "1": 1, "-7": -7,
        "+3": 3, "1e-4": 1e-4, ".5": 0.5, "5.": 5.0, "1_000": "1_000", "12:30": "12:30", "2026-01-02": "2026-01-02",
        "0x1F": "0x1F", "'1'": "1", '"true"': "true", "1.5.2": "1.5.2", "": None,
    }  # fmt: skip
    text = "".join(f"k{i}: {source}\n" for i, source in enumerate(wanted))
    found = list(yaml_form.read(text, 5).values())
    assert [(type(v), v) for v in found] == [(type(v), v) for v in wanted.values()]


def test_hand_written_yaml_with_comments_and_blocks_is_read(tmp_path: Path) -> None:
    text = HEAD + "# my graph\nnodes:\n  - {name: a, process: math.invert, version: 1}\ndoc: >\n  folded\n  text\n"
    (tmp_path / "g.yaml").write_text(text)
    g = Graph.load(tmp_path / "g.yaml")
    assert (list(g), g.doc) == (["a"], "folded text\n")


# -- JSON, and all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "field 'a' stands twice"),
        ('{"format": NaN}', "wanted finite numbers, got NaN"),
        ('{"a": 1} x', "not JSON: Extra data"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON|no graph"),
    ],
)
def test_json_that_is_not_plain_data_is_refused(text: str, why: str, tmp_path: Path) -> None:
    refused(tmp_path / "g.json", text.encode(), re.escape(why) if "|" not in why else why)


def test_loading_imports_no_process_and_no_numeric_library(tmp_path: Path) -> None:
    """A graph file is data: reading one brings in no code of any pack."""
    g = Graph.from_document(GOOD)
    g.save(tmp_path / "g.lerar")
    code = (
        "import sys; from lerarlink.graphs.document import Graph; "
        f"Graph.load({str(tmp_path / 'g.lerar')!r}); "
        "print([m for m in sys.modules if m.startswith('lerarlink.nodes.') or m in ('numba', 'astropy', 'dask')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_paths_that_lead_elsewhere_are_refused_where_roots_are_given(tmp_path: Path) -> None:
    """Without roots every place is allowed: a graph names files as a command line does."""
    places = ("../secret.fits", "/etc/passwd", "a/../../x.fits", "~/x.fits/../../../x")
    for text in places:
        document = copy.deepcopy(GOOD)
        document["nodes"] = [{"name": "R", "process": "io.read_image", "version": 1, "params": {"path": text}}]
        for field in ("inputs", "settings", "outputs", "layout"):
            document.pop(field, None)
        (tmp_path / "g.json").write_text(json.dumps(document))
        assert len(Graph.load(tmp_path / "g.json")) == 1
        with pytest.raises(GraphError, match=r"node .R., path: .* lies outside of"):
            Graph.load(tmp_path / "g.json", roots=[tmp_path])


def test_attacks_take_little_memory_and_time_and_write_nothing(tmp_path: Path) -> None:
    """Every attack of this page at once, in a process that may hold 160 MB more than it starts with."""
    (tmp_path / "run").mkdir()
    for i, (case, spelling) in enumerate(TRIED):
        document = copy.deepcopy(GOOD)
        BROKEN[case][0](document)
        data = msgpack.packb(document) if spelling == "lerar" else json.dumps(document).encode()
        (tmp_path / f"{i:03}.{spelling}").write_bytes(data)
    bomb = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    deep: dict[str, Any] = {"nodes": [{"name": "n", "process": "a.b", "version": 1}]}
    for _ in range(6):
        uses = [{"name": f"u{i}", "process": "graph.g", "version": 1} for i in range(900)]
        deep = {"nodes": uses, "graphs": [{"name": "g", **deep}]}
    more = {
        "bomb.yaml": "\n".join(bomb).encode(),
        "uses.lerar": msgpack.packb({"format": "lerarlink graph", "version": 1, **deep}),
        "nest.lerar": b"\x91" * 2_000_000,
        "nest.json": b"[" * 2_000_000,
        "claim.lerar": b"\xdd\xff\xff\xff\xff",
        "long.json": b'{"format": "' + b"x" * 5_000_000 + b'"}',
        "many.json": b"[" + b"1," * 2_000_000 + b"1]",
        "keys.yaml": b"\n".join(b"k%d: 1" % i for i in range(20_000)),
    }
    for name, data in more.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", ATTACKED, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path / "run",
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    count, slowest, grown = done.stdout.split()
    assert int(count) == len(TRIED) + len(more)
    assert float(slowest) < 5
    assert int(grown) < 160_000
    assert list((tmp_path / "run").iterdir()) == []
    assert len(list(tmp_path.iterdir())) == len(TRIED) + len(more) + 1


ATTACKED = """
import pathlib, resource, sys, time
from lerarlink import Graph
from lerarlink.engine.errors import GraphError
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start, slowest, count = peak(), 0.0, 0
for path in sorted(p for p in pathlib.Path(sys.argv[1]).iterdir() if p.is_file()):
    begun = time.process_time()
    try:
        Graph.load(path)
    except GraphError as e:
        assert len(str(e)) < 700, path
        count += 1
    slowest = max(slowest, time.process_time() - begun)
print(count, slowest, peak() - start)
"""
