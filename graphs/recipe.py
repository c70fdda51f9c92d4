"""Recipes: graphs that come with the package, to be given files and run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..engine.errors import GraphError
from .document import Graph

_FOLDER = Path(__file__).parent / "recipes"


class Template(NamedTuple):
    """A recipe by name, and what it is for in one line."""

    name: str
    doc: str


def templates() -> list[Template]:
    """Return all recipes, sorted by name."""
    return [Template(name, load_recipe(name).doc.partition("\n")[0]) for name in _names()]


def load_recipe(name: str) -> Graph:
    """Return a new graph made by recipe *name*; give it its inputs with `Graph.bind`.

    Raises
    ------
    GraphError
        There is no such recipe.
    """
    if name not in _names():
        raise GraphError(f"there is no recipe '{name}'; there are {', '.join(_names())}")
    graph = Graph.load(_FOLDER / f"{name}.yaml")
    # A recipe belongs to nobody's folder: paths it is given are seen from where it is used.
    graph.folder = graph.file = None
    return graph


def _names() -> list[str]:
    return sorted(f.stem for f in _FOLDER.glob("*.yaml"))
