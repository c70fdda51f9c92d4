"""From syntax to meaning: which names are images or variables, and what of the images an expression must see.

All that can be wrong with an expression by itself is found here, before any pixel is touched. What is asked of
the engine follows: neighbours and moved images (they widen the box that is needed), single pixels and
statistics (they are measured first).
"""

from __future__ import annotations

from functools import lru_cache

from ...engine.api import ParameterError
from ._blends import BLENDS
from ._constants import constant, linear
from ._expression import fault, near, parse, parse_symbols
from ._filters import Filters
from ._functions import ALIASES, SETS
from ._meanings import TARGET, Accumulator, Header, Meaning, Plane, Point, Program, Shifted, Sky, Statistic
from ._nodes import Assign, Call, Name, Node, Text, walk
from ._signatures import FUNCTIONS, MOVES, OF_HEADER, OF_IMAGE, OF_SKY, RANDOM, REFUSED, WINDOWS, count, proper

_TARGET_NAMES = {"$T": TARGET, "$target": TARGET}
FARTHEST_OFFSET = 512
_UNDOES = {"+": ("+", "-"), "*": ("*", "/")}
"""What an accumulator of either operator may be changed with."""


@lru_cache(maxsize=256)
def bind(text: str, symbols: str, images: tuple[str, ...]) -> Program:
    """Return the meaning of *text* with the variables that *symbols* declares and the names of the *images*."""
    return _Binder(images).program(text, symbols)


