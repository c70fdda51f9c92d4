"""One raw file as preprocessing sees it: what it is, and the words by which files are grouped and matched."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from ...engine.frame import Frame, Scalar
from . import names

Kind = Literal["light", "flat", "dark", "darkflat", "bias"]
KINDS: tuple[Kind, ...] = ("light", "flat", "dark", "darkflat", "bias")

# What separates a camera's set temperature from the one it reads, before somebody ought to be told.
_COOLED = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRecord:
    """What is known of a file from its header, and where that is silent, from its name and folders.

    Attributes
    ----------
    path
        The file, as it is to be opened.
    kind, master
        What it is, and whether it is a master already: made of many frames.
    width, height, channels, cfa
        Of the image; the letters of the colour filters as stored, None where there are none.
    exposure, temperature
        Seconds; degrees Celsius, the set temperature where there is one.
    gain, offset, read_mode
        Settings of the camera; ISO counts as gain where there is no gain.
    binning
        Across and down.
    camera, object, filter
        As the header spells them, except for the filter, which has one name for its usual spellings.
    start
        When the exposure began, ISO 8601 in UTC.
    night
        The date of the evening before, by local time where the header tells it or the longitude.
    keywords
        Values of the user's own grouping keywords.
    rules
        Where each word came from.
    doubts
        What ought to be told about the file.
    """

    path: str
    kind: Kind
    master: bool = False
    width: int = 0
    height: int = 0
    channels: int = 1
    cfa: str | None = None
    exposure: float | None = None
    temperature: float | None = None
    gain: float | None = None
    offset: float | None = None
    read_mode: str | None = None
    binning: tuple[int, int] = (1, 1)
    camera: str | None = None
    object: str | None = None
    filter: str | None = None
    start: str | None = None
    night: str | None = None
    keywords: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def record_of(
    path: str,
    frame: Frame,
    *,
    inside: str | None = None,
    filters: Mapping[str, str] | None = None,
    keywords: Iterable[str] = (),
) -> FrameRecord:
    """Return the record of file *path*, which holds an image of *frame*.

    Parameters
    ----------
    path, frame
        The file, and what its header says.
    inside
        The path seen from the folder that was scanned: names of folders above it mean nothing.
    filters
        The user's names of filters: spelling -> name.
    keywords
        The user's grouping keywords, taken from the header, else from ``KEYWORD_value`` in the path.
    """
    inside = path if inside is None else inside
    words = _Words(frame, inside)
    kind, master = _kind(words, inside)
    return FrameRecord(
        path=path,
        kind=kind,
        master=master,
        width=frame.width,
        height=frame.height,
        channels=frame.nominal,
        cfa=frame.cfa,
        exposure=words.number("exposure"),
        temperature=_temperature(words),
        gain=_gain(words),
        offset=words.number("offset"),
        read_mode=words.text("read_mode"),
        binning=_binning(words),
        camera=words.text("camera"),
        object=words.text("object"),
        filter=names.filter_name(words.text("filter"), filters or {}),
        start=words.text("start_time"),
        night=_night(words),
        keywords=_keywords(frame, inside, keywords),
        rules=words.rules,
        doubts=tuple(words.doubts),
    )


class _Words:
    """The words of a header, with those of the file's name behind them; remembers which came from where."""

    def __init__(self, frame: Frame, inside: str) -> None:
        self.header = {name: word for name, word in frame.words if word.value is not None}
        self.name = names.words_in(inside)
        self.rules: dict[str, str] = {}
        self.doubts: list[str] = []

    def value(self, name: str) -> Scalar:
        if name in self.header:
            self.rules[name] = self.header[name].rule
            return self.header[name].value
        if name in self.name:
            value, spelled = self.name[name]
            self.rules[name] = f"from {spelled!r} in the path"
            return value
        return None

    def number(self, name: str) -> float | None:
        value = self.value(name)
        return float(value) if isinstance(value, int | float) else None

    def text(self, name: str) -> str | None:
        value = self.value(name)
        return None if value is None else str(value).strip() or None


