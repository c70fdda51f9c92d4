"""Demosaicing by a variable number of gradients: Chang, Cheung & Pang, Proc. SPIE 3650, 36 (1999).

Places are told as (dy, dx) from the pixel; *w* holds its 5 x 5 surroundings, row by row. A pixel of a Bayer
mosaic is of one of two kinds. At a red or blue one the four nearest are green and the four diagonal ones of the
opposite colour; at a green one, one of the other colours stands left and right, the other above and below.

The mean colours of a direction are those that the nearest samples give the adjacent pixel; where that pixel is of
another colour than the pixel itself, its own colour is the mean of its sample and the one two steps away.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from ._neighbours import nearest_mean

_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")
HALO = 2

# Threshold = LEAST * smallest gradient + SPREAD * (largest - smallest); values of the paper.
LEAST, SPREAD = 1.5, 0.5


@_jit
def _at(w, dy, dx):  # type: ignore[no-untyped-def]
    return w[12 + 5 * dy + dx]


@_jit
def _step(w, ay, ax, by, bx):  # type: ignore[no-untyped-def]
    return abs(_at(w, ay, ax) - _at(w, by, bx))


@_jit
def _straight(w, dy, dx):  # type: ignore[no-untyped-def]
    """Return the gradient along a row or column; the same places for both kinds of pixel."""
    ey, ex = dx, dy
    whole = _step(w, dy, dx, -dy, -dx) + _step(w, 2 * dy, 2 * dx, 0, 0)
    beside = _step(w, dy + ey, dx + ex, ey - dy, ex - dx) + _step(w, dy - ey, dx - ex, -dy - ey, -dx - ex)
    beside += _step(w, 2 * dy + ey, 2 * dx + ex, ey, ex) + _step(w, 2 * dy - ey, 2 * dx - ex, -ey, -ex)
    return whole + 0.5 * beside


@_jit
def _diagonal(w, dy, dx, green):  # type: ignore[no-untyped-def]
    whole = _step(w, dy, dx, -dy, -dx) + _step(w, 2 * dy, 2 * dx, 0, 0)
    if green:
        return whole + _step(w, 2 * dy, dx, 0, -dx) + _step(w, dy, 2 * dx, -dy, 0)
    beside = _step(w, dy, 0, 0, -dx) + _step(w, 0, dx, -dy, 0)
    beside += _step(w, 2 * dy, dx, dy, 0) + _step(w, dy, 2 * dx, 0, dx)
    return whole + 0.5 * beside


@_jit
def _gradients(w, green, g):  # type: ignore[no-untyped-def]
    g[0] = _straight(w, -1, 0)
    g[1] = _diagonal(w, -1, 1, green)
    g[2] = _straight(w, 0, 1)
    g[3] = _diagonal(w, 1, 1, green)
    g[4] = _straight(w, 1, 0)
    g[5] = _diagonal(w, 1, -1, green)
    g[6] = _straight(w, 0, -1)
    g[7] = _diagonal(w, -1, -1, green)


@_jit
def _two(w, ay, ax, by, bx):  # type: ignore[no-untyped-def]
    return 0.5 * (_at(w, ay, ax) + _at(w, by, bx))


@_jit
def _means_beside_colour(w, dy, dx):  # type: ignore[no-untyped-def]
    """Return own, green and opposite colour in a direction from a red or blue pixel."""
    own = _two(w, 0, 0, 2 * dy, 2 * dx)
    adjacent = _at(w, dy, dx)
    if dy == 0 or dx == 0:
        return own, adjacent, _two(w, dy + dx, dx + dy, dy - dx, dx - dy)
    green = 0.5 * (_two(w, dy, 0, 0, dx) + _two(w, 2 * dy, dx, dy, 2 * dx))
    return own, green, adjacent


@_jit
def _means_beside_green(w, dy, dx):  # type: ignore[no-untyped-def]
    """Return green, the colour left and right, and the colour above and below, in a direction from a green pixel."""
    adjacent = _at(w, dy, dx)
    if dy == 0 or dx == 0:
        own = _two(w, 0, 0, 2 * dy, 2 * dx)
        ey, ex = dx, dy
        beyond = _two(w, 2 * dy + ey, 2 * dx + ex, 2 * dy - ey, 2 * dx - ex)
        other = 0.5 * (_two(w, ey, ex, -ey, -ex) + beyond)
        return (own, adjacent, other) if dy == 0 else (own, other, adjacent)
    return adjacent, _two(w, 0, dx, 2 * dy, dx), _two(w, dy, 0, dy, 2 * dx)


@_jit
def _add(w, dy, dx, green, gradient, threshold, sums):  # type: ignore[no-untyped-def]
    """Add the mean colours of a direction to *sums* and count it, if its gradient is small enough."""
    if not gradient <= threshold:  # also where a missing sample made the gradient NaN
        return
    a, b, c = _means_beside_green(w, dy, dx) if green else _means_beside_colour(w, dy, dx)
    if np.isfinite(a + b + c):
        sums[0] += a
        sums[1] += b
        sums[2] += c
        sums[3] += 1.0


@_jit
def _chosen(w, green, g, sums):  # type: ignore[no-untyped-def]
    """Add up the mean colours of the directions whose gradient is small enough, and count them."""
    least, most = np.inf, -np.inf
    for d in range(8):
        least = g[d] if g[d] < least else least
        most = g[d] if most < g[d] < np.inf else most
    threshold = LEAST * least + SPREAD * (most - least)
    sums[:] = 0.0
    # One call for each direction: with constant steps each becomes a few additions.
    _add(w, -1, 0, green, g[0], threshold, sums)
    _add(w, -1, 1, green, g[1], threshold, sums)
    _add(w, 0, 1, green, g[2], threshold, sums)
    _add(w, 1, 1, green, g[3], threshold, sums)
    _add(w, 1, 0, green, g[4], threshold, sums)
    _add(w, 1, -1, green, g[5], threshold, sums)
    _add(w, 0, -1, green, g[6], threshold, sums)
    _add(w, -1, -1, green, g[7], threshold, sums)


@_jit
def _kept_within(value, w, lo, hi):  # type: ignore[no-untyped-def]
    """Return *value*, no further beyond lo..hi than the samples around it.

    What interpolation adds beyond the range is cut; samples that lie there, as noise about a subtracted sky
    does, are not.
    """
    if lo <= value <= hi:
        return value
    for v in w:
        if v < lo:
            lo = v
        if v > hi:
            hi = v
    return min(max(value, lo), hi)


@_jit
def variable_number_of_gradients(p, y0, x0, colours, offsets, counts, lo, hi, out):  # type: ignore[no-untyped-def]
    """Write the three colours of each pixel.

    *p* has HALO pixels more than *out* on each side; *out* begins at (y0, x0) of the image. Where missing samples
    leave no direction, the nearest samples of a colour are averaged.
    """
    w, g, sums = np.empty(25), np.empty(8), np.empty(4)
    for i in range(out.shape[1]):
        py = (y0 + i) % 2
        for j in range(out.shape[2]):
            px = (x0 + j) % 2
            for k in range(5):
                for m in range(5):
                    w[5 * k + m] = p[i + k, j + m]
            v = w[12]
            if not np.isfinite(v):
                out[0, i, j] = out[1, i, j] = out[2, i, j] = np.nan
                continue
            own = colours[py, px]
            green = own == 1
            _gradients(w, green, g)
            _chosen(w, green, g, sums)
            if sums[3] == 0.0:
                for c in range(3):
                    out[c, i, j] = nearest_mean(p, i + HALO, j + HALO, offsets[py, px, c], counts[py, px, c])
                continue
            # The second and third of the sums: left-right and above-below; or green and opposite.
            second = colours[py, 1 - px] if green else 1
            third = colours[1 - py, px] if green else 2 - own
            out[own, i, j] = v
            out[second, i, j] = _kept_within(v + (sums[1] - sums[0]) / sums[3], w, lo, hi)
            out[third, i, j] = _kept_within(v + (sums[2] - sums[0]) / sums[3], w, lo, hi)
