"""Regions as people write them: read, checked, and written again in one form.

A region is one or more shapes, joined by ``+``, from which others may be taken by ``except``::

    rect 100,100,64,64
    polygon 10,10 60,12 40,50
    circle 200,150,20 + circle 320,80,20 except rect 195,145,10,10
    sky circle 202.4696,47.1952,90
    relative rect 0.1,0.1,0.25,0.25
    stars 12

Without a word before them, coordinates are pixels: columns x, then rows y of storage; the centre of the first pixel
is at (0, 0), so that ``rect 100,100,64,64`` holds the columns 100 to 163 and the rows 100 to 163.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ...engine.api import ParameterError

Anchor = Literal["pixel", "sky", "relative"]

# Shape -> what its numbers are. A polygon has any number of pairs.
SHAPES = {
    "rect": ("x", "y", "width", "height"),
    "polygon": (),
    "circle": ("x", "y", "radius"),
    "ellipse": ("x", "y", "a", "b", "angle"),
    "annulus": ("x", "y", "inner radius", "outer radius"),
    "stars": ("radius",),
}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape: its kind and its numbers, in pixels, in degrees and seconds of arc, or in parts of the frame."""

    kind: str
    numbers: tuple[float, ...]

    def __str__(self) -> str:
        told = [repr(n) if n != int(n) else str(int(n)) for n in self.numbers]
        if self.kind == "polygon":
            return "polygon " + " ".join(f"{x},{y}" for x, y in zip(told[::2], told[1::2], strict=True))
        return f"{self.kind} {','.join(told)}"


@dataclass(frozen=True, slots=True)
class Area:
    """A region as it was written.

    Attributes
    ----------
    anchor
        ``pixel``, ``sky`` (ICRS degrees; lengths in seconds of arc; angles from north through east) or ``relative``
        (parts of the frame's width and height; radii in parts of its shorter side).
    shapes, excluded
        What it is made of, and what is taken from it.
    """

    anchor: Anchor
    shapes: tuple[Shape, ...]
    excluded: tuple[Shape, ...] = ()

    @property
    def has_stars(self) -> bool:
        """Whether it lies around the stars of a list."""
        return any(s.kind == "stars" for s in self.shapes)

    def __str__(self) -> str:
        anchor = "" if self.anchor == "pixel" else f"{self.anchor} "
        taken = "".join(f" except {s}" for s in self.excluded)
        return anchor + " + ".join(map(str, self.shapes)) + taken


def parse(text: str, owner: str) -> Area:
    """Return the region that *text* describes; *owner* is named in errors.

    Raises
    ------
    ParameterError
        It cannot be read; tells the column and what was wanted.
    """
    words = text.strip()
    anchor: Anchor = "pixel"
    for name in ("pixel", "sky", "relative"):
        if re.match(rf"{name}\s", words):
            anchor, words = name, words[len(name) :].strip()
    first, *rest = re.split(r"\bexcept\b", words)
    shapes = tuple(_shape(part, text, owner) for part in first.split(" + "))
    excluded = tuple(_shape(part, text, owner) for part in rest)
    if any(s.kind == "stars" for s in excluded):
        raise ParameterError(f"{owner}: area {text!r}: stars cannot be excluded; mask them")
    if any(s.kind == "stars" for s in shapes) and len(shapes) > 1:
        raise ParameterError(f"{owner}: area {text!r}: 'stars' stands alone, it cannot be joined to other shapes")
    return Area(anchor, shapes, excluded)


def _shape(part: str, text: str, owner: str) -> Shape:
    where = f"{owner}: area {text!r}, column {text.find(part.strip()) + 1}"
    kind, _, told = part.strip().partition(" ")
    if kind not in SHAPES:
        raise ParameterError(f"{where}: {kind!r} is no shape; wanted one of {', '.join(SHAPES)}")
    numbers = []
    for word in filter(None, re.split(r"[,\s]+", told)):
        if not _NUMBER.fullmatch(word):
            raise ParameterError(f"{where}: {word!r} is no number")
        numbers.append(float(word))
    wanted = SHAPES[kind]
    if kind == "polygon":
        if len(numbers) < 6 or len(numbers) % 2:
            raise ParameterError(f"{where}: a polygon has three or more corners x,y; got {len(numbers)} numbers")
    elif len(numbers) != len(wanted):
        raise ParameterError(f"{where}: {kind} wants {', '.join(wanted)}; got {len(numbers)} numbers")
    _check_sizes(kind, numbers, where)
    return Shape(kind, tuple(numbers))


def _check_sizes(kind: str, numbers: list[float], where: str) -> None:
    sizes = {"rect": numbers[2:4], "circle": numbers[2:3], "ellipse": numbers[2:4], "stars": numbers[:1]}.get(kind, [])
    if any(s <= 0.0 for s in sizes):
        raise ParameterError(f"{where}: sizes of a {kind} are above 0, got {', '.join(f'{s:g}' for s in sizes)}")
    if kind == "annulus" and not 0.0 <= numbers[2] < numbers[3]:
        raise ParameterError(
            f"{where}: the inner radius of an annulus is less than the outer one, got {numbers[2]:g} and {numbers[3]:g}"
        )
