"""The search over frequencies in a pixel of which many frames are bad, by normal equations of its own.

The columns of all pixels are orthonormal over all frames. Over the frames that are good in one pixel they are not:
their products are those of all frames less what the bad ones give. So a Cholesky factor for each trial makes the
pixel's sums, in which bad samples are zero, those of columns that are orthonormal over its good frames; with them
power, noise of the side frequencies and amplitudes are exactly those of a fit to these frames alone. Work on a trial
goes with the number of bad frames, not with that of all.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ._conclude import _SINGULAR
from ._significance import beta_log10


def turned(rows: Any, roots: Any, harmonics: int) -> npt.NDArray[np.float64]:
    """Return ``(N, 2H, trials)``, orthonormal columns frame by frame, of *rows* ``(trials 2H, N)`` that hold the root
    weights twice."""
    n = len(roots)
    shaped = (rows[:, :n] / roots).reshape(-1, 2 * harmonics, n)
    return np.ascontiguousarray(shaped.transpose(2, 1, 0))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _factor(lower: Any) -> bool:
    """Replace the lower triangle of *lower* by its Cholesky factor; return whether its columns can be told apart."""
    for r in range(lower.shape[0]):
        for c in range(r + 1):
            s = lower[r, c]
            for e in range(c):
                s -= lower[r, e] * lower[c, e]
            if r == c:
                if not s > _SINGULAR:
                    return False
                lower[r, r] = np.sqrt(s)
            else:
                lower[r, c] = s / lower[c, c]
    return True


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _solve(lower: Any, z: Any) -> None:
    """Replace *z* by what the triangle *lower* makes into it."""
    for r in range(len(z)):
        s = z[r]
        for c in range(r):
            s -= lower[r, c] * z[c]
        z[r] = s / lower[r, r]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _inverted(lower: Any, out: Any) -> None:
    """Write the inverse of the triangle *lower*."""
    n = lower.shape[0]
    for c in range(n):
        for r in range(n):
            s = 1.0 if r == c else 0.0
            for e in range(c, r):
                s -= lower[r, e] * out[e, c]
            out[r, c] = s / lower[r, r] if r >= c else 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _less_products(frames: Any, columns: Any, a: int, b: int, first: int, off: int, out: Any) -> None:
    """Subtract from *out* the products of column *a* of the trials from *first* on with column *b* of those *off* steps
    on, over the bad *frames*, four of them at once."""
    n = len(out)
    last = len(frames) - len(frames) % 4
    for i in range(0, last, 4):
        x0, y0 = columns[frames[i], a, first : first + n], columns[frames[i], b, first + off : first + off + n]
        x1, y1 = columns[frames[i + 1], a, first : first + n], columns[frames[i + 1], b, first + off : first + off + n]
        x2, y2 = columns[frames[i + 2], a, first : first + n], columns[frames[i + 2], b, first + off : first + off + n]
        x3, y3 = columns[frames[i + 3], a, first : first + n], columns[frames[i + 3], b, first + off : first + off + n]
        for k in range(n):
            out[k] -= x0[k] * y0[k] + x1[k] * y1[k] + x2[k] * y2[k] + x3[k] * y3[k]
    for i in range(last, len(frames)):
        x, y = columns[frames[i], a, first : first + n], columns[frames[i], b, first + off : first + off + n]
        for k in range(n):
            out[k] -= x[k] * y[k]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _add_scaled(out: Any, x: Any, y: Any, sign: float) -> None:
    for k in range(len(out)):
        out[k] += sign * x[k] * y[k]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _grams(frames: Any, nuisance: Any, columns: Any, crosses: Any, gram: Any) -> None:
    """Write the products over the good frames of the columns of each trial with nuisance rows and with each other."""
    size = columns.shape[2]
    for i in frames:
        for j in range(nuisance.shape[0]):
            weight = nuisance[j, i]
            for a in range(columns.shape[1]):
                row, out = columns[i, a], crosses[j, a]
                for k in range(size):
                    out[k] -= weight * row[k]
    for a in range(columns.shape[1]):
        gram[a, a] = 1.0
        for b in range(a + 1):
            _less_products(frames, columns, a, b, 0, 0, gram[a, b])


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _whitened(
    frames: Any, nuisance: Any, columns: Any, slow: Any, products: Any, usable: Any, crosses: Any, factors: Any,
    inverses: Any, q: Any, good: Any,
) -> float:  # fmt: skip
    """Write for each trial its products with the nuisance rows, its Cholesky factor, the inverse of that and its sums.

    Returns by what the nuisance rows lessen the square sum, or a negative number where they cannot be told apart.
    """
    j1, h2, size = nuisance.shape[0], columns.shape[1], columns.shape[2]
    lower, u, w = np.eye(j1), slow.copy(), np.zeros(j1)
    for i in frames:
        for r in range(j1):
            for c in range(r + 1):
                lower[r, c] -= nuisance[r, i] * nuisance[c, i]
    if not _factor(lower):
        return -1.0
    _solve(lower, u)
    gram = np.zeros((h2, h2, size))
    _grams(frames, nuisance, columns, crosses, gram)
    inverse, z = np.zeros((h2, h2)), np.zeros(h2)
    for k in range(size):
        for a in range(h2):
            for j in range(j1):
                w[j] = crosses[j, a, k]
            _solve(lower, w)
            z[a] = products[k * h2 + a]
            for j in range(j1):
                crosses[j, a, k] = w[j]
                z[a] -= w[j] * u[j]
            for b in range(a + 1):
                s = gram[a, b, k]
                for j in range(j1):
                    s -= w[j] * crosses[j, b, k]
                factors[k, a, b] = s
        if not (usable[k] and _factor(factors[k])):
            continue  # all zeros, so that it is no noise of others
        good[k] = True
        _inverted(factors[k], inverse)
        for a in range(h2):
            for b in range(a + 1):
                inverses[a, b, k] = inverse[a, b]
                q[a, k] += inverse[a, b] * z[b]
    explained = 0.0
    for j in range(j1):
        explained += u[j] * u[j]
    return explained


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _side_noise(
    frames: Any, columns: Any, start: int, offsets: Any, overlaps: Any, crosses: Any, inverses: Any, q: Any, good: Any,
    noise: Any, free: Any,
) -> None:  # fmt: skip
    """Write of each trial the summed power of its side frequencies, less what the trial's own fit gives there, and the
    degrees of freedom of the sum. Loops go over the trials, many at once."""
    j1, h2, count = crosses.shape[0], columns.shape[1], len(noise)
    cross, half, part = np.zeros((h2, h2, count)), np.zeros((h2, h2, count)), np.zeros((h2, h2, count))
    rest, left = np.zeros(count), np.zeros(count)
    for s in range(len(offsets)):
        off = offsets[s]
        near, far = start, start + off
        half[:], part[:] = 0.0, 0.0
        for a in range(h2):
            for b in range(h2):
                out = cross[a, b]
                for k in range(count):
                    out[k] = overlaps[k, s, a, b]
                _less_products(frames, columns, a, b, near, off, out)
                for j in range(j1):
                    _add_scaled(out, crosses[j, a, near : near + count], crosses[j, b, far : far + count], -1.0)
        for a in range(h2):
            for b in range(h2):
                for e in range(a + 1):
                    _add_scaled(half[a, b], inverses[a, e, near : near + count], cross[e, b], 1.0)
        for b in range(h2):
            rest[:] = q[b, far : far + count]
            left[:] = 1.0
            for a in range(h2):
                for e in range(b + 1):
                    _add_scaled(part[a, b], inverses[b, e, far : far + count], half[a, e], 1.0)
                _add_scaled(rest, part[a, b], q[a, near : near + count], -1.0)
                _add_scaled(left, part[a, b], part[a, b], -1.0)
            for k in range(count):
                if good[near + k] and good[far + k]:
                    noise[k] += rest[k] * rest[k]
                    free[k] += left[k]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def search_own(
    bad: Any, total: int, nuisance: Any, columns: Any, slow: Any, squares: float, products: Any, start: int, stop: int,
    first_trial: int, offsets: Any, usable: Any, overlaps: Any, triangles: Any, best: Any, best_q: Any,
    best_triangle: Any,
) -> None:  # fmt: skip
    """Compare the trials of a block with the best so far of one pixel, and keep what wins, as `_search._kept` does.

    Parameters
    ----------
    bad
        ``(ceil(N / 8),)``, bits: the frames that do not count.
    total
        N.
    columns
        ``(N, 2H, trials)``, from `turned`.
    slow, squares, products
        Of the pixel, bad samples zero: sums with the nuisance rows, square sum, sums with the columns.
    """
    h2, size = columns.shape[1], columns.shape[2]
    frames = np.array([i for i in range(total) if (bad[i // 8] >> (i % 8)) & 1])
    crosses, factors = np.zeros((nuisance.shape[0], h2, size)), np.zeros((size, h2, h2))
    inverses, q, good = np.zeros((h2, h2, size)), np.zeros((h2, size)), np.zeros(size, np.bool_)
    explained = _whitened(frames, nuisance, columns, slow, products, usable, crosses, factors, inverses, q, good)
    residual = squares - explained
    if explained < 0.0 or not residual > 1e-12 * squares:
        return
    freedom = float(total - len(frames) - nuisance.shape[0] - h2)
    noise, free = np.zeros(stop - start), np.zeros(stop - start)
    if len(offsets):
        _side_noise(frames, columns, start, offsets, overlaps, crosses, inverses, q, good, noise, free)
    gains = np.zeros(size)
    for k in range(size):
        for r in range(h2):
            gains[k] += q[r, k] * q[r, k]
    for k in range(start, stop):
        beside = len(offsets) > 0
        rest, left = noise[k - start], free[k - start]
        if not good[k] or (beside and not (left >= 8.0 * h2 and rest > 0.0)):
            continue
        gain = gains[k]
        power = min(gain / residual, 1.0)
        variance = rest / left if beside else max(residual - gain, 1e-300) / freedom
        share = gain / (gain + rest) if beside else power
        evidence = beta_log10(share, h2 // 2, left if beside else freedom)
        if evidence > best[0]:
            best[0], best[1], best[2] = evidence, first_trial + k - start, power
            best[3], best[4] = gain / h2 / variance, variance
            best[5] = gains[k - 1] if k > 0 and good[k - 1] else np.nan
            best[6] = gains[k + 1] if k + 1 < size and good[k + 1] else np.nan
            for r in range(h2):
                best_q[r] = q[r, k]
                for c in range(r, h2):
                    s = 0.0
                    for e in range(r, c + 1):
                        s += factors[k, e, r] * triangles[k, e, c]
                    best_triangle[r, c] = s
