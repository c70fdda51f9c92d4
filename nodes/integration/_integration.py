"""One strip of all images integrated: what the processes that combine and those that report have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from ...engine.api import Box, Frame, Known, ParameterError, Tile
from . import _combining as combining
from . import _loading as loading
from . import _rejection as reject
from . import _stack as stack
from ._settings import Rejecting
from ._straight import HIGH_MEDIAN, MIDDLE, WHOLE, networks

Fates = npt.NDArray[np.uint8]
PARTS = ("image", "rejection_low", "rejection_high", "weight")


def common_frame(frames: Sequence[Frame]) -> Frame:
    """Return the frame of the result, that of the first image.

    Raises
    ------
    ParameterError
        Images differ in size or channels; all that do are named.
    """
    first = frames[0]
    odd = [
        f"image {at} is {f.width}x{f.height} with {f.nominal} channels"
        for at, f in enumerate(frames)
        if not f.same_size(first) or f.nominal != first.nominal
    ]
    if odd:
        raise ParameterError(
            f"ImageIntegration: image 0 is {first.width}x{first.height} with {first.nominal} channels, "
            f"but {'; '.join(odd)}"
        )
    return first


def halo(settings: Rejecting) -> int:
    """Return how far around a pixel large-scale rejection looks."""
    return max((1 << layers) - 1 + growth if on else 0 for on, layers, growth in settings.large_scale)


class Stack:
    """The strips of all images that are used, ready for the kernel."""

    def __init__(
        self, settings: Rejecting, known: Known, images: Sequence[Tile], normalized: Any, local: tuple[bool, bool]
    ) -> None:
        self.settings = settings
        frames = known.frames["images"]
        self.reference: Frame = frames[0]
        self.images = len(frames)
        self.told = known.values["plan"]["frames"]
        self.used = [at for at, told in enumerate(self.told) if not told["excluded"]]
        self.method = settings.method(self.images)
        if any(local) and normalized is None:
            raise ParameterError(
                "ImageIntegration: local normalization wants the input 'normalized', nothing is linked"
            )
        # Before rejection and for the output: the samples looked at, and their frames.
        self.sources = [(normalized, known.frames["normalized"]) if here else (images, frames) for here in local]
        self.raw, self.frames = images, frames

    def run(self, box: Box, want_fates: bool) -> tuple[Tile, Fates]:
        """Integrate the strips, whose pixels are those of *box*.

        Returns the four parts, float32 (4, channels, rows, columns), and what became of the samples of each used
        image, uint8 (images used, channels, rows, columns) - no rows when not asked for.
        """
        channels = self.reference.nominal
        dropped = np.zeros((0, channels, box.height, box.width), np.uint8)
        margin = halo(self.settings)
        if margin and self.method != reject.NONE:
            _, fates = self._pass(box.grow(margin), dropped, True, 0)
            dropped = self._large(fates, margin)
        return self._pass(box, dropped, want_fates, margin)

    def _pass(self, box: Box, dropped: Fates, want_fates: bool, margin: int) -> tuple[Tile, Fates]:
        channels, n = self.reference.nominal, len(self.used)
        shape = (channels, box.height, box.width)
        out = np.empty((4, *shape), np.float32)
        fates = np.zeros((n if want_fates else 0, *shape), np.uint8)
        planes = [self._planes(tiles, margin) for tiles in (self.raw, self.sources[0][0], self.sources[1][0])]
        span = self.reference.hi - self.reference.lo
        settings = self.settings
        sorting = networks(n, self._goals())
        for c in range(channels):
            addresses = [np.array([p[c].ctypes.data for p in kind], np.uint64) for kind in planes]
            # One channel's results lie together already where there is no other.
            made = out.reshape(4, -1) if channels == 1 else np.empty((4, box.height * box.width), np.float32)
            fate = np.zeros((len(fates), box.height * box.width), np.uint8)
            stack.integrate(
                *addresses, self._table(c), dropped[:, c].reshape(len(dropped), made.shape[1]),
                combining.COMBINATIONS.index(settings.combination), self.method, reject.FEWEST[self.method],
                settings.numbers(self.method, span), np.array([settings.clip_low, settings.clip_high]),
                settings.map_range_rejection, self.images, settings.table(self.method, n), *sorting, made, fate,
            )  # fmt: skip
            if channels > 1:
                out[:, c] = made.reshape(4, box.height, box.width)
            fates[:, c] = fate.reshape(len(fate), box.height, box.width)
        if settings.truncate_on_out_of_range:
            np.clip(out[0], self.reference.lo, self.reference.hi, out=out[0])
        return out, fates

    def _goals(self) -> list[int]:
        """Return what stacks are mostly sorted for: compiling for the rest would take longer than it saves."""
        goals = {
            WHOLE: self.method != reject.NONE,
            MIDDLE: self.settings.combination == "median",
            HIGH_MEDIAN: self.method == reject.WINSORIZED,
        }
        return [goal for goal, wanted in goals.items() if wanted]

    def _planes(self, tiles: Sequence[Tile], margin: int) -> list[Tile]:
        """Return the tiles of the used images without a margin, in one piece each: the kernel gets their addresses."""
        cut = slice(margin, -margin or None)
        return [np.ascontiguousarray(tiles[at][:, cut, cut], np.float32) for at in self.used]

    def _table(self, channel: int) -> npt.NDArray[np.float64]:
        settings, first = self.settings, self.reference
        table = np.empty((len(self.used), loading.COLUMNS))
        span = first.hi - first.lo
        for row, at in zip(table, self.used, strict=True):
            told, raw = self.told[at], self.frames[at]
            for gain_column, which, (_, frames) in (
                (loading.REJECT_GAIN, "rejection", self.sources[0]),
                (loading.GAIN, "output", self.sources[1]),
            ):
                gain, offset = told[which][channel]
                gain *= span / (frames[at].hi - frames[at].lo)
                row[gain_column], row[gain_column + 1] = gain, offset - gain * frames[at].lo
            row[loading.OFFSET] += first.lo
            width = raw.hi - raw.lo
            row[loading.WEIGHT] = told["weight"][channel]
            row[loading.RAW_GAIN], row[loading.RAW_OFFSET] = span / width, first.lo - span / width * raw.lo
            row[loading.HOLE] = raw.lo
            row[loading.RANGE_LOW] = _below(raw.lo + settings.range_low * width) if settings.range_clip_low else -np.inf
            row[loading.RANGE_HIGH] = (
                -_below(-raw.lo - settings.range_high * width) if settings.range_clip_high else np.inf
            )
        return table

    def _large(self, fates: Fates, margin: int) -> Fates:
        """Return which samples belong to large rejected structures and their surroundings, as LOW or HIGH."""
        inner = (slice(margin, fates.shape[2] - margin), slice(margin, fates.shape[3] - margin))
        dropped = np.zeros((*fates.shape[:2], fates.shape[2] - 2 * margin, fates.shape[3] - 2 * margin), np.uint8)
        for side, (on, layers, growth) in zip((loading.LOW, loading.HIGH), self.settings.large_scale, strict=True):
            if not on:
                continue
            for i, c in np.ndindex(*fates.shape[:2]):
                grown = large_structures(fates[i, c] == side, layers, growth)
                dropped[i, c][grown[inner]] = side
        return dropped


def _below(limit: float) -> float:
    """Return the greatest float32 that is at most *limit*: samples are compared with limits as float32."""
    near = np.float32(limit)
    return float(near if float(near) <= limit else np.nextafter(near, np.float32(-np.inf)))


def large_structures(rejected: npt.NDArray[np.bool_], layers: int, growth: int) -> npt.NDArray[np.bool_]:
    """Return what is left of a map after medians of 3, 5, 9 ... pixels a side, grown by a disk.

    What lies within ``2**layers - 1 + growth`` pixels of the edge is not to be relied on.
    """
    left = rejected
    for j in range(layers):
        left = _majority(left, 1 << j)
        if not left.any():
            return left
    y, x = np.mgrid[-growth : growth + 1, -growth : growth + 1]
    grown: npt.NDArray[np.bool_] = binary_dilation(left, structure=x * x + y * y <= growth * growth)
    return grown


def _majority(plane: npt.NDArray[np.bool_], radius: int) -> npt.NDArray[np.bool_]:
    """Return the median of a map in a square window, by sums over its corners."""
    sums = np.pad(np.pad(plane, radius).astype(np.int32).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    side = 2 * radius + 1
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    majority: npt.NDArray[np.bool_] = inside > side * side // 2
    return majority
