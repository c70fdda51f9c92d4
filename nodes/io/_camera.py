"""Raw files of cameras, read by LibRaw through rawpy: the mosaic as recorded, never LibRaw's colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Card, Frame, SourceError, Tile
from ._picture import picture_words
from ._unpacked import LazyPixels


def open_camera_raw(path: Path, hdu: int | str | None = None) -> CameraReader:
    """Return the reader of the mosaic in a camera's raw file.

    Raises
    ------
    SourceError
        When rawpy is not installed, the file is damaged, or it holds no mosaic.
    """
    if hdu not in (None, 0):
        raise SourceError(f"{path}: a raw file holds one image, wanted {hdu!r}")
    return CameraReader(path)


class CameraReader:
    """The visible part of a sensor as recorded: levels with the black level in them.

    The first row is the top of the sensor; whether the camera was held upright is not asked. Bounds are
    (0, the level at which the sensor saturates), by LibRaw's table; the black level stands in the header
    as BLACKLVL.

    Notes
    -----
    LibRaw tells the saturation level only after unpacking, so building a reader takes as long as that
    (0.2 s for 54 Mpx without compression); the pixels are let go and unpacked again when they are read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _opened(path) as raw:
            height, width = int(raw.sizes.height), int(raw.sizes.width)
            cfa = _cfa(path, raw)
            white = float(raw.white_level)
            cards = _cards(path, raw)
        if height < 1 or width < 1 or white <= 0:
            raise SourceError(f"{path}: a raw file of {width}x{height} px with the white level {white:g}")
        self.frame = Frame(
            width=width,
            height=height,
            bounds=(0.0, white),
            unit="ADU",
            cfa=cfa,
            words=picture_words(path, cards, "top-down", "cameras store the top row first"),
            header=cards,
        )
        self._pixels = LazyPixels((height, width, 1), np.uint16, self._decode)

    def read(self, box: Box) -> Tile:
        """Return the recorded levels of *box* as a new tile."""
        return self._pixels.read(box)

    def close(self) -> None:
        """Let go of decoded pixels."""
        self._pixels.close()

    def _decode(self, out: npt.NDArray[Any]) -> None:
        with _opened(self._path) as raw:
            mosaic = _of_libraw(self._path, lambda: raw.raw_image_visible)
            wanted = out.shape[:2]
            if mosaic is None or mosaic.shape != wanted:
                found = "none" if mosaic is None else f"{mosaic.shape[1]}x{mosaic.shape[0]}"
                raise SourceError(f"{self._path}: wants a mosaic of {wanted[1]}x{wanted[0]} px, found {found}")
            out[..., 0] = mosaic


def _opened(path: Path) -> Any:
    try:
        import rawpy
    except ImportError as error:
        raise SourceError(f"{path}: camera raws want rawpy: pip install 'lerarlink[raw]'") from error
    return _of_libraw(path, lambda: rawpy.imread(str(path)))


def _of_libraw(path: Path, ask: Any) -> Any:
    """Return what *ask* does; LibRaw's errors name neither file nor place."""
    try:
        return ask()
    except Exception as error:
        text = error.args[0] if error.args else type(error).__name__
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        raise SourceError(f"{path}: LibRaw cannot read it: {text}") from error


def _cfa(path: Path, raw: Any) -> str | None:
    """Return the letters of the mosaic, None for a sensor without colour filters."""
    import rawpy

    kind = _of_libraw(path, lambda: raw.raw_type)
    if kind != rawpy.RawType.Flat:
        raise SourceError(f"{path}: holds finished colours, not the mosaic of a sensor")
    if raw.num_colors == 1:
        return None
    pattern = raw.raw_pattern
    names = raw.color_desc.decode("ascii", "replace")
    letters = "" if pattern is None else "".join(names[i] for i in np.asarray(pattern).ravel())
    if len(letters) not in (4, 36) or set(letters) != set("RGB"):
        raise SourceError(f"{path}: wants a Bayer or X-Trans mosaic, found the colours {letters or names}")
    return letters


def _cards(path: Path, raw: Any) -> tuple[Card, ...]:
    cards: list[Card] = [("BLACKLVL", max(raw.black_level_per_channel), "highest of the colours")]
    if (other := getattr(raw, "other", None)) is not None:
        if other.shutter_speed > 0:
            cards.append(("EXPTIME", float(other.shutter_speed), "s"))
        if other.iso_speed > 0:
            cards.append(("ISOSPEED", round(other.iso_speed), ""))
        if other.focal_length > 0:
            cards.append(("FOCALLEN", float(other.focal_length), "mm"))
        if other.timestamp is not None and other.timestamp.year > 1980:
            cards.append(("DATE-LOC", other.timestamp.isoformat(), "the camera's clock"))
    if model := _model(path):
        cards.append(("INSTRUME", model, ""))
    return tuple(cards)


def _model(path: Path) -> str | None:
    """Return the camera's name where the file is laid out as TIFF; LibRaw does not tell it."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            tag = file.pages[0].tags.get(272)
            model = None if tag is None else tag.value
    # Other layouts, and TIFF parts that only resemble TIFF, fail in many ways; the name is then unknown.
    except Exception:
        return None
    return model.strip() if isinstance(model, str) else None
