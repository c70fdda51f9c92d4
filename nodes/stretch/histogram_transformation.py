"""HistogramTransformation: clip shadows and highlights, move the midtones, expand the range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Arguments, Frame, Known, ParameterError, Port, Process, param

Row = tuple[float, float, float, float, float]

_IDENTITY: Row = (0.0, 0.5, 1.0, 0.0, 1.0)
_ROWS = ("R", "G", "B", "RGB/K", "A")
_COLUMNS = (
    ("shadows", 0.0, 1.0),
    ("midtones", 0.0, 1.0),
    ("highlights", 0.0, 1.0),
    ("low range", -10.0, 0.0),
    ("high range", 1.0, 11.0),
)


class HistogramTransformation(Process, id="stretch.histogram_transformation", version=1):
    """Stretch an image by clipping points, midtones balance and range expansion.

    A sample in [0, 1] goes through: clipping, ``(v - shadows) / (highlights - shadows)`` held within
    [0, 1]; the midtones transfer ``(m - 1) v / ((2m - 1) v - m)``; expansion,
    ``(v - low) / (high - low)``. The channels of a colour image go through their own row first, then
    through the RGB/K row; gray images through RGB/K; the first alpha channel through A.

    Give either the five convenience parameters (the RGB/K row), or the whole `table`, or link `display`, the
    result of a ScreenTransferFunction. The result has bounds 0 and 1 and is `stretched`.

    Formulas and defaults: PixInsight's HistogramTransformation. Equal clipping points give their own value
    everywhere, as there.
    """

    inputs = (
        Port("image"),
        Port("display", "display", optional=True, doc="a display stretch to be made real"),
    )
    gives = "stretched"

    shadows: float = param(default=0.0, low=0.0, high=1.0, doc="what becomes black")
    midtones: float = param(default=0.5, low=0.0, high=1.0, usual=(1e-4, 0.9), doc="what becomes half bright")
    highlights: float = param(default=1.0, low=0.0, high=1.0, doc="what becomes white")
    low_range: float = param(default=0.0, low=-10.0, high=0.0, doc="lower end of the expanded range")
    high_range: float = param(default=1.0, low=1.0, high=11.0, doc="upper end of the expanded range")
    table: tuple[Row, ...] | None = param(
        default=None,
        doc="rows R, G, B, RGB/K, A, each of shadows, midtones, highlights, low range, high range",
    )

    def check(self) -> None:
        if self.table is not None:
            self._check_table(self.table)
        for name, row in zip(_ROWS, self._table(), strict=True):
            if row[0] > row[2]:
                raise ParameterError(
                    f"HistogramTransformation: shadows must not be above highlights, got {row[0]:g} and "
                    f"{row[2]:g} in row {name}"
                )

    def _check_table(self, table: tuple[Row, ...]) -> None:
        if len(table) != len(_ROWS):
            raise ParameterError(
                f"HistogramTransformation: table wants {len(_ROWS)} rows ({', '.join(_ROWS)}), got {len(table)}"
            )
        if self._convenience() != _IDENTITY:
            raise ParameterError(
                "HistogramTransformation: give the RGB/K row either by table or by shadows, midtones, "
                "highlights, low_range and high_range, got both"
            )
        for name, row in zip(_ROWS, table, strict=True):
            for (column, low, high), v in zip(_COLUMNS, row, strict=True):
                if not low <= v <= high:
                    raise ParameterError(
                        f"HistogramTransformation: {column} of row {name} must lie in [{low:g}, {high:g}], got {v:g}"
                    )

    def _convenience(self) -> Row:
        return (self.shadows, self.midtones, self.highlights, self.low_range, self.high_range)

    def _table(self) -> tuple[Row, ...]:
        if self.table is not None:
            return self.table
        return (_IDENTITY, _IDENTITY, _IDENTITY, self._convenience(), _IDENTITY)

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        if "display" in known.values:
            self._check_display(known.values["display"], image)
        return image.with_(bounds=(0.0, 1.0), unit="", state="stretched")

    def _check_display(self, display: Mapping[str, Any] | None, image: Frame) -> None:
        if self.table is not None or self._convenience() != _IDENTITY:
            raise ParameterError(
                "HistogramTransformation: a linked display takes the place of all parameters; leave them at "
                "their defaults or unlink it"
            )
        # Before the display was measured there are no rows to look at.
        if display is not None and len(display["rows"]) not in (1, image.nominal):
            raise ParameterError(
                f"HistogramTransformation: the linked display must have 1 row or one for each of the image's "
                f"{image.nominal} channels, got {len(display['rows'])}"
            )

    def arguments(self, known: Known, channel: int) -> Arguments | None:
        image = known.of("image")
        lo, hi = image.known_bounds()
        first, second = self._pair(known, image, channel)
        if second == _IDENTITY and first[3:] == _IDENTITY[3:]:
            return _stage(first, lo, hi)  # what stands in [0, 1] already goes through the second row unchanged
        return (*_stage(first, lo, hi), *_stage(second, 0.0, 1.0))

    def _pair(self, known: Known, image: Frame, channel: int) -> tuple[Row, Row]:
        """Return the two transforms that *channel* goes through."""
        own, common, alpha = self._table()[:3], *self._table()[3:]
        if channel >= image.nominal:
            return (alpha if channel == image.nominal else _IDENTITY), _IDENTITY
        if "display" in known.values:
            rows = known.values["display"]["rows"]
            c0, c1, m, r0, r1 = rows[channel if len(rows) > 1 else 0]
            return (c0, m, c1, r0, r1), _IDENTITY
        return (own[channel] if image.color == "rgb" and channel < len(own) else _IDENTITY), common

    @staticmethod
    def pixel(
        x: float,
        a0: float, a1: float, ac: float, am: float, al: float, ae: float,
        b0: Any = None, b1: Any = None, bc: Any = None, bm: Any = None, bl: Any = None, be: Any = None,
    ) -> float:  # fmt: skip
        # The same three steps twice (once where the second would change nothing), written out so that the loop
        # becomes vector code: every branch is a choice between two numbers at hand. A comparison with NaN is
        # false, and NaN falls through.
        v = (x - a0) * a1 + ac
        v = 0.0 if v < 0.0 else v
        v = 1.0 if v > 1.0 else v
        t = (am - 1.0) * v / ((2.0 * am - 1.0) * v - am)
        t = v if v <= 0.0 else t
        t = v if v >= 1.0 else t
        v = (t - al) * ae
        if b0 is None:
            return v
        v = (v - b0) * b1 + bc
        v = 0.0 if v < 0.0 else v
        v = 1.0 if v > 1.0 else v
        t = (bm - 1.0) * v / ((2.0 * bm - 1.0) * v - bm)
        t = v if v <= 0.0 else t
        t = v if v >= 1.0 else t
        expanded: float = (t - bl) * be
        return expanded


def _stage(row: Row, lo: float, hi: float) -> Arguments:
    """Return one transform of samples whose black is *lo* and white is *hi*, as `pixel` takes it.

    Clipping is ``(x - origin) * scale + constant``, held within [0, 1]; then come the midtones balance, and
    the origin and the scale of the expansion.
    """
    c0, m, c1, r0, r1 = row
    scale, constant = (1.0 / ((c1 - c0) * (hi - lo)), 0.0) if c1 > c0 else (0.0, c0)
    return lo + c0 * (hi - lo), scale, constant, m, r0, 1.0 / (r1 - r0)
