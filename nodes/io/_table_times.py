"""Times in a column of a FITS table, by the words that say since when and by which clock they count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...engine.api import Scalar
from ._bintable import Table
from ._frame_file import SECOND, FrameTimes
from ._spellings import number, text

# Where a column counts from by its name alone: days of the modified Julian date at its zero.
_BY_NAME = {"MJD": 0.0, "MJD-AVG": 0.0, "JD": -2400000.5, "BJD": -2400000.5, "BJD_TDB": -2400000.5}
_UNITS = {"d": 86400, "day": 86400, "days": 86400, "s": 1, "sec": 1, "min": 60, "h": 3600}
TIME_COLUMNS = ("TIME", *_BY_NAME)


def table_times(
    table: Table, raw: Any, name: str, at: float = 0.5, period_days: float | None = None
) -> FrameTimes:
    """Return the times of column *name*; none at all where the header does not say since when they count.

    Parameters
    ----------
    table, raw
        The table, and the unpacked bytes of the file.
    at
        Where in an exposure the stamp lies, from 0 to 1; with *period_days*, the length of an exposure, others
        than 0.5 are moved to the middle.
    """
    column, words = table.columns[name], table.hdu.words
    zero, barycentric = _zero(name, column.unit, words)
    nothing = FrameTimes(middles=[None] * table.rows)
    unit = _UNITS.get((text(words.get("TIMEUNIT")) or "d").lower(), 0)
    if column.unit.lower() in _UNITS:
        unit = _UNITS[column.unit.lower()]
    if zero is None or not unit:
        return nothing
    values = table.numbers(name, raw)
    away = (0.5 - at) * (period_days or 0.0) * 86400.0
    start = round(zero * 86400) * SECOND  # the references of these files are whole or half days
    # Whole days (or seconds) and their rest apart, so that neither is rounded to a microsecond.
    whole = np.floor(values)
    rest = (values - whole) * unit + away
    middles = [
        start + int(w) * unit * SECOND + round(float(r) * SECOND) if np.isfinite(w) else None
        for w, r in zip(whole, rest, strict=True)
    ]
    scale = (text(words.get("TIMESYS")) or ("TDB" if barycentric else "UTC")).lower()
    place = (text(words.get("TIMEREF")) or text(words.get("TREFPOS")) or "").upper()
    if place:
        barycentric = place.startswith(("SOLARSYS", "BARYC"))
    return FrameTimes(
        middles=middles,
        scale=scale,
        reference="barycentric" if barycentric else "topocentric",
        rule=f"from column {name} of HDU {table.hdu.index}",
    )


def _zero(name: str, unit: str, words: Mapping[str, Scalar]) -> tuple[float | None, bool]:
    """Return the modified Julian date at which a column counts 0, and whether it is one of the barycentre."""
    if name in _BY_NAME:
        return _BY_NAME[name], name.startswith("BJD")
    for prefix, shift in (("BJD", -2400000.5), ("JD", -2400000.5), ("MJD", 0.0)):
        parts = [number(words.get(f"{prefix}REF{end}")) for end in ("I", "F", "")]
        if any(p is not None for p in parts):
            return sum(p or 0.0 for p in parts) + shift, prefix == "BJD"
    told = re.fullmatch(r"(B|M)?JD\s*-\s*(\d+(?:\.\d+)?)", unit.strip())
    if told:
        return float(told[2]) + (0.0 if told[1] == "M" else -2400000.5), told[1] == "B"
    return None, False
