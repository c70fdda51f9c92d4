"""Options of commands that run graphs: which files go in, which parameters are changed, how much memory to use."""

from __future__ import annotations

import re
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


def provenance_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --provenance/--no-provenance and --private, which `Graph.run` takes under these names."""
    told = click.option(
        "--provenance/--no-provenance",
        default=True,
        help="Put the graph, keys and digests of sources into every output (default), or not.",
    )
    private = click.option(
        "--private", is_flag=True, help="Leave folders, site and observer out of outputs and what they tell."
    )
    return told(private(function))


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
# Strips of large images, compiled code and the interpreter itself do not fit into less.
_LEAST = 256 * 2**20


class ByteSize(click.ParamType[int]):
    """A number of bytes such as ``2GiB``, ``512MiB`` or ``1500MB``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", str(value).lower())
        if not found or found[2] not in _UNITS:
            self.fail(f"{value!r} is no size; such as 2GiB, 512MiB or 1500MB", param, ctx)
        size = int(float(found[1]) * _UNITS[found[2]])
        if size < _LEAST:
            self.fail(f"{value} is too little; at least {_LEAST // 2**20}MiB are wanted", param, ctx)
        return size


memory_option = click.option(
    "--memory",
    type=ByteSize(),
    metavar="SIZE",
    help="Memory to use, such as 2GiB (default: a quarter of the machine's).",
)
