"""Evaluate a bound expression on the pixels of one box, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ...engine.api import Box
from . import _color, _place, _random, _windows
from ._blends import BLENDS
from ._functions import BINARY, POINTWISE, SETS, UNARY, Value, rescale
from ._meanings import Header, Moved, Plane, Point, Program, Shifted, Sky, Statistic, Window
from ._nodes import Assign, Binary, Call, Name, Node, Number, Unary
from ._signatures import OF_FRAME, OF_PIXEL, OF_PLACE, RANDOM, proper

Floats = npt.NDArray[np.float64]


class Scene(Protocol):
    """What an expression sees: normalised pixels, and numbers measured before."""

    box: Box
    channel: int
    seed: int
    size: tuple[int, int]

    def plane(self, plane: Plane, dy: int = 0, dx: int = 0) -> Floats: ...
    def around(self, plane: Plane, radius: int) -> Floats: ...
    def moved(self, moved: Moved) -> Floats: ...
    def sky(self, wanted: Sky) -> Floats: ...
    def header(self, wanted: Header) -> float: ...
    def nominal(self, image: str) -> int: ...
    def measure_of_frame(self, name: str, image: str) -> float: ...
    def statistic(self, wanted: Statistic) -> float: ...
    def point(self, wanted: Point) -> float: ...


def evaluate(program: Program, scene: Scene) -> Floats:
    """Return the value of the last statement for every pixel of the scene's box."""
    return accumulated(program, scene)[0]


def accumulated(program: Program, scene: Scene) -> tuple[Floats, dict[str, Floats]]:
    """Return the value of the last statement, and what each accumulator is given by every pixel."""
    run = _Run(program, scene)
    result: Value = np.float64(0)
    with np.errstate(all="ignore"):
        for statement in program.statements:
            result = run.statement(statement)
    shape = (scene.box.height, scene.box.width)

    def whole(value: Value) -> Floats:
        return np.array(np.broadcast_to(np.asarray(value, np.float64), shape))

    return whole(result), {name: whole(run.variables[name]) for name in program.accumulators}


class _Run:
    def __init__(self, program: Program, scene: Scene) -> None:
        self.meanings, self.scene = program.meanings, scene
        self.variables: dict[str, Value] = {n: np.float64(a.neutral) for n, a in program.accumulators.items()}

    def statement(self, node: Node) -> Value:
        if isinstance(node, Assign):
            value = self.statement(node.value)
            if node.op:
                value = BINARY[node.op](self.variables[node.name], value)
            self.variables[node.name] = value
            return value
        if isinstance(node, Name) and node.name not in self.variables and id(node) not in self.meanings:
            self.variables[node.name] = np.float64(0)  # a symbol declared without a value
        return self.value(node)

    def value(self, node: Node) -> Value:
        # The left side is followed in a loop: sums of a thousand terms are a thousand levels deep there.
        waiting: list[Binary] = []
        while isinstance(node, Binary):
            waiting.append(node)
            node = node.left
        result = self.leaf(node)
        for binary in reversed(waiting):
            result = BINARY[binary.op](result, self.value(binary.right))
        return result

    def leaf(self, node: Node) -> Value:
        if isinstance(node, Number):
            return np.float64(node.value)
        if isinstance(node, Unary):
            return UNARY[node.op](self.value(node.operand))
        if isinstance(node, Name):
            meaning = self.meanings.get(id(node))
            return self.scene.plane(meaning) if isinstance(meaning, Plane) else self.variables[node.name]
        assert isinstance(node, Call)
        return self.call(node)

    def call(self, node: Call) -> Value:
        meaning = self.meanings.get(id(node))
        if isinstance(meaning, Shifted):
            return self.scene.plane(meaning.plane, meaning.dy, meaning.dx)
        if isinstance(meaning, Window):
            return self.window(node.name, meaning)
        if isinstance(meaning, Moved):
            return self.scene.moved(meaning)
        if isinstance(meaning, Sky):
            return self.scene.sky(meaning)
        if isinstance(meaning, Header):
            return np.float64(self.scene.header(meaning))
        if isinstance(meaning, Point):
            return np.float64(self.scene.point(meaning))
        if isinstance(meaning, Statistic):
            return np.float64(self.scene.statistic(meaning))
        name = proper(node.name)
        if name in OF_FRAME:
            assert isinstance(meaning, Plane)
            return np.float64(self.scene.measure_of_frame(name, meaning.image))
        if name in OF_PIXEL:
            assert isinstance(meaning, Plane)
            return self.of_pixel(name, meaning, node)
        arguments = [self.value(a) for a in (node.arguments[:2] if name == "combine" else node.arguments)]
        if name == "combine":
            return BLENDS[str(meaning)](arguments[0], arguments[1])
        if name in RANDOM:
            assert isinstance(meaning, int)
            return self.random(name, meaning, arguments)
        if name in OF_PLACE:
            return _place.PLACES[name](self.scene.box, self.scene.size, *arguments)
        if name == "init":
            return arguments[0]
        function: Callable[..., Value] = SETS[name] if name in SETS else POINTWISE[name].apply
        return function(*arguments)

    def of_pixel(self, name: str, plane: Plane, node: Call) -> Value:
        """Functions of all channels of a pixel, or of a pixel within its image."""
        if name == "normalize":
            low = self.scene.statistic(Statistic("min", plane))
            high = self.scene.statistic(Statistic("max", plane))
            given = [self.value(argument) for argument in node.arguments[1:]]
            a = given[0] if given else 0.0
            b = given[1] if len(given) > 1 else 1.0
            return a + (b - a) * rescale(self.scene.plane(plane), low, high)
        planes = [self.scene.plane(Plane(plane.image, c)) for c in range(self.scene.nominal(plane.image))]
        if name == "minsample":
            return np.min(planes, axis=0)
        if name == "maxsample":
            return np.max(planes, axis=0)
        if len(planes) == 3:
            return _color.component(name, (planes[0], planes[1], planes[2]))
        return _color.component(name, (planes[0], planes[0], planes[0]))

    def window(self, name: str, window: Window) -> Value:
        padded = self.scene.around(window.plane, window.radius)
        if window.kernel:
            size = 2 * window.radius + 1
            kernel = np.array(window.kernel).reshape(size, size)
            mean = name == "gconv"
            return _windows.kernel_mean(padded, kernel) if mean else _windows.kernel_convolved(padded, kernel)
        if name == "lvar":
            return _windows.local_variance(padded, np.array(window.weights))
        if window.weights:
            return _windows.convolved(padded, np.array(window.weights))
        kind = {"medfilt": "med", "erosion": "min", "dilation": "max"}[name]
        if kind == "med" and window.structure == "str_threeway":
            return _windows.three_ways(padded, window.radius)
        return _windows.ordered(padded, _windows.structure(window.structure, window.radius), kind)

    def random(self, name: str, draw: int, arguments: list[Value]) -> Value:
        box = self.scene.box
        u = _random.uniform(box, self.scene.seed, draw, self.scene.channel)
        full = [np.broadcast_to(np.asarray(a, np.float64), u.shape) for a in arguments]
        if name == "random":
            return u
        if name == "gauss":
            return _random.gauss(u)
        if name == "poisson":
            return _random.poisson(u, full[0])
        if name == "gamma":
            return _random.gamma(u, full[0], full[1] if len(full) > 1 else np.ones_like(u))
        if name == "chisq":
            return _random.chi_square(u, full[0])
        if name == "studentt":
            return _random.student(u, full[0])
        choice = np.minimum((u * len(full)).astype(np.int64), len(full) - 1)
        return np.take_along_axis(np.stack(full), choice[None], axis=0)[0]
