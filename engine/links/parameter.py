"""What a parameter follows: an expression, and how its result is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["live", "frozen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenFrame:
    """What a link gave at one frame of a series.

    Attributes
    ----------
    value
        What the parameter was set to there.
    frame
        What the frame is called (see `Elements`): its file, without folders; empty where it comes from none.
    error, n, source
        As in `Taken`.
    """

    value: Any
    frame: str = ""
    error: float | tuple[float, ...] | None = None
    n: int | None = None
    source: str = ""


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
    frames
        Of a value that differs from frame to frame: what it is at each, in the order of the series; the parameter
        itself, and what is told of one value, then say nothing. Empty where one value holds.
    """

    unit: str = ""
    error: float | tuple[float, ...] | None = None
    n: int | None = None
    source: str = ""
    time: str = ""
    graph: str = ""
    frames: tuple[TakenFrame, ...] = ()


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

    @property
    def frames(self) -> tuple[TakenFrame, ...]:
        """What a frozen link holds for each frame of a series; none where it is live, or one value holds."""
        return self.taken.frames if self.mode == "frozen" and self.taken is not None else ()


def link_text(value: Any) -> str | None:
    """Return the expression of a value that was typed as one, ``= stats.median``; None for any other value."""
    if isinstance(value, str) and value.startswith("=") and not value.startswith("=="):
        return value[1:].strip() or None
    return None
