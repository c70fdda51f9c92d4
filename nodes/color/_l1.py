"""The line y = a + b x of least mean absolute deviation, exact for any number of pairs in bounded memory.

The objective is convex and piecewise linear: a pair matters only by the *sign* of its residual until the
line crosses it. So near a good guess, all pairs but those in a narrow band about the guess add up to a
linear term, and the band alone is solved. When the solution stays within the region in which no other
pair can change sign, it is a minimum there, hence, by convexity, the minimum of the whole.

Lines are written ``a + b u`` with ``u = x - centre``, so that errors of a and b are nearly independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ._weighted_ranks import Ranks, weighted_rank

Floats = npt.NDArray[np.float64]

# Pairs that are solved by sorting; larger problems are narrowed to a band first.
DIRECT = 16384
# Steps, each four times the one before, in search of a slope beyond the minimum; after so many in vain it is asked
# whether there is one at all.
_STEPS = 100
_PATIENCE = 6
# Half width of a band in standard errors of the guess. One that proves too narrow costs another round.
ERRORS = 5.0
# Residuals (of values about 1) that are nothing but rounding.
ROUNDING = 1e-14


class Line(NamedTuple):
    a: float
    b: float


class Pull(NamedTuple):
    """The linear term of the pairs outside a band: how the objective changes with a and with b."""

    a: float = 0.0
    b: float = 0.0

    def times(self, factor: float) -> Pull:
        return Pull(self.a * factor, self.b * factor)


class Trust(NamedTuple):
    """How far a line may move from the guess: by *a* at the centre, by *b* in slope."""

    a: float
    b: float

    def holds(self, guess: Line, line: Line) -> bool:
        return abs(line.a - guess.a) <= self.a and abs(line.b - guess.b) <= self.b

    def is_rounding(self, guess: Line) -> bool:
        return self.a <= 4.0 * ROUNDING * max(1.0, abs(guess.a), abs(guess.b))

    def widened(self, failures: int) -> Trust:
        # Ever faster: a band that was drawn about ties may be too narrow by many orders of magnitude.
        return Trust(self.a * 4.0**failures, self.b * 4.0**failures)

    def clip(self, guess: Line, line: Line) -> Line:
        a = min(max(line.a, guess.a - self.a), guess.a + self.a)
        return Line(a, min(max(line.b, guess.b - self.b), guess.b + self.b))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs (u, y), each standing for *w* equal ones."""

    u: Floats
    y: Floats
    w: Floats

    def __getitem__(self, which: Any) -> Pairs:
        return Pairs(self.u[which], self.y[which], self.w[which])

    @property
    def size(self) -> int:
        return self.u.size

    def residuals(self, line: Line) -> Floats:
        return self.y - (line.a + line.b * self.u)


