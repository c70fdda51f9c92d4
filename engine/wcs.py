"""What happens to the FITS words of a celestial solution when the pixel grid is moved, scaled, mirrored or turned.

All of it is one statement: FITS pixel coordinates p (the centre of the first stored pixel is (1, 1)) become
``p' = M p + t``. With N the inverse of M and d = p - CRPIX, the linear part of the solution turns from
``CD d`` into ``(CD N) d'`` about ``CRPIX' = M CRPIX + t``, and a SIP polynomial f (Shupe et al. 2005), which
says ``CD (d + f(d))``, into ``f'(d') = M f(N d')``: a polynomial of the same order, so nothing is approximated.
Distortions that act on intermediate world coordinates (PVi_m of TPV and of other projections, TNX, ZPX) come
after CD and stay as they are. Lookup tables (CPDIS, D2IM) are indexed by pixels of another grid and lie
outside these words: the solution is dropped rather than left wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from .frame import Card, Frame, Word

Cards = tuple[Card, ...]
Polynomial = dict[tuple[int, int], float]

_AXIS = re.compile(r"(CRPIX|CDELT|CROTA)(\d)([A-Z]?)")
_MATRIX = re.compile(r"(CD|PC)(\d)_(\d)([A-Z]?)")
_SIP = re.compile(r"(A|B|AP|BP)_(?:(ORDER|DMAX)|(\d)_(\d))")
_TABLES = re.compile(r"(CPDIS|CQDIS|D2IMDIS|DP|DQ|CPERR|D2IMERR|D2IMARR|AXISCORR)\d?[A-Z]?(\..*)?")
_OLD_MATRIX = re.compile(r"(CD|PC)\d{6}")
_GRID_SIZE = re.compile(r"NAXIS\d?|IMAGE[WH]|LT[MV]\d(_\d)?")


class Affine(NamedTuple):
    """``x' = xx x + xy y + tx``, ``y' = yx x + yy y + ty`` between FITS pixel coordinates of two grids."""

    xx: float
    xy: float
    yx: float
    yy: float
    tx: float
    ty: float

    @property
    def inverse_matrix(self) -> tuple[float, float, float, float]:
        det = self.determinant
        return self.yy / det, -self.xy / det, -self.yx / det, self.xx / det

    @property
    def determinant(self) -> float:
        return self.xx * self.yy - self.xy * self.yx

    @property
    def is_shift(self) -> bool:
        return self[:4] == (1.0, 0.0, 0.0, 1.0)

    @property
    def is_uniform(self) -> bool:
        """Whether the grid is only shifted and scaled, by one positive factor."""
        return self.xx == self.yy > 0 and self.xy == self.yx == 0

    def then(self, after: Affine) -> Affine:
        """Return this change of grid followed by *after*."""
        a, b = self, after
        return Affine(
            b.xx * a.xx + b.xy * a.yx, b.xx * a.xy + b.xy * a.yy,
            b.yx * a.xx + b.yy * a.yx, b.yx * a.xy + b.yy * a.yy,
            b.xx * a.tx + b.xy * a.ty + b.tx, b.yx * a.tx + b.yy * a.ty + b.ty,
        )  # fmt: skip


def shifting(dx: float, dy: float) -> Affine:
    """Return the change of grid that puts what was at column x, row y at x + dx, y + dy."""
    return Affine(1.0, 0.0, 0.0, 1.0, dx, dy)


def scaling(fx: float, fy: float) -> Affine:
    """Return the change to a grid of *fx* times the columns and *fy* times the rows over the same field.

    Pixel edges stay where they are: the outer edge of the first pixel is at 0.5 before and after.
    """
    return Affine(fx, 0.0, 0.0, fy, 0.5 - 0.5 * fx, 0.5 - 0.5 * fy)


def mirrored_columns(width: int) -> Affine:
    """Return the change of grid when the columns of an image *width* wide are reversed."""
    return Affine(-1.0, 0.0, 0.0, 1.0, width + 1.0, 0.0)


def mirrored_rows(height: int) -> Affine:
    """Return the change of grid when the rows of an image *height* high are reversed."""
    return Affine(1.0, 0.0, 0.0, -1.0, 0.0, height + 1.0)


def transposing() -> Affine:
    """Return the change of grid when rows and columns are exchanged."""
    return Affine(0.0, 1.0, 1.0, 0.0, 0.0, 0.0)


def carry(frame: Frame, affine: Affine) -> Frame:
    """Return *frame* with its celestial solution carried to the grid after *affine*; the size is not touched.

    A solution that cannot be carried is dropped, and the normalised word ``wcs`` says why.
    """
    cards, reason = moved(frame.wcs, affine)
    if not reason:
        return frame.with_(wcs=cards)
    others = tuple(w for w in frame.words if w[0] != "wcs")
    return frame.with_(wcs=(), words=tuple(sorted((*others, ("wcs", Word(None, reason))))))


def shift(cards: Cards, dx: float, dy: float) -> Cards:
    """Return *cards* after the content of the image moved by (dx, dy) pixels; empty if they cannot be carried."""
    return moved(cards, shifting(dx, dy))[0]


def scale(cards: Cards, fx: float, fy: float) -> Cards:
    """Return *cards* for a grid of fx, fy times as many pixels; empty if they cannot be carried."""
    return moved(cards, scaling(fx, fy))[0]


def moved(cards: Cards, affine: Affine) -> tuple[Cards, str]:
    """Return *cards* on the grid after *affine*, and why they had to be dropped (empty: they were not)."""
    if not cards or affine == shifting(0.0, 0.0):
        return cards, ""
    reason = _obstacle(cards)
    if reason:
        return (), reason
    values = {k: _number(v) for k, v, _ in cards}
    changed: dict[str, float] = {}
    dropped: set[str] = {k for k in values if _GRID_SIZE.fullmatch(k)}
    for alternate in sorted({m[3] for k in values if (m := _AXIS.fullmatch(k))} | {""}):
        _move_reference(values, alternate, affine, changed)
        _move_matrix(values, alternate, affine, changed, dropped)
    if not affine.is_shift:
        _move_sip(values, affine, changed, dropped)
    return _written(cards, changed, dropped), ""


def _obstacle(cards: Cards) -> str:
    for keyword, value, _ in cards:
        if _TABLES.fullmatch(keyword):
            return f"dropped: {keyword} refers to a distortion table of the original pixel grid"
        if _OLD_MATRIX.fullmatch(keyword):
            return f"dropped: {keyword} is of an obsolete form of the linear transformation"
        if (_AXIS.fullmatch(keyword) or _MATRIX.fullmatch(keyword) or _SIP.fullmatch(keyword)) and (
            not math.isfinite(_number(value))
        ):
            return f"dropped: {keyword} should be a number, is {value!r}"
    return ""


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        return float(str(value))
    except ValueError:
        return math.nan


def _move_reference(values: Mapping[str, float], a: str, m: Affine, changed: dict[str, float]) -> None:
    x, y = values.get(f"CRPIX1{a}", 0.0), values.get(f"CRPIX2{a}", 0.0)
    changed[f"CRPIX1{a}"] = m.xx * x + m.xy * y + m.tx
    changed[f"CRPIX2{a}"] = m.yx * x + m.yy * y + m.ty


def _move_matrix(
    values: Mapping[str, float], a: str, m: Affine, changed: dict[str, float], dropped: set[str]
) -> None:
    """Carry CD, PC with CDELT, or CDELT with CROTA; a form is kept where it can say the result."""
    if m.is_shift:
        return
    has_cd = any(f"CD{i}_{j}{a}" in values for i in (1, 2) for j in (1, 2))
    has_pc = any(f"PC{i}_{j}{a}" in values for i in (1, 2) for j in (1, 2))
    if has_cd:
        _move_rows("CD", 0.0, values, a, m.inverse_matrix, changed)
        if not m.is_uniform:
            dropped |= {f"CROTA{i}{a}" for i in (1, 2)}
    size = math.sqrt(abs(m.determinant))
    if has_pc or (has_cd and f"CDELT1{a}" in values):
        # CDELT keeps the meaning of a pixel's size; what is left for PC is a turn, a mirror, a squeeze.
        for i in (1, 2):
            changed[f"CDELT{i}{a}"] = values.get(f"CDELT{i}{a}", 1.0) / size
    if has_pc:
        n = m.inverse_matrix
        _move_rows("PC", 1.0, values, a, (n[0] * size, n[1] * size, n[2] * size, n[3] * size), changed)
    if not has_cd and not has_pc:
        _move_scales(values, a, m, changed, dropped)


def _move_rows(
    kind: str, diagonal: float, values: Mapping[str, float], a: str,
    n: tuple[float, float, float, float], changed: dict[str, float],
) -> None:  # fmt: skip
    rows = {1, 2} | {int(k[2]) for k in values if (g := _MATRIX.fullmatch(k)) and g[1] == kind and g[4] == a}
    for i in sorted(rows):
        u = values.get(f"{kind}{i}_1{a}", diagonal if i == 1 else 0.0)
        v = values.get(f"{kind}{i}_2{a}", diagonal if i == 2 else 0.0)
        new = (u * n[0] + v * n[2], u * n[1] + v * n[3])
        for j in (1, 2):
            if i <= 2 or (u, v) != (0.0, 0.0):
                changed[f"{kind}{i}_{j}{a}"] = new[j - 1]


def _move_scales(
    values: Mapping[str, float], a: str, m: Affine, changed: dict[str, float], dropped: set[str]
) -> None:
    """Carry CDELT and CROTA2 (AIPS convention); where they cannot say the result, write CD instead."""
    n = m.inverse_matrix
    dx, dy = values.get(f"CDELT1{a}", 1.0), values.get(f"CDELT2{a}", 1.0)
    rota = values.get(f"CROTA2{a}", values.get(f"CROTA1{a}", 0.0))
    if m.is_uniform or (rota == 0.0 and n[1] == n[2] == 0.0):
        changed[f"CDELT1{a}"], changed[f"CDELT2{a}"] = dx * n[0], dy * n[3]
        return
    dropped |= {f"{w}{i}{a}" for w in ("CDELT", "CROTA") for i in (1, 2)}
    c, s = math.cos(math.radians(rota)), math.sin(math.radians(rota))
    cd = {f"CD1_1{a}": dx * c, f"CD1_2{a}": -dy * s, f"CD2_1{a}": dx * s, f"CD2_2{a}": dy * c}
    _move_rows("CD", 0.0, cd, a, n, changed)


# -- SIP ------------------------------------------------------------------------------------------


def _move_sip(values: Mapping[str, float], m: Affine, changed: dict[str, float], dropped: set[str]) -> None:
    """Carry A, B (on pixel offsets d) and AP, BP (on the undistorted offsets): f' = M f(N .) for both."""
    for first, second in (("A", "B"), ("AP", "BP")):
        if f"{first}_ORDER" not in values and f"{second}_ORDER" not in values:
            continue
        f, g = _polynomial(values, first), _polynomial(values, second)
        dropped |= {k for k in values if (s := _SIP.fullmatch(k)) and s[1] in (first, second) and s[2] is None}
        dropped |= {f"{first}_DMAX", f"{second}_DMAX"}
        f, g = _substituted(f, m), _substituted(g, m)
        order = max(values.get(f"{first}_ORDER", 0.0), values.get(f"{second}_ORDER", 0.0))
        for name, p, q in ((first, m.xx, m.xy), (second, m.yx, m.yy)):
            changed[f"{name}_ORDER"] = order
            for key in sorted(set(f) | set(g)):
                coefficient = p * f.get(key, 0.0) + q * g.get(key, 0.0)
                if coefficient != 0.0:
                    changed[f"{name}_{key[0]}_{key[1]}"] = coefficient


