"""`lerar bench`: named workloads, against `cp` and other people's programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ._group import common
from ._output import note, table, tell, tell_json, write_whole

if TYPE_CHECKING:
    from ..bench.contest import Contest


@click.command("bench")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--size",
    type=click.Choice(["small", "full"]),
    default="full",
    show_default=True,
    help="The small size tries the bench itself; its costs mean nothing.",
)
@click.option(
    "--out",
    default="lerar-bench",
    show_default=True,
    metavar="DIR",
    help="Folder of the generated data (kept for later runs), results and the store.",
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=2, show_default=True, help="How often each takes its turn."
)
@click.option("--only", multiple=True, metavar="ENTRANT", help="Only this entrant; repeatable.")
@click.option(
    "--siril",
    metavar="COMMAND",
    help="How Siril is called, with whatever stands before it (default: siril-cli, if there is one).",
)
@click.option("--list", "listed", is_flag=True, help="List the workloads.")
@click.option(
    "--report", metavar="PAGE",
    help="Write a page of the full results in --out and of those that lie in PAGE's folder, without .md, already.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@common
def command(
    names: tuple[str, ...],
    size: str,
    out: str,
    rounds: int,
    only: tuple[str, ...],
    siril: str | None,
    listed: bool,
    report: str | None,
    as_json: bool,
) -> None:
    """Measure workloads: CPU and wall seconds, memory, bytes, beside `cp` and the peers that are installed.

    Data are generated once. Each entrant works in a process of its own; all take turns, in alternating order. Results
    are written as JSON into DIR/results; without NAME all workloads are run, which takes an hour and 15 GB of disk.

    lerar bench stacks warp --rounds 3
    """
    from ..bench.contest import Contest, found_siril
    from ..bench.workloads import NAMES

    if listed:
        tell_json(NAMES) if as_json else tell(table(["name", "workload"], NAMES.items()))
        return
    if report:
        _page(Path(report), Path(out))
        return
    if unknown := [n for n in names if n not in NAMES]:
        raise click.UsageError(f"there is no workload {', '.join(unknown)}; there are {', '.join(NAMES)}")
    contest = Contest(
        Path(out).resolve(), "small" if size == "small" else "full", rounds, only, found_siril(siril), note
    )
    _measure(contest, names or tuple(NAMES), as_json)


def _measure(contest: Contest, names: tuple[str, ...], as_json: bool) -> None:
    from ..bench.summary import figure_rows, lines
    from ..bench.workloads import workload

    documents: list[dict[str, Any]] = []
    for name in names:
        documents.append(contest.run(workload(name)))
        path = contest.folder / "results" / f"{name}-{contest.size}.json"
        write_whole(path, (json.dumps(documents[-1], indent=1) + "\n").encode())
        if not as_json:
            head, rows = lines(documents[-1])
            tell(f"\n{documents[-1]['title']}\n\n{table(head, rows, right=range(1, len(head)))}\n")
            tell(table(["", "measured", "wanted", ""], figure_rows(documents[-1]), right=(1, 2)))
    if as_json:
        tell_json(documents)


def _page(page: Path, out: Path) -> None:
    """Put the results beside the page, newer ones in place of older, and write the page from all that lie there."""
    from ..bench.page import write_page

    folder = page.with_suffix("")
    for path in sorted((out / "results").glob("*-full.json")):
        write_whole(folder / path.name, path.read_bytes())
    for path in write_page(page, folder):
        note(f"wrote {path}")