def minimise(pairs: Pairs, pull: Pull) -> Line | None:
    """Return a line of least ``sum w |y - a - b u| + pull.a a + pull.b b``; None when that has no minimum."""
    if pairs.size <= DIRECT:
        return _direct(pairs, pull)
    some = pairs[:: -(-pairs.size // DIRECT)]
    share = float(some.w.sum() / pairs.w.sum())
    guess = minimise(some, pull.times(share))
    if guess is None:
        return _direct(pairs, pull)
    trust = trust_about(pairs, guess, float(pairs.w.sum()) / math.sqrt(some.size))
    failures = 0
    while True:
        band, narrowed = _narrowed(pairs, pull, guess, trust)
        if trust.is_rounding(guess) and balanced(band.w, band.w * band.u, narrowed):
            return guess
        if band.size > 0.7 * pairs.size:
            return _direct(pairs, pull)
        line = minimise(band, narrowed)
        if line is not None and trust.holds(guess, line):
            return line
        failures += 1
        guess = trust.clip(guess, line or guess)
        trust = trust.widened(failures)


def _narrowed(pairs: Pairs, pull: Pull, guess: Line, trust: Trust) -> tuple[Pairs, Pull]:
    """Return the pairs in the band, and the pull of all others on the line."""
    r = pairs.residuals(guess)
    inside = np.abs(r) <= trust.a + trust.b * np.abs(pairs.u)
    rest = pairs[~inside]
    signed = np.where(r[~inside] > 0.0, -rest.w, rest.w)
    return pairs[inside], Pull(pull.a + float(signed.sum()), pull.b + float((signed * rest.u).sum()))


def trust_about(pairs: Pairs, guess: Line, noise: float) -> Trust:
    """Return how far the minimum may lie from *guess*.

    *noise* is the standard error of the objective's slope in a, in weight of pairs. The error of a is that
    over the rate at which the slope changes: twice the density of residuals at zero.
    """
    r = np.abs(pairs.residuals(guess))
    near = float(weighted_rank(r.copy(), pairs.w.copy(), float(pairs.w.sum()) / 8.0))
    error = ERRORS * noise * near / float(pairs.w[r <= near].sum())
    floor = ROUNDING * max(1.0, abs(guess.a), abs(guess.b))
    spread, furthest = float(pairs.u.std()), float(np.abs(pairs.u).max())
    return Trust(
        max(error, floor),
        max(error / spread if spread > 0.0 else 0.0, floor / furthest if furthest > 0.0 else floor),
    )


def balanced(weights: Floats, sums: Floats, pull: Pull) -> bool:
    """Return whether pairs that lie on a line hold it against the *pull* of all others.

    A line is a minimum when each pair on it can be given a sign between -1 and 1 such that, with the signs
    of all others, both the signs and the signs times u sum to zero. Pairs may come in groups that share a
    sign, each with its weight and its sum of w u.
    """
    some = weights > 0.0
    weights, sums = weights[some], sums[some]
    total = float(weights.sum())
    if abs(pull.a) > total:
        return False
    order = np.argsort(sums / weights, kind="stable")
    weights, sums = weights[order], sums[order]
    # The most that signs with the right sum can pull in b: -1 up to some u, +1 beyond; the least: reversed.
    most = float(sums.sum()) - 2.0 * _lightest(weights, sums, 0.5 * (total - pull.a))
    least = 2.0 * _lightest(weights, sums, 0.5 * (total + pull.a)) - float(sums.sum())
    return least <= pull.b <= most


def _lightest(weights: Floats, sums: Floats, weight: float) -> float:
    """Return the sum of w u of the first groups that weigh *weight* together, the last one in part."""
    ends = np.cumsum(weights)
    k = int(np.searchsorted(ends, weight))
    if k == ends.size:
        return float(sums.sum())
    part = (weight - (float(ends[k]) - float(weights[k]))) / float(weights[k])
    return float(sums[:k].sum()) + part * float(sums[k])


def _direct(pairs: Pairs, pull: Pull) -> Line | None:
    """Bisect the slope of the objective in b, with the best a for each b, down to neighbouring numbers."""
    if pairs.size == 0 or abs(pull.a) > pairs.w.sum():
        return None
    bracket = _bracket(pairs, pull)
    if bracket is None:
        return None
    low, high = bracket
    ranks = Ranks(pairs.u, pairs.y, pairs.w, 0.5 * (float(pairs.w.sum()) - pull.a))
    while True:
        b = 0.5 * (low + high)
        if b in (low, high):
            break
        if _best(pairs, pull, b, ranks)[1] > 0.0:
            high = b
        else:
            low = b
    ends = [Line(_best(pairs, pull, b, ranks)[0], b) for b in (low, high)]
    return min(ends, key=lambda line: _objective(pairs, pull, line))


def _bracket(pairs: Pairs, pull: Pull) -> tuple[float, float] | None:
    """Return two slopes b with the minimum between them, or None when the objective falls for ever."""
    weight = pairs.w.sum()
    u = pairs.u - (pairs.w * pairs.u).sum() / weight
    y = pairs.y - (pairs.w * pairs.y).sum() / weight
    suu = float((pairs.w * u * u).sum())
    middle = float((pairs.w * u * y).sum()) / suu if suu > 0.0 else 0.0
    step = 0.01 * math.sqrt(float((pairs.w * y * y).sum()) / suu) if suu > 0.0 else 1.0
    step = max(step, 1e-9 * abs(middle), 1e-12)
    ranks = Ranks(pairs.u, pairs.y, pairs.w, 0.5 * (float(weight) - pull.a))
    sign = 1.0 if _best(pairs, pull, middle, ranks)[1] <= 0.0 else -1.0
    end = middle
    for k in range(_STEPS):
        if k == _PATIENCE and _falls_for_ever(pairs, pull, middle + sign * step * 4.0 ** (_STEPS - k), sign, ranks):
            return None
        start, end = end, end + sign * step
        if sign * _best(pairs, pull, end, ranks)[1] >= 0.0:
            return min(start, end), max(start, end)
        step *= 4.0
    return None


def _falls_for_ever(pairs: Pairs, pull: Pull, far: float, sign: float, ranks: Ranks) -> bool:
    """Return whether the objective still falls at a slope so *far* out that only u orders the residuals.

    It is convex: what falls there, by more than sums are rounded, falls everywhere before.
    """
    change = sign * _best(pairs, pull, far, ranks)[1]
    return change < -1e-9 * (float((pairs.w * np.abs(pairs.u)).sum()) + abs(pull.b))


def _best(pairs: Pairs, pull: Pull, b: float, ranks: Ranks) -> tuple[float, float]:
    """Return the best a for slope *b*, and how the objective then changes with b (an element of its slope)."""
    z = pairs.y - b * pairs.u
    half = ranks.wanted
    at = ranks.at(z, b)
    below, through, above, next_above, wu_below, wu_through, wu_above = _sides(z, pairs.w, pairs.u, at)
    a = 0.5 * (at + next_above) if below + through == half and next_above < math.inf else at
    # The pairs that the line goes through take whatever part of their weight balances the rest.
    part = below - above + pull.a
    change = pull.b + wu_below - wu_above - part * (wu_through / through)
    return a, float(change)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sides(z: Any, w: Any, u: Any, at: float) -> Any:
    """Return the weights below, at and above *at*, the next z above it, and the sums of w u of the three."""
    below, through, above, next_above = 0.0, 0.0, 0.0, np.inf
    wu_below, wu_through, wu_above = 0.0, 0.0, 0.0
    for i in range(z.size):
        if z[i] < at:
            below += w[i]
            wu_below += w[i] * u[i]
        elif z[i] > at:
            above += w[i]
            wu_above += w[i] * u[i]
            next_above = min(next_above, z[i])
        else:
            through += w[i]
            wu_through += w[i] * u[i]
    return below, through, above, next_above, wu_below, wu_through, wu_above


def _objective(pairs: Pairs, pull: Pull, line: Line) -> float:
    deviations = float((pairs.w * np.abs(pairs.residuals(line))).sum())
    return deviations + pull.a * line.a + pull.b * line.b


# -- the sweep over pixels -----------------------------------------------------------------------------


class Sweep(NamedTuple):
    """What one sweep looks for: the band about a guess, and which share of it to keep (2**32 is all)."""

    a: float
    b: float
    centre: float
    trust_a: float
    trust_b: float
    keep: int


SIGNED, OUTSIDE, BAND = 0, 3, 4
SUMS = 8
"""Of pairs outside the band, those above less those below: count, sum of u, sum of y; then how many are outside.

Of pairs in the band: count, sum of u, least and greatest u.
"""

# Pairs are looked at in blocks: straight through without a branch, then one by one where a block has pairs in
# the band. Sums within a block are whole numbers of 2**-44, which add up to the same in any order, so that the
# compiler may take eight pairs at once (11 ns a pair became 1.2): at 384, float64 numbers are that far apart, so
# what is added to 384 stands, rounded to such units, in the lowest bits. Blocks then add up as float64.
_BLOCK = 256
_LIFT = 384.0
_LIFTED = int(np.float64(_LIFT).view(np.int64))
_UNIT = 2.0**-44


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sweep(
    x: Any, y: Any, scaling: Any, limits: Any, line: Any, keep: Any, index: Any,
    edges: Any, sums: Any, groups: Any, out: Any,
) -> Any:  # fmt: skip
    """Sum up the pairs outside the band into *sums*, put the positions of kept ones into *out*; return how many.

    *scaling* is (origin, factor) of x, then of y, to normalised units; *limits* the open interval within [0, 1] in
    which both must lie; *line* is a, b, centre and the two half widths; *index* the pixel number of x[0]. With
    *edges*, ascending, count and sum of u between them of the pairs in the band go into *groups*.
    """
    inside, found = np.zeros(_BLOCK, np.uint8), np.empty(_BLOCK + 1, np.int64)
    outside = signed = n_in = kept = 0
    signed_u = signed_y = u_in = 0.0
    least, most = np.inf, -np.inf
    for start in range(0, x.size, _BLOCK):
        stop = min(x.size, start + _BLOCK)
        size = stop - start
        n, above, below, fixed_x, fixed_y = _block(x, y, np.uint64(start), size, scaling, limits, line, inside)
        outside += above + below
        signed += above - below
        signed_u += np.float64(fixed_x) * _UNIT - (above - below) * line[2]
        signed_y += np.float64(fixed_y) * _UNIT
        if n == above + below:
            continue
        # Without a branch on each pair, which would be foretold wrongly for those in the band.
        some = 0
        for k in range(size):
            found[some] = k
            some += int(inside[k])
        for k in range(some):
            i = start + found[k]
            u = (np.float64(x[i]) - scaling[0]) * scaling[1] - line[2]
            n_in += 1
            u_in += u
            least, most = min(least, u), max(most, u)
            if edges.size > 0:
                g = np.searchsorted(edges, u)
                groups[g, 0] += 1.0
                groups[g, 1] += u
            # Multiples of the golden ratio fall evenly over the turn, so a share of pixels chosen this way
            # depends on their places only and follows no pattern of rows, columns or mosaics.
            if np.uint64(np.uint32(np.uint64(index + i) * np.uint64(2654435761))) < keep:
                out[kept] = i
                kept += 1
    sums[0], sums[1], sums[2], sums[3] = signed, signed_u, signed_y, outside
    sums[4], sums[5], sums[6], sums[7] = n_in, u_in, least, most
    return kept


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _block(x: Any, y: Any, start: Any, size: Any, scaling: Any, limits: Any, line: Any, inside: Any) -> Any:
    """Mark the pairs in the band; return how many are used, above and below, and the signed sums in units.

    Whole arrays and where to begin: counting references to parts of them takes as long as forty pairs.
    """
    x0, fx, y0, fy = scaling
    low, high = limits
    a, b, centre, trust_a, trust_b = line
    n = above = below = np.int64(0)
    fixed_x = fixed_y = np.int64(0)
    # An index that might be negative, for all that the compiler knows, keeps it from vector code.
    for i in range(size):
        at = start + np.uint64(i)
        p = (np.float64(x[at]) - x0) * fx
        q = (np.float64(y[at]) - y0) * fy
        u = p - centre
        r = q - (a + b * u)
        width = trust_a + trust_b * abs(u)
        used = (p > low) & (p < high) & (q > low) & (q < high)
        up = used & (r > width)
        down = used & (r < -width)
        n += np.int64(used)
        above += np.int64(up)
        below += np.int64(down)
        v = p if up else 0.0
        v = -p if down else v
        w = q if up else 0.0
        w = -q if down else w
        fixed_x += np.float64(v + _LIFT).view(np.int64)
        fixed_y += np.float64(w + _LIFT).view(np.int64)
        inside[i] = np.uint8(used) & ~np.uint8(up | down)
    lifted = size * np.int64(_LIFTED)  # wraps around, as the sums do
    return n, above, below, fixed_x - lifted, fixed_y - lifted
