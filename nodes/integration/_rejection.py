"""Which samples of one stack are rejected: each algorithm takes samples off the ends of the sorted stack.

Every function gets the stack *v* (float64, ascending), how many samples *n* it has, and the numbers *p* of
`P`; it returns the kept range ``lo, hi``: samples below index lo are rejected as low, from hi on as high. A
stack without dispersion is left whole. Sums are taken about a central value, so that they keep their digits.

The algorithms and their defaults are those of PixInsight's ImageIntegration. Published sources: Rosner (1983),
"Percentage points for a generalized ESD many-outlier procedure"; Rousseeuw & Croux (1993) for Sn; Maples et al.
(2018), "Robust Chauvenet outlier rejection", ApJS 238, 2.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ._line import l1_line

Floats = npt.NDArray[np.float64]

METHODS = (
    "no_rejection", "min_max", "percentile_clip", "sigma_clip", "winsorized_sigma_clip", "averaged_sigma_clip",
    "linear_fit", "esd", "rcr", "ccd_clip",
)  # fmt: skip
(NONE, MIN_MAX, PERCENTILE, SIGMA, WINSORIZED, AVERAGED, LINEAR, ESD, RCR, CCD) = range(len(METHODS))

# The fewest samples an algorithm works on; a stack with fewer (holes, missing samples) is left whole.
FEWEST = (0, 1, 2, 3, 3, 3, 5, 3, 3, 3)

# Numbers of an algorithm: LOW and HIGH are its limits (counts, fractions or sigmas, infinite where the side is
# off), THIRD its third number, UNIT one over the span from black to white, then three of the CCD noise model.
LOW, HIGH, THIRD, UNIT, GAIN, READ_NOISE, SCALE_NOISE = range(7)

SN_TO_SIGMA = 1.1926
# What makes the standard deviation of data winsorised at 1.5 sigma that of the data.
WINSORIZED_TO_SIGMA = 1.134
WINSOR = 1.5
CONVERGED = 0.0005
_MOST_ROUNDS = 100
_BULK = 0.683


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def median_of(v: Any, lo: Any, hi: Any) -> Any:
    """Return the median of sorted v[lo:hi]."""
    return 0.5 * (v[(lo + hi - 1) // 2] + v[(lo + hi) // 2])


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _deviation(v: Any, lo: Any, hi: Any, pivot: Any) -> Any:
    """Return the mean of v[lo:hi] and its standard deviation about that, by sums about *pivot*."""
    s1 = s2 = 0.0
    for j in range(lo, hi):
        d = v[j] - pivot
        s1 += d
        s2 += d * d
    n = hi - lo
    return pivot + s1 / n, math.sqrt(max(0.0, (s2 - s1 * s1 / n) / (n - 1)))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _shrunk(v: Any, lo: Any, hi: Any, floor: Any, ceiling: Any) -> Any:
    """Return the range without the samples below *floor* and above *ceiling*."""
    while lo < hi and v[lo] < floor:
        lo += 1
    while hi > lo and v[hi - 1] > ceiling:
        hi -= 1
    return lo, hi


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def lift(v: Any, n: Any) -> None:
    """Shift a stack with negative samples up until its least is 0, for algorithms that compare with its level."""
    shift = v[0]
    if shift < 0.0:
        for j in range(n):
            v[j] -= shift


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def min_max(n: Any, p: Any) -> Any:
    lo = min(n, np.int64(p[LOW]))
    return lo, max(lo, n - np.int64(p[HIGH]))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def percentile(v: Any, n: Any, p: Any) -> Any:
    """(m - x)/m and (x - m)/m about the median m, once."""
    m = median_of(v, 0, n)
    if m <= 0.0:
        return 0, n
    return _shrunk(v, 0, n, m - p[LOW] * m, m + p[HIGH] * m)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sigma(v: Any, n: Any, p: Any) -> Any:
    """Standard deviations from the median, again and again."""
    lo, hi = 0, n
    while hi - lo >= 3:
        m = median_of(v, lo, hi)
        _, s = _deviation(v, lo, hi, m)
        a, b = _shrunk(v, lo, hi, m - p[LOW] * s, m + p[HIGH] * s)
        if s == 0.0 or (a == lo and b == hi):
            break
        lo, hi = a, b
    return lo, hi


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def averaged(v: Any, n: Any, p: Any) -> Any:
    """Sigma clipping where sigma is the root of the level times one factor, found from the whole stack."""
    m = median_of(v, 0, n)
    if m <= 0.0:
        return 0, n
    total = 0.0
    for j in range(n):
        total += (v[j] - m) * (v[j] - m)
    factor = math.sqrt(total / m / (n - 1))
    lo, hi = 0, n
    while hi - lo >= 3 and m > 0.0:
        s = factor * math.sqrt(m)
        a, b = _shrunk(v, lo, hi, m - p[LOW] * s, m + p[HIGH] * s)
        if a == lo and b == hi:
            break
        lo, hi = a, b
        if hi > lo:
            m = median_of(v, lo, hi)
    return lo, hi


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def ccd(v: Any, n: Any, p: Any) -> Any:
    """Sigma clipping where sigma follows from the level, in data numbers, by the noise model of the camera."""
    to_dn = 65535.0 * p[UNIT]
    lo, hi = 0, n
    while hi - lo >= 3:
        m = median_of(v, lo, hi)
        signal = max(0.0, m * to_dn)
        read, scale = p[READ_NOISE] / p[GAIN], p[SCALE_NOISE] * signal
        s = math.sqrt(read * read + signal / p[GAIN] + scale * scale) / to_dn
        a, b = _shrunk(v, lo, hi, m - p[LOW] * s, m + p[HIGH] * s)
        if s == 0.0 or (a == lo and b == hi):
            break
        lo, hi = a, b
    return lo, hi


# -- winsorized sigma --------------------------------------------------------------------------------


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sn_of(v: Any, lo: Any, hi: Any, room: Any) -> Any:
    """Return Sn of sorted v[lo:hi], unscaled: the low median of each sample's high median distance."""
    n = hi - lo
    h = n // 2 + 1
    start = lo
    for i in range(lo, hi):
        # The h samples nearest to v[i] are neighbours in the sorted row; their window moves right with i.
        start = max(start, i - h + 1)
        best = max(v[i] - v[start], v[start + h - 1] - v[i])
        while start < min(i, hi - h):
            following = max(v[i] - v[start + 1], v[start + h] - v[i])
            if following > best:
                break
            best = following
            start += 1
        room[i - lo] = best
    return _ranked(room, n, (n + 1) // 2 - 1)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _ranked(room: Any, n: Any, rank: Any) -> Any:
    """Return the number of the given rank of room[:n]: candidates are judged by counting, which needs no branches."""
    low, high = -np.inf, np.inf
    for i in range(n // 2, n + n // 2):
        x = room[i % n]
        if not low < x < high:
            continue
        less = within = 0
        for k in range(n):
            less += room[k] < x
            within += room[k] <= x
        if rank < less:
            high = x
        elif rank >= within:
            low = x
        else:
            return x
    return np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _winsorized_moments(v: Any, lo: Any, hi: Any, m: Any, s: Any, cutoff: Any, sums: Any) -> Any:
    """Return mean and sigma of v[lo:hi] after its tails were drawn in until sigma stands still.

    Clamping again and again is one clamp whose bounds are clamped; with running sums of the sorted samples a
    round costs a few steps instead of all samples.
    """
    n = hi - lo
    c0, c1 = _shrunk(v, lo, hi, m - cutoff * s, m + cutoff * s)
    replaced = n - (c1 - c0)
    sums[0, 0] = sums[1, 0] = 0.0
    for j in range(c0, c1):
        d = v[j] - m
        sums[0, j - c0 + 1] = sums[0, j - c0] + d
        sums[1, j - c0 + 1] = sums[1, j - c0] + d * d
    least, most = -np.inf, np.inf
    a, b, mean = c0, c1, 0.0
    for _ in range(_MOST_ROUNDS):
        t0, t1 = mean - WINSOR * s, mean + WINSOR * s
        least, most = min(max(least, t0), t1), min(max(most, t0), t1)
        while a > c0 and v[a - 1] - m > least:
            a -= 1
        while a < c1 and v[a] - m < least:
            a += 1
        while b < c1 and v[b] - m < most:
            b += 1
        while b > a and v[b - 1] - m > most:
            b -= 1
        centre = min(max(0.0, least), most)
        below, above = a - c0, c1 - b
        s1 = below * least + above * most + replaced * centre + sums[0, b - c0] - sums[0, a - c0]
        s2 = below * least**2 + above * most**2 + replaced * centre**2 + sums[1, b - c0] - sums[1, a - c0]
        mean, before = s1 / n, s
        s = WINSORIZED_TO_SIGMA * math.sqrt(max(0.0, (s2 - s1 * mean) / (n - 1)))
        if abs(before - s) < CONVERGED * before or s == 0.0:
            break
    return m + mean, s


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def winsorized(v: Any, n: Any, p: Any, first_sn: Any, room: Any, sums: Any) -> Any:
    """Sigmas of the winsorised stack from its mean, again and again; *first_sn* is Sn of all, or negative."""
    lo, hi = 0, n
    while hi - lo >= 3:
        m = median_of(v, lo, hi)
        s = SN_TO_SIGMA * (first_sn if first_sn >= 0.0 and hi - lo == n else sn_of(v, lo, hi, room))
        if s == 0.0:
            break
        mean, s = _winsorized_moments(v, lo, hi, m, s, p[THIRD], sums)
        if s == 0.0:
            break
        a, b = _shrunk(v, lo, hi, mean - p[LOW] * s, mean + p[HIGH] * s)
        if a == lo and b == hi:
            break
        lo, hi = a, b
    return lo, hi


# -- linear fit ----------------------------------------------------------------------------------------


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def linear(v: Any, n: Any, p: Any, room: Any) -> Any:
    """Deviations from the L1 line through the sorted stack over its indices, again and again."""
    lo, hi = 0, n
    while hi - lo >= 5:
        a, b = l1_line(v[lo:hi], room)
        total = 0.0
        for j in range(hi - lo):
            total += abs(v[lo + j] - (a + b * j))
        # The line is tilted in the plane of index and sample, the sample counted from 0 (black) to 1 (white).
        s = 2.0 * total / (hi - lo) * math.sqrt(1.0 + (b * p[UNIT]) ** 2)
        if s == 0.0:
            break
        start, end = lo, hi
        while lo < end and a + b * (lo - start) - v[lo] >= p[LOW] * s:
            lo += 1
        while hi > lo and v[hi - 1] - (a + b * (hi - 1 - start)) >= p[HIGH] * s:
            hi -= 1
        if lo == start and hi == end:
            break
    return lo, hi


# -- generalised extreme studentised deviates ------------------------------------------------------------


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def esd(v: Any, n: Any, p: Any, critical: Any) -> Any:
    """Take off the most extreme sample while it exceeds its critical value; stop at the first that does not.

    *p*: LOW is the relaxation of the low side, THIRD the greatest share of outliers; *critical* has a row for
    each n and a column for each sample taken off.
    """
    most = min(max(1, int(p[THIRD] * n)), n - 2)
    lo, hi = 0, n
    for i in range(most):
        size = hi - lo
        th, tl = max(1, int(p[THIRD] * size) - i), max(1, int(p[THIRD] / p[LOW] * size) - i)
        if size - tl - th < 1:
            mu = median_of(v, lo, hi)
        else:
            mu = 0.0
            for j in range(lo + tl, hi - th):
                mu += v[j] - v[lo + tl]
            mu = v[lo + tl] + mu / (size - tl - th)
        s = 0.0
        for j in range(lo, hi):
            s += (v[j] - mu) ** 2
        s = math.sqrt(s / (size - 1))
        if s == 0.0:
            break
        low, high = (mu - v[lo]) / (p[LOW] * s), (v[hi - 1] - mu) / s
        if max(low, high) < critical[n, i]:
            break
        if low > high:
            lo += 1
        else:
            hi -= 1
    return lo, hi


# -- robust Chauvenet rejection ----------------------------------------------------------------------------


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _spread(v: Any, lo: Any, hi: Any, mu: Any, fit: Any, table: Any, room: Any) -> Any:
    """Return the 68.3 % deviation from *mu*: of a line through the lesser deviations (*fit*), or itself.

    *table* has a row for each n: the correction factor, then the abscissae of the line.
    """
    n = hi - lo
    few = int(_BULK * n)
    right = lo
    while right < hi and v[right] < mu:
        right += 1
    left = right - 1
    for k in range(min(n, few + 1)):  # deviations in ascending order, from the centre outwards
        if right >= hi or (left >= lo and mu - v[left] <= v[right] - mu):
            room[k] = mu - v[left]
            left -= 1
        else:
            room[k] = v[right] - mu
            right += 1
    if not fit or few < 8:
        return table[n, 0] * room[min(few, n - 1)]
    sx = sy = sxx = sxy = 0.0
    for k in range(few):
        x = table[n, 1 + k]
        sx += x
        sy += room[k]
        sxx += x * x
        sxy += x * room[k]
    b = (few * sxy - sx * sy) / (few * sxx - sx * sx)
    return table[n, 0] * ((sy - b * sx) / few + b)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def rcr(v: Any, n: Any, p: Any, table: Any, room: Any) -> Any:
    """Take off the most extreme sample while fewer than THIRD like it are expected, in ever less robust phases."""
    lo, hi = 0, n
    for phase in range(3):
        while hi - lo >= 3:
            mu = median_of(v, lo, hi)
            if phase == 2:
                mu, s = _deviation(v, lo, hi, mu)
            else:
                s = _spread(v, lo, hi, mu, phase == 0, table, room)
            if s <= 0.0:
                break
            low, high = mu - v[lo], v[hi - 1] - mu
            if (hi - lo) * 0.5 * math.erfc(max(low, high) / s / math.sqrt(2.0)) >= p[THIRD]:
                break
            if low > high:
                lo += 1
            else:
                hi -= 1
    return lo, hi
