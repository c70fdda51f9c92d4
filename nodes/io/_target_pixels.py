"""Target pixel files of Kepler, K2 and TESS: a binary table with one small image a row.

After the Kepler Archive Manual (Thompson et al. 2016, KDMC-10008-006, section 2.3.2) and the TESS Science Data
Products Description Document (Twicken et al. 2020, EXP-TESS-ARC-ICD-0014).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Card, Frame, Scalar
from ._bintable import Table
from ._cards import COMMENTARY, is_any_wcs, is_structural, is_wcs
from ._frame_file import FrameFile, FrameOptions, Strided, with_exposure
from ._layout import RawLayout
from ._reader import require
from ._spellings import number
from ._table_times import table_times
from ._words import normalise

PIXELS = "FLUX"
TIMES = "TIME"

# Words of one column's celestial solution, by number of the column, and what they are called for an image.
_COLUMN_WCS = (
    (r"([12])CTYPE?{n}", "CTYPE{0}"), (r"([12])CTY{n}", "CTYPE{0}"), (r"([12])CUNI?T?{n}", "CUNIT{0}"),
    (r"([12])CRVA?L{n}", "CRVAL{0}"), (r"([12])CRV{n}", "CRVAL{0}"), (r"([12])CRPX?{n}", "CRPIX{0}"),
    (r"([12])CDE?LT?{n}", "CDELT{0}"), (r"([12])([12])PC{n}", "PC{0}_{1}"), (r"([12])([12])CD{n}", "CD{0}_{1}"),
)  # fmt: skip


def holds_targets(table: Table) -> bool:
    """Return whether *table* is that of a target pixel file: times, and an image in each row."""
    pixels, times = table.columns.get(PIXELS), table.columns.get(TIMES)
    if pixels is None or times is None or not times.dtype or times.shape:
        return False
    return len(pixels.shape) == 2 and pixels.dtype in (">f4", ">f8") and table.rows > 0


def target_frames(
    path: Path, table: Table, primary: tuple[Card, ...], raw: Any, held: bytes | None, options: FrameOptions
) -> FrameFile:
    """Return the frames of a target pixel file.

    Rows without a time or without any finite pixel are left out, those with a QUALITY other than 0 are flagged.
    The exposure is the time from the first to the last of the readings that were added up (TIMEDEL), for that is
    what smears a variation; EXPOSURE in these files is of all frames together.

    Parameters
    ----------
    path
        The file.
    table
        The HDU that `holds_targets`.
    primary
        The cards of the primary HDU.
    raw
        The unpacked bytes of the file, or a map of them.
    held
        The same where they are in memory; *path* then serves messages only.
    """
    column = table.columns[PIXELS]
    height, width = column.shape
    require(width > 0 and height > 0, path, f"the images of its table have {width}x{height} px")
    words = table.hdu.words
    layout = RawLayout(
        path, table.hdu.start + column.offset, column.dtype, height, width,
        scale=column.scale, zero=column.zero, held=held,
    )  # fmt: skip
    period = number(words.get("TIMEDEL"))
    times = table_times(table, raw, TIMES, at=_middle(words), period_days=period)
    left_out = {i: "no time" for i, t in enumerate(times.middles) if t is None}
    left_out |= {i: "no finite pixel" for i in _blank(table, raw) if i not in left_out}
    return FrameFile(
        path=path,
        base=_frame(path, table, primary, options, width, height, period),
        count=table.rows,
        samples=Strided(layout, table.row_bytes),
        times=times,
        left_out=dict(sorted(left_out.items())),
        flagged=_flagged(table, raw),
        columns=_figures(table, raw),
        units={name.lower(): c.unit for name, c in table.columns.items() if _is_figure(table, name) and c.unit},
    )


def _blank(table: Table, raw: Any) -> Iterator[int]:
    """Yield the rows without a finite pixel."""
    pixels = table.raw(PIXELS, raw)
    step = max(1, 2**20 // (pixels.shape[1] * pixels.shape[2]))
    for i in range(0, table.rows, step):
        good = np.isfinite(pixels[i : i + step]).any(axis=(1, 2))
        yield from (i + int(n) for n in np.flatnonzero(~good))


def _middle(words: Mapping[str, Scalar]) -> float:
    """Return where in an exposure its time stamp lies, from 0 to 1."""
    at = number(words.get("TIMEPIXR"))
    return 0.5 if at is None else at


def _flagged(table: Table, raw: Any) -> dict[int, str]:
    if "QUALITY" not in table.columns or table.columns["QUALITY"].shape or not table.columns["QUALITY"].dtype:
        return {}
    flags = table.raw("QUALITY", raw).astype(np.int64)
    return {int(i): f"quality {int(flags[i])}" for i in np.flatnonzero(flags)}


def _is_figure(table: Table, name: str) -> bool:
    column = table.columns[name]
    return bool(column.dtype) and not column.shape


def _figures(table: Table, raw: Any) -> dict[str, npt.NDArray[np.float64]]:
    return {name.lower(): table.numbers(name, raw) for name in table.columns if _is_figure(table, name)}


def _frame(
    path: Path, table: Table, primary: tuple[Card, ...], options: FrameOptions, width: int, height: int,
    period: float | None,
) -> Frame:  # fmt: skip
    n = table.columns[PIXELS].number
    own = tuple(c for c in table.hdu.cards if not is_structural(c[0]) and not re.match(r"\d|WCSN|WCAX", c[0]))
    mine = {keyword for keyword, _, _ in own}
    cards = own + tuple(
        c for c in primary if c[0] not in mine | COMMENTARY and not is_structural(c[0]) and not is_any_wcs(c[0])
    )
    wcs = _wcs(table.hdu.cards, n)
    # Their GAIN is e-/ADU although it is more than 10, and is undone in e-/s.
    words = tuple(w for w in normalise(cards) if w[0] not in ("gain", "type"))
    frame = Frame(
        width=width,
        height=height,
        bounds=None,
        unit=table.columns[PIXELS].unit,
        orientation="bottom-up",
        wcs=wcs,
        words=words,
        header=cards,
    )
    if options.exposure:
        return with_exposure(frame, options.exposure, "given")
    if period is not None and period > 0.0:
        return with_exposure(frame, period * 86400.0, "from TIMEDEL, days")
    reading, count = number(table.hdu.words.get("FRAMETIM")), number(table.hdu.words.get("NUM_FRM"))
    if reading is not None and count is not None:
        return with_exposure(frame, reading * count, "from FRAMETIM and NUM_FRM")
    return with_exposure(frame, None, "")


def _wcs(cards: tuple[Card, ...], n: int) -> tuple[Card, ...]:
    """Return the celestial solution of column *n* in words of an image."""
    found: list[Card] = []
    for keyword, value, comment in cards:
        for pattern, name in _COLUMN_WCS:
            told = re.fullmatch(pattern.format(n=n), keyword)
            if told and value is not None:
                found.append((name.format(*told.groups()), value, comment))
                break
    whole = {k for k, _, _ in found}
    if not {"CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CTYPE1", "CTYPE2"} <= whole:
        return ()
    found += [c for c in cards if c[0] in ("RADESYS", "EQUINOX") and c[1] is not None]
    return tuple(c for c in found if is_wcs(c[0]))
