"""Fitting a Gaussian or Moffat function to a star by the method of Levenberg and Marquardt.

The functions are those of PixInsight's DynamicPSF: with q = p1 dx² + 2 p2 dx dy + p3 dy², a Gaussian is
``B + A exp(-q)`` and a Moffat ``B + A (1 + q)^-beta``. p1, p2 and p3 are fitted as they are, not widths and an
angle, so that a round star, whose angle means nothing, is no special case. Each sample stands for the middle
of its pixel. The steps are damped as Marquardt (1963) proposed, by the diagonal of the normal equations.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from ._mesh import Plane, Table

COLUMNS = (
    "star", "x", "y", "background", "amplitude", "fwhm_x", "fwhm_y", "theta", "beta", "eccentricity", "fwhm",
    "fwtm_x", "fwtm_y", "flux", "mean_flux", "residual", "status",
)  # fmt: skip

FITTED, NOT_CONVERGED, UNUSABLE = 0, 1, 2

FREE, GAUSSIAN = -1.0, 0.0
"""What stands for beta where it is fitted and where there is none."""

_STEPS = 60
_WIDEST_BETA = 40.0


def fit_stars(
    plane: Plane, origin: int, wanted: Table, around: Table, radius: int, betas: tuple[float, ...], circular: bool,
    growth: float, pixel: float,
) -> Table:  # fmt: skip
    """Return a row of `COLUMNS` for each star of *wanted*.

    Parameters
    ----------
    plane, origin
        Samples, and the row of the image at which they begin.
    wanted, around
        Rows of number, x, y, FWHM of the stars to be fitted, and of all stars whose light may be in *plane*.
        A sample nearer to another star than to the one that is fitted is left out.
    radius
        Half the side of the square that is fitted.
    betas
        The functions to be tried (`FREE`, `GAUSSIAN`, or a Moffat's exponent); that of least residual is kept.
    growth
        Flux is summed within the full width at a tenth of the maximum times this.
    pixel
        Variance that averaging samples added to the width of the stars.
    """
    table = np.full((len(wanted), len(COLUMNS)), np.nan)
    _fit_all(plane, origin, wanted, around, radius, np.array(betas), circular, growth, pixel, table)
    return table


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fit_all(
    plane: Any, origin: Any, wanted: Any, around: Any, radius: Any, betas: Any, circular: Any, growth: Any,
    pixel: Any, table: Any,
) -> None:  # fmt: skip
    side = 2 * radius + 1
    xs, ys, vs = np.empty(side * side), np.empty(side * side), np.empty(side * side)
    row = np.empty(table.shape[1])
    for k in range(wanted.shape[0]):
        number, x, y = wanted[k, 0], wanted[k, 1], wanted[k, 2] - origin
        start = wanted[k, 3] / 2.3548200450309493
        reach = min(radius, max(4, math.ceil(3.5 * wanted[k, 3])))
        n = _samples(plane, x, y, reach, around, number, origin, xs, ys, vs)
        table[k, 0], table[k, table.shape[1] - 1] = number, UNUSABLE
        if n < 12:
            continue
        least = np.inf
        for beta in betas:
            row[0] = number
            _fit_one(xs, ys, vs, n, x, y, start, beta, circular, growth, pixel, reach, row)
            if row[16] < UNUSABLE and row[15] < least:
                least = row[15]
                table[k] = row
                table[k, 2] += origin


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _samples(
    plane: Any, x: Any, y: Any, reach: Any, around: Any, number: Any, origin: Any, xs: Any, ys: Any, vs: Any
) -> Any:
    """Gather the finite samples about a star that belong to it rather than to a neighbour."""
    rows, columns = plane.shape
    near, m = np.empty((around.shape[0], 2)), 0
    for j in range(around.shape[0]):
        dx, dy = around[j, 1] - x, around[j, 2] - origin - y
        if around[j, 0] != number and abs(dx) <= 2 * reach and abs(dy) <= 2 * reach:
            near[m, 0], near[m, 1] = dx, dy
            m += 1
    cy, cx = int(np.rint(y)), int(np.rint(x))
    n = 0
    for i in range(max(0, cy - reach), min(rows, cy + reach + 1)):
        for j in range(max(0, cx - reach), min(columns, cx + reach + 1)):
            v = plane[i, j]
            dx, dy = j - x, i - y
            own = np.isfinite(v)
            for k in range(m):
                # Nearer to the other: beyond the line halfway between the two.
                if dx * near[k, 0] + dy * near[k, 1] > 0.5 * (near[k, 0] ** 2 + near[k, 1] ** 2):
                    own = False
                    break
            if own:
                xs[n], ys[n], vs[n] = j, i, v
                n += 1
    return n


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fit_one(
    xs: Any, ys: Any, vs: Any, n: Any, x: Any, y: Any, start: Any, beta: Any, circular: Any, growth: Any,
    pixel: Any, reach: Any, row: Any,
) -> None:  # fmt: skip
    sorted_ = np.sort(vs[:n])
    base = sorted_[n // 4]
    shape = 4.0 if beta == FREE else beta
    # The width of a Moffat whose half maximum is that of the Gaussian that was measured.
    p = 0.5 / start**2 if beta == GAUSSIAN else (2.0 ** (1.0 / shape) - 1.0) / (1.1774100225154747 * start) ** 2
    par = np.array([base, sorted_[n - 1] - base, x, y, p, 0.0, p, shape])
    converged = _marquardt(xs, ys, vs, n, par, beta, circular)
    row[16] = FITTED if converged else NOT_CONVERGED
    _describe(xs, ys, vs, n, par, beta, growth, pixel, row)
    off = max(abs(par[2] - x), abs(par[3] - y))
    if not (par[1] > 0.0 and off <= 0.5 * reach and row[10] < 2.0 * reach and np.isfinite(row[15])):
        row[16] = UNUSABLE


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _profile(q: Any, beta: Any, b: Any) -> Any:
    if beta == GAUSSIAN:
        return math.exp(-q)
    if b == 4.0:
        # The usual choice, at a third of the cost of the general power.
        t = 1.0 / (1.0 + q)
        return (t * t) * (t * t)
    return math.exp(-b * math.log1p(q))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _normal(
    xs: Any, ys: Any, vs: Any, n: Any, par: Any, beta: Any, circular: Any, m: Any, matrix: Any, gradient: Any,
    wanted: Any,
) -> Any:  # fmt: skip
    """Return the sum of squared residuals; fill the normal equations where *wanted*."""
    d = np.empty(8)
    cost = 0.0
    if wanted:
        matrix[:] = 0.0
        gradient[:] = 0.0
    amplitude, p1, p2, p3, b = par[1], par[4], par[5], par[6], par[7]
    for k in range(n):
        dx, dy = xs[k] - par[2], ys[k] - par[3]
        q = p1 * dx * dx + 2.0 * p2 * dx * dy + p3 * dy * dy
        f = _profile(q, beta, b)
        slope = -amplitude * f if beta == GAUSSIAN else -amplitude * b * f / (1.0 + q)
        r = vs[k] - par[0] - amplitude * f
        cost += r * r
        if not wanted:
            continue
        d[0], d[1] = 1.0, f
        d[2], d[3] = slope * -2.0 * (p1 * dx + p2 * dy), slope * -2.0 * (p2 * dx + p3 * dy)
        if circular:
            d[4] = slope * (dx * dx + dy * dy)
            last = 5
        else:
            d[4], d[5], d[6] = slope * dx * dx, slope * 2.0 * dx * dy, slope * dy * dy
            last = 7
        if last < m:
            d[last] = -amplitude * math.log1p(q) * f
        for i in range(m):
            gradient[i] += d[i] * r
            for j in range(i + 1):
                matrix[i, j] += d[i] * d[j]
    return cost


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _moved(par: Any, step: Any, beta: Any, circular: Any, out: Any) -> Any:
    """Put *par* plus *step* into *out*; return whether it is still an ellipse with a legal beta."""
    out[:] = par
    for i in range(4):
        out[i] += step[i]
    if circular:
        out[4] += step[4]
        out[6] = out[4]
        last = 5
    else:
        for i in range(4, 7):
            out[i] += step[i]
        last = 7
    if beta == FREE:
        out[7] += step[last]
        if not (out[7] > 0.6 and out[7] < _WIDEST_BETA):
            return False
    return out[4] > 0.0 and out[6] > 0.0 and out[4] * out[6] > out[5] * out[5]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _marquardt(xs: Any, ys: Any, vs: Any, n: Any, par: Any, beta: Any, circular: Any) -> Any:
    """Improve *par* in place; return whether it converged."""
    m = (5 if circular else 7) + (1 if beta == FREE else 0)
    matrix, gradient, damped = np.zeros((m, m)), np.zeros(m), np.zeros((m, m))
    trial, step = np.empty(8), np.empty(m)
    factor = 1e-3
    cost = _normal(xs, ys, vs, n, par, beta, circular, m, matrix, gradient, True)
    for _ in range(_STEPS):
        damped[:] = matrix
        for i in range(m):
            damped[i, i] *= 1.0 + factor
        tried = np.inf
        if _solved(damped, gradient, step) and _moved(par, step, beta, circular, trial):
            tried = _normal(xs, ys, vs, n, trial, beta, circular, m, matrix, gradient, False)
        if not tried <= cost:
            factor *= 10.0
            if factor > 1e12:
                # No direction leads down any more: a minimum to working accuracy.
                return True
            continue
        gained = cost - tried
        par[:] = trial
        if gained <= 1e-9 * cost and abs(step[2]) < 1e-5 and abs(step[3]) < 1e-5:
            return True
        factor = max(factor * 0.1, 1e-12)
        cost = _normal(xs, ys, vs, n, par, beta, circular, m, matrix, gradient, True)
    return False


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _solved(matrix: Any, right: Any, x: Any) -> Any:
    """Solve a symmetric positive system by Cholesky's method (lower half given, overwritten); False if it is none."""
    m = right.size
    for i in range(m):
        for j in range(i + 1):
            s = matrix[i, j]
            for k in range(j):
                s -= matrix[i, k] * matrix[j, k]
            if i == j:
                if not s > 0.0:
                    return False
                matrix[i, i] = math.sqrt(s)
            else:
                matrix[i, j] = s / matrix[j, j]
    for i in range(m):
        s = right[i]
        for k in range(i):
            s -= matrix[i, k] * x[k]
        x[i] = s / matrix[i, i]
    for i in range(m - 1, -1, -1):
        s = x[i]
        for k in range(i + 1, m):
            s -= matrix[k, i] * x[k]
        x[i] = s / matrix[i, i]
    return True


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _describe(xs: Any, ys: Any, vs: Any, n: Any, par: Any, beta: Any, growth: Any, pixel: Any, row: Any) -> None:
    """Fill *row* with what the fitted parameters mean, and with flux and residual of the samples."""
    p1, p2, p3, b = par[4], par[5], par[6], par[7]
    middle, half = 0.5 * (p1 + p3), math.sqrt(0.25 * (p1 - p3) ** 2 + p2 * p2)
    # Half widths at half and at a tenth of the maximum, in units of 1 / sqrt(p).
    if beta == GAUSSIAN:
        at_half, at_tenth = math.log(2.0), math.log(10.0)
    else:
        at_half, at_tenth = 2.0 ** (1.0 / b) - 1.0, 10.0 ** (1.0 / b) - 1.0
    # What averaging neighbours added is taken off the variance of the Gaussian of the same FWHM.
    added = pixel * 5.545177444479562
    long = math.sqrt(max(4.0 * at_half / max(middle - half, 1e-12) - added, 0.04))
    short = math.sqrt(max(4.0 * at_half / (middle + half) - added, 0.04))
    ratio = math.sqrt(at_tenth / at_half)
    theta = 0.5 * math.atan2(-2.0 * p2, p3 - p1) * (180.0 / math.pi)
    row[1], row[2], row[3], row[4] = par[2], par[3], par[0], par[1]
    row[5], row[6], row[7] = long, short, theta if theta < 90.0 else -90.0
    row[8] = np.inf if beta == GAUSSIAN else b
    row[9], row[10] = math.sqrt(max(0.0, 1.0 - (short / long) ** 2)), math.sqrt(long * short)
    row[11], row[12] = ratio * long, ratio * short
    flux, residual, inside = 0.0, 0.0, 0
    for k in range(n):
        dx, dy = xs[k] - par[2], ys[k] - par[3]
        q = p1 * dx * dx + 2.0 * p2 * dx * dy + p3 * dy * dy
        if q <= at_tenth * growth * growth:
            f = _profile(q, beta, b)
            flux += vs[k] - par[0]
            residual += abs(vs[k] - par[0] - par[1] * f)
            inside += 1
    area = math.pi * 0.25 * growth * growth * row[11] * row[12]
    row[13], row[14] = flux, flux / area
    row[15] = residual / inside if inside else np.nan
