"""`lerar templates`: the recipes that `lerar new` and `lerar run` know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from ._group import common
from ._output import table, tell, tell_json

if TYPE_CHECKING:
    from ...graphs.document import Graph


@click.command("templates")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, with inputs and settings.")
@common
def command(as_json: bool) -> None:
    """List the recipes, their inputs and settings."""
    from ...graphs.recipe import load_recipe, templates

    graphs = {t.name: load_recipe(t.name) for t in templates()}
    if as_json:
        tell_json([_record(t.name, t.doc, graphs[t.name]) for t in templates()])
        return
    rows: list[tuple[str, str, str]] = []
    for t in templates():
        rows.append((t.name, "", t.doc))
        rows += [("", f"--input {i.name}=PATH", _input_line(i.doc, i.optional)) for i in graphs[t.name].inputs.values()]
        rows += [("", f"--set {s.name}=VALUE", s.doc) for s in graphs[t.name].settings.values()]
    tell(table(("recipe", "", ""), rows))


def _input_line(doc: str, optional: bool) -> str:
    return f"{doc} (optional)" if optional else doc


def _record(name: str, doc: str, graph: Graph) -> dict[str, Any]:
    return {
        "name": name,
        "doc": doc,
        "inputs": [{"name": i.name, "optional": i.optional, "doc": i.doc} for i in graph.inputs.values()],
        "settings": [
            {"name": s.name, "sets": [f"{n}.{p}" for n, p in s.sets], "doc": s.doc} for s in graph.settings.values()
        ],
    }
