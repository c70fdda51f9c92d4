"""What operators and functions of PixelMath do to numbers: float64 in, float64 out, NaN (missing) stays NaN.

Definitions follow PixInsight's PixelMath reference. Quotients by (almost) zero give the largest double and
remainders give 0; comparisons and logical operators give 0 or 1; the bitwise operators work on operands
truncated to whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Value = Any
"""A float64 scalar or an array of the box's size."""

MANY = 10_000
LARGEST = float(np.finfo(np.float64).max)
SMALLEST_DIVISOR = float(np.finfo(np.float64).eps)
_WHOLE = 2.0**62


class Function(NamedTuple):
    """A function of *low* to *high* arguments."""

    low: int
    high: int
    apply: Callable[..., Value]


# -- operators ------------------------------------------------------------------------------------


def missing(*values: Value) -> npt.NDArray[np.bool_]:
    """Return where any of *values* is missing."""
    found = np.isnan(values[0])
    for v in values[1:]:
        found = found | np.isnan(v)
    return np.asarray(found)


def _kept(result: Value, *operands: Value) -> Value:
    """Return *result* as float64, missing where an operand is."""
    return np.where(missing(*operands), np.nan, np.asarray(result, np.float64))


def divide(a: Value, b: Value) -> Value:
    zero = np.abs(b) <= SMALLEST_DIVISOR
    return _kept(np.where(zero, LARGEST, a / np.where(zero, 1.0, b)), a, b)


def modulo(a: Value, b: Value) -> Value:
    zero = np.abs(b) <= SMALLEST_DIVISOR
    return _kept(np.where(zero, 0.0, np.fmod(a, np.where(zero, 1.0, b))), a, b)


def _whole(a: Value) -> Value:
    return np.clip(np.nan_to_num(np.trunc(a)), -_WHOLE, _WHOLE).astype(np.int64)


def _bitwise(op: Callable[[Any, Any], Any], negated: bool) -> Callable[[Value, Value], Value]:
    def apply(a: Value, b: Value) -> Value:
        bits = op(_whole(np.asarray(a)), _whole(np.asarray(b)))
        return _kept(~bits if negated else bits, a, b)

    return apply


def _comparison(op: Callable[[Any, Any], Any]) -> Callable[[Value, Value], Value]:
    return lambda a, b: _kept(op(a, b), a, b)


BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "^": lambda a, b: _kept(np.power(a, b), a, b),
    "*": lambda a, b: a * b,
    "/": divide,
    "%": modulo,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "--": lambda a, b: np.abs(a - b),
    "<": _comparison(np.less),
    "<=": _comparison(np.less_equal),
    ">": _comparison(np.greater),
    ">=": _comparison(np.greater_equal),
    "==": _comparison(np.equal),
    "!=": _comparison(np.not_equal),
    "&": _bitwise(np.bitwise_and, False),
    "!&": _bitwise(np.bitwise_and, True),
    "&|": _bitwise(np.bitwise_xor, False),
    "!&|": _bitwise(np.bitwise_xor, True),
    "|": _bitwise(np.bitwise_or, False),
    "!|": _bitwise(np.bitwise_or, True),
    "&&": lambda a, b: _kept((np.not_equal(a, 0)) & (np.not_equal(b, 0)), a, b),
    "||": lambda a, b: _kept((np.not_equal(a, 0)) | (np.not_equal(b, 0)), a, b),
}
UNARY: dict[str, Callable[[Value], Value]] = {
    "~": lambda a: 1.0 - a,
    "-": lambda a: -a,
    "+": lambda a: a,
    "!": lambda a: _kept(np.equal(a, 0), a),
}


# -- functions of single values -------------------------------------------------------------------


def mtf(m: Value, x: Value) -> Value:
    """Return the midtones transfer function of *x*, clamped to [0, 1], for balance *m*."""
    x, m = np.clip(x, 0.0, 1.0), np.clip(m, 0.0, 1.0)
    below = (2 * m - 1) * x - m
    inside = (x > 0) & (x < 1)
    curve = (m - 1) * x / np.where(inside & (below != 0), below, 1.0)
    return np.where(np.equal(x, 0) | np.equal(x, 1), x + 0 * m, np.where(m == 0.0, 1.0 + 0 * x, curve))


def clamp(x: Value, a: Value = 0.0, b: Value = 1.0) -> Value:
    """Return *x*, or *a* where it is below *a*, or *b* where it is above *b*."""
    return _kept(np.where(x < a, a, np.where(x > b, b, x)), x, a, b)


