"""Which rows of a large image stand for all of it when images are compared.

Measuring registered images means making them: every pass over all rows costs as much as the integration itself.
Bands of rows, evenly spread, tell the levels of an image of 12 megapixels to a few thousandths of its noise, at an
eighth of the price. They follow from the size of the image alone, so that all images of a stack
are asked at the same places, and what they have in common, such as a nebula, drops out of the comparison.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...engine.api import Box

SMALL = 4 * 1024 * 1024
"""Images of fewer pixels are measured whole."""
_SHARE = 8
# Bands are as thick as what is measured at a time, and begin where that does: cut in two they would cost more.
_BAND_SAMPLES = 160 * 1024


def sampled_rows(height: int, width: int, whole: bool) -> npt.NDArray[np.bool_]:
    """Return which rows are measured: all of small images, or if *whole*; else an eighth, in bands.

    Each band lies near the middle of its part of the image, so that gradients from top to bottom change nothing.
    """
    thick = max(1, _BAND_SAMPLES // width)
    there = height // thick
    bands = there // _SHARE
    if whole or height * width < SMALL or bands < 4:
        return np.ones(height, np.bool_)
    rows = np.zeros(height, np.bool_)
    for k in range(bands):
        start = (2 * k + 1) * there // (2 * bands) * thick
        rows[start : start + thick] = True
    return rows


def sampled_box(box: Box, rows: npt.NDArray[np.bool_]) -> Box:
    """Return the smallest part of *box* with all its sampled rows; empty when there are none."""
    found = np.flatnonzero(rows[box.y0 : box.y1])
    if not found.size:
        return Box(box.y0, box.x0, box.y0, box.x1)
    return Box(box.y0 + int(found[0]), box.x0, box.y0 + int(found[-1]) + 1, box.x1)
