"""Maps fitted to pairs of stars: a ladder of models, judged by how well each predicts stars left out.

Every fit is weighted least squares by normal equations, whose sums are taken in a fixed order; a Chebyshev
basis over the field keeps them well conditioned up to the seventh degree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._maps import Floats, Step, applied, normalised, product, scaled, step_applied

Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int64]

HIGHEST_DEGREE = 7
GAIN = 0.03
"""A richer model has to lower the cross-validated rms by more than this part."""
FINEST = 1e-3
"""Pixels below which residuals do not matter: that rms is as good as none."""
CLIP = 3.5
_PAIRS_A_TERM, _PAIRS_A_BEND = 3, 5
"""How many pairs each term of a model wants at least; of polynomials, which do what they like between stars."""


class Fit(NamedTuple):
    """One model of the ladder."""

    kind: str
    degree: int
    step: Step
    rms: float
    """Weighted root mean square of the residuals along one axis, in pixels."""
    cross_validated: float
    """The same of each star against a fit without it."""


def ladder(
    a: Floats, b: Floats, weight: Floats, model: str = "auto", highest: int = HIGHEST_DEGREE
) -> tuple[Fit, npt.NDArray[np.bool_]]:
    """Return the model from places *a* (n, 2) to *b* that cross-validation prefers, and which pairs it kept.

    Shift, shift and turn, similarity, affine, homography and polynomials of degree 2 to *highest* are tried in
    this order; each has
    to lower the cross-validated rms of the best before it by 3 % (more where pairs are few, and then chance
    does much). Pairs beyond 3.5 robust sigma are left
    out; *model* names a model to be taken without a contest (``polynomial``: the best degree).
    """
    keep = np.ones(len(a), bool)
    best = _contest(a, b, weight, model, highest)
    for _ in range(4):
        px, py = applied([best.step], a[:, 0], a[:, 1])
        away = np.hypot(px - b[:, 0], py - b[:, 1]) * np.sqrt(weight)
        # The length of a residual with normal errors along both axes has its median at 1.1774 sigma.
        sigma = max(float(np.median(away[keep])) / 1.1774, 1e-9)
        now = away <= CLIP * sigma
        if now.sum() < 3 or bool((now == keep).all()):
            break
        keep = now
        best = _contest(a[keep], b[keep], weight[keep], model, highest)
    return best, keep


def _contest(a: Floats, b: Floats, weight: Floats, model: str, highest: int) -> Fit:
    x, y, px, py = a[:, 0], a[:, 1], b[:, 0], b[:, 1]
    fits = _similarity_fits(x, y, px, py, weight)
    if model != "auto":
        fits = fits[-1:]
    if len(x) >= 2 * _PAIRS_A_TERM and model != "similarity":
        fits.append(_affine_fit(x, y, px, py, weight))
    if len(x) >= 4 * _PAIRS_A_TERM and model in ("auto", "homography", "polynomial"):
        fits.append(_homography_fit(x, y, px, py, weight, fits[-1].step["matrix"]))
    best = fits[0]
    for richer in fits[1:]:
        if richer.kind == model or _better(richer, best, len(x)):
            best = richer
    if model in ("similarity", "affine", "homography"):
        return best
    base = np.asarray(best.step["matrix"])
    bent: Fit | None = None
    idle = 0
    for degree in range(2, highest + 1):
        # A lens bends by odd degrees, so one that brings nothing may be followed by one that does; two may not.
        if idle == 2:
            break
        if len(x) < _PAIRS_A_BEND * _terms(degree):
            break
        fit = _polynomial_fit(base, x, y, px, py, weight, degree)
        against: Fit | None = bent if model == "polynomial" else (bent or best)
        idle += 1
        if fit is not None and (against is None or _better(fit, against, len(x))):
            bent, idle = fit, 0
    return bent or best


def _better(fit: Fit, than: Fit, pairs: int) -> bool:
    """Return whether *fit* predicts better by 3 %, or by what chance may do where pairs are few.

    Of ten models tried on a dozen stars of a faint frame, one always seems better by a quarter.
    """
    gain = max(GAIN, 0.7 / math.sqrt(pairs), 6.0 / pairs)
    return max(fit.cross_validated, FINEST) < (1 - gain) * than.cross_validated


def _terms(degree: int) -> int:
    return (degree + 1) * (degree + 2) // 2


def _solved(design: Floats, target: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return the weighted least-squares solution (columns of *target* apart) and the leverage of each row."""
    # einsum without a library behind it: sums in one order, whatever the number of threads; over rows that lie in one
    # piece it is several times faster.
    terms = np.ascontiguousarray(design.T)
    weighted = terms * weight
    gram = np.einsum("in,jn->ij", weighted, terms)
    inverse = np.linalg.pinv(gram, hermitian=True)
    found = np.einsum("ij,jk->ik", inverse, np.einsum("in,kn->ik", weighted, np.ascontiguousarray(target.T)))
    leverage = (np.einsum("ji,jn->in", inverse, terms) * weighted).sum(axis=0)
    return found, np.minimum(leverage, 0.99)


