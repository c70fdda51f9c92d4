"""ReferenceImage: one of several images, to which the others are to be fitted."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ...engine.api import (
    Again,
    Box,
    Frame,
    GridMap,
    Known,
    ParameterError,
    Port,
    Process,
    SameGrid,
    Summaries,
    Tile,
    param,
)

_SUMMARIES = Summaries(mad=False)


class ReferenceImage(Process, id="measure.reference_image"):
    """Hand on, unchanged, the first image, or the brightest: that whose first channel has the highest median.

    Medians are exact and compared as physical values, since black and white of a float file may be no
    more than its extreme samples; of equals, the first wins. All images have the same size. The Value
    `measures` holds ``index`` (which image, from 0) and ``medians`` (of all images; empty when none had to
    be measured).

    Fitting all channels to the brightest one is what is usually advised before channels are combined, so
    that none of them is scaled up.
    """

    inputs = (Port("images", many=True, doc="the images to choose from"),)
    outputs = (Port("image"), Port("measures", "measures", doc="which image, from 0, and all medians"))
    maskable = False

    choose: Literal["first", "brightest"] = param(
        default="first", choices=("first", "brightest"), doc="which image is the reference"
    )

    def frame(self, known: Known) -> Frame:
        frames: tuple[Frame, ...] = known.frames["images"]
        for at, frame in enumerate(frames):
            if not frame.same_size(frames[0]):
                raise ParameterError(
                    f"ReferenceImage: image {at} is {frame.width}x{frame.height}, "
                    f"image 0 is {frames[0].width}x{frames[0].height}"
                )
        if self.choose == "first":
            return frames[0]
        if known.measured is None:
            # Which one it will be is not known yet; nothing but the size is sure.
            return frames[0].with_(bounds=None)
        chosen: int = known.measured["index"]
        return frames[chosen]

    def grid_map(self, port: str, at: int, known: Known) -> GridMap | None:
        return SameGrid() if at == (known.measured or {"index": 0})["index"] else None

    def needs(self, box: Box, port: str, known: Known) -> Box | tuple[Box, ...]:
        measuring = self.choose == "brightest" and known.measured is None
        if measuring:
            return box
        chosen = known.measured["index"] if self.choose == "brightest" else 0
        return tuple(box if i == chosen else Box(0, 0, 0, 0) for i in range(len(known.frames["images"])))

    def measures(self, known: Known) -> bool:
        return self.choose == "brightest"

    def compute(self, known: Known) -> dict[str, Any]:
        return {"index": 0, "medians": []}

    def measure(self, known: Known, *tiles: Any) -> Any:
        (images,) = tiles
        planes: Any = [image[0] for image in images]
        return _SUMMARIES.measure(planes, known.state, known.box)

    def merge(self, a: Any, b: Any) -> Any:
        return _SUMMARIES.merge(a, b)

    def finish(self, partial: Any, known: Known) -> dict[str, Any] | Again:
        found = _SUMMARIES.finish(partial, known.state)
        if isinstance(found, Again):
            return found
        medians = []
        for at, summary in enumerate(found):
            if summary.count == 0:
                raise ParameterError(f"ReferenceImage: image {at} has no sample that is not missing")
            medians.append(summary.median)
        return {"index": int(np.argmax(medians)), "medians": medians}

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        chosen: Tile = tiles[0][known.measured["index"] if self.choose == "brightest" else 0]
        return chosen.copy()
