"""Colours out of a Bayer mosaic."""

from __future__ import annotations

import numpy as np

from ...engine.api import Box, Frame, Known, ParameterError, Port, Process, Tile, carry, param, scaling
from ._neighbours import bilinear, cells_to_pixels, nearest_places
from ._pattern import BAYER, PATTERNS, colours, mosaic_cell
from ._vng import HALO, variable_number_of_gradients

METHODS = ("superpixel", "bilinear", "vng")


class Debayer(Process, id="cfa.debayer"):
    """Make a colour image of a Bayer mosaic.

    * ``superpixel``: one pixel for each cell of 2 x 2, green the mean of its two samples; half the size, nothing is
      interpolated. An odd last row or column is left out. The celestial solution is scaled along.
    * ``bilinear``: a colour is the mean of its 2 or 4 nearest samples.
    * ``vng``: colour differences averaged over those of eight directions along which the mosaic varies least
      (Chang, Cheung & Pang 1999, Proc. SPIE 3650, 36).

    The letters of the cell are those of the rows as stored, which the reader derives from BAYERPAT and ROWORDER.
    Beyond the edge the mosaic is mirrored about its last samples, so that every sample keeps its filter colour
    (PixInsight copies the outer two pixels instead). A missing sample is missing in all colours; its neighbours
    are made without it.

    Method and defaults: PixInsight's Debayer. X-Trans mosaics are refused.
    """

    inputs = (Port("image", doc="a mosaic: one channel, seen through a cell of 2 x 2 colour filters"),)
    maskable = False

    cfa_pattern: str = param(
        default="auto", choices=PATTERNS, doc="the filter cell, row by row as stored; auto: as the image says"
    )
    debayer_method: str = param(
        default="vng", choices=METHODS, doc="how missing colours are found"
    )

    def frame(self, known: Known) -> Frame:
        source = known.of("image")
        cell = mosaic_cell(source, self.cfa_pattern, "Debayer")
        made = source.with_(channels=3, color="rgb", cfa=None)
        if self.debayer_method == "superpixel":
            return carry(made, scaling(0.5, 0.5)).with_(width=source.width // 2, height=source.height // 2)
        if self.debayer_method == "vng" and cell not in BAYER:
            raise ParameterError(
                f"Debayer: vng is defined for the cells {', '.join(BAYER)}, got {cell}; "
                "set debayer_method to bilinear or superpixel"
            )
        return made

    def needs(self, box: Box, port: str, known: Known) -> Box:
        if self.debayer_method == "superpixel":
            return Box(2 * box.y0, 2 * box.x0, 2 * box.y1, 2 * box.x1)
        return box.grow(HALO if self.debayer_method == "vng" else 1)

    def pixels(self, known: Known, image: Tile) -> Tile:
        frame, box = known.of("image"), known.box
        cell = colours(mosaic_cell(frame, self.cfa_pattern, "Debayer"))
        if self.debayer_method == "superpixel":
            return cells_to_pixels(image[0], cell)
        out = np.empty((3, box.height, box.width), np.float32)
        offsets, counts = nearest_places(cell)
        if self.debayer_method == "bilinear":
            bilinear(image[0], 1, box.y0, box.x0, offsets, counts, out)
        else:
            lo, hi = frame.known_bounds()
            variable_number_of_gradients(
                image[0], box.y0, box.x0, cell, offsets, counts, float(lo), float(hi), out
            )  # fmt: skip
        return out
