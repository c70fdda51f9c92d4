"""The header of an XISF 1.0 file: from the first bytes to a description of one image.

Facts are those of the XISF 1.0 specification, https://pixinsight.com/doc/docs/XISF-1.0-spec/XISF-1.0-spec.html.
The XML is read with no document type, hence no entities, and within fixed limits, so that a hostile file
ends in one sentence.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ...engine.api import Card, Scalar, SourceError
from ._cards import COMMENTARY, scalar
from ._xisf_location import Block, HeaderError, data_element, read_block

SIGNATURE = b"XISF0100"

# An image embedded in the header makes it long, but nobody embeds more than a thumbnail; each byte of
# XML costs up to some thirty bytes of objects.
LONGEST_HEADER = 32 << 20
MOST_ELEMENTS = 200_000
DEEPEST = 32
WIDEST = 1 << 30

FORMATS = {
    "UInt8": "u1", "UInt16": "u2", "UInt32": "u4", "UInt64": "u8", "Float32": "f4", "Float64": "f8",
}  # fmt: skip
_INTEGERS = re.compile(r"U?Int(8|16|32|64|128)?|Byte|Short|UShort|UInt")


@dataclass(frozen=True, slots=True)
class XisfImage:
    """One Image element: what its pixels are, where they lie, and all that is said of them."""

    width: int
    height: int
    channels: int
    dtype: str
    interleaved: bool
    bounds: tuple[float, float] | None
    color: str
    kind: str
    pattern: tuple[str, int, int] | None
    cards: tuple[Card, ...]
    properties: tuple[Card, ...]
    block: Block

    def property(self, name: str) -> Scalar:
        """Return the value of property *name*, or None."""
        return next((value for key, value, _ in self.properties if key == name), None)


def read_header(path: Path, hdu: int | str | None) -> XisfImage:
    """Return the description of image *hdu*: an index, an ``id``, or None for the first.

    Raises
    ------
    SourceError
        When the file is no XISF file, is truncated, or holds something this reader refuses.
    """
    root, end = _root(path)
    try:
        return _describe(root, hdu, end)
    except ValueError as error:
        raise SourceError(f"{path}: XISF header: {error}") from error


def property_text(path: Path, name: str) -> str | None:
    """Return the text of property *name* of any image of a file; None where none has it.

    Raises
    ------
    SourceError
        As `read_header`.
    """
    root = _root(path)[0]
    return next((e.text or e.get("value") or "" for e in root.iter("Property") if e.get("id") == name), None)


def _root(path: Path) -> tuple[Element, int]:
    """Return the root element of the header, and the bytes of the file."""
    try:
        with path.open("rb") as file:
            end = os.fstat(file.fileno()).st_size
            text = _header_bytes(file.read(16), end)
            xml = file.read(text)
        if len(xml) < text:
            raise HeaderError(f"wants {text} bytes of header, found {len(xml)}")
        return _parse(xml), end
    except (ValueError, expat.ExpatError) as error:
        raise SourceError(f"{path}: XISF header: {error}") from error


def _header_bytes(start: bytes, end: int) -> int:
    if len(start) < 16 or start[:8] != SIGNATURE:
        raise HeaderError(f"wants the signature {SIGNATURE.decode()}, found {start[:8]!r}")
    length = int.from_bytes(start[8:12], "little")
    if length > LONGEST_HEADER:
        raise HeaderError(f"declares {length} bytes, more than the {LONGEST_HEADER} this reader accepts")
    if 16 + length > end:
        raise HeaderError(f"declares {length} bytes, the file has {end - 16} after the signature")
    return length


# -- XML ----------------------------------------------------------------------------------------------


def _parse(xml: bytes) -> Element:
    """Return the root element; names without their namespace."""
    builder = TreeBuilder()
    counts = {"depth": 0, "elements": 0}

    def start(tag: str, attributes: dict[str, str]) -> None:
        counts["depth"] += 1
        counts["elements"] += 1
        if counts["depth"] > DEEPEST or counts["elements"] > MOST_ELEMENTS:
            raise HeaderError(f"more than {MOST_ELEMENTS} elements or {DEEPEST} levels")
        builder.start(tag.rpartition("}")[2], attributes)

    def end(tag: str) -> None:
        counts["depth"] -= 1
        builder.end(tag.rpartition("}")[2])

    def doctype(*_: object) -> None:
        raise HeaderError("has a document type, which XISF does not know and this reader refuses")

    parser = expat.ParserCreate("utf-8", "}")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = doctype
    parser.Parse(xml.rstrip(b"\0"), True)
    root = builder.close()
    if root.tag != "xisf":
        raise HeaderError(f"wants the root element xisf, found {root.tag}")
    return root


def _describe(root: Element, hdu: int | str | None, end: int) -> XisfImage:
    image = _choose(root, hdu)
    shared = {child.get("uid"): child for child in root if child.get("uid")}
    parts = [_referred(child, shared) for child in image]
    width, height, channels = _geometry(image)
    dtype, item = _sample_format(image, width * height * channels)
    wanted = width * height * channels * item
    block = read_block(image, wanted, end)
    big = (data_element(image).get("byteOrder") or image.get("byteOrder") or "little") == "big"
    cards = [_card(e) for e in parts if e.tag == "FITSKeyword"]
    metadata = [child for m in root if m.tag == "Metadata" for child in m]
    found = (_property(e) for e in (*parts, *metadata) if e.tag == "Property")
    return XisfImage(
        width=width,
        height=height,
        channels=channels,
        dtype=(">" if big else "<") + dtype,
        interleaved=_one_of(image, "pixelStorage", ("Planar", "Normal")) == "Normal",
        bounds=_bounds(image, dtype),
        color=_one_of(image, "colorSpace", ("Gray", "RGB", "CIELab")),
        kind=image.get("imageType", ""),
        pattern=_pattern(parts),
        cards=tuple(cards),
        properties=tuple(card for card in found if card is not None),
        block=block,
    )


def _choose(root: Element, hdu: int | str | None) -> Element:
    images = [child for child in root if child.tag == "Image"]
    if not images:
        raise HeaderError("holds no image")
    index = 0 if hdu is None else hdu
    if isinstance(index, int):
        if not 0 <= index < len(images):
            raise HeaderError(f"wants image {index}, the file has {len(images)}")
        return images[index]
    named = [image for image in images if image.get("id") == index]
    if not named:
        raise HeaderError(f"wants image {index!r}, found {[image.get('id', '') for image in images]}")
    return named[0]


def _referred(child: Element, shared: dict[str | None, Element]) -> Element:
    return shared.get(child.get("ref"), child) if child.tag == "Reference" else child


def _one_of(image: Element, name: str, choices: tuple[str, ...]) -> str:
    """Return attribute *name*; absent or empty stands for the first of *choices*."""
    value = image.get(name) or choices[0]
    if value not in choices:
        raise HeaderError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


# -- pixels -------------------------------------------------------------------------------------------


def _geometry(image: Element) -> tuple[int, int, int]:
    text = image.get("geometry", "")
    if not re.fullmatch(r"[0-9]{1,12}(:[0-9]{1,12})+", text):
        raise HeaderError(f"geometry must be width:height:channels, got {text[:80]!r}")
    sizes = [int(size) for size in text.split(":")]
    if len(sizes) != 3:
        raise HeaderError(f"only images of two dimensions can be read, geometry is {text[:80]}")
    if not all(1 <= size <= WIDEST for size in sizes):
        raise HeaderError(f"sizes must lie in [1, {WIDEST}], geometry is {text}")
    return sizes[0], sizes[1], sizes[2]


def _sample_format(image: Element, samples: int) -> tuple[str, int]:
    """Return the numpy type without byte order, and its bytes.

    Some programs leave sampleFormat empty. One or two bytes a sample can only be UInt8 or UInt16, so
    an attachment of exactly that size tells; anything larger is refused.
    """
    name = image.get("sampleFormat", "")
    if not name and not image.get("compression"):
        size = (re.findall(r"^attachment:[0-9]+:([0-9]{1,18})$", image.get("location", "")) or ["0"])[0]
        name = {samples: "UInt8", 2 * samples: "UInt16"}.get(int(size), "")
    if name.startswith("Complex"):
        raise HeaderError(f"complex images cannot be read, sampleFormat is {name}")
    if name not in FORMATS:
        raise HeaderError(f"sampleFormat must be one of {', '.join(FORMATS)}, got {name!r}")
    return FORMATS[name], int(FORMATS[name][1])


def _bounds(image: Element, dtype: str) -> tuple[float, float] | None:
    """Return the declared range; else that of the integer type; None for floats that declare none."""
    text = image.get("bounds")
    if not text:
        return None if dtype[0] == "f" else (0.0, float(2 ** (8 * int(dtype[1])) - 1))
    lo, hi = (float(part) for part in text.split(":"))
    if not (math.isfinite(lo) and math.isfinite(hi) and lo < hi):
        raise HeaderError(f"bounds must be lower:upper, got {text[:80]!r}")
    return lo, hi


def _pattern(parts: list[Element]) -> tuple[str, int, int] | None:
    for e in parts:
        if e.tag == "ColorFilterArray":
            letters = e.get("pattern", "").upper()
            width, height = int(e.get("width", "0")), int(e.get("height", "0"))
            if width * height != len(letters) or not letters:
                raise HeaderError(f"a ColorFilterArray of {width}x{height} has the pattern {letters[:80]!r}")
            return letters, height, width
    return None


# -- words --------------------------------------------------------------------------------------------


def _card(e: Element) -> Card:
    """Return a FITSKeyword as a card; text of COMMENT and HISTORY, kept in `comment`, becomes the value."""
    name, text, comment = e.get("name", "").strip(), e.get("value", "").strip(), e.get("comment", "")
    if name in COMMENTARY:
        return name, text.strip("'") or comment, ""
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return name, text[1:-1].replace("''", "'").rstrip(), comment
    value = scalar(text)
    return name, (text if isinstance(value, float) and not math.isfinite(value) else value), comment


def _property(e: Element) -> Card | None:
    """Return a scalar or text property as (id, value, type); None for tables and for text in data blocks."""
    name, kind, text = e.get("id", ""), e.get("type", ""), e.get("value")
    if kind in ("String", "TimePoint"):
        if e.get("location"):
            return None
        return name, (text if text is not None else (e.text or "")).strip(), kind
    if text is None:
        return None
    if kind == "Boolean":
        return name, text.strip().lower() in ("1", "true"), kind
    if _INTEGERS.fullmatch(kind) and re.fullmatch(r"\s*[+-]?[0-9]{1,40}\s*", text):
        return name, int(text), kind
    if kind in ("Float32", "Float64", "Float", "Double") and math.isfinite(number := float(text)):
        return name, number, kind
    return None
