"""The kept range of each sorted stack of a block: of all at once where nothing is to be rejected, else one by one."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from . import _rejection as reject
from ._lanes import nearest_windows, proved
from ._loading import NOTHING
from ._rows import within_sigma
from ._sorting import LANES
from ._straight import HIGH_MEDIAN, sort
from ._undrawn import undrawn


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _high_medians(block: Any, distances: Any) -> None:
    """Write for each sample of full, sorted columns the high median of its distances to all samples."""
    n = block.shape[0]
    h = n // 2 + 1
    base, out = np.uint64(block.ctypes.data), np.uint64(distances.ctypes.data)
    for i in range(n):
        start = max(0, i - h + 1)
        nearest_windows(base, out, i, start, min(i, n - h) + 1 - start, h - 1)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _calm(block: Any, method: Any, p: Any, bounds: Any, distances: Any, calm: Any) -> None:
    """Say of full, sorted columns whether the first round of a rejection leaves them whole for certain."""
    n = block.shape[0]
    calm[:] = 0
    if method == reject.LINEAR:
        _unbent(block, bounds, calm)
    if method == reject.WINSORIZED:
        undrawn(block, distances[(n + 1) // 2 - 1], p, calm)
    if method != reject.SIGMA:
        return
    within_sigma(np.uint64(block.ctypes.data), n, p[reject.LOW], p[reject.HIGH], np.uint64(calm.ctypes.data))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def single(table: Any, n: Any) -> Any:
    """Return a table of `line_bounds` in single precision, each row with what a sum must exceed to prove anything.

    That is a share of the difference of a column's ends: more than what rounding may add to the sum, and far more
    than the share by which samples are lifted for the fit. Other methods' tables become one of no rows.
    """
    bounds = np.zeros((table.shape[0] if table.shape[1] == n and n > 1 else 0, n + 1), np.float32)
    for k in range(bounds.shape[0]):
        bounds[k, :n] = table[k]
        # Coefficient, difference, product and n - 1 sums round, each by at most 6e-8; twice that is allowed for.
        share = 1.2e-7 * (n + 3) * np.abs(table[k]).sum()
        # Rows of zeros prove nothing.
        bounds[k, n] = 1e-8 + share if share > 0.0 else np.inf
    return bounds


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _unbent(block: Any, bounds: Any, calm: Any) -> None:
    """Say of full, sorted columns whether no line whatsoever would reject an end; see `line_bounds`."""
    calm[:] = 0
    n, half = block.shape[0], bounds.shape[0] // 2
    samples, found = np.uint64(block.ctypes.data), np.uint64(calm.ctypes.data)
    for side in range(2):
        rows = np.uint64(bounds.ctypes.data) + np.uint64(4 * side * half * (n + 1))
        proved(samples, n, rows, n + 1, half, np.uint8(1 + side), found)
    for lane in range(LANES):
        calm[lane] = np.uint8(1) if calm[lane] == 3 else np.uint8(0)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _kept_range(v: Any, n: Any, method: Any, p: Any, table: Any, sn: Any, room: Any, sums: Any) -> Any:
    """Return the kept range of the sorted stack v[:n]; may shift the stack."""
    if method == reject.MIN_MAX:
        return reject.min_max(n, p)
    if method == reject.SIGMA:
        return reject.sigma(v, n, p)
    if method == reject.WINSORIZED:
        return reject.winsorized(v, n, p, sn, room, sums)
    if method == reject.LINEAR:
        return reject.linear(v, n, p, room)
    if method == reject.ESD:
        return reject.esd(v, n, p, table)
    if method == reject.RCR:
        return reject.rcr(v, n, p, table, room)
    reject.lift(v, n)
    if method == reject.PERCENTILE:
        return reject.percentile(v, n, p)
    if method == reject.AVERAGED:
        return reject.averaged(v, n, p)
    return reject.ccd(v, n, p)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def cut_off(
    block: Any, counts: Any, m: Any, whole: Any, method: Any, fewest: Any, p: Any, sides: Any, table: Any,
    distances: Any, choose_sn: Any, sorters: Any, column: Any, room: Any, sums: Any, bounds: Any, calm: Any,
    cuts: Any, limits: Any,
) -> Any:  # fmt: skip
    """Find the kept range of each sorted column; *whole*: all of them are full.

    *cuts*: lo and hi of each lane; how many samples equal to the least kept are rejected, and how many equal to
    the greatest kept are kept (-1: all of them). *limits*: least and greatest kept sample. Returns whether anything
    is rejected, and whether equal samples were divided anywhere.
    """
    frames = block.shape[0]
    if method == reject.WINSORIZED and frames >= fewest:
        _high_medians(block, distances)
        sort(distances, sorters[HIGH_MEDIAN], choose_sn)
    calm[:] = 0
    if frames >= fewest:
        _calm(block, method, p, bounds, distances, calm)
    divided, cut = False, False
    if whole:
        cuts[0, :], cuts[1, :], cuts[2, :], cuts[3, :] = 0, frames, 0, -1
        limits[0, :], limits[1, :] = block[0], block[frames - 1]
    for lane in range(m):
        if whole and calm[lane]:
            continue
        n = counts[0, lane]
        lo, hi = 0, n
        full = n == frames
        if method != reject.NONE and n >= fewest and not (full and calm[lane]):
            for j in range(n):
                column[j] = block[j, lane]
            sn = np.float64(distances[(n + 1) // 2 - 1, lane]) if full and method == reject.WINSORIZED else -1.0
            lo, hi = _kept_range(column, n, method, p, table, sn, room, sums)
            lo, hi = lo if sides[0] else 0, hi if sides[1] else n
        cuts[0, lane], cuts[1, lane], cuts[2, lane], cuts[3, lane] = lo, hi, 0, -1
        cut |= (lo > 0) | (hi < n)
        # Where nothing is kept, the least sample rejected above still tells low from high.
        least, most = block[lo, lane] if lo < n else NOTHING, block[hi - 1, lane] if hi > lo else -NOTHING
        limits[0, lane], limits[1, lane] = least, most
        if (0 < lo < n and block[lo - 1, lane] == least) or (lo < hi < n and block[hi, lane] == most):
            divided = True
            cuts[3, lane] = 0
            for j in range(n):
                cuts[2, lane] += j < lo and block[j, lane] == least
                cuts[3, lane] += lo <= j < hi and block[j, lane] == most
    return cut, divided


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def divide(block: Any, m: Any, cuts: Any, limits: Any) -> None:
    """Replace rejected samples that equal a kept one by -inf or +inf; of equals, low rejection takes the first."""
    for i in range(block.shape[0]):
        for lane in range(m):
            y = block[i, lane]
            if y == limits[0, lane] and cuts[2, lane] > 0:
                cuts[2, lane] -= 1
                block[i, lane] = -NOTHING
            elif y == limits[1, lane] and cuts[3, lane] > 0:
                cuts[3, lane] -= 1
            elif y == limits[1, lane] and cuts[3, lane] == 0:
                block[i, lane] = NOTHING
