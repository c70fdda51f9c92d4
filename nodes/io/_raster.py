"""Pictures: PNG, JPEG and WebP in, PNG and JPEG out."""

from __future__ import annotations

import json
import os
import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image

from ...engine.api import Box, Card, Frame, ParameterError, Provenance, SourceError, State, Tile, Writer
from ._disk import publish, temporary_name
from ._exif import exif_cards
from ._picture import picture_words
from ._png import SIGNATURE, decode_png, encode_png, png_header
from ._provenance import PNG_KEYWORD, write_sidecar
from ._raw_writer import RawWriter
from ._reader import WriteOptions
from ._unpacked import LazyPixels

_JPEG_LIMIT = 65_535
_PNG_LIMIT = 2**31 - 1
# What Pillow turns other modes into, without loss.
_MODES = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "I;16": "I;16", "PA": "RGBA"}
_BANDS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I;16": 1}
# Filters of warnings belong to the whole process, so only one thread may change them at a time.
_WARNINGS = threading.Lock()


# -- reading ------------------------------------------------------------------------------------------


class RasterReader:
    """One picture; building it reads its header, the first tile decodes it.

    Pictures count as stretched, unless this package wrote them and says otherwise; their first row is the
    top. Bounds are the range of the levels.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        state: State = "stretched"
        cards: tuple[Card, ...] = ()
        with path.open("rb") as file:
            png = png_header(path) if file.read(8) == SIGNATURE else None
        if png is not None and png.direct:
            self._png = png
            width, height, channels, depth = png.width, png.height, png.channels, png.depth
            if png.row_bytes * height > 1033 * path.stat().st_size:
                raise SourceError(f"{path}: {path.stat().st_size} bytes cannot hold {width}x{height} pixels")
            self._pixels = LazyPixels((height, width, channels), f"u{depth // 8}", self._decode_png)
            state = _state(png.texts)
        else:
            with _opened(path) as picture:
                self._mode = _mode(path, picture)
                width, height = picture.size
                cards = exif_cards(_exif(picture))
            channels, depth = _BANDS[self._mode], 16 if self._mode == "I;16" else 8
            if png is not None and png.depth == 16 and self._mode != "I;16":
                raise SourceError(f"{path}: interlaced PNG of 16-bit colours cannot be read, save it without")
            self._pixels = LazyPixels((height, width, channels), f"u{depth // 8}", self._decode_pillow)
        self.frame = Frame(
            width=width,
            height=height,
            channels=channels,
            bounds=(0.0, float(2**depth - 1)),
            state=state,
            color="rgb" if channels >= 3 else "gray",
            words=picture_words(path, cards, "top-down", "pictures store the top row first"),
            header=cards,
        )

    def read(self, box: Box) -> Tile:
        """Return the levels of *box* as a new tile."""
        return self._pixels.read(box)

    def close(self) -> None:
        """Let go of decoded pixels."""
        self._pixels.close()

    def _decode_png(self, out: npt.NDArray[Any]) -> None:
        decode_png(self._path, self._png, out)

    def _decode_pillow(self, out: npt.NDArray[Any]) -> None:
        with _opened(self._path) as picture:
            try:
                whole = picture if picture.mode == self._mode else picture.convert(self._mode)
                out[...] = np.asarray(whole).reshape(out.shape)
            # Damaged pictures meet Pillow's decoders with errors of every kind.
            except Exception as error:
                raise SourceError(f"{self._path}: damaged picture: {error}") from error


def open_raster(path: Path, hdu: int | str | None = None) -> RasterReader:
    """Return the reader of a PNG, JPEG or WebP picture.

    Raises
    ------
    SourceError
        When the file is damaged or of a kind that cannot be read without loss.
    """
    if hdu not in (None, 0):
        raise SourceError(f"{path}: the file holds one picture, wanted {hdu!r}")
    return RasterReader(path)


def _opened(path: Path) -> Any:
    try:
        with _WARNINGS, warnings.catch_warnings():
            # Above 89 Mpx Pillow warns of bombs; real pictures are larger, and above 179 Mpx it refuses.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(path)
    except (PIL.UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise SourceError(f"{path}: cannot be read as a picture: {error}") from error


def _mode(path: Path, picture: Any) -> str:
    if picture.mode == "P":
        return "RGBA" if "transparency" in picture.info else "RGB"
    if picture.mode not in _MODES:
        raise SourceError(f"{path}: wants a gray or RGB picture, found the mode {picture.mode}")
    return _MODES[picture.mode]


def _exif(picture: Any) -> dict[int, Any]:
    """Return the tags of the main and the Exif directory; a picture whose Exif is damaged has none."""
    try:
        exif = picture.getexif()
        return {**exif, **exif.get_ifd(0x8769)}
    except (ValueError, SyntaxError, OSError, KeyError, TypeError):
        return {}


def _state(texts: dict[str, str]) -> State:
    try:
        said = json.loads(texts.get("lerarlink", "{}"))
    except ValueError:
        return "stretched"
    return "linear" if isinstance(said, dict) and said.get("state") == "linear" else "stretched"


# -- writing ------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class PictureWriter:
    """Collects levels in a plain file beside the output, upright, and encodes the picture at the end.

    Attributes
    ----------
    spool
        Takes the levels; its final name is that of the picture, but it never gets it.
    flip
        Whether strips come bottom row first.
    black
        Physical value of level 0.
    state
        Of the frame; kept in PNG files.
    quality
        Of JPEG; None makes PNG.
    provenance
        What is told of the picture's making: in a PNG file itself, beside a JPEG file.
    """

    spool: RawWriter
    flip: bool
    black: float
    state: State
    quality: int | None = None
    provenance: Provenance | None = None
    _out: Path = field(default=Path(), init=False)

    def __post_init__(self) -> None:
        self._out = temporary_name(self.path)

    @property
    def path(self) -> Path:
        """The final name."""
        return self.spool.path

    def write(self, box: Box, tile: Tile) -> None:
        """Put *tile* at *box*."""
        missing = self.spool.channels - tile.shape[0]
        if missing > 0:
            # The fourth, unused byte of JPEG's pixels.
            tile = np.concatenate([tile, np.full((missing, *tile.shape[1:]), self.black, np.float32)])
        tile = tile[: self.spool.channels]
        if self.flip:
            height = self.spool.height
            box, tile = Box(height - box.y1, box.x0, height - box.y0, box.x1), tile[:, ::-1]
        self.spool.write(box, tile)

    def finish(self) -> None:
        """Encode, flush to the disk, and let the picture appear under its final name."""
        self.spool.close()
        try:
            with self._out.open("wb") as out:
                self._encode(out)
                out.flush()
                os.fsync(out.fileno())
            publish(self._out, self.path)
            # A picture that tells itself wants no older story beside it.
            write_sidecar(self.path, None if self.quality is None else self.provenance)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Remove what was written."""
        self.spool.abandon()
        self._out.unlink(missing_ok=True)

    def _encode(self, out: Any) -> None:
        spool = self.spool
        shape = (spool.height, spool.width, spool.channels)
        samples: npt.NDArray[Any] = np.memmap(spool.temporary, spool.dtype, mode="r", shape=shape)
        if self.quality is None:
            texts = {"lerarlink": json.dumps({"state": self.state})}
            if self.provenance is not None and self.provenance.data:
                texts[PNG_KEYWORD] = self.provenance.data.decode("ascii")
            encode_png(out, samples, texts)
            return
        mode = "L" if spool.channels == 1 else "RGBX"
        # Pillow maps buffers of these modes as they are, so that no copy of the picture is made.
        picture = Image.frombuffer(mode, (spool.width, spool.height), samples, "raw", mode, 0, 1)
        # Small stars keep their colours only when colours keep their resolution.
        picture.save(out, "JPEG", quality=self.quality, subsampling=0)


