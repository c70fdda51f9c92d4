"""Replacing pixels that are known to be defective."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, Known, ParameterError, Port, Process, Tile, param
from ._defects import COLD, HOT, REACH, replace_marked, step_of
from ._masters import told

Defect = tuple[bool, bool, int, bool, int, int]
_OWNER = "ReplaceDefects"


class ReplaceDefects(Process, id="calibration.replace_defects"):
    """Replace hot and cold pixels that a master dark has told, and listed rows and columns.

    A hot pixel becomes the mean of its four diagonal neighbours; a cold one, or one of the list, the median of the
    16 samples of its 5 x 5 neighbourhood that lie neither in its row nor in its column. Neighbours that are
    defective themselves do not count; a pixel without a sound neighbour stays as it is. In mosaics, neighbours are
    those of the same filter colour. Only what lies inside the image counts.

    Method: PixInsight's CosmeticCorrection, master dark and defect list. There, defective neighbours do count.
    """

    inputs = (
        Port("image"),
        Port("defects", "measures", optional=True, doc="from DefectMap, of a master dark of the same size"),
    )
    edge = "missing"

    defect_list: tuple[Defect, ...] = param(
        default=(),
        low=0,
        unit="px",
        doc="rows and columns: enabled, is a row (else a column), its number as stored from 0, "
        "is limited to a range, first and last pixel of the range",
    )
    cfa: bool | None = param(default=None, doc="neighbours of the same filter colour only; none: as the image says")
    amount: float = param(default=1.0, low=0.0, high=1.0, doc="share of the replacement in the result")

    def check(self) -> None:
        for defect in self.defect_list:
            if defect[3] and defect[4] > defect[5]:
                raise ParameterError(f"{_OWNER}: a defect's range must not end before it begins, got {defect}")

    def frame(self, known: Known) -> Frame:
        image = known.of("image")
        for box in self._listed(image):
            if not image.box.contains(box):
                raise ParameterError(f"{_OWNER}: the defect at {box} lies outside the image ({image.box})")
        told_size = known.values.get("defects")
        if told_size is not None:
            _must_fit(known, image)
        return image

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(REACH * step_of(known.of("image"), self.cfa))

    def pixels(self, known: Known, image: Tile) -> Tile:
        frame = known.of("image")
        step = step_of(frame, self.cfa)
        margin = REACH * step
        around = known.box.grow(margin)
        out = image[:, margin:-margin, margin:-margin].copy()
        for c in range(frame.nominal):
            marks = self._marks(known, c, around)
            if marks.any():
                replace_marked(image[c], marks, step, self.amount, out[c])
        return out

    def _marks(self, known: Known, channel: int, around: Box) -> npt.NDArray[np.uint8]:
        """Return what is wrong with each pixel of *around*: 0, HOT or COLD."""
        frame = known.of("image")
        marks = np.zeros((around.height, around.width), np.uint8)
        for box in self._listed(frame):
            part = box.overlap(around)
            if not part.empty:
                marks[part.y0 - around.y0 : part.y1 - around.y0, part.x0 - around.x0 : part.x1 - around.x0] = COLD
        if known.values.get("defects") is not None:
            for kind, name in ((COLD, "cold"), (HOT, "hot")):
                rows, columns = _within(told(known, "defects", name, "DefectMap")[channel], frame, around)
                marks[rows - around.y0, columns - around.x0] = kind
        return marks

    def _listed(self, frame: Frame) -> Iterator[Box]:
        for enabled, is_row, at, limited, begin, end in self.defect_list:
            if enabled:
                first, last = (begin, end + 1) if limited else (0, frame.width if is_row else frame.height)
                yield Box(at, first, at + 1, last) if is_row else Box(first, at, last, at + 1)


def _must_fit(known: Known, image: Frame) -> None:
    width, height = (told(known, "defects", name, "DefectMap") for name in ("width", "height"))
    if (width, height) != (image.width, image.height):
        size = f"{image.width}x{image.height}"
        raise ParameterError(f"{_OWNER}: the master dark is {width}x{height}, the image is {size}")
    channels = len(told(known, "defects", "hot", "DefectMap"))
    if channels != image.nominal:
        raise ParameterError(
            f"{_OWNER}: the master dark has {channels} channels, the image {image.nominal} (alpha apart)"
        )


def _within(places: Any, frame: Frame, around: Box) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return rows and columns of those of the sorted *places* that lie in *around*."""
    first, last = max(0, around.y0) * frame.width, min(frame.height, around.y1) * frame.width
    few = places[np.searchsorted(places, first) : np.searchsorted(places, last)]
    rows, columns = np.divmod(few, frame.width)
    inside = (columns >= around.x0) & (columns < around.x1)
    return rows[inside], columns[inside]
