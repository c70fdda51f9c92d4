"""Which files of a folder are images."""

from __future__ import annotations

import os
from pathlib import Path

from ..engine.errors import SourceError
from ..nodes.io._formats import _READERS

_PACKED = (".fz", ".gz", ".bz2")


def image_files(folder: str | os.PathLike[str]) -> list[str]:
    """Return the image files that lie in *folder* itself, sorted by name; hidden ones are left out.

    Raises
    ------
    SourceError
        There is no such folder, or no image in it.
    """
    place = Path(folder)
    try:
        names = sorted(e.name for e in os.scandir(place) if e.is_file() and not e.name.startswith("."))
    except OSError as e:
        raise SourceError(f"{place}: {e.strerror or e}") from e
    found = [str(place / n) for n in names if is_image(n)]
    if not found:
        raise SourceError(f"{place}: there is no image in this folder")
    return found


def is_image(name: str) -> bool:
    """Return whether a file of this name is read as an image; a packed file is told by what it was before."""
    path = Path(name.lower())
    if path.suffix in _PACKED:
        return Path(path.stem).suffix in _READERS or path.suffix == ".fz"
    return path.suffix in _READERS
