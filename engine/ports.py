"""Named, typed inputs and outputs of processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

PortType = Literal[
    "image", "stars", "transform", "psf", "measures", "display", "line", "text", "times", "series", "table", "region"
]
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
