"""What was made, kept under the key of what made it. Everything but the history can be made again.

    values/ab/<key>.msgpack    Values: what `finish` returned
    pixels/ab/<key>.<port>     pixels of one image output, strip by strip
    written/ab/<key>.<port>    which file of the user's holds the pixels of one output
    journals/ab/<digest>       which rows of an output that is being written are finished
    sources/ab/<digest>        digests of source files, by path, size, time and inode
    costs/ab/<digest>          what a kind of work took in the last runs
    history/ab/<id>            notes that are no results: which graphs were run, and when
    kernels/, numba/           generated and compiled loops
    scratch/                   unpacked inputs

Files appear by rename and carry checksums, so a killed run, a full disk or a second run beside this one
leave each entry either whole or absent. A damaged entry counts as absent and is made again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import xxhash

from .errors import SourceError, StoreError
from .folders import cache_root
from .identity import digest, digest_file, pack, pack_small, unpack
from .stored_pixels import StoredPixels, verify
from .written import WrittenPixels

log = logging.getLogger("lerarlink.store")
_KINDS = ("values", "pixels", "written", "journals", "sources", "costs", "kernels", "numba", "scratch")
# Cannot be made again: neither pruned nor cleared.
_LASTING = ("history",)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the store."""

    kind: str
    key: str
    bytes: int
    modified: float
    path: Path