def write_png(path: Path, frame: Frame, options: WriteOptions) -> Writer:
    """Return the writer of *frame* to a PNG picture of 8 (default) or 16 bits, upright, with its alpha.

    Black and white are the frame's bounds; nothing is stretched. Missing samples become black.

    Raises
    ------
    ParameterError
        For floats, compression, or channels that are no gray or RGB picture.
    """
    if options.sample_format == "float32":
        raise ParameterError(f"{path}: PNG wants sample_format uint8 or uint16, got float32")
    _check(path, frame, options, _PNG_LIMIT, "PNG")
    if frame.channels > 4:
        raise ParameterError(f"{path}: PNG holds up to 4 channels, got {frame.channels}")
    dtype = ">u2" if options.sample_format == "uint16" else "|u1"
    return _writer(path, frame, dtype, frame.channels, None, options.provenance)


def write_jpeg(path: Path, frame: Frame, options: WriteOptions) -> Writer:
    """Return the writer of *frame* to a JPEG picture, upright, without its alpha, in full colour resolution.

    Black and white are the frame's bounds; nothing is stretched. Missing samples become black.

    Raises
    ------
    ParameterError
        For other samples than 8 bits, compression, sides above 65,535 px, or channels that are no picture.
    """
    if options.sample_format not in ("auto", "uint8"):
        raise ParameterError(f"{path}: JPEG wants sample_format uint8, got {options.sample_format}")
    _check(path, frame, options, _JPEG_LIMIT, "JPEG")
    return _writer(path, frame, "|u1", 4 if frame.color == "rgb" else 1, options.quality, options.provenance)


def _check(path: Path, frame: Frame, options: WriteOptions, limit: int, name: str) -> None:
    if options.compression != "none":
        raise ParameterError(f"{path}: {name} compresses by itself, wants 'none', got {options.compression!r}")
    if max(frame.width, frame.height) > limit:
        raise ParameterError(f"{path}: {name} holds up to {limit} px a side, got {frame.width}x{frame.height}")
    if frame.color == "planes" and frame.channels > 1:
        raise ParameterError(f"{path}: {name} wants a gray or RGB image, got {frame}")
    if frame.color == "gray" and frame.channels > 2:
        raise ParameterError(f"{path}: {name} wants a gray image with or without alpha, got {frame}")


def _writer(
    path: Path, frame: Frame, dtype: str, channels: int, quality: int | None, provenance: Provenance | None
) -> PictureWriter:
    spool = RawWriter(
        path=path,
        dtype=dtype,
        height=frame.height,
        width=frame.width,
        channels=channels,
        interleaved=True,
        bounds=frame.known_bounds(),
        reread=True,
    ).start()
    flip = frame.orientation == "bottom-up"
    return PictureWriter(
        spool=spool, flip=flip, black=frame.lo, state=frame.state, quality=quality, provenance=provenance
    )
