"""Compute pixels from an expression."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...engine.api import Again, Box, Frame, Known, ParameterError, Port, Process, Tile, param
from . import _measuring as measuring
from ._binding import FUNCTIONS, TARGET, Plane, Point, Program, Shifted, Statistic, Window, bind
from ._evaluation import evaluate
from ._functions import ALIASES

_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_LARGEST_SAMPLE = float(np.finfo(np.float32).max)


class PixelMath(Process, id="math.pixel_math", version=1):
    """Compute each pixel from an expression over images, such as ``$T - med($T) + k``.

    The expression language is that of PixInsight's PixelMath; samples are fractions of each image's bounds
    (0 black, 1 white) and the result is mapped back to the bounds of the target, so that physical units
    survive. ``$T`` is the target, further images are linked to `images` and named by `names`. In a channel's
    expression an image stands for its own sample in that channel (gray images serve all channels), ``id[2]``
    for that of another channel, ``id(x() + 1, y())`` for a neighbour, ``id(10, 20)`` for one pixel and
    ``gconv(id, 3)`` for a filtered image (borders repeated). A function of a single image, ``med(id)``, is
    its statistic in that channel, measured exactly over all present samples beforehand. Statements end with
    ``;``, variables are assigned with ``=``, and the last value is the result. Random numbers depend on seed
    and place of a pixel only, neighbouring strips do not matter. A missing operand makes a
    missing result; quotients by zero give the largest number.
    """

    inputs = (
        Port("image", doc="the target, $T"),
        Port("images", many=True, optional=True, doc="further images, called by names"),
    )
    edge = "nearest"

    expression: str = param(doc="for all channels, or for red or gray when not use_single_expression")
    expression1: str = param(default="", doc="for green; empty leaves the channel as it is")
    expression2: str = param(default="", doc="for blue; empty leaves the channel as it is")
    expression3: str = param(default="", doc="for alpha; empty leaves the channels as they are")
    use_single_expression: bool = param(default=True, doc="whether expression computes all colour channels")
    symbols: str = param(default="", doc="variables and constants: 'k = 0.5, m = med($T), t'")
    names: tuple[str, ...] = param(default=(), doc="what the linked images are called in expressions, in order")
    rescale: bool = param(default=False, doc="spread the result over the rescale range; then nothing is truncated")
    rescale_lower: float = param(default=0.0, doc="lower end of the rescaled result")
    rescale_upper: float = param(default=1.0, doc="upper end of the rescaled result")
    truncate: bool = param(default=True, doc="clip the result to the truncation range")
    truncate_lower: float = param(default=0.0, doc="lower end of the truncated result")
    truncate_upper: float = param(default=1.0, doc="upper end of the truncated result")
    seed: int = param(default=1, low=0, doc="another seed gives other random numbers")
    output_state: Literal["same", "linear", "stretched"] = param(
        default="same",
        choices=("same", "linear", "stretched"),
        doc="whether the result is proportional to light; same: as the target is",
    )

    # -- what the texts mean ----------------------------------------------------------------------

    def check(self) -> None:
        for name in self.names:
            if not _NAME.fullmatch(name) or self.names.count(name) > 1:
                raise ParameterError(
                    f"PixelMath: names must be different identifiers (letters, digits, _), got {self.names}"
                )
            if ALIASES.get(name, name) in FUNCTIONS:
                raise ParameterError(f"PixelMath: {name!r} is a function and cannot be the name of an image")
        for low, high, what in (
            (self.rescale_lower, self.rescale_upper, "rescale"),
            (self.truncate_lower, self.truncate_upper, "truncate"),
        ):
            if low >= high:
                raise ParameterError(f"PixelMath: {what}_lower must be below {what}_upper, got {low:g} and {high:g}")
        programs = [self.program(text) for text in self._texts()]
        if self.rescale and any(True for p in programs for _ in p.neighbours()):
            raise ParameterError(
                "PixelMath: rescale measures the result tile by tile, where neighbours, as of id(x() + 1, y()) or "
                "gconv(id), are not at hand; switch rescale off and put a Rescale node after this one"
            )

    def _texts(self) -> list[str]:
        if self.use_single_expression:
            return [self.expression]
        return [t for t in (self.expression, self.expression1, self.expression2, self.expression3) if t.strip()]

    def program(self, text: str) -> Program:
        return bind(text, self.symbols, self.names)

    def text(self, channel: int, target: Frame) -> str:
        """Return the expression of *channel*; empty where the channel stays as it is."""
        if channel >= target.nominal:
            return "" if self.use_single_expression else self.expression3.strip()
        if self.use_single_expression:
            return self.expression
        own = (self.expression, self.expression1, self.expression2)
        return own[channel].strip() if channel < 3 else ""

    def programs(self, target: Frame) -> dict[int, Program]:
        """Return what is computed: the program of each channel that does not stay as it is."""
        texts = {c: self.text(c, target) for c in range(target.channels)}
        return {c: self.program(t) for c, t in texts.items() if t}

    # -- frames and boxes -------------------------------------------------------------------------

    def frames(self, known: Known) -> dict[str, Frame]:
        """Return the frame of each image by its name."""
        linked: tuple[Frame, ...] = known.frames.get("images") or ()
        if len(linked) != len(self.names):
            raise ParameterError(
                f"PixelMath: names must name the linked images; {len(self.names)} named "
                f"({', '.join(self.names) or 'none'}), {len(linked)} linked"
            )
        return {TARGET: known.of("image"), **dict(zip(self.names, linked, strict=True))}

    def frame(self, known: Known) -> Frame:
        frames = self.frames(known)
        target = frames[TARGET]
        for name, frame in frames.items():
            if not frame.same_size(target):
                raise ParameterError(
                    f"PixelMath: image {name!r} has {frame.width} x {frame.height} pixels, the target "
                    f"{target.width} x {target.height}"
                )
        for channel, program in self.programs(target).items():
            for plane in _planes(program):
                _channel(plane, frames[plane.image], channel, target)
        return target if self.output_state == "same" else target.with_(state=self.output_state)

    def needs(self, box: Box, port: str, known: Known) -> Box:
        target = known.of("image")
        found = box
        for program in self.programs(target).values():
            for near in program.neighbours():
                around = box.grow(near.radius) if isinstance(near, Window) else box.shift(near.dy, near.dx)
                seen = _clamped(around, target)
                found = Box(
                    min(found.y0, seen.y0), min(found.x0, seen.x0), max(found.y1, seen.y1), max(found.x1, seen.x1)
                )
        return found

    # -- what is measured first -------------------------------------------------------------------

    def wanted(self, target: Frame) -> tuple[set[Statistic], set[tuple[Point, int]]]:
        """Return the statistics and the single pixels that the programs refer to."""
        statistics: set[Statistic] = set()
        points: set[tuple[Point, int]] = set()
        for channel, program in self.programs(target).items():
            for meaning in program.meanings.values():
                if isinstance(meaning, Statistic):
                    statistics.add(meaning)
                if isinstance(meaning, Point):
                    points.add((meaning, channel))
        return statistics, points

    def measures(self, known: Known) -> bool:
        statistics, points = self.wanted(known.of("image"))
        return bool(statistics or points or self.rescale)

    def measure(self, known: Known, image: Tile, images: tuple[Tile, ...] | None) -> dict[str, Any]:
        frames = self.frames(known)
        tiles = dict(zip(frames, (image, *(images or ())), strict=True))
        state = known.state or self._first(frames[TARGET])
        if state["pass"] == "order":
            return {
                "order": measuring.measure_order(tiles, state, known.box),
                "points": measuring.measure_points(tiles, frames, self._points(frames), known.box),
            }
        if state["pass"] == "sums":
            return measuring.measure_sums(tiles, frames, state["done"])
        target = frames[TARGET]
        results = [
            evaluate(program, _Scene(self, frames, tiles, state, known.box, known.box, channel))
            for channel, program in self.programs(target).items()
            if channel < target.nominal
        ]
        return {"range": measuring.extremes(results)}

    def merge(self, a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
        if "order" in a:
            return {"order": measuring.merge_order(a["order"], b["order"]), "points": {**a["points"], **b["points"]}}
        if "range" in a:
            low, high = zip(a["range"], b["range"], strict=True)
            return {"range": [min(low), max(high)]}
        return measuring.merge_sums(a, b)

    def finish(self, partial: dict[str, Any], known: Known) -> Any:
        frames = self.frames(known)
        statistics, _ = self.wanted(frames[TARGET])
        state = known.state or self._first(frames[TARGET])
        if state["pass"] == "range":
            return {"done": state["done"], "points": state["points"], "range": partial["range"]}
        if state["pass"] == "order":
            points = partial["points"] or state.get("points", {})
            state, complete = measuring.finish_order(partial["order"], {**state, "points": points}, frames)
            if not complete:
                return Again(state)
            if measuring.needs_sums(statistics):
                return Again({**state, "pass": "sums"})
        else:
            state = {**state, "done": measuring.finish_sums(partial, state["done"])}
        if self.rescale:
            return Again({**state, "pass": "range"})
        return {"done": state["done"], "points": state["points"]}

    def _first(self, target: Frame) -> dict[str, Any]:
        statistics, _ = self.wanted(target)
        return measuring.start(s.plane.image for s in statistics)

    def _points(self, frames: Mapping[str, Frame]) -> list[tuple[Point, int]]:
        target = frames[TARGET]
        found = self.wanted(target)[1]
        return [(p, _channel(p.plane, frames[p.plane.image], c, target)) for p, c in found]

    # -- the arithmetic ---------------------------------------------------------------------------

    def pixels(self, known: Known, image: Tile, images: tuple[Tile, ...] | None) -> Tile:
        frames = self.frames(known)
        target = frames[TARGET]
        tiles = dict(zip(frames, (image, *(images or ())), strict=True))
        origin = self.needs(known.box, "image", known)
        measured = known.measured or {}
        out = np.empty((target.channels, known.box.height, known.box.width), np.float32)
        programs = self.programs(target)
        for channel in range(target.channels):
            if channel not in programs:
                out[channel] = image[
                    channel,
                    known.box.y0 - origin.y0 : known.box.y1 - origin.y0,
                    known.box.x0 - origin.x0 : known.box.x1 - origin.x0,
                ]
                continue
            scene = _Scene(self, frames, tiles, measured, known.box, origin, channel)
            result = self._limited(evaluate(programs[channel], scene), measured, channel < target.nominal)
            with np.errstate(over="ignore", invalid="ignore"):
                physical = target.lo + result * (target.hi - target.lo)
            out[channel] = np.clip(physical, -_LARGEST_SAMPLE, _LARGEST_SAMPLE)
        return out

    def _limited(
        self, result: npt.NDArray[np.float64], measured: Mapping[str, Any], nominal: bool
    ) -> npt.NDArray[np.float64]:
        if self.rescale and nominal:
            low, high = measured["range"]
            if low < high:
                gain = (self.rescale_upper - self.rescale_lower) / (high - low)
                return np.asarray((result - low) * gain + self.rescale_lower)
            return np.clip(result, self.rescale_lower, self.rescale_upper)
        if self.truncate:
            return np.clip(result, self.truncate_lower, self.truncate_upper)
        return result


def _planes(program: Program) -> list[Plane]:
    """Return every plane that *program* refers to in any way."""
    found = []
    for meaning in program.meanings.values():
        if isinstance(meaning, Plane):
            found.append(meaning)
        elif isinstance(meaning, Shifted | Window | Point | Statistic):
            found.append(meaning.plane)
    return found


def _channel(plane: Plane, frame: Frame, current: int, target: Frame) -> int:
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


def _clamped(box: Box, frame: Frame) -> Box:
    """Return the pixels of *frame* that stand for *box* when places outside are clamped to the border."""
    y0, x0 = min(max(box.y0, 0), frame.height - 1), min(max(box.x0, 0), frame.width - 1)
    return Box(y0, x0, min(max(box.y1, 1), frame.height), min(max(box.x1, 1), frame.width))


class _Scene:
    """What an expression sees in one box of one channel."""

    def __init__(
        self, process: PixelMath, frames: Mapping[str, Frame], tiles: Mapping[str, Tile],
        measured: Mapping[str, Any], box: Box, origin: Box, channel: int,
    ) -> None:  # fmt: skip
        self.frames, self.tiles, self.measured = frames, tiles, measured
        self.box, self.origin, self.channel, self.seed = box, origin, channel, process.seed
        self.target = frames[TARGET]
        self.size = self.target.height, self.target.width
        self._seen: dict[tuple[Plane, int, int], npt.NDArray[np.float64]] = {}

    def _of(self, plane: Plane) -> int:
        return _channel(plane, self.frames[plane.image], self.channel, self.target)

    def plane(self, plane: Plane, dy: int = 0, dx: int = 0) -> npt.NDArray[np.float64]:
        key = (plane, dy, dx)
        if key not in self._seen:
            self._seen[key] = self._view(plane, dy, dx)
        return self._seen[key]

    def _view(self, plane: Plane, dy: int, dx: int) -> npt.NDArray[np.float64]:
        return self._part(plane, self.box.shift(dy, dx))

    def around(self, plane: Plane, radius: int) -> npt.NDArray[np.float64]:
        return self._part(plane, self.box.grow(radius))

    def _part(self, plane: Plane, box: Box) -> npt.NDArray[np.float64]:
        """Return the samples of *box*, the border pixels standing for those outside the image."""
        tile = self.tiles[plane.image][self._of(plane)]
        rows = np.clip(np.arange(box.y0, box.y1), 0, self.size[0] - 1) - self.origin.y0
        columns = np.clip(np.arange(box.x0, box.x1), 0, self.size[1] - 1) - self.origin.x0
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

    def statistic(self, wanted: Statistic) -> float:
        return float(self.measured["done"][wanted.plane.image][self._of(wanted.plane)][wanted.kind])

    def point(self, wanted: Point) -> float:
        key = measuring.point_key(wanted.plane.image, self._of(wanted.plane), wanted.y, wanted.x)
        return float(self.measured["points"][key])
