"""Reading what a file tells of its making, from any format that this package writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...engine.api import SourceError
from ._disk import mapped
from ._hdus import hdus
from ._png import SIGNATURE as PNG
from ._png import png_header
from ._provenance import NAME, PNG_KEYWORD, PROPERTY, SIDECAR, TIFF_TAG, sidecar
from ._xisf_header import SIGNATURE as XISF
from ._xisf_header import property_text

# The graph of a night has 0.1 MB; a file beside a picture that is larger than this is none of ours.
_LONGEST = 64 << 20


def read_provenance(path: Path) -> bytes | None:
    """Return the JSON text that an image file, or the file beside it, holds; None where there is none.

    *path* may be that of the file beside an image, too.

    Raises
    ------
    SourceError
        The file cannot be read, or is damaged.
    """
    if path.name.endswith(SIDECAR):
        return _text_of(path)
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as e:
        raise SourceError(f"{path}: cannot be opened: {e.strerror or e}") from e
    found: bytes | None = None
    if start[:9] == b"SIMPLE  =":
        found = _of_fits(path)
    elif start[:8] == XISF:
        text = property_text(path, PROPERTY)
        found = None if text is None else text.encode("utf-8")
    elif start[:4] in (b"II*\0", b"II+\0", b"MM\0*", b"MM\0+"):
        found = _of_tiff(path)
    elif start[:8] == PNG:
        said = png_header(path).texts.get(PNG_KEYWORD)
        found = None if said is None else said.encode("latin-1")
    return found if found is not None else _text_of(sidecar(path))


def _of_fits(path: Path) -> bytes | None:
    raw = mapped(path)
    for hdu in hdus(path, raw):
        if hdu.index and hdu.name == NAME and hdu.words.get("TTYPE1") == "JSON":
            return bytes(raw[hdu.start : hdu.start + hdu.nbytes])
    return None


def _of_tiff(path: Path) -> bytes | None:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            pages: Any = file.pages
            tag = pages[0].tags.get(TIFF_TAG)
            value = None if tag is None else tag.value
    # The parser meets damaged files with errors of every kind.
    except Exception as error:
        raise SourceError(f"{path}: cannot be read as TIFF: {error}") from error
    if isinstance(value, str):
        return value.encode("utf-8")
    return value if isinstance(value, bytes) else None


def _text_of(beside: Path) -> bytes | None:
    try:
        with beside.open("rb") as file:
            data = file.read(_LONGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise SourceError(f"{beside}: cannot be opened: {e.strerror or e}") from e
    if len(data) > _LONGEST:
        raise SourceError(f"{beside}: wants at most {_LONGEST} bytes, has more")
    return data
