"""The report of a session of preprocessing: report.html for people, report.json for programs, report.csv for tables."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from ..engine.graph import Graph as Plain
from ..engine.report import Stage
from ..graphs.preprocess import links
from ..graphs.preprocess.stacks import Stack
from .cli._output import plain, size
from .plots import Panel, Points, panels
from .preprocess import Session
from .report import Picture, Table, gallery, table, write_page, write_text
from .report_lights import COLUMNS, Row, cell, csv_of, rows_of

_PICTURE = 520
# Seconds below which a stage that reads and writes nothing is not worth a line.
_AT_ONCE = 0.005
# Title of a plot -> where its values stand in a row, and their unit.
_PLOTS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("FWHM", ("figures", "FWHM"), "px"),
    ("eccentricity", ("figures", "Eccentricity"), ""),
    ("stars", ("figures", "Stars"), ""),
    ("noise", ("figures", "Noise"), "of the range"),
    ("sky (median)", ("figures", "Median"), "of the range"),
    ("PSF signal weight", ("figures", "PSFSignalWeight"), ""),
    ("weight", ("integration", "weight"), "of the greatest"),
    ("residual of registration", ("registration", "rms"), "px"),
)


def told(session: Session) -> dict[str, Any]:
    """Return all that a session has to tell, as plain data for JSON."""
    runs = session.runs
    return {
        **links.report(session.job.told),
        "options": asdict(session.job.options),
        "masters": [_master(session, s) for s in session.job.stacks.stacks],
        "lights": rows_of(session),
        "stages": [{"run": name, **asdict(stage)} for name, stage in _stages(session)],
        "seconds": sum(r.seconds for r in runs.values()),
        "cpu_seconds": sum(s.cpu_seconds for _, s in _stages(session)),
        "peak": max((s.peak for _, s in _stages(session)), default=0),
        "read": sum(s.read for _, s in _stages(session)),
        "passes": sum(r.passes for r in runs.values()),
        "written": runs["masters"].written if "masters" in runs else [],
        "bytes_written": runs["masters"].bytes_written if "masters" in runs else 0,
    }


def write_session_report(session: Session, folder: Path, title: str) -> list[Path]:
    """Write report.html, report.json and report.csv into *folder*, each whole or not at all; return their names."""
    data = told(session)
    files = [folder / f"report.{kind}" for kind in ("html", "json", "csv")]
    write_page(files[0], title, _page(session, data, title))
    write_text(files[1], json.dumps(plain(data), indent=1, ensure_ascii=False) + "\n")
    write_text(files[2], csv_of(data["lights"]))
    return files


def _stages(session: Session) -> Iterator[tuple[str, Stage]]:
    for name, run in session.runs.items():
        for stage in run.stages:
            yield name, stage


def _master(session: Session, stack: Stack) -> dict[str, Any]:
    exposures = [r.exposure for g in stack.groups for r in g.records]
    known = [e for e in exposures if e is not None]
    file = f"master_{stack.name}.fits"
    run = session.runs.get("masters")
    path = next((p for p in run.written if Path(p).name == file), None) if run else None
    return {
        "name": stack.name, "filter": stack.filter, "object": stack.object, "file": file, "lights": stack.count,
        "exposure": sum(known) if len(known) == len(exposures) else None, "path": path,
        "bytes": os.path.getsize(path) if path else None, "reference": session.references.get(stack.object),
    }  # fmt: skip


# -- the page ---------------------------------------------------------------------------------------


def _page(session: Session, data: dict[str, Any], title: str) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    yield f'<p class="lead">{escape(_lead(data))}</p>'
    yield from _troubles(session)
    yield gallery("Masters", [p for m in data["masters"] if (p := _picture(m))])
    yield table(_masters(data["masters"]))
    yield f'<h2>Links</h2><div class="drawing">{links.show(session.job.told, "svg")}</div>'
    for name in dict.fromkeys(r["master"] for r in data["lights"]):
        yield from _lights(name, [r for r in data["lights"] if r["master"] == name])
    yield _plots(data["lights"])
    yield table(_costs(data))
    yield table(Table("Options", ("option", "value"), [(k, _option(v)) for k, v in data["options"].items()]))
    if session.job.told.notes:
        yield _list("To be noted", session.job.told.notes)


def _lead(data: dict[str, Any]) -> str:
    used = sum(1 for r in data["lights"] if r["used"])
    out = len(data["left_out"])
    return (
        f"{used} lights used, {out} file{'' if out == 1 else 's'} left out, "
        f"{len(data['unresolved'])} unresolved links. "
        f"{data['seconds']:.1f} s, {data['cpu_seconds']:.1f} CPU seconds, {size(data['peak'])} of memory at most; "
        f"{size(data['read'])} read in {data['passes']} passes for measuring and one for making, "
        f"{size(data['bytes_written'])} written."
    )


def _troubles(session: Session) -> Iterator[str]:
    found = session.job.told
    if found.broken:
        cross = "\N{MULTIPLICATION SIGN}"
        rows = [(f"{cross} {b.target.title}", b.miss, b.cure.removeprefix("cure: ")) for b in found.broken]
        red = frozenset(range(len(rows)))
        note = "What these frames lack was left out of their calibration."
        yield table(Table("Unresolved links", ("frames", "what is missing", "cure"), rows, note, red))
    if found.left_out:
        rows2 = [(Path(item.path).name, item.why) for item in found.left_out]
        yield table(Table("Left out", ("file", "why"), rows2, red=frozenset(range(len(rows2)))))


def _picture(master: dict[str, Any]) -> Picture | None:
    """Return a small picture of a master as it was written, stretched for the eye."""
    if master["path"] is None:
        return None
    graph = Plain()
    image = graph.add("ReadImage", path=master["path"])
    # The colours of a camera are not balanced: one stretch for all of them would leave it green.
    stf: Any = "unlinked" if image.image.frame.nominal > 1 else "linked"
    caption = f"{master['name']}: {master['lights']} light{'' if master['lights'] == 1 else 's'}"
    return Picture(image.preview(stf=stf, size=_PICTURE), caption, small=True)


def _masters(masters: Sequence[dict[str, Any]]) -> Table:
    rows = [
        (m["file"], m["object"], m["lights"], m["exposure"], size(m["bytes"] or 0), Path(m["reference"] or "").name)
        for m in masters
    ]
    return Table("", ("file", "object", "lights", "exposure, s", "size", "registered to"), rows)


def _lights(name: str, rows: Sequence[Row]) -> Iterator[str]:
    """Yield the tables of one master's lights: what they are, and what became of them."""
    title = f"Lights of {name}" if name else "Files that are no light of a master"
    first, second = (
        [c for c in COLUMNS if c[1][0] in wanted and any(cell(r, c[1]) not in (None, "") for r in rows)]
        for wanted in (_TOLD_FIRST, _TOLD_SECOND)
    )
    yield _some(title, rows, first)
    if second:
        yield _some("", rows, [COLUMNS[0], *second])


