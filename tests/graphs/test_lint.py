"""What is doubtful about a graph is told with a code, a place, a reason and a cure; what is sound is left alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lerarlink import Graph
from lerarlink.engine import registry
from lerarlink.engine.graph import Link, NodeSpec
from lerarlink.graphs.document import Input, ParameterLink
from lerarlink.graphs.lint.findings import CODES, Finding
from lerarlink.graphs.lint.rules import lint
from lerarlink.graphs.packs import Pack
from lerarlink.graphs.preprocess.records import FrameRecord
from lerarlink.graphs.recipe import load_recipe, templates

PAGE = (Path(__file__).parents[2] / "docs" / "lint.md").read_text("utf-8")


def codes(found: list[Finding]) -> list[str]:
    return [f.code for f in found]


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, [str(f) for f in found]
    return found[0]


def put(g: Graph, name: str, process: str, version: int = 1, **params: Any) -> Any:
    return g.insert(NodeSpec(name=name, process=process, version=version, params=params), {})


def night() -> Graph:
    """Return a sound graph: three channels fitted, combined, stretched together, written."""
    g = Graph()
    red, green, blue = (g.add("ReadImage", name=c, path=f"{c}.fits") for c in ("red", "green", "blue"))
    fits = [g.add("LinearFit", name=f"fit-{n.name}", image=n, reference=green) for n in (red, blue)]
    rgb = g.add("ChannelCombination", name="rgb", red=fits[0], green=green, blue=fits[1])
    shown = g.add("ScreenTransferFunction", name="shown", image=rgb)
    curve = g.add("HistogramTransformation", name="curve", image=rgb, display=shown)
    g.add("WriteImage", name="out", image=curve, path="out.fits")
    return g


def calibrated() -> Graph:
    """Return a sound graph: lights calibrated with a dark, a bias and a flat made of raw frames."""
    g = Graph()
    lights, darks, flats, bias = (
        g.add("ReadSeries", name=n, paths=[f"{n}/1.fits", f"{n}/2.fits"]) for n in ("lights", "darks", "flats", "bias")
    )
    dark = g.add("MasterDark", name="dark", images=darks)
    offset = g.add("MasterBias", name="offset", images=bias)
    even = g.add("ImageCalibration", name="even", image=flats, bias=offset)
    flat = g.add("MasterFlat", name="flat", images=even)
    clean = g.add("ImageCalibration", name="clean", image=lights, dark=dark, flat=flat, optimize_darks=False)
    g.add("WriteImage", name="out", image=clean, path="clean.fits")
    return g


def headers(**changes: Any) -> dict[str, FrameRecord]:
    """Return records of the frames of `calibrated`; *changes* by kind: dark=dict(exposure=...)."""
    made = {}
    for folder, kind in (("lights", "light"), ("darks", "dark"), ("flats", "flat"), ("bias", "bias")):
        seconds = {"light": 300.0, "dark": 300.0, "flat": 2.0, "bias": 0.0}[kind]
        for n in (1, 2):
            record = FrameRecord(
                path=f"{folder}/{n}.fits", kind=kind, width=100, height=80, exposure=seconds, temperature=-10.0,
                gain=100.0, offset=50.0, camera="ASI", filter="R" if kind in ("light", "flat") else None,
            )  # type: ignore[arg-type]  # fmt: skip
            made[record.path] = replace(record, **changes.get(kind, {}))
    return made


def test_sound_graphs_have_no_findings() -> None:
    assert lint(night()) == []
    assert lint(calibrated(), headers()) == []
    assert lint(Graph()) == []


@pytest.mark.parametrize("recipe", [t.name for t in templates()])
def test_recipes_have_no_findings_but_that_processes_moved_on(recipe: str) -> None:
    assert set(codes(lint(load_recipe(recipe), template=True))) <= {"W05"}


# -- states, stretches ------------------------------------------------------------------------------------


def test_linear_processes_after_a_stretch() -> None:
    g = night()
    fit = g.add("LinearFit", name="late", image=g["curve"], reference=g["green"])
    g.link(Link(fit.name, "image"), "out", "image")
    found = only(lint(g))
    assert (found.code, found.level, found.node) == ("S01", "error", "late")
    assert "wants linear data, but 'curve' (stretch.histogram_transformation) gives stretched data" in found.message
    assert found.cure == "move 'late' before 'curve'"


def test_channels_stretched_apart_after_colour_calibration() -> None:
    g = night()
    g.set("shown", "linked", False)
    found = only(lint(g))
    assert (found.code, found.level, found.node) == ("S02", "warning", "curve")
    assert "as 'shown' has linked false, after 'fit-blue' (color.linear_fit)" in found.message
    assert found.cure == "set shown.linked to true"
    g.tags["curve"] = ("allow-S02",)
    assert lint(g) == []
    g = night()
    for c in ("fit-red", "green", "fit-blue"):
        shown = g.add("ScreenTransferFunction", name=f"s-{c}", image=g[c])
        g.add("HistogramTransformation", name=f"c-{c}", image=g[c], display=shown)
    for port, c in (("red", "fit-red"), ("green", "green"), ("blue", "fit-blue")):
        g.link(Link(f"c-{c}", "image"), "rgb", port)
    found = next(f for f in lint(g) if f.code == "S02")
    assert "node 'rgb' combines channels that 'c-fit-blue', 'c-green', 'c-fit-red' stretched each" in found.message


def test_colours_that_were_never_calibrated_may_be_stretched_apart() -> None:
    g = Graph()
    image = g.add("ReadImage", name="image", path="x.fits")
    shown = g.add("ScreenTransferFunction", name="shown", image=image, linked=False)
    curve = g.add("HistogramTransformation", name="curve", image=image, display=shown)
    g.add("WriteImage", name="out", image=curve, path="out.fits")
    assert lint(g) == []


def test_a_second_automatic_stretch() -> None:
    g = night()
    shown = g.add("ScreenTransferFunction", name="again", image=g["curve"])
    twice = g.add("HistogramTransformation", name="twice", image=g["curve"], display=shown)
    g.link(Link(twice.name, "image"), "out", "image")
    found = only(lint(g))
    assert (found.code, found.node) == ("S03", "twice")
    assert "of 'again' to what 'curve' stretched before" in found.message


# -- calibration ------------------------------------------------------------------------------------------

HEADERS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "temperature": ({"dark": {"temperature": -5.0}}, "C01", "lights", "dark of 'darks': -10.0 C is wanted, -5.0 C is"),
    "gain": ({"dark": {"gain": 0.0}}, "C02", "lights", "gain 100 is wanted, gain 0 is there"),
    "offset": ({"bias": {"offset": 10.0}}, "C02", "flats", "bias of 'bias': offset 50 is wanted, offset 10 is there"),
    "exposure": ({"dark": {"exposure": 60.0}}, "C03", "lights", "300 s is wanted, 60 s is there"),
    "filter": ({"flat": {"filter": "B"}}, "C04", "lights", "flat of 'flats': filter R is wanted, filter B is there"),
    "binning": ({"dark": {"binning": (2, 2)}}, "C04", "lights", "bin 1x1 is wanted, bin 2x2 is there"),
    "size": ({"flat": {"width": 90}, "bias": {"width": 90}}, "C04", "lights", "100x80 is wanted, 90x80 is there"),
}  # fmt: skip


@pytest.mark.parametrize("case", HEADERS)
def test_calibration_frames_that_were_taken_otherwise(case: str) -> None:
    changes, code, node, why = HEADERS[case]
    found = only(lint(calibrated(), headers(**changes)))
    assert (found.code, found.level, found.node) == (code, "warning", node)
    assert why in found.message
    assert found.cure.startswith("link a ")


def test_darks_that_are_scaled_may_have_another_exposure() -> None:
    g = calibrated()
    g.set("clean", "optimize_darks", True)
    g.set("clean", "calibrate_dark", True)
    g.link(Link("offset", "image"), "clean", "bias")
    assert lint(g, headers(dark={"exposure": 60.0})) == []


def test_missing_calibration_is_told_with_the_nearest_candidate() -> None:
    g = calibrated()
    g.unlink("clean", "flat")
    found = next(f for f in lint(g, headers()) if f.code == "C06")
    assert found.node == "lights"
    assert found.message.startswith("Process Error: Lerar Link unresolved: node 'lights'")
    assert "nearest is not linked in the graph (2 flats)" in found.message
    assert found.cure.startswith("link 'flats'")


def test_headers_that_cannot_be_read() -> None:
    known = headers()
    known.pop("darks/1.fits")
    found = only(lint(calibrated(), known))
    assert (found.code, found.node) == ("C07", "darks")
    assert "darks/1.fits cannot be read" in found.message


def test_the_same_calibration_twice() -> None:
    g = calibrated()
    again = g.add("ImageCalibration", name="again", image=g["clean"], flat=g["flat"])
    g.link(Link(again.name, "image"), "out", "image")
    found = only(lint(g))
    assert (found.code, found.node, found.item) == ("C05", "again", "flat")
    assert "the frames were calibrated with a flat by 'clean' before" in found.message


def test_a_bias_that_the_dark_holds_already() -> None:
    g = calibrated()
    g.link(Link("offset", "image"), "clean", "bias")
    found = only(lint(g))
    assert (found.code, found.node, found.item) == ("C05", "clean", "bias")
    g.set("clean", "calibrate_dark", True)
    assert lint(g) == []
    # A dark out of a file may be free of it: nothing can be said.
    g = calibrated()
    g.link(Link("offset", "image"), "clean", "bias")
    g.add("ReadImage", name="ready", path="master-dark.fits")
    g.link(Link("ready", "image"), "clean", "dark")
    assert "C05" not in codes(lint(g))


# -- the whole ------------------------------------------------------------------------------------------


def test_nodes_that_no_output_needs() -> None:
    g = night()
    left = g.add("Invert", name="left", image=g["red"])
    g.add("Crop", name="over", image=left)
    g.add("Statistics", name="measured", image=g["green"])  # measures are looked at
    assert [(f.code, f.node) for f in lint(g)] == [("W01", "left"), ("W01", "over")]
    g.outputs = ["over"]
    assert lint(g) == []


def test_outputs_that_are_inputs_or_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = night()
    g.folder = str(tmp_path)
    g.set("out", "path", "./x/../red.fits")
    found = only(lint(g))
    assert (found.code, found.level, found.node) == ("W02", "error", "out")
    assert "./x/../red.fits is the file that 'red' reads" in found.message
    (tmp_path / "link.fits").symlink_to("red.fits")
    g.set("out", "path", "link.fits")
    assert codes(lint(g)) == ["W02"]
    g.set("out", "path", "out.fits")
    g.add("WriteImage", name="second", image=g["rgb"], path=str(tmp_path / "out.fits"))
    assert [(f.code, f.node) for f in lint(g)] == [("W03", "second")]


def test_parameters_far_outside_their_usual_range() -> None:
    g = night()
    g.set("shown", "shadows_clipping", -9.0)
    found = only(lint(g))
    assert (found.code, found.node, found.item) == ("W04", "shown", "shadows_clipping")
    assert "shadows_clipping is -9 sigma, usual is -5 to -1" in found.message
    assert "such as the default -2.8" in found.cure
    g.set("shown", "shadows_clipping", -5.0)
    assert lint(g) == []


def test_usual_ranges_lie_within_what_is_legal_and_hold_the_default() -> None:
    seen = 0
    for process in registry.everything():
        for spec in process.params.values():
            if spec.usual is not None:
                low, high = spec.usual
                assert low < high
                assert spec.low is None or spec.low <= low, (process.id, spec.name)
                assert spec.high is None or high <= spec.high, (process.id, spec.name)
                defaults = spec.default if isinstance(spec.default, tuple) else (spec.default,)
                assert all(d is None or low <= d <= high for d in defaults), (process.id, spec.name)
                seen += 1
    assert seen > 20


def test_versions_that_moved_on(monkeypatch: pytest.MonkeyPatch) -> None:
    g = night()
    spec = g.spec("curve")
    g.replace(replace(spec, version=0))
    found = only(lint(g))
    assert (found.code, found.node) == ("W05", "curve")
    g = night()
    g.packs = {"stars": Pack("stars", "1.0", ("math.invert",))}
    monkeypatch.setattr(
        "lerarlink.graphs.packs.installed", lambda processes: {"stars": Pack("stars", "2.0", ("math.invert",))}
    )
    found = only(lint(g))
    assert found.code == "W06"
    assert "made with version 1.0, installed is 2.0" in found.message


# -- the graph itself ---------------------------------------------------------------------------------------


def unknown(g: Graph) -> None:
    put(g, "odd", "stars.remove", version=3)
    g.packs = {"lerar-stars": Pack("lerar-stars", "2.1", ("stars.remove",))}
    g.link(Link("odd", "image"), "out", "image")


def ungiven(g: Graph) -> None:
    g.inputs["red"] = Input(name="red", node="red", param="path")
    g.replace(NodeSpec(name="red", process="io.read_image", version=1))


def followed(g: Graph) -> None:
    g.parameter_links["shown", "target_background"] = ParameterLink(expr="sky.bg.median * 2")


BROKEN: dict[str, tuple[Callable[[Graph], Any], str, str]] = {
    "G01": (unknown, "no installed pack has process 'stars.remove'", "install lerar-stars 2.1, from which it came"),
    "G02": (lambda g: g.link(Link("ghost", "image"), "out", "image"), "there is no node 'ghost'", "add 'ghost'"),
    "G03": (lambda g: g.unlink("rgb", "red"), "Lerar Link unresolved: node 'rgb', input 'red'", "link one of them"),
    "G04": (lambda g: g.link(Link("shown", "display"), "out", "image"), "wants image, 'shown.display' gives", ""),
    "G05": (lambda g: g.link(Link("rgb", "image"), "red", "image"), "links run in a circle", "unlink one of them"),
    "G06": (lambda g: g.replace(NodeSpec(name="out", process="io.write_image", version=1)), "wants parameter 'path'",
            "give the parameter a value"),
    "G07": (ungiven, "Lerar Link unresolved: input 'red' (wants a file): nothing is given", "give it a file: red=PATH"),
    "G08": (lambda g: g.link(Link("red", "image"), "out", "mask"), "takes no mask", "remove the mask"),
    "G09": (followed, "Lerar Link unresolved: node 'shown', parameter 'target_background' (wants float): "
            "LNK-2: there is no node 'sky'", "near it: "),
}  # fmt: skip


@pytest.mark.parametrize("code", BROKEN)
def test_what_keeps_a_graph_from_running_has_a_code_and_a_cure(code: str) -> None:
    change, why, cure = BROKEN[code]
    g = night()
    change(g)
    found = next(f for f in lint(g) if f.code == code)
    assert found.level == "error"
    assert why in found.message
    assert found.cure.startswith(cure)
    assert found.record()["title"] == CODES[code].title


def test_inputs_of_saved_graphs_that_nothing_is_linked_to() -> None:
    g = Graph()
    red = g.add("ReadImage", name="red", path="r.fits")
    colour = g.use(load_recipe("lrgb"), name="colour", red=red, green="g.fits")
    g.add("WriteImage", name="out", image=colour.lrgb, path="x.fits")
    found = next(f for f in lint(g) if f.code == "G07")
    assert found.node == "colour.blue"
    assert "Lerar Link unresolved: input 'colour.blue' (wants a file): nothing is given" in found.message
    assert "node 'red' offers image" in found.message


def test_every_code_is_on_the_page_as_it_is_told() -> None:
    told = dict(re.findall(r"^\| (\w\d\d) \| (.*?) \|", PAGE, re.M))
    assert list(told) == list(CODES)
    assert all(told[code] == f"{kind.level}" for code, kind in CODES.items())
    for kind in CODES.values():
        assert f"| {kind.title} |" in PAGE
