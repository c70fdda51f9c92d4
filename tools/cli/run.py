"""`lerar run`: run a graph or a recipe."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import rich_click as click

from ._graph_options import graph_options, memory_option, provenance_options
from ._group import common
from ._lerar import lerar_options, run_link
from ._output import note, size, table, tell, tell_json
from ._progress import progress_option, watching

if TYPE_CHECKING:
    from ...engine.links.resolving import Resolved
    from ...engine.run import Report
    from ...graphs.document import Graph


class Ways(NamedTuple):
    """How a graph is to be run."""

    targets: tuple[str, ...]
    pins: tuple[str, ...]
    scheduler: Any
    workers: int | None
    memory: int | None
    cluster: str | None
    told: dict[str, bool]


@click.command("run")
@click.argument("graphs", metavar="GRAPH|RECIPE|FRAMES...", nargs=-1, required=True)
@lerar_options
@graph_options
@click.option("--out", metavar="DIR", help="Folder where relative output paths go; made if it is not there.")
@click.option("--target", "targets", multiple=True, metavar="NODE", help="Make only this node; repeatable.")
@click.option("--pin", "pins", multiple=True, metavar="NODE", help="Keep this node's pixels in the store; repeatable.")
@click.option("--workers", type=click.IntRange(min=1), help="How many (default: the processors this process may use).")
@click.option(
    "--scheduler",
    type=click.Choice(["threads", "processes", "sync"]),
    default="threads",
    show_default=True,
    help="Who does the work; the results are the same to the last bit.",
)
@memory_option
@click.option("--cluster", metavar="ADDRESS", help="Let a dask.distributed scheduler's workers do it: tcp://HOST:PORT.")
@provenance_options
@click.option("--dry-run", is_flag=True, help="Only say what would be done and why: reads headers, writes nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors.")
@progress_option
@common
def command(
    graphs: tuple[str, ...],
    inputs: tuple[str, ...],
    settings: tuple[str, ...],
    out: str | None,
    targets: tuple[str, ...],
    pins: tuple[str, ...],
    workers: int | None,
    scheduler: str,
    memory: int | None,
    cluster: str | None,
    provenance: bool,
    private: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    progress: bool | None,
    **link: Any,
) -> None:
    """Run a graph file, a recipe by its name, or the graph that an image carries.

    Measures what is needed and writes all outputs. Prints the names of the files written. What was measured before
    is taken from the store. An output appears whole or not at all.

    lerar run lrgb --input red=r.fits --input green=g.fits --input blue=b.fits --out picture

    With --lerar-link, find what varies with a period in a series of frames instead: files, folders of frames, cubes,
    target pixel files or videos. Maps, sources.csv, light curves, periodograms, a report and the graph go to --out
    (default: lerar-link; with --json nothing is written unless it is named).

    lerar run --lerar-link "[TRV:14.8s]" night/*.fits --out found
    """
    if link["lerar_link"] is not None:
        others = {"--input": inputs, "--target": targets, "--pin": pins, "--dry-run": dry_run}
        refused = [option for option, given in others.items() if given]
        if refused:
            raise click.UsageError(f"{', '.join(refused)} and --lerar-link do not go together")
        how = {"workers": workers, "scheduler": scheduler, "memory": memory, "cluster": cluster,
               "provenance": provenance, "private": private}  # fmt: skip
        run_link(graphs, out, settings, link, how, as_json=as_json, quiet=quiet, progress=progress)
        return
    if len(graphs) > 1:
        raise click.UsageError(f"one graph or recipe is wanted, got {len(graphs)}; frames go with --lerar-link")
    graph = graphs[0]
    from ._graphs import prepared, redirect, refuse_problems

    made = prepared(graph, inputs, settings)
    for name in pins:
        made.spec(name)  # a node that is not there is told before anything is made
    refuse_problems(made, (*targets, *pins) if targets else ())
    asked = made.copy()
    if out is not None:
        redirect(made, out)
    told = {"provenance": provenance, "private": private}
    ways = Ways(targets, pins, scheduler, workers, memory, cluster, told)
    if dry_run:
        _forecast(made, ways, as_json)
        return
    with folder_made(out):
        report = _run(made, ways, False if quiet else progress)
    remember(asked, graph, report, targets)
    if not quiet:
        tell_report(report)
    print_report(report, as_json)


def _run(graph: Graph, ways: Ways, progress: bool | None) -> Report:
    with watching(progress) as watch:
        return graph.run(
            ways.targets or None,
            pin=ways.pins,
            scheduler=ways.scheduler,
            workers=ways.workers,
            memory=ways.memory,
            cluster=ways.cluster,
            watch=watch,
            noted="",  # by `remember`, with outputs as they were asked for
            **ways.told,
        )


def remember(graph: Graph, name: str, report: Report, targets: tuple[str, ...] = ()) -> None:
    """Note the run of the graph called *name* for `lerar log`."""
    from ...engine.store import Store
    from ...graphs.history import name_of, note_run

    note_run(Store(), graph, name_of(name), seconds=report.seconds, written=report.written, targets=targets)


@contextlib.contextmanager
def folder_made(out: str | None) -> Iterator[None]:
    """Have the output folder while a run lasts; one that was made for a run that fails does not stay, if empty."""
    made = [] if out is None else _missing(Path(out))
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()
        raise


def _missing(folder: Path) -> list[Path]:
    """Return the folders of a path that are not there, the innermost first."""
    return [p for p in (folder, *folder.parents) if not p.exists()]


def tell_report(report: Report) -> None:
    counts = Counter(report.states.values())
    told = [f"{counts[state]} {word}" for state, word in _WORDS.items() if counts[state]]
    written = sum(os.path.getsize(p) for p in report.written)
    passes = f", {report.passes} passes over pixels" if report.passes else ""
    note(f"{', '.join(told) or 'nothing to do'} ({size(written)}) in {report.seconds:.2f} s{passes}")


_WORDS = {
    "measured": "measured",
    "recalled": "taken from the store",
    "computed": "computed",
    "kept": "kept in the store",
    "written": "written",
}


def print_report(report: Report, as_json: bool) -> None:
    if as_json:
        tell_json(
            {
                "written": report.written,
                "states": report.states,
                "values": {name: _short(value) for name, value in report.values.items()},
                "links": [_link(one) for one in report.links],
                "seconds": report.seconds,
                "passes": report.passes,
            }
        )
    elif report.written:
        tell("\n".join(report.written))


def _link(one: Resolved) -> dict[str, Any]:
    """Return what a parameter link gave, as data."""
    told = {k: v for k, v in one._asdict().items() if k not in ("steps", "source", "inputs")}
    return {**told, "inputs": [i._asdict() for i in one.inputs]}


def _short(value: Any) -> Any:
    """Return a Value without its long arrays, which belong into files."""
    if isinstance(value, dict):
        return {k: _short(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_short(v) for v in value] if len(value) <= _LONG else f"{len(value)} items"
    if getattr(value, "size", 0) > _LONG:
        return f"array {value.shape}"
    return value


_LONG = 100


def _forecast(graph: Graph, ways: Ways, as_json: bool) -> None:
    from dataclasses import asdict

    from ._dry_run import forecast

    found = forecast(graph, list(ways.targets or graph.ends()), list(ways.pins), ways.workers)
    if as_json:
        tell_json(asdict(found))
        return
    rows = [(o.node, o.process, o.does, o.why) for o in found.nodes]
    tell(table(("node", "process", "does", "why"), rows))
    if found.estimate is not None:
        tell(f"{found.estimate.work()}; {found.estimate.told()}")
