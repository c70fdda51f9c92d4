"""`lerar export`: a graph as a Python program, or as a page."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from ._graph_options import graph_options
from ._group import common
from ._output import note, tell, write_whole


@click.group("export")
@common
def command() -> None:
    """Write a graph as a Python program that builds it, or as one HTML page."""


@command.command("script")
@click.argument("graph", metavar="GRAPH|RECIPE")
@click.option("-o", "--output", metavar="FILE", help="Write the program here instead of stdout.")
@graph_options
@common
def script(graph: str, output: str | None, inputs: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Write a Python program that builds the same graph, and runs it when it is started.

    lerar export script m31.lerar -o m31.py
    """
    from ...graphs.exporting.script import to_script
    from ._graphs import prepared

    made = prepared(graph, inputs, settings)
    if output is None:
        tell(to_script(made))
        return
    write_whole(Path(output), to_script(made, Path(output).resolve().parent).encode())
    note(f"wrote {output}: {len(made)} nodes")


@command.command("report")
@click.argument("graph", metavar="GRAPH|RECIPE")
@click.option("-o", "--output", required=True, metavar="FILE", help="The page, .html.")
@click.option("--run", "running", is_flag=True, help="Run the graph first, for values and previews.")
@click.option("--out", metavar="DIR", help="With --run: folder where relative output paths go.")
@graph_options
@common
def report(
    graph: str, output: str, running: bool, out: str | None, inputs: tuple[str, ...], settings: tuple[str, ...]
) -> None:
    """Write one HTML page about a graph: drawing, parameters, links, statistics, previews.

    Without --run nothing is computed: values are shown that the store has of earlier runs, and no previews.
    """
    from ..graph_report import write_graph_report
    from ._graphs import prepared, redirect, refuse_problems

    made = prepared(graph, inputs, settings)
    if running:
        refuse_problems(made)
        if out is not None:
            Path(out).mkdir(parents=True, exist_ok=True)
            redirect(made, out)
    elif out is not None:
        raise click.UsageError("--out is for --run: without it nothing is written but the page")
    told = write_graph_report(Path(output), made, title=Path(graph).stem, run=running)
    note(f"wrote {output}: {told}")
