"""The main job on a night of known truth: simulate it, preprocess it, make a picture, and judge what came of it."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .report import Picture, Table, write_report

if TYPE_CHECKING:
    from ..engine.report import Watcher
    from ..graphs.document import Graph
    from .preprocess import Session
    from .simulate.judge import Figures
    from .simulate.truth import NightTruth


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What a demo made."""

    files: tuple[Path, ...]
    figures: dict[str, Figures]
    """By master: how far it is from the truth; of a colour camera by channel."""
    frames: int
    simulated: float
    """Seconds."""
    seconds: float
    """Of preprocessing and picture."""

    def __str__(self) -> str:
        told = [f"{self.frames} raw frames simulated in {self.simulated:.1f} s, and processed in {self.seconds:.1f} s.",
                "Masters against the truth:", *_lines(self.figures), "Made:"]  # fmt: skip
        return "\n".join([*told, *(f"  {path}" for path in self.files)])

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**asdict(self), "files": [str(p) for p in self.files]}


def run_demo(
    out: Path,
    *,
    width: int = 900,
    height: int = 600,
    frames: int = 5,
    seed: int = 1,
    filters: tuple[str, ...] | str = ("L", "R", "G", "B"),
    watch: Watcher | None = None,
    **more: Any,
) -> DemoResult:
    """Simulate a night, make masters and a picture of it, and judge them, all in folder *out*.

    Frames and their truth go to ``out/night``, masters and the report of the session to ``out/masters``; beside them
    stand the picture (``lrgb.png``; ``osc.png`` of a colour camera), the linear and the stretched image (FITS), the
    graph (``night.lerar`` and its YAML twin) and ``report.html``.

    Parameters
    ----------
    width, height
        Of the frames, pixels.
    frames
        Lights of each filter.
    filters
        Of a filter wheel, R, G and B among them; or the pattern of a colour camera, such as "RGGB".
    more
        Of the night, see `lerarlink.tools.simulate.truth.NightSettings`.
    """
    from .simulate.night import FRAMES, simulate_night

    start = time.perf_counter()
    out = out.resolve()
    night = out / "night"
    truth = simulate_night(night, size=(height, width), frames=frames, filters=filters, seed=seed, **more)
    simulated = time.perf_counter()
    session, graph, report = _processed(night / FRAMES, out, watch)
    seconds = time.perf_counter() - simulated
    figures = judged(session, truth, out / "masters")
    made = sorted(p for p in map(Path, report.written) if p.parent == out)
    picture = next(p for p in made if p.suffix == ".png")
    graphs = [out / "night.lerar", out / "night.yaml"]
    for path in graphs:
        graph.save(path)
    page = out / "report.html"
    write_report(
        page,
        "A simulated night",
        graph=graph,
        report=report,
        lead=_lead(truth, simulated - start, seconds),
        pictures={"The picture": [_picture(picture)], "One raw light and its master": _before(truth, session, out)},
        tables=_tables(figures),
    )
    masters = sorted(p for p in map(Path, report.written) if p.parent != out)
    return DemoResult(
        files=(*made, *masters, *graphs, page, out / "masters" / "report.html"),
        figures=figures,
        frames=sum(len(files) for _, _, files in os.walk(night / FRAMES)),
        simulated=simulated - start,
        seconds=seconds,
    )


def _processed(folder: Path, out: Path, watch: Watcher | None) -> tuple[Session, Graph, Any]:
    """Preprocess the frames in *folder* as `lerar preprocess --run --combine auto` does."""
    from ..engine.run import Pool
    from ..graphs.preprocess.match import match
    from ..graphs.preprocess.options import Options
    from .preprocess import Session
    from .report_session import write_session_report
    from .scan import scan

    masters = out / "masters"
    masters.mkdir(parents=True, exist_ok=True)
    session = Session.of(match(scan([folder]).records), Options(combine="auto"))
    with Pool() as pool:
        how: dict[str, Any] = {"watch": watch, "pool": pool}
        session.look(**how)
        graph = session.job.graph()
        _finish(graph, out)
        report = session.make(graph, **how)
    write_session_report(session, masters, "Preprocessing of a simulated night")
    return session, graph, report


