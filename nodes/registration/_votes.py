"""Similarities between two star lists, proposed by triangles.

Triangles among near neighbours have the same ratios of sides in both images, whatever the shift, rotation,
scale or mirroring (Groth 1986; Valdes et al. 1995). Every pair of alike triangles votes for one similarity;
right pairs agree, chance pairs do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ._maps import Floats

Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

NEIGHBOURS = 7
LOG_LARGEST_SCALE = math.log(8.0)
CANDIDATES = 100
NEARLY, SHIFTS = 0.03, 20
"""How far votes for a mere shift may turn and scale; how many shifts are tried of either kind."""
SAME_CAMERA, SAME_ANGLE = 5.0, 4.5
"""Logarithms of how much likelier than others are images of one scale (to 1 %) and handedness, and of those the
ones that are turned by less than a degree, or by 180."""


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


def field_of(stars: Mapping[str, Any]) -> Field:
    """Return a star list (DetectStars' Value) as the matcher sees it."""
    columns, table = list(stars["columns"]), np.asarray(stars["table"], np.float64)
    z = table[:, columns.index("x")] + 1j * table[:, columns.index("y")]
    return Field(z, float(stars["width"]), float(stars["height"]))


class Triangles(NamedTuple):
    """Triangles with their corners ordered by the length of the opposite side, the shortest first."""

    shape: Floats
    corners: Ints
    left: npt.NDArray[np.bool_]


class Alike(NamedTuple):
    """Pairs of triangles of one shape: their corners in both lists, and whether one is the other's mirror image."""

    first: Ints
    second: Ints
    mirrored: npt.NDArray[np.bool_]


def as_points(z: Complex) -> Floats:
    return np.column_stack([z.real, z.imag])


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


def alike(first: Field, second: Field, tolerance: float) -> Alike:
    """Return all pairs of triangles whose shapes differ by at most *tolerance*."""
    a, b = triangles(first.z), triangles(second.z)
    if not len(a.shape) or not len(b.shape):
        return Alike(np.empty((0, 3), np.int64), np.empty((0, 3), np.int64), np.empty(0, bool))
    pairs = cKDTree(a.shape).sparse_distance_matrix(cKDTree(b.shape), tolerance, output_type="ndarray")
    # The order in which a tree tells its pairs is its own affair; ours is fixed.
    pairs = pairs[np.lexsort((pairs["j"], pairs["i"]))]
    i, j = pairs["i"], pairs["j"]
    return Alike(a.corners[i], b.corners[j], a.left[i] != b.left[j])


class Poll:
    """The votes of all pairs of alike triangles, of one handedness."""

    def __init__(self, first: Field, second: Field, alike: Alike, agree: float, mirrored: bool) -> None:
        self.mirrored, self.agree = mirrored, agree
        right = alike.mirrored == mirrored
        za, zb = first.z[alike.first[right]], second.z[alike.second[right]]
        turn, move = similarities(np.conj(za) if mirrored else za, zb)
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

    def fullest(self) -> Iterator[Similarity]:
        """Yield the similarity about which the votes of the fullest cell agree, if there are votes."""
        if not len(self.where):
            return
        full = _fullness(self.where, self.agree)
        middle = np.median(self.where[full == full.max()], axis=0)
        members = np.flatnonzero(((self.where - middle) ** 2).sum(axis=1) < self.agree**2)
        if len(members):
            yield Similarity(complex(self.turn[members].mean()), complex(self.move[members].mean()), self.mirrored)

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


def similarities(za: Complex, zb: Complex) -> tuple[Complex, Complex]:
    """Return for each pair of triangles the least-squares similarity, as ``turn`` and ``move``."""
    ma, mb = za.mean(axis=1), zb.mean(axis=1)
    da, db = za - ma[:, None], zb - mb[:, None]
    turn = (np.conj(da) * db).sum(axis=1) / (da.real**2 + da.imag**2).sum(axis=1)
    return turn, mb - turn * ma


def _densest(where: Floats, agree: float, most: int = CANDIDATES) -> Iterator[Ints]:
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
    full = _fullness(where, agree)
    if len(where) <= most:
        return np.flatnonzero(full > 0)
    return np.sort(np.argsort(-full, kind="stable")[:most])


def _fullness(where: Floats, agree: float) -> Ints:
    """Return how many votes lie in the cell of each, of two coarse grids the fuller one."""
    full = np.zeros(len(where), np.int64)
    for shift in (0.0, 0.5):
        cell = np.floor(where / (3 * agree) + shift).astype(np.int64)
        # One number a cell; that two cells share one by chance does no harm.
        code = cell @ np.array([1, 1_000_003, 998_244_353, 754_974_721, 167_772_161])[: where.shape[1]]
        _, group, size = np.unique(code, return_inverse=True, return_counts=True)
        full = np.maximum(full, size[group])
    return full
