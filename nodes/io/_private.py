"""What a private file leaves out: where it was made, and by whom."""

from __future__ import annotations

import re

from ...engine.api import Card, Frame, without_folders

_SITE = re.compile(
    r"SITE\w*|SITE-\w+|OBSERVER|OBSLAT|OBSLONG|OBSALT|OBSELEV|OBSGEO-\w|LAT-OBS|LONG-OBS|ALT-OBS|"
    r"LATITUDE|LONGITUD|AUTHOR|OBSERVATORY|OBSERVAT|OBSVTRY|Observer:\w+|Observation:Location:\w+"
)
_WORDS = frozenset({"site_latitude", "site_longitude"})


def private_frame(frame: Frame) -> Frame:
    """Return *frame* without words that tell of the site or the observer, and with file names for paths."""
    cards = tuple(_without_folders(card) for card in frame.header if not _SITE.fullmatch(card[0]))
    words = tuple(w for w in frame.words if w[0] not in _WORDS)
    return frame.with_(header=cards, words=words)


def _without_folders(card: Card) -> Card:
    keyword, value, comment = card
    if isinstance(value, str):
        value = without_folders(value)
    return keyword, value, without_folders(comment)
