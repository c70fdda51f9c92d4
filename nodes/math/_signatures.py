"""Which functions PixelMath has, and how many arguments each takes."""

from __future__ import annotations

from . import _color
from ._expression import fault
from ._functions import ALIASES, MANY, POINTWISE, SETS
from ._nodes import Call

# Functions whose single argument is an image, and what must be measured of it.
STATISTICS = frozenset(
    {"mean", "med", "min", "max", "norm", "mod", "ssqr", "asqr", "sdev", "var", "adev", "mdev", "bwmv", "pbmv"}
)
OF_PIXEL = {"minsample": (1, 1), "maxsample": (1, 1), **dict.fromkeys(_color.COMPONENTS, (1, 1)), "normalize": (1, 3)}
OF_FRAME = ("width", "height", "area", "channels", "iscolor")
OF_IMAGE = frozenset({*OF_PIXEL, *OF_FRAME})
OF_PLACE = {
    "x": (0, 0), "y": (0, 0), "X": (0, 0), "Y": (0, 0), "rdist": (0, 2), "pangle": (0, 2), "inrect": (4, 4),
    "mind2rect": (4, 4), "maxd2rect": (4, 4), "inellipse": (4, 4), "d2line": (4, 4), "d2seg": (4, 4),
    "xperp2line": (4, 4), "yperp2line": (4, 4),
}  # fmt: skip
OF_SKY = {"ra": (0, 1), "rra": (0, 1), "dec": (0, 1)}
OF_HEADER = dict.fromkeys(("keyword_value", "keyword_defined", "property_value", "property_defined"), (1, 2))
RANDOM = {
    "random": (0, 0), "gauss": (0, 0), "poisson": (1, 1), "gamma": (1, 2), "chisq": (1, 1), "studentt": (1, 1),
    "rndselect": (1, MANY),
}  # fmt: skip
WINDOWS = {
    "gconv": (1, 5), "bconv": (1, 2), "kconv": (10, MANY), "lvar": (1, 3), "medfilt": (1, 3), "erosion": (1, 3),
    "dilation": (1, 3),
}  # fmt: skip
MOVES = {"translate": (3, 3), "rotate": (2, 4), "urotate": (2, 2), "hmirror": (1, 1), "vmirror": (1, 1)}

REFUSED = {
    "envvar_value": "a graph must give the same on every machine, so it does not read the environment; "
    "write the value into symbols",
}  # fmt: skip
"""Functions of PixInsight's that are not to be had, and why."""

FUNCTIONS = frozenset({
    *POINTWISE, *SETS, *WINDOWS, *MOVES, *OF_IMAGE, *OF_PLACE, *OF_SKY, *OF_HEADER, *RANDOM,
    "combine", "pixel", "init", "global",
})  # fmt: skip

_FEWEST = {"sum": 2, "maxdev": 3}


def proper(name: str) -> str:
    """Return what a function is called here; other names are as they are."""
    return ALIASES.get(name, name)


def arity(name: str) -> tuple[int, int]:
    """Return the least and the greatest number of arguments of a function."""
    for table in (OF_PIXEL, OF_PLACE, OF_SKY, OF_HEADER, RANDOM, WINDOWS, MOVES):
        if name in table:
            return table[name]
    if name in POINTWISE:
        return POINTWISE[name].low, POINTWISE[name].high
    if name in OF_FRAME:
        return 0, 1
    if name in SETS:
        return _FEWEST.get(name, 1), MANY
    return {"pixel": (3, 4), "combine": (3, 3), "init": (1, 1), "global": (1, 2)}[name]


def count(node: Call, name: str, text: str) -> None:
    """Raise unless *node*, a call of *name*, has as many arguments as it may have."""
    low, high = arity(name)
    n = len(node.arguments)
    even_switch = name == "iswitch" and n % 2 == 0
    one_of_two = name in ("rdist", "pangle") and n == 1
    half_a_centre = name == "rotate" and n == 3
    if low <= n <= high and not (even_switch or one_of_two or half_a_centre):
        return
    wanted = str(low) if low == high else f"{low} or more" if high == MANY else f"{low} to {high}"
    wanted = {
        "iswitch": "pairs of condition and value, and a default", "rdist": "0 or 2", "pangle": "0 or 2",
        "rotate": "2 or 4",
    }.get(name, wanted)  # fmt: skip
    raise fault(text, node.at, f"{node.name}() wants {wanted} arguments, got {n}")
