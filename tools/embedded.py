"""The graph that an image file carries."""

from __future__ import annotations

import os
from pathlib import Path

from ..engine.errors import GraphError
from ..graphs.provenance_reading import Embedded as Embedded
from ..graphs.provenance_reading import decoded
from ..nodes.io._provenance_reading import read_provenance


def read_document(path: str | os.PathLike[str]) -> Embedded | None:
    """Return what the image in *path*, or the file beside it, tells of its making; None where it tells nothing.

    Raises
    ------
    SourceError
        The file cannot be read.
    GraphError
        What it tells is damaged, or of a newer version; the message begins with the file's name.
    """
    data = read_provenance(Path(path))
    if data is None:
        return None
    try:
        return decoded(data)
    except GraphError as e:
        raise GraphError(f"{path}: {e}") from None


def needed_document(path: str | os.PathLike[str]) -> Embedded:
    """Return what the image in *path* tells of its making.

    Raises
    ------
    SourceError
        The file cannot be read.
    GraphError
        It tells nothing, or what cannot be understood.
    """
    found = read_document(path)
    if found is None:
        raise GraphError(f"{path}: the file does not tell how it was made: no graph is embedded, none lies beside it")
    return found
