"""A user's table of times: one row a frame, ``filename,time`` and perhaps the exposure."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from ...engine.api import ParameterError, SourceError
from ._stamps import SECOND, Stamp, instant_ns, julian_ns, text_step

_NAME = ("filename", "file", "name", "image", "frame")
_TIME = ("time", "date", "date-avg", "mid_time", "jd", "mjd", "bjd", "bjd_tdb", "utc")
_EXPOSURE = ("exposure", "exptime", "exposure_s")


def read_table(path: str, names: Sequence[str], count: int) -> list[Stamp | None]:
    """Return the stamp of each of *count* frames; None for those that the table does not tell of.

    Parameters
    ----------
    path
        Text with commas, semicolons or tabs. A first row without a time names the columns: ``filename``, ``time``
        (ISO 8601 in UTC, or a Julian date, full or modified) or ``bjd`` (barycentric, TDB), and ``exposure`` in
        seconds. Times are middles of exposures.
    names
        File names of the frames, in order; without them there must be a row for each frame, in order.

    Raises
    ------
    SourceError
        The file cannot be read.
    ParameterError
        Rows that do not fit.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise SourceError(f"{path}: cannot be read as a table of times: {e}") from e
    rows = _rows(path, text)
    if not names:
        if len(rows) != count:
            raise ParameterError(
                f"TIME-1: {path} has {len(rows)} rows for {count} frames; without names there must be one a frame"
            )
        return [stamp for _, stamp in rows]
    if len(names) != count:
        raise ParameterError(f"TIME-1: names must tell of each of the {count} frames, got {len(names)}")
    told: dict[str, Stamp] = {}
    for name, stamp in rows:
        if told.setdefault(name, stamp) != stamp:
            raise ParameterError(f"TIME-2: {path} gives {name!r} two times")
    return [told.get(Path(name).name) for name in names]


def _rows(path: str, text: str) -> list[tuple[str, Stamp]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise ParameterError(f"TIME-1: {path} is empty; rows of filename,time are wanted")
    delimiter = max(",;\t", key=lines[0].count)
    cells = [[c.strip() for c in row] for row in csv.reader(lines, delimiter=delimiter)]
    columns = [c.lower() for c in cells[0]]
    if not any(c in _TIME for c in columns):
        columns, header = ["filename", "time", "exposure"], 0
    else:
        header = 1
    where = [next((i for i, c in enumerate(columns) if c in known), -1) for known in (_NAME, _TIME, _EXPOSURE)]
    return [_row(path, n, row, columns, where) for n, row in enumerate(cells[header:], 1 + header)]


def _row(path: str, number: int, row: list[str], columns: list[str], where: list[int]) -> tuple[str, Stamp]:
    name, time, exposure = (row[i] if 0 <= i < len(row) else "" for i in where)
    column = columns[where[1]]
    middle, step = _moment(time)
    if middle is None:
        raise ParameterError(f"TIME-1: {path}, row {number}: ISO date and time or Julian date wanted, got {time!r}")
    try:
        seconds = float(exposure) if exposure else None
    except ValueError:
        raise ParameterError(f"TIME-1: {path}, row {number}: an exposure in seconds wanted, got {exposure!r}") from None
    barycentric = column.startswith("bjd")
    return Path(name).name, Stamp(
        middle=middle,
        start=middle,
        exposure=seconds,
        scale="tdb" if barycentric else "utc",
        reference="barycentric" if barycentric else "topocentric",
        source="table",
        written=step,
    )


def _moment(text: str) -> tuple[int | None, int]:
    """Return nanoseconds since the modified Julian date 0, and those of the last written digit."""
    found = instant_ns(text)
    if found is not None:
        return found, text_step(text)
    try:
        days = Decimal(text)
    except InvalidOperation:
        return None, 1
    if not days.is_finite() or not (10_000 < days < 100_000 or 2_400_000 < days < 2_600_000):
        return None, 1
    exponent = days.as_tuple().exponent
    assert isinstance(exponent, int)
    return julian_ns(days), max(1, int((Decimal(86400 * SECOND)).scaleb(exponent)))
