"""The engine's front door: all that a node pack may import."""

from .errors import ParameterError, SourceError
from .folders import scratch, without_folders
from .frame import Card, Frame, Scalar, State, Word
from .fuse import generated_module
from .params import param
from .ports import Port
from .process import Again, Arguments, Composite, Expand, Known, Process, Provenance, Tile, Writer
from .region import SAMPLED_ROWS, Box, sampled_rows, whole
from .summaries import Summaries, Summary
from .wcs import carry, mirrored_columns, mirrored_rows, scaling, shifting, transposing

__all__ = [
    "SAMPLED_ROWS",
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
    "Provenance",
    "Scalar",
    "SourceError",
    "State",
    "Summaries",
    "Summary",
    "Tile",
    "Word",
    "Writer",
    "carry",
    "generated_module",
    "mirrored_columns",
    "mirrored_rows",
    "param",
    "sampled_rows",
    "scaling",
    "scratch",
    "shifting",
    "transposing",
    "whole",
    "without_folders",
]
