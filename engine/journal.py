"""Outputs that a killed run left unfinished: which rows are there already, so that the next run goes on with them.

A journal names the temporary file and holds, for each finished strip, its rows and a checksum of its bytes in the
file. Strips are believed only if these bytes are still there. A run that fails or is stopped in order removes both.

    8 bytes            length of the header
    header             msgpack {temporary, token, host, process}
    16 bytes a strip   first row, row behind the last (uint32), xxh3-64 of the stored bytes (uint64)
"""

from __future__ import annotations

import contextlib
import os
import platform
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .identity import pack, unpack
from .process import Tile, Writer
from .region import Box

_RECORD = struct.Struct("<IIQ")


class Resumable(Protocol):
    """A writer whose temporary file another process may have begun."""

    temporary: Path

    @property
    def token(self) -> str:
        """Equal for files that hold the same but for their pixels."""

    def adopt(self, temporary: Path) -> bool:
        """Go on with a file that another writer of the same token began; False if it does not fit."""

    def write_summed(self, box: Box, tile: Tile) -> int:
        """As `write`; return what `checksum` will say of it."""

    def checksum(self, box: Box) -> int:
        """Return a 64-bit checksum of the bytes that hold the rows of *box*."""


@dataclass(slots=True)
class Journalled:
    """A writer that notes what is finished. Plain data, as it travels to worker processes."""

    writer: Any
    journal: Path
    done: list[tuple[int, int]] = field(default_factory=list)
    """Rows that an earlier run finished, from top to bottom, merged."""

    @property
    def path(self) -> Path:
        return Path(self.writer.path)

    @property
    def exact(self) -> tuple[str, int] | None:
        found: tuple[str, int] | None = getattr(self.writer, "exact", None)
        return found

    def has(self, box: Box) -> bool:
        """Return whether all rows of *box* were finished by an earlier run."""
        return any(y0 <= box.y0 and box.y1 <= y1 for y0, y1 in self.done)

    def write(self, box: Box, tile: Tile) -> None:
        found = self.writer.write_summed(box, tile)
        # Appending so few bytes is one step for the system: strips of several threads do not mix.
        with contextlib.suppress(OSError), self.journal.open("ab", buffering=0) as f:
            f.write(_RECORD.pack(box.y0, box.y1, found))

    def finish(self) -> None:
        self.writer.finish()
        self.journal.unlink(missing_ok=True)

    def abandon(self) -> None:
        self.writer.abandon()
        self.journal.unlink(missing_ok=True)


def journalled(writer: Writer, journal: Path) -> Writer:
    """Return *writer* with a journal, going on with what an earlier run left; as it is where it cannot be resumed."""
    if not hasattr(writer, "adopt"):
        return writer
    resumable: Any = writer
    done = _adopted(resumable, journal)
    if not done:
        try:
            journal.parent.mkdir(parents=True, exist_ok=True)
            header = pack(
                {
                    "temporary": os.path.abspath(resumable.temporary),
                    "token": resumable.token,
                    "host": platform.node(),
                    "process": os.getpid(),
                }
            )
            journal.write_bytes(struct.pack("<Q", len(header)) + header)
        except OSError:  # nowhere to keep it: this output cannot be resumed
            return writer
    return Journalled(resumable, journal, done)


def _adopted(writer: Resumable, journal: Path) -> list[tuple[int, int]]:
    """Return the finished rows of the file that *journal* tells of, which *writer* now goes on with."""
    try:
        data = journal.read_bytes()
        length = struct.unpack_from("<Q", data)[0]
        told = unpack(data[8 : 8 + length])
        temporary, token = Path(told["temporary"]), told["token"]
        if told["host"] != platform.node() or _lives(int(told["process"])):
            return []  # another run is writing it now
    except (OSError, ValueError, TypeError, KeyError, struct.error):
        return []
    if token != writer.token or not writer.adopt(temporary):
        # Nobody will go on with that file: it is of no use but takes room.
        if temporary != writer.temporary and temporary.name.endswith(".part"):
            temporary.unlink(missing_ok=True)
        return []
    strips = data[8 + length :]
    records = sorted(_RECORD.iter_unpack(strips[: len(strips) - len(strips) % _RECORD.size]))
    merged: list[tuple[int, int]] = []
    for y0, y1, told_sum in records:
        if y0 >= y1 or writer.checksum(Box(y0, 0, y1, 1)) != told_sum:
            continue
        if merged and merged[-1][1] >= y0:
            merged[-1] = merged[-1][0], max(merged[-1][1], y1)
        else:
            merged.append((y0, y1))
    return merged


def _lives(process: int) -> bool:
    if process == os.getpid():
        return False  # an earlier attempt of this very process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
