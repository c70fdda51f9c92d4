"""The language of PixelMath: precedence, meaning of every operator, errors, hostile texts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lerarlink.engine.errors import ParameterError
from lerarlink.engine.frame import Frame
from lerarlink.engine.process import Known
from lerarlink.nodes.math import _expression as ex
from lerarlink.nodes.math.pixel_math import PixelMath

Render = Callable[..., np.ndarray]
HUGE = np.finfo(float).max


def value(text: str, symbols: str = "", target: float = 0.25) -> float:
    """The value of *text* at a pixel of *target*, before any truncation, in double precision."""
    from lerarlink.engine.region import Box
    from lerarlink.nodes.math._evaluation import evaluate
    from lerarlink.nodes.math._meanings import TARGET
    from lerarlink.nodes.math._scene import Scene

    process = PixelMath(expression=text, symbols=symbols)
    frame, box = Frame(width=1, height=1), Box(0, 0, 1, 1)
    tile = np.full((1, 1, 1), target, np.float32)
    scene = Scene({TARGET: frame}, {TARGET: tile}, {}, box, {TARGET: box}, 0, process.seed)
    return float(evaluate(process.program(text), scene)[0, 0])


def whole(x: float) -> int:
    return math.trunc(x)


TRUTH: dict[str, Callable[[float, float], float]] = {
    "^": lambda a, b: a**b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else HUGE,
    "%": lambda a, b: math.fmod(a, b) if b else 0.0,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "--": lambda a, b: abs(a - b),
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "&": lambda a, b: float(whole(a) & whole(b)),
    "!&": lambda a, b: float(~(whole(a) & whole(b))),
    "&|": lambda a, b: float(whole(a) ^ whole(b)),
    "!&|": lambda a, b: float(~(whole(a) ^ whole(b))),
    "|": lambda a, b: float(whole(a) | whole(b)),
    "!|": lambda a, b: float(~(whole(a) | whole(b))),
    "&&": lambda a, b: float(a != 0 and b != 0),
    "||": lambda a, b: float(a != 0 or b != 0),
}
# Written again from the reference, tightest first, so that the parser's own table is not its own witness.
RANK = {
    op: rank
    for rank, row in enumerate(
        ["^", "* / %", "+ - --", "< <= > >=", "== !=", "& !&", "&| !&|", "| !|", "&&", "||"]
    )
    for op in row.split()
}


@pytest.mark.parametrize("op", TRUTH)
@pytest.mark.parametrize(("a", "b"), [(7.0, 3.0), (3.0, 7.0), (2.5, 2.5), (0.0, 4.0), (6.0, 0.0), (0.0, 0.0)])
def test_every_operator_means_what_it_says(op: str, a: float, b: float) -> None:
    assert value(f"{a} {op} {b}") == pytest.approx(TRUTH[op](a, b), rel=1e-15)


def reference(tokens: list[float | str]) -> float:
    """Evaluate operands and operators by shunting yard, from the left within a rank."""
    values, ops = [], []

    def fold() -> None:
        op, b, a = ops.pop(), values.pop(), values.pop()
        values.append(TRUTH[op](a, b))

    for t in tokens:
        if isinstance(t, str):
            while ops and RANK[ops[-1]] <= RANK[t]:
                fold()
            ops.append(t)
        else:
            values.append(t)
    while ops:
        fold()
    return values[0]


@settings(max_examples=300, deadline=None)
@given(
    operands=st.lists(st.integers(0, 4), min_size=2, max_size=9),
    ops=st.lists(st.sampled_from(sorted(set(TRUTH) - {"^", "/", "%"})), min_size=8, max_size=8),
)
def test_precedence_agrees_with_a_shunting_yard(operands: list[int], ops: list[str]) -> None:
    """Without / and ^ all values stay whole numbers that doubles hold, so equality is exact."""
    tokens: list[float | str] = [float(operands[0])]
    for op, operand in zip(ops, operands[1:], strict=False):
        tokens += [op, float(operand)]
    assert value(" ".join(map(str, tokens))) == reference(tokens)


@settings(max_examples=200, deadline=None)
@given(st.recursive(
    st.floats(0.125, 9, width=16).map(lambda v: (str(float(v)), float(v))),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(sorted(set(TRUTH) - {"^"})), inner, inner).map(
            lambda t: (f"({t[1][0]}{' '}{t[0]} {t[2][0]})", (t[0], t[1][1], t[2][1]))
        ),
        inner.map(lambda t: (f"-({t[0]})", ("neg", t[1]))),
        inner.map(lambda t: (f"~({t[0]})", ("inv", t[1]))),
        inner.map(lambda t: (f"!({t[0]})", ("not", t[1]))),
        inner.map(lambda t: (f"abs( {t[0]} )", ("abs", t[1]))),
    ),
    max_leaves=12,
))  # fmt: skip
def test_random_expressions_agree_with_plain_python(tree: tuple[str, object]) -> None:
    text, node = tree

    def plain(n: object) -> float:
        if isinstance(n, float):
            return n
        assert isinstance(n, tuple)
        if n[0] in ("neg", "inv", "not", "abs"):
            x = plain(n[1])
            return {"neg": -x, "inv": 1 - x, "not": float(x == 0), "abs": abs(x)}[n[0]]
        return TRUTH[n[0]](plain(n[1]), plain(n[2]))

    try:
        truth = plain(node)
    except (OverflowError, ZeroDivisionError, TypeError, ValueError):
        return  # beyond doubles, or complex: Python's own refusal
    if isinstance(truth, complex) or not abs(truth) < 2**52:
        return
    assert value(text) == pytest.approx(truth, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("-2^2", 4), ("2^3^2", 64), ("2--3", 1), ("2 - -3", 5), ("~0.25*2", 1.5), ("!0 + !5", 1),
        ("10 - 4 - 3", 3), ("7 % 4 * 2", 6), ("1/0", HUGE), ("0/0", HUGE), ("5 % 0", 0),
        (".5e1 + 1. + 2.5E-1", 6.25), ("a = b = 3; a*b", 9), ("a = 2; a ^= 3; a -= 1; a", 7),
        ("a = 5; a --= 8; a", 3), ("a = 6; a &= 3; a", 2), ("a = 0; a ||= 4", 1), ("3; 4; 5;", 5),
        ("/* a */ 2 // b\n + 1", 3), ("x = 4; x + x()", 4), ("$target", 0.25), ("$T[0]", 0.25),
        ("3 < 2 == 0", 1), ("1 | 2 & 3 &| 1", 3), ("$T(0, 0) + 0", None),
    ],
)  # fmt: skip
def test_examples(text: str, truth: float | None) -> None:
    if truth is None:
        assert len(list(PixelMath(expression=text).program(text).meanings)) == 1
    else:
        assert value(text) == pytest.approx(truth, rel=1e-15)


def test_symbols_are_variables_with_or_without_values() -> None:
    assert value("k*$T + s - t", symbols="k = 4, s = k/2; t") == 3
    assert value("k = k + 1; k", symbols="k = init(4)") == 5


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("$T + ", "line 1, column 6", "the expression ends"),
        ("$T +\n * 2", "line 2, column 2", "got '*'"),
        ("foo + 1", "line 1, column 1", "no image, variable or symbol"),
        ("$T + med(2*$T)", "column 11", "wants an image"),
        ("sinn($T)", "column 1", "did you mean 'sin'"),
        ("mtf(0.5)", "column 1", "wants 2 arguments, got 1"),
        ("iswitch(1, 2, 3, 4)", "column 1", "pairs of condition and value"),
        ("(1 + 2", "column 7", "expected ')' to close"),
        ("min(1; 2)", "column 6", "expected ')' or ','"),
        ("1 2", "column 3", "an operator or ';', got '2'"),
        ("1 # 2", "column 3", "'#' is not understood"),
        ("/* never", "column 1", "does not end"),
        ("5 = 3", "column 3", "got '='"),
        ("$T = 3", "column 1", "is an image and cannot be assigned"),
        ("k += 1", "column 1", "no value yet"),
        ("pi * 2", "column 1", "write pi(...)"),
        ("$M", "column 1", "mask port"),
        ("kconv($T, 2)", "column 1", "10 or more"), ("kconv($T" + ", 1" * 16 + ")", "column 1", "odd size"),
        ("kconv($T" + ", 1" * 8 + ", $T)", "column 35", "constant"),
        ("lvar($T, 3, krn_flt())", "column 13", "krn_flat"),
        ("translate($T, x(), 2)", "column 15", "constant"),
        ("rotate($T, 30, 4)", "column 1", "2 or 4 arguments, got 3"),
        ("rotate(2*$T, 30)", "column 9", "wants an image"), ("maxdev(1, 2)", "column 1", "3 or more"),
        ("Sn($T)", "column 1", "Statistics"), ("Qn($T) + 1", "column 1", "Statistics"),
        ("envvar_value(HOME)", "column 1", "the same on every machine"), ("global(+)", "column 1", "into symbols"),
        ("n = 2; n + global(*, 2)", "column 12", "into symbols"),
        ("keyword_value()", "column 1", "1 to 2 arguments"), ("keyword_value(b, GAIN)", "column 1", "got 'b'"),
        ("keyword_value($T, )", "column 1", "a key as it is written"),
        ("gconv($T, 40)", "column 1", "at most 64 px"), ("gconv($T, $T)", "column 11", "constant"),
        ("gconv($T, 2, 1.5)", "column 1", "rho"), ("medfilt($T, 4)", "column 1", "odd window"),
        ("medfilt($T, 3, circle())", "column 16", "str_circular()"),
        ("$T(2*x(), y())", "column 1", "strip by strip"),
        ("$T(x() + 0.5, y())", "column 1", "whole pixels"),
        ("$T(x() + 9999, y())", "column 1", "at most 512 px"),
        ("$T[0.5]", "column 4", "constant whole number"),
        ("combine($T, 1, op_scren())", "column 16", "op_screen"),
        ("++", "column 3", "the expression ends"),
        ("1e400", "column 1", "too large"),
        ("$T[", "column 4", "the expression ends"), ("-\n", "line 2, column 1", "the expression ends"),
        ("é", "column 1", "not understood"),
    ],
)  # fmt: skip
def test_errors_name_the_place_and_the_cure(text: str, place: str, words: str) -> None:
    with pytest.raises(ParameterError) as caught:
        PixelMath(expression=text)
    assert place in str(caught.value) and words in str(caught.value)


def test_a_channel_that_is_not_there_is_an_error_before_any_pixel() -> None:
    gray = Known(frames={"image": Frame(width=3, height=2)})
    with pytest.raises(ParameterError, match=r"\$T\[1\] does not exist: the image has 1 channels"):
        PixelMath(expression="$T[1]").frame(gray)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 30_000, "~" * 30_000, "1" + "^(1" * 10_000, "-" * 20_001 + "1", "sin(" * 10_000, "a=" * 20_000 + "1",
        "[" * 100, "$T[" * 9_000, "1" * 60_000, "/*" * 20_000, "a" * 49_999, "1;" * 5_000, ",", ")", "]", "\x00",
        "__import__('os')", "().__class__", "lambda: 0", "1 if 2 else 3", "$T.__class__", "eval(1)", "",  " \n ",
    ],
)  # fmt: skip
def test_hostile_texts_are_refused_kindly(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        PixelMath(expression=text)
    assert len(str(caught.value)) < 60_000 and "recursion" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="$T()[]+-*/%^~!&|=<>,;. 0123456789abxymedsin\n", max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        PixelMath(expression=text)
    except ParameterError:
        return
    assert ex.parse(text)


def test_long_sums_are_no_deep_trees(render: Render) -> None:
    process = PixelMath(expression=" + ".join(["$T"] * 4000), truncate=False)
    np.testing.assert_allclose(render(process, np.full((1, 2, 2), 0.5)), 2000, rtol=1e-6)
