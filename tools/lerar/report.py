"""What a Lerar Link writes: maps, the table of sources, light curves and periodograms as pictures, a report."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...graphs.series import MAPS
from ..plots import Line, Map, lines_png, maps_png
from ..report import Picture, Table, write_report

if TYPE_CHECKING:
    from .run import LerarResult

GRAPH = "series.lerar"
_DAY = 86400.0
_COLUMNS = (
    "row", "column", "y", "x", "period_s", "period_d", "period_err_s", "amplitude", "amplitude_err", "relative",
    "relative_err", "phase", "phase_err", "log10_p", "significance", "of", "channel", "aliases",
)  # fmt: skip
_RINGED = 40


def write_results(
    result: LerarResult, shown: Sequence[Mapping[str, Any]], nodes: Sequence[tuple[str, str, str]], out: Path, how: Any
) -> list[str]:
    """Write all of a result to folder *out*; return the names of the files.

    Parameters
    ----------
    shown, nodes
        The sources whose light curves are drawn, and the nodes of their curves, folds and periodograms.
    """
    out.mkdir(parents=True, exist_ok=True)
    graph = result.graph
    for name in MAPS:
        graph.set(f"write-{name}", "path", str((out / f"{name}.fits").resolve()))
    wanted = [n for names in nodes for n in names if n]
    report = graph.run([*(f"write-{m}" for m in MAPS), *wanted], **how)
    made = [out / f"{name}.fits" for name in MAPS]
    made.append(_write(out / "sources.csv", _csv(result.detections).encode()))
    maps = _maps(result, out)
    made.append(_write(out / "maps.png", maps))
    pictures = {"Where it varies": [_picture(maps, "mean of all frames, amplitude, -log10 p; rings: what is listed")]}
    for n, (one, names) in enumerate(zip(result.detections, nodes, strict=False), 1):
        drawn = _curves(one, [report.values.get(name) for name in names], result)
        made.append(_write(out / f"source_{n:02}.png", drawn))
        pictures.setdefault("Light curves", []).append(_picture(drawn, _caption(n, one)))
    graph.save(out / GRAPH)
    page = out / "report.html"
    write_report(page, f"Lerar Link {result.trv}", graph=graph, report=report, lead=_lead(result), pictures=pictures,
                 tables=_tables(result))  # fmt: skip
    return [str(p) for p in (*made, out / GRAPH, page)]


def _write(path: Path, data: bytes) -> Path:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
    return path


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([" ".join(f"{a:.9g}" for a in row[c]) if c == "aliases" else _cell(row[c]) for c in _COLUMNS])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else ""
    return "" if value is None else value


# -- pictures ---------------------------------------------------------------------------------------


def _maps(result: LerarResult, out: Path) -> bytes:
    import numpy as np

    from ...graphs.document import Graph

    rings = [(r["y"], r["x"]) for r in result.detections[:_RINGED]]
    drawn = []
    for name, title in (("mean", "mean"), ("amplitude", "amplitude"), ("significance", "-log10 p")):
        plane = Graph().add("ReadImage", path=str(out / f"{name}.fits")).image.compute()[0]
        known = plane[np.isfinite(plane)]
        low, high = (0.0, 1.0) if not known.size else map(float, np.percentile(known, (1.0, 99.7)))
        if name == "significance":
            low, high = 0.0, max(1.2 * result.told["threshold"], min(high, 50.0))
        elif name == "amplitude":
            low = 0.0
        drawn.append(Map(title, plane, low, max(high, low + 1e-12), rings, plain=name == "mean"))
    return maps_png(drawn)


def _curves(one: Mapping[str, Any], values: Sequence[Any], result: LerarResult) -> bytes:
    """Return the light curve, the folded one and the periodogram of a source."""
    curve, fold, spectrum = (*values, None)[:3] if len(values) < 3 else values
    days = result.told["span_s"] > 2.0 * _DAY
    unit, scale = ("d", _DAY) if days else ("s", 1.0)
    start = curve["time_s"][0]
    drawn = [
        Line("light curve", [(t - start) / scale for t in curve["time_s"]], curve["value"], x_label=f"time [{unit}]",
             y_label=_unit(curve), points=True),
        _folded(one, fold, result),
    ]  # fmt: skip
    if spectrum is not None:
        hertz, power = spectrum["time_s"], spectrum["value"]
        period = one["period_s"]
        ratio = hertz[-1] / max(hertz[0], 1e-300)
        if ratio > 3.0:
            x = [math.log10(1.0 / f / scale) for f in hertz]
            label, mark = f"log10 period [{unit}]", math.log10(period / scale)
        else:
            x, label, mark = [1.0 / f / scale for f in hertz], f"period [{unit}]", period / scale
        drawn.append(Line("periodogram", x, power, x_label=label, y_label="power", marks=(mark,)))
    return lines_png(drawn, columns=len(drawn))


def _folded(one: Mapping[str, Any], fold: Mapping[str, Any], result: LerarResult) -> Line:
    """Return the folded light curve, twice over, with what was fitted."""
    phase, value, error = fold["phase"], fold["value"], fold["error"]
    x, y, e = [*phase, *(p + 1.0 for p in phase)], [*value, *value], [*error, *error]
    model = None
    if not result.box:
        known = [v for v in value if v is not None and math.isfinite(v)]
        level = sum(known) / max(1, len(known))
        fine = [i / 100.0 for i in range(201)]
        height = one["amplitude"]
        model = (fine, [level + height * math.cos(2.0 * math.pi * p - one["phase"]) for p in fine])
    return Line(f"folded by {_period(one)}", x, y, e, x_label="phase [cycles]", y_label=_unit(fold), points=True,
                model=model)  # fmt: skip


def _unit(series: Mapping[str, Any]) -> str:
    return f"flux [{series['unit']}]" if series.get("unit") else "flux"


def _picture(data: bytes, caption: str) -> Picture:
    import PIL.Image

    return Picture(PIL.Image.open(io.BytesIO(data)).convert("RGB"), caption)


def _period(one: Mapping[str, Any]) -> str:
    return f"{one['period_s']:.7g} s" if one["period_s"] < _DAY else f"{one['period_d']:.7g} d"


def _caption(n: int, one: Mapping[str, Any]) -> str:
    where = "all pixels" if one["of"] == "target" else f"row {one['y']:.1f}, column {one['x']:.1f}"
    return f"{n}: {where}; {_period(one)}, amplitude {one['amplitude']:.4g}, log10 p {one['log10_p']:.1f}"


# -- words ------------------------------------------------------------------------------------------


def _lead(result: LerarResult) -> str:
    told, found = result.told, len(result.detections)
    what = f"{found} source{'s' if found != 1 else ''} found" if found else "Nothing varies significantly"
    judged = "frequencies nearby" if told["noise"] == "local" else "residuals"
    return (
        f"{what}. {told['frames']} frames over {told['span_s']:.6g} s, {told['trials']} trial frequencies, "
        f"{told['pixels']} pixels searched; noise judged by {judged}. "
        "Listed is what is less probable than 1% by chance in all pixels together. "
        f"{told['detected']['marked']} of the pixels are marked in detected.fits{_marked(told['detected'])}."
    )


def _marked(marks: Mapping[str, Any]) -> str:
    return f", from -log10 p of {marks['threshold']:.2f} on" if marks["marked"] else ""


def _tables(result: LerarResult) -> list[Table]:
    names = ("row", "column", "period", "amplitude", "+-", "relative", "phase", "log10 p", "of")
    rows = [
        (_cell(float(r["y"])), _cell(float(r["x"])), _period(r), f"{r['amplitude']:.4g}", f"{r['amplitude_err']:.2g}",
         _part(r["relative"]), f"{r['phase']:.3f}", f"{r['log10_p']:.2f}", r["of"])
        for r in result.detections
    ]  # fmt: skip
    tables = [Table("Sources", names, rows)] if rows else []
    aliases = [(f"{a['period_s']:.7g}", f"{a['window']:.2f}") for a in result.told["aliases"]]
    if aliases:
        tables.append(Table("Periods that the sampling cannot tell apart", ("period [s]", "window"), aliases))
    expected = [(k, _cell(v) if isinstance(v, float) else v) for k, v in result.expected.items() if v is not None]
    tables.append(Table("Expected before the run", ("", ""), expected))
    if result.warnings:
        tables.append(Table("Warnings", ("",), [(w,) for w in result.warnings]))
    return tables


def _part(value: Any) -> str:
    return f"{value:.3%}" if isinstance(value, float) and math.isfinite(value) else ""
