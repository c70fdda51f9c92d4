"""Which star of one list is which star of another: triangles vote for a similarity, all stars verify it.

Triangles among near neighbours have the same ratios of sides in both images, whatever the shift, rotation,
scale or mirroring (Groth 1986; Valdes et al. 1995). Every pair of alike triangles votes for one similarity;
right pairs agree, chance pairs do not. What the densest votes say is then tried on all stars, and accepted only
where so many pairs by chance are out of the question.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ._transform import Floats, correction_grown

Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

NEIGHBOURS = 7
ALIKE = 0.01
"""How far the logarithms of side ratios of one triangle in two images may differ."""
LOG_LARGEST_SCALE = math.log(8.0)
AGREE = 0.012
"""Radius within which votes agree: in ln(scale), in radians, in parts of the size of the field."""
CANDIDATES = 200
NEARLY, SHIFTS = 0.03, 20
"""How far votes for a mere shift may turn and scale; how many shifts are tried of either kind."""
ENOUGH_TO_TURN = 12
ODDS = 10.0
"""Logarithm of how much likelier a match has to be than the best of all chance ones: e^10 is 22,000."""
FEWEST_PAIRS = 5
GIVEN = 3
"""Pairs that prove nothing: the triangle that made the guess fits by itself."""
SAME_CAMERA, SAME_ANGLE = 5.0, 4.5
"""Logarithms of how much likelier than others are images of one scale (to 1 %) and handedness, and of those the
ones that are turned by less than a degree, or by 180."""

# Numbers of brightest stars from which triangles are built, of the first and of the second list, and how much
# wider than usual shapes and votes may differ. Equal numbers serve equal fields; the others serve images of other
# scale or depth, where as many stars lie in another area; the wide ones stars so faint that their centroids are
# off by half a pixel and more.
LADDER = (
    (150, 150, 1.0), (60, 60, 3.0), (400, 400, 1.0), (150, 150, 3.0), (800, 260, 1.0), (260, 800, 1.0),
    (800, 800, 1.0), (1500, 300, 1.0), (300, 1500, 1.0), (1500, 95, 1.0), (95, 1500, 1.0), (1500, 1500, 1.0),
)  # fmt: skip


class Similarity(NamedTuple):
    """``z' = turn z + move``, with the conjugate of z when mirrored; z = x + iy.

    A *steady* one only shifts, or turns by 180 degrees, as long as few pairs speak: of faint stars, half a dozen
    tell a shift well, but not an angle.
    """

    turn: complex
    move: complex
    mirrored: bool
    steady: bool = False

    @property
    def likelihood(self) -> float:
        """Return how likely such a map is beforehand: most images of a series are of one camera."""
        if self.mirrored or abs(abs(self.turn) - 1) > 0.01:
            return 0.0
        return SAME_CAMERA + (SAME_ANGLE if abs(self.turn.imag) < math.sin(math.radians(1)) else 0.0)

    def __call__(self, z: Complex) -> Complex:
        return self.turn * (np.conj(z) if self.mirrored else z) + self.move


class Field(NamedTuple):
    """A star list as the matcher sees it: positions, brightest first, and the box they come from."""

    z: Complex
    width: float
    height: float

    @property
    def points(self) -> Floats:
        return as_points(self.z)

    def only(self, chosen: Ints) -> Field:
        return self._replace(z=self.z[chosen])

    def reach(self, factor: float, tolerance: float) -> float:
        """Return *factor* tolerances, but not so much that the next star is as likely as the right one."""
        spacing = math.sqrt(self.width * self.height / len(self.z))
        return max(tolerance, min(factor * tolerance, 0.35 * spacing))

    def holds(self, z: Complex, margin: float = 0.0) -> npt.NDArray[np.bool_]:
        """Return which of *z* lie in the field."""
        inside: npt.NDArray[np.bool_] = (
            (z.real >= -0.5 - margin) & (z.real <= self.width - 0.5 + margin)
            & (z.imag >= -0.5 - margin) & (z.imag <= self.height - 0.5 + margin)
        )  # fmt: skip
        return inside


class Triangles(NamedTuple):
    """Triangles with their corners ordered by the length of the opposite side, the shortest first."""

    shape: Floats
    corners: Ints
    left: npt.NDArray[np.bool_]


class Match(NamedTuple):
    """Pairs of stars (indices into both lists) and how unlikely they are by chance."""

    first: Ints
    second: Ints
    odds: float
    chance: float


def as_points(z: Complex) -> Floats:
    return np.column_stack([z.real, z.imag])


def match(first: Field, second: Field, tolerance: float, most: int) -> Match | None:
    """Return the pairs of two lists, or None where no similarity convinces.

    Parameters
    ----------
    tolerance
        How far pairs may be apart in the end, in pixels of the second image.
    most
        The largest number of stars triangles are built from.
    """
    if min(len(first.z), len(second.z)) < FEWEST_PAIRS:
        return None
    tried: set[tuple[int, int, float]] = set()
    for m, n, wide in LADDER:
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
    polls = [Poll(bright, triangles(bright.z), other, triangles(other.z), rung[2], mirrored) for mirrored in (False, True)]
    trials = math.log(max(1, sum(len(poll.turn) for poll in polls)))
    best: tuple[float, Similarity] | None = None
    for guess in (*polls[0].shifts(reach), *(guess for poll in polls for guess in poll.guesses())):
        value = _promise(guess(bright.z), other, tree, reach) + guess.likelihood - trials
        if best is None or value > best[0]:
            best = value, guess
        if value > 8 * ODDS:
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


def triangles(z: Complex) -> Triangles:
    """Return all triangles of each star with two of its nearest neighbours, each once."""
    k = min(NEIGHBOURS, len(z) - 1)
    _, near = cKDTree(as_points(z)).query(as_points(z), k + 1)
    triples = np.concatenate([near[:, [0, i, j]] for i, j in combinations(range(1, k + 1), 2)])
    triples = np.unique(np.sort(triples, axis=1), axis=0)
    corner = z[triples]
    side = np.abs(corner[:, [1, 2, 0]] - corner[:, [2, 0, 1]])
    order = np.argsort(side, axis=1, kind="stable")
    side = np.take_along_axis(side, order, axis=1)
    triples = np.take_along_axis(triples, order, axis=1)
    corner = z[triples]
    edge, other = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = (np.conj(edge) * other).imag
    # A flat triangle does not tell which way round it is; one with a side of nothing has no shape.
    good = (side[:, 0] > 0) & (np.abs(area) > 0.01 * side[:, 2] ** 2)
    side, triples, area = side[good], triples[good], area[good]
    shape = np.log(np.column_stack([side[:, 2] / side[:, 1], side[:, 1] / side[:, 0]]))
    return Triangles(shape, triples, area > 0)


class Poll:
    """The votes of all pairs of alike triangles, of one handedness."""

    def __init__(
        self, first: Field, a: Triangles, second: Field, b: Triangles, wide: float, mirrored: bool
    ) -> None:
        self.mirrored, self.agree = mirrored, AGREE * wide
        self.turn, self.move = np.empty(0, np.complex128), np.empty(0, np.complex128)
        self.middles, self.where = np.empty(0, np.complex128), np.empty((0, 5))
        if not len(a.shape) or not len(b.shape):
            return
        pairs = cKDTree(a.shape).sparse_distance_matrix(cKDTree(b.shape), ALIKE * wide, output_type="ndarray")
        # The order in which a tree tells its pairs is its own affair; ours is fixed.
        pairs = pairs[np.lexsort((pairs["j"], pairs["i"]))]
        right = (a.left[pairs["i"]] != b.left[pairs["j"]]) == mirrored
        za, zb = first.z[a.corners[pairs["i"][right]]], second.z[b.corners[pairs["j"][right]]]
        turn, move = _similarities(np.conj(za) if mirrored else za, zb)
        usable = np.abs(np.log(np.abs(turn))) < LOG_LARGEST_SCALE
        self.turn, self.move = turn[usable], move[usable]
        self.middles = za.mean(axis=1)[usable]
        self.where = self._places(first, second)

    def _places(self, first: Field, second: Field) -> Floats:
        """Return where each vote stands, so that votes that agree are near: scale, angle, image of the centre."""
        centre = complex(first.width - 1, first.height - 1) / 2
        image = self.turn * (centre.conjugate() if self.mirrored else centre) + self.move
        size = math.hypot(second.width, second.height)
        scale = np.abs(self.turn)
        angle = self.turn / scale
        return np.column_stack([np.log(scale), angle.real, angle.imag, image.real / size, image.imag / size])

    def guesses(self) -> Iterator[Similarity]:
        """Yield the similarities that most votes agree on, the densest first."""
        for members in _densest(self.where, self.agree):
            yield Similarity(complex(self.turn[members].mean()), complex(self.move[members].mean()), self.mirrored)


    def shifts(self, reach: float) -> Iterator[Similarity]:
        """Yield the shifts, plain or with a half turn, that the votes for hardly any other turn agree on."""
        for turn in (1.0, -1.0):
            near = np.flatnonzero(np.abs(self.turn - turn) < NEARLY)
            move = (self.turn - turn)[near] * self.middles[near] + self.move[near]
            for members in _densest(np.column_stack([move.real, move.imag]), reach, SHIFTS):
                yield Similarity(complex(turn), complex(move[members].mean()), False, True)


def _similarities(za: Complex, zb: Complex) -> tuple[Complex, Complex]:
    """Return for each pair of triangles the least-squares similarity, as ``turn`` and ``move``."""
    ma, mb = za.mean(axis=1), zb.mean(axis=1)
    da, db = za - ma[:, None], zb - mb[:, None]
    turn = (np.conj(da) * db).sum(axis=1) / (da.real**2 + da.imag**2).sum(axis=1)
    return turn, mb - turn * ma


def _densest(where: Floats, agree: float, most: int = CANDIDATES // 2) -> Iterator[Ints]:
    """Yield groups of agreeing votes, the largest first; a vote belongs to one group at most."""
    crowded = _crowded(where, agree)
    if not len(crowded):
        return
    tree = cKDTree(where[crowded])
    count = tree.query_ball_point(where[crowded], agree, return_length=True)
    free = np.ones(len(crowded), bool)
    groups = 0
    for v in np.argsort(-count, kind="stable"):
        if not free[v]:
            continue
        members = np.sort(np.asarray(tree.query_ball_point(where[crowded[v]], agree), np.int64))
        free[members] = False
        yield crowded[members]
        groups += 1
        if groups == most:
            return


def _crowded(where: Floats, agree: float, most: int = 4000) -> Ints:
    """Return the votes in the fullest cells of two coarse grids: all others need not be compared."""
    full = np.zeros(len(where), np.int64)
    for shift in (0.0, 0.5):
        cell = np.floor(where / (3 * agree) + shift).astype(np.int64)
        # One number a cell; that two cells share one by chance does no harm.
        code = cell @ np.array([1, 1_000_003, 998_244_353, 754_974_721, 167_772_161])[: where.shape[1]]
        _, group, size = np.unique(code, return_inverse=True, return_counts=True)
        full = np.maximum(full, size[group])
    if len(where) <= most:
        return np.flatnonzero(full > 0)
    return np.sort(np.argsort(-full, kind="stable")[:most])


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
    return Match(i, j, odds, chance) if len(i) >= FEWEST_PAIRS and odds > ODDS else None


def _refined(za: Complex, zb: Complex, guess: Similarity) -> Similarity:
    if guess.steady and len(za) < ENOUGH_TO_TURN:
        return guess._replace(move=complex((zb - guess.turn * za).mean()))
    turn, move = _similarities((np.conj(za) if guess.mirrored else za)[None], zb[None])
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
