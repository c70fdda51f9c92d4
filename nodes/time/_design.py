"""The design of a fit over time: one small matrix for all pixels.

A series of N frames is fitted by a constant, slow terms (nuisance) and the cosines and sines of the harmonics of a
period. Rows are scaled by the roots of the frames' weights, and the columns made orthonormal block after block, so
that a pixel's fit is a row of sums and nothing else. Columns are stored as rows: ``(columns, N)``.

Products are summed by loops of our own, frame after frame: a library's would be rounded differently on machines
with other numbers of threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre

from ...engine.api import ParameterError

Floats = npt.NDArray[np.float64]

COLLINEAR = 1e-8
"""What must be left of a column's norm besides the columns before it, for it to be no combination of these."""
_SIDE_LEFT = 0.3
"""The same of side frequencies, which are dropped where too much of them is in the design already."""
FEWEST_SIDES = 8
NARROW = 16


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _orthonormalized(columns: Any, basis: Any, start: int, least: Any, triangle: Any, kept: Any) -> Any:
    """Append *columns* to the orthonormal rows ``basis[:start]``; return the new number of rows.

    A column of which less than *least* of its norm is left is marked 0 in *kept* and not appended. *triangle*
    takes the coefficients among the appended ones. Gram-Schmidt is done twice, which is enough for a basis as good
    as Householder's (Giraud et al. 2005, Numerische Mathematik 101, 87).
    """
    n = columns.shape[1]
    rank = start
    for k in range(columns.shape[0]):
        before = 0.0
        for i in range(n):
            basis[rank, i] = columns[k, i]
            before += columns[k, i] * columns[k, i]
        for _ in range(2):
            for j in range(rank):
                product = 0.0
                for i in range(n):
                    product += basis[j, i] * basis[rank, i]
                for i in range(n):
                    basis[rank, i] -= product * basis[j, i]
                if j >= start:
                    triangle[j - start, k] += product
        after = 0.0
        for i in range(n):
            after += basis[rank, i] * basis[rank, i]
        kept[k] = after > least * least * before and before > 0.0
        if kept[k]:
            norm = np.sqrt(after)
            for i in range(n):
                basis[rank, i] /= norm
            triangle[rank - start, k] = norm
            rank += 1
    return rank


