"""The factor by which a master dark is scaled so that it explains most of a frame's hot pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, Known, Tile
from . import _cfa
from ._masters import conversion

Sums = npt.NDArray[np.float64]
"""Per channel: pairs, sum of target, of dark, of target x dark, of dark squared."""

FEWEST = 16
"""With fewer pixels above the threshold a factor means nothing."""


def sums(target: Tile, dark: Tile, threshold: list[float]) -> Sums:
    """Return what the pixels of one tile with dark at or above *threshold* (per channel) tell."""
    found = np.zeros((len(dark), 5))
    for row, target_plane, dark_plane, least in zip(found, target, dark, threshold, strict=True):
        # Few pixels are kept, so they are picked before anything else is done with them.
        keep = np.nonzero((dark_plane >= least) & (dark_plane > 0.0))
        t, d = target_plane[keep].astype(np.float64), dark_plane[keep].astype(np.float64)
        both = np.isfinite(t) & np.isfinite(d)
        t, d = t[both], d[both]
        # No dot products: their rounding is up to the linear algebra library.
        row[:] = len(t), t.sum(), d.sum(), (t * d).sum(), (d * d).sum()
    return found


def factor(row: npt.NDArray[np.float64]) -> float:
    """Return the k >= 0 that minimises the standard deviation of target - k dark.

    The variance is a parabola in k, ``var(t) - 2 k cov(t, d) + k^2 var(d)``, with its minimum at
    ``cov(t, d) / var(d)``. A search over k finds the same value, less exactly, in dozens of passes.
    """
    n, t, d, td, dd = row
    spread = dd - d * d / n
    # Equal dark values leave a residue of rounding; they say nothing about the scale.
    if spread <= 1e-12 * dd:
        return 0.0
    return float(max(0.0, (td - t * d / n) / spread))


def window(box: Box, frame: Frame, side: int) -> Box:
    """Return the central square of *side* samples (0: all) as a box relative to *box*."""
    if side == 0:
        return Box(0, 0, box.height, box.width)
    y, x = max(0, (frame.height - side) // 2), max(0, (frame.width - side) // 2)
    centre = Box(y, x, min(frame.height, y + side), min(frame.width, x + side))
    return centre.overlap(box).shift(-box.y0, -box.x0)


def reduced_dark(known: Known, dark: Tile, bias: Tile | None, y0: int, side: int) -> Tile:
    """Return the channels of the dark that carry light, without bias, reduced.

    Threshold and scale must see the very same numbers, and exact medians are those of float32 samples.
    """
    frame = known.of("dark")
    d = dark[: frame.nominal]
    if bias is not None:
        d = d - bias[: frame.nominal] * np.float32(conversion(known, "bias", "dark"))
    return _cfa.reduced(d, y0, frame.height, side)
