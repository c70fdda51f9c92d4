"""FrameRange: black and white for all frames of a file of floats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...engine.api import Box, Known, ParameterError, Port, Process, SourceError, param
from ._frame_file import FrameOptions
from ._frame_files import FRAME_FILES
from .read_image import bounds_of


class FrameRange(Process, id="io.frame_range"):
    """Tell the least and the greatest sample of all frames of a file, and the bounds that follow.

    The Value holds ``low``, ``high`` (None where every sample is missing) and ``bounds``: (0, 1) where all samples
    lie in it, else (0, 65535) where they lie in that, else the least and the greatest. ReadFrames links it to
    each frame of a file that declares no range, so that a series has one black and one white.
    """

    inputs = ()
    outputs = (Port("range", "measures", doc="the least and the greatest sample, and the bounds"),)
    maskable = False

    path: str = param(file="input", doc="the file")
    hdu: int | str | None = param(default=None, doc="index or name of the HDU that holds the frames; none: the first")

    def check(self) -> None:
        if not self.path:
            raise ParameterError("FrameRange: path must name a file, got ''")

    def compute(self, known: Known) -> dict[str, Any]:
        file = FRAME_FILES.get(Path(self.path), FrameOptions(hdu=self.hdu))
        if file is None:
            raise SourceError(f"{self.path}: it holds one image, not many frames")
        ends: list[float] = []
        width, height = file.base.width, file.base.height
        rows = max(1, 2**18 // width)
        for index in range(file.count):
            for y in range(0, height, rows):
                tile = file.read(index, Box(y, 0, min(height, y + rows), width))
                good = tile[np.isfinite(tile)]
                if good.size:
                    ends = [min([*ends[:1], float(good.min())]), max([*ends[1:], float(good.max())])]
        low, high = ends or (None, None)
        return {"low": low, "high": high, "bounds": list(bounds_of(ends))}
