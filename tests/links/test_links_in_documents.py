"""Parameter links in documents: saved, drawn, compared, merged, linted, exported, frozen."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lerarlink.engine.errors import GraphError, LinkError
from lerarlink.engine.links.parameter import ParameterLink, Taken
from lerarlink.engine.run import resolved
from lerarlink.graphs.check import check
from lerarlink.graphs.diff.changes import diff
from lerarlink.graphs.diff.text import lines
from lerarlink.graphs.document import Graph, Input, Setting
from lerarlink.graphs.draw import draw
from lerarlink.graphs.exporting.script import to_script
from lerarlink.graphs.freezing import freeze, stale, thaw
from lerarlink.graphs.lint.rules import lint
from lerarlink.graphs.merge import merge
from lerarlink.tools.embedded import needed_document
from lerarlink.tools.graph_report import write_graph_report

SHADOWS = "clamp(stats.median - 2.8*stats.mad, 0, 1)"


def picture(folder: Path, level: float = 0.1, name: str = "a.fits") -> Path:
    rng = np.random.default_rng(5)
    path = folder / name
    fits.writeto(path, (level + 0.01 * rng.standard_normal((48, 64))).astype("f4"), overwrite=True)
    return path


def graph(path: str | Path = "a.fits") -> Graph:
    g = Graph()
    image = g.add("ReadImage", name="image", path=str(path))
    g.add("Statistics", name="stats", image=image)
    cut = g.add("Crop", name="cut", image=image, left="= image.width // 16")
    shown = g.add("HistogramTransformation", name="shown", image=cut, shadows=f"= {SHADOWS}", midtones=0.2)
    g.add("WriteImage", name="out", image=shown, path="out.fits")
    return g


def changed(change: Callable[[Graph], Any]) -> Graph:
    g = graph()
    change(g)
    return g


# -- documents ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".lerar", ".yaml", ".json"])
def test_links_and_variables_come_back_from_files(tmp_path: Path, suffix: str) -> None:
    g = graph()
    g.variables = {"k": 2.8}
    g["shown"].link("midtones", "= project.k / 10", clamp=(0.1, 0.9), fallback="= 0.5", deadband=0.01)
    g.save(tmp_path / f"g{suffix}")
    back = Graph.load(tmp_path / f"g{suffix}")
    assert back.parameter_links == g.parameter_links and back.variables == g.variables
    back.save(tmp_path / f"again{suffix}")
    assert (tmp_path / f"again{suffix}").read_bytes() == (tmp_path / f"g{suffix}").read_bytes()


def test_people_write_expressions_among_the_parameters(tmp_path: Path) -> None:
    text = """
format: lerarlink graph
version: 1
nodes:
- {name: image, process: io.read_image, version: 1, params: {path: a.fits}}
- name: cut
  process: geometry.crop
  version: 1
  params: {left: "= image.width // 16", right: 2}
  feeds: {image: image.image}
