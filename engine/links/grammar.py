"""The language of parameter links: text to a tree of our own, node by node; nothing is ever evaluated by Python.

Python's parser reads the text, and every node of what it returns is accepted by its type or refused. What comes out
holds numbers, references, and names from one table of operations: no attribute of any object is ever looked up.
"""

from __future__ import annotations

import ast
import functools
import math
import re
from collections.abc import Callable
from typing import NoReturn

from ..errors import LinkError
from .functions import ARITY, CONSTANTS
from .tree import Apply, Exponent, Expression, Number, Reference, Tree, Use

MAX_CHARACTERS = 500
MAX_NODES = 200
MAX_DEPTH = 40
MAX_EXPONENT = 64

GRAMMAR = (
    "numbers, references such as stats.median or sky.bg.median[0], + - * / // % **, comparisons, and or not, "
    "a if c else b, and functions: " + ", ".join(sorted(ARITY))
)
"""What an expression may hold, for messages."""

# What no expression holds is refused by its letter, before any parser sees it.
_FOREIGN = re.compile(r"[^A-Za-z0-9_.+\-*/%()<>=!,\[\] \t]")


@functools.lru_cache(16384)
def parse(text: str) -> Expression:
    """Return what *text* says.

    Raises
    ------
    LinkError
        LNK-1: it does not follow the grammar, says where. LNK-8: it is too large.
    """
    if len(text) > MAX_CHARACTERS:
        raise LinkError("LNK-8", f"an expression has at most {MAX_CHARACTERS} characters, got {len(text)}")
    if found := _FOREIGN.search(text):
        _refuse(f"{found[0]!r} has no place in an expression", found.start() + 1)
    body = text.strip()
    if not body:
        _refuse("an expression is wanted, got nothing", 1)
    try:
        parsed = ast.parse(body, mode="eval")
    except SyntaxError as e:
        _refuse(e.msg or "cannot be read", (e.offset or 1) + text.index(body))
    except (ValueError, MemoryError, RecursionError):
        raise LinkError("LNK-8", "the expression is nested too deep to be read") from None
    return _Reader(text, text.index(body)).read(parsed.body)


