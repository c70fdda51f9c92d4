"""What a Lerar Link found, as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...graphs.series import SeriesOptions

if TYPE_CHECKING:
    from ...graphs.document import Graph

MOST_CURVES = 12
"""Sources whose light curves are drawn."""
_LEVEL = -2.0
"""log10 of the probability of chance that a detection may have."""


def counted(detections: list[dict[str, Any]], box: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return what is still significant once all boxes that were tried are counted."""
    if not box:
        return detections
    more = math.log10(box["trials"])
    counted = [d | {"log10_p": min(0.0, d["log10_p"] + more)} for d in detections]
    return [d for d in counted if d["log10_p"] <= _LEVEL]


def _rows(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    columns = table["columns"]
    return [{k: columns[k][i] for k in columns} for i in range(len(columns["row"]))]


def _table(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = values[name]
    return found.get("table", found) if "columns" not in found else found


def detections(graph: Graph, values: Mapping[str, Any], options: SeriesOptions, how: Any) -> list[dict[str, Any]]:
    """Return a row a source, the surest first; of a target, that of all its pixels together among them."""
    sources = _table(values, "sources")
    found = [row | {"of": "pixel" if options.target else "source"} for row in _rows(sources)]
    if options.target:
        for row in _rows(_table(values, "sources-total")):
            place = _place(graph, found, row)
            found.append(row | {"of": "target", "row": place[0], "column": place[1], "y": place[0], "x": place[1]})
    return sorted(found, key=lambda r: (r["log10_p"], r["row"], r["column"]))


def _place(graph: Graph, found: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> tuple[int, int]:
    """Return where a target varies: at the surest pixel of the same period, else where it is brightest."""
    import numpy as np

    for one in sorted(found, key=lambda r: r["log10_p"]):
        if abs(one["period_s"] - row["period_s"]) <= 0.05 * row["period_s"]:
            return int(one["row"]), int(one["column"])
    mean = np.nan_to_num(graph["link"].output("mean").image.compute()[0], nan=-np.inf)
    y, x = np.unravel_index(int(mean.argmax()), mean.shape)
    return int(y), int(x)


def shown(detections: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sources of which light curves are drawn; where the whole target varies, the row is None."""
    return [
        {"period_s": one["period_s"], "row": None if one["of"] == "target" else one["y"], "column": one["x"]}
        for one in detections[:MOST_CURVES]
    ]


def figures(values: Mapping[str, Any], plan: Mapping[str, Any], options: SeriesOptions, files: int) -> dict[str, Any]:
    """Return what a report tells of the whole series."""
    sources = _table(values, "sources")
    told = {
        "files": files, "frames": plan["frames"], "left_out": plan["left_out"], "span_s": plan["span_s"],
        "trials": plan["trials"], "pixels": sources["pixels"], "threshold": sources["threshold"],
        "detected": dict(values["detected"]),
        "noise": options.noise, "registered": options.register, "t0_s": sources["t0_s"], "epoch": sources["epoch"],
        "scale": sources["scale"], "reference": sources["reference"], "aliases": plan["aliases"],
    }  # fmt: skip
    return {("inputs" if k == "files" else k): v for k, v in told.items()}
