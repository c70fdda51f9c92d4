"""In which words two groups of frames differ, as far as a calibration step minds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .group import Group, Rules, celsius, seconds


class Difference(NamedTuple):
    """A word in which a candidate is not as it should be.

    Attributes
    ----------
    word
        Such as ``exposure``.
    wanted, there
        Both sides for reading: ``2.5 s``, ``5 s``.
    amount
        How far apart, in the word's unit; 0 for words that have none.
    grave
        How far the candidate is from being of use: the nearest miss has the least.
    """

    word: str
    wanted: str
    there: str
    amount: float
    grave: int


_SETTINGS = ("gain", "offset", "read_mode", "camera")
_MINDED = {
    "dark": ("size", "binning", *_SETTINGS, "temperature", "exposure"),
    "darkflat": ("size", "binning", *_SETTINGS, "temperature", "exposure"),
    "bias": ("size", "binning", *_SETTINGS),
    # Of the camera's settings none changes where dust and vignetting are.
    "flat": ("size", "binning", "camera", "filter", "cfa"),
}
_GRAVITY = {"exposure": 1, "temperature": 1, "offset": 2, "read_mode": 2, "gain": 3, "filter": 3, "keyword": 3}


def differences(target: Group, source: Group, role: str, rules: Rules) -> list[Difference]:
    """Return in what *source* is not what *target* wants for *role*; words that one side does not tell agree."""
    return [*_word_differences(target, source, role, rules), *_keyword_differences(target, source)]


def _word_differences(target: Group, source: Group, role: str, rules: Rules) -> Iterator[Difference]:
    for word in _MINDED[role]:
        wanted, there = _value(target, word), _value(source, word)
        if word in rules.ignore or (word != "filter" and (wanted is None or there is None)):
            continue
        amount = _amount(wanted, there)
        if amount > _tolerance(word, rules) if amount is not None else _plain(wanted) != _plain(there):
            yield Difference(word, _text(word, wanted), _text(word, there), amount or 0.0, _GRAVITY.get(word, 4))


def _keyword_differences(target: Group, source: Group) -> Iterator[Difference]:
    """Yield the user's keywords that the candidate has with another value, or that the target lacks."""
    for keyword, there in source.first.keywords.items():
        wanted = target.first.keywords.get(keyword)
        if wanted != there:
            yield Difference("keyword", f"{keyword} {wanted or 'none'}", f"{keyword} {there}", 0.0, 3)


def matching_keywords(target: Group, source: Group) -> int:
    return len(target.first.keywords.items() & source.first.keywords.items())


def unknown(target: Group, source: Group, role: str, rules: Rules) -> list[str]:
    """Return the words that only one side tells."""
    return [
        word.replace("_", " ")
        for word in _MINDED[role]
        if word not in ("filter", "cfa", *rules.ignore)
        and (_value(target, word) is None) != (_value(source, word) is None)
    ]


def _value(group: Group, word: str) -> Any:
    first = group.first
    if word == "size":
        return (first.width, first.height) if first.width else None
    if word in ("exposure", "temperature"):
        return getattr(group, word)
    return getattr(first, word)


def _amount(wanted: Any, there: Any) -> float | None:
    numbers = isinstance(wanted, int | float) and isinstance(there, int | float)
    return abs(wanted - there) if numbers else None


def _tolerance(word: str, rules: Rules) -> float:
    # Headers round: -10.0 and -12.0 are two degrees apart, whatever binary fractions say.
    return {"exposure": rules.exposure, "temperature": rules.temperature}.get(word, 0.0) + 1e-6


def _plain(value: Any) -> Any:
    """Return text as it compares: programs write one camera's name with and without spaces and capitals."""
    return "".join(c for c in value.lower() if c.isalnum()) if isinstance(value, str) else value


def _text(word: str, value: Any) -> str:
    if word == "exposure":
        return seconds(value)
    if word == "temperature":
        return celsius(value)
    if word == "size":
        return f"{value[0]}x{value[1]}"
    if word == "binning":
        return f"bin {value[0]}x{value[1]}"
    if isinstance(value, float):
        return f"{word.replace('_', ' ')} {value:g}"
    return f"{word.replace('_', ' ')} {value if value is not None else 'none'}"
