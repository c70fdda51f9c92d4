"""A Bayer mosaic out of its four planes."""

from __future__ import annotations

import numpy as np

from ...engine.api import Box, Frame, Known, ParameterError, Port, Process, Tile, carry, param, scaling, shifting
from ._pattern import PATTERNS

_PORTS = ("cfa_00", "cfa_01", "cfa_10", "cfa_11")


class MergeCFA(Process, id="cfa.merge_cfa"):
    """Put the planes of the four places of a filter cell together to a mosaic of twice the size.

    The inverse of SplitCFA: ``cfa_01`` gives the samples of even rows (counted from 0, as stored) and odd columns.
    The header is that of ``cfa_00``. (PixInsight: MergeCFA.)
    """

    inputs = (
        Port("cfa_00", doc="even rows, even columns"),
        Port("cfa_01", doc="even rows, odd columns"),
        Port("cfa_10", doc="odd rows, even columns"),
        Port("cfa_11", doc="odd rows, odd columns"),
    )
    maskable = False

    cfa_pattern: str = param(
        default="auto", choices=PATTERNS, doc="the filter cell of the mosaic, row by row as stored; auto: unknown"
    )

    def frame(self, known: Known) -> Frame:
        first = known.of(_PORTS[0])
        for name in _PORTS:
            other = known.of(name)
            if other.channels != 1:
                raise ParameterError(f"MergeCFA: {name} must have one channel, got {other.channels}")
            if not other.same_size(first) or other.bounds != first.bounds:
                raise ParameterError(
                    f"MergeCFA: {name} is {other.width}x{other.height} with bounds {other.bounds}, "
                    f"cfa_00 is {first.width}x{first.height} with bounds {first.bounds}"
                )
        cell = None if self.cfa_pattern == "auto" else self.cfa_pattern
        grid = scaling(2.0, 2.0).then(shifting(-0.5, -0.5))
        return carry(first, grid).with_(width=2 * first.width, height=2 * first.height, cfa=cell)

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return Box(box.y0 // 2, box.x0 // 2, -(-box.y1 // 2), -(-box.x1 // 2))

    def pixels(self, known: Known, *tiles: Tile) -> Tile:
        box = known.box
        _, rows, columns = tiles[0].shape
        whole = np.empty((1, 2 * rows, 2 * columns), np.float32)
        for k, tile in enumerate(tiles):
            whole[:, k // 2 :: 2, k % 2 :: 2] = tile
        y, x = box.y0 % 2, box.x0 % 2
        return np.ascontiguousarray(whole[:, y : y + box.height, x : x + box.width])
