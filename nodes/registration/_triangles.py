"""Which star of one list is which star of another: triangles propose, all stars decide.

What the densest votes say is tried on all stars, and accepted only where so many pairs by chance are out of the
question.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ._transform import correction_grown
from ._votes import Field, Poll, Similarity, alike, as_points, similarities

Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

ALIKE = 0.01
"""How far the logarithms of side ratios of one triangle in two images may differ."""
AGREE = 0.012
"""Radius within which votes agree: in ln(scale), in radians, in parts of the size of the field."""
ENOUGH_TO_TURN = 12
ODDS_SPARSE, ODDS, SPARSE = 10.0, 25.0, 60
"""Logarithms of how much likelier a match has to be than the best of all chance ones, for lists of up to 60 stars
and for longer ones. Of fields that had nothing in common the best reached 5.5 and 12: with many stars, a map that
is fitted anew to what it finds gathers chance pairs."""
FEWEST_PAIRS = 5
GIVEN = 3
"""Pairs that prove nothing: the triangle that made the guess fits by itself."""

# Numbers of brightest stars from which triangles are built, of the first and of the second list, and how much
# wider than usual shapes and votes may differ. Equal numbers serve equal fields; the others serve images of other
# scale or depth, where as many stars lie in another area; the wide ones stars so faint that their centroids are
# off by half a pixel and more.
LADDER = (
    (150, 150, 1.0), (60, 60, 3.0), (400, 400, 1.0), (150, 150, 3.0), (800, 260, 1.0), (260, 800, 1.0),
    (800, 800, 1.0), (1500, 300, 1.0), (300, 1500, 1.0), (1500, 95, 1.0), (95, 1500, 1.0), (1500, 1500, 1.0),
)  # fmt: skip


class Match(NamedTuple):
    """Pairs of stars (indices into both lists) and how unlikely they are by chance."""

    first: Ints
    second: Ints
    odds: float
    chance: float


def match(first: Field, second: Field, tolerance: float, most: int, rungs: int = len(LADDER)) -> Match | None:
    """Return the pairs of two lists, or None where no similarity convinces.

    Parameters
    ----------
    tolerance
        How far pairs may be apart in the end, in pixels of the second image.
    most
        The largest number of stars triangles are built from.
    rungs
        How many numbers of stars are tried at most.
    """
    if min(len(first.z), len(second.z)) < FEWEST_PAIRS:
        return None
    tried: set[tuple[int, int, float]] = set()
    for m, n, wide in LADDER[:rungs]:
        rung = min(m, most, len(first.z)), min(n, most, len(second.z)), wide
        if rung in tried:
            continue
        tried.add(rung)
        found = _attempt(first, second, rung, tolerance)
        if found is not None:
            return found
    return None


def _attempt(first: Field, second: Field, rung: tuple[int, int, float], tolerance: float) -> Match | None:
    chosen, picked = spread(first, rung[0]), spread(second, rung[1])
    bright, other = first.only(chosen), second.only(picked)
    tree, reach = cKDTree(other.points), other.reach(4.0, tolerance)
    shapes = alike(bright, other, ALIKE * rung[2])
    polls = [Poll(bright, other, shapes, AGREE * rung[2], mirrored) for mirrored in (False, True)]
    trials = math.log(max(1, sum(len(poll.turn) for poll in polls)))
    best: tuple[float, Similarity] | None = None
    # Of two good lists the fullest cell is right, and neighbours of votes need not be counted.
    for guess in chain(polls[0].fullest(), polls[0].shifts(reach), *(poll.guesses() for poll in polls)):
        value = _promise(guess(bright.z), other, tree, reach) + guess.likelihood - trials
        if best is None or value > best[0]:
            best = value, guess
        if value > 4 * ODDS:
            break
    if best is None or best[0] < 0:
        return None
    # Lists that end in noise say more by their bright stars alone than as a whole.
    among = _verified(bright, other, best[1], tolerance, trials)
    if among is not None:
        among = among._replace(first=chosen[among.first], second=picked[among.second])
    if rung[0] >= len(first.z) and rung[1] >= len(second.z):
        return among
    found = _verified(first, second, best[1], tolerance, trials)
    if among is None or found is None:
        return among or found
    return among if among.odds > found.odds else found


def spread(field: Field, count: int) -> Ints:
    """Return the *count* brightest stars, but from no part of the field many more than its share."""
    if count >= len(field.z):
        return np.arange(len(field.z))
    cells = 4
    x = np.clip((field.z.real + 0.5) / max(field.width, 1.0) * cells, 0, cells - 1).astype(np.int64)
    y = np.clip((field.z.imag + 0.5) / max(field.height, 1.0) * cells, 0, cells - 1).astype(np.int64)
    cell = y * cells + x
    place = np.empty(len(cell), np.int64)
    for c in range(cells * cells):
        here = np.flatnonzero(cell == c)
        place[here] = np.arange(len(here))
    beyond = place >= 2 * count // (cells * cells) + 1
    order = np.argsort(beyond, kind="stable")
    return np.sort(order[:count])


def paired(z: Complex, tree: cKDTree, tolerance: float) -> tuple[Ints, Ints]:
    """Return pairs that are each other's nearest within *tolerance*: indices into *z* and into the tree."""
    distance, nearest = tree.query(as_points(z), distance_upper_bound=tolerance)
    near = np.flatnonzero(np.isfinite(distance))
    order = near[np.argsort(distance[near], kind="stable")]
    _, once = np.unique(nearest[order], return_index=True)
    index = np.sort(order[once])
    return index, np.asarray(nearest[index], np.int64)


