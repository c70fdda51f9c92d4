"""LinkClusters: where pixels go with a seed, and which of these places go with each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.api import Known, Port, Process, param, table_value
from ._clusters import clusters, edges
from ._coherence import PARTS
from ._significance import discovery_threshold


class LinkClusters(Process, id="time.link_clusters"):
    """Join significant neighbouring pixels to clusters, and clusters by edges where they are coherent.

    Pixels are significant where discoveries at `level` begin (Benjamini and Hochberg). `clusters` has a row a cluster,
    the most significant first, 200 at most: mean ``row`` and ``column``, ``pixels``, and of its best pixel
    correlation ``r``, coherence ``gamma``, ``lag_s`` behind the seed and ``log10_p`` (-log10 p). `edges` has a row a
    pair whose mean complex values are coherent at `level` over all pairs: ``from``, ``to``, ``r`` (in-phase part),
    ``gamma``, ``lag_s`` of the second behind the first, ``log10_p``.
    """

    inputs = (Port("image", doc="from LinkToSeed"),)
    outputs = (
        Port("clusters", "table", doc="places that go with the seed"),
        Port("edges", "table", doc="places that go with each other"),
    )
    maskable = False

    frequency: float = param(default=1.0, low=0.0, unit="Hz", doc="of the period")
    level: float = param(default=0.01, low=1e-6, high=0.5, doc="rate of false discoveries, and of false edges")

    def measure(self, known: Known, *tiles: Any) -> Any:
        tile = tiles[0].astype(np.float64)
        significance = tile[PARTS.index("significance")]
        there = np.isfinite(significance)
        rows, columns = np.nonzero(there & (significance >= -np.log10(self.level)))
        picked = [PARTS.index(name) for name in ("correlation", "lag", "coherence", "significance")]
        found = tile[:, rows, columns]
        # Segments that the run was too short for are NaN.
        values = [row for row in found[len(PARTS) :] if not len(row) or not np.isnan(row).all()]
        where = np.stack([rows + known.box.y0, columns + known.box.x0]).astype(np.float64)
        return [np.concatenate([where, found[picked], *[v[None] for v in values]]).T, int(there.sum())]

    def merge(self, a: Any, b: Any) -> Any:
        if not len(a[0]) or not len(b[0]):
            return [a[0] if len(a[0]) else b[0], a[1] + b[1]]
        return [np.concatenate([a[0], b[0]]), a[1] + b[1]]

    def finish(self, partial: Any, known: Known) -> dict[str, Any]:
        pixels, searched = partial
        evidence = np.concatenate([pixels[:, 5], np.zeros(max(0, searched - len(pixels)))])
        limit = discovery_threshold(evidence, self.level)
        told, values = clusters(pixels[pixels[:, 5] >= limit])
        return {
            "clusters": table_value(told, {"lag_s": "s", "row": "px", "column": "px"}, searched=searched),
            "edges": table_value(edges(values, self.frequency, self.level), {"lag_s": "s"}),
        }

    def value(self, port: str, measured: Any) -> Any:
        return measured if measured is None else measured[port]
