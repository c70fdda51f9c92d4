"""FrameTable: what the files of a series tell of each frame beside its pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...engine.api import Known, ParameterError, Port, Process, param, table_value
from ._frame_file import FrameOptions
from ._frame_files import FRAME_FILES
from ._selection import QUALITIES, Quality, Selection


class FrameTable(Process, id="io.frame_table"):
    """List the frames of a series that ReadFrames reads, and those that it leaves out.

    The table has a row a frame: ``file`` (index into *paths*), ``frame`` (index within the file), and the single
    figures that target pixel files hold, under their names in small letters, such as ``quality``, ``pos_corr1``;
    NaN where a file has none. Beside its columns it holds ``left_out``, a list of [file, frame, reason].
    """

    inputs = ()
    outputs = (Port("table", "table", doc="one row a frame"),)
    maskable = False

    paths: tuple[str, ...] = param(file="input", doc="the files, in order")
    hdu: int | str | None = param(default=None, doc="index or name of the HDU that holds the frames; none: the first")
    quality: Quality = param(default="zero", choices=QUALITIES, doc="zero: frames with a quality flag are left out")
    first: int = param(default=0, low=0, doc="how many of the frames that are left to pass over")
    count: int = param(default=0, low=0, doc="how many of them to take; 0: all")
    step: int = param(default=1, low=1, doc="take every so many")

    def check(self) -> None:
        if not self.paths or not all(self.paths):
            raise ParameterError(f"FrameTable: paths must name at least one file each, got {self.paths}")

    def compute(self, known: Known) -> dict[str, Any]:
        options = FrameOptions(hdu=self.hdu)
        selection = Selection.of(self.paths, options, self.quality, self.first, self.count, self.step)
        files = [FRAME_FILES.get(Path(p), options) for p in self.paths]
        names = list(dict.fromkeys(n for f in files if f is not None for n in f.columns))
        columns: dict[str, Any] = {
            "file": [f for f, _ in selection.frames],
            "frame": [i for _, i in selection.frames],
        }
        for name in names:
            told = [None if f is None else f.columns.get(name) for f in files]
            column = [np.nan if (t := told[f]) is None else float(t[i]) for f, i in selection.frames]
            # A file's own "frame" or "file" must not hide which one it is.
            columns[name if name not in ("file", "frame") else f"{name}_"] = column
        units = {n: u for f in files if f is not None for n, u in f.units.items() if n in columns}
        return table_value(columns, units, left_out=[list(row) for row in selection.left_out])
