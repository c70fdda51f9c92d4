"""What the names and calls of a bound PixelMath expression stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ._nodes import Node

TARGET = "$T"


@dataclass(frozen=True, slots=True)
class Plane:
    """A channel of an image; None is the channel that the expression is evaluated for."""

    image: str
    channel: int | None


@dataclass(frozen=True, slots=True)
class Shifted:
    """A plane seen from each pixel at a constant offset."""

    plane: Plane
    dy: int
    dx: int


@dataclass(frozen=True, slots=True)
class Window:
    """A plane filtered within *radius* of each pixel.

    *weights* are those of a separable filter, *kernel* those of any other, in rows; *structure* is that of an
    order filter.
    """

    plane: Plane
    radius: int
    structure: str = "str_square"
    weights: tuple[float, ...] = ()
    kernel: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """A plane mirrored, shifted by parts of a pixel or turned; *values* as `_moves.source` wants them."""

    plane: Plane
    kind: str
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One pixel of a plane."""

    plane: Plane
    y: int
    x: int


@dataclass(frozen=True, slots=True)
class Statistic:
    kind: str
    plane: Plane


@dataclass(frozen=True, slots=True)
class Header:
    """A word of an image's header (*kind* is the function that asks for it)."""

    kind: str
    image: str
    key: str


@dataclass(frozen=True, slots=True)
class Sky:
    """A celestial coordinate of each pixel by an image's solution."""

    kind: str
    image: str


@dataclass(frozen=True, slots=True)
class Accumulator:
    """A symbol that adds up (or multiplies) what all pixels contribute, beginning at *initial*."""

    op: str
    initial: float

    @property
    def neutral(self) -> float:
        return 0.0 if self.op == "+" else 1.0

    def joined(self, a: float, b: float) -> float:
        return a + b if self.op == "+" else a * b


Meaning = Plane | Shifted | Window | Moved | Point | Statistic | Header | Sky | str | int


@dataclass(frozen=True)
class Program:
    """A checked expression: its statements, and what each name and each call in it means."""

    statements: tuple[Node, ...]
    meanings: Mapping[int, Meaning] = field(default_factory=dict)
    """By `id` of the node; the nodes are kept alive by `statements`."""
    accumulators: Mapping[str, Accumulator] = field(default_factory=dict)

    def neighbours(self) -> Iterator[Shifted | Window | Moved]:
        """Yield what looks at other places than the pixel's own."""
        return (m for m in self.meanings.values() if isinstance(m, Shifted | Window | Moved))

    def planes(self) -> Iterator[Plane]:
        """Yield every plane referred to in any way."""
        for meaning in self.meanings.values():
            if isinstance(meaning, Plane):
                yield meaning
            elif isinstance(meaning, Shifted | Window | Moved | Point | Statistic):
                yield meaning.plane
