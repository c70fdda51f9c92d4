"""From the calls of PixelMath's filters and moves of an image to what they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping

from . import _windows
from ._constants import constant
from ._expression import fault, near
from ._meanings import Moved, Plane, Window
from ._nodes import Call, Node

_KERNELS = ("krn_flat", "krn_gauss")
_EPSILON = 0.01
"""Where a Gaussian is cut off, relative to its peak, unless told otherwise."""


class Filters:
    """Reads the constant arguments of calls in *text*, given the constants *known* by name."""

    def __init__(self, text: str, known: Mapping[str, float]) -> None:
        self.text, self.known = text, known

    def window(self, node: Call, name: str, plane: Plane) -> tuple[Window, dict[int, str]]:
        """Return the meaning of *node*, and the selectors among its arguments: structure or kind of kernel."""
        taken: dict[int, str] = {}
        if name == "gconv":
            found = self._gaussian(node, plane)
        elif name == "kconv":
            found = self._kernel(node, plane)
        elif name == "lvar":
            found, taken = self._variance(node, plane)
        else:
            found, taken = self._element(node, name, plane)
        return found, taken

    def move(self, node: Call, name: str, plane: Plane) -> Moved:
        values = [self.value(node, a) for a in node.arguments[1:]]
        return Moved(plane, name, tuple(values))

    # -- kinds of windows -------------------------------------------------------------------------

    def _gaussian(self, node: Call, plane: Plane) -> Window:
        sigma, rho, theta, eps = self.options(node, (2.0, 1.0, 0.0, _EPSILON))
        if not (sigma > 0 and 0 < rho <= 1 and 0 < eps < 1):
            wanted = f"sigma > 0, 0 < rho <= 1 and 0 < eps < 1, got {sigma:g}, {rho:g} and {eps:g}"
            raise fault(self.text, node.at, f"gconv() wants {wanted}")
        self._reaches(node, math.ceil(sigma * (-2 * math.log(eps)) ** 0.5))
        weights = _windows.gaussian(sigma, eps)
        if rho == 1:
            return Window(plane, len(weights) // 2, weights=tuple(weights.tolist()))
        kernel = _windows.elliptical(sigma, rho, theta, len(weights) // 2)
        return Window(plane, len(weights) // 2, kernel=tuple(kernel.ravel().tolist()))

    def _kernel(self, node: Call, plane: Plane) -> Window:
        weights = [self.value(node, a) for a in node.arguments[1:]]
        size = math.isqrt(len(weights))
        if size * size != len(weights) or size % 2 == 0:
            raise fault(
                self.text, node.at,
                f"kconv() wants the weights of a square kernel of odd size in rows: 9, 25, 49 ..., got {len(weights)}",
            )  # fmt: skip
        self._reaches(node, size // 2)
        return Window(plane, size // 2, kernel=tuple(weights))

    def _variance(self, node: Call, plane: Plane) -> tuple[Window, dict[int, str]]:
        size = self._size(node)
        kind, taken = self._selector(node, _KERNELS, "a kernel")
        weights = (1.0,) * size
        if kind == "krn_gauss":
            sigma = (size // 2) / math.sqrt(-2 * math.log(_EPSILON))
            weights = tuple(math.exp(-0.5 * (i / sigma) ** 2) for i in range(-(size // 2), size // 2 + 1))
        return Window(plane, size // 2, weights=weights), taken

    def _element(self, node: Call, name: str, plane: Plane) -> tuple[Window, dict[int, str]]:
        size = self._size(node)
        element, taken = self._selector(node, _windows.STRUCTURES, "a structure")
        return Window(plane, size // 2, element, (1.0,) * size if name == "bconv" else ()), taken

    # -- arguments --------------------------------------------------------------------------------

    def _size(self, node: Call) -> int:
        size = self.options(node, (3.0,))[0]
        if size != int(size) or size < 3 or size % 2 == 0:
            raise fault(self.text, node.at, f"{node.name}() wants an odd window size from 3 on, got {size:g}")
        self._reaches(node, int(size) // 2)
        return int(size)

    def _reaches(self, node: Call, radius: int) -> None:
        if radius > _windows.WIDEST:
            wanted = f"at most {_windows.WIDEST} px to each side"
            raise fault(self.text, node.at, f"the window of {node.name}() may reach {wanted}, got {radius} px")

    def _selector(self, node: Call, choices: tuple[str, ...], what: str) -> tuple[str, dict[int, str]]:
        if len(node.arguments) < 3:
            return choices[0], {}
        given = node.arguments[2]
        if not isinstance(given, Call) or given.name not in choices or given.arguments:
            hint = near(given.name, list(choices)) if isinstance(given, Call) else ""
            wanted = ", ".join(f"{s}()" for s in choices)
            raise fault(self.text, given.at, f"{node.name}() wants {what}: {wanted}{hint}")
        return given.name, {id(given): given.name}

    def options(self, node: Call, defaults: tuple[float, ...]) -> tuple[float, ...]:
        """Return the constant arguments after the image, with *defaults* for those left out."""
        given = [self.value(node, a) for a in node.arguments[1 : 1 + len(defaults)]]
        return (*given, *defaults[len(given) :])

    def value(self, node: Call, argument: Node) -> float:
        found = constant(argument, self.known)
        if found is None:
            raise fault(self.text, argument.at, f"{node.name}() wants constant arguments after the image")
        return found
