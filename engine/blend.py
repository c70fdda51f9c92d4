"""Masks and regions, for every image process alike: result = m * new + (1 - m) * old."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import ParameterError
from .frame import Frame
from .params import param
from .ports import Port
from .process import Known, Process, Tile
from .region import Box


class Blend(Process, id="engine.blend"):
    """Keep *old* where the mask is black or outside the region, take *new* where it is white.

    Both sides meet in units of their own bounds, so that a stretched result (0..1) and its linear
    original (ADU) mix as they look. The mask counts in units of its bounds, clamped to [0, 1]; it has one
    channel, or as many as the image.
    """

    inputs = (Port("new"), Port("old"), Port("mask", optional=True))
    maskable = False

    window: tuple[int, int, int, int] | None = param(
        default=None, doc="y0, x0, y1, x1: outside it the old image stays", unit="px"
    )

    def frame(self, known: Known) -> Frame:
        new, old = known.of("new"), known.of("old")
        for name, other in [("input", old), *([("mask", known.of("mask"))] if "mask" in known.frames else [])]:
            if not new.same_size(other):
                raise ParameterError(
                    f"a mask or region needs one size: the result is {new.width}x{new.height}, "
                    f"the {name} {other.width}x{other.height}"
                )
        if new.channels != old.channels:
            raise ParameterError(
                f"a mask or region needs as many channels before ({old.channels}) as after ({new.channels})"
            )
        if "mask" in known.frames and (m := known.of("mask").channels) not in (1, new.channels):
            raise ParameterError(f"a mask has 1 or {new.channels} channels, got {m}")
        return new

    def needs(self, box: Box, port: str, known: Known) -> Box:
        if port == "old" or self.window is None:
            return box
        return box.overlap(Box(*self.window))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        new, old, mask = tiles
        base = _rescale(old, known.of("old"), known.frame)
        inner = known.box if self.window is None else known.box.overlap(Box(*self.window))
        if inner.empty:
            return base
        rows = slice(inner.y0 - known.box.y0, inner.y1 - known.box.y0)
        columns = slice(inner.x0 - known.box.x0, inner.x1 - known.box.x0)
        if mask is None:
            base[:, rows, columns] = new
            return base
        m = _weight(mask, known.of("mask"))
        part = base[:, rows, columns]
        # Where the mask is exactly 0 or 1 the pixels of one side pass through untouched, NaN included.
        mixed = np.where(m >= 1, new, np.where(m <= 0, part, m * new + (1 - m) * part))
        base[:, rows, columns] = mixed
        return base


def _weight(mask: Tile, frame: Frame) -> Tile:
    lo, hi = frame.known_bounds()
    m: Tile = np.clip((mask - np.float32(lo)) / np.float32(hi - lo), 0, 1)
    return np.nan_to_num(m, nan=0.0)  # a missing mask sample protects


def _rescale(tile: Tile, source: Frame, target: Frame) -> Tile:
    if source.bounds == target.bounds:
        return tile.copy()
    (a, b), (c, d) = source.known_bounds(), target.known_bounds()
    return (c + (tile.astype(np.float64) - a) * ((d - c) / (b - a))).astype(np.float32)
