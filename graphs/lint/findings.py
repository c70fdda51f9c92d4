"""One finding about a graph, and the list of what may be found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Level = Literal["error", "warning"]


class Kind(NamedTuple):
    """A kind of finding: how grave it is, and what it says in a few words."""

    level: Level
    title: str


CODES: dict[str, Kind] = {
    "G01": Kind("error", "the process is not installed"),
    "G02": Kind("error", "linked to a node that is not there"),
    "G03": Kind("error", "a required input has no link (Lerar Link unresolved)"),
    "G04": Kind("error", "a link does not fit: port, type, or one link wanted"),
    "G05": Kind("error", "links run in a circle"),
    "G06": Kind("error", "a process refuses its parameters"),
    "G07": Kind("error", "an input of the graph is not given"),
    "G08": Kind("error", "a mask or region where there is nothing to blend"),
    "G09": Kind("error", "a parameter link that cannot be followed (Lerar Link unresolved)"),
    "S01": Kind("error", "linear data wanted and stretched data given, or the other way round"),
    "S02": Kind("warning", "stretched by channel after the colour was calibrated"),
    "S03": Kind("warning", "stretched automatically although it is stretched already"),
    "C01": Kind("warning", "a dark of another sensor temperature"),
    "C02": Kind("warning", "calibration frames of another gain, offset or read mode"),
    "C03": Kind("warning", "a dark of another exposure that is not scaled"),
    "C04": Kind("warning", "calibration frames of another size, binning, camera, filter or mosaic"),
    "C05": Kind("warning", "the same calibration twice"),
    "C06": Kind("warning", "frames without the dark, bias or flat they want"),
    "C07": Kind("warning", "a file whose header cannot be read"),
    "W01": Kind("warning", "a node that no output needs"),
    "W02": Kind("error", "an output is written over an input"),
    "W03": Kind("error", "two outputs write the same file"),
    "W04": Kind("warning", "a parameter far outside its usual range"),
    "W05": Kind("warning", "made for an older version of the process"),
    "W06": Kind("warning", "another version of a pack is installed"),
    "W07": Kind("warning", "a frozen parameter whose measurement would not be the same today"),
}
"""Every code: G the graph itself, S states, C calibration, W the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One doubt about a graph.

    Attributes
    ----------
    code
        One of `CODES`.
    node
        The node that it is about; empty for the graph as a whole.
    item
        The port or parameter; empty for the whole node.
    message
        Where it is, and why it is doubtful.
    cure
        What would help; empty where only the user can know.
    """

    code: str
    node: str
    item: str = ""
    message: str
    cure: str = ""

    @property
    def level(self) -> Level:
        return CODES[self.code].level

    @property
    def title(self) -> str:
        return CODES[self.code].title

    def __str__(self) -> str:
        return f"{self.code} {self.message}" + (f"; {self.cure}" if self.cure else "")

    def record(self) -> dict[str, Any]:
        """Return the finding as plain data for JSON."""
        return {
            "code": self.code,
            "level": self.level,
            "title": self.title,
            "node": self.node,
            "item": self.item,
            "message": self.message,
            "cure": self.cure,
        }
