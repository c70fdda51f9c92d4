"""`lerar nodes`: the processes that graphs can be made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from ._group import common
from ._output import table, tell, tell_json

if TYPE_CHECKING:
    from ...engine.process import Process


@click.group("nodes")
@common
def command() -> None:
    """List the installed processes, show their reference pages and schemas."""


@command.command("list")
@click.argument("words", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common
def list_(words: tuple[str, ...], as_json: bool) -> None:
    """List the processes; with WORDS, those that have all of them in name or first line."""
    from ...engine import registry

    found = [c for c in registry.everything() if _matches(c, words)]
    if as_json:
        tell_json([_summary(c) for c in found])
    else:
        tell(table(("process", "id", ""), [(c.__name__, c.id, _line(c)) for c in found]))


@command.command("doc")
@click.argument("name")
@common
def doc(name: str) -> None:
    """Print the reference page of process NAME as Markdown."""
    from ...engine import registry
    from ..process_pages import section

    tell(section(registry.find(name)).rstrip("\n"))


@command.command("schema")
@click.argument("name")
@common
def schema(name: str) -> None:
    """Print the JSON schema of the parameters and ports of process NAME."""
    from ...engine import registry
    from ._schema import schema_of

    tell_json(schema_of(registry.find(name)))


def _line(cls: type[Process]) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]


def _matches(cls: type[Process], words: tuple[str, ...]) -> bool:
    text = f"{cls.__name__} {cls.id} {_line(cls)}".lower()
    return all(w.lower() in text for w in words)


def _summary(cls: type[Process]) -> dict[str, object]:
    return {
        "name": cls.__name__,
        "id": cls.id,
        "version": cls.version,
        "doc": _line(cls),
        "inputs": [p.name for p in cls.inputs],
        "outputs": [p.name for p in cls.outputs],
        "parameters": list(cls.params),
    }
