"""The engine's front door: all that a node pack may import."""

from .errors import ParameterError, SourceError
from .folders import scratch
from .frame import Card, Frame, Scalar, State, Word
from .fuse import generated_module
from .params import param
from .ports import Port
from .process import Again, Arguments, Composite, Expand, Known, Process, Tile, Writer
from .region import Box, whole

__all__ = [
    "Again",
    "Arguments",
    "Box",
    "Card",
    "Composite",
    "Expand",
    "Frame",
    "Known",
    "ParameterError",
    "Port",
    "Process",
    "Scalar",
    "SourceError",
    "State",
    "Tile",
    "Word",
    "Writer",
    "generated_module",
    "param",
    "scratch",
    "whole",
]
