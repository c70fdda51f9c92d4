"""When images were exposed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ...engine.api import Frame, ParameterError


def middle(frame: Frame) -> dt.datetime | None:
    """Return the middle of an exposure, UTC; None where the header does not tell when it began.

    Of a header that tells no exposure, the beginning stands for the middle.
    """
    said = frame.word("mid_time")
    if isinstance(said, str):
        return dt.datetime.fromisoformat(said)
    start, seconds = frame.word("start_time"), frame.word("exposure")
    if not isinstance(start, str):
        return None
    half = float(seconds) / 2.0 if isinstance(seconds, int | float) else 0.0
    return dt.datetime.fromisoformat(start) + dt.timedelta(seconds=half)


def middles(frames: Sequence[Frame], owner: str) -> list[dt.datetime]:
    """Return the middles of the exposures of *frames*; the error for those that have none names them all."""
    found = [middle(frame) for frame in frames]
    without = [str(i) for i, time in enumerate(found) if time is None]
    if without:
        raise ParameterError(
            f"{owner}: the time of every image is wanted (DATE-OBS and EXPTIME), image {', '.join(without)} has none"
        )
    return [time for time in found if time is not None]


def hours_between(first: dt.datetime, second: dt.datetime) -> float:
    """Return the hours from *first* to *second*."""
    return (second - first).total_seconds() / 3600.0