def rescale(x: Value, a: Value, b: Value) -> Value:
    """Return *x* mapped from [a, b] to [0, 1]; 0 below, 1 above, 0 where the range is empty."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    empty = high - low <= SMALLEST_DIVISOR
    inside = np.clip((x - low) / np.where(empty, 1.0, high - low), 0.0, 1.0)
    return _kept(np.where(empty, 0.0, inside), x, a, b)


def rounded(x: Value, digits: Value = 0.0) -> Value:
    """Return *x* rounded to *digits* decimals, halves away from zero."""
    scale = np.power(10.0, np.trunc(digits))
    return np.copysign(np.floor(np.abs(x) * scale + 0.5) / scale, x)


def choose(condition: Value, yes: Value, no: Value) -> Value:
    """Return *yes* where *condition* is not 0, else *no*; missing where the condition is."""
    return np.where(np.isnan(condition), np.nan, np.where(np.not_equal(condition, 0), yes, no))


def switch(*parts: Value) -> Value:
    """Return the value after the first condition that is not 0, else the last value."""
    result = parts[-1]
    for condition, value in zip(parts[-3::-2], parts[-2::-2], strict=True):
        result = choose(condition, value, result)
    return result


def _atan(y: Value, x: Value | None = None) -> Value:
    return np.arctan(y) if x is None else np.arctan2(y, x)


# -- functions of a set of values -----------------------------------------------------------------


def _stack(values: tuple[Value, ...]) -> npt.NDArray[np.float64]:
    return np.stack(np.broadcast_arrays(*(np.asarray(v, np.float64) for v in values)))


def _over_set(apply: Callable[[npt.NDArray[np.float64]], Value]) -> Callable[..., Value]:
    def over(*values: Value) -> Value:
        s = _stack(values)
        return np.where(np.isnan(s).any(axis=0), np.nan, apply(s))

    return over


def _median_deviation(s: npt.NDArray[np.float64]) -> Value:
    return np.median(np.abs(s - np.median(s, axis=0)), axis=0)


def _greatest_deviation(s: npt.NDArray[np.float64]) -> Value:
    return np.abs(s - np.median(s, axis=0)).max(axis=0)


def biweight_midvariance(s: npt.NDArray[np.float64]) -> Value:
    """Return n Σ d²(1-y²)⁴ / (Σ (1-y²)(1-5y²))², y = d / (9 MAD), over |y| < 1; 0 where MAD is 0."""
    d = s - np.median(s, axis=0)
    scale = 9 * np.median(np.abs(d), axis=0)
    y2 = (d / np.where(scale > 0, scale, 1.0)) ** 2
    near = y2 < 1
    top = np.where(near, d**2 * (1 - y2) ** 4, 0.0).sum(axis=0)
    bottom = np.where(near, (1 - y2) * (1 - 5 * y2), 0.0).sum(axis=0)
    result = divide(len(s) * top, bottom**2)
    return np.where(scale > 0, result, 0.0 * scale)


def percentage_bend_midvariance(s: npt.NDArray[np.float64]) -> Value:
    """Return n w² Σ ψ(y)² / #{|y| < 1}², y = d / w, w the floor(0.8 n + 0.5)-th smallest |d|; 0 where w is 0."""
    d = s - np.median(s, axis=0)
    n = len(s)
    w = np.sort(np.abs(d), axis=0)[int(0.8 * n + 0.5) - 1]
    y = d / np.where(w > 0, w, 1.0)
    inside = (np.abs(y) < 1).sum(axis=0)
    result = divide(n * w**2 * (np.clip(y, -1, 1) ** 2).sum(axis=0), inside.astype(np.float64) ** 2)
    return np.where(w > 0, result, 0.0 * w)


