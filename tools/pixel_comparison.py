"""Whether two image files hold the same pixels, and where they do not."""

from __future__ import annotations

import filecmp
import math
import os
from dataclasses import dataclass

import numpy as np

from ..engine.graph import Graph
from ..engine.image import ImageHandle
from ..engine.region import Box, strips

# Samples compared at once, of both images.
_STRIP = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """How the pixels of two images differ.

    Attributes
    ----------
    sizes
        (channels, rows, columns) of both, where these differ; nothing else is compared then.
    samples, of
        How many samples differ by any bit, and how many there are.
    maximum, rms
        Of the differences, in the file's physical units; rms over all samples. Samples missing in one image only are
        counted, but are in neither figure.
    box
        The smallest box that holds all that differs.
    """

    sizes: tuple[tuple[int, int, int], tuple[int, int, int]] | None = None
    samples: int = 0
    of: int = 0
    maximum: float = 0.0
    rms: float = 0.0
    box: Box | None = None

    def __str__(self) -> str:
        if self.sizes is not None:
            a, b = ("x".join(map(str, (w, h, c))) for c, h, w in self.sizes)
            return f"{a} against {b} pixels"
        where = f", within {self.box}" if self.box else ""
        return f"{self.samples:,} of {self.of:,} samples, max {self.maximum:.6g}, rms {self.rms:.6g}{where}"


def same_bytes(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> bool:
    """Return whether two files are equal to the last bit."""
    return filecmp.cmp(a, b, shallow=False)


def deviation(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> Deviation | None:
    """Return how the pixels of image files *a* and *b* differ; None where all are the same to the bit."""
    one, other = _handle(a), _handle(b)
    sizes = [(f.channels, f.height, f.width) for f in (one.frame, other.frame)]
    if sizes[0] != sizes[1]:
        return Deviation(sizes=(sizes[0], sizes[1]))
    frame = one.frame
    rows = max(1, _STRIP // (frame.width * frame.channels))
    count, maximum, squares = 0, 0.0, 0.0
    found: Box | None = None
    for box in strips(frame.box, rows):
        left, right = (h.compute(box, scheduler="sync") for h in (one, other))
        differs = left.view(np.uint32) != right.view(np.uint32)
        # Missing is missing, whatever bits stand for it.
        differs &= ~(np.isnan(left) & np.isnan(right))
        if not differs.any():
            continue
        count += int(differs.sum())
        steps = left[differs].astype(np.float64) - right[differs]
        steps = np.abs(steps[np.isfinite(steps)])
        maximum = max(maximum, float(steps.max(initial=0.0)))
        squares += float((steps * steps).sum())
        found = _around(found, box, differs.any(axis=0))
    if not count:
        return None
    samples = frame.channels * frame.height * frame.width
    return Deviation(samples=count, of=samples, maximum=maximum, rms=math.sqrt(squares / samples), box=found)


def _handle(path: str | os.PathLike[str]) -> ImageHandle:
    graph = Graph()
    # Bounds are told, so that none have to be measured: samples are compared as they are.
    return graph.add("ReadImage", path=os.fspath(path), bounds=(0.0, 1.0)).image


def _around(found: Box | None, strip: Box, differs: np.ndarray) -> Box:
    ys, xs = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    box = Box(strip.y0 + int(ys[0]), int(xs[0]), strip.y0 + int(ys[-1]) + 1, int(xs[-1]) + 1)
    if found is None:
        return box
    return Box(min(found.y0, box.y0), min(found.x0, box.x0), max(found.y1, box.y1), max(found.x1, box.x1))
