"""Turn light into dark."""

from __future__ import annotations

from typing import Any

from ...engine.api import Arguments, Known, Port, Process


class Invert(Process, id="math.invert", version=1):
    """Exchange black and white: ``v -> lo + hi - v``, that is 1 - x of the normalised sample.

    Alpha channels stay. (PixInsight: Invert.)
    """

    inputs = (Port("image"),)

    @staticmethod
    def pixel(x: Any, ends: Any) -> Any:
        return ends - x

    def arguments(self, known: Known, channel: int) -> Arguments | None:
        source = known.of("image")
        return (source.lo + source.hi,) if channel < source.nominal else None
