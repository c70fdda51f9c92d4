"""Values of header words as people and programs spell them: numbers, angles, times, frame types.

Each function takes the raw value and returns what it means, or None where it means nothing.
"""

from __future__ import annotations

import datetime as dt
import math
import re

from ...engine.api import Scalar

# -- numbers and text -------------------------------------------------------------------------------


def number(value: Scalar) -> float | None:
    """Return the finite number that *value* is or spells, such as ``'120.00'``; else None."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value.strip().split("/")[0].replace("D", "E") if isinstance(value, str) else value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def text(value: Scalar) -> str | None:
    """Return *value* as non-empty text; words that mean "nothing known" give None."""
    found = "" if value is None or isinstance(value, bool) else str(value).strip()
    return None if found.lower() in ("", "none", "unknown", "n/a", "invalid", "null") else found


def positive(value: Scalar) -> float | None:
    x = number(value)
    return x if x is not None and x > 0 else None


def whole(value: Scalar) -> int | None:
    x = number(value)
    return int(x) if x is not None and x.is_integer() else None


def count(value: Scalar) -> int | None:
    x = whole(value)
    return x if x is not None and x > 0 else None


def celsius(value: Scalar) -> float | None:
    """Return a temperature; -999, -273.15 and the like stand for a sensor that could not be asked."""
    x = number(value)
    return x if x is not None and -150.0 < x < 100.0 else None


def from_metres(value: Scalar) -> float | None:
    """Return millimetres of FLENGTH, which is in metres; whoever writes millimetres writes more than 50."""
    x = positive(value)
    return None if x is None else x * 1000.0 if x < 50.0 else x


def pixels(value: Scalar) -> float | None:
    x = positive(value)
    return x if x is not None and 0.3 <= x <= 100.0 else None


def angle(value: Scalar) -> tuple[float, bool] | None:
    """Return degrees (or hours) of a number or of sexagesimal text, and whether it was sexagesimal."""
    plain = number(value)
    if plain is not None:
        return plain, False
    if not isinstance(value, str):
        return None
    parts = re.fullmatch(
        r"\s*([+-])?\s*(\d+)[\s:hd°]+(\d+)(?:[\s:m']+(\d+(?:\.\d*)?)[s\"]?)?\s*([NSEWnsew])?\s*", value
    )
    if not parts:
        return None
    size = int(parts[2]) + int(parts[3]) / 60 + float(parts[4] or 0) / 3600
    negative = parts[1] == "-" or (parts[5] or "").upper() in ("S", "W")
    return (-size if negative else size), True


def latitude(value: Scalar) -> float | None:
    found = angle(value)
    return found[0] if found and abs(found[0]) <= 90 else None


def longitude(value: Scalar) -> float | None:
    found = angle(value)
    return found[0] if found and abs(found[0]) <= 360 else None


def binning_factor(value: Scalar) -> int | None:
    """Return the binning of one axis: ``2``, ``'2'`` and ``'2x2'`` are all two."""
    plain = re.match(r"\s*(\d+)\s*[xX*,]", value) if isinstance(value, str) else None
    return count(plain[1] if plain else value)


# -- programs ---------------------------------------------------------------------------------------

# Programs of amateurs' cameras. They store the upper row first, also where older versions do not say so, and
# their GAIN is the camera's setting.
_CAPTURE = (
    "n.i.n.a", "nina", "sharpcap", "seestar", "asiair", "asi studio", "zwo", "dwarf", "sequence generator",
    "sgp", "sgpro", "astro photography tool", "apt", "ekos", "kstars", "indi", "indigo", "ccdciel", "firecapture",
    "astrodmx", "voyager", "pixinsight", "vespera", "stellina", "unistellar", "toupsky", "phd2",
)  # fmt: skip


def is_capture(program: str) -> bool:
    """Return whether *program* (or a camera's name) is one of the capture programs of amateurs."""
    plain = program.lower()
    return any(re.search(rf"(?<![a-z]){re.escape(p)}(?![a-z])", plain) for p in _CAPTURE)


# -- frame types ------------------------------------------------------------------------------------

_TYPES = {
    "light": "light", "object": "light", "science": "light", "sci": "light", "target": "light",
    "tricolorimage": "light", "integration": "light", "lights": "light",
    "dark": "dark", "darks": "dark", "flat": "flat", "flats": "flat", "flatfield": "flat", "skyflat": "flat",
    "domeflat": "flat", "twilightflat": "flat", "bias": "bias", "biases": "bias", "offset": "bias",
    "zero": "bias", "darkflat": "darkflat", "flatdark": "darkflat", "darkflats": "darkflat",
    "flatdarks": "darkflat", "darkforflat": "darkflat",
}  # fmt: skip

_IN_NAME = re.compile(
    r"(?<![a-z])(master|stacked)?[\s_-]*(dark[\s_-]*flat|flat[\s_-]*dark|flat|dark|bias|light)(?:e?s)?(?![a-z])"
)


def frame_type(spelled: str) -> str | None:
    """Return the frame type that *spelled* names, such as ``Master Light Frame`` -> ``master-light``."""
    plain = re.sub(r"[^a-z]", "", spelled.lower()).removesuffix("frame").removesuffix("image")
    plain = {"tricolor": "light"}.get(plain, plain)
    master = plain.startswith("master") or plain.endswith("master")
    kind = _TYPES.get(plain.removeprefix("master").removesuffix("master").removesuffix("frame"))
    return f"master-{kind}" if kind and master else kind


def type_in(name: str) -> str | None:
    found = _IN_NAME.search(name.lower())
    if not found:
        return None
    kind = frame_type(found[2])
    return f"master-{kind}" if found[1] else kind


# -- times ------------------------------------------------------------------------------------------


def instant(value: Scalar, clock: Scalar = None) -> str | None:
    """Return a date (with *clock* for one that has no time) as ISO 8601 UTC with at most 6 decimals."""
    if not isinstance(value, str):
        return None
    found = re.fullmatch(r"(.+?)(?:[T ]\s*(\d{1,2}:\d{2}.*))?", value.strip())
    day = _date(found[1].strip()) if found else None
    if day is None or found is None:
        return None
    spelled = found[2] or (clock if isinstance(clock, str) else "")
    time = re.fullmatch(r"\s*(\d{1,2}):(\d{2})(?::(\d{2})(\.\d*)?)?\s*(Z|[+-]\d{2}:?\d{2})?\s*", spelled)
    if not time:
        return day.isoformat() if not found[2] else None
    seconds = int(time[3] or 0)
    if int(time[1]) > 23 or int(time[2]) > 59 or seconds > 60:
        return None
    # A leap second has no name in datetime; it is the first moment of the next minute.
    moment = dt.datetime(day.year, day.month, day.day, int(time[1]), int(time[2]))
    moment += dt.timedelta(seconds=seconds, microseconds=int((time[4] or ".")[1:7].ljust(6, "0")))
    if zone := (time[5] or "Z").replace(":", "").strip("Z"):
        away = dt.timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
        moment += -away if zone[0] == "+" else away
    return moment.isoformat()


def _date(spelled: str) -> dt.date | None:
    """``2019-04-29``, ``2019/04/29``, and the FITS form before 1997, ``29/04/96``."""
    parts = re.fullmatch(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})", spelled)
    old = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})", spelled)
    try:
        if parts:
            return dt.date(int(parts[1]), int(parts[2]), int(parts[3]))
        if old:
            year = int(old[3]) + (1900 if len(old[3]) == 2 else 0)
            return dt.date(year, int(old[2]), int(old[1]))
    except ValueError:
        return None
    return None
