"""The main job, on a sky of known truth: simulate, run the LRGB recipe, report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .report import Picture, Table, write_report

if TYPE_CHECKING:
    from ..engine.report import Report, Watcher
    from ..graphs.document import Graph
    from .simulate import Truth

_COLOURS = {"red": "R", "green": "G", "blue": "B"}


@dataclass(frozen=True, slots=True)
class Recovered:
    """One line found by LinearFit beside the true one: green = intercept + slope * channel, in ADU."""

    channel: str
    slope: float
    true_slope: float
    intercept: float
    true_intercept: float

    @property
    def slope_error(self) -> float:
        """Relative error of the slope."""
        return self.slope / self.true_slope - 1.0


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What a demo made."""

    files: tuple[Path, ...]
    lines: tuple[Recovered, ...]
    seconds: float

    def __str__(self) -> str:
        told = ["Linear fits to green, found (true):"]
        told += [
            f"  {r.channel:5}  slope {r.slope:.5f} ({r.true_slope:.5f}, {100 * r.slope_error:+.2f} %)"
            f"   intercept {r.intercept:9.2f} ({r.true_intercept:9.2f}) ADU"
            for r in self.lines
        ]
        told += [f"Made in {self.seconds:.1f} s:", *(f"  {path}" for path in self.files)]
        return "\n".join(told)


def run_demo(
    out: Path, *, width: int = 1200, height: int = 800, seed: int = 1, watch: Watcher | None = None
) -> DemoResult:
    """Simulate a sky of *width* x *height* pixels and make a picture of it, all in folder *out*.

    Frames and their truth go to ``out/sky``; beside it stand the picture (``lrgb.png``), the linear and the
    stretched image (FITS), the graph (``lrgb.lerar`` and its YAML twin) and ``report.html``.
    """
    from ..graphs.recipe import load_recipe
    from .simulate import SkySettings, simulate

    start = time.perf_counter()
    sky = out / "sky"
    truth = simulate(sky, SkySettings(width=width, height=height, seed=seed))
    graph = load_recipe("lrgb")
    for name in (*_COLOURS, "luminance"):
        graph.bind(name, str((sky / f"{name[0].upper()}.fits").resolve()))
    for node in ("write-linear", "write-stretched", "write-picture"):
        graph.set(node, "path", str((out / graph.spec(node).params["path"]).resolve()))
    # Grey dust fills the field, so its spread, not the noise, is what the automatic stretch sees.
    graph.adjust("shadows_clipping", -1.4)
    graph.adjust("target_background", 0.16)
    graph.set("lrgb", "saturation", 0.3)
    report = graph.run(watch=watch)
    for suffix in ("lerar", "yaml"):
        graph.save(out / f"lrgb.{suffix}")
    lines = recovered(report, truth)
    write_report(
        out / "report.html",
        "A simulated nebula",
        graph=graph,
        report=report,
        lead=f"{width} x {height} pixels, four masters of {truth.camera.exposures} exposures, seed {seed}.",
        pictures=_pictures(graph, out),
        tables=[_line_table(lines)],
    )
    files = [*map(Path, report.written), out / "lrgb.lerar", out / "lrgb.yaml", out / "report.html"]
    return DemoResult(tuple(files), lines, time.perf_counter() - start)


def recovered(report: Report, truth: Truth) -> tuple[Recovered, ...]:
    """Return the lines that LinearFit found in a run, beside the true ones."""
    found = []
    for name in ("red", "blue"):
        channel = report.values[f"fit-{name}"]["channels"][0]
        true = truth.line(_COLOURS[name], "G")
        found.append(Recovered(name, channel["b"], true.slope, channel["a"], true.intercept))
    return tuple(found)


def _line_table(lines: tuple[Recovered, ...]) -> Table:
    rows = [
        (f"{r.channel} to green", r.slope, r.true_slope, f"{100 * r.slope_error:+.3f} %", r.intercept, r.true_intercept)
        for r in lines
    ]
    columns = ("", "slope", "true", "error", "intercept, ADU", "true, ADU")
    note = (
        "In the grey sky, channel and green lie on one line. The nebula has a colour, and so pulls a little at the "
        "line of least absolute deviations: the more of the field it covers, the more."
    )
    return Table("Linear fits", columns, rows, note)


def _pictures(graph: Graph, out: Path) -> dict[str, list[Picture]]:
    import PIL.Image

    before: Any = graph.copy()
    raw = before.add("ChannelCombination", name="raw", **{c: before[f"crop-{c}"] for c in _COLOURS})
    with PIL.Image.open(out / "lrgb.png") as stored:
        final = Picture(stored.convert("RGB"), "The picture: linear fit, neutral background, luminance, linked stretch")
    group = [
        Picture(node.preview(stf=stf, size=600), f"{told}, {stf} auto-stretch")
        for node, told in ((raw, "Channels as they came"), (graph["lrgb"], "After the recipe"))
        for stf in ("linked", "unlinked")
    ]
    return {"Result": [final], "Before and after": group}
