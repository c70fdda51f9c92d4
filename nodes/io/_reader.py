"""What a file format gives to the rest: a reader, options of a writer, and errors that say what was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ...engine.api import Box, Frame, Provenance, SourceError, Tile

SampleFormat = Literal["auto", "float32", "uint16", "uint8"]


class Reader(Protocol):
    """One image of one file. Building a reader reads headers only.

    Instances are used by many threads at once and live as long as the process keeps them; they are
    never pickled (each worker process builds its own). One that holds no pixels may say so by an attribute
    ``light`` that is true: thousands of such are kept, of others few.
    """

    @property
    def frame(self) -> Frame:
        """The image without its pixels; `bounds` is None where a float file declares none."""

    def read(self, box: Box) -> Tile:
        """Return a new float32 tile ``(channels, rows, columns)`` of physical values, NaN where missing or infinite."""

    def close(self) -> None:
        """Let go of the file; safe to call twice."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a file is to be written.

    Attributes
    ----------
    sample_format
        Type of the stored samples; ``auto`` is float32 for scientific formats, 8 bit for pictures.
    compression
        Name of the method, ``none`` for plain; each format says which it knows.
    quality
        1 to 100, for formats that lose information on purpose.
    provenance
        What the file tells of its making; None for nothing.
    """

    sample_format: SampleFormat = "auto"
    compression: str = "none"
    quality: int = 90
    provenance: Provenance | None = None


def require(condition: object, path: Path, message: str) -> None:
    """Raise SourceError, naming the file, unless *condition* holds."""
    if not condition:
        raise SourceError(f"{path}: {message}")


def require_bytes(path: Path, wanted: int, found: int, what: str = "the pixels") -> None:
    """Raise SourceError where a file that must be *wanted* bytes long has only *found*."""
    require(found >= wanted, path, f"truncated: {what} end at byte {wanted}, the file has {found}")
