"""What an expression of a parameter link says, once it is read: numbers, references, operations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """Something named: a dotted path, and which channel of it.

    Attributes
    ----------
    parts
        ``('sky', 'bg', 'median')`` of ``sky.bg.median``.
    channel
        The number in brackets; None for none.
    column
        Where it begins, from 1.
    """

    parts: tuple[str, ...]
    channel: int | None
    column: int

    def __str__(self) -> str:
        return ".".join(self.parts) + ("" if self.channel is None else f"[{self.channel}]")


@dataclass(frozen=True, slots=True)
class Number:
    """A number or truth value that is written out, by its place among those of the expression."""

    index: int


@dataclass(frozen=True, slots=True)
class Exponent:
    """A number that is written out as an exponent: the unit of a power follows from it."""

    value: float


@dataclass(frozen=True, slots=True)
class Use:
    """A reference, by its place among those of the expression."""

    index: int


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation or function with its operands."""

    name: str
    operands: tuple[Tree, ...]
    column: int


Tree = Number | Exponent | Use | Apply


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression.

    Attributes
    ----------
    text
        As it was written.
    tree
        What it says.
    references
        Everything it names, each once, in order.
    numbers
        What is written out, in order.
    shape
        The same for trees that differ in their numbers only.
    """

    text: str
    tree: Tree
    references: tuple[Reference, ...]
    numbers: tuple[float | bool, ...]
    shape: str

    @property
    def bare(self) -> Reference | None:
        """The reference that is all of the expression, which may be to anything; None where there is more to it."""
        return self.references[0] if isinstance(self.tree, Use) else None
