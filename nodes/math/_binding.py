"""From syntax to meaning: which names are images or variables, and what of the images an expression must see.

All that can be wrong with an expression by itself is found here, before any pixel is touched. What is asked of
the engine follows: planes at constant offsets (they widen the box that is needed), single pixels and
statistics (they are measured first).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from ...engine.api import ParameterError
from . import _color, _windows
from ._expression import Assign, Binary, Call, Name, Node, Number, Unary, fault, near, parse, parse_symbols, walk
from ._functions import ALIASES, BINARY, BLENDS, MANY, POINTWISE, SETS, UNARY

TARGET = "$T"
_TARGET_NAMES = {"$T": TARGET, "$target": TARGET}
FARTHEST_OFFSET = 512
_LONGEST_OFFSET_EXPRESSION = 200

# Functions whose single argument is an image, and what must be measured of it.
STATISTICS = frozenset(
    {"mean", "med", "min", "max", "norm", "mod", "ssqr", "asqr", "sdev", "var", "adev", "mdev", "bwmv"}
)
OF_PIXEL = {"minsample": (1, 1), "maxsample": (1, 1), **dict.fromkeys(_color.COMPONENTS, (1, 1)), "normalize": (1, 3)}
OF_FRAME = ("width", "height", "area", "channels", "iscolor")
OF_PLACE = {
    "x": (0, 0), "y": (0, 0), "X": (0, 0), "Y": (0, 0), "rdist": (0, 2), "pangle": (0, 2), "inrect": (4, 4),
    "mind2rect": (4, 4), "maxd2rect": (4, 4), "inellipse": (4, 4), "d2line": (4, 4), "d2seg": (4, 4),
    "xperp2line": (4, 4), "yperp2line": (4, 4),
}  # fmt: skip
RANDOM = {
    "random": (0, 0), "gauss": (0, 0), "poisson": (1, 1), "gamma": (1, 2), "chisq": (1, 1), "studentt": (1, 1),
    "rndselect": (1, MANY),
}  # fmt: skip
_INSTEAD = {
    "translate": "write image(x() - dx, y() - dy)", "hmirror": "put a Flip node before this one",
    "vmirror": "put a Flip node before this one", "rotate": "put a Rotate node before this one",
    "global": "an accumulator over all pixels has no value while pixels are made in parallel",
}  # fmt: skip
NOT_AVAILABLE = (
    "kconv", "lvar", "translate", "rotate", "urotate",
    "hmirror", "vmirror", "maxdev", "ra", "rra", "dec", "global", "keyword_value", "keyword_defined",
    "property_value", "property_defined", "envvar_value",
)  # fmt: skip
WINDOWS = {"gconv": (1, 5), "bconv": (1, 2), "medfilt": (1, 3), "erosion": (1, 3), "dilation": (1, 3)}
FUNCTIONS = frozenset(
    {*POINTWISE, *SETS, *WINDOWS, *OF_PIXEL, *OF_FRAME, *OF_PLACE, *RANDOM, "combine", "pixel", "init"}
)


@dataclass(frozen=True, slots=True)
class Plane:
    """A channel of an image; None is the channel that the expression is evaluated for."""

    image: str
    channel: int | None


@dataclass(frozen=True, slots=True)
class Shifted:
    """A plane seen from each pixel at a constant offset."""

    plane: Plane
    dy: int
    dx: int


@dataclass(frozen=True, slots=True)
class Window:
    """A plane filtered within *radius* of each pixel; *structure* or *weights*, as the function needs."""

    plane: Plane
    radius: int
    structure: str = "str_square"
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One pixel of a plane."""

    plane: Plane
    y: int
    x: int


@dataclass(frozen=True, slots=True)
class Statistic:
    kind: str
    plane: Plane


Meaning = Plane | Shifted | Window | Point | Statistic | str | int


@dataclass(frozen=True)
class Program:
    """A checked expression: its statements, and what each name and each call in it means."""

    statements: tuple[Node, ...]
    meanings: Mapping[int, Meaning] = field(default_factory=dict)
    """By `id` of the node; the nodes are kept alive by `statements`."""

    def neighbours(self) -> Iterator[Shifted | Window]:
        """Yield what looks at other places than the pixel's own."""
        return (m for m in self.meanings.values() if isinstance(m, Shifted | Window))


@lru_cache(maxsize=256)
def bind(text: str, symbols: str, images: tuple[str, ...]) -> Program:
    """Return the meaning of *text* with the variables that *symbols* declares and the names of the *images*."""
    return _Binder(images).program(text, symbols)


