"""What one tile tells of the samples of a channel, and how two such parts are one: moments, extremes, counts by key.

These are the partial measures of `summaries`: plain data and numpy arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from .order import Counts, Windows
from .region import Box

# -- the first pass: moments, extremes, counts by the upper half of the key ------------------------


def first_pass(plane: npt.NDArray[np.float32], above: float, below: float, box: Box) -> dict[str, Any]:
    """Return moments, extremes and their places, and counts by the upper half of the key, of a tile's channel."""
    x = np.ascontiguousarray(plane).reshape(-1)
    pivot = _pivot(x)
    bins = np.zeros((2, 1 << 16), np.uint32)
    sums, counts = np.zeros(5), np.zeros(2, np.int64)
    _count_first(x, x.view(np.uint32), above, below, pivot, bins, sums, counts)
    n, missing = int(counts[0]), int(counts[1])
    partial: dict[str, Any] = {"count": n, "missing": missing, "outside": x.size - n - missing}
    if n == 0:
        return partial
    d = sums[0] / n
    minimum, maximum = float(sums[3]) + 0.0, float(sums[4]) + 0.0
    used = np.flatnonzero(bins.any(axis=0))
    run = slice(int(used[0]), int(used[-1]) + 1)
    return partial | {
        "mean": pivot + float(d),
        "square": max(0.0, float(sums[1] - sums[0] * d)),
        "absolute": float(sums[2]),
        "minimum": minimum,
        "maximum": maximum,
        "minimum_at": _place(x, minimum, plane.shape[1], box),
        "maximum_at": _place(x, maximum, plane.shape[1], box),
        "first": run.start,
        "bins": bins[0, run] + bins[1, run],
    }


