"""Header words as programs write them, brought to one name, one unit and one meaning each.

The raw header stays whole; every normalised word carries the rule that produced it, so that a surprising
value can be traced to the card it came from. Sources: the header documentation of NINA, SGP, MaxIm DL,
SharpCap, APT, Siril, KStars/INDI, Astro Pixel Processor and ZWO Seestar, and SBFITSEXT 1.0.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

from ...engine.api import Card, Scalar, Word
from ._mosaic import flipped as flipped
from ._mosaic import mosaic_words
from ._spellings import (
    angle,
    binning_factor,
    celsius,
    count,
    frame_type,
    from_metres,
    instant,
    is_capture,
    latitude,
    longitude,
    pixels,
    positive,
    text,
    type_in,
)
from ._spellings import number as number

Cards = Mapping[str, tuple[Scalar, str]]
"""Keyword -> (value, comment); the first card of a keyword counts."""

Words = dict[str, Word]


def normalise(cards: Sequence[Card], file_name: str = "") -> tuple[tuple[str, Word], ...]:
    """Return the normalised words of a header, sorted by name.

    Parameters
    ----------
    cards
        The raw header: keyword, value, comment.
    file_name
        Name (with folders, if they mean something) of the file; asked for the frame type where the header is
        silent.

    Returns
    -------
    tuple of (name, Word)
        ``type`` is one of light, dark, flat, bias, darkflat, each also with ``master-`` before it. Times are
        ISO 8601 in UTC unless ``time_scale`` says otherwise, angles degrees, exposures seconds, temperatures
        Celsius, pixel sizes micrometres including binning, focal lengths millimetres. A word that the header does
        not hold is left out.
    """
    first: dict[str, tuple[Scalar, str]] = {}
    for keyword, value, comment in cards:
        if value is not None:
            first.setdefault(keyword, (value, comment))
    words: Words = {}
    for name, alias in ALIASES.items():
        if found := _first(first, alias):
            words[name] = found
    for rule in (_program, _exposure, _frame_type, _gain, _binning, _pixel_size, _times, _position):
        rule(first, words, file_name)
    words |= mosaic_words(first, str(words["program"].value) if "program" in words else "")
    return tuple(sorted(words.items()))


# -- words that are only called differently ----------------------------------------------------------------

Parse = Callable[[Scalar], Scalar]

ALIASES: dict[str, tuple[Parse, tuple[str, ...]]] = {
    "camera": (text, ("INSTRUME", "CAMERA", "DETECTOR", "CAMMODEL")),
    "combined": (count, ("NCOMBINE", "STACKCNT", "NUMFRAME", "SNAPSHOT")),
    "e_per_adu": (positive, ("EGAIN", "CVF")),
    "filter": (text, ("FILTER", "FILT-1", "FILTER-1", "FILTNAME", "FILTER1", "FILTER01", "FILTERID")),
    "focal_length": (positive, ("FOCALLEN", "FOCAL")),
    "focuser": (number, ("FOCPOS", "FOCUSPOS", "FOCUSER")),
    "focuser_temperature": (celsius, ("FOCTEMP", "FOCUSTEM")),
    "iso": (count, ("ISOSPEED", "ISO")),
    "object": (text, ("OBJECT", "OBJNAME", "TARGET")),
    "offset": (number, ("OFFSET", "BLKLEVEL", "BLKLVL")),
    "read_mode": (text, ("READOUTM", "READMODE")),
    "set_temperature": (celsius, ("SET-TEMP", "SETTEMP", "CCDTSET", "SET_TEMP")),
    "site_latitude": (latitude, ("SITELAT", "SITE-LAT", "OBSLAT", "LAT-OBS", "OBSGEO-B")),
    "site_longitude": (longitude, ("SITELONG", "SITE-LON", "OBSLONG", "LONG-OBS", "OBSGEO-L")),
    "telescope": (text, ("TELESCOP", "SCOPE")),
    "temperature": (celsius, ("CCD-TEMP", "CCD_TEMP", "CCDTEMP", "CAMTCCD", "DET-TEMP", "TEMPERAT")),
}

_PROGRAMS = ("SWCREATE", "CREATOR", "PROGRAM", "SOFTWARE", "SWSERVER", "SWMODIFY")


def _first(cards: Cards, alias: tuple[Parse, tuple[str, ...]]) -> Word | None:
    parse, keywords = alias
    for keyword in keywords:
        if keyword in cards:
            value = parse(cards[keyword][0])
            if value is not None:
                return Word(value, f"from {keyword}")
    return None


# -- words that need thought -----------------------------------------------------------------------------


def _program(cards: Cards, words: Words, file_name: str) -> None:
    """The creator; Seestar puts its name into CREATOR and a bare version number into PROGRAM."""
    found = _first(cards, (lambda v: None if number(v) is not None else text(v), _PROGRAMS))
    if found:
        words["program"] = found


def _exposure(cards: Cards, words: Words, file_name: str) -> None:
    """Seconds; some old programs write milliseconds and say so in the comment, one writes darks negative."""
    for keyword in ("EXPTIME", "EXPOSURE", "EXP", "EXP_TIME", "EXPOTIME", "LIVETIME"):
        value, comment = cards.get(keyword, (None, ""))
        seconds = number(value)
        if seconds is None:
            continue
        rule = f"from {keyword}"
        if re.search(r"\bmilli|\bms\b|\[ms\]", comment.lower()):
            seconds, rule = seconds / 1000.0, f"{rule}, milliseconds by its comment"
        if seconds < 0:
            seconds, rule = -seconds, f"{rule}, negative: a dark"
        words["exposure"] = Word(seconds, rule)
        return
    start, end = number(cards.get("EXPSTART", (None, ""))[0]), number(cards.get("EXPEND", (None, ""))[0])
    if start is not None and end is not None and end > start:
        words["exposure"] = Word(round((end - start) * 86400.0, 3), "from EXPSTART and EXPEND, days")


def _frame_type(cards: Cards, words: Words, file_name: str) -> None:
    path = PurePath(file_name.replace("\\", "/"))
    said = type_in(path.name)
    for keyword in ("IMAGETYP", "IMAGETYPE", "FRAMETYP", "FRAME", "OBSTYPE", "CALFRAME", "PICTTYPE"):
        kind = frame_type(str(cards.get(keyword, ("", ""))[0]))
        if kind is None:
            continue
        rule = f"from {keyword}"
        if kind == "light" and "INTEGRAT" in cards:
            kind, rule = "master-light", f"{rule} and INTEGRAT"
        if said and said.removeprefix("master-") != kind.removeprefix("master-"):
            rule += f"; the file name says {said}"
        words["type"] = Word(kind, rule)
        return
    if "INTEGRAT" in cards:
        words["type"] = Word("master-light", "from INTEGRAT")
    elif "exposure" in words and "negative" in words["exposure"].rule:
        words["type"] = Word("dark", "from a negative exposure")
    elif said:
        words["type"] = Word(said, f"from the file name {path.name!r}")
    else:
        for folder in reversed(path.parts[:-1]):
            if kind := type_in(folder):
                words["type"] = Word(kind, f"from the folder name {folder!r}")
                return


def _gain(cards: Cards, words: Words, file_name: str) -> None:
    """GAIN is the camera's setting for amateurs' programs, electrons per ADU for observatories."""
    if "e_per_adu" in words:
        words["egain"] = words.pop("e_per_adu")
    value = cards.get("GAIN", (None, ""))[0]
    gain = number(value)
    if gain is None or gain < 0:
        return
    program = str(words["program"].value) if "program" in words else ""
    if "egain" in words or gain >= 10.0:
        words["gain"] = Word(gain, "from GAIN")
    elif isinstance(value, int) or is_capture(program):
        words["gain"] = Word(gain, "from GAIN, taken as the camera's setting: whole, or of a capture program")
    elif gain > 0:
        words["egain"] = Word(gain, "from GAIN, taken as e-/ADU: a fraction below 10")


def _binning(cards: Cards, words: Words, file_name: str) -> None:
    names = {
        "x": ("XBINNING", "CCDXBIN", "BINX", "HBIN", "BINNING", "CCDBINX"),
        "y": ("YBINNING", "CCDYBIN", "BINY", "VBIN", "BINNING", "CCDBINY"),
    }
    for axis, keywords in names.items():
        found = _first(cards, (binning_factor, keywords))
        words[f"binning_{axis}"] = found or Word(1, "no word: taken as 1")


def _pixel_size(cards: Cards, words: Words, file_name: str) -> None:
    """XPIXSZ includes binning; PIXSIZE1 is the sensor's own."""
    found = _first(cards, (pixels, ("XPIXSZ", "XPIXSIZE", "XPIXELSZ", "YPIXSZ")))
    own = _first(cards, (pixels, ("PIXSIZE1", "PIXSIZEX", "PIXSIZE")))
    if found:
        words["pixel_size"] = found
    elif own:
        binning = words["binning_x"].value
        assert isinstance(own.value, float) and isinstance(binning, int)
        words["pixel_size"] = Word(own.value * binning, f"{own.rule}, times binning {binning}")
    if "focal_length" not in words and (metres := _first(cards, (from_metres, ("FLENGTH",)))):
        words["focal_length"] = Word(metres.value, "from FLENGTH, metres")