class _Binder:
    def __init__(self, images: tuple[str, ...]) -> None:
        self.images = {**_TARGET_NAMES, **{name: name for name in images}}
        self.variables: set[str] = set()
        self.constants: dict[str, float] = {}
        self.meanings: dict[int, Meaning] = {}
        self.draws = 0
        self.text = ""

    def program(self, text: str, symbols: str) -> Program:
        expression, declared = parse(text), parse_symbols(symbols)
        if not expression:
            raise ParameterError(f"PixelMath: the expression is empty, got {text!r}")
        changed = {n.name for n in expression if isinstance(n, Assign)}
        self.text = symbols
        for node in declared:
            self.declare(node, changed)
        self.text = text
        for node in expression:
            self.statement(node)
        return Program((*declared, *expression), self.meanings)

    def declare(self, node: Node, changed: set[str]) -> None:
        if isinstance(node, Name):
            self.define(node)
            return
        assert isinstance(node, Assign)
        self.check(node.value)
        self.define(node)
        value = self.constant(node.value)
        if value is not None and node.name not in changed:
            self.constants[node.name] = value

    def statement(self, node: Node) -> None:
        if not isinstance(node, Assign):
            self.check(node)
            return
        self.statement(node.value)
        if node.op and node.name not in self.variables:
            raise fault(self.text, node.at, f"{node.name!r} has no value yet that {node.op}= could change")
        self.define(node)

    def define(self, node: Name | Assign) -> None:
        if node.name in self.images:
            raise fault(self.text, node.at, f"{node.name!r} is an image and cannot be assigned to")
        if node.name.startswith("$"):
            raise fault(self.text, node.at, f"{node.name!r} cannot be a variable: names begin with a letter or _")
        self.variables.add(node.name)

    # -- names and calls --------------------------------------------------------------------------

    def check(self, expression: Node) -> None:
        """Give every name and call in *expression* its meaning, or raise at the first without one."""
        taken: set[int] = set()  # arguments that stand for an image or an operator, not for a value
        for node in walk((expression,)):
            if id(node) in taken:
                continue
            if isinstance(node, Call):
                taken |= self.call(node)
            elif isinstance(node, Name):
                self.name(node)

    def name(self, node: Name) -> None:
        if node.name in self.images:
            self.meanings[id(node)] = self.plane(node)
            return
        if node.name not in self.variables:
            raise self.unknown(node)
        if node.channel is not None:
            raise fault(self.text, node.at, f"{node.name!r} is a variable; only images have channels")

    def unknown(self, node: Name) -> ParameterError:
        if node.name in ("$M", "$mask"):
            hint = ": masks are linked to the mask port of the node"
        elif node.name in ("$A", "$active"):
            hint = ": there is no active image in a graph; link it to the port 'images' and name it"
        elif ALIASES.get(node.name, node.name) in FUNCTIONS:
            hint = f": it is a function, write {node.name}(...)"
        else:
            hint = near(node.name, [*self.images, *self.variables]) or f"; there are {', '.join(self.known())}"
        return fault(self.text, node.at, f"{node.name!r} is no image, variable or symbol{hint}")

    def known(self) -> list[str]:
        return sorted({*self.images, *self.variables} - {"$target"})

    def plane(self, node: Name | Call) -> Plane:
        return Plane(self.images[node.name], self.channel(node.channel))

    def channel(self, node: Node | None) -> int | None:
        if node is None:
            return None
        value = self.constant(node)
        if value is None or value != int(value) or value < 0:
            raise fault(self.text, node.at, "a channel index must be a constant whole number from 0 on")
        return int(value)

    def call(self, node: Call) -> set[int]:
        """Give a call its meaning; return the ids of those arguments that stand for images."""
        if node.name in self.images:
            self.meanings[id(node)] = self.sample(self.plane(node), node, node.arguments)
            return set()
        if node.channel is not None:
            raise fault(self.text, node.at, f"{node.name!r} is no image; only images have channels")
        name = ALIASES.get(node.name, node.name)
        if name in NOT_AVAILABLE:
            instead = f": {_INSTEAD[name]}" if name in _INSTEAD else ""
            raise fault(self.text, node.at, f"{node.name}() is not available in this version{instead}")
        if name not in FUNCTIONS:
            kind = "is a variable, not a function" if node.name in self.variables else "is no function"
            hint = near(node.name, [*FUNCTIONS, *ALIASES, *self.images])
            raise fault(self.text, node.at, f"{node.name!r} {kind}{hint}")
        self.count(node, name)
        if name in RANDOM:
            self.meanings[id(node)] = self.draws
            self.draws += 1
        if name == "pixel":
            return self.pixel(node)
        if name in WINDOWS:
            return self.window(node, name)
        if name == "combine":
            return self.combine(node)
        if name in OF_PIXEL or name in OF_FRAME or (name in SETS and len(node.arguments) == 1):
            return self.of_image(node, name)
        return set()

    def count(self, node: Call, name: str) -> None:
        low, high = self.arity(name)
        n = len(node.arguments)
        even_switch = name == "iswitch" and n % 2 == 0
        one_of_two = name in ("rdist", "pangle") and n == 1
        if low <= n <= high and not even_switch and not one_of_two:
            return
        wanted = str(low) if low == high else f"{low} or more" if high == MANY else f"{low} to {high}"
        if name == "iswitch":
            wanted = "pairs of condition and value, and a default"
        if name in ("rdist", "pangle"):
            wanted = "0 or 2"
        raise fault(self.text, node.at, f"{node.name}() wants {wanted} arguments, got {n}")

    def arity(self, name: str) -> tuple[int, int]:
        for table in (OF_PIXEL, OF_PLACE, RANDOM, WINDOWS):
            if name in table:
                return table[name]
        if name in POINTWISE:
            return POINTWISE[name].low, POINTWISE[name].high
        if name in OF_FRAME:
            return 0, 1
        if name in SETS:
            return (2 if name == "sum" else 1), MANY
        return {"pixel": (3, 4), "combine": (3, 3), "init": (1, 1)}[name]

    # -- functions of images ----------------------------------------------------------------------

    def image(self, node: Call, place: int = 0) -> Name:
        argument = node.arguments[place]
        if not isinstance(argument, Name) or argument.name not in self.images:
            raise fault(
                self.text, argument.at,
                f"{node.name}() of one argument wants an image; an expression must become an image of its own "
                "first: give it a PixelMath node",
            )  # fmt: skip
        return argument

    def of_image(self, node: Call, name: str) -> set[int]:
        if not node.arguments:
            self.meanings[id(node)] = Plane(TARGET, None)
            return set()
        argument = self.image(node)
        plane = self.plane(argument)
        if name in SETS and name not in STATISTICS:
            raise fault(self.text, node.at, f"{node.name}() of a whole image is not available in this version")
        self.meanings[id(node)] = Statistic(name, plane) if name in SETS else plane
        if name == "normalize":
            self.meanings[id(argument)] = Statistic("min", plane)
        return {id(argument)}

    def combine(self, node: Call) -> set[int]:
        op = node.arguments[2]
        if not isinstance(op, Call) or op.name not in BLENDS or op.arguments:
            hint = near(op.name, list(BLENDS)) if isinstance(op, Call | Name) else ""
            raise fault(self.text, op.at, f"combine() wants an operator such as op_screen(){hint}")
        self.meanings[id(node)] = op.name
        return {id(op)}

    def pixel(self, node: Call) -> set[int]:
        argument = self.image(node)
        plane = self.plane(argument)
        if len(node.arguments) == 4:
            plane = Plane(plane.image, self.channel(node.arguments[3]))
        self.meanings[id(node)] = self.sample(plane, node, node.arguments[1:3])
        return {id(argument)}

    def window(self, node: Call, name: str) -> set[int]:
        argument = self.image(node)
        plane = self.plane(argument)
        if name == "gconv":
            sigma, rho, _, eps = self.options(node, (2.0, 1.0, 0.0, 0.01))
            if rho != 1:
                raise fault(self.text, node.at, "gconv() with rho other than 1 is not available in this version")
            if not (sigma > 0 and 0 < eps < 1):
                raise fault(self.text, node.at, f"gconv() wants sigma > 0 and 0 < eps < 1, got {sigma:g} and {eps:g}")
            reach = sigma * (-2 * math.log(eps)) ** 0.5
            weights = tuple(_windows.gaussian(sigma, eps).tolist()) if reach <= _windows.WIDEST else ()
            radius = math.ceil(reach) if not weights else len(weights) // 2
            found = Window(plane, radius, weights=weights)
        else:
            element, taken = self.element(node)
            size = self.options(node, (3.0,))[0]
            if size != int(size) or size < 3 or size % 2 == 0:
                raise fault(self.text, node.at, f"{node.name}() wants an odd window size from 3 on, got {size:g}")
            radius = int(size) // 2
            found = Window(plane, radius, element, (1.0,) * int(size) if name == "bconv" else ())
            if taken is not None:
                self.meanings[id(taken)] = element
        if radius > _windows.WIDEST:
            wanted = f"at most {_windows.WIDEST} px to each side"
            raise fault(self.text, node.at, f"the window of {node.name}() may reach {wanted}, got {radius} px")
        self.meanings[id(node)] = found
        return {id(a) for a in (argument, *node.arguments[2:]) if isinstance(a, Name | Call)}

    def options(self, node: Call, defaults: tuple[float, ...]) -> tuple[float, ...]:
        """Return the constant arguments after the image, with *defaults* for those left out."""
        found = list(defaults)
        for i, argument in enumerate(node.arguments[1 : 1 + len(defaults)]):
            value = self.constant(argument)
            if value is None:
                raise fault(self.text, argument.at, f"the window of {node.name}() wants constant arguments")
            found[i] = value
        return tuple(found)

    def element(self, node: Call) -> tuple[str, Call | None]:
        if len(node.arguments) < 3:
            return "str_square", None
        given = node.arguments[2]
        if not isinstance(given, Call) or given.name not in _windows.STRUCTURES or given.arguments:
            wanted = ", ".join(f"{s}()" for s in _windows.STRUCTURES)
            raise fault(self.text, given.at, f"{node.name}() wants a structure: {wanted}")
        return given.name, given

    def sample(self, plane: Plane, node: Call, arguments: tuple[Node, ...]) -> Shifted | Point:
        """Tell a constant place from a constant offset; anything else would need all pixels for each pixel."""
        if len(arguments) != 2:
            n = len(arguments)
            raise fault(self.text, node.at, f"a sample of {plane.image} wants 2 coordinates (x, y), got {n}")
        places = [self.linear(a, axis) for a, axis in zip(arguments, ("x", "y"), strict=True)]
        (ax, cx), (ay, cy) = (p if p is not None else (0.5, 0.0) for p in places)
        if (ax, ay) not in ((0, 0), (1, 1)):
            raise fault(
                self.text, node.at,
                "samples can be taken at constant places, image(10, 20), or at constant offsets, "
                "image(x() + 1, y() - 2); other places cannot be computed strip by strip",
            )  # fmt: skip
        if cx != int(cx) or cy != int(cy):
            raise fault(self.text, node.at, f"coordinates must be whole pixels, got ({cx:g}, {cy:g})")
        if (ax, ay) == (0, 0):
            return Point(plane, int(cy), int(cx))
        if max(abs(cx), abs(cy)) > FARTHEST_OFFSET:
            raise fault(self.text, node.at, f"offsets may be at most {FARTHEST_OFFSET} px, got ({cx:g}, {cy:g})")
        return Shifted(plane, int(cy), int(cx))

    # -- constants --------------------------------------------------------------------------------

    def constant(self, node: Node) -> float | None:
        """Return the value of a constant expression, or None."""
        found = self.linear(node, "")
        return None if found is None or found[0] != 0 else found[1]

    def linear(self, node: Node, axis: str) -> tuple[float, float] | None:
        """Return (a, c) if *node* is ``a * axis() + c``; None for all that is not so by its form."""
        for count, _ in enumerate(walk((node,))):
            if count >= _LONGEST_OFFSET_EXPRESSION:
                return None
        return self._linear(node, axis)

    def _linear(self, node: Node, axis: str) -> tuple[float, float] | None:
        if isinstance(node, Number):
            return 0.0, node.value
        if isinstance(node, Name):
            value = None if node.channel is not None else self.constants.get(node.name)
            return None if value is None else (0.0, value)
        if isinstance(node, Call) and not node.arguments and ALIASES.get(node.name, node.name) == axis:
            return 1.0, 0.0
        if isinstance(node, Call) and node.name == "init" and len(node.arguments) == 1:
            return self._linear(node.arguments[0], axis)
        if isinstance(node, Unary):
            inner = self._linear(node.operand, axis)
            return None if inner is None else _linear_unary(node.op, inner)
        if isinstance(node, Binary):
            left, right = self._linear(node.left, axis), self._linear(node.right, axis)
            return None if left is None or right is None else _linear_binary(node.op, left, right)
        return None


def _linear_unary(op: str, inner: tuple[float, float]) -> tuple[float, float] | None:
    a, c = inner
    if op == "-":
        return -a, -c
    if op == "+":
        return inner
    return (0.0, float(UNARY[op](c))) if a == 0 else None


def _linear_binary(
    op: str, left: tuple[float, float], right: tuple[float, float]
) -> tuple[float, float] | None:
    (a, c), (b, d) = left, right
    if op == "+":
        return a + b, c + d
    if op == "-":
        return a - b, c - d
    if a == b == 0:
        value = float(BINARY[op](c, d))
        return (0.0, value) if abs(value) < float("inf") else None
    if op == "*" and (a == 0 or b == 0):
        return a * d + b * c, c * d
    return None
