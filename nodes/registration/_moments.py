"""Place, flux and shape of stars by adaptive Gaussian moments.

The window is an elliptical Gaussian whose centre and covariance are changed until they are those of the star
(Bernstein & Jarvis 2002, AJ 123, 583, section 3). For a Gaussian star of covariance C under a window W the
weighted second moments are Q = (C⁻¹ + W⁻¹)⁻¹ and the weighted mean is Q C⁻¹ off the centre; solved for C and
the offset, these give the next window.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ._mesh import Plane, Table, selected

SATURATED, EDGE, BLENDED, MISSING, UNMEASURED = 1, 2, 4, 8, 16

COLUMNS = ("x", "y", "flux", "peak", "background", "fwhm", "eccentricity", "theta", "snr", "flags")

TO_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))

_NARROWEST = 0.64
"""Least variance of a window; under a narrower one sums over samples no longer stand for integrals."""


def measured(
    plane: Plane, peaks: npt.NDArray[np.int64], radius: int, sigma: float, edges: tuple[int, int], pixel: float,
    start: float,
) -> Table:  # fmt: skip
    """Return one row of `COLUMNS` for each of *peaks*, in pixels of *plane*.

    Parameters
    ----------
    radius
        How far the window may reach.
    sigma
        Noise of a sample.
    edges
        First row of *plane* and the one after its last where these are the image's own edges; -1 where it goes on.
    pixel
        Variance that averaging samples added to the width of the stars, taken off again.
    start
        Standard deviation of the first window, in pixels.
    """
    table = np.zeros((len(peaks), len(COLUMNS)))
    _measure(plane, peaks, radius, sigma, edges[0], edges[1], pixel, start, table)
    good = table[table[:, 9].astype(np.int64) & UNMEASURED == 0, 5]
    typical = float(np.median(good)) / TO_FWHM if good.size >= 5 else start
    _measure_fixed(plane, peaks, radius, sigma, math.sqrt(typical * typical + pixel), pixel, table)
    return table


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _measure(
    plane: Any, peaks: Any, radius: Any, sigma: Any, top: Any, bottom: Any, pixel: Any, start: Any, table: Any
) -> None:
    side = 2 * radius + 1
    stamp, few, ring = np.empty((side, side)), np.empty(side * side, np.float32), _ring(radius)
    for k in range(peaks.shape[0]):
        y, x = peaks[k, 0], peaks[k, 1]
        flags = _cut(plane, y, x, radius, sigma, top, bottom, ring, stamp, few, table[k])
        ok, cx, cy, a, b, c, flux, snr = _adapt(stamp, radius, sigma, start, True)
        if not ok:
            flags |= UNMEASURED
        row = table[k]
        flags |= _flat_top(stamp, radius, row[3], sigma, a, c)
        _write(row, x + cx, y + cy, a - pixel, b, c - pixel, flux, snr, flags)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _measure_fixed(plane: Any, peaks: Any, radius: Any, sigma: Any, typical: Any, pixel: Any, table: Any) -> None:
    """Measure again, under a round window of *typical* width, the stars whose own width could not be found."""
    side = 2 * radius + 1
    stamp, few, ring = np.empty((side, side)), np.empty(side * side, np.float32), _ring(radius)
    for k in range(peaks.shape[0]):
        flags = int(table[k, 9])
        if flags & UNMEASURED == 0:
            continue
        y, x = peaks[k, 0], peaks[k, 1]
        _cut(plane, y, x, radius, sigma, -1, -1, ring, stamp, few, table[k])
        _, cx, cy, a, b, c, flux, snr = _adapt(stamp, radius, sigma, typical, False)
        _write(table[k], x + cx, y + cy, a - pixel, b, c - pixel, flux, snr, flags)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _write(row: Any, x: Any, y: Any, a: Any, b: Any, c: Any, flux: Any, snr: Any, flags: Any) -> None:
    middle, half = 0.5 * (a + c), math.sqrt(0.25 * (a - c) ** 2 + b * b)
    long, short = max(middle + half, 0.04), max(middle - half, 0.04)
    row[0], row[1], row[2] = x, y, flux
    row[5] = TO_FWHM * math.sqrt(math.sqrt(long * short))
    row[6] = math.sqrt(max(0.0, 1.0 - short / long))
    theta = 0.5 * math.atan2(2.0 * b, a - c) * (180.0 / math.pi)
    row[7] = theta if theta < 90.0 else -90.0
    row[8], row[9] = snr, flags


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _ring(r: Any) -> Any:
    """Return where in a stamp the background is asked: every other sample between 0.6 *r* and *r* from its middle."""
    found = np.empty(((2 * r + 1) ** 2, 2), np.int64)
    n = 0
    inner = 0.6 * r
    for i in range(-r, r + 1):
        for j in range(-r, r + 1):
            d = i * i + j * j
            if d > inner * inner and d <= r * r and (i + j) % 2 == 0:
                found[n, 0], found[n, 1] = i + r, j + r
                n += 1
    return found[:n]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _cut(
    plane: Any, y: Any, x: Any, r: Any, sigma: Any, top: Any, bottom: Any, ring: Any, stamp: Any, few: Any, row: Any
) -> Any:
    """Put the samples about a peak, above their own background, into *stamp* (NaN where none is); return flags."""
    rows, columns = plane.shape
    flags, n = 0, 0
    y0, y1, x0, x1 = max(0, y - r), min(rows, y + r + 1), max(0, x - r), min(columns, x + r + 1)
    whole = y1 - y0 > 2 * r and x1 - x0 > 2 * r
    if not whole:
        stamp[:] = np.nan
    for k in range(ring.shape[0]):
        i, j = y - r + ring[k, 0], x - r + ring[k, 1]
        v = plane[i, j] if whole or (y0 <= i < y1 and x0 <= j < x1) else np.float32(np.nan)
        few[n] = v  # perhaps overwritten by the next
        n += np.isfinite(v)
    base = np.float64(_ranked(few, n, n // 2)) if n else 0.0
    peak = -np.inf
    for i in range(y0, y1):
        _lowered(plane[i, x0:x1], base, stamp[i - y + r, x0 - x + r : x1 - x + r])
    _clean(stamp, r, sigma, few)
    near = 4
    if x < near or x >= columns - near or (top >= 0 and y < top + near) or (bottom >= 0 and y >= bottom - near):
        flags |= EDGE
    for i in range(max(0, r - near), min(2 * r, r + near) + 1):
        for j in range(max(0, r - near), min(2 * r, r + near) + 1):
            if not np.isfinite(stamp[i, j]):
                if flags & EDGE == 0:
                    flags |= MISSING
            elif abs(i - r) <= 1 and abs(j - r) <= 1:
                peak = max(peak, stamp[i, j])
    row[3], row[4] = peak, base
    return flags


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _ranked(x: Any, n: Any, k: Any) -> Any:
    """Return the *k*-th smallest (from 0) of the first *n* elements of *x* (float32), which are written over.

    Bits of floats, taken for integers, have their order. Halving the range of these and counting takes some two dozen
    passes without a branch: for some hundred samples a fifth of the time of sorting them apart.
    """
    bits = x.view(np.int32)
    low, high = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
    for i in range(n):
        b = bits[i]
        b = np.int32(b ^ (np.int32(b >> np.int32(31)) & np.int32(0x7FFFFFFF)))
        bits[i] = b
        low, high = min(low, b), max(high, b)
    while low < high:
        middle = np.int32((np.int64(low) + np.int64(high)) >> np.int64(1))
        below = np.int32(0)
        for i in range(n):
            below = np.int32(below + np.int32(bits[i] <= middle))
        if below > k:
            high = middle
        else:
            low = np.int32(middle + np.int32(1))
    bits[0] = np.int32(low ^ (np.int32(low >> np.int32(31)) & np.int32(0x7FFFFFFF)))
    return x[0]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _lowered(row: Any, base: Any, out: Any) -> None:
    for i in range(row.size):
        out[i] = row[i] - base


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _clean(stamp: Any, r: Any, sigma: Any, few: Any) -> None:
    """Give single hot samples the median of their neighbours, so that they do not pull the centre."""
    side = 2 * r + 1
    for i in range(1, side - 1):
        if _above(stamp[i], 6.0 * sigma) == 0:
            continue
        for j in range(1, side - 1):
            v = stamp[i, j]
            if not v > 6.0 * sigma:
                continue
            # The median of their neighbours is that low where more than half of these are: seldom.
            n, low = 0, 0
            for k in range(-1, 2):
                for m in range(-1, 2):
                    w = np.float32(stamp[i + k, j + m])
                    if (k != 0 or m != 0) and np.isfinite(w):
                        few[n] = w
                        n += 1
                        low += w < 0.1 * v
            if n >= 5 and low > n // 2:
                stamp[i, j] = np.float64(selected(few, n, n // 2))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _above(row: Any, threshold: Any) -> Any:
    n = 0
    for i in range(row.size):
        n += row[i] > threshold
    return n


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _floored(a: Any, b: Any, c: Any) -> Any:
    """Return the covariance with no axis narrower than `_NARROWEST`."""
    middle, half = 0.5 * (a + c), math.sqrt(0.25 * (a - c) ** 2 + b * b)
    if middle - half >= _NARROWEST:
        return a, b, c
    if middle + half <= _NARROWEST:
        return _NARROWEST, 0.0, _NARROWEST
    # Along the long axis as it is, across it the floor.
    long = middle + half
    cos2, sin2 = 0.5 * (a - c) / half, b / half
    middle, half = 0.5 * (long + _NARROWEST), 0.5 * (long - _NARROWEST)
    return middle + half * cos2, half * sin2, middle - half * cos2


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _adapt(stamp: Any, r: Any, sigma: Any, start: Any, free: Any) -> Any:
    """Return ok, offset x and y, covariance xx xy yy, flux, snr of the matched window; *free*: its shape adapts."""
    cx = cy = 0.0
    a, b, c = start * start, 0.0, start * start  # the window
    na, nb, nc = a, b, c  # the star
    qa, qb, qc = 0.5 * a, 0.0, 0.5 * c
    widest = (r / 3.5) ** 2
    ok = False
    for _ in range(40):
        det = a * c - b * b
        ia, ib, ic = c / det, -b / det, a / det
        s0, sx, sy, sxx, sxy, syy, _w2 = _sums(stamp, r, cx, cy, ia, ib, ic, a, c)
        if s0 <= 0.0:
            break
        mx, my = sx / s0, sy / s0
        qa, qb, qc = sxx / s0 - mx * mx, sxy / s0 - mx * my, syy / s0 - my * my
        qdet = qa * qc - qb * qb
        if not (qa > 0.0 and qdet > 0.0):
            break
        ja, jb, jc = qc / qdet, -qb / qdet, qa / qdet
        oa, ob, oc = na, nb, nc
        if free:
            # C = (Q⁻¹ - W⁻¹)⁻¹; where noise makes that no ellipse, C = 2 Q has the same fixed point.
            pa, pb, pc = ja - ia, jb - ib, jc - ic
            pdet = pa * pc - pb * pb
            if pa > 0.0 and pdet > 1e-3 * (ia * ic - ib * ib):
                na, nb, nc = pc / pdet, -pb / pdet, pa / pdet
            else:
                na, nb, nc = 2.0 * qa, 2.0 * qb, 2.0 * qc
            # Offset = C Q⁻¹ m; that is 2 m under a window of the star's own width.
            hx, hy = ja * mx + jb * my, jb * mx + jc * my
            dx, dy = na * hx + nb * hy, nb * hx + nc * hy
        else:
            dx, dy = 2.0 * mx, 2.0 * my
        dx, dy = min(max(dx, -1.0), 1.0), min(max(dy, -1.0), 1.0)
        cx, cy = cx + dx, cy + dy
        change = max(abs(na - oa), abs(nc - oc), abs(nb - ob)) / (na + nc)
        if na > widest or nc > widest or abs(cx) > 3.5 or abs(cy) > 3.5:
            break
        a, b, c = _floored(na, nb, nc)
        if abs(dx) < 2e-4 and abs(dy) < 2e-4 and change < 1e-3:
            ok = free
            break
    if abs(cx) > 3.5 or abs(cy) > 3.5:
        cx = cy = 0.0
    if not ok:
        a, b, c = start * start, 0.0, start * start
    det = a * c - b * b
    s0, sx, sy, sxx, sxy, syy, w2 = _sums(stamp, r, cx, cy, c / det, -b / det, a / det, a, c)
    if w2 <= 0.0:
        return False, cx, cy, a, b, c, 0.0, 0.0
    snr = s0 / (sigma * math.sqrt(w2))
    if not ok:
        return False, cx, cy, a, b, c, s0 / w2 * 2.0 * math.pi * math.sqrt(det), snr
    flux = s0 * math.sqrt((na * nc - nb * nb) / (qa * qc - qb * qb))
    return True, cx, cy, na, nb, nc, flux, snr


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sums(stamp: Any, r: Any, cx: Any, cy: Any, ia: Any, ib: Any, ic: Any, a: Any, c: Any) -> Any:
    """Return the weighted sums of 1, x, y, xx, xy, yy and that of the squared weights, within four sigma."""
    wx, wy = 4.0 * math.sqrt(a), 4.0 * math.sqrt(c)
    x0, x1 = max(-r, math.ceil(cx - wx)), min(r, math.floor(cx + wx))
    y0, y1 = max(-r, math.ceil(cy - wy)), min(r, math.floor(cy + wy))
    s0 = sx = sy = sxx = sxy = syy = w2 = 0.0
    bend = math.exp(-ia)
    for i in range(y0, y1 + 1):
        dy = i - cy
        # Within four sigma: where the exponent's parabola along the row stays below sixteen.
        middle, reach = cx - ib * dy / ia, (16.0 - (ic - ib * ib / ia) * dy * dy) / ia
        if not reach > 0.0:
            continue
        reach = math.sqrt(reach)
        first, last = max(x0, math.ceil(middle - reach)), min(x1, math.floor(middle + reach))
        dx = first - cx
        # Along a row each weight is the one before times a ratio that itself changes by one factor.
        w = math.exp(-0.5 * (ia * dx * dx + 2.0 * ib * dx * dy + ic * dy * dy))
        ratio = math.exp(-0.5 * (ia * (2.0 * dx + 1.0) + 2.0 * ib * dy))
        t0 = t1 = t2 = 0.0
        for j in range(first, last + 1):
            v = stamp[i + r, j + r]
            dx = j - cx
            if np.isfinite(v):
                p = w * v
                t0 += p
                t1 += p * dx
                t2 += p * dx * dx
                w2 += w * w
            w *= ratio
            ratio *= bend
        s0 += t0
        sx += t1
        sxx += t2
        sy += t0 * dy
        sxy += t1 * dy
        syy += t0 * dy * dy
    return s0, sx, sy, sxx, sxy, syy, w2


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _flat_top(stamp: Any, r: Any, peak: Any, sigma: Any, a: Any, c: Any) -> Any:
    """Return the flag of a bright star with a flat top, which has lost light wherever its peak lies."""
    if peak < 30.0 * sigma:
        return 0
    flat = 0
    for i in range(max(0, r - 6), min(2 * r, r + 6) + 1):
        for j in range(max(0, r - 6), min(2 * r, r + 6) + 1):
            if stamp[i, j] > 0.995 * peak:
                flat += 1
    # A Gaussian keeps within 0.5 % of its peak over 0.03 times the root of its covariance's determinant.
    return SATURATED if flat >= 4 + int(0.1 * math.sqrt(a * c)) else 0


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def crests(tile: Any, peaks: Any, reach: Any) -> Any:
    """Return the brightest sample of any channel of *tile* near each of *peaks*, up to *reach* below and right."""
    found = np.full(peaks.shape[0], -np.inf)
    for k in range(peaks.shape[0]):
        for channel in range(tile.shape[0]):
            for y in range(max(0, peaks[k, 0] - 1), min(tile.shape[1], peaks[k, 0] + 1 + reach)):
                for x in range(max(0, peaks[k, 1] - 1), min(tile.shape[2], peaks[k, 1] + 1 + reach)):
                    if tile[channel, y, x] > found[k]:
                        found[k] = tile[channel, y, x]
    return found
