"""How an image came about: what it tells of itself, and what its sources tell, back to files that tell nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import EngineError
from ..engine.store import Store
from ..graphs.history import Run, runs, version_of_document
from ..graphs.provenance_reading import Embedded, Source
from .embedded import needed_document, read_document

# Files made of files: a chain longer than this runs in a circle or is no chain that anybody made.
_DEEPEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """One image that carries a graph, at a depth from the one asked for (0).

    Attributes
    ----------
    path, embedded
        The file and what it tells.
    version
        Digest of its graph, as `lerarlink.graphs.history` counts versions.
    runs
        Runs of that graph that are noted in the store.
    sources
        What it was made of: each with its path now, empty where it is not there or holds something else in size.
    """

    depth: int
    path: str
    embedded: Embedded
    version: str
    runs: tuple[Run, ...]
    sources: tuple[tuple[Source, str], ...]


def ancestry(path: str | os.PathLike[str], store: Store) -> Iterator[Ancestor]:
    """Yield the image in *path*, then those of its sources that carry graphs, and so on, nearest first.

    Raises
    ------
    GraphError
        The image tells nothing of its making.
    """
    noted = runs(store)
    todo = [(0, os.path.abspath(path), needed_document(path))]
    seen = {os.path.realpath(path)}
    for depth, place, embedded in todo:
        version = version_of_document(embedded.document)
        sources = tuple((s, _place(embedded, place, s)) for s in embedded.sources)
        yield Ancestor(
            depth=depth,
            path=place,
            embedded=embedded,
            version=version,
            runs=tuple(r for r in noted if r.version == version),
            sources=sources,
        )
        for _, where in sources if depth < _DEEPEST else ():
            if where and os.path.realpath(where) not in seen and (told := _told(where)) is not None:
                seen.add(os.path.realpath(where))
                todo.append((depth + 1, where, told))


def _place(embedded: Embedded, path: str, source: Source) -> str:
    graph = embedded.graph(os.path.dirname(path))
    value = graph.spec(source.node).params.get(source.param)
    files = value if isinstance(value, tuple) else (value,)
    if source.index >= len(files) or not isinstance(files[source.index], str):
        return ""
    place = os.path.join(graph.folder or "", files[source.index])
    try:
        return place if Path(place).stat().st_size == source.bytes else ""
    except OSError:
        return ""


def _told(path: str) -> Embedded | None:
    # A source that cannot be read, or is of a kind that holds no text, ends the chain there.
    try:
        return read_document(path)
    except (EngineError, OSError):
        return None
