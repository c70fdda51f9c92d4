"""Graph documents as files: MessagePack (.lerar), YAML and JSON, three spellings of one document.

Reading runs no code: what comes out is plain data, checked field by field before a graph is made of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any, BinaryIO

import msgpack

from ..engine.errors import GraphError, SourceError
from . import yaml_form
from .collector import paused
from .fields import shown
from .migrations import MIGRATIONS as MIGRATIONS
from .migrations import migrated as migrated
from .schema import VERSION as VERSION
from .schema import Document, checked_document

MAX_BYTES = 64 * 1024 * 1024
_DEEPEST = 40  # nesting of the file as a whole; parameters end at fields.MAX_DEPTH


def read(path: Path) -> Document:
    """Return the document in *path*, in today's version and canonical form.

    Raises
    ------
    SourceError
        The file cannot be read.
    GraphError
        It is no graph document, or one that cannot be understood; the message begins with the file's name.
    """
    spelling = _spelling(path)
    try:
        with path.open("rb") as f:
            data = _contents(f)
    except OSError as e:
        raise SourceError(f"{path}: cannot be opened: {e.strerror or e}") from e
    if len(data) > MAX_BYTES:
        raise GraphError(f"{path}: a graph file has at most {MAX_BYTES:,} bytes, this one has more")
    try:
        return decode(data, spelling)
    except GraphError as e:
        raise GraphError(f"{path}: {e}") from None


def _contents(f: BinaryIO) -> bytes:
    """Return what is in a file, up to a little more than is allowed; of a small file no more than it has is held."""
    made = bytearray()
    while len(made) <= MAX_BYTES and (part := f.read(1 << 16)):
        made += part
    return bytes(made)


def write(path: Path, document: Document) -> None:
    """Write *document* to *path*, whole or not at all.

    Raises
    ------
    GraphError
        The document could not be read back: it breaks a rule, or is too large.
    OSError
        The file cannot be written.
    """
    data = encode(document, _spelling(path))
    if len(data) > MAX_BYTES:
        raise GraphError(f"{path}: a graph file has at most {MAX_BYTES:,} bytes, this one would have {len(data):,}")
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def encode(document: Document, spelling: str) -> bytes:
    """Return *document* as bytes in *spelling*: ``msgpack``, ``yaml`` or ``json``. One document, one byte string."""
    return _ENCODE[spelling](checked_document(document))


def decode(data: bytes, spelling: str) -> Document:
    """Return the document in *data*, brought to today's version, checked, in canonical form."""
    with paused():
        raw = _DECODE[spelling](data)
        return checked_document(migrated(raw))


def _spelling(path: Path) -> str:
    found = _SPELLINGS.get(path.suffix.lower())
    if found is None:
        raise GraphError(f"{path}: graph files end in {', '.join(_SPELLINGS)}, got '{path.suffix}'")
    return found


# -- MessagePack ---------------------------------------------------------------------------------------


def _to_msgpack(document: Document) -> bytes:
    packed: bytes = msgpack.packb(document, use_bin_type=True)
    return packed


def _from_msgpack(data: bytes) -> Any:
    try:
        return msgpack.unpackb(
            data, raw=False, strict_map_key=False, object_pairs_hook=_no_twins, ext_hook=_no_extension
        )
    except GraphError:
        raise
    except msgpack.ExtraData:
        raise GraphError("bytes follow after the end of the document") from None
    except UnicodeDecodeError as e:
        raise GraphError(f"text is not UTF-8: {e.reason}") from None
    except (msgpack.StackError, RecursionError):
        raise GraphError("the document is nested too deeply") from None
    except (ValueError, msgpack.UnpackException, MemoryError) as e:
        raise GraphError(f"truncated, or not MessagePack: {e}") from None


def _no_extension(code: int, _: Any) -> Any:
    raise GraphError(f"wanted plain data, got a MessagePack extension of type {code}")


def _no_twins(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    try:
        made: dict[str, Any] = dict(pairs)
        if len(made) == len(pairs) and set(map(type, made)) <= _TEXT:
            return made
    except TypeError:  # a list as a key, which is told below
        pass
    made = {}
    for key, value in pairs:
        if not isinstance(key, str):
            raise GraphError(f"wanted text as the name of a field, got {shown(key)}")
        if key in made:
            raise GraphError(f"field {shown(key)} stands twice in one mapping")
        made[key] = value
    return made


# -- JSON and YAML -------------------------------------------------------------------------------------


def _to_json(document: Document) -> bytes:
    return (json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def _from_json(data: bytes) -> Any:
    text = _utf8(data)
    try:
        return json.loads(text, object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except GraphError:
        raise
    except RecursionError:
        raise GraphError("the document is nested too deeply") from None
    except ValueError as e:
        raise GraphError(f"not JSON: {e}") from None


def _no_constant(name: str) -> Any:
    raise GraphError(f"wanted finite numbers, got {name}")


def _to_yaml(document: Document) -> bytes:
    return yaml_form.write(document).encode()


def _from_yaml(data: bytes) -> Any:
    return yaml_form.read(_utf8(data), _DEEPEST)


def _utf8(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise GraphError(f"text is not UTF-8: {e.reason} at byte {e.start}") from None


_TEXT = {str}
_SPELLINGS = {".lerar": "msgpack", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
_ENCODE = {"msgpack": _to_msgpack, "yaml": _to_yaml, "json": _to_json}
_DECODE = {"msgpack": _from_msgpack, "yaml": _from_yaml, "json": _from_json}