def _polynomial(values: Mapping[str, float], name: str) -> Polynomial:
    order = int(values.get(f"{name}_ORDER", 0.0))
    found = {(i, j): values.get(f"{name}_{i}_{j}", 0.0) for i in range(order + 1) for j in range(order + 1 - i)}
    return {k: v for k, v in found.items() if v != 0.0}


def _substituted(polynomial: Polynomial, m: Affine) -> Polynomial:
    """Return the polynomial of the new offsets (x', y'), with x = n0 x' + n1 y' and y = n2 x' + n3 y'."""
    n = m.inverse_matrix
    out: Polynomial = {}
    for (i, j), coefficient in polynomial.items():
        for k in range(i + 1):
            left = math.comb(i, k) * n[0] ** (i - k) * n[1] ** k
            for q in range(j + 1):
                term = coefficient * left * math.comb(j, q) * n[2] ** (j - q) * n[3] ** q
                if term != 0.0:
                    key = (i - k + j - q, k + q)
                    out[key] = out.get(key, 0.0) + term
    return out


# -- writing --------------------------------------------------------------------------------------


def _written(cards: Cards, changed: Mapping[str, float], dropped: set[str]) -> Cards:
    """Return *cards* with the changed values in their old places and the new ones at the end."""
    out: list[Card] = []
    seen: set[str] = set()
    for keyword, value, comment in cards:
        if keyword in changed:
            if keyword not in seen:
                out.append((keyword, _plain(keyword, changed[keyword]), comment))
        elif keyword not in dropped:
            out.append((keyword, value, comment))
        seen.add(keyword)
    out += [(k, _plain(k, v), "") for k, v in changed.items() if k not in seen]
    return tuple(out)


def _plain(keyword: str, value: float) -> float | int:
    """Orders are whole numbers; -0.0 is written as 0.0."""
    return int(value) if keyword.endswith("_ORDER") else value + 0.0
