"""Colour filter mosaics: which colour a sensor pixel sees, and how a mosaic is reduced to one sample a cell."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ...engine.api import Frame, ParameterError, Tile

COMPONENTS = ("red", "green", "blue")
PATTERNS = ("auto", "RGGB", "BGGR", "GBRG", "GRBG", "GRGB", "GBGR", "RGBG", "BGRG")


def pattern_of(frames: dict[str, Frame], enable_cfa: bool, cfa_pattern: str, owner: str) -> str | None:
    """Return the one mosaic pattern of *frames* (by port name), or None for no mosaic.

    Raises
    ------
    ParameterError
        The frames disagree, and no pattern was given by hand.
    """
    if not enable_cfa:
        return None
    if cfa_pattern != "auto":
        return cfa_pattern
    names = list(frames)
    first = frames[names[0]].cfa
    if first is not None and (len(first) not in (4, 36) or set(first) - set("RGB")):
        raise ParameterError(
            f"{owner}: the colour filter pattern of {names[0]} must be 4 or 36 letters of R, G and B, got {first}"
        )
    for name in names[1:]:
        if frames[name].cfa != first:
            raise ParameterError(
                f"{owner}: the colour filter pattern of {name} is {frames[name].cfa or 'unknown'}, that of "
                f"{names[0]} is {first or 'unknown'}; where they are the same, say it by cfa_pattern, "
                "or set enable_cfa to false"
            )
    return first


def period(pattern: str) -> int:
    """Return the side of the repeating cell: 2 for Bayer, 6 for X-Trans."""
    return math.isqrt(len(pattern))


def reduction(pattern: str | None) -> int:
    """Return the side of the blocks whose mean has all colours: 2 for Bayer, 3 for X-Trans, 1 for no mosaic."""
    return 1 if pattern is None else period(pattern) if len(pattern) == 4 else 3


def components(pattern: str) -> npt.NDArray[np.intp]:
    """Return the colour of each place of the cell: 0 red, 1 green, 2 blue."""
    side = period(pattern)
    return np.array(["RGB".index(letter) for letter in pattern]).reshape(side, side)


def shifted(pattern: str | None, rows: int, columns: int) -> str | None:
    """Return *pattern* as seen from a corner that lies *rows* down and *columns* to the right."""
    if pattern is None:
        return None
    side = period(pattern)
    cell = np.array(list(pattern)).reshape(side, side)
    return "".join(np.roll(cell, (-(rows % side), -(columns % side)), axis=(0, 1)).ravel())


def rows_needed(y0: int, y1: int, side: int) -> tuple[int, int]:
    """Return the rows of the whole blocks of *side* rows that begin in rows y0..y1-1."""
    return -(-y0 // side) * side, -(-y1 // side) * side


def reduced(tile: Tile, y0: int, height: int, side: int) -> Tile:
    """Return the means of whole blocks of *side* x *side* samples of a tile that begins at row *y0*.

    *height* is that of the image: rows of the tile below it are a mirrored edge. Blocks that the image's
    lower or right edge cuts are left out; blocks with a missing sample are missing.
    """
    if side == 1:
        return tile[:, : height - y0]
    channels, rows, columns = tile.shape
    rows = max(0, min(rows, height - y0)) // side
    columns //= side
    whole = tile[:, : rows * side, : columns * side].astype(np.float64)
    means = whole.reshape(channels, rows, side, columns, side).mean(axis=(2, 4))
    return np.asarray(means, np.float32)
