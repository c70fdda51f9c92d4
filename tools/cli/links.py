"""`lerar links`: which calibration frames serve which lights, and which links are missing."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ...engine.errors import ParameterError
from . import _errors
from ._group import common
from ._output import tell, write_whole

if TYPE_CHECKING:
    from ...graphs.preprocess.group import Rules
    from ...graphs.preprocess.match import Matching


def matching_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how frames are read, grouped and matched; they arrive as one dict."""
    options = (
        click.option(
            "--temperature-tolerance", type=click.FloatRange(min=0), default=2.0, show_default=True, metavar="C",
            help="By how much sensor temperatures of frames and darks may differ.",
        ),
        click.option(
            "--exposure-tolerance", type=click.FloatRange(min=0), default=0.5, show_default=True, metavar="S",
            help="By how much exposures of frames and darks may differ.",
        ),
        click.option("--optimize-darks", is_flag=True, help="Scale a dark of another exposure, where there is a bias."),
        click.option(
            "--ignore", multiple=True, type=click.Choice(["camera", "gain", "offset", "read_mode", "temperature"]),
            help="A word that need not agree; repeatable.",
        ),
        click.option(
            "--without", multiple=True, type=click.Choice(["bias", "dark", "darkflat", "flat"]),
            help="Frames that are done without on purpose; repeatable.",
        ),
        click.option(
            "--keyword", "keywords", multiple=True, metavar="WORD",
            help="A header word, or WORD_value in paths, that must agree where both sides have it; repeatable.",
        ),
        click.option(
            "--filter-name", "filters", multiple=True, metavar="SPELLED=NAME",
            help="Another name for a filter, such as 'Ha 7nm=Ha'; repeatable.",
        ),
    )  # fmt: skip

    @functools.wraps(function)
    def collected(**given: Any) -> Any:
        names = (
            "temperature_tolerance", "exposure_tolerance", "optimize_darks", "ignore", "without", "keywords", "filters"
        )  # fmt: skip
        return function(matched={n: given.pop(n) for n in names}, **given)

    wrapped: Callable[..., Any] = collected
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def rules_of(matched: dict[str, Any], split_by: Iterable[str] = ()) -> Rules:
    """Return the rules that the options say."""
    from ...graphs.preprocess.group import Rules

    return Rules(
        temperature=matched["temperature_tolerance"],
        exposure=matched["exposure_tolerance"],
        ignore=frozenset(matched["ignore"]),
        keywords=tuple(matched["keywords"]),
        optimize_darks=matched["optimize_darks"],
        without=frozenset(matched["without"]),
        split_by=tuple(split_by),
    )


def filters_of(matched: dict[str, Any]) -> dict[str, str]:
    """Return the user's names of filters.

    Raises
    ------
    ParameterError
        One is not of the form SPELLED=NAME.
    """
    found = {}
    for text in matched["filters"]:
        spelled, equals, name = text.partition("=")
        if not (equals and spelled.strip() and name.strip()):
            raise ParameterError(f"--filter-name wants SPELLED=NAME, such as 'Ha 7nm=Ha', got {text!r}")
        found[spelled.strip()] = name.strip()
    return found


def matched_folders(
    folders: Iterable[str], matched: dict[str, Any], *, split_by: Iterable[str] = (), skip: Iterable[str] = ()
) -> Matching:
    """Return the frames in *folders*, grouped and matched as the options say."""
    from ...graphs.preprocess.match import match
    from ..scan import scan

    seen = scan(folders, filters=filters_of(matched), keywords=matched["keywords"], skip=skip)
    found = match(seen.records, rules_of(matched, split_by))
    return replace(found, left_out=(*seen.left_out, *found.left_out))


@click.command("links")
@click.argument("sources", nargs=-1, required=True, metavar="DIR...|GRAPH")
@click.option(
    "--format",
    "form",
    type=click.Choice(["ascii", "svg", "html", "json"]),
    help="Default: by the output file's extension, else ascii.",
)
@click.option("-o", "--output", metavar="FILE", help="Write the picture here instead of stdout.")
@click.option("--check", is_flag=True, help="Exit with 3 if a link is unresolved.")
@matching_options
@common
def command(
    sources: tuple[str, ...], form: str | None, output: str | None, check: bool, matched: dict[str, Any]
) -> None:
    """Show which bias, dark, dark flat and flat serve which light, why, and where a link is missing.

    Of folders: what `lerar preprocess` would link. Of a graph file: what is linked in it, judged by the headers of
    the files it reads. Each missing link is told with the nearest miss and a cure.

    lerar links NIGHT -o links.html
    """
    from ...graphs.preprocess.links import show

    found = _of_sources(sources, matched)
    if form is None:
        form = {".svg": "svg", ".html": "html", ".htm": "html", ".json": "json"}.get(
            Path(output).suffix.lower() if output else "", "ascii"
        )
    text = show(found, form)
    if output is None:
        tell(text)
    else:
        write_whole(Path(output), text.encode())
    if check and found.broken:
        raise _errors.Told(_errors.SOURCE)


def _of_sources(sources: tuple[str, ...], matched: dict[str, Any]) -> Matching:
    if len(sources) == 1 and Path(sources[0]).suffix.lower() in (".lerar", ".yaml", ".yml", ".json"):
        return _of_graph(sources[0], matched)
    return matched_folders(sources, matched)


def _of_graph(path: str, matched: dict[str, Any]) -> Matching:
    from ...graphs.document import Graph
    from ...graphs.preprocess.links import files_of, matching_of
    from ..scan import read

    graph = Graph.load(path)
    # Paths in a graph are seen from its folder; in what is shown they stay as the graph has them.
    places = {os.path.join(graph.folder or "", f): f for f in files_of(graph)}
    seen = read(places, filters=filters_of(matched), keywords=matched["keywords"])
    records = {places[r.path]: replace(r, path=places[r.path]) for r in seen.records}
    return matching_of(graph, records, rules_of(matched))
