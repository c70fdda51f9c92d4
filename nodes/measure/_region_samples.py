"""What a tile tells of a region: sums that do not depend on how the image is cut, and what they amount to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ...engine.api import Box
from ._background import BINS, BLOCK, Floats, Span, blocks, histogram
from ._bins import Below, added, bin_of, empty, used
from ._noise_set import clipped
from ._noise_set import found as noise_found
from ._planes import Plane
from ._polygons import Mask
from ._starlet import LAYER_NOISE, bridged, fill, halo, smoother

_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")

SCALES = 5
"""Starlet layers whose energies are compared."""
REACH = halo(SCALES) + BLOCK
"""Rows beyond its own that a tile is looked at with: the starlet's, and those of blocks that begin in it."""


def tell(plane: Plane, chosen: Mask, layers: int, at: Span, first_block: tuple[int, int]) -> dict[str, Any]:
    """Return the sums of a plane.

    Parameters
    ----------
    plane, chosen
        The tile with `REACH` rows more on both sides, and which of its samples belong to the region.
    layers
        In how many starlet layers a sample must show noise only.
    at
        Where the histogram of the region begins.
    first_block
        Where blocks begin: a row of the tile itself (may be negative), and a column.
    """
    rows = len(plane) - 2 * REACH
    counted = np.where(chosen, plane, np.float32(np.nan))
    counts, sums = np.zeros(BINS, np.int64), np.zeros(BINS)
    histogram(counted[REACH : REACH + rows], at.low, at.step, counts, sums)
    noise, first = empty(3), empty(3)
    cut = REACH - halo(layers)
    fill(plane[cut : len(plane) - cut], layers, -math.inf, math.inf, noise, first, chosen[REACH : REACH + rows])
    detail, energy, pairs = _layers(plane, chosen, rows)
    return {
        "counts": counts, "sums": sums, "noise": used(noise), "first": used(first), "energy": energy,
        "pairs": used(pairs), "blocks": [_blocks(counted, detail, rows, first_block)],
    }  # fmt: skip


def placed(partial: dict[str, Any], place: Box) -> dict[str, Any]:
    """Return what a tile tells with its blocks in pixels of the image, of which it is *place*."""
    return {**partial, "blocks": [b + np.array([place.x0, place.y0, 0.0, 0.0, 0.0, 0.0]) for b in partial["blocks"]]}


def merged(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """Return what both tell; *a* comes before *b* in the image."""
    binned = {k: added(a[k], b[k]) for k in ("noise", "first", "pairs")}
    summed = {k: a[k] + b[k] for k in ("counts", "sums", "energy")}
    return {**binned, **summed, "blocks": [*a["blocks"], *b["blocks"]]}


def _layers(plane: Plane, chosen: Mask, rows: int) -> tuple[Plane, Floats, Floats]:
    """Return the first starlet layer with NaN where it does not count, energies of all, and sums over neighbours."""
    whole, near = bridged(plane)
    counted = chosen if near is None else chosen & ~near
    detail = np.full(plane.shape, np.nan, np.float32)
    energy, pairs = np.zeros((SCALES, 2)), empty(3)
    c, top = whole, 0
    for j in range(SCALES):
        finer, c = c, smoother(c, 1 << j)
        top += 2 << j
        w = finer[2 << j : len(finer) - (2 << j)] - c
        if j == 0:
            detail[top : len(detail) - top] = np.where(counted[top : len(detail) - top], w, np.float32(np.nan))
        own = w[REACH - top : REACH - top + rows]
        seen = own[counted[REACH : REACH + rows]].astype(np.float64)
        energy[j] = len(seen), float((seen * seen).sum())
    part = np.ascontiguousarray(detail[REACH : REACH + rows + 1])
    _neighbours(part, np.abs(part).view(np.uint32), rows, pairs)
    return detail, energy, pairs


@_jit
def _neighbours(w, keys, rows, pairs):  # type: ignore[no-untyped-def]
    """Add products and mean squares of neighbours in rows and columns, by the larger of the two."""
    columns = w.shape[1]
    for y in range(rows):
        for x in range(columns):
            a = np.float64(w[y, x])
            if not np.isfinite(a):
                continue
            for step in range(2):
                v, u = y + step, x + 1 - step
                if u < columns and np.isfinite(w[v, u]):
                    b = np.float64(w[v, u])
                    at = bin_of(max(keys[y, x], keys[v, u]))
                    pairs[0, at] += 1.0
                    pairs[1, at] += a * b
                    pairs[2, at] += 0.5 * (a * a + b * b)


def _blocks(counted: Plane, detail: Plane, rows: int, begin: tuple[int, int]) -> Floats:
    """Return x, y (of the tile), clipped median, scatter, number and mean of the blocks that begin in a tile."""
    down = np.arange(begin[0] % BLOCK, rows, BLOCK) + REACH
    across = np.arange(begin[1] % BLOCK - BLOCK, counted.shape[1], BLOCK)
    table = np.empty((max(1, len(down) * len(across)), 6))
    n = blocks(counted, detail, down, across, table) if len(down) else 0
    found = table[:n].copy()
    found[:, 1] -= REACH
    found[:, 3] /= LAYER_NOISE[0]
    return found


# -- what sums amount to --------------------------------------------------------------------------------------


def noise_of(partial: dict[str, Any], layers: int, fewest: int) -> dict[str, Any] | None:
    """Return the noise of a region; None where too few samples show noise only and fewer layers may be asked."""
    found = noise_found(partial, layers)
    return clipped(partial) if found is None and layers <= fewest else found


def correlation(partial: dict[str, Any], sigma: float) -> tuple[float, float, int]:
    """Return how much neighbouring noise is alike beyond what white noise gives, its error, and the number of pairs.

    Correlation of neighbours in the first starlet layer, of coefficients within three sigma, less that of white noise.
    """
    n, products, squares = (float(v) for v in Below(partial["pairs"])(3.0 * LAYER_NOISE[0] * sigma))
    if n < 2.0 or not squares > 0.0:
        return math.nan, math.nan, int(n)
    return products / squares - _WHITE, 1.0 / math.sqrt(n), int(n)


def _white() -> float:
    """Return the correlation of neighbours in the first starlet layer of white noise."""
    b3 = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
    kernel = -np.outer(b3, b3)
    kernel[2, 2] += 1.0
    return float((kernel[:, 1:] * kernel[:, :-1]).sum() / (kernel * kernel).sum())


_WHITE = _white()


def structure(energy: Floats, sigma: float) -> tuple[float, str]:
    """Return the scale (px) of the starlet layer with most energy above the noise; NaN and why where there is none."""
    n = np.maximum(energy[:, 0], 1.0)
    of_noise = (sigma * np.array(LAYER_NOISE[:SCALES])) ** 2
    above = energy[:, 1] / n - of_noise
    # Neighbouring coefficients are alike: of each layer's only one in 4^j is independent.
    independent = np.maximum(n / 4.0 ** np.arange(1, SCALES + 1), 1.0)
    if not math.isfinite(sigma) or not (above > 4.0 * of_noise * np.sqrt(2.0 / independent)).any():
        return math.nan, "LRN-4: no structure stands above the noise"
    return float(2 ** (int(np.argmax(above)) + 1)), ""


def table_of(parts: Sequence[npt.NDArray[np.float64]]) -> Floats:
    return np.concatenate([np.empty((0, 6)), *(np.asarray(p).reshape(-1, 6) for p in parts)])
