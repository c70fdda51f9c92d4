"""Which files hold many frames, and those files opened, kept so that a frame costs no header."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from ...engine.api import SourceError
from ._bintable import Table, table_of
from ._cube import cube_frames, is_cube
from ._disk import Seen, mapped, seen
from ._fits import PlainReader, TiledReader, open_fits
from ._formats import format_of
from ._frame_file import FrameFile, FrameOptions
from ._hdus import Hdu, hdus
from ._reader import require
from ._ser import ser_frames
from ._spool import is_packed, unpack
from ._target_pixels import holds_targets, target_frames


def open_frames(path: Path, options: FrameOptions) -> FrameFile | None:
    """Return the frames of a file that holds many of one size; None for a file of one image.

    Raises
    ------
    SourceError
        The file is missing, damaged, or has no HDU of that name.
    """
    kind = format_of(path)
    if kind == "_ser":
        return ser_frames(path, options)
    return _fits_frames(path, options) if kind == "_fits" else None


def frames_in(path: Path) -> int | None:
    """Return how many frames a file holds; None for a file of one image."""
    found = FRAME_FILES.get(path, FrameOptions())
    return None if found is None else found.count


def _fits_frames(path: Path, options: FrameOptions) -> FrameFile | None:
    with path.open("rb") as f:
        packed = is_packed(f.read(4))
    inside = unpack(path) if packed else path
    raw = inside if isinstance(inside, bytes) else mapped(inside)
    require(len(raw), path, "nothing is inside")
    every = list(hdus(path, raw))
    tables = [(h, t) for h in every if (t := table_of(h, len(raw))) is not None]
    for hdu, table in tables:
        if holds_targets(table) and _is_wanted(hdu, options.hdu):
            held = inside if isinstance(inside, bytes) else None
            place = path if isinstance(inside, bytes) else inside
            return target_frames(place, table, every[0].cards, raw, held, options)
    if not any(h.has_pixels and _is_wanted(h, options.hdu) for h in every):
        there = "; ".join(map(str, every))
        raise SourceError(f"{path}: it holds no image and no table of times and images; it has {there}")
    reader = open_fits(path, options.hdu)
    if isinstance(reader, PlainReader | TiledReader) and is_cube(reader.frame):
        return cube_frames(path, reader, _others(tables), raw, options)
    return None


def _others(tables: list[tuple[Hdu, Table]]) -> list[Table]:
    return [table for _, table in tables]


def _is_wanted(hdu: Hdu, wanted: int | str | None) -> bool:
    return wanted is None or str(wanted).strip().upper() in (str(hdu.index), hdu.name.upper())




class _FrameFiles:
    """Opened files of this process; one that changed is opened anew."""

    LIMIT = 64

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, FrameOptions], tuple[Seen, FrameFile | None]] = OrderedDict()

    def get(self, path: Path, options: FrameOptions) -> FrameFile | None:
        """Return what `open_frames` gives."""
        try:
            state = seen(path)
        except OSError as e:
            raise SourceError(f"{path}: cannot be opened: {e.strerror or e}") from e
        key = (str(path), options)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept[0] == state:
                self._kept.move_to_end(key)
                return kept[1]
        found = open_frames(path, options)
        with self._lock:
            self._kept[key] = (state, found)
            while len(self._kept) > self.LIMIT:
                self._kept.popitem(last=False)
        return found


FRAME_FILES = _FrameFiles()
