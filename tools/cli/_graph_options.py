"""Options of every command that takes a graph: which files go in, and which parameters are changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rich_click as click


def graph_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --input and --set."""
    given = click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="NAME=PATH",
        help="File for a named input of the graph, or for a node that reads; repeatable, patterns allowed for series.",
    )
    changed = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NODE.PARAM=VALUE",
        help="Value of a parameter, or of a named setting of the recipe; repeatable.",
    )
    return given(changed(function))
