"""The temporal resonance vector: in one line of text, which period is looked for in a series, and how.

::

    trv      = "[TRV:" body { ";" option } "]"
    body     = quantity [ ("±" | "+-") quantity ]     one period or frequency, with its tolerance
             | quantity ".." quantity                 a range to be searched
             | "seed(" region ")"                     the best period of that region's light curve
    quantity = number unit;  unit = ms | s | min | h | d | Hz | mHz | uHz | c/d
    option   = "h=" harmonics | "t0=" time | "bary=" (on | off | auto) | "os=" oversampling
             | "shape=" (harmonic | box) | "dur=" quantity
    time     = ISO 8601 | Julian date | quantity after the epoch

A period without a tolerance means half a unit of its last written digit: ``14.8s`` is 14.75 to 14.85 s, ``14.80s``
is 14.795 to 14.805 s. What was written is therefore kept to the digit, and `parse` of `format` gives it back.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .trv_vector import EXAMPLES as EXAMPLES
from .trv_vector import UNITS, Quantity, Trv, TrvError
from .trv_vector import format as format

HARMONICS = (1, 8)
OVERSAMPLING = (3, 20)
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)((?:[eE][+-]?\d{1,3})?)\s*(c/d|[µμ]?[A-Za-z]+)?\s*", re.ASCII)
_REGION = re.compile(r"\s*seed\(\s*([A-Za-z_][\w.-]*)\s*\)\s*", re.ASCII)
_OPTION = re.compile(r"\s*([a-z]\w*)\s*=\s*", re.ASCII)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(T[\d:.]+)?", re.ASCII)


def parse(text: str) -> Trv:
    """Return what *text* says.

    Raises
    ------
    TrvError
        The text does not parse, or says what cannot be: an empty range, a tolerance as wide as the period. The
        message tells the column.
    """
    return _Reader(text).vector()


class _Piece(NamedTuple):
    quantity: Quantity
    column: int


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def fail(self, wanted: str, at: int | None = None) -> TrvError:
        return TrvError(self.text, (self.at if at is None else at) + 1, wanted)

    def vector(self) -> Trv:
        self.take("[TRV:", "a vector begins with '[TRV:'")
        said = self.body()
        while self.text.startswith(";", self.at):
            self.at += 1
            self.option(said)
        self.take("]", "';' and an option, or ']' wanted")
        if self.text[self.at :].strip():
            raise self.fail("nothing may follow the ']'")
        if said.get("duration") is not None and said.get("shape") != "box":
            raise self.fail("dur= is the duration of a box: say shape=box", len(self.text.rstrip()) - 1)
        return Trv(**said)

    def take(self, wanted: str, message: str) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        if not self.text.startswith(wanted, self.at):
            raise self.fail(message)
        self.at += len(wanted)

    # -- the body --------------------------------------------------------------------------------

    def body(self) -> dict[str, Any]:
        if found := _REGION.match(self.text, self.at):
            self.at = found.end()
            return {"seed": found[1]}
        if self.text[self.at :].lstrip().startswith("seed"):
            raise self.fail("seed wants the name of a region: seed(name)")
        first = self.quantity()
        for sign in ("±", "+-"):
            if self.text.startswith(sign, self.at):
                self.at += len(sign)
                return self.with_tolerance(first, self.quantity())
        if self.text.startswith("..", self.at):
            self.at += 2
            return self.range(first, self.quantity())
        self.above_zero(first)
        return {"center": first.quantity}

    def with_tolerance(self, center: _Piece, width: _Piece) -> dict[str, Any]:
        self.above_zero(center)
        self.same_kind(center, width, "a tolerance")
        # Compared as periods and frequencies are: in one unit.
        a, b = (q.quantity.seconds if center.quantity.is_period else q.quantity.hertz for q in (center, width))
        if not b < a:
            raise self.fail(f"the tolerance must be smaller than {center.quantity}", width.column)
        return {"center": center.quantity, "tolerance": width.quantity}

    def range(self, low: _Piece, high: _Piece) -> dict[str, Any]:
        self.above_zero(low)
        self.above_zero(high)
        self.same_kind(low, high, "the end of a range")
        a, b = (q.quantity.seconds if low.quantity.is_period else q.quantity.hertz for q in (low, high))
        if not a < b:
            raise self.fail(f"a range rises: more than {low.quantity} wanted, got {high.quantity}", high.column)
        return {"low": low.quantity, "high": high.quantity}

    def above_zero(self, piece: _Piece) -> None:
        if not piece.quantity.number > 0:
            raise self.fail("a period or frequency above 0 wanted", piece.column)

    def same_kind(self, first: _Piece, second: _Piece, what: str) -> None:
        if first.quantity.is_period != second.quantity.is_period:
            kind = "time" if first.quantity.is_period else "frequency"
            raise self.fail(f"{what} in a unit of {kind} wanted, got {second.quantity}", second.column)

    def quantity(self) -> _Piece:
        found = _QUANTITY.match(self.text, self.at)
        if found is None:
            raise self.fail("a number with a unit wanted")
        unit = (found[3] or "").replace("µ", "u").replace("μ", "u")
        if unit not in UNITS:
            at = found.start(3) if found[3] else found.end(2)
            raise self.fail(f"a unit wanted, one of {', '.join(UNITS)}", at)
        column = found.start(1)
        self.at = found.end()
        return _Piece(Quantity.of(found[1] + found[2], unit), column)

    # -- options ---------------------------------------------------------------------------------

    def option(self, said: dict[str, Any]) -> None:
        found = _OPTION.match(self.text, self.at)
        rules: dict[str, tuple[str, Callable[[], Any]]] = {
            "h": ("harmonics", lambda: self.whole(*HARMONICS)),
            "t0": ("t0", self.time),
            "bary": ("barycentric", lambda: self.choice("on", "off", "auto")),
            "os": ("oversample", lambda: self.whole(*OVERSAMPLING)),
            "shape": ("shape", lambda: self.choice("harmonic", "box")),
            "dur": ("duration", self.duration),
        }
        if found is None or found[1] not in rules:
            raise self.fail(f"an option wanted, one of {', '.join(f'{k}=' for k in rules)}")
        name, read = rules[found[1]]
        if name in said:
            raise self.fail(f"{found[1]}= is said twice")
        self.at = found.end()
        said[name] = read()

    def word(self) -> str:
        """Return what stands up to the next ';' or ']'."""
        end = re.compile(r"[;\]]|$").search(self.text, self.at)
        assert end is not None
        return self.text[self.at : end.start()].strip()

    def done(self, word: str) -> None:
        self.at = self.text.index(word, self.at) + len(word)

    def whole(self, low: int, high: int) -> int:
        word = self.word()
        if not re.fullmatch(r"\d{1,3}", word, re.ASCII) or not low <= int(word) <= high:
            raise self.fail(f"a whole number of {low} .. {high} wanted")
        self.done(word)
        return int(word)

    def choice(self, *choices: str) -> str:
        word = self.word()
        if word not in choices:
            raise self.fail(f"one of {', '.join(choices)} wanted")
        self.done(word)
        return word

    def duration(self) -> Quantity:
        found = self.quantity()
        self.above_zero(found)
        if not found.quantity.is_period:
            raise self.fail("a duration in a unit of time wanted", found.column)
        return found.quantity

    def time(self) -> str:
        """Return an ISO date, a Julian date or a quantity after the epoch, in its canonical writing."""
        word = self.word()
        if _ISO.fullmatch(word):
            try:
                dt.datetime.fromisoformat(word)
            except ValueError:
                raise self.fail("a date that the calendar has wanted") from None
            self.done(word)
            return word
        if re.fullmatch(r"\d{7}(\.\d+)?", word, re.ASCII):
            self.done(word)
            return word
        if not word[:1].isdigit() and not word.startswith("."):
            raise self.fail("a time wanted: ISO 8601, a Julian date, or a time after the epoch such as 12.5s")
        return str(self.duration_or_zero())

    def duration_or_zero(self) -> Quantity:
        found = self.quantity()
        if not found.quantity.is_period:
            raise self.fail("a time after the epoch wanted, in a unit of time", found.column)
        return found.quantity
