"""What an import gives: a graph, and a list of everything that is not in it as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..document import Graph

Kind = Literal["unmapped", "differs", "idle"]
KINDS: tuple[Kind, ...] = ("unmapped", "differs", "idle")


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that did not come over as it was.

    Attributes
    ----------
    kind
        ``unmapped``: it is missing, or a placeholder stands for it. ``differs``: its counterpart here does not do
        quite the same. ``idle``: it has no say in pixels, so there is nothing to be mapped.
    where
        The line of a script, the icon of a set.
    what
        The command, option, process or parameter, as it was written.
    why
        What became of it, and what could be done.
    """

    kind: Kind
    where: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the original takes an input from, seen from where it begins.

    Attributes
    ----------
    path
        A folder; or a file, without its extension.
    whole
        All images of the folder, in order of name.
    number
        One of them, from 1.
    """

    path: str
    whole: bool = False
    number: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """A graph made of something else, and the notes about it in the order of the original.

    Attributes
    ----------
    places
        Where the named inputs come from, as far as the original says.
    """

    graph: Graph
    notes: tuple[Note, ...]
    places: Mapping[str, Place] = field(default_factory=dict)

    def of(self, kind: Kind) -> tuple[Note, ...]:
        """Return the notes of one kind."""
        return tuple(n for n in self.notes if n.kind == kind)