class _Binder:
    def __init__(self, images: tuple[str, ...]) -> None:
        self.images = {**_TARGET_NAMES, **{name: name for name in images}}
        self.variables: set[str] = set()
        self.constants: dict[str, float] = {}
        self.accumulators: dict[str, Accumulator] = {}
        self.meanings: dict[int, Meaning] = {}
        self.draws = 0
        self.text = ""

    # -- statements -------------------------------------------------------------------------------

    def program(self, text: str, symbols: str) -> Program:
        expression, declared = parse(text), parse_symbols(symbols)
        if not expression:
            raise ParameterError(f"PixelMath: the expression is empty, got {text!r}")
        changed = {n.name for n in expression if isinstance(n, Assign)}
        self.text = symbols
        values = tuple(node for node in declared if not self.declare(node, changed))
        self.text = text
        for node in expression:
            if not self.accumulate(node):
                self.statement(node)
        last = expression[-1]
        if isinstance(last, Assign) and last.name in self.accumulators:
            raise fault(text, last.at, "the last statement is the result and cannot be one that accumulates")
        return Program((*values, *expression), self.meanings, self.accumulators)

    def declare(self, node: Node, changed: set[str]) -> bool:
        """Take note of a symbol; return whether it is an accumulator, which has no value to be computed."""
        if isinstance(node, Name):
            self.define(node)
            return False
        assert isinstance(node, Assign)
        if isinstance(node.value, Call) and node.value.name == "global":
            self.define(node)
            self.accumulators[node.name] = self.accumulator(node.value)
            return True
        self.check(node.value)
        self.define(node)
        value = constant(node.value, self.constants)
        if value is not None and node.name not in changed:
            self.constants[node.name] = value
        return False

    def accumulator(self, node: Call) -> Accumulator:
        count(node, "global", self.text)
        op, *rest = node.arguments
        if not isinstance(op, Text):
            raise fault(self.text, node.at, "global() wants an operator, + or *, and may have an initial value")
        initial = constant(rest[0], self.constants) if rest else Accumulator(op.value, 0.0).neutral
        if initial is None:
            raise fault(self.text, rest[0].at, "the initial value of global() must be a constant")
        return Accumulator(op.value, initial)

    def accumulate(self, node: Node) -> bool:
        """Check a statement that changes an accumulator; return whether it does."""
        if not isinstance(node, Assign) or node.name not in self.accumulators:
            return False
        ways = _UNDOES[self.accumulators[node.name].op]
        if node.op not in ways:
            wanted = " or ".join(f"{node.name} {w}= value" for w in ways)
            raise fault(self.text, node.at, f"{node.name!r} accumulates over all pixels, it can be changed by {wanted}")
        if isinstance(node.value, Assign):
            raise fault(self.text, node.value.at, "what is accumulated cannot be an assignment")
        self.check(node.value)
        return True

    def statement(self, node: Node) -> None:
        if not isinstance(node, Assign):
            self.check(node)
            return
        self.statement(node.value)
        if node.name in self.accumulators:
            raise fault(self.text, node.at, f"{node.name!r} accumulates over all pixels, in statements of its own")
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
        if node.name in self.accumulators:
            raise fault(
                self.text, node.at,
                f"{node.name!r} accumulates over all pixels: it is known when all are done, at the port 'globals'",
            )  # fmt: skip
        if node.name not in self.variables:
            raise self.unknown(node)
        if node.channel is not None:
            raise fault(self.text, node.at, f"{node.name!r} is a variable; only images have channels")

    def unknown(self, node: Name) -> ParameterError:
        if node.name in ("$M", "$mask"):
            hint = ": masks are linked to the mask port of the node"
        elif node.name in ("$A", "$active"):
            hint = ": there is no active image in a graph; link it to the port 'images' and name it"
        elif proper(node.name) in FUNCTIONS:
            hint = f": it is a function, write {node.name}(...)"
        else:
            known = sorted({*self.images, *self.variables} - {"$target"})
            hint = near(node.name, [*self.images, *self.variables]) or f"; there are {', '.join(known)}"
        return fault(self.text, node.at, f"{node.name!r} is no image, variable or symbol{hint}")

    def plane(self, node: Name | Call) -> Plane:
        return Plane(self.images[node.name], self.channel(node.channel))

    def channel(self, node: Node | None) -> int | None:
        if node is None:
            return None
        value = constant(node, self.constants)
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
        name = proper(node.name)
        if name not in FUNCTIONS:
            raise self.no_function(node, name)
        if name == "global":
            raise fault(self.text, node.at, "global() declares a symbol: write 'n = global(+)' into symbols")
        count(node, name, self.text)
        if name in RANDOM:
            self.meanings[id(node)] = self.draws
            self.draws += 1
        for names, bound in (
            (("pixel",), self.pixel), (WINDOWS, self.window), (MOVES, self.window), (("combine",), self.combine),
            (OF_HEADER, self.header), (OF_SKY, self.sky), (OF_IMAGE, self.of_image),
        ):  # fmt: skip
            if name in names:
                return bound(node, name)
        return self.of_image(node, name) if name in SETS and len(node.arguments) == 1 else set()

    def no_function(self, node: Call, name: str) -> ParameterError:
        if name in REFUSED:
            return fault(self.text, node.at, f"{node.name}() is not available: {REFUSED[name]}")
        kind = "is a variable, not a function" if node.name in self.variables else "is no function"
        hint = near(node.name, [*FUNCTIONS, *ALIASES, *self.images])
        return fault(self.text, node.at, f"{node.name!r} {kind}{hint}")

    # -- functions of images ----------------------------------------------------------------------

    def image(self, node: Call) -> Name:
        argument = node.arguments[0]
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
        if name in ("Sn", "Qn"):
            raise fault(
                self.text, node.at,
                f"{node.name}() of a whole image looks at all pairs of its pixels, which cannot be done strip by "
                "strip: a Statistics node measures it, on a grid of pixels where there are too many",
            )  # fmt: skip
        self.meanings[id(node)] = Statistic(name, plane) if name in SETS else plane
        if name == "normalize":
            self.meanings[id(argument)] = Statistic("min", plane)
        return {id(argument)}

    def combine(self, node: Call, name: str) -> set[int]:
        op = node.arguments[2]
        if not isinstance(op, Call) or op.name not in BLENDS or op.arguments:
            hint = near(op.name, list(BLENDS)) if isinstance(op, Call | Name) else ""
            raise fault(self.text, op.at, f"combine() wants an operator such as op_screen(){hint}")
        self.meanings[id(node)] = op.name
        return {id(op)}

    def pixel(self, node: Call, name: str) -> set[int]:
        argument = self.image(node)
        plane = self.plane(argument)
        if len(node.arguments) == 4:
            plane = Plane(plane.image, self.channel(node.arguments[3]))
        self.meanings[id(node)] = self.sample(plane, node, node.arguments[1:3])
        return {id(argument)}

    def window(self, node: Call, name: str) -> set[int]:
        argument = self.image(node)
        filters = Filters(self.text, self.constants)
        if name in MOVES:
            self.meanings[id(node)] = filters.move(node, name, self.plane(argument))
            return {id(a) for a in node.arguments}
        self.meanings[id(node)], selectors = filters.window(node, name, self.plane(argument))
        self.meanings.update(selectors)
        return {id(a) for a in (argument, *node.arguments[2:]) if isinstance(a, Name | Call)}

    def header(self, node: Call, name: str) -> set[int]:
        *images, key = node.arguments
        if not isinstance(key, Text) or not key.value:
            raise fault(self.text, node.at, f"{name}() wants an image and a key as it is written: {name}($T, EXPTIME)")
        named = images[0].value if images and isinstance(images[0], Text) else TARGET
        if named not in self.images:
            raise fault(self.text, node.at, f"{name}() wants an image before the key, got {named!r}")
        self.meanings[id(node)] = Header(name, self.images[named], key.value)
        return set()

    def sky(self, node: Call, name: str) -> set[int]:
        if not node.arguments:
            self.meanings[id(node)] = Sky(name, TARGET)
            return set()
        argument = self.image(node)
        self.meanings[id(node)] = Sky(name, self.images[argument.name])
        return {id(argument)}

    def sample(self, plane: Plane, node: Call, arguments: tuple[Node, ...]) -> Shifted | Point:
        """Tell a constant place from a constant offset; anything else would need all pixels for each pixel."""
        if len(arguments) != 2:
            n = len(arguments)
            raise fault(self.text, node.at, f"a sample of {plane.image} wants 2 coordinates (x, y), got {n}")
        places = [linear(a, axis, self.constants) for a, axis in zip(arguments, ("x", "y"), strict=True)]
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