def orthonormal(
    columns: Floats, against: Floats | None = None, least: float = COLLINEAR
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return an orthonormal basis of *columns* ``(k, N)`` after projecting out the orthonormal rows *against*.

    Returns
    -------
    basis
        ``(rank, N)``, float64.
    triangle
        ``(rank, k)``: ``columns = triangle.T @ basis`` up to what *against* explains.
    kept
        Which columns gave a row: those of which at least *least* of the norm was left.
    """
    k, n = columns.shape
    start = 0 if against is None else len(against)
    basis = np.empty((start + k + 1, n))
    if against is not None:
        basis[:start] = against
    triangle, kept = np.zeros((k, k)), np.zeros(k, np.bool_)
    rank: int = _orthonormalized(np.ascontiguousarray(columns, np.float64), basis, start, least, triangle, kept)
    return basis[start:rank].copy(), triangle[: rank - start].copy(), kept


# -- columns ----------------------------------------------------------------------------------------


def frame_weights(sigma: Floats | None, count: int) -> Floats:
    """Return ``1/sigma²`` scaled to a mean of 1; all 1 where *sigma* is None."""
    if sigma is None:
        return np.ones(count)
    w = 1.0 / np.asarray(sigma, np.float64) ** 2
    return np.asarray(w / (w.sum() / count), np.float64)


def scaled(values: Floats) -> Floats:
    """Return *values* mapped to -1 .. 1; zeros where they are all alike."""
    low, high = float(values.min()), float(values.max())
    return np.zeros(len(values)) if high <= low else np.asarray(2.0 * (values - low) / (high - low) - 1.0, np.float64)


def nuisance_columns(
    seconds: Floats, degree: int, regressors: Mapping[str, Floats] | None = None
) -> tuple[list[str], Floats]:
    """Return names and columns ``(1 + degree + regressors, N)`` of what is fitted besides a variation: a constant,
    Legendre polynomials up to *degree* over the run, and further columns, each scaled to -1 .. 1."""
    x = scaled(seconds)
    columns = [legendre.legval(x, [0.0] * k + [1.0]) for k in range(degree + 1)]
    names = ["constant", *(f"polynomial of degree {k}" for k in range(1, degree + 1))]
    for name, values in (regressors or {}).items():
        names.append(f"regressor '{name}'")
        columns.append(scaled(values))
    return names, np.array([np.broadcast_to(c, len(seconds)) for c in columns], np.float64)


def harmonic_columns(seconds: Floats, t0: float, frequency: float, harmonics: int) -> Floats:
    """Return ``(2 harmonics, N)``: cos and sin of ``2π h frequency (t - t0)`` for h = 1, 2, ...

    Cycles are reduced to their fraction before the functions see them, so that dates far from *t0* lose nothing.
    """
    cycles = (seconds - t0) * frequency
    made = np.empty((2 * harmonics, len(seconds)))
    for h in range(1, harmonics + 1):
        angle = 2.0 * np.pi * (h * cycles - np.floor(h * cycles))
        made[2 * h - 2], made[2 * h - 1] = np.cos(angle), np.sin(angle)
    return made


def side_frequencies(
    low: float, high: float, span: float, count: int, avoid: Iterable[float] = ()
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the frequencies from which the noise about *low* .. *high* is taken, the nearest first, and how many
    resolutions ``1/span`` each is away.

    They are ``low - k/span`` and ``high + k/span`` for k = 2, 3, ... until there are *count*; those below
    ``1.5/span``, and those within ``1/span`` of a frequency to *avoid*, are left out.
    """
    shunned = np.array(sorted(avoid), np.float64)
    found: list[tuple[float, int]] = []
    for k in range(2, 2 + count // 2):
        for f in (low - k / span, high + k / span):
            near = np.abs(shunned - f) <= 1.0 / span
            found += [(f, k)] if f >= 1.5 / span and not near.any() else []
    return np.array([f for f, _ in found]), np.array([k for _, k in found], np.int64)


# -- the design -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Orthonormal columns of a fit at K trial frequencies with H harmonics; rows are scaled by root weights.

    Attributes
    ----------
    roots
        ``(N,)``: the roots of the frames' weights.
    nuisance
        ``(1 + J, N)``: basis of the constant and the slow terms; the first row is that of the constant.
    harmonics
        ``(K, 2H, N)``: bases of the harmonic columns of each trial, orthogonal to *nuisance*.
    triangles
        ``(K, 2H, 2H)``: raw harmonic columns are ``triangle.T @ harmonics``, but for what *nuisance* explains.
    sides
        ``(S, N)``: cosines and sines in turn of the side frequencies of all harmonics, one set after the other,
        orthogonal to everything else.
    side_of, side_step
        ``(S/2,)``: the harmonic (from 0) and the distance in resolutions of each side frequency.
    side_hertz
        ``(S/2,)``: the side frequencies.
    frequencies
        ``(K,)`` in hertz.
    """

    roots: Floats
    nuisance: Floats
    harmonics: Floats
    triangles: Floats
    sides: Floats
    side_of: npt.NDArray[np.int64]
    side_step: npt.NDArray[np.int64]
    side_hertz: Floats
    frequencies: Floats

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the residuals of the fit with all harmonics."""
        return len(self.roots) - len(self.nuisance) - int(self.harmonics.shape[1])

    def sides_within(self, count: int) -> npt.NDArray[np.bool_]:
        """Return which side frequencies belong to the comb of *count* teeth about each harmonic."""
        return self.side_step < 2 + count // 2

    def columns(self) -> Floats:
        """Return ``(1 + J + 2HK, N)``: nuisance and harmonics as sums over samples want them, root weights in."""
        rows = np.concatenate([self.nuisance, self.harmonics.reshape(-1, len(self.roots))])
        return np.ascontiguousarray(rows * self.roots)

    def side_columns(self) -> npt.NDArray[np.float32]:
        """Return the same of the side frequencies, in float32."""
        return np.ascontiguousarray(self.sides * self.roots, np.float32)


def nuisance_basis(names: Sequence[str], columns: Floats, roots: Floats) -> Floats:
    """Return the orthonormal basis of nuisance columns.

    Raises
    ------
    ParameterError
        LRR-2: a column is a combination of those before it.
    """
    basis, _, kept = orthonormal(columns * roots)
    if not kept.all():
        which = ", ".join(n for n, k in zip(names, kept, strict=True) if not k)
        raise ParameterError(
            f"LRR-2: the fit cannot tell {which} from the terms before it; leave it out of detrend or regressors"
        )
    return basis


def design(
    seconds: Floats,
    weights: Floats,
    nuisance: tuple[Sequence[str], Floats],
    frequencies: Floats,
    *,
    t0: float = 0.0,
    harmonics: int = 1,
    sides: int = 32,
    avoid: Iterable[float] = (),
) -> Design:
    """Return the design of a fit at *frequencies*.

    Parameters
    ----------
    seconds, weights
        One a frame.
    nuisance
        Names and columns, from `nuisance_columns`.
    t0
        Phases are against this time.
    harmonics
        H, how many multiples of each frequency are fitted.
    sides
        Side frequencies wanted about each harmonic; 0 for none.
    avoid
        Frequencies at which no noise is to be looked for, such as aliases.

    Raises
    ------
    ParameterError
        LRR-2: columns that cannot be told apart.
    """
    roots = np.sqrt(weights)
    basis = nuisance_basis(*nuisance, roots)
    parts = [_harmonic_basis(seconds, t0, f, harmonics, roots, basis) for f in frequencies]
    made = np.array([p[0] for p in parts])
    hertz, of, step, rows = _sides(seconds, roots, basis, made, frequencies, harmonics, sides, list(avoid))
    return Design(
        roots=roots, nuisance=basis, harmonics=made, triangles=np.array([p[1] for p in parts]), sides=rows,
        side_of=of, side_step=step, side_hertz=hertz, frequencies=np.asarray(frequencies, np.float64),
    )  # fmt: skip


def _harmonic_basis(
    seconds: Floats, t0: float, frequency: float, harmonics: int, roots: Floats, nuisance: Floats
) -> tuple[Floats, Floats]:
    found, triangle, kept = orthonormal(
        harmonic_columns(seconds, t0, frequency, harmonics) * roots, nuisance, least=1e-4
    )
    if not kept.all():
        h = int(np.argmin(kept)) // 2 + 1
        raise ParameterError(
            f"LRR-2: harmonic {h} of {1.0 / frequency:.6g} s cannot be told from the slow terms or from other "
            "harmonics at these times; use a lower detrend degree or fewer harmonics"
        )
    return found, triangle


def _sides(
    seconds: Floats, roots: Floats, nuisance: Floats, made: Floats, frequencies: Floats, harmonics: int, count: int,
    avoid: list[float],
) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:  # fmt: skip
    """Return frequencies, harmonics, steps and columns of the side frequencies of a design."""
    span = float(seconds.max() - seconds.min())
    low, high = float(np.min(frequencies)), float(np.max(frequencies))
    taken, _, _ = orthonormal(made.reshape(-1, len(seconds)), nuisance, least=1e-5)
    against = np.concatenate([nuisance, taken])
    shunned = [*avoid, *(h * f for h in range(1, harmonics + 1) for f in frequencies)]
    hertz, of, step, rows = [], [], [], [np.empty((0, len(seconds)))]
    for h in range(1, harmonics + 1 if count else 1):
        for f, k in zip(*side_frequencies(h * low, h * high, span, count, shunned), strict=True):
            pair, _, kept = orthonormal(harmonic_columns(seconds, 0.0, f, 1) * roots, against, least=_SIDE_LEFT)
            if kept.all():
                hertz.append(float(f))
                of.append(h - 1)
                step.append(int(k))
                rows.append(pair)
                against = np.concatenate([against, pair])
    return np.array(hertz), np.array(of, np.int64), np.array(step, np.int64), np.concatenate(rows)
