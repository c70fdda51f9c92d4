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

from ._mesh import Plane, Table, selected

COLUMNS = (
    "star", "x", "y", "background", "amplitude", "fwhm_x", "fwhm_y", "theta", "beta", "eccentricity", "fwhm",
    "fwtm_x", "fwtm_y", "flux", "mean_flux", "residual", "status",
)  # fmt: skip

FITTED, NOT_CONVERGED, UNUSABLE = 0, 1, 2

FREE, GAUSSIAN = -1.0, 0.0
"""What stands for beta where it is fitted and where there is none."""

_STEPS = 60
_WIDEST_BETA = 40.0

_GAIN, _STILL = 1e-6, 1e-3
"""A fit has converged when a step lowers the sum of squares by less than this share, and the star's place moves by
less than so many pixels. Of some hundred samples that is a fiftieth of the error that noise leaves, and the step that
is taken last has made it several times less."""

_LANES = 4
"""Partial sums of a product: the processor need not wait for one sum before it begins the next."""


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
    size = side * side + _LANES
    xs, ys, vs, few = np.empty(size), np.empty(size), np.empty(size), np.empty(size, np.float32)
    near, design = np.empty((around.shape[0], 3)), np.empty((9, size))
    row = np.empty(table.shape[1])
    for k in range(wanted.shape[0]):
        number, x, y = wanted[k, 0], wanted[k, 1], wanted[k, 2] - origin
        start = wanted[k, 3] / 2.3548200450309493
        reach = min(radius, max(4, math.ceil(3.5 * wanted[k, 3])))
        neighbours = _neighbours(around, number, x, y, origin, 2 * reach, near)
        n = _samples(plane, x, y, reach, near[:neighbours], xs, ys, vs)
        table[k, 0], table[k, table.shape[1] - 1] = number, UNUSABLE
        if n < 12:
            continue
        base, top = _levels(vs, n, few)
        least = np.inf
        for beta in betas:
            row[0] = number
            _fit_one(xs, ys, vs, n, x, y, start, base, top, beta, circular, growth, pixel, reach, design, row)
            if row[16] < UNUSABLE and row[15] < least:
                least = row[15]
                table[k] = row
                table[k, 2] += origin


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _neighbours(around: Any, number: Any, x: Any, y: Any, origin: Any, reach: Any, near: Any) -> Any:
    """Note where other stars within *reach* are, and half the square of their distance; return how many."""
    m = 0
    for j in range(around.shape[0]):
        dx, dy = around[j, 1] - x, around[j, 2] - origin - y
        if abs(dy) <= reach and abs(dx) <= reach and around[j, 0] != number:
            near[m, 0], near[m, 1], near[m, 2] = dx, dy, 0.5 * (dx * dx + dy * dy)
            m += 1
    return m


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _samples(plane: Any, x: Any, y: Any, reach: Any, near: Any, xs: Any, ys: Any, vs: Any) -> Any:
    """Gather the finite samples about a star that belong to it rather than to a neighbour."""
    rows, columns = plane.shape
    cy, cx = int(np.rint(y)), int(np.rint(x))
    n = 0
    for i in range(max(0, cy - reach), min(rows, cy + reach + 1)):
        for j in range(max(0, cx - reach), min(columns, cx + reach + 1)):
            v = plane[i, j]
            dx, dy = j - x, i - y
            own = np.isfinite(v)
            for k in range(near.shape[0]):
                # Nearer to the other: beyond the line halfway between the two.
                if dx * near[k, 0] + dy * near[k, 1] > near[k, 2]:
                    own = False
                    break
            if own:
                xs[n], ys[n], vs[n] = j, i, v
                n += 1
    return n


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _levels(vs: Any, n: Any, few: Any) -> Any:
    """Return the lower quartile and the greatest of the samples."""
    top = vs[0]
    for k in range(n):
        few[k] = vs[k]
        top = max(top, vs[k])
    return np.float64(selected(few, n, n // 4)), top


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fit_one(
    xs: Any, ys: Any, vs: Any, n: Any, x: Any, y: Any, start: Any, base: Any, top: Any, beta: Any, circular: Any,
    growth: Any, pixel: Any, reach: Any, design: Any, row: Any,
) -> None:  # fmt: skip
    shape = 4.0 if beta == FREE else beta
    # The width of a Moffat whose half maximum is that of the Gaussian that was measured.
    p = 0.5 / start**2 if beta == GAUSSIAN else (2.0 ** (1.0 / shape) - 1.0) / (1.1774100225154747 * start) ** 2
    par = np.array([base, top - base, x, y, p, 0.0, p, shape])
    converged = _marquardt(xs, ys, vs, n, par, beta, circular, design)
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
def _designed(xs: Any, ys: Any, vs: Any, n: Any, par: Any, beta: Any, circular: Any, design: Any) -> Any:
    """Return the sum of squared residuals; put derivatives and, last, residuals of the samples into *design*.

    Its rows hold zeros from *n* to the next multiple of `_LANES`.
    """
    p1, p2, p3, b = par[4], par[5], par[6], par[7]
    base, amplitude, x, y = par[0], par[1], par[2], par[3]
    one, height, right, down, d4 = design[0], design[1], design[2], design[3], design[4]
    d5, d6, power, rest = design[5], design[6], design[7], design[8]
    if beta == GAUSSIAN or b != 4.0:
        for k in range(n):
            dx, dy = xs[k] - x, ys[k] - y
            q = p1 * dx * dx + 2.0 * p2 * dx * dy + p3 * dy * dy
            f = _profile(q, beta, b)
            height[k] = f
            one[k] = -amplitude * f if beta == GAUSSIAN else -amplitude * b * f / (1.0 + q)
            if beta == FREE:
                power[k] = -amplitude * math.log1p(q) * f
    else:
        # The usual choice, in a loop that calls nothing and so takes several samples at a time.
        for k in range(n):
            dx, dy = xs[k] - x, ys[k] - y
            t = 1.0 / (1.0 + (p1 * dx * dx + 2.0 * p2 * dx * dy + p3 * dy * dy))
            f = (t * t) * (t * t)
            height[k] = f
            one[k] = -4.0 * amplitude * f * t
        if beta == FREE:
            for k in range(n):
                power[k] = 0.25 * amplitude * math.log(height[k]) * height[k]
    for k in range(n):
        dx, dy, slope = xs[k] - x, ys[k] - y, one[k]
        rest[k] = vs[k] - base - amplitude * height[k]
        right[k], down[k] = slope * -2.0 * (p1 * dx + p2 * dy), slope * -2.0 * (p2 * dx + p3 * dy)
        d4[k], d5[k], d6[k] = slope * dx * dx, slope * 2.0 * dx * dy, slope * dy * dy
    if circular:
        for k in range(n):
            d4[k] += d6[k]
        if beta == FREE:
            d5[:n] = power[:n]
    one[:n] = 1.0
    for i in range(9):
        design[i, n : n + _LANES] = 0.0
    return _product(rest, rest, n)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _product(a: Any, b: Any, n: Any) -> Any:
    """Return the sum of a times b over *n* samples, and the zeros behind them."""
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    for k in range((n + _LANES - 1) // _LANES):
        i = _LANES * k
        s0 += a[i] * b[i]
        s1 += a[i + 1] * b[i + 1]
        s2 += a[i + 2] * b[i + 2]
        s3 += a[i + 3] * b[i + 3]
    return (s0 + s1) + (s2 + s3)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _equations(design: Any, n: Any, m: Any, matrix: Any, gradient: Any) -> None:
    """Fill the lower half of the normal equations."""
    for i in range(m):
        gradient[i] = _product(design[i], design[8], n)
        for j in range(i + 1):
            matrix[i, j] = _product(design[i], design[j], n)


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
def _marquardt(xs: Any, ys: Any, vs: Any, n: Any, par: Any, beta: Any, circular: Any, design: Any) -> Any:
    """Improve *par* in place; return whether it converged."""
    m = (5 if circular else 7) + (1 if beta == FREE else 0)
    matrix, gradient, damped = np.zeros((m, m)), np.zeros(m), np.zeros((m, m))
    trial, step = np.empty(8), np.empty(m)
    factor = 1e-3
    cost = _designed(xs, ys, vs, n, par, beta, circular, design)
    _equations(design, n, m, matrix, gradient)
    for _ in range(_STEPS):
        damped[:] = matrix
        for i in range(m):
            damped[i, i] *= 1.0 + factor
        tried = np.inf
        if _solved(damped, gradient, step) and _moved(par, step, beta, circular, trial):
            tried = _designed(xs, ys, vs, n, trial, beta, circular, design)
        if not tried <= cost:
            factor *= 10.0
            if factor > 1e12:
                # No direction leads down any more: a minimum to working accuracy.
                return True
            continue
        gained = cost - tried
        par[:] = trial
        if gained <= _GAIN * cost and abs(step[2]) < _STILL and abs(step[3]) < _STILL:
            return True
        factor, cost = max(factor * 0.1, 1e-12), tried
        _equations(design, n, m, matrix, gradient)
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
