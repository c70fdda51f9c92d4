"""The expression language of PixelMath: text -> tokens -> syntax tree. Nothing is computed here.

Grammar, operators and their precedence are those of PixInsight's PixelMath; operators of equal precedence
group from the left, assignments from the right. A tree is plain data: evaluating it can do arithmetic on
pixels and nothing else. Length and nesting are limited, so that no text can exhaust memory or the stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from ...engine.api import ParameterError
from ._nodes import Assign, Binary, Call, Name, Node, Number, Text, Unary

LONGEST = 50_000
DEEPEST = 80
MORE_STATEMENTS = 2000

# From the loosest to the tightest; the unary operators ~ - + ! bind tighter than all of them.
PRECEDENCE = (
    ("||",), ("&&",), ("|", "!|"), ("&|", "!&|"), ("&", "!&"), ("==", "!="), ("<", "<=", ">", ">="),
    ("+", "-", "--"), ("*", "/", "%"), ("^",),
)  # fmt: skip
LEVEL = {op: level for level, row in enumerate(PRECEDENCE) for op in row}
UNARY = ("~", "-", "+", "!")
ASSIGNMENTS = (
    "=", "+=", "-=", "*=", "/=", "^=", "%=", "--=", "&=", "!&=", "|=", "!|=", "&|=", "!&|=", "&&=", "||=",
)  # fmt: skip
VERBATIM = ("keyword_value", "keyword_defined", "property_value", "property_defined")
"""Functions whose arguments are taken as they are written: CCD-TEMP and Instrument:ExposureTime are no expressions."""
_VERBATIM = re.compile(r"(?:" + "|".join(VERBATIM) + r")\s*\(([^()]*)\)")
_PUNCTUATION = ("(", ")", "[", "]", ",", ";")
_SYMBOLS = sorted({*LEVEL, *UNARY, *ASSIGNMENTS, *_PUNCTUATION}, key=len, reverse=True)
_TOKEN = re.compile(
    r"(?P<space>(?:\s|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)+)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[$A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<symbol>" + "|".join(map(re.escape, _SYMBOLS)) + ")"
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int


def fault(text: str, at: int, message: str) -> ParameterError:
    """Return the error that *message* describes at place *at* of *text*."""
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    excerpt = text.split("\n")[line - 1]  # not splitlines: it knows more line ends, and none at the end
    start = max(0, column - 31)
    shown = excerpt[start : start + 60]
    pointer = " " * (column - 1 - start) + "^"
    return ParameterError(f"PixelMath: line {line}, column {column}: {message}\n    {shown}\n    {pointer}")


def near(name: str, known: Iterator[str] | list[str]) -> str:
    """Return a hint at names that *name* may have been meant to be."""
    found = get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""


def tokens(text: str) -> list[Token]:
    """Cut *text* into tokens, the last of kind ``end``."""
    if len(text) > LONGEST:
        raise ParameterError(f"PixelMath: an expression may have at most {LONGEST} characters, got {len(text)}")
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise fault(text, at, f"{text[at]!r} is not understood here")
        if match.group() == "/" and text.startswith("/*", at):
            raise fault(text, at, "this comment does not end")
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), at))
        at = match.end()
        verbatim = _VERBATIM.match(text, match.start()) if match.lastgroup == "name" else None
        if verbatim is not None and match.group() in VERBATIM:
            found += _verbatim(verbatim)
            at = verbatim.end()
    return [*found, Token("end", "", len(text))]


def _verbatim(call: re.Match[str]) -> list[Token]:
    """Return the tokens after the name of a function whose arguments are texts."""
    found = [Token("symbol", "(", call.start(1) - 1)]
    at = call.start(1)
    for piece in call.group(1).split(",") if call.group(1).strip() else ():
        if len(found) > 1:
            found.append(Token("symbol", ",", at - 1))
        found.append(Token("text", piece.strip().strip("\"'"), at + len(piece) - len(piece.lstrip())))
        at += len(piece) + 1
    return [*found, Token("symbol", ")", call.end() - 1)]


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.place, self.depth = text, tokens(text), 0, 0

    @property
    def now(self) -> Token:
        return self.tokens[self.place]

    def taken(self, *symbols: str) -> Token | None:
        """Return the token and go on, if it is one of *symbols*."""
        token = self.now
        if token.kind == "symbol" and token.text in symbols:
            self.place += 1
            return token
        return None

    def expect(self, symbol: str, after: str) -> None:
        if self.taken(symbol) is None:
            raise self.unexpected(f"expected {symbol!r} {after}")

    def unexpected(self, wanted: str) -> ParameterError:
        token = self.now
        came = "the expression ends" if token.kind == "end" else f"got {token.text!r}"
        return fault(self.text, token.at, f"{wanted}, {came}")

    def statements(self, separators: tuple[str, ...]) -> tuple[Node, ...]:
        found: list[Node] = []
        while self.now.kind != "end":
            if self.taken(*separators):
                continue
            found.append(self.statement())
            if len(found) > MORE_STATEMENTS:
                raise fault(self.text, self.now.at, f"more than {MORE_STATEMENTS} statements")
            if self.now.kind != "end" and not self.taken(*separators):
                raise self.unexpected(f"expected an operator or {' or '.join(map(repr, separators))}")
        return tuple(found)

    def statement(self) -> Node:
        name, follower = self.now, self.tokens[min(self.place + 1, len(self.tokens) - 1)]
        if name.kind == "name" and follower.kind == "symbol" and follower.text in ASSIGNMENTS:
            self.place += 2
            self.deeper(name.at)
            value = self.statement()
            self.depth -= 1
            return Assign(name.at, name.text, follower.text[:-1], value)
        return self.binary(0)

    def deeper(self, at: int) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise fault(self.text, at, f"nested deeper than {DEEPEST} levels")

    def binary(self, level: int) -> Node:
        """Parse operators of *level* and tighter, by precedence climbing."""
        self.deeper(self.now.at)
        left = self.unary()
        while self.now.kind == "symbol" and LEVEL.get(self.now.text, -1) >= level:
            op = self.now
            self.place += 1
            left = Binary(op.at, op.text, left, self.binary(LEVEL[op.text] + 1))
        self.depth -= 1
        return left

    def unary(self) -> Node:
        op = self.taken(*UNARY)
        if op is None:
            return self.primary()
        self.deeper(op.at)
        operand = self.unary()
        self.depth -= 1
        return Unary(op.at, op.text, operand)

    def primary(self) -> Node:
        token = self.now
        if token.kind == "number":
            self.place += 1
            value = float(token.text)
            if value == float("inf"):
                raise fault(self.text, token.at, f"{token.text} is too large for a number")
            return Number(token.at, value)
        if token.kind == "text":
            self.place += 1
            return Text(token.at, token.text)
        if token.kind == "name":
            return self.named()
        if self.taken("("):
            inner = self.binary(0)
            self.expect(")", "to close the parenthesis")
            return inner
        hint = " (write 'a - -b' with a space; '--' is the absolute difference)" if token.text == "--" else ""
        raise self.unexpected(f"expected a number, a name or '('{hint}")

    def named(self) -> Node:
        token = self.now
        self.place += 1
        channel: Node | None = None
        if self.taken("["):
            channel = self.binary(0)
            self.expect("]", "after the channel index")
        if not self.taken("("):
            return Name(token.at, token.text, channel)
        arguments: list[Node] = []
        if token.text == "global" and (op := self.taken("+", "*")):
            arguments.append(Text(op.at, op.text))
            if not self.taken(")"):
                self.expect(",", "before the initial value")
                arguments.append(self.binary(0))
                self.expect(")", "after the initial value")
        elif not self.taken(")"):
            arguments.append(self.binary(0))
            while self.taken(","):
                arguments.append(self.binary(0))
            self.expect(")", f"or ',' in the arguments of {token.text}")
        return Call(token.at, token.text, tuple(arguments), channel)


@lru_cache(maxsize=256)
def parse(text: str) -> tuple[Node, ...]:
    """Return the statements of an expression; errors name line and column."""
    return _Parser(text).statements((";",))


@lru_cache(maxsize=256)
def parse_symbols(text: str) -> tuple[Node, ...]:
    """Return the declarations of a symbol list: names and plain assignments, separated by commas or semicolons."""
    found = _Parser(text).statements((",", ";"))
    for node in found:
        plain = isinstance(node, Assign) and not node.op and not isinstance(node.value, Assign)
        if not plain and not (isinstance(node, Name) and node.channel is None):
            raise fault(text, node.at, "a symbol is declared as 'name' or 'name = value'")
    return found
