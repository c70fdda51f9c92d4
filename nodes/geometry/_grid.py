"""What all moves of the pixel grid share: how the colour filter cell and the celestial solution move along."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...engine.api import Frame, ParameterError


def cell_side(cfa: str) -> int:
    """Return the side of a square colour filter cell: 2 for Bayer, 6 for X-Trans."""
    side = math.isqrt(len(cfa))
    if side * side != len(cfa):
        raise ParameterError(f"a colour filter cell is square, got {len(cfa)} letters: {cfa}")
    return side


def moved_cell(cfa: str | None, source: Callable[[int, int], tuple[int, int]]) -> str | None:
    """Return the cell of the new grid, whose pixel (row, column) was at ``source(row, column)``."""
    if cfa is None:
        return None
    n = cell_side(cfa)
    places = (source(i, j) for i in range(n) for j in range(n))
    return "".join(cfa[(y % n) * n + x % n] for y, x in places)


def refuse_mosaic(frame: Frame, process: str) -> None:
    """Raise where samples of different filters would be mixed."""
    if frame.cfa is not None:
        raise ParameterError(
            f"{process}: the image is a colour filter mosaic ({frame.cfa}); its neighbouring samples belong to "
            "different colours and must not be mixed: put Debayer before this node"
        )
