"""`lerar checkout`: an earlier version of a graph as a file."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from ...engine.errors import SourceError
from ._group import common
from ._output import note


@click.command("checkout")
@click.argument("graph", metavar="GRAPH|RECIPE")
@click.argument("version", metavar="VERSION")
@click.option("-o", "--output", required=True, metavar="FILE", help="The graph file: .lerar, .yaml or .json.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@common
def command(graph: str, version: str, output: str, force: bool) -> None:
    """Write a version of a graph that was run before, as `lerar log` tells them: by number, digest, or `last`.

    lerar checkout night.yaml 3 -o night-3.yaml
    """
    from ...engine.store import Store
    from ...graphs.history import chosen, log, name_of

    found = chosen(log(Store(), name_of(graph)), version, graph)
    if Path(output).exists() and not force:
        raise click.UsageError(f"{output} exists; --force replaces it")
    if not Path(output).absolute().parent.is_dir():
        raise SourceError(f"{output}: there is no folder {Path(output).absolute().parent}")
    found.graph().save(output)
    note(f"wrote {output}: version {found.number} ({found.id[:8]}), {len(found.document['nodes'])} nodes")
