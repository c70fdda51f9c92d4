"""The operators of PixelMath's combine(): a is the base, b what is laid over it.

Formulas as PixInsight's documentation of image blending gives them; soft light is Pegtop's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._functions import Value, divide

_TINY = 1e-10


def _over(a: Value, b: Value) -> Value:
    """Return a / b, with a tiny divisor in place of 0."""
    return a / np.where(np.abs(b) < _TINY, _TINY, b)


BLENDS: dict[str, Callable[[Value, Value], Value]] = {
    "op_add": lambda a, b: a + b,
    "op_sub": lambda a, b: a - b,
    "op_mul": lambda a, b: a * b,
    "op_div": divide,
    "op_pow": lambda a, b: np.power(a, b),
    "op_dif": lambda a, b: np.abs(a - b),
    "op_min": np.minimum,
    "op_max": np.maximum,
    "op_atan2": np.arctan2,
    "op_mov": lambda a, b: b + 0 * a,
    "op_screen": lambda a, b: 1 - (1 - a) * (1 - b),
    "op_overlay": lambda a, b: np.where(a <= 0.5, 2 * a * b, 1 - (1 - 2 * (a - 0.5)) * (1 - b)),
    "op_soft_light": lambda a, b: (1 - 2 * b) * a**2 + 2 * a * b,
    "op_hard_light": lambda a, b: np.where(b > 0.5, 1 - (1 - a) * (1 - 2 * (b - 0.5)), 2 * a * b),
    "op_vivid_light": lambda a, b: np.where(
        b < 0.5, np.maximum(0, 1 - _over(1 - a, 2 * b)), np.minimum(1, _over(a, 2 * (1 - b)))
    ),
    "op_linear_light": lambda a, b: a + 2 * b - 1,
    "op_pin_light": lambda a, b: np.where(b > 0.5, np.maximum(a, 2 * (b - 0.5)), np.minimum(a, 2 * b)),
    "op_color_burn": lambda a, b: 1 - np.minimum(1, _over(1 - a, b)),
    "op_linear_burn": lambda a, b: a + b - 1,
    "op_color_dodge": lambda a, b: np.minimum(1, _over(a, 1 - b)),
    "op_exclusion": lambda a, b: 0.5 - 2 * (a - 0.5) * (b - 0.5),
}
