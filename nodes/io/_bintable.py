"""Binary tables of FITS: where their columns lie, looked at through the map of the file.

Follows "Definition of the Flexible Image Transport System (FITS)", version 4.0, section 7.3.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._hdus import Hdu
from ._reader import require
from ._spellings import number, text

_FORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])")
_BYTES = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "A": 1, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}
_NUMBERS = {"B": "|u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    number, name, unit
        From 1, as in the header; TTYPE and TUNIT.
    offset
        Bytes from the beginning of a row.
    dtype
        Type of one element in the file; empty where it is no number.
    shape
        Of a cell, the slowest axis first; () for one element.
    scale, zero, null
        TSCAL, TZERO and TNULL.
    """

    number: int
    name: str
    unit: str
    offset: int
    dtype: str
    shape: tuple[int, ...]
    scale: float = 1.0
    zero: float = 0.0
    null: int | None = None


@dataclass(frozen=True)
class Table:
    """The columns of one table, by name in capitals."""

    hdu: Hdu
    rows: int
    row_bytes: int
    columns: dict[str, Column]

    def raw(self, name: str, held: Any) -> npt.NDArray[Any]:
        """Return the elements of a column of numbers as they are stored, ``(rows, *shape)``; nothing is copied."""
        column = self.columns[name]
        size = np.dtype(column.dtype).itemsize
        steps = [size * math.prod(column.shape[i + 1 :]) for i in range(len(column.shape))]
        return np.ndarray(
            (self.rows, *column.shape), column.dtype, held, self.hdu.start + column.offset, (self.row_bytes, *steps)
        )

    def numbers(self, name: str, held: Any) -> npt.NDArray[np.float64]:
        """Return a column as float64, with its scale, missing elements as NaN."""
        column, raw = self.columns[name], self.raw(name, held)
        found = raw.astype(np.float64) * column.scale + column.zero
        if column.null is not None and np.dtype(column.dtype).kind in "iu":
            found[raw == column.null] = np.nan
        return found


def table_of(hdu: Hdu, size: int) -> Table | None:
    """Return the table that *hdu* holds in a file of *size* bytes; None where it holds none."""
    if str(hdu.words.get("XTENSION") or "").strip() not in ("BINTABLE", "A3DTABLE") or hdu.compressed:
        return None
    counts = [number(hdu.words.get(k)) for k in ("NAXIS1", "NAXIS2", "TFIELDS")]
    wrong = any(c is None or not c.is_integer() or c < 0 for c in counts)
    require(not wrong, hdu.path, f"HDU {hdu.index}: a table wants NAXIS1, NAXIS2 and TFIELDS, got {counts}")
    row_bytes, rows, fields = (int(c or 0) for c in counts)
    require(fields <= 999, hdu.path, f"HDU {hdu.index}: a table has at most 999 columns, got {fields}")
    columns: dict[str, Column] = {}
    offset = 0
    for n in range(1, fields + 1):
        form = _FORM.match(str(hdu.words.get(f"TFORM{n}") or ""))
        require(form, hdu.path, f"HDU {hdu.index}: TFORM{n} is none, got {hdu.words.get(f'TFORM{n}')!r}")
        assert form is not None
        repeat, code = int(form[1] or 1), form[2]
        name = (text(hdu.words.get(f"TTYPE{n}")) or f"COL{n}").upper()
        columns.setdefault(name, _column(hdu, n, name, offset, repeat, code))
        offset += -(-repeat // 8) if code == "X" else repeat * _BYTES[code]
    require(offset <= row_bytes, hdu.path, f"HDU {hdu.index}: rows have {row_bytes} bytes, its columns {offset}")
    end = hdu.start + rows * row_bytes
    require(size >= end, hdu.path, f"truncated: HDU {hdu.index} ends at byte {end}, the file has {size}")
    return Table(hdu, rows, row_bytes, columns)


def _column(hdu: Hdu, n: int, name: str, offset: int, repeat: int, code: str) -> Column:
    scale, zero = number(hdu.words.get(f"TSCAL{n}")), number(hdu.words.get(f"TZERO{n}"))
    null = number(hdu.words.get(f"TNULL{n}"))
    return Column(
        n,
        name,
        text(hdu.words.get(f"TUNIT{n}")) or "",
        offset,
        _NUMBERS.get(code, ""),
        _shape(str(hdu.words.get(f"TDIM{n}") or ""), repeat),
        1.0 if scale is None else scale,
        0.0 if zero is None else zero,
        int(null) if null is not None and null.is_integer() else None,
    )


def _shape(tdim: str, repeat: int) -> tuple[int, ...]:
    """Return the shape of a cell: TDIM, the fastest axis first there, where it fits the number of elements."""
    told = re.fullmatch(r"\s*\(\s*(\d+(?:\s*,\s*\d+)*)\s*\)\s*", tdim)
    if told:
        shape = tuple(int(n) for n in reversed(told[1].split(",")))
        if math.prod(shape) == repeat:
            return shape
    return () if repeat == 1 else (repeat,)
