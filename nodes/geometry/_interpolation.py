"""Interpolation between pixels: filters, taps along an axis, and the kernels that apply them.

Everything is a function of the absolute output index: the same pixel comes out however the image is cut.
Positions are exact fractions of whole numbers, so no rounding depends on where a strip begins.

Sources: Lanczos (1956) and Duchon (1979); Keys (1981) for the cubic convolution; Mitchell and Netravali
(1988) for the family of cubic filters; PixInsight's documentation on interpolation algorithms for clamping.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Filter = Callable[[Floats], Floats]
_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


class Taps(NamedTuple):
    """For each output index along one axis: the input indices it is made of, and their weights."""

    place: Ints
    weight: Floats

    @property
    def first(self) -> int:
        return int(self.place.min())

    @property
    def end(self) -> int:
        return int(self.place.max()) + 1

    def within(self, origin: int) -> Taps:
        """Return the taps with indices counted from *origin*."""
        return Taps(self.place - origin, self.weight)


def lanczos(n: int) -> Filter:
    """Return ``sinc(x) sinc(x / n)``, zero from |x| = n on."""

    def weights(x: Floats) -> Floats:
        return np.where(np.abs(x) < n, np.sinc(x) * np.sinc(x / n), 0.0)

    return weights


def cubic(b: float, c: float) -> Filter:
    """Return the cubic filter of Mitchell and Netravali (1988), eq. 8: (0, 1/2) is Catmull-Rom, (1, 0) B-spline."""
    near = np.array([12 - 9 * b - 6 * c, -18 + 12 * b + 6 * c, 0.0, 6 - 2 * b]) / 6
    far = np.array([-b - 6 * c, 6 * b + 30 * c, -12 * b - 48 * c, 8 * b + 24 * c]) / 6

    def weights(x: Floats) -> Floats:
        a = np.abs(x)
        return np.where(a < 1, np.polyval(near, a), np.where(a < 2, np.polyval(far, a), 0.0))

    return weights


def tent(x: Floats) -> Floats:
    """Return the weights of linear interpolation."""
    return np.maximum(0.0, 1.0 - np.abs(x))


def stretched(shape: Filter, radius: int) -> Filter:
    """Return a cubic filter, two pixels of radius by nature, over *radius* pixels."""
    return lambda x: shape(x * (2.0 / radius))


def mirrored(index: Ints, n: int) -> Ints:
    """Return *index* with what lies outside 0..n-1 mirrored about the edge pixels, however far away."""
    if n == 1:
        return np.zeros_like(index)
    inside = np.mod(index, 2 * (n - 1))
    return np.asarray(np.minimum(inside, 2 * (n - 1) - inside))


def nearest_taps(start: int, stop: int, n_out: int, n_in: int) -> Taps:
    """Return for outputs start..stop-1 the input pixel that holds the centre of the output pixel."""
    u = np.arange(start, stop, dtype=np.int64)
    index = np.minimum((2 * u + 1) * n_in // (2 * n_out), n_in - 1)
    return Taps(index[:, None], np.ones((len(u), 1)))


def filter_taps(
    start: int, stop: int, n_out: int, n_in: int, shape: Filter, radius: int, *, normalised: bool
) -> Taps:
    """Return for outputs start..stop-1 the 2 *radius* nearest inputs and the filter at their distances.

    Output pixel u, of n_out over the field of n_in inputs, has its centre at (u + 1/2) n_in / n_out - 1/2.
    """
    u = np.arange(start, stop, dtype=np.int64)
    numerator = (2 * u + 1) * n_in - n_out
    base = numerator // (2 * n_out)
    phase = (numerator - base * (2 * n_out)) / (2 * n_out)
    offset = np.arange(1 - radius, radius + 1, dtype=np.int64)
    weight = shape(phase[:, None] - offset[None, :])
    if normalised:
        weight = weight / weight.sum(axis=1, keepdims=True)
    return Taps(mirrored(base[:, None] + offset[None, :], n_in), weight)


def interpolated(
    tile: npt.NDArray[np.float32], x: Taps, y: Taps, method: str, threshold: float, zero: float
) -> npt.NDArray[np.float32]:
    """Return *tile* at the taps; *method* is ``linear``, ``spline`` (clamped cubic) or ``lanczos`` (clamped).

    *zero* is the physical value of black, from which the clamped methods tell light from its absence.
    Where missing samples hold less than half of the positive weight, the present ones of positive weight
    are averaged; otherwise the result is missing.
    """
    out = np.empty((tile.shape[0], len(y.weight), len(x.weight)), np.float32)
    for plane, result in zip(tile, out, strict=True):
        if method == "lanczos":
            _lanczos(plane, *x, *y, threshold, zero, result)
        else:
            _separable(plane, *x, *y, method == "spline", threshold, zero, result)
        _fill(plane, *x, *y, result)
    return out


@_jit
def _lanczos(plane, ix, wx, iy, wy, threshold, zero, out):  # type: ignore[no-untyped-def]
    """Clamped Lanczos: negative contributions fade out where they grow beyond *threshold* of the positive."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            plus, minus, weight_plus, weight_minus = 0.0, 0.0, 0.0, 0.0
            for a in range(wy.shape[1]):
                row = iy[i, a]
                for b in range(wx.shape[1]):
                    w = wy[i, a] * wx[j, b]
                    s = (np.float64(plane[row, ix[j, b]]) - zero) * w
                    if s < 0.0:
                        minus -= s
                        weight_minus -= w
                    else:  # NaN comes here, and makes the result NaN
                        plus += s
                        weight_plus += w
            ratio = minus / plus if plus > 0.0 else 0.0
            if ratio >= 1.0:
                # An infinite sample is missing, and _fill has to see it.
                out[i, j] = plus / weight_plus + zero if np.isfinite(minus) else np.nan
                continue
            if ratio > threshold:
                q = (ratio - threshold) / (1.0 - threshold)
                minus *= 1.0 - q * q
                weight_minus *= 1.0 - q * q
            # NaN in plus makes ratio 0 above and stays NaN here.
            out[i, j] = (plus - minus) / (weight_plus - weight_minus) + zero


