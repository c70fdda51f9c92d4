"""What a temporal resonance vector says, and its canonical text; `engine/trv.py` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from .errors import ParameterError

Shape = Literal["harmonic", "box"]
Choice = Literal["on", "off", "auto"]

EXAMPLES = "[TRV:14.8s], [TRV:2.150008d+-0.00001d;h=2], [TRV:0.4d..10d], [TRV:seed(core);shape=box;dur=3h]"

_PERIODS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_FREQUENCIES = {"Hz": Decimal(1), "mHz": Decimal("1e-3"), "uHz": Decimal("1e-6")}
UNITS = (*_PERIODS, *_FREQUENCIES, "c/d")


class TrvError(ParameterError):
    """TRV-1: a text is no temporal resonance vector; *column* counts from 1."""

    def __init__(self, text: str, column: int, wanted: str) -> None:
        super().__init__(f"TRV-1: {text!r}, column {column}: {wanted}; for example {EXAMPLES}")
        self.text, self.column, self.wanted = text, column, wanted

    def __reduce__(self) -> tuple[type[TrvError], tuple[str, int, str]]:
        return type(self), (self.text, self.column, self.wanted)  # so that it comes back from a worker process


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as it was written, and its unit: ``14.80`` and ``14.8`` are two."""

    digits: str
    unit: str

    @classmethod
    def of(cls, number: float | int | str | Decimal, unit: str) -> Quantity:
        """Return the quantity of a number, floats in their shortest writing."""
        if unit not in UNITS:
            raise ParameterError(f"unit must be one of {', '.join(UNITS)}, got {unit!r}")
        try:
            exact = number if isinstance(number, Decimal) else Decimal(str(number))
        except InvalidOperation as e:
            raise ParameterError(f"a quantity wants a number, got {number!r}") from e
        if not exact.is_finite() or exact.is_signed():
            raise ParameterError(f"a quantity is a number of 0 or more, got {number!r}")
        return cls(str(exact), unit)

    @property
    def is_period(self) -> bool:
        return self.unit in _PERIODS

    @property
    def number(self) -> Decimal:
        return Decimal(self.digits)

    @property
    def last_digit(self) -> Quantity:
        """One unit of the last written digit."""
        exponent = self.number.as_tuple().exponent
        assert isinstance(exponent, int)
        return Quantity(str(Decimal((0, (1,), exponent))), self.unit)

    @property
    def seconds(self) -> float:
        """A time in seconds; of a frequency its period."""
        if self.is_period:
            return float(self.number * _PERIODS[self.unit])
        return 1.0 / self.hertz

    @property
    def hertz(self) -> float:
        """A frequency in hertz; of a time that of its period."""
        if self.is_period:
            return 1.0 / self.seconds
        if self.unit == "c/d":
            return float(self.number / 86400)
        return float(self.number * _FREQUENCIES[self.unit])

    def __str__(self) -> str:
        return f"{self.digits}{self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trv:
    """What a vector says; what it leaves open is None.

    Attributes
    ----------
    center, tolerance
        One period or frequency; without *tolerance*, half a unit of its last digit.
    low, high
        The ends of a range, as written: of periods the shorter first, of frequencies the lower.
    seed
        Name of the region whose light curve gives the period.
    harmonics, oversample
        Whole numbers, 1 .. 8 and 3 .. 20.
    t0
        ISO 8601, a Julian date as text, or a quantity after the epoch.
    barycentric, shape
        Choices.
    duration
        Of a box, in units of time.
    """

    center: Quantity | None = None
    tolerance: Quantity | None = None
    low: Quantity | None = None
    high: Quantity | None = None
    seed: str | None = None
    harmonics: int | None = None
    t0: str | None = None
    barycentric: Choice | None = None
    oversample: int | None = None
    shape: Shape | None = None
    duration: Quantity | None = None

    @property
    def is_search(self) -> bool:
        return self.low is not None

    @property
    def hertz(self) -> tuple[float, float]:
        """The lowest and the highest frequency that are meant.

        Raises
        ------
        ParameterError
            The period is to come from a region, so that the vector names none.
        """
        if self.low is not None and self.high is not None:
            ends = (self.low.hertz, self.high.hertz)
        elif self.center is not None:
            width = self.tolerance or _half(self.center.last_digit)
            low, high = (_moved(self.center, width, sign) for sign in (-1, 1))
            ends = (low.hertz, high.hertz)
        else:
            raise ParameterError(f"{format(self)} names no period: it is to come from the region '{self.seed}'")
        return min(ends), max(ends)

    @property
    def seconds(self) -> tuple[float, float]:
        """The shortest and the longest period that are meant."""
        low, high = self.hertz
        return 1.0 / high, 1.0 / low

    @property
    def period(self) -> float:
        """The period in seconds: as written, or the middle of a range in frequency."""
        if self.center is not None:
            return self.center.seconds
        low, high = self.hertz
        return 2.0 / (low + high)

    def with_center(self, period_s: float, tolerance_s: float) -> Trv:
        """Return the vector with one period in place of what it named, such as that found for its region."""
        said = {f: getattr(self, f) for f in _OPTIONS}
        center, tolerance = Quantity.of(period_s, "s"), Quantity.of(tolerance_s, "s")
        return Trv(center=center, tolerance=tolerance, **said)

    def __str__(self) -> str:
        return format(self)


def _half(quantity: Quantity) -> Quantity:
    return Quantity.of(quantity.number / 2, quantity.unit)


def _moved(center: Quantity, width: Quantity, sign: int) -> Quantity:
    """Return *center* plus or minus *width*, which may be of another unit of the same kind."""
    if center.unit == width.unit:
        return Quantity.of(center.number + sign * width.number, center.unit)
    if center.is_period:
        moved = center.number * _PERIODS[center.unit] + sign * width.number * _PERIODS[width.unit]
        return Quantity.of(moved, "s")
    return Quantity.of(Decimal(repr(center.hertz)) + sign * Decimal(repr(width.hertz)), "Hz")


# -- writing ----------------------------------------------------------------------------------------

_OPTIONS = {
    "harmonics": "h", "t0": "t0", "barycentric": "bary", "oversample": "os", "shape": "shape", "duration": "dur",
}  # fmt: skip


def format(trv: Trv) -> str:
    """Return the canonical text of *trv*, in ASCII: `parse` gives back an equal one."""
    if trv.seed is not None:
        body = f"seed({trv.seed})"
    elif trv.low is not None:
        body = f"{trv.low}..{trv.high}"
    else:
        body = f"{trv.center}" + (f"+-{trv.tolerance}" if trv.tolerance else "")
    options = [f"{name}={getattr(trv, f)}" for f, name in _OPTIONS.items() if getattr(trv, f) is not None]
    return f"[TRV:{';'.join([body, *options])}]"
