"""Reading FITS: any image HDU, plain, tile-compressed, or inside ``.gz`` and ``.bz2``.

Plain pixels are mapped where they lie; tile-compressed ones are decoded by astropy, tile row by tile row.
Follows "Definition of the Flexible Image Transport System (FITS)", version 4.0.
"""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Card, Frame, SourceError, Tile
from ._cards import COMMENTARY, is_any_wcs, is_structural, is_wcs
from ._disk import mapped
from ._hdus import Hdu, choose, hdus
from ._layout import RawLayout, physical
from ._reader import Reader, require
from ._spellings import number
from ._spool import is_packed, unpack
from ._words import normalise

_DTYPES = {8: "|u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}

Scaling = tuple[float, float, int | None]
"""BSCALE, BZERO and the raw integer that means "missing"."""


# -- from header to frame ---------------------------------------------------------------------------


def open_fits(path: Path, hdu: int | str | None = None) -> Reader:
    """Return the reader of one image HDU of a FITS file.

    Parameters
    ----------
    path
        A FITS file, plain or compressed as a whole.
    hdu
        Index or EXTNAME; None for the first HDU that holds a picture.

    Raises
    ------
    SourceError
        The file is no FITS, is truncated, or holds no such image.
    """
    with path.open("rb") as f:
        packed = is_packed(f.read(4))
    inside = unpack(path) if packed else path
    raw = inside if isinstance(inside, bytes) else mapped(inside)
    require(len(raw), path, "nothing is inside")
    chosen = choose(path, raw, hdu)
    require(chosen.bitpix in _DTYPES, path, f"BITPIX must be one of {sorted(_DTYPES)}, got {chosen.bitpix}")
    scale, zero, blank = _scaling(chosen)
    cards = _cards(path, raw, chosen)
    frame = _frame(path, chosen, cards, scale, zero)
    if chosen.compressed:
        require(len(raw) >= chosen.start + chosen.nbytes, path, f"truncated: HDU {chosen.index} is not whole")
        return TiledReader(inside, chosen, frame, (scale, zero, blank))
    layout = RawLayout(
        path if isinstance(inside, bytes) else inside,
        chosen.start,
        _DTYPES[chosen.bitpix],
        frame.height,
        frame.width,
        frame.channels,
        scale=scale,
        zero=zero,
        blank=blank,
        held=inside if isinstance(inside, bytes) else None,
    )
    return PlainReader(frame, layout)


def _scaling(hdu: Hdu) -> Scaling:
    scale, zero = number(hdu.words.get("BSCALE")), number(hdu.words.get("BZERO"))
    require(scale != 0.0, hdu.path, f"HDU {hdu.index}: BSCALE is 0, so every pixel would be the same")
    blank = number(hdu.words.get("ZBLANK") if hdu.compressed else None)
    blank = number(hdu.words.get("BLANK")) if blank is None else blank
    if blank is not None and (hdu.bitpix < 0 or not blank.is_integer()):
        blank = None  # only integers have a value to spare
    return (
        1.0 if scale is None else scale,
        0.0 if zero is None else zero,
        None if blank is None else int(blank),
    )


def _size(hdu: Hdu) -> tuple[int, int, int]:
    """Return width, height, channels; axes of length 1 beyond the second are dropped."""
    width, height, *further = (*hdu.axes, 1)[: max(2, len(hdu.axes))]
    real = [n for n in further if n > 1]
    require(
        len(real) <= 1,
        hdu.path,
        f"HDU {hdu.index}: an image has at most 3 axes longer than 1, got {'x'.join(map(str, hdu.axes))}",
    )
    return width, height, real[0] if real else 1


def _frame(path: Path, hdu: Hdu, cards: tuple[Card, ...], scale: float, zero: float) -> Frame:
    width, height, channels = _size(hdu)
    frame = Frame(width=width, height=height, channels=channels)
    words = normalise(cards, str(path))
    wcs = tuple(c for c in cards if is_wcs(c[0]) and c[1] is not None)
    frame = frame.with_(words=words, header=cards, wcs=wcs)
    order, cfa = frame.word("row_order"), frame.word("cfa")
    color = "gray" if channels == 1 else "rgb" if channels == 3 and _is_color_axis(frame) else "planes"
    unit = frame.card("BUNIT")
    return frame.with_(
        bounds=_declared_bounds(frame) or _type_bounds(hdu.bitpix, scale, zero),
        unit=str(unit).strip() if unit else "",
        state="stretched" if frame.card("LERSTATE") == "stretched" else "linear",
        color=color,
        cfa=str(cfa) if cfa and channels == 1 else None,
        orientation="top-down" if order == "top-down" else "bottom-up",
    )


def _is_color_axis(frame: Frame) -> bool:
    """Three planes are red, green and blue unless the header calls them frequencies, times or the like."""
    return str(frame.card("CTYPE3") or "").strip().upper() in ("", "RGB", "COLOR", "COLOUR")


def _declared_bounds(frame: Frame) -> tuple[float, float] | None:
    lo, hi = number(frame.card("LERBLO")), number(frame.card("LERBHI"))
    return (lo, hi) if lo is not None and hi is not None and lo < hi else None


def _type_bounds(bitpix: int, scale: float, zero: float) -> tuple[float, float] | None:
    """Return the physical range of an integer type; None for floats, which must be measured.

    Signed integers without an offset hold counts about zero, so black is 0 there. Those of 32 and 64 bits are
    filled by no detector; taking all their range for black to white would leave nothing of the picture.
    """
    if bitpix < 0:
        return None
    if bitpix == 8:
        lo, hi = 0, 255
    elif zero == 0.0:
        if bitpix > 16:
            return None
        lo, hi = 0, 2 ** (bitpix - 1) - 1
    else:
        lo, hi = -(2 ** (bitpix - 1)), 2 ** (bitpix - 1) - 1
    ends = sorted((zero + scale * lo, zero + scale * hi))
    return ends[0], ends[1]


def _cards(path: Path, raw: Any, hdu: Hdu) -> tuple[Card, ...]:
    """Return the cards of the image: its own, and those of the primary header that it inherits."""
    own = hdu.cards
    if hdu.compressed:
        words = (c for c in own if c[0] in _KEPT or c[0].startswith(_RENAMED) or not is_structural(c[0]))
        own = tuple(map(_image_card, words))
    if hdu.index == 0 or hdu.words.get("INHERIT") is False:
        return own
    # INHERIT = T asks for the primary header's words; cameras and observatories rely on it without saying so.
    primary = next(hdus(path, raw)).cards
    mine = {keyword for keyword, _, _ in own}
    return own + tuple(
        c for c in primary if c[0] not in mine | COMMENTARY and not is_structural(c[0]) and not is_any_wcs(c[0])
    )


# Of a compressed image's structural words, these keep their meaning, and these have it under another name.
_KEPT = frozenset({"BSCALE", "BZERO", "BLANK", "EXTNAME", "EXTVER"})
_RENAMED = ("ZNAXIS", "ZBITPIX")


def _image_card(card: Card) -> Card:
    """Return a word of the compressed image under the name that it has in a plain one."""
    return (card[0].removeprefix("Z"), *card[1:]) if card[0].startswith(_RENAMED) else card


# -- pixels -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlainReader:
    """Pixels that lie in the file as they are."""

    frame: Frame
    layout: RawLayout

    @property
    def light(self) -> bool:
        """Whether this only knows where pixels lie, and holds none of them."""
        return self.layout.held is None

    def read(self, box: Box) -> Tile:
        return self.layout.read(box)

    def close(self) -> None:
        """Nothing is held open: maps belong to the process and close by themselves."""


class TiledReader:
    """Tile-compressed pixels (RICE, GZIP, HCOMPRESS, PLIO), decoded by astropy one row of tiles at a time.

    astropy's handle seeks in one file, so threads take turns. Tiles higher than a row would be decoded again
    for each strip that cuts them; the last few rows of tiles are kept.
    """

    _KEPT = 4

    def __init__(self, inside: Path | bytes, hdu: Hdu, frame: Frame, scaling: Scaling) -> None:
        self.frame = frame
        self._path, self._inside, self._hdu, self._scaling = hdu.path, inside, hdu, scaling
        height = number(hdu.words.get("ZTILE2"))
        self._rows = max(1, min(int(height or 1), frame.height))
        self._lock = threading.Lock()
        self._opened: Any = None
        self._chunks: OrderedDict[tuple[int | None, int], Tile] = OrderedDict()

    def read(self, box: Box, plane: int | None = None) -> Tile:
        """Return the tile of *box*, of one *plane* only where that is given."""
        if self._rows == 1:
            return self._decode(box.y0, box.y1, plane)[:, :, box.x0 : box.x1].copy()
        tile = np.empty((self.frame.channels if plane is None else 1, box.height, box.width), np.float32)
        for k in range(box.y0 // self._rows, -(-box.y1 // self._rows)):
            top = k * self._rows
            y0, y1 = max(box.y0, top), min(box.y1, top + self._rows)
            tile[:, y0 - box.y0 : y1 - box.y0] = self._chunk(plane, k)[:, y0 - top : y1 - top, box.x0 : box.x1]
        return tile

    def close(self) -> None:
        with self._lock:
            opened, self._opened = self._opened, None
            self._chunks.clear()
        if opened is not None:
            opened.close()

    def __del__(self) -> None:
        self.close()

    def _chunk(self, plane: int | None, k: int) -> Tile:
        with self._lock:
            if (plane, k) in self._chunks:
                self._chunks.move_to_end((plane, k))
                return self._chunks[plane, k]
        chunk = self._decode(k * self._rows, min((k + 1) * self._rows, self.frame.height), plane)
        with self._lock:
            self._chunks[plane, k] = chunk
            while len(self._chunks) > self._KEPT:
                self._chunks.popitem(last=False)
        return chunk

    def _decode(self, y0: int, y1: int, plane: int | None) -> Tile:
        """Return full rows y0..y1-1 as physical values."""
        axes = self._hdu.axes
        planes = slice(None) if plane is None else slice(plane, plane + 1)
        further: list[int | slice] = [planes if n > 1 else 0 for n in reversed(axes[2:])]
        index = (*further, slice(y0, y1), slice(None)) if len(axes) > 1 else (slice(None),)
        try:
            with self._lock:
                raw: npt.NDArray[Any] = np.asarray(self._image().section[index])
        except Exception as e:
            # astropy and its C decoders raise whatever a damaged stream leads them to.
            cause = " ".join(f"{type(e).__name__}: {e}".split())
            raise SourceError(f"{self._path}: HDU {self._hdu.index} cannot be decompressed: {cause}") from e
        return physical(raw.reshape(-1, y1 - y0, self.frame.width), *self._scaling)

    def _image(self) -> Any:
        """Return astropy's HDU, opened on first use; called with the lock held."""
        if self._opened is None:
            import io

            from astropy.io import fits

            source = io.BytesIO(self._inside) if isinstance(self._inside, bytes) else self._inside
            with _WARNINGS, warnings.catch_warnings():
                # Oddities of the header have been judged already, by our own reading of it.
                warnings.simplefilter("ignore")
                self._opened = fits.open(source, memmap=False, do_not_scale_image_data=True)
                return self._opened[self._hdu.index]
        return self._opened[self._hdu.index]


# Filters of warnings belong to the whole process, so only one thread may change them at a time.
_WARNINGS = threading.Lock()
