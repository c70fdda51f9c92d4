"""`lerar lint`: what is doubtful about a graph."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import rich_click as click

from ._errors import INVALID, Told
from ._graph_options import graph_options
from ._group import common
from ._output import note, tell, tell_json
from .links import filters_of, matching_options, rules_of

if TYPE_CHECKING:
    from ...graphs.document import Graph
    from ...graphs.lint.findings import Finding
    from ...graphs.preprocess.records import FrameRecord


@click.command("lint")
@click.argument("graph", required=False, metavar="GRAPH|RECIPE")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--headers/--no-headers", default=True, help="Whether to look into the headers of the files it reads.")
@click.option("--strict", is_flag=True, help="Exit with 4 for warnings, too.")
@click.option("--codes", is_flag=True, help="List all codes and exit.")
@graph_options
@matching_options
@common
def command(
    graph: str | None,
    as_json: bool,
    headers: bool,
    strict: bool,
    codes: bool,
    inputs: tuple[str, ...],
    settings: tuple[str, ...],
    matched: dict[str, Any],
) -> None:
    """Tell what is doubtful about GRAPH: each finding with a code, where it is, why, and what would help.

    Errors keep the graph from running, or would cost a file; the exit code is 4 then. Warnings leave it at 0.
    Of the files that the graph reads only headers are looked at, to compare temperatures, gains and exposures of
    frames and what calibrates them. Nothing is written.

    lerar lint night.lerar --temperature-tolerance 1
    """
    from ...graphs.lint.rules import lint

    if codes:
        _tell_codes(as_json)
        return
    if graph is None:
        raise click.UsageError("Missing argument 'GRAPH|RECIPE'")
    checked = _opened(graph, inputs, settings)
    records = _records(checked, matched) if headers else None
    template = not os.path.exists(graph) and not inputs
    found = lint(checked, records, rules_of(matched), template=template)
    grave = [f for f in found if f.level == "error"]
    if as_json:
        tell_json({"graph": graph, "errors": len(grave), "findings": [f.record() for f in found]})
    else:
        _tell(found)
        note(f"{graph}: {_counted(len(grave), 'error')}, {_counted(len(found) - len(grave), 'warning')}")
    if grave or (strict and found):
        raise Told(INVALID)


def _opened(name: str, inputs: Iterable[str], settings: Iterable[str]) -> Graph:
    from ._graphs import opened, prepared

    # Without changes even a graph whose processes are not installed is looked at.
    inputs, settings = tuple(inputs), tuple(settings)
    return prepared(name, inputs, settings) if inputs or settings else opened(name)


def _records(graph: Graph, matched: dict[str, Any]) -> dict[str, FrameRecord]:
    """Return what the headers of the files that *graph* reads say, by path as the graph has it."""
    from ...graphs.preprocess.links import files_of
    from ..scan import read

    places = {os.path.join(graph.folder or "", f): f for f in files_of(graph) if f}
    seen = read(places, filters=filters_of(matched), keywords=matched["keywords"])
    return {places[r.path]: replace(r, path=places[r.path]) for r in seen.records}


def _tell(found: list[Finding]) -> None:
    for finding in found:
        tell(f"{finding.level}: {finding.code} {finding.message}")
        if finding.cure:
            tell(f"    cure: {finding.cure}")


def _tell_codes(as_json: bool) -> None:
    from ...graphs.lint.findings import CODES

    if as_json:
        tell_json({code: kind._asdict() for code, kind in CODES.items()})
        return
    for code, kind in CODES.items():
        tell(f"{code}  {kind.level:8} {kind.title}")


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
