"""When single frames were exposed, by their header words, in whole nanoseconds."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from ...engine.api import Frame, ParameterError

SECOND = 10**9
DAY = 86400 * SECOND
_ZERO = dt.datetime(1858, 11, 17)
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d+))?(Z|[+-]\d{2}:?\d{2})?")

# How far the clocks of other scales are from the three that are kept, in nanoseconds: TT = TAI + 32.184 s,
# GPS = TAI - 19 s.
_KEPT = {"utc": ("utc", 0), "tai": ("tai", 0), "tdb": ("tdb", 0), "tt": ("tai", -32_184_000_000),
         "gps": ("tai", 19 * SECOND)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stamp:
    """When one frame was exposed.

    Attributes
    ----------
    middle, start
        Nanoseconds since the modified Julian date 0, in *scale*; *start* is what was written, which of a written
        middle is the middle.
    exposure
        Seconds; None where the header tells none.
    scale, reference
        As of a Value of type ``times``.
    source
        Which words it comes from.
    written
        The smallest step that the writing can tell, in nanoseconds.
    doubt
        What is doubtful about it, in a sentence; or empty.
    """

    middle: int
    start: int
    exposure: float | None
    scale: str
    reference: str
    source: str
    written: int
    doubt: str = ""


def stamp_of(frame: Frame) -> Stamp | None:
    """Return when *frame* was exposed; None where its header has no time of day.

    Raises
    ------
    ParameterError
        The header's clock is none that can be converted.
    """
    exposure = frame.word("exposure")
    seconds = float(exposure) if isinstance(exposure, int | float) else None
    scale, shift = kept_scale(str(frame.word("time_scale") or "utc"))
    reference = "barycentric" if frame.word("time_reference") == "barycentric" else "topocentric"
    for name, half in (("mid_time", 0.0), ("start_time", (seconds or 0.0) / 2.0)):
        said = frame.word(name)
        written = instant_ns(said) if isinstance(said, str) else None
        if written is None:
            continue
        rule = next(w.rule for n, w in frame.words if n == name)
        keyword = rule.removeprefix("from ").partition(",")[0]
        source, doubt = keyword, ""
        if name == "start_time":
            source = f"{keyword} + exposure/2"
            if seconds is None:
                source, doubt = keyword, f"no exposure is known: {keyword} stands for its middle"
            elif "was made" in rule:
                doubt = f"{keyword} tells, by its comment, when the file was made"
        start = written + shift
        step = _written_step(frame, keyword, str(said))
        return Stamp(start + round(half * SECOND), start, seconds, scale, reference, source, step, doubt)
    return None


def kept_scale(scale: str) -> tuple[str, int]:
    """Return the scale in which times of *scale* are kept, and the nanoseconds to add to them."""
    if scale not in _KEPT:
        raise ParameterError(f"times in the scale {scale!r} cannot be converted, only {', '.join(_KEPT)}")
    return _KEPT[scale]


def instant_ns(text: str) -> int | None:
    """Return nanoseconds since the modified Julian date 0 of a date with a time of day; else None."""
    found = _ISO.fullmatch(text.strip())
    if found is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(f"{found[1]}T{found[2]}")
    except ValueError:
        return None
    since = moment - _ZERO
    fraction = int((found[3] or "0")[:9].ljust(9, "0"))
    zone = (found[4] or "Z").replace(":", "")
    away = 0 if zone == "Z" else int(zone[1:3]) * 60 + int(zone[3:5])
    away = -away if zone.startswith("+") else away
    return since.days * DAY + (since.seconds + 60 * away) * SECOND + fraction


def julian_ns(days: Decimal) -> int:
    """Return nanoseconds since the modified Julian date 0 of a Julian date, full or modified."""
    return int(((days - Decimal("2400000.5") if days > 1_000_000 else days) * DAY).to_integral_value())


def iso_of(ns: int) -> str:
    """Return the ISO date and time of whole seconds; what is below a second is left out."""
    return (_ZERO + dt.timedelta(seconds=ns // SECOND)).isoformat()


def _written_step(frame: Frame, keyword: str, text: str) -> int:
    raw = frame.card(keyword)
    if isinstance(raw, float):
        exponent = Decimal(repr(raw)).as_tuple().exponent
        return max(1, int(Decimal(DAY).scaleb(exponent))) if isinstance(exponent, int) else 1
    return text_step(raw if isinstance(raw, str) and instant_ns(raw) is not None else text)


def text_step(text: str) -> int:
    """Return the nanoseconds of the last digit of a time of day."""
    found = _ISO.fullmatch(text.strip())
    if found is None or found[2].count(":") == 1:
        return 60 * SECOND
    return int(10 ** (9 - min(9, len(found[3] or ""))))


def quantum_of(stamps: Sequence[Stamp]) -> float:
    """Return the finest difference in seconds that the stamps of a series can tell.

    That is what the finest of them writes, or what all of them keep to where that is coarser, up to a second: clocks
    of whole seconds may be written with zeros behind. Of an exactly even cadence the latter cannot be told.
    """
    written = min(s.written for s in stamps)
    starts = sorted(s.start for s in stamps)
    steps = {b - a for a, b in pairwise(starts)}
    if len(steps) < 2:
        return written / SECOND
    kept = math.gcd(SECOND, *(s % SECOND for s in starts))
    return max(written, kept) / SECOND
