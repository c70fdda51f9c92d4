"""`lerar replay`: make an output again and compare, or apply the graph that made it to other files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ._errors import DIFFERENT
from ._graph_options import memory_option, provenance_options
from ._group import common
from ._output import note, tell, tell_json
from ._progress import progress_option, watching

if TYPE_CHECKING:
    from ...graphs.document import Graph
    from ..replay import Outcome


@click.command("replay")
@click.argument("file", metavar="FILE|GRAPH")
@click.option(
    "--search", multiple=True, metavar="DIR", help="Look here for sources that moved, by their digests; repeatable."
)
@click.option("--keep", metavar="DIR", help="Put what was made again into this folder.")
@click.option("--as", "extract", metavar="GRAPH", help="Only write the graph as a file (.lerar, .yaml, .json).")
@click.option(
    "--bind",
    "bound",
    multiple=True,
    metavar="NAME=PATH|DIR",
    help="Apply the graph to other files: of one input, or a folder whose files go where their roles fit; repeatable.",
)
@click.option("--set", "settings", multiple=True, metavar="NODE.PARAM=VALUE", help="With --bind or --as: a parameter.")
@click.option("--out", metavar="DIR", help="With --bind: where outputs go (default: the current folder).")
@click.option("--workers", type=click.IntRange(min=1), help="How many (default: the processors this process may use).")
@click.option(
    "--scheduler", type=click.Choice(["threads", "processes", "sync"]), default="threads", help="Who does the work."
)
@memory_option
@provenance_options
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but the result.")
@progress_option
@common
def command(
    file: str,
    search: tuple[str, ...],
    keep: str | None,
    extract: str | None,
    bound: tuple[str, ...],
    settings: tuple[str, ...],
    out: str | None,
    provenance: bool,
    private: bool,
    as_json: bool,
    quiet: bool,
    progress: bool | None,
    **how: Any,
) -> int:
    """Make an output file again from the graph that it carries, and compare: the same to the last bit, or where not.

    Its sources are proved by their digests first. Nothing comes from the store: all is measured and made anew. Of a
    graph file, all outputs that are there are made again. Exit code 0: the same; 5: different.

    lerar replay rgb.fits --search /archive

    lerar replay rgb.fits --bind nights/2 --out night-2
    """
    if (settings or out is not None) and not (bound or extract):
        raise click.UsageError("--set and --out go with --bind (or --as); a replay makes what was made before")
    if bound or extract:
        graph = _other(file, bound, settings, quiet)
        if extract is not None:
            graph.save(extract)
            note(f"wrote {extract}: {len(graph)} nodes")
            return 0
        _apply(graph, file, out, as_json, quiet, progress, {**how, "provenance": provenance, "private": private})
        return 0
    outcomes = _replayed(file, search, keep, False if quiet else progress, how)
    if as_json:
        tell_json([_plain(o) for o in outcomes])
    else:
        tell("\n".join(line for o in outcomes for line in _lines(o, quiet)))
    return 0 if all(o.same for o in outcomes) else DIFFERENT


# -- the same again -----------------------------------------------------------------------------------


def _replayed(
    file: str, search: tuple[str, ...], keep: str | None, progress: bool | None, how: dict[str, Any]
) -> list[Outcome]:
    from ..replay import Ways, replay_graph, replay_image
    from ._graphs import is_graph_file, opened, refuse_problems

    with watching(progress) as watch:
        ways = Ways(**how, watch=watch)
        if not is_graph_file(file):
            return [replay_image(file, search=search, ways=ways, keep=keep)]
        if search:
            raise click.UsageError("--search wants an output, which knows its sources' digests; this is a graph")
        graph = opened(file)
        refuse_problems(graph)
        return replay_graph(graph, ways=ways, keep=keep)


_TOLD = {
    "identical": "identical to the last bit, the whole file",
    "same pixels": "the same pixels to the last bit; what stands beside them differs",
    "missing": "was not there, so there was nothing to compare with",
}


def _lines(outcome: Outcome, quiet: bool) -> list[str]:
    told = _TOLD.get(outcome.state) or f"different: {outcome.deviation}"
    if outcome.state == "same pixels" and not outcome.sources:
        told = "the same pixels to the last bit"  # of a graph file: what is told beside them was not made again
    lines = [f"{outcome.path}: {told}"]
    if quiet:
        return lines
    if outcome.former_key and outcome.former_key != outcome.key:
        lines.append(f"  its key was {outcome.former_key}, is {outcome.key}:")
        lines.append("  a process is computed in another way, or the graph or a source is another")
    lines += [f"  found by digest: {f.place} (was {f.path})" for f in outcome.moved]
    if outcome.kept:
        lines.append(f"  made again as {outcome.kept}")
    return lines


def _plain(outcome: Outcome) -> dict[str, Any]:
    d = outcome.deviation
    return {
        "path": outcome.path,
        "state": outcome.state,
        "node": outcome.node,
        "image": outcome.image,
        "key": outcome.key,
        "former_key": outcome.former_key or None,
        "sources": outcome.sources,
        "moved": {f.path: f.place for f in outcome.moved},
        "kept": outcome.kept or None,
        "deviation": None
        if d is None
        else {
            "sizes": d.sizes,
            "samples": d.samples,
            "of": d.of,
            "max": d.maximum,
            "rms": d.rms,
            "box": None if d.box is None else list(d.box),
        },
    }


# -- other files --------------------------------------------------------------------------------------


def _other(file: str, bound: tuple[str, ...], settings: tuple[str, ...], quiet: bool) -> Graph:
    """Return the graph of *file* with other files and settings."""
    from ..binding import bind
    from ._graphs import opened, roles_of, tuned

    graph = opened(file)
    for line in bind(graph, bound, roles_of(file)):
        if not quiet:
            note(line)
    tuned(graph, settings)
    return graph


def _apply(
    graph: Graph, file: str, out: str | None, as_json: bool, quiet: bool, progress: bool | None, how: dict[str, Any]
) -> None:
    from ._graphs import redirect, refuse_problems
    from .run import folder_made, print_report, remember, tell_report

    refuse_problems(graph)
    asked = graph.copy()
    if out is not None:
        redirect(graph, out)
    _spare(graph, file)
    with folder_made(out), watching(False if quiet else progress) as watch:
        report = graph.run(watch=watch, noted="", **how)
    remember(asked, file, report)
    if not quiet:
        tell_report(report)
    print_report(report, as_json)


def _spare(graph: Graph, file: str) -> None:
    """Refuse to write over the file that was asked to be applied to others."""
    from ...graphs.document import file_params

    for node in graph:
        for param, files in file_params(graph.spec(node)):
            if param.file == "output" and any(os.path.abspath(f) == os.path.abspath(file) for f in files):
                where = Path(file).parent
                raise click.UsageError(f"node '{node}' would write over {file} in {where}; --out names another folder")