def _finish(graph: Graph, out: Path) -> None:
    """Say where results go, and stretch a little softer than by default."""
    for name in graph:
        params = graph.spec(name).params
        if graph.spec(name).process == "io.write_image":
            folder = out / "masters" if name.removeprefix("write-") in _stacks(graph) else out
            graph.set(name, "path", str((folder / params["path"]).resolve()))
        elif graph.spec(name).process == "stretch.screen_transfer_function":
            # Dust fills the field, so its spread, not the noise, is what the automatic stretch sees.
            graph.set(name, "shadows_clipping", -1.6)
            graph.set(name, "target_background", 0.16)
        elif graph.spec(name).process == "color.lrgb_combination":
            graph.set(name, "saturation", 0.28)


def _stacks(graph: Graph) -> set[str]:
    return {name.removeprefix("integrated-") for name in graph if name.startswith("integrated-")}


def judged(session: Session, truth: NightTruth, masters: Path) -> dict[str, Figures]:
    """Return the figures of each master of a session, by filter; of a colour camera by channel.

    Parameters
    ----------
    session
        That made the masters, of the frames of one simulated night.
    masters
        Their folder.
    """
    from .simulate.judge import judge
    from .simulate.truth import OSC

    found = {}
    for stack in session.job.stacks.stacks:
        filter = OSC if stack.mosaic else str(stack.filter)
        for band in "RGB" if stack.mosaic else (None,):
            found[band or filter] = judge(
                masters / f"master_{stack.name}.fits", truth, filter, lights=stack.paths,
                reference=session.references.get(stack.object), transforms=session.transforms, band=band,  # type: ignore[arg-type]
            )  # fmt: skip
    return found


# -- what is told -----------------------------------------------------------------------------------


def _lines(figures: dict[str, Figures]) -> list[str]:
    head, rows = _table(figures)
    lines = [(head[0], *head[1:]), *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return [
        "  " + "  ".join((line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))))
        for line in lines
    ]


def _table(figures: dict[str, Figures]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the head and the rows of a table of all masters' figures; what misses the bar is marked."""
    columns = [f.rows() for f in figures.values()]
    rows = []
    for row in zip(*columns, strict=True):
        cells = [found + ("" if ok in (None, True) else " !") for _, found, _, ok in row]
        rows.append((row[0][0], *cells, row[0][2]))
    return ("", *figures, "wanted"), rows


def _tables(figures: dict[str, Figures]) -> list[Table]:
    head, rows = _table(figures)
    note = (
        "Every star, hot pixel and satellite of the night is known, so each master is compared with what perfect "
        "frames would have given, at its own sharpness. Electrons are those of one exposure. What is wanted is meant "
        "for 16 lights a filter of 4096 x 3072 pixels; a mark ! stands where a figure misses it by more than chance "
        "explains."
    )
    return [Table("Masters against the truth", head, rows, note)]


def _lead(truth: NightTruth, simulated: float, seconds: float) -> str:
    s = truth.settings
    taken = f"the mosaic {s.pattern}" if s.pattern else ", ".join(s.filters)
    return (
        f"{s.width} x {s.height} pixels, {s.frames} lights of {s.exposure:g} s in each of {taken}, with "
        f"{s.calibration} bias, dark and flat frames of a kind, seed {s.seed}; dithered, turned, "
        f"{'a meridian flip between, ' if s.flip else ''}with hot pixels, particles and satellites. "
        f"Simulated in {simulated:.1f} s, processed in {seconds:.1f} s."
    )


def _picture(path: Path) -> Picture:
    import PIL.Image

    with PIL.Image.open(path) as stored:
        return Picture(stored.convert("RGB"), "Calibrated, registered, integrated, combined, stretched")


def _before(truth: NightTruth, session: Session, out: Path) -> list[Picture]:
    """Return a raw light that a satellite crosses, if there is one, beside the master it went into."""
    from ..graphs.document import Graph
    from .simulate.night import FRAMES

    stack = session.job.stacks.stacks[0]
    used = [truth.light(path) for path in stack.paths]
    light = next((one for one in used if one.trails), used[0])
    g = Graph()
    shown = (
        (out / "night" / FRAMES / light.file, f"A raw light: {light.file}"),
        (out / "masters" / f"master_{stack.name}.fits", f"The master of {stack.count} such lights"),
    )
    return [Picture(g.add("ReadImage", path=str(p.resolve())).preview(size=700), told) for p, told in shown]