# -- times ------------------------------------------------------------------------------------------


def _times(cards: Cards, words: Words, file_name: str) -> None:
    clock = next((cards[k][0] for k in ("TIME-OBS", "UT", "UTSTART", "UTC") if k in cards), None)
    for keyword in ("DATE-BEG", "DATE-OBS", "DATE_OBS", "DATE-UTC"):
        value, comment = cards.get(keyword, (None, ""))
        if found := instant(value, clock):
            rule = f"from {keyword}"
            if "created" in comment.lower():
                rule += ", by its comment the time the image was made"
            words["start_time"] = Word(found, rule)
            break
    else:
        _julian_start(cards, words)
    for name, keyword in (("mid_time", "DATE-AVG"), ("end_time", "DATE-END"), ("local_time", "DATE-LOC")):
        if found := instant(cards.get(keyword, (None, ""))[0]):
            words[name] = Word(found, f"from {keyword}")
    middle = number(cards.get("MJD-AVG", (None, ""))[0])
    if "mid_time" not in words and middle is not None and 10000 < middle < 100000:
        moment = dt.datetime(1858, 11, 17) + dt.timedelta(days=middle)
        words["mid_time"] = Word(moment.isoformat(), "from MJD-AVG, days")
    _time_scale(cards, words)


def _time_scale(cards: Cards, words: Words) -> None:
    """What clock the times are of and where it stands, where that is not UTC at the telescope."""
    system = (text(cards.get("TIMESYS", (None, ""))[0]) or "UTC").partition("(")[0].strip().lower()
    if system not in ("utc", "local"):
        words["time_scale"] = Word({"tdt": "tt", "et": "tt", "iat": "tai"}.get(system, system), "from TIMESYS")
    for keyword in ("TREFPOS", "TIMEREF"):
        place = (text(cards.get(keyword, (None, ""))[0]) or "").upper()
        if place.startswith(("BARYC", "SOLARSYS")):
            words["time_reference"] = Word("barycentric", f"from {keyword}")


