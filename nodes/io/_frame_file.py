"""A file that holds many frames: cubes, target pixel files, video. What its kinds have in common."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, SourceError, Tile, Word
from ._layout import RawLayout

Stamps = Literal["start", "middle", "end"]
ByteOrder = Literal["auto", "little", "big"]
STAMPS = ("start", "middle", "end")
BYTE_ORDERS = ("auto", "little", "big")

SECOND = 10**9
_ZERO = dt.datetime(1858, 11, 17)
_LATEST = (dt.datetime(9999, 1, 1) - _ZERO).days * 86400 * SECOND
_TIME_WORDS = frozenset({"start_time", "mid_time", "end_time", "local_time", "time_scale", "time_reference"})
_TIME_CARDS = frozenset(
    "DATE-OBS DATE_OBS DATE-BEG DATE-AVG DATE-END DATE-UTC DATE-LOC TIME-OBS UT UTSTART UTC "  # noqa: SIM905
    "MJD-OBS MJD_OBS MJD-BEG MJD-AVG MJD-END EXPSTART EXPEND JD TIMESYS TREFPOS TIMEREF".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameOptions:
    """How the frames of a file are to be understood.

    Attributes
    ----------
    hdu
        Index or name of the HDU; None for the first that holds frames.
    exposure
        Seconds of one exposure; 0 for what the file says.
    stamps
        What the stamps of a video mark.
    byte_order
        Of samples of two bytes in a video.
    """

    hdu: int | str | None = None
    exposure: float = 0.0
    stamps: Stamps = "middle"
    byte_order: ByteOrder = "auto"


@dataclass(frozen=True, kw_only=True)
class FrameTimes:
    """When the frames of a file were exposed.

    Attributes
    ----------
    middles
        Nanoseconds since the modified Julian date 0, one a frame; None for those of unknown time.
    scale, reference, rule
        As in words of frames; *rule* says where they come from.
    """

    middles: Sequence[int | None]
    scale: str = "utc"
    reference: str = "topocentric"
    rule: str = ""

    def __post_init__(self) -> None:
        # What no calendar has is no time: damaged stamps, and numbers that were never set.
        known = [m if m is not None and 0 <= m < _LATEST else None for m in self.middles]
        object.__setattr__(self, "middles", known)


class Samples(Protocol):
    """The pixels of the frames of a file."""

    def read(self, index: int, box: Box) -> Tile:
        """Return a new tile of frame *index*."""


@dataclass(frozen=True)
class Strided:
    """Frames that lie in the file one like the other, *stride* bytes apart."""

    first: RawLayout
    stride: int
    reversed_channels: bool = False

    def read(self, index: int, box: Box) -> Tile:
        tile = self.first.read(box, index * self.stride)
        return np.ascontiguousarray(tile[::-1]) if self.reversed_channels else tile


@dataclass(frozen=True, kw_only=True)
class FrameFile:
    """A file of *count* frames of one size.

    Attributes
    ----------
    base
        What the frames have in common; its time words are not theirs.
    left_out
        Frames that no series should use, each with the reason.
    flagged
        Frames that the file marks as doubtful, each with the reason.
    columns, units
        Further figures, one a frame.
    """

    path: Path
    base: Frame
    count: int
    samples: Samples
    times: FrameTimes
    left_out: Mapping[int, str] = field(default_factory=dict)
    flagged: Mapping[int, str] = field(default_factory=dict)
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def frame(self, index: int) -> Frame:
        """Return frame *index* without its pixels."""
        self._within(index)
        words = dict(self._common)
        middle = self.times.middles[index]
        if middle is not None:
            words["mid_time"] = Word(iso_of(middle), self.times.rule)
            if self.times.scale != "utc":
                words["time_scale"] = Word(self.times.scale, self.times.rule)
            if self.times.reference != "topocentric":
                words["time_reference"] = Word(self.times.reference, self.times.rule)
        return self.base.with_(words=tuple(sorted(words.items())))

    def read(self, index: int, box: Box) -> Tile:
        """Return the pixels of *box* of frame *index*; only their bytes are read."""
        self._within(index)
        return self.samples.read(index, box)

    def __post_init__(self) -> None:
        header = tuple(c for c in self.base.header if c[0] not in _TIME_CARDS)
        object.__setattr__(self, "base", self.base.with_(header=header))
        common = {n: w for n, w in self.base.words if n not in _TIME_WORDS}
        object.__setattr__(self, "_common", common)

    _common: Mapping[str, Word] = field(init=False, repr=False, compare=False)

    def _within(self, index: int) -> None:
        if not 0 <= index < self.count:
            raise SourceError(f"{self.path}: it has the frames 0 .. {self.count - 1}, wanted {index}")


def iso_of(ns: int) -> str:
    """Return nanoseconds since the modified Julian date 0 as ISO date and time, with nine decimals."""
    whole = _ZERO + dt.timedelta(seconds=ns // SECOND)
    return f"{whole.isoformat()}.{ns % SECOND:09d}"


def instant_of(text: str) -> int:
    """Return an ISO date and time, without a zone and to the microsecond, as nanoseconds since the date 0."""
    since = dt.datetime.fromisoformat(text) - _ZERO
    return (since.days * 86400 + since.seconds) * SECOND + since.microseconds * 1000


def with_exposure(frame: Frame, seconds: float | None, rule: str) -> Frame:
    """Return *frame* with another exposure, or none."""
    words = tuple(w for w in frame.words if w[0] != "exposure")
    if seconds is None:
        return frame.with_(words=words)
    return frame.with_(words=tuple(sorted((*words, ("exposure", Word(seconds, rule))))))