@_jit
def _spline(p0, p1, p2, p3, w, threshold):  # type: ignore[no-untyped-def]
    """Clamped cubic spline: linear between the two nearest where the outer two would pull below *threshold*."""
    inner = p1 * w[1] + p2 * w[2]
    outer = p0 * w[0] + p3 * w[3]
    if -outer < threshold * inner:
        return inner + outer
    return inner / (w[1] + w[2])


@_jit
def _separable(plane, ix, wx, iy, wy, clamped, threshold, zero, out):  # type: ignore[no-untyped-def]
    """Rows first, then columns, in double precision."""
    rows = np.empty((plane.shape[0], out.shape[1]), np.float64)
    for r in range(plane.shape[0]):
        for j in range(out.shape[1]):
            if clamped:
                k = ix[j]
                rows[r, j] = _spline(
                    plane[r, k[0]] - zero, plane[r, k[1]] - zero, plane[r, k[2]] - zero, plane[r, k[3]] - zero,
                    wx[j], threshold,
                )  # fmt: skip
            else:
                total = 0.0
                for b in range(wx.shape[1]):
                    total += wx[j, b] * plane[r, ix[j, b]]
                rows[r, j] = total
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if clamped:
                k = iy[i]
                value = _spline(
                    rows[k[0], j], rows[k[1], j], rows[k[2], j], rows[k[3], j], wy[i], threshold
                )
                out[i, j] = value + zero
            else:
                total = 0.0
                for a in range(wy.shape[1]):
                    total += wy[i, a] * rows[iy[i, a], j]
                out[i, j] = total


@_jit
def _fill(plane, ix, wx, iy, wy, out):  # type: ignore[no-untyped-def]
    """Make again, from the samples of positive weight that are present, what missing samples have spoilt."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if np.isfinite(out[i, j]):
                continue
            present, missing, total = 0.0, 0.0, 0.0
            for a in range(wy.shape[1]):
                for b in range(wx.shape[1]):
                    w = wy[i, a] * wx[j, b]
                    if w <= 0.0:
                        continue
                    v = np.float64(plane[iy[i, a], ix[j, b]])
                    if np.isfinite(v):
                        present += w
                        total += w * v
                    else:
                        missing += w
            out[i, j] = total / present if present > missing else np.nan
