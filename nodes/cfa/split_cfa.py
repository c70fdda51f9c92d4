"""The four planes of a Bayer mosaic."""

from __future__ import annotations

import numpy as np

from ...engine.api import Box, Frame, Known, Port, Process, Tile, carry, scaling, shifting
from ._pattern import must_be_mosaic


class SplitCFA(Process, id="cfa.split_cfa"):
    """Split a mosaic into the planes of the four places of its cell, each of half the size.

    ``cfa_01`` holds the samples of even rows (counted from 0, as stored) and odd columns, and so on; nothing is
    interpolated. An odd last row or column is left out. Each plane's celestial solution says where its samples
    lie. MergeCFA is the inverse. (PixInsight: SplitCFA.)
    """

    inputs = (Port("image", doc="a mosaic: one channel, seen through a cell of 2 x 2 colour filters"),)
    outputs = (
        Port("cfa_00", doc="even rows, even columns"),
        Port("cfa_01", doc="even rows, odd columns"),
        Port("cfa_10", doc="odd rows, even columns"),
        Port("cfa_11", doc="odd rows, odd columns"),
    )
    maskable = False

    def frame(self, known: Known) -> Frame:
        source = known.of("image")
        must_be_mosaic(source, "SplitCFA")
        row, column = _place(known.port)
        # The plane's pixel (i, j) is centred where the mosaic's pixel (2i + row, 2j + column) is.
        grid = scaling(0.5, 0.5).then(shifting(0.25 - 0.5 * column, 0.25 - 0.5 * row))
        return carry(source, grid).with_(width=source.width // 2, height=source.height // 2, cfa=None)

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return Box(2 * box.y0, 2 * box.x0, 2 * box.y1, 2 * box.x1)

    def pixels(self, known: Known, image: Tile) -> Tile:
        row, column = _place(known.port)
        return np.ascontiguousarray(image[:, row::2, column::2])


def _place(port: str) -> tuple[int, int]:
    return int(port[-2]), int(port[-1])
