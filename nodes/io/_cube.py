"""FITS cubes whose third axis is time: each plane is a frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...engine.api import Box, Frame, Tile
from ._bintable import Table
from ._fits import PlainReader, TiledReader
from ._frame_file import SECOND, FrameFile, FrameOptions, FrameTimes, Strided, instant_of, with_exposure
from ._spellings import instant, number, text
from ._table_times import TIME_COLUMNS, table_times

_AXES = {"TIME": "utc", "UTC": "utc", "TAI": "tai", "TT": "tt", "TDB": "tdb", "GPS": "gps"}
_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "day": 86400.0}


def is_cube(frame: Frame) -> bool:
    """Return whether the planes of an image are frames: not those of a colour picture."""
    if frame.channels < 2:
        return False
    return frame.color == "planes" or _axis(frame) in _AXES


def cube_frames(
    path: Path, reader: PlainReader | TiledReader, tables: Iterable[Table], raw: Any, options: FrameOptions
) -> FrameFile:
    """Return the planes of a cube as frames.

    Their times are, of these the first: a column TIME, MJD, JD or BJD of a table in the same file with as many rows
    as there are planes; the third axis, where CTYPE3 calls it a time; the header's start and the camera's cycle
    (KCT). A cube without any of these tells no times.
    """
    frame = reader.frame
    base = frame.with_(channels=1, color="gray", cfa=frame.cfa)
    if options.exposure:
        base = with_exposure(base, options.exposure, "given")
    return FrameFile(
        path=path,
        base=base,
        count=frame.channels,
        samples=_plain(reader) if isinstance(reader, PlainReader) else _Decoded(reader),
        times=_times(base, frame.channels, tables, raw),
    )


def _plain(reader: PlainReader) -> Strided:
    layout = dataclasses.replace(reader.layout, channels=1)
    return Strided(layout, layout.nbytes)


@dataclasses.dataclass(frozen=True)
class _Decoded:
    """Planes of a tile-compressed cube."""

    reader: TiledReader

    def read(self, index: int, box: Box) -> Tile:
        return self.reader.read(box, index)


# -- times ------------------------------------------------------------------------------------------


def _axis(frame: Frame) -> str:
    return (text(frame.card("CTYPE3")) or "").upper()


def _times(frame: Frame, count: int, tables: Iterable[Table], raw: Any) -> FrameTimes:
    for table in tables:
        for name in TIME_COLUMNS if table.rows == count else ():
            column = table.columns.get(name)
            if column is not None and column.dtype and not column.shape:
                found = table_times(table, raw, name)
                if any(t is not None for t in found.middles):
                    return found
    nothing = FrameTimes(middles=[None] * count)
    return _by_axis(frame, count) or _by_cycle(frame, count) or nothing


def _by_axis(frame: Frame, count: int) -> FrameTimes | None:
    """Times of the third axis (FITS 4.0, section 9): since the reference that the header names, else its start."""
    scale = _AXES.get(_axis(frame))
    step, value = number(frame.card("CDELT3")), number(frame.card("CRVAL3"))
    step = number(frame.card("CD3_3")) if step is None else step
    unit = _UNITS.get((text(frame.card("CUNIT3")) or text(frame.card("TIMEUNIT")) or "").lower())
    start = _reference(frame)
    if scale is None or step is None or value is None or unit is None or start is None:
        return None
    if _axis(frame) == "TIME":
        scale = str(frame.word("time_scale") or "utc")
    first = number(frame.card("CRPIX3"))
    seconds = [(value + (k + 1 - (1.0 if first is None else first)) * step) * unit for k in range(count)]
    reference = "barycentric" if frame.word("time_reference") == "barycentric" else "topocentric"
    middles = [start + round(s * SECOND) for s in seconds]
    return FrameTimes(middles=middles, scale=scale, reference=reference, rule="from CRVAL3 and CDELT3")


def _reference(frame: Frame) -> int | None:
    """Return the moment from which a time axis counts."""
    for prefix, zero in (("MJD", 0.0), ("JD", -2400000.5)):
        parts = [number(frame.card(f"{prefix}REF{end}")) for end in ("I", "F", "")]
        if any(p is not None for p in parts):
            # Whole days and the rest apart, for nanoseconds.
            whole, rest = parts[0] or 0.0, (parts[1] or 0.0) + (parts[2] or 0.0) + zero
            return int(whole) * 86400 * SECOND + round((whole % 1 + rest) * 86400 * SECOND)
    said = instant(frame.card("DATEREF")) or frame.word("start_time")
    return instant_of(said) if isinstance(said, str) and "T" in said else None


def _by_cycle(frame: Frame, count: int) -> FrameTimes | None:
    cycle, start = number(frame.card("KCT")), frame.word("start_time")
    if cycle is None or not cycle > 0.0 or not isinstance(start, str) or "T" not in start:
        return None
    exposure = frame.word("exposure")
    half = float(exposure) / 2.0 if isinstance(exposure, int | float) else 0.0
    begin = instant_of(start)
    middles = [begin + round((half + k * cycle) * SECOND) for k in range(count)]
    return FrameTimes(
        middles=middles, scale=str(frame.word("time_scale") or "utc"), rule="from the start and the cycle KCT"
    )