def _pivot(x: npt.NDArray[np.float32]) -> float:
    """Return a typical sample; sums taken about it keep their digits where the noise is small beside the level."""
    few = x[:: max(1, x.size // 9)].astype(np.float64)
    few = np.sort(few[np.isfinite(few)])
    return float(few[few.size // 2]) if few.size else 0.0


def _place(x: npt.NDArray[np.float32], value: float, width: int, box: Box) -> tuple[int, int]:
    row, column = divmod(int(np.argmax(x == np.float32(value))), width)
    return box.y0 + row, box.x0 + column


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _key(bits: Any) -> Any:
    return bits ^ (np.uint32(np.int32(bits) >> np.int32(31)) | np.uint32(0x80000000))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count_first(x: Any, bits: Any, above: Any, below: Any, pivot: Any, bins: Any, sums: Any, counts: Any) -> None:
    # Two halves side by side: each has its own sums and counters, so that neither waits for the
    # other's additions (1.0 instead of 1.8 ns a sample).
    n = missing = 0
    d0 = d1 = q0 = q1 = a0 = a1 = 0.0
    least, most = np.float32(np.inf), np.float32(-np.inf)
    half = (x.size + 1) // 2
    for i in range(half):
        v = x[i]
        w = np.float64(v)
        if w > above and w < below:
            bins[0, _key(bits[i]) >> np.uint32(16)] += np.uint32(1)
            least, most = min(least, v), max(most, v)
            d = w - pivot
            d0 += d
            q0 += d * d
            a0 += abs(w)
            n += 1
        elif not np.isfinite(v):
            missing += 1
        j = i + half
        if j == x.size:
            break
        v = x[j]
        w = np.float64(v)
        if w > above and w < below:
            bins[1, _key(bits[j]) >> np.uint32(16)] += np.uint32(1)
            least, most = min(least, v), max(most, v)
            d = w - pivot
            d1 += d
            q1 += d * d
            a1 += abs(w)
            n += 1
        elif not np.isfinite(v):
            missing += 1
    sums[0], sums[1], sums[2], sums[3], sums[4] = d0 + d1, q0 + q1, a0 + a1, least, most
    counts[0], counts[1] = n, missing


# -- further passes: counts inside windows ----------------------------------------------------------


def refining_pass(plane: npt.NDArray[np.float32], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the slots that the samples of *plane* fall into; counting them is left to the merge.

    A tile has far fewer samples than there may be slots, so counters of its own would cost more than it does.
    """
    if not state["windows"]:
        return {"slots": 0}
    windows = Windows(*state["windows"])
    x = np.ascontiguousarray(plane).reshape(-1)
    tops, start = np.unique(windows.first >> 16, return_index=True)
    window_of, end = np.full(1 << 16, -1, np.int32), np.empty(windows.first.size, np.int32)
    window_of[tops] = start
    end[start] = [*start[1:], windows.first.size]
    hits = np.empty(x.size, np.uint32)
    n = _find_slots(x.view(np.uint32), window_of, end, *windows, hits)
    counter = "u4" if state["known"]["count"] < 1 << 32 else "u8"
    return {"slots": windows.slots, "counter": counter, "hits": hits[:n].copy()}


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _find_slots(bits: Any, window_of: Any, end: Any, first: Any, last: Any, shift: Any, offset: Any, hits: Any) -> Any:
    n = 0
    for i in range(bits.size):
        key = _key(bits[i])
        w = window_of[key >> np.uint32(16)]
        if w < 0:
            continue
        # Nearly always the only window among its 65536 keys.
        stop = end[w]
        while stop - w > 1:
            middle = (w + stop) // 2
            if first[middle] <= key:
                w = middle
            else:
                stop = middle
        if key >= first[w] and key <= last[w]:
            hits[n] = np.uint32(offset[w] + ((key - first[w]) >> np.uint32(shift[w])))
            n += 1
    return n


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _tally(hits: Any, counts: Any) -> None:
    for i in range(hits.size):
        counts[hits[i]] += np.uint32(1)


def dense(p: Mapping[str, Any]) -> npt.NDArray[np.unsignedinteger[Any]]:
    """Return a refining partial as an array of counters that may be changed."""
    if "counts" in p:
        given: npt.NDArray[np.unsignedinteger[Any]] = p["counts"]
        return given if given.flags.writeable else given.copy()
    counts = np.zeros(p["slots"], p["counter"])
    _tally(p["hits"], counts)
    return counts


# -- merging ---------------------------------------------------------------------------------------------


def merged(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """Return what two parts tell together; *a* lies before *b* in the image."""
    if "look" in a:
        return {"look": [*a["look"], *b["look"]]}
    if "slots" in a:
        return _merged_slots(a, b)
    counts = {name: a[name] + b[name] for name in ("count", "missing", "outside")}
    if a["count"] == 0 or b["count"] == 0:
        return (b if a["count"] == 0 else a) | counts
    n, d = counts["count"], b["mean"] - a["mean"]
    first, bins = _added(a["first"], a["bins"], b["first"], b["bins"])
    low = b if b["minimum"] < a["minimum"] else a
    high = b if b["maximum"] > a["maximum"] else a
    return counts | {
        # The pairwise update of Chan, Golub & LeVeque (1983).
        "mean": a["mean"] + d * (b["count"] / n),
        "square": a["square"] + b["square"] + d * d * (a["count"] * (b["count"] / n)),
        "absolute": a["absolute"] + b["absolute"],
        "minimum": low["minimum"],
        "minimum_at": low["minimum_at"],
        "maximum": high["maximum"],
        "maximum_at": high["maximum_at"],
        "first": first,
        "bins": bins,
    }


def _added(first_a: int, a: Any, first_b: int, b: Any) -> tuple[int, Counts]:
    """Return the sum of two runs of counters, each beginning at its first bin."""
    first, end = min(first_a, first_b), max(first_a + a.size, first_b + b.size)
    if a.dtype != np.int64 or a.size != end - first or not a.flags.writeable:
        grown = np.zeros(end - first, np.int64)
        grown[first_a - first : first_a - first + a.size] = a
        a = grown
    a[first_b - first : first_b - first + b.size] += b
    return first, a


def _merged_slots(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    if a["slots"] == 0:
        return a
    counts = dense(a)
    if "counts" in b:
        counts += b["counts"]
    else:
        _tally(b["hits"], counts)
    sifted = {"below": a["below"] + b["below"], "size": a["size"] + b["size"]} if "below" in a else {}
    return {"slots": a["slots"], "counter": a["counter"], "counts": counts, **sifted}
