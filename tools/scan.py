"""Folders of raw frames as records: headers are read, pixels are not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import EngineError, SourceError
from ..engine.frame import Frame
from ..graphs.preprocess.match import LeftOut
from ..graphs.preprocess.records import FrameRecord, record_of
from ..nodes.io._formats import _CAMERA_EXTENSIONS, open_reader

# Pictures (PNG, JPEG) are no raw frames. A packed file is told by what it was before.
_EXTENSIONS = frozenset({".fits", ".fit", ".fts", ".xisf", ".tif", ".tiff"}) | _CAMERA_EXTENSIONS
_PACKED = frozenset({".fz", ".gz", ".bz2"})
# Headers are waited for, not computed: on a network disk many at once take hardly longer than one.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Scan:
    """What a folder holds: a record of each frame, and what was not taken for one."""

    records: tuple[FrameRecord, ...]
    left_out: tuple[LeftOut, ...]


def scan(
    folders: Iterable[str | os.PathLike[str]],
    *,
    filters: Mapping[str, str] | None = None,
    keywords: Iterable[str] = (),
    skip: Iterable[str | os.PathLike[str]] = (),
) -> Scan:
    """Return the records of all frames in *folders* and what lies below, sorted by path.

    Parameters
    ----------
    folders
        Folders, or single files.
    filters, keywords
        The user's names of filters and grouping keywords; see `record_of`.
    skip
        Folders not to be looked into: that of the results.

    Raises
    ------
    SourceError
        A folder is not there.
    """
    skipped = {Path(s).resolve() for s in skip}
    found: dict[str, str] = {}
    for folder in map(Path, folders):
        if not folder.exists():
            raise SourceError(f"{folder}: there is no such file or folder")
        for path in _files(folder, skipped) if folder.is_dir() else [folder]:
            # Folders above the one that was named mean nothing; its own name may ("Darks").
            inside = os.path.relpath(path.resolve(), folder.resolve().parent)
            found.setdefault(str(path), inside)
    return _read(found, filters or {}, tuple(keywords))


def read(
    paths: Iterable[str], *, filters: Mapping[str, str] | None = None, keywords: Iterable[str] = ()
) -> Scan:
    """Return the records of *paths*; of their folders the nearest two are asked for what headers do not say."""
    found = {path: os.path.join(*Path(path).resolve().parts[-3:]) for path in paths}
    return _read(found, filters or {}, tuple(keywords))


def _files(folder: Path, skipped: set[Path]) -> Iterator[Path]:
    """Yield image files below *folder*, sorted; hidden ones and the folders in *skipped* left out."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (Path(here) / f).resolve() not in skipped)
        yield from (Path(here) / f for f in sorted(files) if not f.startswith(".") and _is_frame(f))


def _is_frame(name: str) -> bool:
    path = Path(name.lower())
    if path.suffix in _PACKED:
        return Path(path.stem).suffix in _EXTENSIONS
    return path.suffix in _EXTENSIONS


def _read(found: Mapping[str, str], filters: Mapping[str, str], keywords: tuple[str, ...]) -> Scan:
    def one(path: str) -> FrameRecord | LeftOut:
        try:
            frame = _frame(path)
        except (EngineError, OSError) as e:
            return LeftOut(path, f"cannot be read: {str(e).removeprefix(f'{path}: ')}")
        if frame.state == "stretched":
            return LeftOut(path, "a stretched picture, not a raw frame")
        return record_of(path, frame, inside=found[path], filters=filters, keywords=keywords)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        made = list(pool.map(one, sorted(found)))
    return Scan(
        tuple(r for r in made if isinstance(r, FrameRecord)), tuple(r for r in made if isinstance(r, LeftOut))
    )


def _frame(path: str) -> Frame:
    reader = open_reader(Path(path))
    try:
        return reader.frame
    finally:
        reader.close()
