"""Clusters of linked pixels, and which of them go together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ._significance import LN10

Floats = npt.NDArray[np.float64]

MOST = 200
"""Clusters, the most significant first, that are told and compared with each other."""


def neighbours(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the connected component of each pixel (eight neighbours)."""
    width = int(columns.max(initial=0)) + 3
    places = rows * width + columns + 1
    order = np.argsort(places, kind="stable")
    ranked = places[order]
    pairs = []
    for step in (1, width - 1, width, width + 1):
        at = np.searchsorted(ranked, places + step)
        found = (at < len(ranked)) & (ranked[np.minimum(at, len(ranked) - 1)] == places + step)
        pairs.append(np.stack([np.nonzero(found)[0], order[at[found]]]))
    both = np.concatenate(pairs, axis=1)
    graph = coo_matrix((np.ones(both.shape[1]), (both[0], both[1])), shape=(len(rows), len(rows)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def clusters(pixels: Floats) -> tuple[dict[str, list[Any]], npt.NDArray[np.complex128]]:
    """Return columns of clusters, the most significant first, and their complex values ``(clusters, K)``.

    *pixels* holds rows of row, column, correlation, lag, coherence, significance, then the real and imaginary parts
    of the segments' values.
    """
    names = ("id", "row", "column", "pixels", "r", "gamma", "lag_s", "log10_p")
    if not len(pixels):
        return {name: [] for name in names}, np.zeros((0, 0), np.complex128)
    label = neighbours(pixels[:, 0].astype(np.int64), pixels[:, 1].astype(np.int64))
    peaks = np.full(label.max() + 1, -np.inf)
    np.maximum.at(peaks, label, pixels[:, 5])
    chosen = np.lexsort((np.arange(len(peaks)), -peaks))[:MOST]
    told, values = [], []
    for number, one in enumerate(chosen):
        mine = pixels[label == one]
        best = mine[int(mine[:, 5].argmax())]
        z = mine[:, 6::2] + 1j * mine[:, 7::2]
        # Pixels of a cluster come in step with its best one, so that their values add up.
        told.append((number, float(mine[:, 0].mean()), float(mine[:, 1].mean()), len(mine), *map(float, best[2:3]),
                     float(best[4]), float(best[3]), float(best[5])))  # fmt: skip
        values.append(z.mean(axis=0))
    return {name: [row[i] for row in told] for i, name in enumerate(names)}, np.array(values)


def edges(values: npt.NDArray[np.complex128], frequency: float, level: float) -> dict[str, list[Any]]:
    """Return the pairs of clusters that are coherent at *level* over all pairs: from, to, r, gamma, lag, -log10 p."""
    found: dict[str, list[Any]] = {name: [] for name in ("from", "to", "r", "gamma", "lag_s", "log10_p")}
    count = len(values)
    if count < 2:
        return found
    wanted = -math.log10(level / (count * (count - 1) / 2))
    power = (np.abs(values) ** 2).sum(axis=1)
    for a in range(count):
        for b in range(a + 1, count):
            cross = complex((values[b] * np.conj(values[a])).sum())
            gamma2 = min(abs(cross) ** 2 / float(power[a] * power[b]), 1.0 - 1e-15)
            evidence = -(values.shape[1] - 1) * math.log1p(-gamma2) / LN10
            if evidence >= wanted:
                lag = math.atan2(cross.imag, cross.real) / (2.0 * math.pi * frequency)
                r = cross.real / math.sqrt(float(power[a] * power[b]))
                for name, value in zip(found, (a, b, r, math.sqrt(gamma2), lag, evidence), strict=True):
                    found[name].append(value)
    return found