"""
    (tmp_path / "g.yaml").write_text(text)
    picture(tmp_path)
    g = Graph.load(tmp_path / "g.yaml")
    assert g.parameter_links == {("cut", "left"): ParameterLink(expr="image.width // 16")}
    assert g["cut"].image.frame.width == 64 - 4 - 2


def test_settings_of_saved_graphs_take_expressions(tmp_path: Path) -> None:
    path = picture(tmp_path)
    recipe = Graph()
    sky = recipe.add("ReadImage", name="sky", path="any.fits")
    recipe.add("Crop", name="end", image=sky, left=8)
    recipe.inputs["sky"] = Input(name="sky", node="sky", param="path")
    recipe.settings["edge"] = Setting(name="edge", sets=(("end", "left"), ("end", "right")))
    recipe.variables["unused"] = 1
    recipe.outputs = ["end"]
    g = Graph()
    image = g.add("ReadImage", name="image", path=str(path))
    g.use(recipe, name="trim", sky=image)
    g.set("trim", "edge", "= image.width / 16")
    assert g["trim.end"].image.frame.width == 56
    back = Graph.from_document(g.to_document())
    assert back.parameter_links == g.parameter_links and back["trim.end"].image.key == g["trim.end"].image.key


def test_renaming_a_node_takes_everything_along(tmp_path: Path) -> None:
    g = graph(picture(tmp_path))
    g.inputs["light"] = Input(name="light", node="image", param="path")
    g.settings["mid"] = Setting(name="mid", sets=(("shown", "midtones"),))
    g.notes, g.tags, g.layout, g.outputs = {"stats": "why"}, {"stats": ("a",)}, {"stats": (1.0, 2.0)}, ["stats"]
    key = g["shown"].image.key
    g.rename("stats", "sky")
    g.rename("image", "raw")
    g.rename("shown", "end")
    assert g.parameter_links["end", "shadows"].expr == SHADOWS.replace("stats", "sky")
    assert (g.notes, g.tags, g.layout, g.outputs) == ({"sky": "why"}, {"sky": ("a",)}, {"sky": (1.0, 2.0)}, ["sky"])
    assert g.inputs["light"].node == "raw" and g.settings["mid"].sets == (("end", "midtones"),)
    assert g["end"].image.key == key
    Graph.from_document(g.to_document())


# -- drawing ------------------------------------------------------------------------------------------------------


def test_links_are_drawn_dashed() -> None:
    g = graph()
    text = draw(g)
    assert "shadows := clamp(stats.media.." in text and "left := image.width // 16" in text
    below = text[text.index("| Statistics  |") :]
    assert ":" in below.splitlines()[2], "what only tunes goes down dotted"
    assert "-.->|= shadows|" in draw(g, "mermaid")
    assert '[label="= shadows", style=dotted]' in draw(g, "dot")
    svg = draw(g, "svg")
    assert 'stroke-dasharray="2 3" marker-end="url(#lerar-tunes)"' in svg and ">= shadows<" in svg


def test_a_broken_link_or_one_that_reads_back_is_still_drawn() -> None:
    g = graph()
    g.remove("stats")
    g.set("cut", "right", "= round(shown.midtones * 10)")
    assert "shadows :=" in draw(g) and "dotted" not in draw(g, "dot")


# -- checks -------------------------------------------------------------------------------------------------------


def only(g: Graph, code: str) -> Any:
    (found,) = [f for f in lint(g) if f.code == code]
    return found


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda g: g.remove("stats"), "LNK-2: there is no node 'stats'"),
        (lambda g: g.follow("shown", "midtones", ParameterLink(expr="stats.median", mode="frozen")), ""),
        (lambda g: g.set("cut", "right", "= stats.median + image.width"), "LNK-3: column 1: units of '+'"),
        (lambda g: g.set("cut", "right", "= stats"), "LNK-6: a measures came where int is wanted"),
        (lambda g: g.set("cut", "right", "= stats.median"), "LNK-3: the result is in 'image', the parameter in 'px'"),
        (lambda g: g.parameter_links.update({("cut", "right"): ParameterLink(expr="1 +")}), "LNK-1: column 1"),
        (lambda g: g.parameter_links.update({("cut", "rihgt"): ParameterLink(expr="1")}), "LNK-2: Crop has no such"),
        (
            lambda g: g.parameter_links.update({("cut", "right"): ParameterLink(expr="1", mode="frozen")}),
            "LNK-2: '= 1' is frozen, and no value was kept",
        ),
    ],
)
def test_broken_links_are_told_before_anything_is_read(change: Any, why: str) -> None:
    g = changed(change)
    if not why:
        assert not check(g)
        return
    found = only(g, "G09")
    assert found.level == "error" and found.message.startswith("Process Error: Lerar Link unresolved: node '")
    assert why in found.message


def test_a_sound_graph_has_no_findings() -> None:
    assert not lint(graph())


def test_a_circle_through_a_link_is_told_with_all_its_nodes() -> None:
    g = graph()
    g.add("Statistics", name="behind", image=g["shown"])
    g["cut"].link("right", "= round(behind.count)", unit="px")
    found = only(g, "G05")
    assert "LNK-4: links run in a circle: " in found.message
    assert all(name in found.message for name in ("behind", "cut.right", "cut", "shown"))
    with pytest.raises(LinkError, match="LNK-4"):
        g.order()
    h = graph()
    h["cut"].link("right", "= round(10 * shown.midtones)", unit="px")  # a value that is only set closes no circle
    assert not check(h) and h.order()


def test_a_node_that_only_tunes_is_needed() -> None:
    assert not [f for f in lint(graph()) if f.code == "W01"]
    g = changed(lambda g: g.unfollow("shown", "shadows"))
    g.outputs = ["out"]
    assert "stats" not in g.order(["out"])


# -- comparing and merging ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda g: g.set("shown", "shadows", "= stats.median"), f"h: shadows = {SHADOWS} -> = stats.median"),
        (lambda g: g.set("shown", "shadows", 0.1), f"h: shadows = {SHADOWS} -> 0.1"),
        (lambda g: g.set("shown", "midtones", "= stats.median"), "h: midtones 0.2 -> = stats.median"),
        (
            lambda g: g["shown"].link("shadows", SHADOWS, clamp=(0, 0.5)),
            f"h: shadows = {SHADOWS} -> = {SHADOWS} (clamp 0 .. 0.5)",
        ),
    ],
)
def test_an_edited_link_is_told_with_both_texts(change: Any, told: str) -> None:
    found = diff(graph(), changed(change))
    (one,) = found.changes
    assert (one.kind, one.node) == ("retuned", "shown")
    assert told.replace("h: ", "shown: ") in lines(found)[0]
    assert found.outputs == ("out",) and found.affected == ("out",)


def test_what_links_read_counts_in_comparisons() -> None:
    assert not diff(graph(), graph())
    renamed = diff(graph(), changed(lambda g: g.rename("stats", "sky-1")))
    assert [c.kind for c in renamed.changes] == ["renamed"] and not renamed.outputs
    tuned = diff(graph(), changed(lambda g: g.set("stats", "normalized", True)))
    assert set(tuned.affected) == {"out", "shown"} and tuned.outputs == ("out",)
    removed = diff(graph(), changed(lambda g: g.remove("stats")))
    assert set(removed.affected) == {"out", "shown"}

    def with_k(k: float) -> Graph:
        g = graph()
        g.variables["k"] = k
        g.set("shown", "midtones", "= project.k")
        return g

    variable = diff(with_k(0.2), with_k(0.3))
    assert set(variable.affected) == {"out", "shown"} and [c.item for c in variable.changes] == ["variables"]


def test_both_sides_of_a_merge_keep_their_links() -> None:
    ours = changed(lambda g: (g.rename("stats", "sky"), g.set("shown", "highlights", "= min(1, sky.median * 20)")))
    theirs = changed(lambda g: (g.set("shown", "midtones", "= stats.median"), g.set("cut", "left", 3)))
    found = merge(graph(), ours, theirs)
    assert not found.conflicts and found.document is not None
    made = Graph.from_document(found.document)
    assert {at: link.expr for at, link in made.parameter_links.items()} == {
        ("shown", "shadows"): SHADOWS.replace("stats", "sky"),
        ("shown", "highlights"): "min(1, sky.median * 20)",
        ("shown", "midtones"): "sky.median",
    }
    assert made.spec("cut").params["left"] == 3 and "midtones" not in made.spec("shown").params


@pytest.mark.parametrize(
    ("ours", "theirs", "item", "text"),
    [
        (
            lambda g: g.set("shown", "shadows", "= stats.median"), lambda g: g.set("shown", "shadows", 0.1),
            "params.shadows", f"base = {SHADOWS}, ours = stats.median, theirs 0.1",
        ),
        (
            lambda g: g.set("shown", "midtones", "= stats.median"), lambda g: g.set("shown", "midtones", "= stats.mad"),
            "params.midtones", "base 0.2, ours = stats.median, theirs = stats.mad",
        ),
        (
            lambda g: (g.unfollow("shown", "shadows"), g.remove("stats")),
            lambda g: g.set("shown", "midtones", "= stats.median"),
            "params.midtones", "linked to 'stats' by one side, which the other removed",
        ),
    ],
)  # fmt: skip
def test_what_both_sides_tuned_is_a_conflict_of_that_parameter(ours: Any, theirs: Any, item: str, text: str) -> None:
    found = merge(graph(), changed(ours), changed(theirs))
    assert [(c.node, c.item) for c in found.conflicts] == [("shown", item)]
    assert text in found.conflicts[0].text


def test_frozen_links_merge_with_their_values() -> None:
    def frozen(g: Graph) -> None:
        g.set("shown", "shadows", 0.25)
        g.follow("shown", "shadows", ParameterLink(expr=SHADOWS, mode="frozen", taken=Taken(n=3, error=(0.1, 0.2))))

    found = merge(graph(), changed(frozen), changed(lambda g: g.rename("stats", "sky")))
    assert found.document is not None
    made = Graph.from_document(found.document)
    link = made.parameter_links["shown", "shadows"]
    assert made.spec("shown").params["shadows"] == 0.25
    assert link.expr == SHADOWS.replace("stats", "sky") and link.taken == Taken(n=3, error=(0.1, 0.2))


# -- scripts, freezing, replay ----------------------------------------------------------------------------------------


def test_the_exported_program_builds_the_same_document(tmp_path: Path) -> None:
    g = graph()
    g.variables = {"k": 0.5, "edges": (1, 2)}
    g["shown"].link("highlights", "= project.k * 2", clamp=(0, 1), fallback="1")
    scope: dict[str, Any] = {"__name__": "script", "__file__": str(tmp_path / "s.py")}
    exec(compile(to_script(g), "s.py", "exec"), scope)
    assert scope["build"]().to_document() == g.to_document()


def test_frozen_links_replay_without_measuring_to_the_same_bits(tmp_path: Path) -> None:
    g = graph(picture(tmp_path))
    g.set("out", "path", str(tmp_path / "live.fits"))
    g.run(provenance=False)
    before = {(r.node, r.param): r.value for r in resolved(g)}
    found = freeze(g)
    assert {(r.node, r.param): r.value for r in found} == before
    assert all(link.mode == "frozen" and link.taken and link.taken.time for link in g.parameter_links.values())
    taken = g.parameter_links["shown", "shadows"].taken
    assert taken is not None and len(taken.source) == 32
    g.set("out", "path", str(tmp_path / "frozen.fits"))
    g.save(tmp_path / "frozen.yaml")
    code = (
        "import sys, json, lerarlink as ll\n"
        "g = ll.Graph.load(sys.argv[1])\n"
        "report = g.run(provenance=False)\n"
        "print(json.dumps([report.states, {f'{r.node}.{r.param}': r.value for r in report.links}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "frozen.yaml")], capture_output=True, text=True, check=True
    )
    states, values = json.loads(done.stdout.splitlines()[-1])
    assert "stats" not in states and states["out"] == "written"
    assert values == {f"{n}.{p}": v for (n, p), v in before.items()}
    assert (tmp_path / "frozen.fits").read_bytes() == (tmp_path / "live.fits").read_bytes()


def test_a_frozen_value_that_would_be_another_today_is_stale(tmp_path: Path) -> None:
    g = graph(picture(tmp_path))
    freeze(g, [("shown", "shadows")])
    assert g.parameter_links["cut", "left"].mode == "live"
    assert not stale(g, "shown", "shadows") and not [f for f in lint(g) if f.code == "W07"]
    g.rename("stats", "sky")
    assert not stale(g, "shown", "shadows"), "names do not count"
    h = g.copy()
    h.set("sky", "normalized", True)
    found = next(f for f in lint(h) if f.code == "W07")
    assert "shadows is frozen" in found.message and found.cure == "freeze it again, or thaw it"
    k = g.copy()
    k.remove("sky")
    assert "cannot be measured any more" in stale(k, "shown", "shadows")
    thaw(g)
    assert all(link.mode == "live" and link.taken is None for link in g.parameter_links.values())
    with pytest.raises(GraphError, match=r"'shown.midtones' follows nothing"):
        freeze(g, [("shown", "midtones")])


def test_another_image_is_measured_again(tmp_path: Path) -> None:
    values = []
    for level in (0.1, 0.3):
        g = graph(picture(tmp_path, level, f"{level}.fits"))
        values.append({r.param: r.value for r in resolved(g)}["shadows"])
    assert values[1] - values[0] == pytest.approx(0.2, abs=1e-3)


# -- the command line -------------------------------------------------------------------------------------------------


def lerar(*args: object) -> Any:
    from click.testing import CliRunner

    from lerarlink.tools.cli import lerar as command

    return CliRunner().invoke(command, [str(a) for a in args])


def test_a_dry_run_tells_which_nodes_wait_for_links_and_why(tmp_path: Path) -> None:
    g = graph(picture(tmp_path))
    g.set("out", "path", str(tmp_path / "out.fits"))
    g.save(tmp_path / "g.yaml")
    told = {o["node"]: o for o in json.loads(lerar("run", tmp_path / "g.yaml", "--dry-run", "--json").stdout)["nodes"]}
    assert told["shown"]["does"] == "waits"
    assert told["shown"]["why"] == f"follows 'shadows = {SHADOWS}' and waits for 'stats'"
    assert told["out"]["does"] == "waits" and told["out"]["why"] == "takes 'shown', which waits for a parameter link"
    assert told["stats"]["does"] == "runs" and told["cut"]["does"] != "waits", "sizes are in headers"
    lerar("run", tmp_path / "g.yaml")
    told = {o["node"]: o for o in json.loads(lerar("run", tmp_path / "g.yaml", "--dry-run", "--json").stdout)["nodes"]}
    assert told["out"]["does"] == "writes" and told["stats"]["does"] == "stored"
    # Of another region only what it feeds would be done anew.
    g.set("stats", "box", (0, 0, 20, 20))
    g.save(tmp_path / "g.yaml")
    told = {o["node"]: o for o in json.loads(lerar("run", tmp_path / "g.yaml", "--dry-run", "--json").stdout)["nodes"]}
    assert (told["stats"]["does"], told["shown"]["does"], told["cut"]["does"]) == ("runs", "waits", "rests")


def test_expressions_are_set_from_the_command_line(tmp_path: Path) -> None:
    g = graph(picture(tmp_path))
    g.unfollow("shown", "shadows")
    g.set("out", "path", str(tmp_path / "out.fits"))
    g.save(tmp_path / "g.yaml")
    done = lerar("run", tmp_path / "g.yaml", "--set", "shown.shadows== stats.median - stats.mad", "--json")
    assert done.exit_code == 0, done.output
    told = {f"{r['node']}.{r['param']}": r for r in json.loads(done.stdout)["links"]}
    assert told["shown.shadows"]["value"] == pytest.approx(0.0933, abs=2e-3)
    assert told["shown.shadows"]["inputs"][0]["reference"] == "stats.median"
    assert lerar("run", tmp_path / "g.yaml", "--set", "shown.shadows=0.05").exit_code == 0
    wrong = lerar("run", tmp_path / "g.yaml", "--set", "shown.shadows== skies.median")
    assert wrong.exit_code == 4 and "Lerar Link unresolved: node 'shown', parameter 'shadows'" in wrong.stderr
    wrong = lerar("run", tmp_path / "g.yaml", "--set", "shown.shadows== 1 +")
    assert wrong.exit_code == 4 and "LNK-1: column" in wrong.stderr


def test_outputs_hold_links_and_what_they_gave_and_replay_to_the_same_bits(tmp_path: Path) -> None:
    g = graph(picture(tmp_path))
    g.set("out", "path", str(tmp_path / "out.fits"))
    report = g.run()
    value = next(r.value for r in report.links if r.param == "shadows")
    with fits.open(tmp_path / "out.fits") as f:
        history = "".join("".join(map(str, f[0].header["HISTORY"])).split())
    assert "stats:measure.statistics" in history and f"shadows={value}" in history
    assert f"(={''.join(SHADOWS.split())})" in history
    told = needed_document(str(tmp_path / "out.fits")).graph(str(tmp_path))
    assert told.spec("shown").params["shadows"] == value and told.parameter_links == g.parameter_links
    done = lerar("replay", tmp_path / "out.fits")
    assert done.exit_code == 0, done.output


def test_the_report_lists_every_linked_parameter(tmp_path: Path) -> None:
    g = graph(picture(tmp_path))
    g.set("out", "path", str(tmp_path / "out.fits"))
    g.set("shown", "midtones", "= stats.mad * 10")
    write_graph_report(tmp_path / "before.html", g, title="night")
    page = (tmp_path / "before.html").read_text("utf-8")
    assert "Parameter links" in page and "shown.shadows" in page and "not known yet" in page
    freeze(g, [("shown", "midtones")])
    g.run()
    write_graph_report(tmp_path / "after.html", g, title="night")
    page = (tmp_path / "after.html").read_text("utf-8")
    assert f"= {SHADOWS}" in page and "stats.median = 0.1" in page and "not known yet" not in page
    assert "frozen" in page and "4 px" in page
