"""What PixelMath's expressions see of the images: which channel, which pixels, in units of the bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...engine.api import Box, Frame, ParameterError, Tile
from . import _header, _moves, _sky
from . import _measuring as measuring
from ._meanings import TARGET, Header, Moved, Plane, Point, Program, Shifted, Sky, Statistic, Window

Floats = npt.NDArray[np.float64]


def channel_of(plane: Plane, frame: Frame, current: int, target: Frame) -> int:
    """Return the channel of *frame* that *plane* means in the expression of channel *current*."""
    if plane.channel is not None:
        if plane.channel >= frame.channels:
            raise ParameterError(
                f"PixelMath: {plane.image}[{plane.channel}] does not exist: the image has {frame.channels} channels, "
                "counted from 0"
            )
        return plane.channel
    if current < target.nominal and frame.nominal == 1:
        return 0
    if current >= frame.channels:
        raise ParameterError(
            f"PixelMath: {plane.image} has {frame.channels} channels and none for channel {current} of the target; "
            f"write {plane.image}[0] for its first"
        )
    return current


def check(program: Program, frames: Mapping[str, Frame], channel: int) -> None:
    """Raise where *program* speaks of channels, header words or solutions that the images do not have."""
    for plane in program.planes():
        channel_of(plane, frames[plane.image], channel, frames[TARGET])
    for meaning in program.meanings.values():
        if isinstance(meaning, Header):
            _header.number(meaning, frames[meaning.image])
        elif isinstance(meaning, Sky):
            _sky.solution(frames[meaning.image], meaning.image)


# -- which pixels -----------------------------------------------------------------------------------


def needed(program: Program, image: str, box: Box, frame: Frame) -> Box | None:
    """Return the pixels of *image* that *box* depends on; None if it depends on none."""
    found: Box | None = None
    for meaning in program.meanings.values():
        plane = meaning if isinstance(meaning, Plane) else getattr(meaning, "plane", None)
        if not isinstance(plane, Plane) or plane.image != image or isinstance(meaning, Point | Statistic):
            continue
        seen = clamped(_seen(meaning, box, frame), frame)
        found = seen if found is None else joined(found, seen)
    return found


def _seen(meaning: Any, box: Box, frame: Frame) -> Box:
    if isinstance(meaning, Shifted):
        return box.shift(meaning.dy, meaning.dx)
    if isinstance(meaning, Window):
        return box.grow(meaning.radius)
    if isinstance(meaning, Moved):
        return _moves.reach(meaning, box, frame.height, frame.width)
    return box


def joined(a: Box, b: Box) -> Box:
    """Return the smallest box that holds both."""
    return Box(min(a.y0, b.y0), min(a.x0, b.x0), max(a.y1, b.y1), max(a.x1, b.x1))


def clamped(box: Box, frame: Frame) -> Box:
    """Return the pixels of *frame* that stand for *box* when places outside are clamped to the border."""
    y0, x0 = min(max(box.y0, 0), frame.height - 1), min(max(box.x0, 0), frame.width - 1)
    return Box(y0, x0, min(max(box.y1, 1), frame.height), min(max(box.x1, 1), frame.width))


# -- their values -----------------------------------------------------------------------------------


class Scene:
    """What an expression sees in one box of one channel; *origins* are the boxes of the *tiles*."""

    def __init__(
        self, frames: Mapping[str, Frame], tiles: Mapping[str, Tile], measured: Mapping[str, Any],
        box: Box, origins: Mapping[str, Box], channel: int, seed: int,
    ) -> None:  # fmt: skip
        self.frames, self.tiles, self.measured = frames, tiles, measured
        self.box, self.origins, self.channel, self.seed = box, origins, channel, seed
        self.target = frames[TARGET]
        self.size = self.target.height, self.target.width
        self._seen: dict[tuple[Plane, int, int], Floats] = {}

    def _of(self, plane: Plane) -> int:
        return channel_of(plane, self.frames[plane.image], self.channel, self.target)

    def plane(self, plane: Plane, dy: int = 0, dx: int = 0) -> Floats:
        key = (plane, dy, dx)
        if key not in self._seen:
            self._seen[key] = self._part(plane, self.box.shift(dy, dx))
        return self._seen[key]

    def around(self, plane: Plane, radius: int) -> Floats:
        return self._part(plane, self.box.grow(radius))

    def moved(self, moved: Moved) -> Floats:
        origin = clamped(_moves.reach(moved, self.box, *self.size), self.frames[moved.plane.image])
        return _moves.sampled(self._part(moved.plane, origin), origin, moved, self.box, *self.size)

    def _part(self, plane: Plane, box: Box) -> Floats:
        """Return the samples of *box*, the border pixels standing for those outside the image."""
        tile, origin = self.tiles[plane.image][self._of(plane)], self.origins[plane.image]
        rows = np.clip(np.arange(box.y0, box.y1), 0, self.size[0] - 1) - origin.y0
        columns = np.clip(np.arange(box.x0, box.x1), 0, self.size[1] - 1) - origin.x0
        inside = rows[-1] - rows[0] + 1 == len(rows) and columns[-1] - columns[0] + 1 == len(columns)
        # With no border in sight, a view will do.
        place = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if inside else np.ix_(rows, columns)
        return measuring.normalised(tile[place], self.frames[plane.image])

    def nominal(self, image: str) -> int:
        return self.frames[image].nominal

    def measure_of_frame(self, name: str, image: str) -> float:
        frame = self.frames[image]
        return float({
            "width": frame.width, "height": frame.height, "area": frame.width * frame.height,
            "channels": frame.channels, "iscolor": frame.nominal == 3,
        }[name])  # fmt: skip

    def header(self, wanted: Header) -> float:
        return _header.number(wanted, self.frames[wanted.image])

    def sky(self, wanted: Sky) -> Floats:
        return _sky.coordinate(wanted.kind, _sky.solution(self.frames[wanted.image], wanted.image), self.box)

    def statistic(self, wanted: Statistic) -> float:
        return float(self.measured["done"][wanted.plane.image][self._of(wanted.plane)][wanted.kind])

    def point(self, wanted: Point) -> float:
        key = measuring.point_key(wanted.plane.image, self._of(wanted.plane), wanted.y, wanted.x)
        return float(self.measured["points"][key])
