"""Weights of images from a table."""

from __future__ import annotations

import csv
from pathlib import Path

from ...engine.api import ParameterError


def read_weights(path: str, images: int, channels: int) -> list[list[float]]:
    """Return the weight of each image and channel.

    The table has a line for each image, in the order of the images: a name, which is not looked at, then one
    weight for all channels or one for each, apart by commas. Lines that are empty or begin with # do not count.

    Raises
    ------
    ParameterError
        A line has no such numbers, or there are too many or too few lines.
    """
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        lines = [(n, row) for n, row in enumerate(csv.reader(file), 1) if any(row) and not row[0].startswith("#")]
    if len(lines) != images:
        raise ParameterError(
            f"ImageIntegration: {path} holds weights of {len(lines)} images, {images} are to be integrated"
        )
    return [_weights(path, number, row, channels) for number, row in lines]


def _weights(path: str, number: int, row: list[str], channels: int) -> list[float]:
    try:
        told = [float(word) for word in row[1:]]
    except ValueError:
        told = []
    if len(told) not in (1, channels):
        wanted = "1 weight" if channels == 1 else f"1 or {channels} weights"
        raise ParameterError(
            f"ImageIntegration: {path}, line {number}: a name and {wanted} are wanted, got {','.join(row)!r}"
        )
    return told if len(told) == channels else told * channels
