"""`lerar show`: a graph as a drawing."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from ._graph_options import graph_options
from ._group import common
from ._output import tell, write_whole


@click.command("show")
@click.argument("graph", metavar="GRAPH|RECIPE")
@click.option(
    "--format",
    "form",
    type=click.Choice(["ascii", "mermaid", "dot", "svg", "json", "yaml"]),
    help="Default: by the output file's extension, else ascii.",
)
@click.option("-o", "--output", metavar="FILE", help="Write the drawing here instead of stdout.")
@graph_options
@common
def command(
    graph: str, form: str | None, output: str | None, inputs: tuple[str, ...], settings: tuple[str, ...]
) -> None:
    """Draw a graph file or a recipe, or print it as YAML. Nothing is read but the graph itself."""
    from ...graphs.draw import draw
    from ...graphs.format import encode
    from ._graphs import prepared

    if form is None:
        form = _BY_EXTENSION.get(Path(output).suffix.lower(), "ascii") if output else "ascii"
    made = prepared(graph, inputs, settings)
    text = encode(made.to_document(), "yaml").decode() if form == "yaml" else draw(made, form)
    if output is None:
        tell(text)
    else:
        write_whole(Path(output), (text if text.endswith("\n") else text + "\n").encode())


_BY_EXTENSION = {
    ".svg": "svg", ".dot": "dot", ".gv": "dot", ".json": "json", ".mmd": "mermaid", ".yaml": "yaml", ".yml": "yaml",
}  # fmt: skip
