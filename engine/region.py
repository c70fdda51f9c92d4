"""Boxes of pixels and how they are cut into strips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# Samples of one strip of what is kept, 640 KiB of float32, which is part of the form of stored pixels. Strips that
# are written have the size that fits the machine's cache (cpu_cache.py); 10 MB were 1.4 to 2.5 times slower.
STRIP_SAMPLES = 160 * 1024

# Samples of one measuring tile and of one measuring block. They are part of what a measure means:
# sums are taken tile by tile and merged block by block in a fixed order, so another size would
# round differently. Change them only together with identity.EPOCH.
MEASURE_TILE_SAMPLES = 512 * 1024
MEASURE_BLOCK_SAMPLES = 4 * 1024 * 1024

# Where a part of an image is measured to foretell the whole, one row of this many.
SAMPLED_ROWS = 16


class Box(NamedTuple):
    """A half-open rectangle of pixels: rows y0..y1-1, columns x0..x1-1."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    @property
    def empty(self) -> bool:
        return self.y1 <= self.y0 or self.x1 <= self.x0

    def grow(self, rows: int, columns: int | None = None) -> Box:
        """Return the box with *rows* more on top and bottom and *columns* (default: the same) left and right."""
        c = rows if columns is None else columns
        return Box(self.y0 - rows, self.x0 - c, self.y1 + rows, self.x1 + c)

    def shift(self, dy: int, dx: int) -> Box:
        return Box(self.y0 + dy, self.x0 + dx, self.y1 + dy, self.x1 + dx)

    def overlap(self, other: Box) -> Box:
        """Return the common part; `empty` when there is none."""
        return Box(
            max(self.y0, other.y0), max(self.x0, other.x0), min(self.y1, other.y1), min(self.x1, other.x1)
        )

    def contains(self, other: Box) -> bool:
        return self.overlap(other) == other

    def __str__(self) -> str:
        return f"rows {self.y0}:{self.y1}, columns {self.x0}:{self.x1}"


def whole(height: int, width: int) -> Box:
    """Return the box of an image of *height* rows and *width* columns."""
    return Box(0, 0, height, width)


def strip_rows(width: int, samples: int = STRIP_SAMPLES) -> int:
    """Return how many full rows of *width* samples fit into *samples*, at least one."""
    return max(1, samples // max(1, width))


def strips(box: Box, rows: int) -> Iterator[Box]:
    """Cut *box* into strips of full width and at most *rows* rows, from top to bottom."""
    for y in range(box.y0, box.y1, rows):
        yield Box(y, box.x0, min(y + rows, box.y1), box.x1)


def columns_of(box: Box, columns: int) -> Iterator[Box]:
    """Cut *box* into parts of full height and at most *columns* columns, from left to right."""
    for x in range(box.x0, box.x1, columns):
        yield Box(box.y0, x, box.y1, min(x + columns, box.x1))


def sampled_rows(tile: Box) -> Box:
    """Return the rows that stand for a measuring *tile* where one row in SAMPLED_ROWS is looked at, or none of it.

    They are chosen by multiples of the golden ratio, which follow no pattern of rows; those of a mosaic come in turn.
    """
    turn, height = 1 << 32, tile.height
    rows = -(-height // SAMPLED_ROWS)
    if (tile.y0 * 2654435761) % turn * SAMPLED_ROWS * rows >= turn * height:
        return Box(tile.y0, tile.x0, tile.y0, tile.x1)
    start = tile.y0 + ((tile.y0 * 40503 + 1) * 2654435761 % turn * (height - rows + 1)) // turn
    return Box(start, tile.x0, start + rows, tile.x1)


def measure_tile_rows(width: int) -> int:
    """Return the rows of a measuring tile; a function of the image's width alone."""
    return strip_rows(width, MEASURE_TILE_SAMPLES)


def measure_block_rows(width: int) -> int:
    """Return the rows of a measuring block: a whole number of measuring tiles."""
    tile = measure_tile_rows(width)
    return tile * max(1, MEASURE_BLOCK_SAMPLES // (tile * max(1, width)))
