"""The parts of a PixelMath expression: a tree of plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """Part of an expression; `at` is its place in the text."""

    at: int


@dataclass(frozen=True, slots=True)
class Number(Node):
    value: float


@dataclass(frozen=True, slots=True)
class Text(Node):
    """What is meant as it is written: a keyword, a property, the operator of an accumulator."""

    value: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A variable or an image; *channel* is the expression in brackets."""

    name: str
    channel: Node | None = None


@dataclass(frozen=True, slots=True)
class Unary(Node):
    op: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function, or the sample of an image at another place; *channel* as in `Name`."""

    name: str
    arguments: tuple[Node, ...]
    channel: Node | None = None


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """``name op= value``; *op* is the operator without its equals sign, empty for plain assignment."""

    name: str
    op: str
    value: Node


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct parts of *node*."""
    if isinstance(node, Unary):
        return (node.operand,)
    if isinstance(node, Binary):
        return node.left, node.right
    if isinstance(node, Assign):
        return (node.value,)
    if isinstance(node, Call):
        return (*node.arguments, *(() if node.channel is None else (node.channel,)))
    if isinstance(node, Name) and node.channel is not None:
        return (node.channel,)
    return ()


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Yield all parts of *nodes*, without recursion: sums of a thousand terms are deep trees."""
    waiting = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))
