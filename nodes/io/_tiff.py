"""Reading TIFF and BigTIFF: gray and RGB of 8 to 64 bits, in strips or tiles, plain or compressed."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from ...engine.api import Box, Card, Frame, SourceError, State, Tile
from ._layout import RawLayout
from ._lzw import lzw_decoded
from ._picture import picture_words
from ._unpacked import Bytes, LazyPixels

_GRAY_INVERTED, _GRAY, _RGB, _CFA = 0, 1, 2, 32803
_PLAIN, _LZW, _DEFLATE, _OLD_DEFLATE = 1, 5, 8, 32946
_FLOAT_PREDICTOR = 3
_TYPES = frozenset({"u1", "u2", "u4", "f2", "f4", "f8"})
# Nothing but zstd and its like can make more than this of a stored byte; they stop at 33,000.
_MOST_GROWTH = {_LZW: 2_000, _DEFLATE: 1_033, _OLD_DEFLATE: 1_033}
_BOTTOM_LEFT = 4


def open_tiff(path: Path, hdu: int | str | None = None) -> TiffReader:
    """Return the reader of page *hdu* (an index; None for the first) of a TIFF file.

    Raises
    ------
    SourceError
        When the file is damaged, or of a kind that cannot be read; the sentence says which.
    """
    return TiffReader(path, hdu)


class TiffReader:
    """One page of a TIFF file; building it reads tags only.

    Plain contiguous pixels are mapped; others are decoded once, when the first tile is asked for.
    Levels of integers and values of floats are kept as they are, except in files of this package whose
    description tells how they were normalised.
    """

    def __init__(self, path: Path, hdu: int | str | None) -> None:
        if isinstance(hdu, str):
            raise SourceError(f"{path}: pages of TIFF files have numbers, not names; got {hdu!r}")
        self._path, self._index = path, hdu or 0
        self._plain: RawLayout | None = None
        self._lazy: LazyPixels | None = None
        try:
            with tifffile.TiffFile(path) as file:
                self._open(file)
        except SourceError:
            raise
        # The parser meets damaged files with errors of every kind.
        except Exception as error:
            raise SourceError(f"{path}: cannot be read as TIFF: {error}") from error

    def _open(self, file: Any) -> None:
        page = _page(self._path, file, self._index)
        dtype, channels = np.dtype(page.dtype), page.samplesperpixel
        described = _description(page)
        self.frame = _frame(self._path, page, described)
        self._scale, self._zero = _scaling(self._path, page, described)
        height, width = page.imagelength, page.imagewidth
        interleaved = page.planarconfig == 1
        if page.is_memmappable and page.bitspersample == 8 * dtype.itemsize and page.predictor == 1:
            self._plain = RawLayout(
                self._path,
                page.dataoffsets[0],
                file.byteorder + dtype.str[1:],
                height,
                width,
                channels,
                interleaved,
                self._scale,
                self._zero,
            )
            return
        _check_segments(self._path, page, file.filehandle.size, height * width * channels * dtype.itemsize)
        shape = (height, width, channels) if interleaved else (channels, height, width)
        self._lazy = LazyPixels(shape, dtype, self._decode, interleaved)

    def read(self, box: Box) -> Tile:
        """Return the physical values of *box* as a new tile."""
        if self._plain is not None:
            return self._plain.read(box)
        assert self._lazy is not None
        return self._lazy.read(box, self._scale, self._zero)

    def close(self) -> None:
        """Let go of decoded pixels."""
        if self._lazy is not None:
            self._lazy.close()

    def _decode(self, out: npt.NDArray[Any]) -> None:
        try:
            with tifffile.TiffFile(self._path) as file:
                decode_page(file, _page(self._path, file, self._index), out)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            raise SourceError(f"{self._path}: damaged or unreadable TIFF data: {error}") from error


# -- tags ---------------------------------------------------------------------------------------------


def _page(path: Path, file: Any, index: int) -> Any:
    if not 0 <= index < len(file.pages):
        raise SourceError(f"{path}: wants page {index}, the file has {len(file.pages)}")
    page = file.pages[index]
    name = page.dtype.str[1:] if page.dtype is not None else f"{page.bitspersample}-bit samples"
    if name not in _TYPES or page.bitspersample < 8:
        raise SourceError(f"{path}: wants samples of 8, 16, 32 bits or floats, found {name}")
    if page.photometric not in (_GRAY_INVERTED, _GRAY, _RGB, _CFA):
        raise SourceError(f"{path}: wants gray or RGB pixels, found {getattr(page.photometric, 'name', '?')}")
    if page.imagedepth != 1:
        raise SourceError(f"{path}: wants images of two dimensions, found a depth of {page.imagedepth}")
    if page.imagelength * page.imagewidth * page.samplesperpixel == 0:
        raise SourceError(f"{path}: the image has no pixels ({page.imagewidth}x{page.imagelength})")
    if page.photometric == _RGB and page.samplesperpixel < 3:
        raise SourceError(f"{path}: an RGB page wants 3 samples a pixel or more, found {page.samplesperpixel}")
    return page


def _frame(path: Path, page: Any, described: dict[str, Any]) -> Frame:
    bottom_up = _tag(page, 274) == _BOTTOM_LEFT
    orientation = "bottom-up" if bottom_up else "top-down"
    software = _tag(page, 305)
    cards: tuple[Card, ...] = (("SWCREATE", software, ""),) if isinstance(software, str) and software else ()
    state: State = "stretched" if described.get("state") == "stretched" else "linear"
    color = "rgb" if page.photometric == _RGB else "planes" if described.get("color") == "planes" else "gray"
    unit = described.get("unit", "")
    return Frame(
        width=page.imagewidth,
        height=page.imagelength,
        channels=page.samplesperpixel,
        bounds=_bounds(page, described),
        unit=unit if isinstance(unit, str) else "",
        state=state,
        color=color,  # type: ignore[arg-type]  # one of the three words, by the line above
        cfa=_cfa(page, described),
        orientation=orientation,  # type: ignore[arg-type]
        words=picture_words(path, cards, orientation, "from Orientation"),  # type: ignore[arg-type]
        header=cards,
    )


def _tag(page: Any, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _description(page: Any) -> dict[str, Any]:
    """Return what this package said in ImageDescription; empty for files of others."""
    text = _tag(page, 270)
    if not isinstance(text, str) or '"lerarlink"' not in text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    given = found.get("lerarlink") if isinstance(found, dict) else None
    return given if isinstance(given, dict) else {}


def _declared(described: dict[str, Any]) -> tuple[float, float] | None:
    given = described.get("bounds")
    if not (isinstance(given, list) and len(given) == 2 and all(isinstance(v, int | float) for v in given)):
        return None
    lo, hi = float(given[0]), float(given[1])
    return (lo, hi) if math.isfinite(lo) and math.isfinite(hi) and lo < hi else None


def _bounds(page: Any, described: dict[str, Any]) -> tuple[float, float] | None:
    if page.dtype.kind == "f":
        return _declared(described)
    return 0.0, float(2**page.bitspersample - 1)


def _scaling(path: Path, page: Any, described: dict[str, Any]) -> tuple[float, float]:
    """Return scale and zero from stored samples to physical values."""
    if page.dtype.kind == "f":
        if page.photometric == _GRAY_INVERTED:
            raise SourceError(f"{path}: floats of which 0 is white cannot be read: white has no level")
        lo, hi = _declared(described) or (0.0, 1.0)
        return hi - lo, lo
    if page.photometric == _GRAY_INVERTED:
        return -1.0, float(2**page.bitspersample - 1)
    return 1.0, 0.0


def _cfa(page: Any, described: dict[str, Any]) -> str | None:
    letters = described.get("cfa")
    if isinstance(letters, str) and len(letters) in (4, 36) and set(letters) == set("RGB"):
        return letters
    if page.photometric != _CFA:
        return None
    pattern = _tag(page, 33422)
    found = "".join("RGB"[c] if c < 3 else "?" for c in bytes(pattern or b""))
    return found if len(found) in (4, 36) and set(found) == set("RGB") else None


# -- pixels -------------------------------------------------------------------------------------------


def _check_segments(path: Path, page: Any, end: int, wanted: int) -> None:
    """Refuse pages whose strips or tiles are absent, lie outside the file, or cannot hold the pixels."""
    pairs = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not pairs or any(count <= 0 for _, count in pairs):
        raise SourceError(f"{path}: strips or tiles without data")
    last = max(offset + count for offset, count in pairs)
    if last > end:
        raise SourceError(f"{path}: truncated: the pixels end at byte {last}, the file has {end}")
    stored = sum(count for _, count in pairs)
    if wanted > _MOST_GROWTH.get(page.compression, 33_000) * stored:
        raise SourceError(f"{path}: {stored} stored bytes cannot hold the declared {wanted} bytes")


def decode_page(file: Any, page: Any, out: npt.NDArray[Any]) -> None:
    """Decode all strips or tiles of *page* into *out*, one after the other."""
    compression, predictor = page.compression, page.predictor
    own = compression in (_PLAIN, _LZW, _DEFLATE, _OLD_DEFLATE)
    if own:
        # tifffile knows LZW and the predictor of floats only with a large further package: bytes are
        # unpacked here, and it is told that they are plain before it makes its decoder.
        page.compression = _PLAIN
        if predictor == _FLOAT_PREDICTOR:
            page.predictor = 1
    target = out.reshape(page.shaped)
    for index, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        file.filehandle.seek(offset)
        data: Any = file.filehandle.read(count)
        if own:
            data = _unpacked(compression, np.frombuffer(data, np.uint8), _segment_bytes(page, index))
            if predictor == _FLOAT_PREDICTOR:
                data = _unpredicted(data, page, file.byteorder)
            data = data.tobytes()
        segment, (s, d, y, x, _), _ = page.decode(data, index)
        rows, columns = min(segment.shape[1], page.imagelength - y), min(segment.shape[2], page.imagewidth - x)
        target[s, d : d + 1, y : y + rows, x : x + columns] = segment[:1, :rows, :columns]


def _segment_bytes(page: Any, index: int) -> int:
    """Return the unpacked size of strip or tile *index*; only the last strip of a plane may be shorter."""
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    if page.is_tiled:
        rows, columns = page.tilelength, page.tilewidth
    else:
        rows, columns = page.rowsperstrip, page.imagewidth
        strips = -(-page.imagelength // rows)
        rows = min(rows, page.imagelength - index % strips * rows)
    return int(-(-columns * samples * page.bitspersample // 8) * rows)


def _unpacked(compression: int, stored: Bytes, length: int) -> Bytes:
    if compression == _LZW:
        return lzw_decoded(stored, length)
    if compression == _PLAIN:
        found = stored[:length]
    else:
        found = np.frombuffer(zlib.decompressobj().decompress(stored.data, length), np.uint8)
    if found.size != length:
        raise ValueError(f"a strip or tile wants {length} bytes, found {found.size}")
    return found


def _unpredicted(data: Bytes, page: Any, byteorder: str) -> Bytes:
    """Undo the floating point predictor (Adobe Photoshop TIFF Technical Note 3).

    Rows hold the differences of their bytes, sorted into planes from the most significant byte down.
    """
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    item = page.dtype.itemsize
    columns = page.tilewidth if page.is_tiled else page.imagewidth
    rows = data.reshape(-1, item * columns, samples).copy()
    np.add.accumulate(rows, axis=1, dtype=np.uint8, out=rows)
    big = rows.reshape(-1, item, columns * samples).transpose(0, 2, 1)
    found: Bytes = np.ascontiguousarray(big).view(f">f{item}").astype(f"{byteorder}f{item}").view(np.uint8)
    return found.reshape(-1)
