"""How the frames of a series lie on one another, roughly, and how many of them each one lies with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._triangles import FEWEST_PAIRS, match
from ._votes import Field, Similarity, similarities

Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

BRIGHTEST, RUNGS = 150, 2
"""Stars of a frame that are looked at, and how many ways: frames of one target and camera need no more."""
PIVOTS = 4
"""How many frames the others are laid on. Who fits none of them has no company."""
TOLERANCE = 2.0
TOGETHER, TURNED, SCALED = 0.8, math.radians(10.0), 0.1
"""Two frames keep company when they share so much of their fields and are turned and scaled by no more."""
_GRID = 8


class Pose(NamedTuple):
    """How a frame lies on its pivot: the map from the pivot's places to its own."""

    pivot: int
    map: Similarity


def poses(fields: Sequence[Field], order: Sequence[int]) -> list[Pose | None]:
    """Return how each frame lies on one of a few pivots, the first frames of *order* that lie on no other."""
    bright = [field.only(np.arange(min(len(field.z), BRIGHTEST))) for field in fields]
    found: list[Pose | None] = [None] * len(fields)
    pivots = 0
    for pivot in order:
        if found[pivot] is not None or len(fields[pivot].z) < FEWEST_PAIRS:
            continue
        if pivots == PIVOTS:
            break
        pivots += 1
        found[pivot] = Pose(pivot, Similarity(1.0 + 0.0j, 0.0j, False))
        for i in order:
            if found[i] is None:
                found[i] = _pose(pivot, bright[pivot], bright[i])
    return found


def _pose(pivot: int, first: Field, second: Field) -> Pose | None:
    pairs = match(first, second, TOLERANCE, BRIGHTEST, RUNGS)
    if pairs is None:
        return None
    za, zb = first.z[pairs.first], second.z[pairs.second]
    fits = []
    for mirrored in (False, True):
        turn, move = similarities((np.conj(za) if mirrored else za)[None], zb[None])
        fits.append(Similarity(complex(turn[0]), complex(move[0]), mirrored))
    return Pose(pivot, min(fits, key=lambda fit: float(np.abs(fit(za) - zb).sum())))


def company(fields: Sequence[Field], order: Sequence[int]) -> Ints:
    """Return for each frame how many of the series, itself included, point where it does and are turned alike."""
    found = poses(fields, order)
    count = np.ones(len(fields), np.int64)
    for i, own in enumerate(found):
        for j, other in enumerate(found):
            if i != j and own is not None and other is not None and own.pivot == other.pivot:
                count[i] += _together(fields[i], own.map, fields[j], other.map)
    return count


def _together(field: Field, own: Similarity, onto: Field, other: Similarity) -> bool:
    if own.mirrored != other.mirrored:
        return False
    turn = other.turn / own.turn
    if abs(math.log(abs(turn))) > SCALED or abs(math.atan2(turn.imag, turn.real)) > TURNED:
        return False
    at = (np.arange(_GRID) + 0.5) / _GRID
    x, y = np.meshgrid(at * field.width - 0.5, at * field.height - 0.5)
    places: Complex = (x + 1j * y).ravel()
    on_pivot = (places - own.move) / own.turn
    if own.mirrored:
        on_pivot = np.conj(on_pivot)
    return bool(onto.holds(other(on_pivot)).mean() >= TOGETHER)
