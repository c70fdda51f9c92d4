"""The small language of approval and weighting: numbers, names, arithmetic, comparison and logic. Nothing else.

A formula is read into nested tuples and these are walked; no text is ever run as Python.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from ...engine.api import ParameterError

LONGEST = 2000
_DEEPEST = 60

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<symbol>&&|\|\||[<>=!]=|[-+*/^()<>!,]))",
    re.ASCII,
)
_WORDS = {"and": "&&", "or": "||", "not": "!"}
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/"))
_FUNCTIONS: dict[str, tuple[int, Callable[..., float]]] = {
    "abs": (1, abs),
    "sqrt": (1, lambda x: math.sqrt(x) if x >= 0.0 else math.nan),
    "ln": (1, lambda x: math.log(x) if x > 0.0 else math.nan),
    "log": (1, lambda x: math.log10(x) if x > 0.0 else math.nan),
    "exp": (1, lambda x: _power(math.e, x)),
    "min": (2, min),
    "max": (2, max),
    "iif": (3, lambda c, a, b: a if c else b),
}

Tree = tuple[Any, ...]


def parse(text: str, what: str) -> Tree:
    """Return the tree of *text*; *what* names it in errors.

    Raises
    ------
    ParameterError
        The text is no formula; the message shows where.
    """
    if len(text) > LONGEST:
        raise ParameterError(f"{what}: at most {LONGEST} characters are read, got {len(text)}")
    return _Parser(text, what).whole()


class _Parser:
    """Reads from left to right by falling binding strength."""

    def __init__(self, text: str, what: str) -> None:
        self.text, self.what, self.at, self.depth = text, what, 0, 0
        self.tokens = self._tokens()

    def whole(self) -> Tree:
        tree = self._level(0)
        if self._peek() is not None:
            raise self._error("the end or an operator was wanted")
        return tree

    def _tokens(self) -> list[tuple[str, str, int]]:
        found, at = [], 0
        end = len(self.text.rstrip())
        while at < end:
            m = _TOKEN.match(self.text, at)
            if m is None or m.lastgroup is None:
                raise ParameterError(f"{self.what}: cannot read {self.text[at : at + 12]!r} at place {at + 1}")
            word = m[m.lastgroup]
            symbol = _WORDS.get(word)
            found.append(
                ("symbol", symbol, m.start(m.lastgroup)) if symbol else (m.lastgroup, word, m.start(m.lastgroup))
            )
            at = m.end()
        return found

    def _peek(self) -> str | None:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else None

    def _error(self, wanted: str) -> ParameterError:
        if self.at < len(self.tokens):
            _, word, place = self.tokens[self.at]
            return ParameterError(f"{self.what}: {wanted} at place {place + 1}, got {word!r}")
        return ParameterError(f"{self.what}: {wanted} at the end of {self.text!r}")

    def _level(self, level: int) -> Tree:
        if level == len(_LEVELS):
            return self._unary()
        left = self._level(level + 1)
        while self._is_symbol(*_LEVELS[level]):
            op = self.tokens[self.at][1]
            self.at += 1
            left = ("op", op, left, self._level(level + 1))
        return left

    def _is_symbol(self, *symbols: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at][0] == "symbol" and self._peek() in symbols

    def _unary(self) -> Tree:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ParameterError(f"{self.what}: nested more than {_DEEPEST} deep")
        if self._is_symbol("-", "+", "!"):
            op = self.tokens[self.at][1]
            self.at += 1
            tree: Tree = ("unary", op, self._unary())
        else:
            tree = self._atom()
            if self._is_symbol("^"):
                self.at += 1
                tree = ("op", "^", tree, self._unary())
        self.depth -= 1
        return tree

    def _atom(self) -> Tree:
        if self.at == len(self.tokens):
            raise self._error("a number, a name or '(' was wanted")
        kind, word, _ = self.tokens[self.at]
        if kind == "number":
            self.at += 1
            return ("number", float(word))
        if kind == "name":
            self.at += 1
            return self._call(word) if self._is_symbol("(") else ("name", word)
        if word != "(":
            raise self._error("a number, a name or '(' was wanted")
        self.at += 1
        tree = self._level(0)
        self._take(")")
        return tree

    def _call(self, name: str) -> Tree:
        if name not in _FUNCTIONS:
            raise ParameterError(f"{self.what}: there is no function {name!r}; there are {', '.join(_FUNCTIONS)}")
        self._take("(")
        arguments = [self._level(0)]
        while self._is_symbol(","):
            self.at += 1
            arguments.append(self._level(0))
        self._take(")")
        wanted = _FUNCTIONS[name][0]
        if len(arguments) != wanted:
            raise ParameterError(f"{self.what}: {name} wants {wanted} arguments, got {len(arguments)}")
        return ("call", name, *arguments)

    def _take(self, symbol: str) -> None:
        if not self._is_symbol(symbol):
            raise self._error(f"{symbol!r} was wanted")
        self.at += 1


def names(tree: Tree) -> set[str]:
    """Return the variables of *tree*."""
    if tree[0] == "name":
        return {tree[1]}
    return {n for part in tree[1:] if isinstance(part, tuple) for n in names(part)}


def require(tree: Tree, known: set[str], what: str) -> None:
    """Raise ParameterError where *tree* speaks of a variable that is not *known*."""
    for name in sorted(names(tree) - known):
        near = get_close_matches(name, sorted(known), n=3)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise ParameterError(f"{what}: there is no figure {name!r}{hint}")


def evaluate(tree: Tree, variables: Mapping[str, float]) -> float:
    """Return the value of *tree*; true is 1, false 0; what has no value (1/0, ln 0) is NaN."""
    kind = tree[0]
    if kind == "number":
        return float(tree[1])
    if kind == "name":
        return float(variables[tree[1]])
    parts = [evaluate(p, variables) for p in tree[2:]]
    if kind == "unary":
        return {"-": -parts[0], "+": parts[0], "!": float(not parts[0])}[tree[1]]
    if kind == "call":
        return float(_FUNCTIONS[tree[1]][1](*parts))
    return _binary(tree[1], *parts)


def _binary(op: str, a: float, b: float) -> float:
    if op == "/":
        return a / b if b else math.nan
    if op == "^":
        return _power(a, b)
    if op in ("+", "-", "*"):
        return a + b if op == "+" else a - b if op == "-" else a * b
    if op in ("&&", "||"):
        return float(bool(a) and bool(b)) if op == "&&" else float(bool(a) or bool(b))
    return float({"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op])


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except (OverflowError, ValueError):
        return math.nan