def _figures(rx: Floats, ry: Floats, leverage: Floats, weight: Floats) -> tuple[float, float]:
    """Return rms and cross-validated rms along one axis.

    For a linear model the residual of a star against the fit of all others is ``r / (1 - leverage)``.
    """
    square, total = rx**2 + ry**2, 2 * float(weight.sum())
    out = square / (1 - leverage) ** 2
    return math.sqrt(float((weight * square).sum()) / total), math.sqrt(float((weight * out).sum()) / total)


def _judged(kind: str, degree: int, step: Step, x: Floats, y: Floats, px: Floats, py: Floats,
            weight: Floats, leverage: Floats) -> Fit:  # fmt: skip
    qx, qy = applied([step], x, y)
    rms, cross = _figures(px - qx, py - qy, leverage, weight)
    return Fit(kind, degree, step, rms, cross)


def _similarity_fits(x: Floats, y: Floats, px: Floats, py: Floats, weight: Floats) -> list[Fit]:
    """Return the fits of a shift (unless the images are mirrored), a shift and turn, and a similarity."""
    z, p = x + 1j * y, px + 1j * py
    total = weight.sum()
    mz, mp = complex((weight * z).sum() / total), complex((weight * p).sum() / total)
    dz, dp = z - mz, p - mp
    spread = max(float((weight * np.abs(dz) ** 2).sum()), 1e-300)
    turn, other = (complex((weight * factor * dp).sum() / spread) for factor in (np.conj(dz), dz))
    mirrored = abs(other) > abs(turn)
    turn = other if mirrored else turn
    alone, along = weight / total, weight * np.abs(dz) ** 2 / spread
    models = [("rigid", turn / abs(turn) if turn else 1.0, alone + along / 2), ("similarity", turn, alone + along)]
    if not mirrored:
        models.insert(0, ("shift", 1.0, alone))
    fits = []
    for kind, by, leverage in models:
        matrix = _turning(complex(by), complex(mp - by * (mz.conjugate() if mirrored else mz)), mirrored)
        fits.append(_judged(kind, 1, {"matrix": matrix}, x, y, px, py, weight, np.minimum(leverage, 0.99)))
    return fits


def _turning(turn: complex, move: complex, mirrored: bool) -> Floats:
    sign = -1.0 if mirrored else 1.0
    return np.array(
        [[turn.real, -sign * turn.imag, move.real], [turn.imag, sign * turn.real, move.imag], [0.0, 0.0, 1.0]]
    )


class _Unit(NamedTuple):
    """The change to coordinates of about -1..1 in which the equations are well conditioned."""

    cx: float
    cy: float
    half: float

    @property
    def matrix(self) -> Floats:
        return np.array(
            [[1 / self.half, 0.0, -self.cx / self.half], [0.0, 1 / self.half, -self.cy / self.half], [0.0, 0.0, 1.0]]
        )