_TOLD_FIRST = ("file", "why", "exposure", "levels", "figures")
_TOLD_SECOND = ("registration", "integration", "local_normalization")


def _some(title: str, rows: Sequence[Row], there: Sequence[tuple[str, tuple[str, ...], str]]) -> str:
    """Return a table of some columns; rows of lights that are not used are red."""
    heads = [f"{head}, {unit}" if unit else head for head, _, unit in there]
    made = [[_short(head, cell(r, path)) for head, path, _ in there] for r in rows]
    for row, cells in zip(rows, made, strict=True):
        cells[0] = Path(row["file"]).name + (" (reference)" if row.get("reference") else "")
    red = frozenset(i for i, r in enumerate(rows) if not r["used"])
    return table(Table(title, heads, made, red=red))


def _short(title: str, value: Any) -> Any:
    """Return a number with as many digits as an eye wants, shares in per cent."""
    if not isinstance(value, float):
        return value
    if title.startswith("rejected") or title == "overlap":
        return f"{100 * value:.2f} %"
    return f"{value:.4g}" if abs(value) < 1e5 else f"{value:.6g}"


def _plots(rows: Sequence[Row]) -> str:
    lights = [r for r in rows if r["master"]]
    names = list(dict.fromkeys(r["master"] for r in lights))
    drawn = [
        Panel(title, [_points(n, lights, path) for n in names], "light", unit)
        for title, path, unit in _PLOTS
        if any(cell(r, path) is not None for r in lights)
    ]
    if any(cell(r, ("registration", "dx")) is not None for r in lights):
        pairs = [(n, [r for r in lights if r["master"] == n]) for n in names]
        shifts = [
            Points(n, [_number(r, "dx") for r in mine], [_number(r, "dy") for r in mine], [r["used"] for r in mine])
            for n, mine in pairs
        ]
        drawn.append(Panel("where frames point", shifts, "dx, px", "dy, px", square=True))
    if not drawn:
        return ""
    note = "Crosses are lights that are not used."
    return f'<h2>Plots</h2><p class="lead">{note}</p><div class="drawing">{panels(drawn)}</div>'


def _points(name: str, lights: Sequence[Row], path: tuple[str, ...]) -> Points:
    mine = [(i + 1.0, r) for i, r in enumerate(lights) if r["master"] == name]
    values = [cell(r, path) for _, r in mine]
    y = [float("nan") if v is None else float(v) for v in values]
    return Points(name, [x for x, _ in mine], y, [r["used"] for _, r in mine])


def _number(row: Row, name: str) -> float:
    value = cell(row, ("registration", name))
    return float("nan") if value is None else float(value)


def _costs(data: dict[str, Any]) -> Table:
    """Return what each stage cost; passes of one measure over its pixels are told together."""
    rows = []
    for (run, action, nodes), found in groupby(data["stages"], lambda s: (s["run"], s["action"], s["nodes"])):
        stages = list(found)
        seconds, cpu, read, written = (
            sum(s[name] for s in stages) for name in ("seconds", "cpu_seconds", "read", "written")
        )
        if not read + written and seconds < _AT_ONCE:
            continue
        times = "" if len(stages) == 1 else f", {len(stages)} passes"
        rows.append((
            f"{run}: {action}{times}", _few(nodes), round(seconds, 2), round(cpu, 2),
            size(max(s["peak"] for s in stages)), size(read), size(written),
        ))  # fmt: skip
    note = (
        "levels: the samples of raw lights and flats; survey: figures and registration of lights; masters: the rest. "
        "Memory is the most that the whole process has used until then."
    )
    return Table("Stages", ("stage", "nodes", "s", "CPU s", "memory", "read", "written"), rows, note)


def _few(nodes: Iterable[str]) -> str:
    names = list(dict.fromkeys(nodes))
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _option(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _list(heading: str, lines: Iterable[str]) -> str:
    return f"<h2>{escape(heading)}</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
