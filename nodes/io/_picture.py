"""Words of formats that say their row order themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ...engine.api import Card, Word
from ._words import normalise

Words = tuple[tuple[str, Word], ...]
Orientation = Literal["top-down", "bottom-up"]


def picture_words(path: Path, cards: tuple[Card, ...], orientation: Orientation, rule: str) -> Words:
    """Return the normalised words of *cards*; the row order is *orientation*, with *rule* as its reason."""
    order: Card = ("ROWORDER", orientation.upper(), "")
    words = dict(normalise((order, *cards), str(path)))
    words["row_order"] = Word(orientation, rule)
    return tuple(sorted(words.items()))
