"""A graph written as a Python program is the same graph when the program is run."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.errors import GraphError
from lerarlink.engine.graph import Link, NodeSpec
from lerarlink.engine.region import Box
from lerarlink.graphs.document import Graph, Input, Setting
from lerarlink.graphs.exporting.script import to_script
from lerarlink.graphs.importing.ssf import import_ssf
from lerarlink.graphs.importing.xpsm import import_xpsm
from lerarlink.graphs.recipe import load_recipe, templates


def rebuilt(graph: Graph, folder: Path) -> Graph:
    file = folder / "program.py"
    file.write_text(to_script(graph, folder), "utf-8")
    made = runpy.run_path(str(file))["build"]()
    assert isinstance(made, Graph)
    return made


@pytest.mark.parametrize("name", [t.name for t in templates()])
def test_recipes_survive_as_programs(name: str, tmp_path: Path) -> None:
    graph = load_recipe(name)
    assert rebuilt(graph, tmp_path).to_document() == graph.to_document()


def test_imports_survive_as_programs_placeholders_and_all(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    graphs = [import_ssf(p.read_text("utf-8")).graph for p in real_data("recipes").glob("*.ssf")]
    graphs += [import_xpsm(p.read_bytes()).graph for p in real_data("recipes").glob("*.xpsm")]
    assert len(graphs) >= 10
    for graph in graphs:
        assert rebuilt(graph, tmp_path).to_document() == graph.to_document()


def test_everything_a_document_holds_is_said(tmp_path: Path) -> None:
    g = Graph()
    g.doc = 'It\'s "quoted"\nand \\ long'
    a = g.add("ReadImage", name="class", path="it's.fits")
    b = g.add("ReadImage", name="b.1", path="b.fits")
    mask = g.add("ReadImage", name="b_1", path="m.fits")
    g.add("Rescale", name="g", image=b, mask=mask, region=(1, 2, 30, 40))
    display = g.add("ScreenTransferFunction", name="display", image=a)
    g.add("HistogramTransformation", name="image", image=a, display=display.display)
    g.add("LinearFit", name="print", image=a, reference=b)
    g.add("ReferenceImage", name="Path", images=[a, b])
    g.insert(
        NodeSpec(name="x", process="strange.thing", version=3, params={"lambda": (1, (True, None)), "n": -0.5},
                 region=Box(0, 0, 5, 5)),
        {"one": Link("b.1", "image"), "many": (Link("g", "image"),), "own": Link("x0", "odd")},
    )  # fmt: skip
    g.insert(NodeSpec(name="x0", process="strange.thing", version=1), {})
    g.inputs["red"] = Input(name="red", node="b.1", param="path", optional=True, doc="a red one")
    g.settings["t"] = Setting(name="t", sets=(("print", "reject_high"),), doc="threshold")
    g.outputs = ["image", "print"]
    g.layout = {"class": (1.0, -2.5)}
    assert rebuilt(g, tmp_path).to_document() == g.to_document()


def test_relative_paths_name_the_same_files_and_keys_are_equal(tmp_path: Path) -> None:
    (tmp_path / "graphs").mkdir()
    (tmp_path / "programs").mkdir()
    fits.writeto(tmp_path / "sky.fits", np.arange(12, dtype=np.float32).reshape(3, 4))
    g = Graph()
    g.folder = str(tmp_path)
    g.add("Invert", name="out", image=g.add("ReadImage", name="sky", path="sky.fits"))
    g.save(tmp_path / "graphs" / "g.yaml")
    loaded = Graph.load(tmp_path / "graphs" / "g.yaml")
    made = rebuilt(loaded, tmp_path / "programs")
    assert made.to_document() == loaded.to_document()
    assert made["out"].image.key == loaded["out"].image.key == g["out"].image.key


def test_the_program_runs_the_graph(tmp_path: Path, private_store: Path) -> None:
    fits.writeto(tmp_path / "sky.fits", np.arange(12, dtype=np.float32).reshape(3, 4))
    g = Graph()
    g.folder = str(tmp_path)
    sky = g.add("ReadImage", name="sky", path="sky.fits", bounds=(0.0, 16.0))
    g.add("WriteImage", name="write", image=g.add("Invert", image=sky), path="out.fits")
    (tmp_path / "program.py").write_text(to_script(g, tmp_path), "utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout.strip()) == (0, "out.fits"), done.stderr
    assert fits.getdata(tmp_path / "out.fits")[0].tolist() == [16.0, 15.0, 14.0, 13.0]


def test_a_graph_with_a_circle_is_refused() -> None:
    g = Graph()
    g.insert(NodeSpec(name="a", process="math.invert", version=1), {"image": Link("b", "image")})
    g.insert(NodeSpec(name="b", process="math.invert", version=1), {"image": Link("a", "image")})
    with pytest.raises(GraphError, match="circle"):
        to_script(g)


def test_text_of_a_graph_cannot_become_code(tmp_path: Path) -> None:
    g = Graph()
    g.doc = '"""\nimport os; raise SystemExit("run")\n"""'
    g.add("ReadImage", name="a", path='x"); raise SystemExit("run"); ("')
    assert rebuilt(g, tmp_path).to_document() == g.to_document()
