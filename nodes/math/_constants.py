"""Values of expressions that are known without any pixel: constants, and a coordinate plus a constant."""

from __future__ import annotations

from collections.abc import Mapping

from ._functions import ALIASES, BINARY, UNARY
from ._nodes import Binary, Call, Name, Node, Number, Unary, walk

_LONGEST = 200
_PI = 3.141592653589793


def constant(node: Node, known: Mapping[str, float]) -> float | None:
    """Return the value of a constant expression, given the *known* constants by name; or None."""
    found = linear(node, "", known)
    return None if found is None or found[0] != 0 else found[1]


def linear(node: Node, axis: str, known: Mapping[str, float]) -> tuple[float, float] | None:
    """Return (a, c) if *node* is ``a * axis() + c``; None for all that is not so by its form."""
    for count, _ in enumerate(walk((node,))):
        if count >= _LONGEST:
            return None
    return _linear(node, axis, known)


def _linear(node: Node, axis: str, known: Mapping[str, float]) -> tuple[float, float] | None:
    if isinstance(node, Number):
        return 0.0, node.value
    if isinstance(node, Name):
        value = None if node.channel is not None else known.get(node.name)
        return None if value is None else (0.0, value)
    if isinstance(node, Call):
        return _called(node, axis, known)
    if isinstance(node, Unary):
        inner = _linear(node.operand, axis, known)
        return None if inner is None else _unary(node.op, inner)
    if isinstance(node, Binary):
        left, right = _linear(node.left, axis, known), _linear(node.right, axis, known)
        return None if left is None or right is None else _binary(node.op, left, right)
    return None


def _called(node: Call, axis: str, known: Mapping[str, float]) -> tuple[float, float] | None:
    name = ALIASES.get(node.name, node.name)
    if not node.arguments and name == axis:
        return 1.0, 0.0
    if not node.arguments and name == "pi":
        return 0.0, _PI
    if name == "init" and len(node.arguments) == 1:
        return _linear(node.arguments[0], axis, known)
    return None


def _unary(op: str, inner: tuple[float, float]) -> tuple[float, float] | None:
    a, c = inner
    if op == "-":
        return -a, -c
    if op == "+":
        return inner
    return (0.0, float(UNARY[op](c))) if a == 0 else None


def _binary(op: str, left: tuple[float, float], right: tuple[float, float]) -> tuple[float, float] | None:
    (a, c), (b, d) = left, right
    if op == "+":
        return a + b, c + d
    if op == "-":
        return a - b, c - d
    if a == b == 0:
        value = float(BINARY[op](c, d))
        return (0.0, value) if abs(value) < float("inf") else None
    if op == "*" and (a == 0 or b == 0):
        return a * d + b * c, c * d
    return None
