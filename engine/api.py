"""The engine's front door: all that a node pack may import."""

from .areas import region_mask
from .drawing import Drawn
from .errors import ParameterError, SourceError, unresolved
from .folders import scratch, without_folders
from .frame import Card, Frame, Scalar, State, Word
from .fuse import generated_module
from .grids import AffineGrid, ChainedGrids, GridMap, ReversedGrid, SameGrid
from .params import param
from .ports import Port
from .process import Again, Arguments, Composite, Expand, Known, Process, Provenance, Tile, Writer
from .quick_start import leave_blas_for_later
from .region import SAMPLED_ROWS, Box, sampled_rows, whole
from .summaries import Summaries, Summary
from .tabular import (
    check_series,
    check_table,
    check_times,
    column_of,
    exposures_of,
    julian_dates,
    seconds_of,
    seconds_since_epoch,
    series_value,
    table_value,
    times_value,
    used_frames,
)
from .trv import parse as parse_trv
from .trv_vector import Quantity, Trv
from .value_text import value_of_text, value_text
from .wcs import Affine, carry, mirrored_columns, mirrored_rows, scaling, shifting, transposing

__all__ = [
    "SAMPLED_ROWS",
    "Affine",
    "AffineGrid",
    "Again",
    "Arguments",
    "Box",
    "Card",
    "ChainedGrids",
    "Composite",
    "Drawn",
    "Expand",
    "Frame",
    "GridMap",
    "Known",
    "ParameterError",
    "Port",
    "Process",
    "Provenance",
    "Quantity",
    "ReversedGrid",
    "SameGrid",
    "Scalar",
    "SourceError",
    "State",
    "Summaries",
    "Summary",
    "Tile",
    "Trv",
    "Word",
    "Writer",
    "carry",
    "check_series",
    "check_table",
    "check_times",
    "column_of",
    "exposures_of",
    "generated_module",
    "julian_dates",
    "mirrored_columns",
    "mirrored_rows",
    "param",
    "parse_trv",
    "region_mask",
    "sampled_rows",
    "scaling",
    "scratch",
    "seconds_of",
    "seconds_since_epoch",
    "series_value",
    "shifting",
    "table_value",
    "times_value",
    "transposing",
    "unresolved",
    "used_frames",
    "value_of_text",
    "value_text",
    "whole",
    "without_folders",
]

# Nodes come through here before any of their kernels is loaded.
leave_blas_for_later()
