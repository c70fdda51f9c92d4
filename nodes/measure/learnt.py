"""Learnt: what a region taught once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.api import Known, ParameterError, Port, Process, param, value_of_text

PORTS = ("measures", "psf", "stars", "region")


class Learnt(Process, id="measure.learnt"):
    """Give the Values that were kept of a region; nothing is measured.

    `learnt` is written by freezing a LearnLink: its four Values, the key of the image that they were measured in, and
    the time.
    """

    inputs = ()
    outputs = (
        Port("measures", "measures", doc="all figures, by name"),
        Port("psf", "psf", doc="shape of the stars, and their stack as a kernel"),
        Port("stars", "stars", doc="the stars in the region, in pixels of the image it was"),
        Port("region", "region", doc="the region on the pixels of the image it was"),
    )
    maskable = False

    learnt: str = param(default="", doc="the Values, as text")

    def compute(self, known: Known) -> dict[str, Any]:
        return kept(self.learnt)

    def value(self, port: str, measured: Any) -> Any:
        return None if measured is None else measured[port]


def kept(text: str) -> dict[str, Any]:
    """Return the Values that were kept.

    Raises
    ------
    ParameterError
        Nothing was kept, or the text is damaged.
    """
    if not text:
        raise ParameterError("LearnLink: nothing was learnt yet; `lerar learn GRAPH --freeze` measures and keeps it")
    try:
        found = value_of_text(text)
    except ParameterError as e:
        raise ParameterError(f"LearnLink: parameter 'learnt': {e}") from e
    missing = [port for port in PORTS if not isinstance(found, Mapping) or port not in found]
    if missing:
        raise ParameterError(f"LearnLink: parameter 'learnt' has no {', '.join(missing)}")
    return dict(found)
