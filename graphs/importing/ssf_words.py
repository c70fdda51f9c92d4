"""Siril scripts as commands: one a line, words and options, nothing understood yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...engine.errors import GraphError

# The longest scripts in circulation have some hundred lines.
MAX_CHARACTERS = 1_000_000
MAX_COMMANDS = 2_000

_OPTION = re.compile(r"-([A-Za-z0-9][\w-]*)(?:=(.*))?", re.S)
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{0,30})?|-?\.\d{1,30}")


class Unclear(Exception):
    """A command cannot be understood, or has no counterpart; says why."""


@dataclass
class Call:
    """One command of a script; what its reader takes is gone, so that what is left was not understood."""

    line: int
    name: str
    words: list[str]
    options: dict[str, str | None] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.name, *self.words, *map(self.option_text, self.options)])

    @property
    def arguments(self) -> str:
        """What stands behind the name."""
        return str(self)[len(self.name) :].strip()

    def copy(self) -> Call:
        return Call(self.line, self.name, list(self.words), dict(self.options))

    def option_text(self, name: str) -> str:
        value = self.options[name]
        return f"-{name}" if value is None else f"-{name}={value}"

    def word(self, wanted: str) -> str:
        """Take the next word, which is *wanted*."""
        if not self.words:
            raise Unclear(f"{wanted} is missing")
        return self.words.pop(0)

    def number(self, wanted: str, default: float | None = None) -> float:
        """Take the next word as a number."""
        if default is not None and not self.words:
            return default
        return number(self.word(wanted), wanted)

    def numbers(self, most: int) -> list[float]:
        """Take the words that follow as long as they are numbers, at most so many."""
        found: list[float] = []
        while self.words and len(found) < most and _NUMBER.fullmatch(self.words[0]):
            found.append(float(self.words.pop(0)))
        return found

    def flag(self, name: str) -> bool:
        """Take an option without value; tell whether it is there."""
        if name not in self.options:
            return False
        del self.options[name]
        return True

    def option(self, name: str, default: str = "") -> str:
        """Take the value of an option."""
        if name not in self.options:
            return default
        value = self.options.pop(name)
        if value is None:
            raise Unclear(f"option -{name} wants a value")
        return value

    def option_number(self, name: str, default: float) -> float:
        text = self.option(name)
        return number(text, f"-{name}") if text else default


def number(text: str, wanted: str) -> float:
    """Return *text* as a number, or say that *wanted* is none."""
    if not _NUMBER.fullmatch(text):
        raise Unclear(f"{wanted} must be a number, got {text[:40]!r}")
    return float(text)


def calls(text: str) -> list[Call]:
    """Return the commands of a script in order.

    Raises
    ------
    GraphError
        The text is too long to be a script, or a quotation does not end; says on which line.
    """
    if len(text) > MAX_CHARACTERS:
        raise GraphError(f"a script has at most {MAX_CHARACTERS:,} characters, this one has {len(text):,}")
    found = []
    for at, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            words = _words(line, at)
            if words:
                found.append(_call(words, at))
    if len(found) > MAX_COMMANDS:
        raise GraphError(f"a script has at most {MAX_COMMANDS:,} commands, this one has {len(found):,}")
    return found


def _call(words: list[str], line: int) -> Call:
    call = Call(line, words[0], [])
    for word in words[1:]:
        option = _OPTION.fullmatch(word)
        if option is None or _NUMBER.fullmatch(word):
            call.words.append(word)
        else:
            call.options[option[1]] = option[2]
    return call


def _words(line: str, at: int) -> list[str]:
    """Return the words of a line; quotes hold blanks together and are taken off."""
    words, word, quote, begun = [], "", "", False
    for c in line.strip():
        if quote:
            if c == quote:
                quote = ""
            else:
                word += c
        elif c in "\"'":
            quote, begun = c, True
        elif c.isspace():
            if word or begun:
                words.append(word)
            word, begun = "", False
        else:
            word += c
    if quote:
        raise GraphError(f"line {at}: a quotation {quote} does not end")
    return [*words, word] if word or begun else words
