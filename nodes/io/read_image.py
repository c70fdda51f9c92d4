"""ReadImage: an image file as the source of a graph."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...engine.api import Box, Frame, Known, ParameterError, Process, SourceError, Tile, param
from ._bits import extremes
from ._disk import Seen, seen
from ._formats import open_reader
from ._reader import Reader

StateChoice = Literal["auto", "linear", "stretched"]
STATES = ("auto", "linear", "stretched")

_USUAL_BOUNDS = ((0.0, 1.0), (0.0, 65535.0))
# Rows that foretell the range of an image, and from which size on that is worth it.
_FORESEEN_ROWS = 8
_FORESEEN_PIXELS = 4 << 20


class ReadImage(Process, id="io.read_image", version=1):
    """Read an image from a file: FITS, XISF, TIFF, PNG, JPEG or camera raw.

    Pixels keep their physical values. Black and white are the range of an integer type or what the file
    declares; for floats that declare nothing they are measured once: (0, 1) where all samples lie in it, else
    (0, 65535) where they lie in that, else the least and the greatest sample.
    """

    inputs = ()
    maskable = False

    path: str = param(file="input", doc="the file; its first bytes tell the format, then its extension")
    hdu: int | str | None = param(default=None, doc="index or name of the image within the file; none: the first")
    bounds: tuple[float, float] | None = param(
        default=None, doc="physical values of black and white; none: by the file, else measured"
    )
    state: StateChoice = param(
        default="auto",
        choices=STATES,
        doc="whether pixels are proportional to light; auto: 8-bit pictures are stretched",
    )
    optional: bool = param(default=False, doc="with an empty path, the image is absent instead of missing")

    def check(self) -> None:
        if not self.path and not self.optional:
            raise ParameterError("ReadImage: path must name a file, got '' (allowed for optional images only)")
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ParameterError(f"ReadImage: bounds must rise from black to white, got {self.bounds}")

    def frame(self, known: Known) -> Frame:
        frame = _READERS.frame(self.path, self.hdu)
        if self.state != "auto":
            frame = frame.with_(state=self.state)
        bounds = self.bounds or frame.bounds
        if bounds is None and known.measured is not None:
            bounds = bounds_of(known.measured)
        return frame.with_(bounds=bounds)

    def measures(self, known: Known) -> bool:
        return self.bounds is None and _READERS.frame(self.path, self.hdu).bounds is None

    def measure(self, known: Known, image: Tile) -> list[float]:
        """Return the least and the greatest sample of one tile; nothing where all are missing."""
        return list(extremes(np.ascontiguousarray(image)) or [])

    def foresee(self, known: Known) -> list[float] | None:
        """Return the range of a few rows; None where the file's own range is what counts, or reading is dear."""
        reader, frame = self._reader(), known.frame
        if not getattr(reader, "light", False) or frame.width * frame.height < _FORESEEN_PIXELS:
            return None
        found: list[float] = []
        for y in np.linspace(0, frame.height - 1, _FORESEEN_ROWS).astype(int).tolist():
            row = self.pixels(replace(known, box=Box(y, 0, y + 1, frame.width)))
            found = self.merge(found, self.measure(known, row))
        return found if bounds_of(found) in _USUAL_BOUNDS else None

    def merge(self, a: list[float], b: list[float]) -> list[float]:
        if not a or not b:
            return a or b
        return [min(a[0], b[0]), max(a[1], b[1])]

    def finish(self, partial: list[float], known: Known) -> list[float]:
        return partial

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return self._reader().read(known.box)

    def _reader(self) -> Reader:
        return _READERS.get(self.path, self.hdu)


def bounds_of(measured: list[float]) -> tuple[float, float]:
    """Return black and white of a float image by its least and greatest sample (none: all are missing)."""
    if not measured:
        return 0.0, 1.0
    lo, hi = measured
    for black, white in _USUAL_BOUNDS:
        if lo >= black and hi <= white:
            return black, white
    # An image of one value still needs a black that is not white.
    return (lo, hi) if lo < hi else (lo, lo + 1.0)


_Key = tuple[str, int | str | None]


class _Readers:
    """Readers of this process, kept so that a strip costs no header; a file that changed is opened anew."""

    # Readers may hold pixels; those that only know where these lie, and what headers say, are small and asked for again
    # with each strip of a long series.
    LIMIT = 256
    FRAMES = 8192

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: OrderedDict[_Key, tuple[Seen, Frame]] = OrderedDict()
        self._kept: OrderedDict[_Key, tuple[Seen, Reader]] = OrderedDict()
        self._light: OrderedDict[_Key, tuple[Seen, Reader]] = OrderedDict()

    def frame(self, path: str | Path, hdu: int | str | None) -> Frame:
        """Return what the header says."""
        key, state = (os.fspath(path), hdu), _state(path)
        with self._lock:
            kept = self._frames.get(key)
            if kept is not None and kept[0] == state:
                self._frames.move_to_end(key)
                return kept[1]
        frame = self.get(path, hdu).frame
        with self._lock:
            self._frames[key] = (state, frame)
            while len(self._frames) > self.FRAMES:
                self._frames.popitem(last=False)
        return frame

    def get(self, path: str | Path, hdu: int | str | None) -> Reader:
        """Return the reader of an image; headers are read where it is not kept."""
        key, state = (os.fspath(path), hdu), _state(path)
        with self._lock:
            for readers in (self._light, self._kept):
                kept = readers.get(key)
                if kept is not None and kept[0] == state:
                    readers.move_to_end(key)
                    return kept[1]
        reader = open_reader(Path(path), hdu)
        light = bool(getattr(reader, "light", False))
        readers, limit = (self._light, self.FRAMES) if light else (self._kept, self.LIMIT)
        with self._lock:
            # A reader pushed out is not closed here: another thread may be in it. It closes when that is done.
            readers[key] = (state, reader)
            readers.move_to_end(key)
            while len(readers) > limit:
                readers.popitem(last=False)
        return reader


def _state(path: str | Path) -> Seen:
    try:
        return seen(path)
    except OSError as e:
        raise SourceError(f"{path}: cannot be opened: {e.strerror or e}") from e


_READERS = _Readers()
