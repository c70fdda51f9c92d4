"""What a file tells of its making, and where each format keeps it.

The text is JSON in ASCII in every format: a table HDU in FITS, a property in XISF, a tag in TIFF, a text chunk
in PNG, and a file beside the picture for JPEG, which has no place that programs leave alone.
"""

from __future__ import annotations

from pathlib import Path

from ...engine.api import Card, Provenance
from ._cards import BLOCK, header_bytes
from ._disk import publish, temporary_name

NAME = "LERARLINK"
PROPERTY = "Lerarlink:Provenance"
PNG_KEYWORD = "lerarlink provenance"
# TIFF 6.0 leaves tags from 32768 on to private use; this one is in nobody's list.
TIFF_TAG = 65121
SIDECAR = ".lerar.json"


def history_cards(provenance: Provenance | None) -> list[Card]:
    """Return the lines for people as HISTORY cards."""
    return [("HISTORY", line, "") for line in provenance.history] if provenance else []


def table_hdu(provenance: Provenance | None) -> bytes:
    """Return a binary table with the text as its only cell; nothing where there is nothing to tell."""
    if provenance is None or not provenance.data:
        return b""
    text = provenance.data
    cards: list[Card] = [
        ("XTENSION", "BINTABLE", "binary table"),
        ("BITPIX", 8, ""),
        ("NAXIS", 2, ""),
        ("NAXIS1", len(text), "bytes of a row"),
        ("NAXIS2", 1, "rows"),
        ("PCOUNT", 0, ""),
        ("GCOUNT", 1, ""),
        ("TFIELDS", 1, ""),
        ("TTYPE1", "JSON", "how the image was made"),
        ("TFORM1", f"{len(text)}A", ""),
        ("EXTNAME", NAME, "read by lerarlink"),
    ]
    return header_bytes(cards) + text + bytes(-len(text) % BLOCK)


def sidecar(path: Path) -> Path:
    """Return the name of the file beside *path* that tells of its making."""
    return path.with_name(path.name + SIDECAR)


def write_sidecar(path: Path, provenance: Provenance | None) -> None:
    """Write the text beside *path*, whole or not at all; what is told there of an older picture goes."""
    beside = sidecar(path)
    if provenance is None or not provenance.data:
        beside.unlink(missing_ok=True)
        return
    temporary = temporary_name(beside)
    try:
        temporary.write_bytes(provenance.data + b"\n")
        publish(temporary, beside)
    finally:
        temporary.unlink(missing_ok=True)