def _kind(words: _Words, inside: str) -> tuple[Kind, bool]:
    """Return what a file is: by its header, its name, the last of its folders that says so, else a light."""
    said = words.header.get("type")
    in_path = names.kind_in(inside)
    if said is not None and said.rule.startswith("from the f"):
        said = None  # the reader saw the whole path; only the part below the scanned folder counts
    spelled = str(said.value) if said else in_path[0] if in_path else "light"
    kind = next((k for k in KINDS if k == spelled.removeprefix("master-")), None)
    if kind is None:
        words.doubts.append(f"unknown type {spelled!r}: taken as a light")
        kind = "light"
    if said:
        words.rules["type"] = said.rule
    else:
        words.rules["type"] = f"from {in_path[1]!r} in the path" if in_path else "no word tells: taken as a light"
    if said and in_path and in_path[0].removeprefix("master-") != kind and not _same_light(kind, in_path[0]):
        words.doubts.append(f"its header says {kind}, its path says {in_path[0]} ({in_path[1]!r})")
    return kind, _is_master(words, spelled, inside)


def _same_light(kind: Kind, in_path: str) -> bool:
    # Dark flats are plain darks in many programs' headers: the path only says more.
    return kind == "dark" and in_path.endswith("darkflat")


def _is_master(words: _Words, spelled: str, inside: str) -> bool:
    combined = words.header.get("combined")
    count = combined.value if combined else None
    return (
        spelled.startswith("master-")
        or (isinstance(count, int) and count > 1)
        or names.says_master(PurePath(inside).name)
    )


def _temperature(words: _Words) -> float | None:
    wanted, read = words.number("set_temperature"), words.number("temperature")
    if wanted is not None and read is not None and abs(wanted - read) > _COOLED:
        words.doubts.append(f"the sensor was at {read:.1f} C, set to {wanted:.1f} C")
    return read if wanted is None else wanted


def _gain(words: _Words) -> float | None:
    gain = words.number("gain")
    if gain is None and (gain := words.number("iso")) is not None:
        words.rules["gain"] = f"ISO, {words.rules['iso']}"
    return gain


def _binning(words: _Words) -> tuple[int, int]:
    x, y = words.header.get("binning_x"), words.header.get("binning_y")
    told = x is not None and not x.rule.startswith("no word")
    across = x.value if told and x else words.number("binning")
    down = y.value if told and y else across
    if not told and "binning" not in words.rules:
        words.rules["binning"] = "no word: taken as 1"
    return _whole(across), _whole(down)


def _whole(value: Scalar) -> int:
    return int(value) if isinstance(value, int | float) and value >= 1 else 1


def _night(words: _Words) -> str | None:
    """Return the date of the evening: noon begins a new one, by local time as far as it is known."""
    local, start = words.text("local_time"), words.text("start_time")
    longitude = words.number("site_longitude")
    moment = _moment(local) or _moment(start)
    if moment is None:
        return None
    if local is None and longitude is not None:
        moment += dt.timedelta(hours=((longitude + 180.0) % 360.0 - 180.0) / 15.0)
        words.rules["night"] = "start time and longitude"
    else:
        words.rules["night"] = "local time" if local else "start time in UTC"
    return (moment - dt.timedelta(hours=12)).date().isoformat()


def _moment(text: str | None) -> dt.datetime | None:
    try:
        return None if text is None or "T" not in text else dt.datetime.fromisoformat(text)
    except ValueError:
        return None


def _keywords(frame: Frame, inside: str, wanted: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for keyword in wanted:
        value = frame.card(keyword.upper())
        in_path = re.findall(rf"(?<![A-Za-z]){re.escape(keyword)}[_\- ]([^_/ ]+)", names.bare(inside), re.IGNORECASE)
        if value is not None and str(value).strip():
            found[keyword] = str(value).strip()
        elif in_path:
            found[keyword] = in_path[-1]
    return found
