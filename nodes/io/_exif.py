"""The few words of Exif that say how a picture was taken, as header cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Card, Scalar

# Exif tag -> keyword. The clock of a camera shows local time, whose zone nobody tells.
_KEYWORDS = {
    272: "INSTRUME", 305: "SWCREATE", 33434: "EXPTIME", 34855: "ISOSPEED", 36867: "DATE-LOC", 37386: "FOCALLEN",
}  # fmt: skip


def exif_cards(tags: Mapping[int, Any]) -> tuple[Card, ...]:
    """Return cards of those *tags* (number -> value) that can be used."""
    cards = []
    for tag, keyword in _KEYWORDS.items():
        value = _plain(tags.get(tag))
        if value is None or value == "":
            continue
        if keyword == "DATE-LOC" and isinstance(value, str):
            day, _, time = value.partition(" ")
            value = f"{day.replace(':', '-')}T{time}"
        cards.append((keyword, value, f"Exif {tag}"))
    return tuple(cards)


def _plain(value: Any) -> Scalar:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        return "".join(c for c in value if c.isprintable()).strip()
    if isinstance(value, tuple):
        if len(value) == 2 and all(isinstance(v, int) for v in value):
            return value[0] / value[1] if value[1] else None
        return _plain(value[0]) if value else None
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
