"""DrizzleIntegration: many dithered frames put together on a finer grid, straight from their own pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ...engine.api import (
    AffineGrid,
    Box,
    Frame,
    GridMap,
    Known,
    ParameterError,
    Port,
    Process,
    Tile,
    carry,
    param,
    scaling,
)
from ._drizzle import Floats, corners, drizzle, drop_points, reached
from ._drizzle_rejection import on_grid, without_rejected

Kernel = Literal["square", "circular", "gaussian"]
OnFailure = Literal["error", "missing"]
_NOTHING = Box(0, 0, 0, 0)
_COLORS = "RGB"


class DrizzleIntegration(Process, id="integration.drizzle_integration"):
    """Let every sample of every frame, shrunk to a drop, fall onto the output grid where its place is.

    An output pixel is the mean of all samples, each weighted by the area that its drop and the pixel have in
    common, and by the weight of its frame. Areas of square drops are exact: the pixel's four corners are mapped
    into the frame, and the figure between them cut by the drop. Other drops are summed over `kernel_grid_size`
    squared points. The brightness of a surface stays what it is in the frames (PixInsight's documented formula
    ends up lower by `drop_shrink` squared), so a star's flux, summed over output pixels, is `scale` squared times
    that in the reference.

    Frames are calibrated and not registered; `transforms` are those of MatchStars. Mosaics are drizzled
    without being interpolated: each sample counts only in the channel of its colour. Missing samples and those
    at black exactly (holes) do not count; pixels into which nothing fell are missing. With `plan` (an output of
    ImageIntegration of the same frames, registered) frames are normalised and weighted as it says, and those it
    excludes left out. With `rejected` (another of its outputs) samples do not count that it rejects where their
    centres lie on the reference; they are found again for each strip, and not stored.

    The output `weight` is the mean part of the pixel that drops of a frame cover, weighted like the frames: 1
    where every frame covers it, on average `drop_shrink` squared at most; missing where nothing fell.

    Method: A. S. Fruchter & R. N. Hook (2002), PASP 114, 144; parameters as in PixInsight.
    """

    inputs = (
        Port("images", many=True, doc="the calibrated frames, as they were taken"),
        Port("transforms", "transform", many=True, doc="how each frame lies on the reference"),
        Port("reference", doc="what the frames were matched to; only its frame counts"),
        Port("plan", "measures", optional=True, doc="factors and weights of each frame, from ImageIntegration"),
        Port("rejected", optional=True, doc="which samples are left out, from ImageIntegration"),
    )
    outputs = (Port("image"), Port("weight", doc="how much fell into each pixel"))
    requires = "linear"
    maskable = False

    scale: float = param(
        default=2.0, low=1.0, high=10.0, usual=(1.0, 3.0), doc="output pixels per pixel of the reference"
    )
    drop_shrink: float = param(
        default=0.9, low=0.1, high=1.0, usual=(0.4, 1.0), doc="size of a drop in pixels of its frame"
    )
    kernel_function: Kernel = param(default="square", choices=get_args(Kernel), doc="shape of the drops")
    kernel_grid_size: int = param(default=16, low=4, high=100, doc="points across a drop that is no square")
    on_failure: OnFailure = param(
        default="error", choices=get_args(OnFailure), doc="frames that could not be registered: an error, or left out"
    )

    def frame(self, known: Known) -> Frame:
        frames: tuple[Frame, ...] = known.frames["images"]
        first, reference = frames[0], known.of("reference")
        for at, frame in enumerate(frames):
            if (frame.nominal, frame.cfa) != (first.nominal, first.cfa):
                raise ParameterError(
                    f"DrizzleIntegration: image {at} has {_kind(frame)}, image 0 has {_kind(first)}"
                )
        if first.cfa is not None and set(first.cfa) != set(_COLORS):
            raise ParameterError(f"DrizzleIntegration: a mosaic of {_COLORS} is wanted, got {first.cfa}")
        self._check_values(known, frames)
        if "rejected" in known.frames:
            self._check_rejected(known.of("rejected"), reference, len(frames), 3 if first.cfa else first.nominal)
        height, width = self._size(reference)
        place = carry(reference, scaling(width / reference.width, height / reference.height))
        words = tuple(w for w in first.words if w[0] != "wcs") + tuple(w for w in place.words if w[0] == "wcs")
        made = first.with_(
            width=width, height=height, orientation=reference.orientation, wcs=place.wcs, cfa=None,
            words=tuple(sorted(words, key=lambda w: w[0])),
            channels=3 if first.cfa else first.nominal, color="rgb" if first.cfa else first.color,
        )  # fmt: skip
        return made if known.port != "weight" else made.with_(bounds=(0.0, 1.0), unit="")

    def grid_map(self, port: str, at: int, known: Known) -> GridMap | None:
        if port != "reference":  # the frames lie on it by their transforms, each as a cloud of drops
            return None
        reference = known.of("reference")
        return AffineGrid(scaling(known.frame.width / reference.width, known.frame.height / reference.height))

    def _check_values(self, known: Known, frames: tuple[Frame, ...]) -> None:
        transforms, plan = known.values.get("transforms", ()), known.values.get("plan")
        if len(transforms) != len(frames):
            raise ParameterError(f"DrizzleIntegration: {len(frames)} images, but {len(transforms)} transforms")
        if plan is not None and len(plan["frames"]) != len(frames):
            raise ParameterError(f"DrizzleIntegration: {len(frames)} images, but a plan for {len(plan['frames'])}")
        if plan is not None and plan.get("normalization") == "local_normalization":
            raise ParameterError(
                "DrizzleIntegration: a plan with factors of each frame is wanted, this one is of locally normalised "
                "images, which have none; link that of an ImageIntegration with another normalization"
            )
        reference = known.of("reference")
        for at, (transform, frame) in enumerate(zip(transforms, frames, strict=True)):
            if transform is None:
                continue
            if transform["kind"] == "none":
                if self.on_failure == "error":
                    raise ParameterError(
                        f"DrizzleIntegration: image {at} could not be registered: {transform['why']} "
                        "(on_failure='missing' leaves it out)"
                    )
                continue
            for name, one, prefix in (("an image", frame, ""), ("a reference", reference, "reference_")):
                wanted = transform.get(f"{prefix}width"), transform.get(f"{prefix}height")
                if None not in wanted and wanted != (one.width, one.height):
                    raise ParameterError(
                        f"DrizzleIntegration: transform {at} was made for {name} of {wanted[0]}x{wanted[1]}, "
                        f"this one is {one.width}x{one.height}"
                    )

    def _check_rejected(self, rejected: Frame, reference: Frame, images: int, channels: int) -> None:
        if not rejected.same_size(reference) or rejected.channels != images * channels:
            raise ParameterError(
                f"DrizzleIntegration: rejected samples of {images} images with {channels} channels on a reference of "
                f"{reference.width}x{reference.height} are wanted, got {rejected.channels} channels of "
                f"{rejected.width}x{rejected.height}"
            )

    def _size(self, reference: Frame) -> tuple[int, int]:
        return max(1, round(reference.height * self.scale)), max(1, round(reference.width * self.scale))

    def _corners(self, box: Box, transform: Mapping[str, Any], reference: Frame) -> tuple[Floats, Floats]:
        height, width = self._size(reference)
        return corners(transform["inverse"], box, (width / reference.width, height / reference.height))

    def needs(self, box: Box, port: str, known: Known) -> Box | tuple[Box, ...]:
        if port == "reference":
            return _NOTHING
        frames: tuple[Frame, ...] = known.frames["images"]
        transforms = known.values["transforms"]
        if port == "rejected":
            return self._on_grid(box, known)
        if any(t is None for t in transforms):
            return tuple(f.box for f in frames)
        return tuple(
            self._reached(box, t, known.of("reference"), f) if _used(known, at) else _NOTHING
            for at, (f, t) in enumerate(zip(frames, transforms, strict=True))
        )

    def _on_grid(self, box: Box, known: Known) -> Box:
        reference, transforms = known.of("reference"), known.values["transforms"]
        if any(t is None for t in transforms):
            return reference.box
        height, width = self._size(reference)
        scale = width / reference.width, height / reference.height
        return on_grid(box, scale, transforms, reference.box)

    def _reached(self, box: Box, transform: Mapping[str, Any], reference: Frame, frame: Frame) -> Box:
        x, y = self._corners(box, transform, reference)
        return reached(x, y, frame.height, frame.width)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        box, channels = known.box, known.frame.channels
        sums, weight = (np.zeros((channels, box.height, box.width)) for _ in range(2))
        points = np.empty((0, 3))
        if self.kernel_function != "square":
            points = drop_points(self.kernel_function, self.drop_shrink, self.kernel_grid_size)
        colors, total = _mosaic(known.frames["images"][0]), np.zeros(channels)
        rejected: Tile | None = tiles[2]
        for at, (frame, transform) in enumerate(zip(known.frames["images"], known.values["transforms"], strict=True)):
            if not _used(known, at):
                continue
            factors = _factors(known, at, channels)
            total += factors[:, 2]
            x, y = self._corners(box, transform, known.of("reference"))
            source = reached(x, y, frame.height, frame.width)
            if source.empty:
                continue
            tile = tiles[0][at]
            if rejected is not None:
                own = rejected[at * channels : (at + 1) * channels]
                tile = without_rejected(tile, source, transform, own, self._on_grid(box, known), colors)
            origin = np.array([source.y0, source.x0])
            drizzle(tile, origin, x, y, self.drop_shrink, points, colors, factors, sums, weight)
        top, under = (weight, total[:, None, None]) if known.port == "weight" else (sums, weight)
        made = np.divide(top, under, out=np.full_like(weight, np.nan), where=weight > 0.0)
        return made.astype(np.float32)


def _kind(frame: Frame) -> str:
    return f"the mosaic {frame.cfa}" if frame.cfa else f"{frame.nominal} channels"


def _used(known: Known, at: int) -> bool:
    """Return whether image *at* takes part."""
    plan = known.values.get("plan")
    return known.values["transforms"][at]["kind"] != "none" and not (plan and plan["frames"][at]["excluded"])


def _mosaic(frame: Frame) -> npt.NDArray[np.int64]:
    """Return the channel of each sample of the repeating cell; no rows without a mosaic."""
    if frame.cfa is None:
        return np.empty((0, 0), np.int64)
    side = math.isqrt(len(frame.cfa))
    return np.array([_COLORS.index(letter) for letter in frame.cfa], np.int64).reshape(side, side)


def _factors(known: Known, at: int, channels: int) -> Floats:
    """Return gain, offset and weight of image *at*, physical to physical values of image 0, and its holes."""
    first, frame, plan = known.frames["images"][0], known.frames["images"][at], known.values.get("plan")
    table = np.empty((channels, 4))
    for c, row in enumerate(table):
        gain, offset, weight = 1.0, 0.0, 1.0
        if plan is not None:
            told = plan["frames"][at]
            # A mosaic is measured as one channel.
            own = min(c, len(told["weight"]) - 1)
            (gain, offset), weight = told["output"][own], told["weight"][own]
        gain *= (first.hi - first.lo) / (frame.hi - frame.lo)
        row[:] = gain, offset - gain * frame.lo + first.lo, weight, frame.lo
    return table
