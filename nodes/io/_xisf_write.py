"""Writing XISF 1.0 files: plain ones strip by strip, compressed ones through a spool."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from ...engine.api import Box, Card, Frame, ParameterError, Scalar, Tile, Writer
from ._cards import COMMENTARY, is_any_wcs, is_structural
from ._disk import publish, temporary_name
from ._provenance import PROPERTY
from ._raw_writer import RawWriter
from ._reader import WriteOptions
from ._xisf_blocks import Bytes, compress, take_shuffled
from ._xisf_header import SIGNATURE
from ._xisf_location import CODECS
from ._xisf_wcs import flipped
from ._xisf_words import CREATOR, KINDS, WORD_PROPERTIES, is_property, kept_properties

# The alignment that PixInsight uses; it lets a reader map pages of the file directly.
_ALIGNMENT = 4096
# Decoded bytes of a sub-block: a strip in the middle of an image needs few of them, and the codecs
# gain nothing from more.
PART = 4 << 20

_TYPES = {"auto": "<f4", "float32": "<f4", "uint16": "<u2", "uint8": "|u1"}
_FORMAT_NAMES = {"<f4": "Float32", "<u2": "UInt16", "|u1": "UInt8"}
# Words that say what the frame or the file's own attributes say.
_REPLACED = frozenset(
    {
        "ROWORDER", "BAYERPAT", "COLORTYP", "CFAPAT", "XBAYROFF", "YBAYROFF", "BAYOFFX", "BAYOFFY", "BUNIT",
        "LERBLO", "LERBHI", "LERSTATE", "LERUNIT", "CBLACK", "CWHITE", "MIPS-HI", "MIPS-LO",
    }
)  # fmt: skip
_ROOT = (
    '<xisf version="1.0" xmlns="http://www.pixinsight.com/xisf" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://www.pixinsight.com/xisf http://pixinsight.com/xisf/xisf-1.0.xsd">'
)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_xisf(path: Path, frame: Frame, options: WriteOptions) -> Writer:
    """Return the writer of *frame* to an XISF file.

    Floats keep physical values and declare the frame's bounds; integers hold levels (black 0, white the
    type's largest value). Rows stay in storage order; where that is bottom-up a property says so. The file
    holds no time of creation, so that equal runs write equal bytes.

    Parameters
    ----------
    options
        ``compression``: none, zlib, lz4, lz4hc or zstd, each but none with or without ``+sh``.

    Raises
    ------
    ParameterError
        For any other compression.
    """
    codec, _, shuffle = options.compression.partition("+")
    if (codec != "none" and codec not in CODECS) or shuffle not in ("", "sh") or options.compression == "none+sh":
        names = ", ".join(("none", *CODECS))
        raise ParameterError(f"{path}: XISF compression must be one of {names} (or +sh), got {options.compression!r}")
    dtype = _TYPES[options.sample_format]
    told = options.provenance.data.decode("ascii") if options.provenance else ""
    if codec == "none":
        return _raw(path, frame, dtype, _plain_head(frame, dtype, told)).start()
    item = np.dtype(dtype).itemsize
    # Shuffling single bytes changes nothing, so it is not declared either.
    method = codec + ("+sh" if shuffle and item > 1 else "")
    spool = _raw(path, frame, dtype, b"").start()
    return CompressedXisfWriter(spool=spool, frame=frame, method=method, provenance=told)


def _raw(path: Path, frame: Frame, dtype: str, head: bytes) -> RawWriter:
    return RawWriter(
        path=path,
        dtype=dtype,
        height=frame.height,
        width=frame.width,
        channels=frame.channels,
        head=head,
        bounds=frame.known_bounds(),
    )


def _plain_head(frame: Frame, dtype: str, told: str) -> bytes:
    """Return the bytes before the pixels; where these begin depends on how long the bytes are."""
    size = frame.height * frame.width * frame.channels * np.dtype(dtype).itemsize
    position = 0
    while True:
        text = _xml(frame, dtype, {"location": f"attachment:{position}:{size}"}, told)
        wanted = _aligned(16 + len(text))
        if wanted == position:
            return _head(text, position)
        position = wanted


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _head(text: bytes, position: int) -> bytes:
    start = SIGNATURE + len(text).to_bytes(4, "little") + bytes(4) + text
    return start.ljust(position, b"\0")


@dataclass(kw_only=True)
class CompressedXisfWriter:
    """Collects the pixels in a plain file beside the output and compresses them at the end.

    Attributes
    ----------
    spool
        Takes the strips; its final name is that of the output, but it never gets it.
    frame
        What is written.
    method
        Codec, with ``+sh`` for shuffled bytes.
    provenance
        JSON text that tells how the image was made; may be empty.
    """

    spool: RawWriter
    frame: Frame
    method: str
    provenance: str = ""
    _out: Path = field(default=Path(), init=False)

    def __post_init__(self) -> None:
        self._out = temporary_name(self.path)

    @property
    def path(self) -> Path:
        """The final name."""
        return self.spool.path

    def write(self, box: Box, tile: Tile) -> None:
        """Put *tile* at *box*."""
        self.spool.write(box, tile)

    def finish(self) -> None:
        """Compress, flush to the disk, and let the file appear under its final name."""
        self.spool.close()
        try:
            self._compress()
            publish(self._out, self.path)
        except BaseException:
            self.abandon()
            raise
        self.spool.abandon()

    def abandon(self) -> None:
        """Remove what was written."""
        self.spool.abandon()
        self._out.unlink(missing_ok=True)

    def _compress(self) -> None:
        data: Bytes = np.memmap(self.spool.temporary, np.uint8, mode="r")
        item = np.dtype(self.spool.dtype).itemsize
        count = -(-data.size // PART)
        # The header comes first but is known last: room is left for the longest it can become.
        longest = [(10**8, PART)] * count
        position = _aligned(16 + len(self._text(10**18, longest, "0" * 40, item)))
        parts: list[tuple[int, int]] = []
        digest = hashlib.sha1(usedforsecurity=False)
        with self._out.open("wb") as out:
            out.write(bytes(position))
            for packed, length in self._packed(data, item):
                out.write(packed)
                digest.update(packed)
                parts.append((len(packed), length))
            out.seek(0)
            out.write(_head(self._text(position, parts, digest.hexdigest(), item), position))
            out.flush()
            os.fsync(out.fileno())

    def _packed(self, data: Bytes, item: int) -> Iterator[tuple[bytes, int]]:
        codec, _, shuffle = self.method.partition("+")
        for start in range(0, data.size, PART):
            stop = min(start + PART, data.size)
            yield compress(codec, take_shuffled(data, item if shuffle else 1, start, stop)), stop - start

    def _text(self, position: int, parts: list[tuple[int, int]], digest: str, item: int) -> bytes:
        stored, length = sum(a for a, _ in parts), sum(b for _, b in parts)
        attributes = {
            "location": f"attachment:{position}:{stored}",
            "compression": f"{self.method}:{length}" + (f":{item}" if "+" in self.method else ""),
            "checksum": f"sha-1:{digest}",
        }
        if len(parts) > 1:
            attributes["subblocks"] = ":".join(f"{a},{b}" for a, b in parts)
        return _xml(self.frame, self.spool.dtype, attributes, self.provenance)


# -- the header ---------------------------------------------------------------------------------------


def _xml(frame: Frame, dtype: str, attributes: dict[str, str], told: str) -> bytes:
    """Return the header of *frame* stored as *dtype*.

    *attributes* say where its pixels lie and how packed, *told* how it was made.
    """
    color = "RGB" if frame.color == "rgb" and frame.channels >= 3 else "Gray"
    image = {
        "geometry": f"{frame.width}:{frame.height}:{frame.channels}",
        "sampleFormat": _FORMAT_NAMES[dtype],
        "colorSpace": color,
    }
    if dtype == "<f4":
        image["bounds"] = f"{frame.lo!r}:{frame.hi!r}"
    if kind := KINDS.get(str(frame.word("type"))):
        image["imageType"] = kind
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', _ROOT, _tag("Image", {**image, **attributes}, "")[:-2] + ">"]
    lines += [_keyword(card) for card in _cards(frame)]
    lines += [_property(*given) for given in _properties(frame, dtype)]
    if told:
        lines.append(_property(PROPERTY, told, "String"))
    if frame.cfa:
        side = "2" if len(frame.cfa) == 4 else "6"
        lines.append(_tag("ColorFilterArray", {"pattern": frame.cfa, "width": side, "height": side}))
    lines += ["</Image>", "<Metadata>"]
    lines.append(_property("XISF:CreatorApplication", CREATOR, "String"))
    lines.append(_property("XISF:BlockAlignmentSize", _ALIGNMENT, "UInt16"))
    lines += ["</Metadata>", "</xisf>"]
    return "\n".join(lines).encode("utf-8")


def _clean(text: str) -> str:
    """Replace what XML 1.0 cannot hold."""
    return _NOT_XML.sub("?", text)


def _tag(name: str, attributes: dict[str, str], text: str = "") -> str:
    given = "".join(f" {key}={quoteattr(_clean(value))}" for key, value in attributes.items())
    return f"<{name}{given}>{escape(_clean(text))}</{name}>" if text else f"<{name}{given}/>"


def _cards(frame: Frame) -> Iterator[Card]:
    """Yield the FITS keywords: the frame's own, without what describes another file or is said anew."""
    for card in frame.header:
        name = card[0]
        if not (is_structural(name) or is_any_wcs(name) or is_property(card) or name in _REPLACED):
            yield card
    # Readers of XISF take the first stored row for the top, whatever the picture's orientation is.
    yield "ROWORDER", "TOP-DOWN", "order of the rows as stored"
    if frame.cfa and len(frame.cfa) == 4:
        yield "BAYERPAT", frame.cfa, "from the first stored row"
    yield from flipped(frame.wcs, frame.height)


