"""Where the bytes of an XISF data block lie and how they are packed: attributes of an Image element."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

MOST_PARTS = 1 << 20
CODECS = ("zlib", "lz4", "lz4hc", "zstd")
HASHES = {
    "sha-1": "sha1", "sha1": "sha1", "sha-256": "sha256", "sha256": "sha256", "sha-512": "sha512",
    "sha512": "sha512", "sha3-256": "sha3_256", "sha3-512": "sha3_512",
}  # fmt: skip


class HeaderError(ValueError):
    """Something in the header is not as the specification wants it; the caller adds the file's name."""


@dataclass(frozen=True, slots=True)
class Block:
    """Where the stored bytes of a data block lie and how they are packed.

    Attributes
    ----------
    position, size
        The stored bytes in the file; position is 0 for bytes that stand in the header itself.
    inline
        These bytes, decoded from base64 or hexadecimal; None for an attachment.
    codec
        One of CODECS, or empty.
    item
        Bytes of one shuffled item; 1 where bytes were not shuffled.
    length
        Bytes after decompression.
    parts
        (stored, decoded) bytes of each sub-block, in order; a single pair for a block that is not cut.
    checksum
        Name for hashlib and hexadecimal digest of the stored bytes, or None.
    """

    position: int
    size: int
    inline: bytes | None
    codec: str
    item: int
    length: int
    parts: tuple[tuple[int, int], ...]
    checksum: tuple[str, str] | None


def data_element(image: Element) -> Element:
    """Return the element that says how the pixels are packed: Data when they are embedded in the header."""
    if image.get("location", "") != "embedded":
        return image
    data = next((child for child in image if child.tag == "Data"), None)
    if data is None:
        raise HeaderError("location is embedded, but there is no Data element")
    return data


def read_block(image: Element, wanted: int, end: int) -> Block:
    """Return the block of *image*, which must hold *wanted* bytes and end before byte *end* of the file."""
    position, size, inline = _location(image, end)
    data = data_element(image)
    codec, length, item = _compression(data.get("compression") or image.get("compression") or "", size)
    if length != wanted:
        raise HeaderError(f"the pixels take {wanted} bytes, the block declares {length}")
    parts = _parts(data.get("subblocks") or image.get("subblocks") or "", size, length) if codec else ()
    checksum = _checksum(data.get("checksum") or image.get("checksum") or "")
    return Block(position, size, inline, codec, item, length, parts, checksum)


def _location(image: Element, end: int) -> tuple[int, int, bytes | None]:
    text = image.get("location", "")
    kind, _, rest = text.partition(":")
    if kind == "attachment":
        if not re.fullmatch(r"[0-9]{1,18}:[0-9]{1,18}", rest):
            raise HeaderError(f"location must be attachment:position:size, got {text[:80]!r}")
        position, size = (int(part) for part in rest.split(":"))
        if position + size > end:
            raise HeaderError(f"the pixels end at byte {position + size}, the file at {end} (truncated?)")
        return position, size, None
    if kind == "embedded":
        data = data_element(image)
        stored = _decoded_text(data.text or "", data.get("encoding", ""))
        return 0, len(stored), stored
    if kind == "inline":
        stored = _decoded_text(image.text or "", rest)
        return 0, len(stored), stored
    if kind.startswith(("url(", "path(")):
        raise HeaderError(f"pixels in other files are not followed, location is {text[:80]!r}")
    raise HeaderError(f"location must be attachment, embedded or inline, got {text[:80]!r}")


def _decoded_text(text: str, encoding: str) -> bytes:
    compact = "".join(text.split())
    if encoding == "base64":
        return base64.b64decode(compact, validate=True)
    if encoding == "hex":
        return bytes.fromhex(compact)
    raise HeaderError(f"encoding must be base64 or hex, got {encoding[:80]!r}")


def _compression(text: str, size: int) -> tuple[str, int, int]:
    """Return codec, decoded length and item size."""
    if not text:
        return "", size, 1
    found = re.fullmatch(r"([a-z0-9]+)(\+sh)?:([0-9]{1,18})(?::([0-9]{1,3}))?", text)
    if found is None or found[1] not in CODECS:
        raise HeaderError(f"compression must be {', '.join(CODECS)}, with or without +sh, got {text[:80]!r}")
    if found[2] and not found[4]:
        raise HeaderError(f"byte shuffling must say its item size, compression is {text!r}")
    item = int(found[4]) if found[2] else 1
    if not 1 <= item <= 128:
        raise HeaderError(f"the item size of byte shuffling must lie in [1, 128], compression is {text!r}")
    return found[1], int(found[3]), item


def _parts(text: str, size: int, length: int) -> tuple[tuple[int, int], ...]:
    if not text:
        return ((size, length),)
    pairs = text.split(":", MOST_PARTS)
    if not all(re.fullmatch(r"[0-9]{1,18},[0-9]{1,18}", pair) for pair in pairs):
        raise HeaderError("subblocks must be stored,decoded:stored,decoded:...")
    parts = tuple((int(a), int(b)) for a, b in (pair.split(",") for pair in pairs))
    stored, decoded = sum(a for a, _ in parts), sum(b for _, b in parts)
    if stored > size or decoded != length:
        raise HeaderError(
            f"sub-blocks hold {stored} bytes for {decoded}, the block holds {size} for {length}"
        )
    return parts


def _checksum(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    name, _, digest = text.partition(":")
    if name.lower() not in HASHES or not re.fullmatch(r"[0-9a-fA-F]{40,128}", digest):
        raise HeaderError(f"checksum must be one of {', '.join(HASHES)} and a digest, got {text[:80]!r}")
    return HASHES[name.lower()], digest.lower()
