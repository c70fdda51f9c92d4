"""Compute pixels from an expression."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...engine.api import Again, Box, Frame, Known, ParameterError, Port, Process, Tile, param
from . import _measuring as measuring
from ._binding import bind
from ._evaluation import accumulated, evaluate
from ._meanings import TARGET, Accumulator, Point, Program, Statistic
from ._scene import Scene, channel_of, check, joined, needed
from ._signatures import FUNCTIONS, proper

_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_NOTHING = Box(0, 0, 0, 0)
_LARGEST_SAMPLE = float(np.finfo(np.float32).max)


class PixelMath(Process, id="math.pixel_math", version=2):
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

    ``translate(id, dx, dy)``, ``rotate(id, degrees[, x, y])`` (about the centre or a pixel), ``urotate`` (the
    turned image from its own upper left corner) and the mirrors move an image: counter-clockwise for rows that
    run downwards, between pixels by the clamped bicubic spline, black beyond the image. ``kconv`` divides by
    the sum of its weights unless that is 0. ``keyword_value(id, CCD-TEMP)`` and ``property_value`` read
    numbers from headers, ``ra()`` and ``dec()`` degrees from a gnomonic solution (also with SIP), ``rra()`` the
    right ascension from its reference point, without the jump at 0 h. A symbol ``n = global(+)`` (or ``*``, and an
    initial value) accumulates what statements ``n += value`` say in all pixels; the port `globals` gives
    its sums in each channel.
    """

    inputs = (
        Port("image", doc="the target, $T"),
        Port("images", many=True, optional=True, doc="further images, called by names"),
    )
    outputs = (
        Port("image", doc="the result"),
        Port("globals", "measures", doc="what accumulating symbols amount to, one number for each channel"),
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
            if proper(name) in FUNCTIONS:
                raise ParameterError(f"PixelMath: {name!r} is a function and cannot be the name of an image")
        for low, high, what in (
            (self.rescale_lower, self.rescale_upper, "rescale"),
            (self.truncate_lower, self.truncate_upper, "truncate"),
        ):
            if low >= high:
                raise ParameterError(f"PixelMath: {what}_lower must be below {what}_upper, got {low:g} and {high:g}")
        for text in self._texts():
            self.program(text)

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
            check(program, frames, channel)
        return target if self.output_state == "same" else target.with_(state=self.output_state)

    def needs(self, box: Box, port: str, known: Known) -> Box | tuple[Box, ...]:
        results = known.state is not None and known.state["pass"] == "results"
        if known.measured is None and not results and self.measures(known):
            return box  # images are measured as they are; only results see neighbours
        boxes = self._needed(box, known)
        if port == "image":
            return boxes[TARGET]
        return tuple(boxes[name] for name in self.names) if self.names else box

    def _needed(self, box: Box, known: Known) -> dict[str, Box]:
        """Return which pixels of each image the result in *box* depends on."""
        frames = self.frames(known)
        target = frames[TARGET]
        programs = self.programs(target)
        found: dict[str, Box] = {}
        for name, frame in frames.items():
            boxes = [b for p in programs.values() if (b := needed(p, name, box, frame)) is not None]
            if name == TARGET and len(programs) < target.channels:
                boxes.append(box)  # channels that stay as they are
            found[name] = reduce(joined, boxes) if boxes else box if name == TARGET else _NOTHING
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
        return bool(statistics or points or self._results_are_measured(known.of("image")))

    def _accumulators(self, target: Frame) -> Mapping[str, Accumulator]:
        # Symbols are the same in every channel.
        return next((p.accumulators for p in self.programs(target).values()), {})

    def _results_are_measured(self, target: Frame) -> bool:
        return self.rescale or bool(self._accumulators(target))

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
        programs, origins = self.programs(frames[TARGET]), self._needed(known.box, known)
        results = {
            channel: accumulated(p, Scene(frames, tiles, state, known.box, origins, channel, self.seed))
            for channel, p in programs.items()
        }
        return measuring.measure_results(programs, results, frames[TARGET].nominal)

    def merge(self, a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
        if "order" in a:
            return {"order": measuring.merge_order(a["order"], b["order"]), "points": {**a["points"], **b["points"]}}
        if "range" in a:
            how = self.program(self._texts()[0]).accumulators
            return measuring.merge_results(a, b, how)
        return measuring.merge_sums(a, b)

    def finish(self, partial: dict[str, Any], known: Known) -> Any:
        frames = self.frames(known)
        statistics, _ = self.wanted(frames[TARGET])
        state = known.state or self._first(frames[TARGET])
        if state["pass"] == "results":
            return {"done": state["done"], "points": state["points"], **self._told(partial, frames[TARGET])}
        if state["pass"] == "order":
            points = partial["points"] or state.get("points", {})
            state, complete = measuring.finish_order(partial["order"], {**state, "points": points}, frames)
            if not complete:
                return Again(state)
            if measuring.needs_sums(statistics):
                return Again({**state, "pass": "sums"})
        else:
            state = {**state, "done": measuring.finish_sums(partial, state["done"], frames)}
        if self._results_are_measured(frames[TARGET]):
            return Again({**state, "pass": "results"})
        return {"done": state["done"], "points": state["points"]}

    def _told(self, partial: Mapping[str, Any], target: Frame) -> dict[str, Any]:
        how = self._accumulators(target)
        totals = {
            name: [how[name].joined(how[name].initial, given) for given in partial["globals"][name]] for name in how
        }
        return {"range": partial["range"], **({"globals": totals} if how else {})}

    def value(self, port: str, measured: Any) -> Any:
        return (measured or {}).get("globals", {}) if port == "globals" else measured

    def _first(self, target: Frame) -> dict[str, Any]:
        statistics, _ = self.wanted(target)
        return measuring.start(statistics)

    def _points(self, frames: Mapping[str, Frame]) -> list[tuple[Point, int]]:
        target = frames[TARGET]
        found = self.wanted(target)[1]
        return [(p, channel_of(p.plane, frames[p.plane.image], c, target)) for p, c in found]

    # -- the arithmetic ---------------------------------------------------------------------------

    def pixels(self, known: Known, image: Tile, images: tuple[Tile, ...] | None) -> Tile:
        frames = self.frames(known)
        target = frames[TARGET]
        tiles = dict(zip(frames, (image, *(images or ())), strict=True))
        origins = self._needed(known.box, known)
        kept = known.box.shift(-origins[TARGET].y0, -origins[TARGET].x0)
        measured = known.measured or {}
        out = np.empty((target.channels, known.box.height, known.box.width), np.float32)
        programs = self.programs(target)
        for channel in range(target.channels):
            if channel not in programs:
                out[channel] = image[channel, kept.y0 : kept.y1, kept.x0 : kept.x1]
                continue
            scene = Scene(frames, tiles, measured, known.box, origins, channel, self.seed)
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
