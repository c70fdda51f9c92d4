"""Header cards of FITS: 80 columns of text, read into values and written back.

Follows "Definition of the Flexible Image Transport System (FITS)", version 4.0, section 4, with the
CONTINUE long-string convention (section 4.2.1.2) and the registered HIERARCH keyword convention.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from ...engine.api import Card, Scalar

BLOCK = 2880
WIDTH = 80
COMMENTARY = frozenset({"", "COMMENT", "HISTORY"})

# A header of this size has lost its END: the largest real ones hold some thousand cards (0.3 MB).
_LONGEST = 5000 * BLOCK

_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")
_INTEGER = re.compile(r"[+-]?\d+")
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([EeDd][+-]?\d+)?")
_STRING = re.compile(r"'((?:[^']|'')*)'")


# -- reading ----------------------------------------------------------------------------------------


def read_header(raw: Any, start: int) -> tuple[tuple[Card, ...], int] | None:
    """Return the cards of the header that begins at byte *start* of *raw*, and the byte where its data begin.

    Parameters
    ----------
    raw
        What slices to bytes: a memory map or bytes.
    start
        A multiple of 2880.

    Returns
    -------
    tuple or None
        None where the bytes end, or go on for 14 MB, without an END card. Text of COMMENT, HISTORY and
        blank keywords is their value; HIERARCH keywords come without that word.
    """
    texts: list[str] = []
    for at in range(start, min(len(raw), start + _LONGEST), WIDTH):
        card = raw[at : at + WIDTH]
        if card[:8] == b"END     " or (card[:3] == b"END" and not card[3:].strip()):
            used = at + WIDTH - start
            return _joined(texts), start + -(-used // BLOCK) * BLOCK
        texts.append(_text(card))
    return None


def _text(card: bytes) -> str:
    try:
        text = card.decode("utf-8")
    except UnicodeDecodeError:
        text = card.decode("latin-1")
    return "".join(c if c.isprintable() else " " for c in text)


def _joined(texts: Iterable[str]) -> tuple[Card, ...]:
    """Parse cards and append CONTINUE strings to the string that ends in an ampersand before them."""
    cards: list[Card] = []
    for text in texts:
        keyword, value, comment = parse_card(text)
        if keyword == "CONTINUE" and cards:
            key, before, remark = cards[-1]
            if isinstance(before, str) and before.endswith("&") and isinstance(value, str):
                cards[-1] = (key, before[:-1] + value, " ".join(filter(None, (remark, comment))))
                continue
        cards.append((keyword, value, comment))
    while cards and cards[-1] == ("", "", ""):
        cards.pop()
    return tuple(cards)


def parse_card(text: str) -> Card:
    """Return keyword, value and comment of one card."""
    keyword = text[:8].rstrip().upper()
    if keyword == "HIERARCH" and "=" in text:
        name, _, rest = text[9:].partition("=")
        return (" ".join(name.split()).upper(), *_value(rest))
    if keyword == "CONTINUE":
        return (keyword, *_value(text[8:]))
    if keyword in COMMENTARY or text[8:9] != "=":
        return keyword, text[8:].rstrip(), ""
    return (keyword, *_value(text[9:]))


def _value(field: str) -> tuple[Scalar, str]:
    field = field.strip()
    if quoted := _STRING.match(field):
        comment = field[quoted.end() :].partition("/")[2]
        return quoted[1].replace("''", "'").rstrip(), comment.strip()
    if field.startswith("'"):  # a string that is never closed
        return field[1:].rstrip(), ""
    text, _, comment = field.partition("/")
    return scalar(text.strip()), comment.strip()


def scalar(text: str) -> Scalar:
    """Return what an unquoted value field says: a number, a logical, None where empty, else its text."""
    if text in ("T", "F"):
        return text == "T"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _REAL.fullmatch(text):
        return float(text.upper().replace("D", "E"))
    return text or None


# -- writing ----------------------------------------------------------------------------------------


def header_bytes(cards: Iterable[Card]) -> bytes:
    """Return a whole header: *cards*, END, and blanks up to a multiple of 2880 bytes."""
    text = "".join(format_card(*card) for card in cards) + "END".ljust(WIDTH)
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("ascii")


def format_card(keyword: str, value: Scalar, comment: str = "") -> str:
    """Return one card as text, a multiple of 80 columns: long strings continue on further cards.

    What FITS cannot hold becomes what it can: characters beyond ASCII are question marks, a number that
    is not finite is an undefined value.
    """
    keyword, comment = keyword.upper(), _ascii(comment)
    if keyword in COMMENTARY:
        text = _ascii("" if value is None else str(value)) or comment
        pieces = [text[i : i + 72] for i in range(0, len(text), 72)] or [""]
        return "".join((keyword.ljust(8) + piece).ljust(WIDTH) for piece in pieces)
    if not _KEYWORD.fullmatch(keyword):
        return _hierarch_card(_ascii(keyword), value, comment)
    start = f"{keyword:<8}= "
    if isinstance(value, str):
        return _string_card(start, _ascii(value), comment)
    # Fixed format: numbers end in column 30.
    return _with_comment(start + _number(value).rjust(20), comment)


def _hierarch_card(keyword: str, value: Scalar, comment: str) -> str:
    """HIERARCH knows no continuation: what does not fit on one card becomes a comment."""
    field = "'" + _ascii(value).replace("'", "''") + "'" if isinstance(value, str) else _number(value)
    text = f"HIERARCH {keyword} = {field}"
    if len(text) > WIDTH or "=" in keyword:
        return format_card("COMMENT", f"{keyword} = {field}")
    return _with_comment(text, comment)


def _with_comment(text: str, comment: str) -> str:
    if comment and len(text) + 3 < WIDTH:
        text = f"{text} / {comment}"
    return text[:WIDTH].ljust(WIDTH)


def _string_card(start: str, value: str, comment: str) -> str:
    quoted = value.replace("'", "''")
    if len(start) + len(quoted) + 2 <= WIDTH:
        return _with_comment(f"{start}'{quoted.ljust(8)}'".ljust(30), comment)
    pieces = list(_pieces(value, WIDTH - len(start) - 3))
    cards = [f"{start}'{pieces[0]}&'".ljust(WIDTH)]
    cards += [f"CONTINUE  '{piece}&'".ljust(WIDTH) for piece in pieces[1:-1]]
    last = f"CONTINUE  '{pieces[-1]}'"
    return "".join(cards) + _with_comment(last, comment)


def _pieces(value: str, first: int) -> Iterable[str]:
    """Cut *value* into quoted pieces; a doubled quote is never torn."""
    room, piece = first, ""
    for c in value:
        c = "''" if c == "'" else c
        if len(piece) + len(c) > room:
            yield piece
            room, piece = WIDTH - 13, ""
        piece += c
    yield piece


def _number(value: float | int | bool | None) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, int):
        return str(value)
    text = repr(float(value)).upper()
    mantissa, e, exponent = text.partition("E")
    return (mantissa if "." in mantissa else f"{mantissa}.0") + e + exponent


def _ascii(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" if c.isprintable() else " " for c in text)


# -- which words mean what ----------------------------------------------------------------------------

_STRUCTURAL = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|BLOCKED|BZERO|BSCALE|BLANK|DATASUM|CHECKSUM|"
    r"DATAMIN|DATAMAX|EXTNAME|EXTVER|EXTLEVEL|INHERIT|NEXTEND|LONGSTRN|END|CONTINUE|TFIELDS|THEAP|"
    r"T(TYPE|FORM|UNIT|DIM|NULL|SCAL|ZERO|DISP|BCOL)\d+|"
    r"Z(IMAGE|CMPTYPE|BITPIX|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+|MASKCMP|QUANTIZ|DITHER0|SIMPLE|EXTEND|TENSION|"
    r"PCOUNT|GCOUNT|HECKSUM|DATASUM|BLANK|SCALE|ZERO|BLOCKED)|FZ(TILELN|ALGOR|QVALUE|QMETHD|DTHRSD|INT2F)"
)

# Lookup-table distortions live in further HDUs, which are not carried along: their words would name nothing.
_TABLES = r"(CPDIS|CQDIS|DP|DQ|CPERR|CQERR)[1-9]|D2IM\w*"

_WCS = re.compile(
    r"(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA)[12]|(CD|PC)[12]_[12]|PC00[12]00[12]|P[VS][12]_\d+|"
    r"WCSNAME|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX|(A|B|AP|BP)_(ORDER|DMAX|\d_\d)"
)
_ANY_WCS = re.compile(
    r"(WCSAXES|WCSNAME|(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CNAME|CRDER|CSYER)\d|(CD|PC)\d_\d|PC00\d00\d|"
    r"P[VS]\d_\d+|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX|(A|B|AP|BP)_(ORDER|DMAX|\d_\d))[A-Z]?|" + _TABLES
)


def is_structural(keyword: str) -> bool:
    """Return whether *keyword* says how one file is stored, so that it means nothing in another file."""
    return _STRUCTURAL.fullmatch(keyword) is not None


def is_wcs(keyword: str) -> bool:
    """Return whether *keyword* belongs to the primary celestial solution, on the first two axes."""
    return _WCS.fullmatch(keyword) is not None


def is_any_wcs(keyword: str) -> bool:
    """Return whether *keyword* ties pixels to a world system: alternates, further axes, tables."""
    return _ANY_WCS.fullmatch(keyword) is not None
