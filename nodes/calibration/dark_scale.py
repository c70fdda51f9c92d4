"""How strongly a master dark shows in a frame."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ...engine.api import Box, Known, ParameterError, Port, Process, param
from . import _cfa
from ._dark_scaling import FEWEST, Sums, factor, reduced_dark, sums, window
from ._masters import conversion, linked, must_fit, told

Pattern = Literal["auto", "RGGB", "BGGR", "GBRG", "GRBG", "GRGB", "GBGR", "RGBG", "BGRG"]


class DarkScale(Process, id="calibration.dark_scale"):
    """Find, per channel, the factor k >= 0 of the master dark that fits a frame best.

    k minimises the standard deviation of ``image - k dark`` over the pixels whose dark lies at or above
    the threshold that `DarkThreshold` found. Mosaics are first reduced by averaging whole cells. The
    minimum is computed in closed form from sums over one pass.

    Method: PixInsight's ImageCalibration, dark frame optimization (standard deviation, since 2021).
    """

    inputs = (
        Port("image", doc="the frame to be calibrated, bias included"),
        Port("dark", doc="the master dark"),
        Port("bias", optional=True, doc="the master bias; link it where the dark still contains it"),
        Port("threshold", "measures", doc="from DarkThreshold, of the same dark"),
    )
    outputs = (Port("measures", "measures", doc="k of each channel, and the pixels it rests on"),)

    dark_optimization_window: int = param(
        default=0, low=0, high=65536, unit="px", doc="side of a central square to use (of cells in mosaics); 0: all"
    )
    enable_cfa: bool = param(default=True, doc="heed colour filter mosaics")
    cfa_pattern: Pattern = param(
        default="auto", choices=_cfa.PATTERNS, doc="the filter pattern; auto: from the frames, which must agree"
    )

    def needs(self, box: Box, port: str, known: Known) -> Box:
        y0, y1 = _cfa.rows_needed(box.y0, box.y1, self._side(known))
        return Box(y0, box.x0, y1, box.x1)

    def measure(self, known: Known, *tiles: Any) -> Sums:
        image, dark, bias = tiles
        frames = linked(known, "image", "dark", "bias")
        must_fit(frames, "DarkScale")
        side = self._side(known)
        y0, _ = _cfa.rows_needed(known.box.y0, known.box.y1, side)
        height = frames["image"].height
        target = _cfa.reduced(image[: frames["image"].nominal], y0, height, side)
        d = reduced_dark(known, dark, bias, y0, side)
        cut = self._window(known, y0, d.shape[1], d.shape[2], side)
        part = (slice(None), slice(cut.y0, max(cut.y0, cut.y1)), slice(cut.x0, max(cut.x0, cut.x1)))
        least = told(known, "threshold", "threshold", "DarkThreshold")
        found = sums(target[part], d[part], least)
        # From here on the dark counts in the unit of the frame.
        to_image = conversion(known, "dark", "image")
        return np.asarray(found * [1.0, 1.0, to_image, to_image, to_image**2])

    def merge(self, a: Sums, b: Sums) -> Sums:
        return a + b

    def finish(self, partial: Sums, known: Known) -> dict[str, Any]:
        pixels = [int(n) for n in partial[:, 0]]
        if min(pixels) < FEWEST:
            raise ParameterError(
                f"DarkScale: at least {FEWEST} pixels with dark above the threshold are wanted in each channel, "
                f"got {pixels}; lower dark_optimization_low or set optimize_darks to false"
            )
        return {"k": [factor(row) for row in partial], "pixels": pixels}

    def _side(self, known: Known) -> int:
        frames = linked(known, "image", "dark")
        return _cfa.reduction(_cfa.pattern_of(frames, self.enable_cfa, self.cfa_pattern, "DarkScale"))

    def _window(self, known: Known, y0: int, rows: int, columns: int, side: int) -> Box:
        frame = known.of("image")
        small = frame.with_(width=frame.width // side, height=frame.height // side)
        return window(Box(y0 // side, 0, y0 // side + rows, columns), small, self.dark_optimization_window)