def _unit(x: Floats, y: Floats) -> _Unit:
    x0, x1, y0, y1 = float(x.min()), float(x.max()), float(y.min()), float(y.max())
    return _Unit((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0, 1.0) / 2)


def _affine(x: Floats, y: Floats, px: Floats, py: Floats, weight: Floats) -> Floats:
    return np.asarray(_affine_fit(x, y, px, py, weight).step["matrix"])


def _affine_fit(x: Floats, y: Floats, px: Floats, py: Floats, weight: Floats) -> Fit:
    unit = _unit(x, y)
    design = np.column_stack([(x - unit.cx) / unit.half, (y - unit.cy) / unit.half, np.ones(len(x))])
    found, leverage = _solved(design, np.column_stack([px, py]), weight)
    matrix = product(np.vstack([found.T, [0.0, 0.0, 1.0]]), unit.matrix)
    return _judged("affine", 1, {"matrix": matrix}, x, y, px, py, weight, leverage)


def _homography_fit(x: Floats, y: Floats, px: Floats, py: Floats, weight: Floats, start: Any) -> Fit:
    """Least squares of the distances themselves (not of the algebraic error), by Gauss and Newton."""
    unit = _unit(x, y)
    u, v, one = (x - unit.cx) / unit.half, (y - unit.cy) / unit.half, np.ones(len(x))
    back = np.array([[unit.half, 0.0, unit.cx], [0.0, unit.half, unit.cy], [0.0, 0.0, 1.0]])
    m = product(np.asarray(start, np.float64), back)
    zero = np.zeros(len(x))
    leverage = np.zeros(len(x))
    for _ in range(6):
        w = m[2, 0] * u + m[2, 1] * v + 1.0
        qx, qy = (m[0, 0] * u + m[0, 1] * v + m[0, 2]) / w, (m[1, 0] * u + m[1, 1] * v + m[1, 2]) / w
        along_x = np.column_stack([u, v, one, zero, zero, zero, -qx * u, -qx * v]) / w[:, None]
        along_y = np.column_stack([zero, zero, zero, u, v, one, -qy * u, -qy * v]) / w[:, None]
        design = np.vstack([along_x, along_y])
        change, both = _solved(design, np.concatenate([px - qx, py - qy])[:, None], np.concatenate([weight, weight]))
        leverage = np.maximum(both[: len(x)], both[len(x) :])
        m = m + np.append(change[:, 0], 0.0).reshape(3, 3)
        m[2, 2] = 1.0
    matrix = scaled(product(m, unit.matrix))
    return _judged("homography", 1, {"matrix": matrix}, x, y, px, py, weight, leverage)


def _basis(u: Floats, v: Floats, degree: int) -> tuple[Floats, list[tuple[int, int]]]:
    """Return ``T_i(u) T_j(v)`` for i + j up to *degree*, a column each, and the (i, j)."""
    powers = [(i, n - i) for n in range(degree + 1) for i in range(n, -1, -1)]
    tu, tv = [np.ones_like(u), u], [np.ones_like(v), v]
    for _ in range(2, degree + 1):
        tu.append(2 * u * tu[-1] - tu[-2])
        tv.append(2 * v * tv[-1] - tv[-2])
    return np.column_stack([tu[i] * tv[j] for i, j in powers]), powers


def _domain(x: Floats, y: Floats) -> list[float]:
    """Return the box of the places, 2 % wider on each side: the last star is not the edge of the image."""
    x0, y0, x1, y1 = float(x.min()), float(y.min()), float(x.max()), float(y.max())
    dx, dy = 0.02 * (x1 - x0) + 0.5, 0.02 * (y1 - y0) + 0.5
    return [x0 - dx, y0 - dy, x1 + dx, y1 + dy]


