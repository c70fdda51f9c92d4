"""What an image is without its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from .region import Box, whole

State = Literal["linear", "stretched"]
Color = Literal["gray", "rgb", "planes"]
Orientation = Literal["top-down", "bottom-up"]
Scalar = str | int | float | bool | None
Card = tuple[str, Scalar, str]
"""One header word as the file had it: keyword, value, comment."""


@dataclass(frozen=True, slots=True)
class Word:
    """A normalised header word: its value and the rule that produced it, such as ``from BLKLEVEL``."""

    value: Scalar
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Size, meaning and header of an image.

    Attributes
    ----------
    width, height, channels
        Pixels per row, rows, planes. Tiles are ``(channels, rows, columns)`` float32.
    bounds
        Physical values of black and white, ``(lo, hi)``. None: not known before the pixels were
        measured (float files that declare no range).
    unit
        Unit of the samples, such as ``ADU``; empty when unknown or normalised.
    state
        ``linear`` (proportional to light) or ``stretched``.
    color
        ``gray``: 1 nominal channel, ``rgb``: 3; further channels are alpha. ``planes``: a cube whose
        channels are all alike.
    cfa
        Colour filter letters of the repeating cell in storage order, row by row: 4 letters for Bayer
        (``RGGB``), 36 for X-Trans; None for no mosaic.
    orientation
        Whether the first stored row is the top or the bottom of the picture.
    wcs
        The FITS words of the celestial solution for this pixel grid, in storage orientation.
    words
        Normalised header words (exposure, gain, filter ...) as a sorted tuple of (name, Word).
    header
        The file's raw header words, in order.
    """

    width: int
    height: int
    channels: int = 1
    bounds: tuple[float, float] | None = (0.0, 1.0)
    unit: str = ""
    state: State = "linear"
    color: Color = "gray"
    cfa: str | None = None
    orientation: Orientation = "top-down"
    wcs: tuple[Card, ...] = ()
    words: tuple[tuple[str, Word], ...] = ()
    header: tuple[Card, ...] = ()

    @property
    def box(self) -> Box:
        return whole(self.height, self.width)

    @property
    def nominal(self) -> int:
        """How many of the channels carry light; the rest are alpha."""
        if self.color == "planes":
            return self.channels
        return min(self.channels, 3 if self.color == "rgb" else 1)

    @property
    def lo(self) -> float:
        return self.known_bounds()[0]

    @property
    def hi(self) -> float:
        return self.known_bounds()[1]

    def known_bounds(self) -> tuple[float, float]:
        if self.bounds is None:
            raise RuntimeError("bounds are asked for before the source was measured")
        return self.bounds

    def word(self, name: str) -> Scalar:
        """Return the normalised header word *name*, or None."""
        return next((w.value for n, w in self.words if n == name), None)

    def card(self, keyword: str) -> Scalar:
        """Return the first raw header value of *keyword*, or None."""
        return next((v for k, v, _ in self.header if k == keyword), None)

    def same_size(self, other: Frame) -> bool:
        return (self.height, self.width) == (other.height, other.width)

    def with_(self, **changes: Any) -> Frame:
        """Return a copy with *changes*."""
        return replace(self, **changes)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.channels} {self.color} {self.state}"
