"""One strip of a series: its frames pulled one after another, filtered, and taken into sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Drawn
from ._box import without_running_median
from ._lockin import CHUNK, Sums, bytes_per_pixel
from ._matched import halo, kernel, matched

Floats = npt.NDArray[np.float64]
Tiles = npt.NDArray[np.float32]

SAMPLE = 64
"""Frames, spread over the run, that tell a pixel's median and deviation where not all frames are held."""
HELD_BYTES = 1 << 27
"""What the sums and samples of a part of a strip may take."""


def parts_of(box: Box, bytes_of_pixel: int, channels: int) -> Iterator[Box]:
    """Cut *box* into parts of full width that take no more than HELD_BYTES, of one row at least."""
    rows = max(1, HELD_BYTES // max(1, bytes_of_pixel * channels * box.width))
    for y in range(box.y0, box.y1, rows):
        yield Box(y, box.x0, min(y + rows, box.y1), box.x1)


class Pulling:
    """The frames of a plan within one part of a strip, as rows of samples ``(pixels,)``, filtered."""

    def __init__(self, frames: Drawn, plan: Mapping[str, Any], box: Box) -> None:
        self._frames, self._box = frames, box.grow(halo(plan["fwhm"]))
        self._half = kernel(plan["fwhm"]) if plan["fwhm"] > 0.0 else None
        self.indices = [int(i) for i in plan["frames"]]
        self.count = len(self.indices)

    def __getitem__(self, at: int) -> Tiles:
        """Return the samples of the frame that is *at* in time."""
        tile = self._frames.part(self.indices[at], self._box)
        return (tile if self._half is None else matched(tile, self._half)).reshape(-1)

    def all(self) -> Tiles:
        """Return ``(N, pixels)``: all frames by time."""
        first = self[0]
        held = np.empty((self.count, len(first)), np.float32)
        held[0] = first
        for at in range(1, self.count):
            held[at] = self[at]
        return held


def summed(pulling: Pulling, plan: Mapping[str, Any], columns: Floats, sides: Tiles) -> Sums:
    """Return the sums of a part of a strip over all frames, by the plan's way; each frame is pulled once."""
    if plan["plan"] == "block":
        held = pulling.all()
        if plan["median_window"]:
            held = without_running_median(held, plan["seconds"], plan["median_window"])
        return _added(Sums.of(held, len(held), len(columns), len(sides), plan["clip"]), held, plan, columns, sides)
    return _accumulated(pulling, plan, columns, sides)


def _added(sums: Sums, held: Tiles, plan: Mapping[str, Any], columns: Floats, sides: Tiles) -> Sums:
    for begin in range(0, len(held), CHUNK):
        here = slice(begin, begin + CHUNK)
        sums.add(held[here], plan["weights"][here], columns[:, here], sides[:, here])
    return sums


def _accumulated(pulling: Pulling, plan: Mapping[str, Any], columns: Floats, sides: Tiles) -> Sums:
    n = pulling.count
    chosen = np.unique(np.rint(np.linspace(0, n - 1, min(SAMPLE, n))).astype(np.intp)).tolist()
    sample = np.stack([pulling[at] for at in chosen])
    kept = {at: sample[row] for row, at in enumerate(chosen)}
    sums = Sums.of(sample, n, len(columns), len(sides), plan["clip"])
    chunk = np.empty((CHUNK, sample.shape[1]), np.float32)
    for begin in range(0, n, CHUNK):
        end = min(begin + CHUNK, n)
        for at in range(begin, end):
            chunk[at - begin] = kept[at] if at in kept else pulling[at]
        here = slice(begin, end)
        sums.add(chunk[: end - begin], plan["weights"][here], columns[:, here], sides[:, here])
    return sums


def held_bytes(plan: Mapping[str, Any], columns: int, sides: int) -> int:
    """Return what a pixel takes while its sums are made."""
    n = len(plan["frames"])
    held = 2 * n if plan["plan"] == "block" else SAMPLE
    return bytes_per_pixel(n, columns, sides, held)


def cleaned(held: Tiles, clip: float, weights: Floats) -> tuple[Tiles, Sums, npt.NDArray[np.int64]]:
    """Return samples ``(N, pixels)`` above their pixels' medians, zero where bad; the sums, which hold the medians, bad
    and missing frames; and how many are bad."""
    none = np.zeros((0, len(held)))
    sums = Sums.of(held, len(held), 0, 0, clip)
    for begin in range(0, len(held), CHUNK):
        here = slice(begin, begin + CHUNK)
        sums.add(held[here], weights[here], none[:, here], none[:, here].astype(np.float32))
    lost = np.bitwise_count(sums.bad).sum(axis=0, dtype=np.int64)
    bits = np.unpackbits(sums.bad, axis=0, count=len(held), bitorder="little")
    return np.where(bits == 0, held - sums.pedestal, np.float32(0.0)), sums, lost