def _chance(z: Complex, second: Field, tolerance: float) -> float:
    """Return how many of *z* would find a star of the second list by chance."""
    inside = int(second.holds(z).sum())
    return inside * len(second.z) * math.pi * tolerance**2 / max(1.0, second.width * second.height)


def _odds(n: int, chance: float) -> float:
    """Return the logarithm of how much likelier *n* pairs are if meant than by chance (Poisson)."""
    chance = max(chance, 1e-3)
    return n * math.log(n / chance) - (n - chance) if n > chance else 0.0


def _promise(image: Complex, second: Field, tree: cKDTree, reach: float) -> float:
    """Return the odds of a guess at the tolerance that suits it best: guesses differ in how good they are."""
    i, j = paired(image, tree, reach)
    distance = np.abs(image[i] - second.z[j])
    chance = _chance(image, second, reach)
    counts = {part: int((distance <= part * reach).sum()) for part in (1.0, 0.5, 0.25)}
    return max(_odds(n - GIVEN, part**2 * chance) for part, n in counts.items())


def _verified(first: Field, second: Field, guess: Similarity, tolerance: float, trials: float) -> Match | None:
    """Return the pairs of all stars as the tolerance shrinks and the map bends, if they convince."""
    tree = cKDTree(second.points)
    image, terms = guess(first.z), GIVEN
    for factor in (4.0, 4.0, 3.0, 2.0, 1.0):
        i, j = paired(image, tree, second.reach(factor, tolerance))
        if len(i) < FEWEST_PAIRS - 1:
            return None
        image = _refined(first.z[i], second.z[j], guess)(first.z)
    image, terms = _bent(first, second, tree, image, tolerance)
    i, j = paired(image, tree, tolerance)
    chance = _chance(image, second, tolerance)
    odds = _odds(len(i) - terms, chance) + guess.likelihood - trials
    wanted = ODDS_SPARSE if max(len(first.z), len(second.z)) <= SPARSE else ODDS
    return Match(i, j, odds, chance) if len(i) >= FEWEST_PAIRS and odds > wanted else None


def _refined(za: Complex, zb: Complex, guess: Similarity) -> Similarity:
    if guess.steady and len(za) < ENOUGH_TO_TURN:
        return guess._replace(move=complex((zb - guess.turn * za).mean()))
    turn, move = similarities((np.conj(za) if guess.mirrored else za)[None], zb[None])
    return guess._replace(turn=complex(turn[0]), move=complex(move[0]))


def _bent(first: Field, second: Field, tree: cKDTree, image: Complex, tolerance: float) -> tuple[Complex, int]:
    """Return where the stars of the first list lie in the second image when a smooth distortion is allowed for.

    Far from the centre a distorted field leaves the similarity by more than any tolerance; pairs are gained
    from the inside outward, as long as there are more of them each time. The number returned is that of pairs
    that fit by themselves, whatever they are.
    """
    before, terms = 0, GIVEN
    for _ in range(8):
        i, j = paired(image, tree, second.reach(3.0, tolerance))
        if len(i) <= before:
            break
        before = len(i)
        image, terms = correction_grown(first.z, image, i, second.z[j])
    for factor in (2.0, 1.5, 1.0):
        i, j = paired(image, tree, second.reach(factor, tolerance))
        image, terms = correction_grown(first.z, image, i, second.z[j])
    return image, max(terms, GIVEN)