def _bend(
    base: Floats, x: Floats, y: Floats, px: Floats, py: Floats, weight: Floats, degree: int
) -> tuple[Step, Floats]:
    """Return *base* with a polynomial of what it leaves, and the leverages."""
    domain = _domain(x, y)
    qx, qy = applied([{"matrix": base}], x, y)
    design, powers = _basis(*normalised(x, y, domain), degree)
    found, leverage = _solved(design, np.column_stack([px - qx, py - qy]), weight)
    coefficients = np.zeros((2, degree + 1, degree + 1))
    for (i, j), (cx, cy) in zip(powers, found, strict=True):
        coefficients[:, i, j] = cx, cy
    return {"matrix": base, "domain": domain, "coefficients": coefficients}, leverage


def _polynomial_fit(
    base: Floats, x: Floats, y: Floats, px: Floats, py: Floats, weight: Floats, degree: int
) -> Fit | None:
    """Return the fit of one degree; None if somewhere in its domain it folds the image."""
    step, leverage = _bend(base, x, y, px, py, weight, degree)
    if _folds(step):
        return None
    return _judged("polynomial", degree, step, x, y, px, py, weight, leverage)


def _folds(step: Step) -> bool:
    """Return whether the scale of areas leaves half to twice that of the matrix anywhere on a grid."""
    x0, y0, x1, y1 = step["domain"]
    x, y = np.meshgrid(np.linspace(x0, x1, 25), np.linspace(y0, y1, 25))
    for_base, for_all = (_areas(*step_applied(s, x, y)) for s in ({"matrix": step["matrix"]}, step))
    ratio = for_all / for_base
    return not bool(((ratio > 0.5) & (ratio < 2.0)).all())


def _areas(px: Floats, py: Floats) -> Floats:
    ax, ay = np.diff(px, axis=1)[:-1], np.diff(py, axis=1)[:-1]
    bx, by = np.diff(px, axis=0)[:, :-1], np.diff(py, axis=0)[:, :-1]
    return ax * by - ay * bx


def correction_grown(z: Complex, image: Complex, i: Ints, target: Complex) -> tuple[Complex, int]:
    """Return the *image* of all *z* moved by what its stars *i* tell, and how many terms that took.

    Nothing where they are few, then an affine map, then polynomials.
    """
    if len(i) < 15:
        return image, 0
    degree = 3 if len(i) >= 60 else 2 if len(i) >= 40 else 1
    zi, moved = z[i], target - image[i]
    domain = _domain(zi.real, zi.imag)
    design, _ = _basis(*normalised(zi.real, zi.imag, domain), degree)
    found, _ = _solved(design, np.column_stack([moved.real, moved.imag]), np.ones(len(i)))
    whole, _ = _basis(*normalised(z.real, z.imag, domain), degree)
    change = np.einsum("ni,ik->nk", whole, found)
    grown: Complex = image + (change[:, 0] + 1j * change[:, 1])
    return grown, _terms(degree)


def inverted(steps: Sequence[Step], box: Sequence[float]) -> list[Step]:
    """Return the map back. *box* (x0, y0, x1, y1) is where the map is used.

    A matrix is inverted exactly. The inverse of a polynomial is none, so one is fitted, two degrees higher, to
    a grid of places in *box* and where the map takes them.
    """
    if len(steps) == 1 and "coefficients" not in steps[0]:
        return [{"matrix": scaled(np.linalg.inv(np.asarray(steps[0]["matrix"], np.float64)))}]
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(box[0], box[2], 33), np.linspace(box[1], box[3], 33)))
    px, py = applied(steps, x, y)
    good = np.isfinite(px) & np.isfinite(py)
    px, py, x, y = px[good], py[good], x[good], y[good]
    degree = min(HIGHEST_DEGREE + 2, 2 + max(len(s["coefficients"][0]) for s in steps if "coefficients" in s))
    ones = np.ones(len(px))
    base = _affine(px, py, x, y, ones)
    return [_bend(base, px, py, x, y, ones, degree)[0]]
