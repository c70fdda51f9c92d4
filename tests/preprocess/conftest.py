"""Frames of header words, as programs write them, without files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pytest

from lerarlink.engine.frame import Card, Frame, Scalar
from lerarlink.graphs.preprocess.records import FrameRecord, record_of
from lerarlink.nodes.io._words import normalise

_CARD = re.compile(r"([A-Z][A-Z0-9_-]*)=('[^']*'|\S+)")


def cards_of(text: str) -> list[Card]:
    """Return the cards in ``IMAGETYP='LIGHT' EXPTIME=300.0 GAIN=100``; quoted values are text."""
    found: list[Card] = []
    for keyword, spelled in _CARD.findall(text):
        value: Scalar = spelled[1:-1] if spelled.startswith("'") else float(spelled) if "." in spelled else int(spelled)
        found.append((keyword, value, ""))
    return found


@pytest.fixture
def make_record() -> Callable[..., FrameRecord]:
    """Return a function that makes the record of a file from its path and header."""

    def make(
        path: str,
        header: str = "",
        *,
        size: tuple[int, int] = (80, 60),
        cfa: str | None = None,
        keywords: Iterable[str] = (),
        filters: dict[str, str] | None = None,
    ) -> FrameRecord:
        cards = cards_of(header)
        frame = Frame(
            width=size[0], height=size[1], cfa=cfa, words=normalise(cards, path), header=tuple(cards)
        )
        return record_of(path, frame, keywords=keywords, filters=filters)

    return make
