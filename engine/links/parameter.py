"""What a parameter follows: an expression, and how its result is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["live", "frozen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How the value of a frozen link was taken.

    Attributes
    ----------
    unit
        Of the value.
    error
        Standard error of the value; None where it is not known.
    n
        Pixels, stars or frames behind it; None where it is not known.
    source
        Digest of what was measured.
    time
        When, ISO 8601 in UTC.
    graph
        Digest of how the graph said that it was to be measured.
    """

    unit: str = ""
    error: float | tuple[float, ...] | None = None
    n: int | None = None
    source: str = ""
    time: str = ""
    graph: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterLink:
    """An expression that a parameter follows.

    Attributes
    ----------
    expr
        The expression, without the ``=`` that begins it where it is typed.
    unit
        Unit of the result; empty for that of the parameter.
    mode
        ``live``, or ``frozen``: the parameter keeps the value it has.
    clamp
        Range that the result is held in; None for no range of its own.
    fallback
        Expression that holds where the other one has no finite value; empty for none.
    deadband
        Changes smaller than this are not followed while somebody drags a region. Runs always follow.
    taken
        How the value of a frozen link was taken; None where nothing tells.
    """

    expr: str
    unit: str = ""
    mode: Mode = "live"
    clamp: tuple[float, float] | None = None
    fallback: str = ""
    deadband: float = 0.0
    taken: Taken | None = None


def link_text(value: Any) -> str | None:
    """Return the expression of a value that was typed as one, ``= stats.median``; None for any other value."""
    if isinstance(value, str) and value.startswith("=") and not value.startswith("=="):
        return value[1:].strip() or None
    return None