def _julian_start(cards: Cards, words: Words) -> None:
    for keyword, zero in (("MJD-BEG", 0.0), ("MJD-OBS", 0.0), ("MJD_OBS", 0.0), ("EXPSTART", 0.0), ("JD", 2400000.5)):
        days = number(cards.get(keyword, (None, ""))[0])
        if days is None:
            continue
        # EXPSTART is a Julian date in amateurs' files and a modified one in Hubble's.
        days -= 2400000.5 if not zero and days > 2000000 else zero
        if 10000 < days < 100000:
            moment = dt.datetime(1858, 11, 17) + dt.timedelta(days=days)
            words["start_time"] = Word(moment.isoformat(timespec="milliseconds"), f"from {keyword}, days")
            return


# -- sky position ---------------------------------------------------------------------------------------


def _position(cards: Cards, words: Words, file_name: str) -> None:
    """Degrees of the first pair that is neither missing nor 0, 0 (which programs write for "unknown")."""
    who = f"{words['program'].value if 'program' in words else ''} {cards.get('INSTRUME', ('', ''))[0]}".lower()
    for ra_word, dec_word in (("RA", "DEC"), ("RA_D", "DEC_D"), ("OBJCTRA", "OBJCTDEC"), ("RA_OBJ", "DEC_OBJ")):
        ra, dec = angle(cards.get(ra_word, (None, ""))[0]), angle(cards.get(dec_word, (None, ""))[0])
        if ra is None or dec is None or (ra[0] == 0 and dec[0] == 0):
            continue
        hours = (
            ra[1] or ("dwarf" in who and ra[0] < 24.0) or "hour" in cards[ra_word][1].lower().replace("hour angle", "")
        )
        degrees = ra[0] * 15.0 if hours else ra[0]
        if not (0 <= degrees <= 360 and abs(dec[0]) <= 90):
            continue
        words["ra"] = Word(degrees, f"from {ra_word}{', hours' if hours else ''}")
        words["dec"] = Word(dec[0], f"from {dec_word}")
        return