def _keyword(card: Card) -> str:
    name, value, comment = card
    if name in COMMENTARY:
        return _tag("FITSKeyword", {"name": name, "value": "", "comment": "" if value is None else str(value)})
    return _tag("FITSKeyword", {"name": name, "value": _keyword_value(value), "comment": comment})


def _keyword_value(value: Scalar) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def _properties(frame: Frame, dtype: str) -> Iterator[tuple[str, Scalar, str]]:
    """Yield id, value and type of the image's properties."""
    yield from kept_properties(frame.header)
    # What was only taken for granted is no fact of the file.
    words = {name: word.value for name, word in frame.words if not word.rule.startswith("no word")}
    for word, name, kind, factor in WORD_PROPERTIES:
        value = words.get(word)
        if value is None or (kind == "TimePoint" and "T" not in str(value)):
            continue
        if kind == "TimePoint":
            yield name, f"{value}Z", kind
        elif kind == "String":
            yield name, str(value), kind
        elif isinstance(value, int | float):
            yield name, (int(value) if kind == "Int32" else float(value) / factor), kind
    yield "Lerarlink:State", frame.state, "String"
    if frame.unit and (dtype == "<f4" or frame.bounds == (0.0, float(np.iinfo(dtype).max))):
        # Levels that were spread over the type's range have no unit.
        yield "Lerarlink:Unit", frame.unit, "String"
    if frame.orientation == "bottom-up":
        yield "Lerarlink:Orientation", frame.orientation, "String"
    if frame.color == "planes":
        yield "Lerarlink:Color", frame.color, "String"
    if frame.cfa:
        yield "PCL:CFASourcePattern", frame.cfa, "String"


def _property(name: str, value: Scalar, kind: str) -> str:
    attributes = {"id": name, "type": kind}
    if kind == "String":
        return _tag("Property", attributes, str(value))
    text = ("1" if value else "0") if isinstance(value, bool) else str(value)
    return _tag("Property", {**attributes, "value": text})