class Store:
    """Values, pixels and source digests under one folder."""

    # Digests of files by store, device, inode, size and time: a look at a box asks for them again and again.
    _contents: ClassVar[dict[tuple[Path, int, int, int, int], str]] = {}

    def __init__(self, root: Path | None = None) -> None:
        self.root = cache_root() if root is None else root

    # -- Values -----------------------------------------------------------------------------------

    def put_value(self, key: str, value: Any) -> None:
        """Keep a Value; failing to (a full disk) is no error, it will be measured again."""
        body = pack_small(value)
        self._write(self._path("values", key), xxhash.xxh3_64_digest(body) + body)

    def value(self, key: str) -> Any:
        """Return the Value kept under *key*.

        Raises
        ------
        KeyError
            There is none, or it was damaged.
        """
        path = self._path("values", key)
        try:
            data = path.read_bytes()
        except OSError:
            raise KeyError(key) from None
        if xxhash.xxh3_64_digest(data[8:]) != data[:8]:
            log.warning("damaged entry %s is made again", path.name)
            path.unlink(missing_ok=True)
            raise KeyError(key)
        return unpack(data[8:])

    # -- Pixels -----------------------------------------------------------------------------------

    def pixels(self, key: str, port: str, shape: tuple[int, int, int]) -> StoredPixels:
        """Return the pixel file of one output, made if it is not there; *shape* is (channels, rows, columns)."""
        return StoredPixels.open(self._path("pixels", f"{key}.{port}"), shape)

    # -- Files of the user ------------------------------------------------------------------------

    def put_written(self, key: str, port: str, pixels: WrittenPixels) -> None:
        """Remember that a file the user keeps holds the pixels of one output."""
        self._write(self._path("written", f"{key}.{port}"), pack(asdict(pixels)))

    def written(self, key: str, port: str) -> WrittenPixels | None:
        """Return the file that holds the pixels of one output, if it is still as it was written."""
        try:
            told: dict[str, Any] = unpack(self._path("written", f"{key}.{port}").read_bytes())
            found = WrittenPixels(**{**told, "shape": tuple(told["shape"]), "state": tuple(told["state"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return found if found.unchanged() else None

    def journal(self, key: str, path: Path) -> Path:
        """Return where it is noted which rows of output *path* of the sink *key* are finished."""
        return self._path("journals", digest("journal", key, os.path.abspath(path)))

    def has(self, kind: str) -> bool:
        """Return whether anything of *kind* was ever kept."""
        return (self.root / kind).is_dir()

    def names(self, kind: str) -> set[str]:
        """Return the names of all that is kept of *kind*: many are found sooner in them than one after the other."""
        found: set[str] = set()
        with contextlib.suppress(OSError):
            for folder in os.listdir(self.root / kind):
                with contextlib.suppress(OSError):
                    found.update(os.listdir(self.root / kind / folder))
        return found

    def has_pixels(self, key: str, port: str) -> bool:
        return self._path("pixels", f"{key}.{port}").exists()

    # -- Sources ----------------------------------------------------------------------------------

    def content(self, path: Path) -> str:
        """Return the digest of a file's bytes, remembered as long as path, size, time and inode stay.

        Raises
        ------
        SourceError
            The file is not there or cannot be read.
        """
        try:
            s = path.stat()
            # Each store is told itself: later processes, and forecasts, look there.
            same = self.root, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns
            if same in self._contents:
                return self._contents[same]
            note = self._note(path, s)
            with contextlib.suppress(OSError):
                told = note.read_text("ascii")
                if len(told) == 32:
                    return self._contents.setdefault(same, told)
            found = self._contents[same] = digest_file(path)
        except OSError as e:
            raise SourceError(f"cannot read {path}: {e.strerror or e}") from e
        self._write(note, found.encode("ascii"))
        return found

    def _note(self, path: Path, s: os.stat_result) -> Path:
        """Return where the digest of a file is noted."""
        # Not resolved, which asks about every folder: by another name a file is read again, and that is all.
        return self._path("sources", digest("stat", os.path.abspath(path), s.st_size, s.st_mtime_ns, s.st_ino))

    # -- Costs ------------------------------------------------------------------------------------

    def put_costs(self, key: str, told: list[Any]) -> None:
        """Remember what a kind of work took."""
        body = pack(told)
        self._write(self._path("costs", key), xxhash.xxh3_64_digest(body) + body)

    def costs(self, key: str) -> list[Any] | None:
        """Return what a kind of work took in the last runs; None where that is not known."""
        try:
            data = self._path("costs", key).read_bytes()
        except OSError:
            return None
        if xxhash.xxh3_64_digest(data[8:]) != data[:8]:
            return None
        told: list[Any] = unpack(data[8:])
        return told

    # -- History ----------------------------------------------------------------------------------

    def note(self, key: str, told: Any) -> None:
        """Keep a note for good under *key*, replacing what was there; failing to (a full disk) is no error."""
        body = pack(told)
        self._write(self._path("history", key), xxhash.xxh3_64_digest(body) + body)

    def notes(self) -> Iterator[tuple[str, Any]]:
        """Yield key and content of every note that is sound."""
        for path in sorted((self.root / "history").glob("*/*")):
            with contextlib.suppress(OSError):
                data = path.read_bytes()
                if not path.name.startswith(".") and xxhash.xxh3_64_digest(data[8:]) == data[:8]:
                    yield path.name, unpack(data[8:])

    # -- Care -------------------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """Yield every file of the store."""
        for kind in (*_KINDS, *_LASTING):
            for path in sorted((self.root / kind).glob("**/*")):
                with contextlib.suppress(FileNotFoundError):
                    s = path.stat()
                    if path.is_file():
                        yield Entry(kind, path.stem if kind == "values" else path.name, s.st_size, s.st_mtime, path)

    def verify(self) -> list[Entry]:
        """Check every Value and pixel strip against its checksum, remove what is damaged and return it."""
        bad = []
        for entry in self.entries():
            if entry.kind in ("values", *_LASTING):
                data = entry.path.read_bytes()
                sound = xxhash.xxh3_64_digest(data[8:]) == data[:8]
            elif entry.kind == "pixels":
                sound = verify(entry.path)
            else:
                continue
            if not sound:
                entry.path.unlink(missing_ok=True)
                bad.append(entry)
        return bad

    def prune(self, limit: int) -> list[Entry]:
        """Remove the longest unused results until at most *limit* bytes are left; return what went."""
        entries = sorted(self._results(), key=lambda e: (e.kind != "scratch", e.modified))
        total = sum(e.bytes for e in entries)
        gone = []
        for entry in entries:
            if total <= limit:
                break
            entry.path.unlink(missing_ok=True)
            total -= entry.bytes
            gone.append(entry)
        return gone

    def clear(self) -> int:
        """Remove all results; return the bytes freed. The history and other files in the folder stay."""
        freed = sum(e.bytes for e in self._results())
        for kind in _KINDS:
            shutil.rmtree(self.root / kind, ignore_errors=True)
        return freed

    def _results(self) -> Iterator[Entry]:
        return (e for e in self.entries() if e.kind not in _LASTING)

    def _path(self, kind: str, key: str) -> Path:
        name = f"{key}.msgpack" if kind == "values" else key
        return self.root / kind / key[:2] / name

    def _write(self, path: Path, data: bytes) -> None:
        # Unique on every machine that shares the folder.
        part = os.path.join(path.parent, f".{secrets.token_hex(12)}.tmp")
        try:
            try:
                _put(part, data)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                _put(part, data)
            os.replace(part, path)
        except OSError as e:
            with contextlib.suppress(OSError):
                os.unlink(part)
            log.warning("not kept: %s", StoreError(f"cannot write {path}: {e.strerror or e}"))


def _put(path: str, data: bytes) -> None:
    """Write a new file, which only its user may read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb", 0) as f:
        view = memoryview(data)
        while view:
            view = view[f.write(view) :]
