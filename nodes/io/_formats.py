"""Which module reads or writes which file: by its first bytes, then by its extension."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...engine.api import Frame, ParameterError, SourceError, Writer
from ._private import private_frame
from ._reader import Reader, WriteOptions

_Opener = Callable[[Path, int | str | None], Reader]
_Maker = Callable[[Path, Frame, WriteOptions], Writer]

_FITS = ("_fits", "open_fits")
_XISF = ("_xisf", "open_xisf")
_TIFF = ("_tiff", "open_tiff")
_RASTER = ("_raster", "open_raster")
_CAMERA = ("_camera", "open_camera_raw")
_SER = ("_ser", "open_ser")

# (where, bytes) that begin a file. Many camera raws begin as TIFF does, so they are told by extension first.
_MAGIC: tuple[tuple[int, bytes, tuple[str, str]], ...] = (
    (0, b"SIMPLE  =", _FITS),
    (0, b"\x1f\x8b", _FITS),
    (0, b"BZh", _FITS),
    (0, b"XISF0100", _XISF),
    (0, b"LUCAM-RECORDER", _SER),
    (0, b"FUJIFILMCCD-RAW", _CAMERA),
    (4, b"ftypcrx", _CAMERA),
    (0, b"IIRO", _CAMERA),
    (0, b"IIRS", _CAMERA),
    (0, b"IIU\0", _CAMERA),
    (0, b"II*\0", _TIFF),
    (0, b"MM\0*", _TIFF),
    (0, b"II+\0", _TIFF),
    (0, b"MM\0+", _TIFF),
    (0, b"\x89PNG\r\n\x1a\n", _RASTER),
    (0, b"\xff\xd8\xff", _RASTER),
    (8, b"WEBP", _RASTER),
)

_CAMERA_EXTENSIONS = frozenset(
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw "  # noqa: SIM905
    ".orf .pef .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f".split()
)

_READERS: dict[str, tuple[str, str]] = {
    **dict.fromkeys((".fits", ".fit", ".fts", ".fz", ".gz", ".bz2"), _FITS),
    ".xisf": _XISF,
    **dict.fromkeys((".tif", ".tiff"), _TIFF),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp"), _RASTER),
    **dict.fromkeys(_CAMERA_EXTENSIONS, _CAMERA),
}

_WRITERS: dict[str, tuple[str, str]] = {
    **dict.fromkeys((".fits", ".fit", ".fts", ".fz"), ("_fits_write", "write_fits")),
    ".xisf": ("_xisf_write", "write_xisf"),
    **dict.fromkeys((".tif", ".tiff"), ("_tiff_write", "write_tiff")),
    ".png": ("_raster", "write_png"),
    **dict.fromkeys((".jpg", ".jpeg"), ("_raster", "write_jpeg")),
}


def open_reader(path: Path, hdu: int | str | None = None) -> Reader:
    """Return the reader of the image in *path*.

    Parameters
    ----------
    path
        The file; its first bytes decide, then its extension.
    hdu
        Which image of the file: an index or a name; None for the first that has pixels.

    Raises
    ------
    SourceError
        The file is missing, cannot be read, or holds no image that can be used.
    """
    opener: _Opener = _load(_format_of(path))
    return opener(path, hdu)


def format_of(path: Path) -> str:
    """Return the name of the module that reads *path*, such as ``_fits``."""
    return _format_of(path)[0]


def make_writer(path: Path, frame: Frame, options: WriteOptions) -> Writer:
    """Return the writer of an image of *frame* to *path*, by extension.

    Raises
    ------
    ParameterError
        No format writes that extension, or the format cannot do what *options* want.
    """
    found = _WRITERS.get(path.suffix.lower())
    if found is None:
        wanted, got = ", ".join(sorted(_WRITERS)), path.suffix or "no extension"
        raise ParameterError(f"{path}: written formats end in {wanted}, got {got!r}")
    if options.provenance is not None and options.provenance.private:
        frame = private_frame(frame)
    maker: _Maker = _load(found)
    return maker(path, frame, options)


def _format_of(path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as f:
            head = f.read(32)
    except OSError as e:
        raise SourceError(f"{path}: cannot be opened: {e.strerror or e}") from e
    if not head:
        raise SourceError(f"{path}: the file is empty")
    extension = path.suffix.lower()
    if extension in _CAMERA_EXTENSIONS:
        return _CAMERA
    for where, magic, found in _MAGIC:
        if head[where : where + len(magic)] == magic:
            return found
    if extension in _READERS:
        return _READERS[extension]
    raise SourceError(f"{path}: no known image format: it begins with {head[:8]!r} and ends in {extension!r}")


def _load(name: tuple[str, str]) -> Any:
    """Import a format's module on first use, so that a run loads only the libraries that it needs."""
    module = importlib.import_module(f".{name[0]}", __package__)
    return getattr(module, name[1])
