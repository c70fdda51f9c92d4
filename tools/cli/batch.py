"""`lerar batch`: one graph over many folders or files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import rich_click as click

from ._errors import Told, exit_code, lines_of
from ._graph_options import memory_option, provenance_options
from ._group import common
from ._output import note, tell, tell_json
from ._progress import progress_option, watching

if TYPE_CHECKING:
    from ...engine.run import Report
    from ...graphs.document import Graph
    from ..batch import Done, Item


@click.command("batch")
@click.argument("graph", metavar="GRAPH|RECIPE|FILE")
@click.option(
    "--over", multiple=True, required=True, metavar="PATTERN", help="Folders ('nights/*/') or files; repeatable."
)
@click.option(
    "--input", "inputs", multiple=True, metavar="NAME=PATH", help="File of an input, seen from each folder; repeatable."
)
@click.option("--set", "settings", multiple=True, metavar="NODE.PARAM=VALUE", help="Value of a parameter; repeatable.")
@click.option(
    "--out", metavar="DIR", help="Where outputs go: {folder}, {name} and {graph} stand for their names. "
    "Default: {folder}/{graph}, for files {folder}/{graph}/{name}."
)  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), help="How many (default: the processors this process may use).")
@click.option(
    "--scheduler", type=click.Choice(["threads", "processes", "sync"]), default="threads", help="Who does the work."
)
@memory_option
@provenance_options
@click.option("--dry-run", is_flag=True, help="Only say which files would go where.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but results and errors.")
@progress_option
@common
def command(
    graph: str,
    over: tuple[str, ...],
    inputs: tuple[str, ...],
    settings: tuple[str, ...],
    out: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    progress: bool | None,
    **how: Any,
) -> None:
    """Run a graph once for each folder or file. One that fails stops no other; the exit code is that of the gravest.

    The files of a folder go where their roles fit: by frame type, filter and camera settings, as the headers tell
    them, or by --input.

    lerar batch lrgb --over 'nights/*/' --out 'pictures/{name}'
    """
    from ...engine.report import Report as Empty
    from ..batch import items, run_batch
    from ._graphs import opened, refuse_problems, roles_of, tuned
    from .run import folder_made, remember

    made = opened(graph)
    tuned(made, settings)

    def run(one: Graph, asked: Graph, item: Item) -> Report:
        refuse_problems(one)
        if dry_run:
            return Empty()
        if not quiet:
            note(f"{item.path}:")
        with folder_made(item.out), watching(False if quiet else progress) as watch:
            report = one.run(watch=watch, noted="", **how)
        remember(asked, graph, report)
        return report

    done: list[Done] = []
    for one in run_batch(made, items(over, graph, out), run, given=inputs, roles=roles_of(graph)):
        done.append(one)
        if not as_json:
            _tell(one, dry_run, quiet)
    if as_json:
        tell_json([_plain(one) for one in done])
    if codes := [exit_code(one.error) for one in done if one.error is not None]:
        note(f"{len(codes)} of {len(done)} failed")
        raise Told(max(codes))


def _tell(done: Done, dry_run: bool, quiet: bool) -> None:
    if not quiet:
        for line in done.notes:
            note(f"{done.item.path}: {line}")
    if done.error is not None:
        for line in lines_of(done.error):
            note(f"error: {done.item.path}: {line.removeprefix('error: ')}")
    elif dry_run:
        tell(f"{done.item.path} -> {done.item.out}{os.sep}")
    elif done.report is not None and done.report.written:
        tell("\n".join(done.report.written))


def _plain(done: Done) -> dict[str, Any]:
    return {
        "path": done.item.path,
        "out": done.item.out,
        "notes": done.notes,
        "written": done.report.written if done.report else [],
        "seconds": done.report.seconds if done.report else None,
        "error": None if done.error is None else " ".join(lines_of(done.error)).removeprefix("error: "),
    }
