"""The HDUs of a FITS file: walking over their headers and choosing the one that holds the picture."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...engine.api import Card, Scalar, SourceError
from ._cards import BLOCK, read_header
from ._reader import require
from ._spellings import number

# Image extensions that hold the lookup tables of a distortion, not a picture (astropy and HST conventions).
_TABLE_IMAGES = frozenset({"WCSDVARR", "D2IMARR"})


@dataclass(frozen=True)
class Hdu:
    """One header-and-data unit: what its header says of the pixels."""

    path: Path
    index: int
    cards: tuple[Card, ...]
    start: int

    @functools.cached_property
    def words(self) -> dict[str, Scalar]:
        found: dict[str, Scalar] = {}
        for keyword, value, _ in self.cards:
            found.setdefault(keyword, value)
        return found

    @property
    def name(self) -> str:
        return str(self.words.get("EXTNAME") or ("PRIMARY" if self.index == 0 else "")).strip()

    @property
    def compressed(self) -> bool:
        return self.words.get("ZIMAGE") is True

    @property
    def is_image(self) -> bool:
        if self.words.get("GROUPS") is True and self._axes("") and self._axes("")[0] == 0:
            return False
        kind = self.words.get("XTENSION", "IMAGE")
        return self.compressed or (self.index == 0 or str(kind).strip() in ("IMAGE", "IUEIMAGE"))

    @property
    def bitpix(self) -> int:
        return self._whole("ZBITPIX" if self.compressed else "BITPIX")

    @property
    def axes(self) -> tuple[int, ...]:
        """Lengths of the image's axes, the fastest first."""
        return self._axes("Z" if self.compressed else "")

    @property
    def has_pixels(self) -> bool:
        return self.is_image and len(self.axes) > 0 and all(n > 0 for n in self.axes)

    @property
    def nbytes(self) -> int:
        """The bytes of the data unit, without padding (standard, equations 1 and 2)."""
        axes = self._axes("")
        groups = bool(axes) and axes[0] == 0 and self.words.get("GROUPS") is True
        size = math.prod(axes[1:] if groups else axes) if axes else 0
        extra, count = number(self.words.get("PCOUNT")) or 0, number(self.words.get("GCOUNT"))
        total = abs(self._whole("BITPIX")) // 8 * int(1 if count is None else count) * (int(extra) + size)
        # A negative size would send the walk over the HDUs back to where it was.
        require(total >= 0, self.path, f"HDU {self.index}: its size must not be negative, got {total} bytes")
        return total

    @property
    def end(self) -> int:
        return self.start + -(-self.nbytes // BLOCK) * BLOCK

    def __str__(self) -> str:
        what = "x".join(map(str, self.axes)) if self.has_pixels else "no pixels"
        if not self.is_image:
            groups = self.words.get("GROUPS") is True
            what = "random groups" if groups else str(self.words.get("XTENSION", "")).strip().lower()
        return f"{self.index} {self.name or '(unnamed)'}: {what}"

    def _axes(self, prefix: str) -> tuple[int, ...]:
        count = self._whole(f"{prefix}NAXIS")
        require(0 <= count <= 999, self.path, f"{prefix}NAXIS must lie in 0 .. 999, got {count}")
        axes = tuple(self._whole(f"{prefix}NAXIS{i + 1}") for i in range(count))
        require(all(n >= 0 for n in axes), self.path, f"axes must not be negative, got {axes}")
        return axes

    def _whole(self, keyword: str) -> int:
        value = number(self.words.get(keyword))
        if value is None or not value.is_integer():
            got = self.words.get(keyword, "nothing")
            raise SourceError(f"{self.path}: HDU {self.index}: {keyword} must be a whole number, got {got!r}")
        return int(value)


def hdus(path: Path, raw: Any) -> Iterator[Hdu]:
    """Walk over the HDUs of a file, reading headers only.

    Parameters
    ----------
    path
        Named in errors.
    raw
        The file's bytes, or a map of them.
    """
    at, index = 0, 0
    while at < len(raw):
        if index and raw[at : at + 8] != b"XTENSION":
            return  # what follows the last HDU is of no concern
        require(index or raw[at : at + 9] == b"SIMPLE  =", path, "not FITS: it does not begin with SIMPLE")
        found = read_header(raw, at)
        require(found, path, f"the header of HDU {index} has no END (it begins at byte {at} of {len(raw)})")
        assert found is not None
        hdu = Hdu(path, index, found[0], found[1])
        if index == 0:
            conforms = hdu.words.get("SIMPLE") is True
            require(conforms, path, "says that it does not follow the FITS standard (SIMPLE is not T)")
        yield hdu
        at, index = hdu.end, index + 1


def choose(path: Path, raw: Any, wanted: int | str | None) -> Hdu:
    """Return the HDU that *wanted* names by index or EXTNAME, or the first that holds a picture."""
    seen: list[Hdu] = []
    for hdu in hdus(path, raw):
        seen.append(hdu)
        if wanted is None and hdu.has_pixels and hdu.name.upper() not in _TABLE_IMAGES:
            return hdu
        if wanted is not None and str(wanted).strip().upper() in (str(hdu.index), hdu.name.upper()):
            require(hdu.has_pixels, path, f"HDU {hdu} holds no image")
            return hdu
    there = "; ".join(map(str, seen)) or "nothing"
    if wanted is None:
        raise SourceError(f"{path}: no HDU holds an image with pixels; it has {there}")
    raise SourceError(f"{path}: wanted HDU {wanted!r}; it has {there}")
