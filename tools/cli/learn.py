"""`lerar learn`: parameters of a graph follow what a region of an image teaches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ...engine.errors import SourceError
from ._graph_options import graph_options
from ._group import common
from ._output import note, tell, tell_json

if TYPE_CHECKING:
    from ...graphs.document import Graph
    from ...graphs.learning import Learnt


@click.command("learn")
@click.argument("graph", metavar="GRAPH|RECIPE", required=False)
@click.option("--region", metavar="SHAPES", help="Such as 'rect 100,100,64,64' or 'sky circle 202.47,47.19,90'.")
@click.option("--recipe", metavar="NAME", help="What is learnt from it; --list tells the names.")
@click.option(
    "--to", metavar="NODE", help="The node whose parameters follow, or behind which one that has them is put."
)
@click.option("--of", "image", default="", metavar="NODE", help="Whose image is measured (default: what NODE gets).")
@click.option(
    "--anchor", default="", metavar="NODE", help="In whose pixels the region is given (default: those of --of)."
)
@click.option("--stars", default="", metavar="NODE", help="Whose stars the shape 'stars RADIUS' lies around.")
@click.option("--mask", default="", metavar="NODE", help="Whose image tells which samples count: the white ones.")
@click.option("--second-region", default="", metavar="SHAPES", help="The other region of recipes that compare two.")
@click.option("--reference", default="", metavar="NODE", help="The other image of recipes that compare two.")
@click.option("--psf-fallback", type=click.Choice(["none", "frame"]), default="none", show_default=True,
              help="Where the region has fewer than three stars: nothing, or those of the whole image.")  # fmt: skip
@click.option("--name", default="learn", show_default=True, metavar="NAME", help="Of the node that measures.")
@click.option("--freeze", is_flag=True, help="Measure now and keep the values; without --recipe all links are frozen.")
@click.option("--thaw", is_flag=True, help="Measure again wherever the graph runs: undoes --freeze.")
@click.option("--list", "listing", is_flag=True, help="List the recipes.")
@click.option("-o", "--output", metavar="FILE", help="The graph file to write (default: GRAPH itself).")
@click.option("--force", is_flag=True, help="Replace another file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Tell in JSON what was added and, with --freeze, measured.")
@graph_options
@common
def command(graph: str | None, output: str | None, force: bool, inputs: tuple[str, ...], settings: tuple[str, ...],
            **given: Any) -> None:  # fmt: skip
    """Measure a region of an image and let parameters follow it. No pixel is read, unless --freeze asks for it.

    lerar learn g.yaml --region "rect 100,100,64,64" --recipe background-neutralisation --to neutral
    """
    if given["listing"]:
        return _list()
    if graph is None:
        raise click.UsageError("a graph is wanted")
    _check(given)
    from ._graphs import prepared

    place = _place(graph, output, force)
    opened = prepared(graph, inputs, settings)
    told: dict[str, Any] = {}
    if given["recipe"]:
        told = _learn(opened, given)
    if given["freeze"]:
        told["frozen"] = _freeze(opened, told)
    if given["thaw"]:
        from ...graphs.freezing import thaw
        from ...graphs.learnt import relearn

        thaw(opened)
        relearn(opened)
    opened.save(place)
    _tell(told, place, given["as_json"])


def _list() -> None:
    from ...graphs.learning_recipes import RECIPES

    width = max(map(len, RECIPES))
    for recipe in RECIPES.values():
        tell(f"{recipe.name:<{width}}  {recipe.doc}")


def _check(given: dict[str, Any]) -> None:
    if given["recipe"] and not (given["region"] and given["to"]):
        raise click.UsageError("--recipe wants --region and --to")
    if given["region"] and not given["recipe"]:
        raise click.UsageError("--region wants --recipe; --list tells the recipes")
    if not (given["recipe"] or given["freeze"] or given["thaw"]):
        raise click.UsageError("nothing to do: give --region, --recipe and --to, or --freeze, or --thaw")
    if given["freeze"] and given["thaw"]:
        raise click.UsageError("give either --freeze or --thaw")


def _place(graph: str, output: str | None, force: bool) -> str:
    """Return which file is to be written."""
    from ._graphs import is_graph_file

    if output is None:
        if not (Path(graph).exists() and is_graph_file(graph)):
            raise click.UsageError(f"{graph} is no graph file; say with -o which one to write")
        return graph
    if Path(output).exists() and not force and Path(output) != Path(graph):
        raise click.UsageError(f"{output} exists; --force replaces it")
    if not Path(output).absolute().parent.is_dir():
        raise SourceError(f"{output}: there is no folder {Path(output).absolute().parent}")
    return output


def _learn(graph: Graph, given: dict[str, Any]) -> dict[str, Any]:
    from ...graphs.learning import Region, learn

    region = Region(
        given["region"], given["image"], given["anchor"], given["stars"], given["psf_fallback"], given["mask"]
    )
    second = region._replace(area=given["second_region"]) if given["second_region"] else None
    if given["reference"]:
        second = (second or region)._replace(image=given["reference"])
    found: Learnt = learn(graph, given["recipe"], region, given["to"], second=second, name=given["name"])
    return {
        "recipe": found.recipe, "measuring": list(found.measuring), "node": found.node, "added": list(found.added),
        "links": dict(found.links),
    }  # fmt: skip


def _freeze(graph: Graph, told: dict[str, Any]) -> list[dict[str, Any]]:
    from ...graphs.freezing import freeze
    from ...graphs.learnt import keep_learnt

    only = [(told["node"], p) for p in told["links"]] if told else None
    made = [
        {"node": r.node, "param": r.param, "value": r.value, "unit": r.unit, "error": r.error, "n": r.n}
        | ({} if r.frame is None else {"frame": r.frame, "file": r.element})
        for r in freeze(graph, only)
    ]
    if only is None:
        # What others take by their inputs is kept as well: all that the graph measured by a LearnLink.
        keep_learnt(graph)
    return made


def _tell(told: dict[str, Any], place: str, as_json: bool) -> None:
    if as_json:
        tell_json({"graph": place, **told})
        return
    for node in told.get("added", ()):
        tell(f"added    {node}")
    for param, expr in told.get("links", {}).items():
        tell(f"follows  {told['node']}.{param} = {expr}")
    for one in told.get("frozen", ()):
        value = one["value"]
        shown = f"{value:.7g}" if isinstance(value, float) else f"a kernel of {len(value)} rows" if (
            isinstance(value, tuple) and value and isinstance(value[0], tuple)) else str(value)  # fmt: skip
        where = f" [{one['file'] or one['frame'] + 1}]" if "frame" in one else ""
        tell(f"frozen   {one['node']}.{one['param']}{where} = {shown} {one['unit']}".rstrip())
    note(f"wrote {place}")