def _sn(s: npt.NDArray[np.float64]) -> Value:
    """Return the low median over i of the high median over j of |x_i - x_j| (Rousseeuw and Croux 1993)."""
    n = len(s)
    rows = [np.sort(np.abs(s - x), axis=0)[n // 2] for x in s]
    return np.sort(np.stack(rows), axis=0)[(n + 1) // 2 - 1]


def _qn(s: npt.NDArray[np.float64]) -> Value:
    """Return the k-th smallest |x_i - x_j|, i < j, k = h(h-1)/2, h = n // 2 + 1 (Rousseeuw and Croux 1993)."""
    n = len(s)
    h = n // 2 + 1
    pairs = np.stack([np.abs(s[i] - s[j]) for i in range(n) for j in range(i + 1, n)])
    return np.sort(pairs, axis=0)[h * (h - 1) // 2 - 1]


def _order(k: Value, *values: Value) -> Value:
    """Return the k-th smallest of *values*, counted from 0."""
    k, *rest = np.broadcast_arrays(np.asarray(k, np.float64), *values)
    s = np.sort(_stack(tuple(rest)), axis=0)
    place = np.clip(np.nan_to_num(np.trunc(k)), 0, len(s) - 1).astype(np.int64)
    return _kept(np.take_along_axis(s, place[None], axis=0)[0], k, *rest)


SETS: dict[str, Callable[..., Value]] = {
    "mean": _over_set(lambda s: s.mean(axis=0)),
    "med": _over_set(lambda s: np.median(s, axis=0)),
    "min": _over_set(lambda s: s.min(axis=0)),
    "max": _over_set(lambda s: s.max(axis=0)),
    "sum": _over_set(lambda s: s.sum(axis=0)),
    "norm": _over_set(lambda s: s.sum(axis=0)),
    "mod": _over_set(lambda s: np.abs(s).sum(axis=0)),
    "ssqr": _over_set(lambda s: (s**2).sum(axis=0)),
    "asqr": _over_set(lambda s: (s**2).mean(axis=0)),
    "sdev": _over_set(lambda s: s.std(axis=0, ddof=1)),
    "var": _over_set(lambda s: s.var(axis=0, ddof=1)),
    "adev": _over_set(lambda s: np.abs(s - np.median(s, axis=0)).mean(axis=0)),
    "mdev": _over_set(_median_deviation),
    "maxdev": _over_set(_greatest_deviation),
    "bwmv": _over_set(biweight_midvariance),
    "pbmv": _over_set(percentage_bend_midvariance),
    "Sn": _over_set(_sn),
    "Qn": _over_set(_qn),
}
"""Functions of two or more values; with one image they are statistics of that image."""


# -- tables ----------------------------------------------------------------------------------------

POINTWISE: dict[str, Function] = {
    "abs": Function(1, 1, np.abs),
    "acos": Function(1, 1, np.arccos),
    "acosh": Function(1, 1, np.arccosh),
    "asin": Function(1, 1, np.arcsin),
    "asinh": Function(1, 1, np.arcsinh),
    "atan": Function(1, 2, _atan),
    "atanh": Function(1, 1, np.arctanh),
    "ceil": Function(1, 1, np.ceil),
    "cos": Function(1, 1, np.cos),
    "cosh": Function(1, 1, np.cosh),
    "exp": Function(1, 1, np.exp),
    "floor": Function(1, 1, np.floor),
    "frac": Function(1, 1, lambda x: x - np.trunc(x)),
    "ln": Function(1, 1, np.log),
    "log": Function(1, 1, np.log10),
    "log2": Function(1, 1, np.log2),
    "mtf": Function(2, 2, mtf),
    "ostat": Function(2, MANY, _order),
    "pi": Function(0, 0, lambda: np.float64(np.pi)),
    "range": Function(3, 3, clamp),
    "rescale": Function(3, 3, rescale),
    "round": Function(1, 2, rounded),
    "sign": Function(1, 1, np.sign),
    "sin": Function(1, 1, np.sin),
    "sinh": Function(1, 1, np.sinh),
    "sqrt": Function(1, 1, np.sqrt),
    "tan": Function(1, 1, np.tan),
    "tanh": Function(1, 1, np.tanh),
    "trunc": Function(1, 1, np.trunc),
    "truncate": Function(1, 3, clamp),
    "binarize": Function(1, 2, lambda x, t=0.5: _kept(x >= t, x, t)),
    "iif": Function(3, 3, choose),
    "iswitch": Function(3, MANY, switch),
}

ALIASES = {
    "avg": "mean", "Mean": "mean", "median": "med", "Med": "med", "minimum": "min", "maximum": "max",
    "stdDev": "sdev", "StdDev": "sdev", "variance": "var", "modulus": "mod", "avgDev": "adev",
    "maxDev": "maxdev", "MaxDev": "maxdev",
    "MTF": "mtf", "Pi": "pi", "PI": "pi", "rnd": "random", "w": "width", "h": "height",
    "numberOfChannels": "channels", "xpos": "x", "ypos": "y", "r": "rdist",
    "n": "channels", "a": "pangle",
}  # fmt: skip
"""Other names of the same functions."""
