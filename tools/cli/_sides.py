"""The things that are compared: graph files, recipes, and images that carry their graph, in any mix."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...engine.errors import GraphError
from ._images import GRAPHS

if TYPE_CHECKING:
    from ...graphs.diff.sides import Side
    from ...graphs.schema import Document


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to compare.

    Attributes
    ----------
    name
        As it was given.
    side
        Its graph; None for an image that carries none.
    image
        The image file; None for a graph.
    shown
        What the image shows, ``node.port`` of its graph; empty for a graph.
    whole
        The graph as it is written, with saved graphs in it.
    """

    name: str
    side: Side | None
    image: Path | None = None
    shown: str = ""
    whole: Document | None = None

    def needed(self) -> Side:
        """Return the graph, or raise GraphError where there is none."""
        if self.side is None:
            raise GraphError(f"{self.name}: the file does not tell how it was made; --pixels compares what it shows")
        return self.side


def subject(name: str) -> Subject:
    """Return what *name* stands for: a graph file, an image, or a recipe.

    Raises
    ------
    SourceError, GraphError
        It cannot be read, or is none of these.
    """
    from ...graphs.diff.sides import Side

    path = Path(name)
    if not path.is_file():
        from ._graphs import opened

        graph = opened(name)
        return Subject(name, Side.of(graph, title=name), whole=graph.to_document())
    if path.suffix.lower() in GRAPHS or sniffed(path) is not None:
        whole = document(path)
        return Subject(name, Side.of(whole, os.path.abspath(path.parent), name), whole=whole)
    from ..embedded import read_document

    found = read_document(path)
    if found is None:
        return Subject(name, None, path)
    side = Side.of(found.document, os.path.abspath(path.parent), name)
    side.told_by_file({(s.node, s.param, s.index): s.digest for s in found.sources})
    return Subject(name, side, path, found.image, found.document)


def document(path: Path) -> Document:
    """Return the graph document in *path*, in whatever spelling: git hands files over without their endings."""
    from ...graphs import format as file_format

    spelling = sniffed(path)
    if path.suffix.lower() in GRAPHS or spelling is None:
        return file_format.read(path)
    try:
        return file_format.decode(path.read_bytes(), spelling)
    except GraphError as e:
        raise GraphError(f"{path}: {e}") from None


def sniffed(path: Path) -> str | None:
    """Return the spelling of the graph document that *path* begins like; None where it does not look like one."""
    from ...graphs.schema import FORMAT

    with path.open("rb") as f:
        start = f.read(4096)
    if FORMAT.encode() not in start:
        return None
    if start[:1] == b"{":
        return "json"
    return "msgpack" if start[0] & 0xF0 == 0x80 or start[0] in (0xDE, 0xDF) else "yaml"
