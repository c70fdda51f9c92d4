"""Named, typed inputs and outputs of processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

PortType = Literal[
    "image", "stars", "transform", "psf", "measures", "display", "line", "text", "times", "series", "table", "region"
]
MASK = "mask"
"""Where the mask of a blend is linked to any process, or the mask that a process takes itself."""
PORT_TYPES: tuple[str, ...] = get_args(PortType)


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output.

    Attributes
    ----------
    name
        Unique among the ports and parameters of a process.
    type
        What the link carries; all but ``image`` are Values.
    many
        Takes a whole series, in order, instead of being mapped over it (inputs only).
    optional
        May stay unlinked (inputs only).
    bypass
        When the linked optional source is absent, the node hands on its first input unchanged.
    doc
        One line for the reference page.
    """

    name: str
    type: PortType = "image"
    many: bool = False
    optional: bool = False
    bypass: bool = False
    doc: str = ""

    @property
    def is_image(self) -> bool:
        return self.type == "image"


def has_mask(inputs: Iterable[Port]) -> bool:
    """Return whether a process with these inputs takes a mask itself; into all others it is that of a blend."""
    return any(p.name == MASK for p in inputs)


def with_blend_mask(inputs: Sequence[Port]) -> tuple[Port, ...]:
    """Return all that can be linked to a process with these inputs: to the blend behind it as well."""
    return (*inputs,) if has_mask(inputs) else (*inputs, Port(MASK, optional=True))
