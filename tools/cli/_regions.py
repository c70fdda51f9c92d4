"""Boxes of pixels on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ...engine.region import Box


def box_of(text: str) -> Box:
    """Return ``y0,x0,y1,x1`` as a box.

    Raises
    ------
    click.UsageError
        It is not four whole numbers, or holds no pixel.
    """
    from ...engine.region import Box

    try:
        y0, x0, y1, x1 = (int(part) for part in text.split(","))
    except ValueError:
        raise click.UsageError(f"--region wants four whole numbers y0,x0,y1,x1, got '{text}'") from None
    box = Box(y0, x0, y1, x1)
    if box.empty or y0 < 0 or x0 < 0:
        raise click.UsageError(f"--region must hold pixels (0 <= y0 < y1, 0 <= x0 < x1), got '{text}'")
    return box
