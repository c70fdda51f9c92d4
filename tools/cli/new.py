"""`lerar new`: a graph file made from a recipe."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from ...engine.errors import SourceError
from ._graph_options import graph_options
from ._group import common
from ._output import note


@click.command("new")
@click.argument("recipe", metavar="RECIPE")
@click.option("-o", "--output", required=True, metavar="FILE", help="The graph file: .lerar, .yaml or .json.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@graph_options
@common
def command(recipe: str, output: str, force: bool, inputs: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Write a recipe as a graph file, to be read, changed and run. Any graph file serves as a recipe.

    lerar new lrgb -o g.yaml --input red=r.fits --input green=g.fits --input blue=b.fits
    """
    from ._graphs import prepared

    graph = prepared(recipe, inputs, settings)
    if Path(output).exists() and not force:
        raise click.UsageError(f"{output} exists; --force replaces it")
    if not Path(output).absolute().parent.is_dir():
        raise SourceError(f"{output}: there is no folder {Path(output).absolute().parent}")
    graph.save(output)
    note(f"wrote {output}: {len(graph)} nodes")
