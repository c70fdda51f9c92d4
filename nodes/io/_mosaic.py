"""Colour filter letters and row order: what BAYERPAT and ROWORDER say about the rows as they are stored."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from ...engine.api import Scalar, Word
from ._spellings import is_capture, whole

Cards = Mapping[str, tuple[Scalar, str]]


def mosaic_words(cards: Cards, program: str) -> dict[str, Word]:
    """Return the word ``row_order`` and, where there is a mosaic, ``cfa``: its letters in storage order.

    BAYERPAT describes the upright picture, beginning at its top left corner, moved by XBAYROFF and
    YBAYROFF. Where the bottom row is stored first, stored row r is picture row height - 1 - r, so the rows
    of an even number of rows trade places. Files that do not say their row order are read as top-down
    when a capture program or a colour camera made them (their drivers deliver the top row first), else as
    the FITS standard recommends: bottom-up.
    """
    pattern, keyword = _pattern(cards)
    order = _row_order(cards, program, pattern)
    words = {"row_order": order}
    if pattern is None:
        return words
    side = math.isqrt(len(pattern))
    dx = whole(_first_value(cards, ("XBAYROFF", "BAYOFFX"))) or 0
    dy = whole(_first_value(cards, ("YBAYROFF", "BAYOFFY"))) or 0
    rule = f"from {keyword} {pattern!r}"
    if dx % side or dy % side:
        rule += f", moved by {dx}, {dy}"
    letters = shifted(pattern, dx, dy)
    height = whole(cards.get("NAXIS2", (None, ""))[0])
    if order.value == "bottom-up" and height is not None:
        rule += f", picture rows counted from the last of {height} stored rows"
        letters = flipped(letters, height)
    words["cfa"] = Word(letters, rule)
    return words


def _first_value(cards: Cards, keywords: Sequence[str]) -> Scalar:
    return next((cards[k][0] for k in keywords if k in cards), None)


def _pattern(cards: Cards) -> tuple[str | None, str]:
    for keyword in ("BAYERPAT", "COLORTYP", "CFAPAT"):
        letters = re.sub(r"[^A-Z]", "", str(cards.get(keyword, ("", ""))[0]).upper())
        if len(letters) in (4, 36) and set(letters) == set("RGB"):
            return letters, keyword
    return None, ""


def _row_order(cards: Cards, program: str, pattern: str | None) -> Word:
    said = str(cards.get("ROWORDER", ("", ""))[0]).upper()
    if "TOP" in said or "BOT" in said:
        return Word("top-down" if "TOP" in said else "bottom-up", "from ROWORDER")
    camera = str(cards.get("INSTRUME", ("", ""))[0])
    for maker in (program, camera):
        if is_capture(maker):
            return Word("top-down", f"no ROWORDER: as {maker} stores rows")
    if pattern is not None:
        return Word("top-down", "no ROWORDER: colour cameras deliver the top row first")
    return Word("bottom-up", "no ROWORDER: as the FITS standard recommends")


def shifted(pattern: str, dx: int, dy: int) -> str:
    """Return the cell that begins *dx* columns and *dy* rows into *pattern*."""
    n = math.isqrt(len(pattern))
    return "".join(pattern[((r + dy) % n) * n + (c + dx) % n] for r in range(n) for c in range(n))


def flipped(pattern: str, height: int) -> str:
    """Return *pattern* as seen when the rows of an image *height* rows high come in reverse order."""
    n = math.isqrt(len(pattern))
    return "".join(pattern[((height - 1 - r) % n) * n + c] for r in range(n) for c in range(n))
