"""Units of quantities in expressions: what may be added to what, and how one converts into another.

A unit is a product of powers of symbols, such as ``arcsec/px``. Samples of images are counted in the range of their
image, 0 black and 1 white, so that image units go together with pure numbers; the symbol is kept to say so, and to
convert into the numbers of the file.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

Powers = tuple[tuple[str, Fraction], ...]

# Symbol -> (dimension, how many of the dimension's own unit it is). No dimension: a pure number.
_SYMBOLS: Mapping[str, tuple[str, float]] = {
    "px": ("px", 1.0),
    "deg": ("angle", 1.0),
    "arcmin": ("angle", 1.0 / 60.0),
    "arcsec": ("angle", 1.0 / 3600.0),
    "mas": ("angle", 1.0 / 3.6e6),
    "rad": ("angle", 180.0 / math.pi),
    "s": ("time", 1.0),
    "ms": ("time", 1e-3),
    "min": ("time", 60.0),
    "h": ("time", 3600.0),
    "d": ("time", 86400.0),
    "e": ("electrons", 1.0),
    "e-": ("electrons", 1.0),
    "electron": ("electrons", 1.0),
    "mag": ("mag", 1.0),
    "DN": ("DN", 1.0),
    "ADU": ("DN", 1.0),
    "inch": ("length", 1.0),
    "mm": ("length", 1.0 / 25.4),
    "sigma": ("", 1.0),
    "%": ("", 0.01),
    "image": ("", 1.0),
}
_FACTOR = re.compile(r"([A-Za-z%][A-Za-z%]*-?)(?:(?:\*\*|\^)?(-?\d+))?")


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """A product of powers of symbols, sorted by symbol. Made by `unit`: equal units are one object."""

    powers: Powers
    text: str

    def __str__(self) -> str:
        return self.text

    def times(self, other: Unit, sign: int = 1) -> Unit:
        """Return the unit of a product, or with *sign* -1 that of a quotient."""
        powers = dict(self.powers)
        for symbol, power in other.powers:
            powers[symbol] = powers.get(symbol, Fraction(0)) + sign * power
        return unit(tuple(sorted((s, p) for s, p in powers.items() if p)))

    def to_the(self, exponent: Fraction) -> Unit:
        return unit(tuple((s, p * exponent) for s, p in self.powers)) if exponent else ONE

    def factor_to(self, other: Unit) -> float | None:
        """Return by what a number in this unit is multiplied to be one in *other*; None where it does not convert."""
        if self is other:
            return 1.0
        (mine, scale), (theirs, other_scale) = _measure(self.powers), _measure(other.powers)
        return scale / other_scale if mine == theirs else None

    @property
    def is_number(self) -> bool:
        """Whether it is a pure number, samples of images among them."""
        return not _measure(self.powers)[0]

    @property
    def is_angle(self) -> bool:
        return _measure(self.powers)[0] == (("angle", Fraction(1)),)

    @property
    def image_power(self) -> Fraction:
        return dict(self.powers).get("image", Fraction(0))


_made: dict[Powers, Unit] = {}


def unit(powers: Powers) -> Unit:
    """Return the unit of these powers, which are sorted by symbol."""
    if powers not in _made:
        above = [_power(s, p) for s, p in powers if p > 0]
        below = [_power(s, -p) for s, p in powers if p < 0]
        head = " ".join(above) or "1"
        # Two threads at once get the same: the first one counts.
        _made.setdefault(powers, Unit(powers, head if not below else f"{head}/{'/'.join(below)}"))
    return _made[powers]


def _power(symbol: str, power: Fraction) -> str:
    if power == 1:
        return symbol
    return f"{symbol}^{power}" if power.denominator == 1 else f"{symbol}^({power})"


ONE = unit(())
RADIAN = unit((("rad", Fraction(1)),))
DEGREE = unit((("deg", Fraction(1)),))
IMAGE = unit((("image", Fraction(1)),))
DN = unit((("DN", Fraction(1)),))


@functools.lru_cache(1024)
def unit_of(text: str) -> Unit:
    """Return the unit written as *text*: symbols with powers, joined by ``*`` or blanks and ``/``.

    Symbols that are not known convert into nothing but themselves. ``level`` is ``image``.
    """
    text = text.replace("⁻", "-").replace("²", "^2").replace("·", "*").strip()
    found = ONE
    for n, part in enumerate(text.split("/")):
        for word in part.replace("**", "^").replace("*", " ").split():
            found = found.times(_factor(word), -1 if n else 1)
    return found


def _factor(word: str) -> Unit:
    if word == "1":
        return ONE
    if word == "Hz":
        return unit((("s", Fraction(-1)),))
    match = _FACTOR.fullmatch(word)
    symbol, power = (match[1], match[2]) if match else (word, None)
    symbol = {"level": "image", "pixel": "px", "pixels": "px", '"': "arcsec"}.get(symbol, symbol)
    return unit(((symbol, Fraction(power or 1)),))


@functools.lru_cache(4096)
def _measure(powers: Powers) -> tuple[Powers, float]:
    """Return the dimension of a product of symbols, and its size in units of that dimension."""
    dimension: dict[str, Fraction] = {}
    scale = 1.0
    for symbol, power in powers:
        base, size = _SYMBOLS.get(symbol, (symbol, 1.0))
        scale *= size ** float(power)
        if base:
            dimension[base] = dimension.get(base, Fraction(0)) + power
    return tuple(sorted((b, p) for b, p in dimension.items() if p)), scale