def rewritten(text: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> str:
    """Return *text*, which can be read, with every reference as *change* gives its path."""
    parse(text)
    start = text.index(text.strip())
    spans: list[tuple[int, int, str]] = []
    todo: list[ast.AST] = [ast.parse(text.strip(), mode="eval")]
    for node in todo:
        path = _path(node)
        if path is None:
            # A function is no reference.
            todo += node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
        elif isinstance(node, ast.expr) and (new := change(path)) != path:
            spans.append((node.col_offset + start, (node.end_col_offset or 0) + start, ".".join(new)))
    for begin, end, name in sorted(spans, reverse=True):
        text = text[:begin] + name + text[end:]
    return text


def _path(node: ast.AST) -> tuple[str, ...] | None:
    """Return the names of a dotted path; None for anything else."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute) and (before := _path(node.value)) is not None:
        return *before, node.attr
    return None


def _refuse(why: str, column: int) -> NoReturn:
    raise LinkError("LNK-1", f"column {column}: {why}", cure=f"allowed are {GRAMMAR}")


def _shape(tree: Tree) -> str:
    if isinstance(tree, Apply):
        return f"({tree.name} {' '.join(map(_shape, tree.operands))})"
    if isinstance(tree, Exponent):
        return repr(tree.value)
    return f"{'#' if isinstance(tree, Number) else '$'}{tree.index}"


_BINARY: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
}  # fmt: skip
_UNARY: dict[type[ast.AST], str] = {ast.UAdd: "plus", ast.USub: "minus", ast.Not: "not"}
_COMPARE: dict[type[ast.AST], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_KINDS: dict[type[ast.AST], str] = {
    ast.Tuple: "a tuple", ast.List: "a list", ast.NamedExpr: "an assignment", ast.Await: "await",
    ast.Starred: "a starred argument", ast.GeneratorExp: "a comprehension", ast.ListComp: "a comprehension",
    ast.Subscript: "an index", ast.Attribute: "a part of a value",
}  # fmt: skip


class _Reader:
    """Accepts one parsed expression node by node."""

    def __init__(self, text: str, start: int) -> None:
        self.text, self.start = text, start
        self.count = 0
        self.found: dict[tuple[tuple[str, ...], int | None], int] = {}
        self.references: list[Reference] = []
        self.numbers: list[float | bool] = []

    def read(self, body: ast.expr) -> Expression:
        tree = self.tree(body, 1)
        return Expression(self.text, tree, tuple(self.references), tuple(self.numbers), _shape(tree))

    def tree(self, node: ast.expr, depth: int) -> Tree:
        self.count += 1
        if self.count > MAX_NODES:
            raise LinkError("LNK-8", f"an expression has at most {MAX_NODES} operations and operands")
        if depth > MAX_DEPTH:
            raise LinkError("LNK-8", f"an expression is nested at most {MAX_DEPTH} deep")
        if isinstance(node, ast.Constant):
            return self.written(self.number(node))
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return self.named(node)
        if isinstance(node, ast.BinOp):
            return self.binary(node, depth)
        if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
            return self.apply(_UNARY[type(node.op)], [node.operand], node, depth)
        if isinstance(node, ast.BoolOp):
            return self.apply("and" if isinstance(node.op, ast.And) else "or", node.values, node, depth)
        if isinstance(node, ast.Compare):
            return self.compare(node, depth)
        if isinstance(node, ast.IfExp):
            return self.apply("if", [node.test, node.body, node.orelse], node, depth)
        if isinstance(node, ast.Call):
            return self.call(node, depth)
        self.refuse(node, f"{_KINDS.get(type(node), type(node).__name__)} has no place in an expression")

    def apply(self, name: str, operands: list[ast.expr], node: ast.expr, depth: int) -> Apply:
        return Apply(name, tuple(self.tree(o, depth + 1) for o in operands), self.column(node))

    def written(self, value: float | bool) -> Number:
        self.numbers.append(value)
        return Number(len(self.numbers) - 1)

    def number(self, node: ast.Constant) -> float:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            hint = "; true and false are written small" if isinstance(value, bool) else ""
            self.refuse(node, f"a number is wanted, got {value!r}{hint}")
        try:
            return float(value)
        except OverflowError:
            return math.inf

    def binary(self, node: ast.BinOp, depth: int) -> Apply:
        name = _BINARY.get(type(node.op))
        if name is None:
            self.refuse(node, "this operator has no place in an expression")
        exponent = self.exponent(node.right) if name == "**" else None
        if exponent is None:
            return self.apply(name, [node.left, node.right], node, depth)
        return Apply(name, (self.tree(node.left, depth + 1), exponent), self.column(node))

    def exponent(self, node: ast.expr) -> Exponent | None:
        """Return an exponent that is a written number with perhaps a sign; None for any other."""
        sign = 1.0
        at = node
        while isinstance(at, ast.UnaryOp) and isinstance(at.op, ast.UAdd | ast.USub):
            sign = -sign if isinstance(at.op, ast.USub) else sign
            at = at.operand
        if not isinstance(at, ast.Constant):
            return None
        value = sign * self.number(at)
        if not abs(value) <= MAX_EXPONENT:
            self.refuse(node, f"an exponent lies within {MAX_EXPONENT}, got {value:g}")
        return Exponent(value)

    def compare(self, node: ast.Compare, depth: int) -> Tree:
        """Chained comparisons are those of neighbours, joined by `and`."""
        sides = [self.tree(o, depth + 1) for o in (node.left, *node.comparators)]
        pairs: list[Tree] = []
        for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if type(op) not in _COMPARE:
                self.refuse(node, "only < <= > >= == != compare")
            pairs.append(Apply(_COMPARE[type(op)], (left, right), self.column(node)))
        return pairs[0] if len(pairs) == 1 else Apply("and", tuple(pairs), self.column(node))

    def call(self, node: ast.Call, depth: int) -> Apply:
        if not isinstance(node.func, ast.Name):
            self.refuse(node, "only functions are called, by their names")
        name = node.func.id
        if name not in ARITY:
            self.refuse(node, f"there is no function {name!r}")
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            self.refuse(node, f"{name} takes its arguments in order, without names or stars")
        low, high = ARITY[name]
        if not low <= len(node.args) <= high:
            wanted = str(low) if low == high else f"{low} or more" if high > 99 else f"{low} to {high}"
            self.refuse(node, f"{name} takes {wanted} argument{'' if wanted == '1' else 's'}, got {len(node.args)}")
        return self.apply(name, node.args, node, depth)

    def named(self, node: ast.Name | ast.Attribute | ast.Subscript) -> Tree:
        channel: int | None = None
        at: ast.expr = node
        if isinstance(at, ast.Subscript):
            index = at.slice
            if not isinstance(index, ast.Constant) or type(index.value) is not int:
                self.refuse(index, "a channel is a whole number in brackets")
            channel, at = index.value, at.value
        parts: list[str] = []
        while isinstance(at, ast.Attribute):
            parts.append(at.attr)
            at = at.value
        if not isinstance(at, ast.Name):
            self.refuse(at, "a reference is names joined by dots, such as stats.median or sky.bg.median[0]")
        parts.append(at.id)
        path = tuple(reversed(parts))
        if wrong := next((p for p in path if p.startswith("_") or "__" in p), None):
            self.refuse(node, f"no name begins with an underscore or holds two of them, got {wrong!r}")
        if len(path) == 1 and path[0] in CONSTANTS and channel is None:
            return self.written(CONSTANTS[path[0]])
        if len(path) == 1 and path[0] in ARITY:
            self.refuse(node, f"{path[0]} is a function and wants its arguments in parentheses")
        return Use(self.use(path, channel, node))

    def use(self, path: tuple[str, ...], channel: int | None, node: ast.expr) -> int:
        index = self.found.setdefault((path, channel), len(self.references))
        if index == len(self.references):
            self.references.append(Reference(path, channel, self.column(node)))
        return index

    def column(self, node: ast.expr) -> int:
        return node.col_offset + 1 + self.start

    def refuse(self, node: ast.expr, why: str) -> NoReturn:
        _refuse(why, self.column(node))
