"""The colour filter cell of a mosaic: which it is, and which colour stands where."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...engine.api import Frame, ParameterError

BAYER = ("RGGB", "BGGR", "GBRG", "GRBG")
GREEN_COLUMN = ("GRGB", "GBGR", "RGBG", "BGRG")
PATTERNS = ("auto", *BAYER, *GREEN_COLUMN)


def mosaic_cell(frame: Frame, cfa_pattern: str, owner: str) -> str:
    """Return the four letters of the cell of *frame*, or raise ParameterError saying why there are none."""
    must_be_mosaic(frame, owner)
    if cfa_pattern != "auto":
        return cfa_pattern
    if frame.cfa is None:
        raise ParameterError(
            f"{owner}: the image does not say which colour filters it was taken through; give cfa_pattern, one of "
            f"{', '.join(BAYER)}, as the pixels are stored"
        )
    if len(frame.cfa) == 36:
        raise ParameterError(
            f"{owner}: the image is an X-Trans mosaic (cell of 6 x 6 filters), which is not supported; "
            f"wanted is a cell of 2 x 2, one of {', '.join(PATTERNS[1:])}"
        )
    if frame.cfa not in PATTERNS:
        wanted = ", ".join(PATTERNS[1:])
        raise ParameterError(f"{owner}: the colour filter cell must be one of {wanted}, got {frame.cfa}")
    return frame.cfa


def must_be_mosaic(frame: Frame, owner: str) -> None:
    """Raise ParameterError unless *frame* is one plane with at least one whole cell."""
    if frame.channels != 1 or frame.color != "gray":
        raise ParameterError(
            f"{owner}: a mosaic is one gray channel, got {frame.channels} channels ({frame.color}); "
            "is the image in colour already?"
        )
    if frame.width < 2 or frame.height < 2:
        size = f"{frame.width} x {frame.height}"
        raise ParameterError(f"{owner}: a cell of 2 x 2 filters does not fit into an image of {size} pixels")


def colours(cell: str) -> npt.NDArray[np.int64]:
    """Return the colour of each place of *cell* by row and column: 0 red, 1 green, 2 blue."""
    return np.array(["RGB".index(letter) for letter in cell], np.int64).reshape(2, 2)
