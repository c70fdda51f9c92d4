"""The page of performance: written from results, so that no figure in it was typed by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..plots import Bar, Curve, bars, curves
from .summary import best_sections, figure_rows, least, lines
from .workload import COPY, OURS
from .workloads import NAMES

NOTES = "notes.md"
"""Beside the results: what people say about them; ends the page."""

_LEAD = """# Performance

Made by `lerar bench --report docs/performance.md` from the results in [performance/](performance/); run it yourself
with `lerar bench`. Data are generated; each entrant works in a process of its own, all take turns in alternating
order, and `cp` of the input files takes its turn with them; the files are read through before each turn. Told is the
least of all rounds; ratios are medians of those within a round. CPU seconds (user + system, all threads) are what
counts: wall times of a shared machine say little, and the load stands beside each table. Anonymous memory is what a
program asks for itself; resident memory counts mapped files as well, which the system takes back when it wants to.
"""


def write_page(page: Path, folder: Path) -> list[Path]:
    """Write the page and its plots from all full results in *folder*; return what was written.

    Raises
    ------
    FileNotFoundError
        There are no results.
    """
    documents = results(folder)
    if not documents:
        raise FileNotFoundError(f"{folder} holds no results of `lerar bench`")
    plots = page.with_suffix("")
    plots.mkdir(parents=True, exist_ok=True)
    written = [page]
    sections = []
    for document in documents:
        svg = _plot(document)
        name = ""
        if svg:
            name = f"{plots.name}/{document['workload']}.svg"
            (page.parent / name).write_text(svg + "\n", "utf-8")
            written.append(page.parent / name)
        sections.append(_section(document, name))
    notes = folder / NOTES
    closing = [notes.read_text("utf-8").strip() + "\n"] if notes.exists() else []
    page.write_text("\n".join([_LEAD, _overview(documents), *sections, *closing]), "utf-8")
    return written


def results(folder: Path) -> list[dict[str, Any]]:
    """Return the full results in a folder, in the order of the workloads."""
    found = []
    for name in NAMES:
        path = folder / f"{name}-full.json"
        if path.exists():
            found.append(json.loads(path.read_text("utf-8")))
    return found


def _overview(documents: Iterable[dict[str, Any]]) -> str:
    rows = []
    for d in documents:
        wanted = [r for r, f in zip(figure_rows(d), d["figures"], strict=True) if f["wanted"] is not None]
        rows += [(f"[{d['title']}](#{_anchor(d['title'])})", *r) for r in wanted]
    return _markdown(["workload", "figure", "measured", "wanted", ""], rows)


def _section(document: dict[str, Any], plot: str) -> str:
    head, rows = lines(document)
    parts = [f"## {document['title']}\n\n{document['about']}\n", f"{_conditions(document)}\n", _markdown(head, rows)]
    if plot:
        parts.append(f"![{document['title']}]({plot})\n")
    parts.append(_markdown(["figure", "measured", "wanted", ""], figure_rows(document)))
    remarks = [f"{name} gave other results: {why}." for name, why in document["disagree"].items()]
    remarks += [f"Without {name}: {why}." for name, why in document["skipped"].items()]
    if remarks:
        parts.append("\n".join(f"* {r}" for r in remarks) + "\n")
    return "\n".join(parts)


def _conditions(document: dict[str, Any]) -> str:
    m, load = document["machine"], document["load"]
    loads = [load[when][0] for when in ("before", "after") if load[when]]
    busy = f"; load {loads[0]:.1f} before, {loads[-1]:.1f} after" if loads else ""
    settings = ", ".join(f"{k} {_plain(v)}" for k, v in document["settings"].items())
    versions = ", ".join(f"{k} {v}" for k, v in m["versions"].items() if k in ("numpy", "numba", "dask"))
    return (
        f"{settings or 'no settings'}; {document['rounds']} rounds; {document['day']}; {m['processor']}, "
        f"{m['processors']} processors, {m['memory'] / 1e9:.0f} GB; {m['system']}, Python {m['python']}, {versions}"
        f"{busy}."
    )


def _plain(value: Any) -> str:
    return " / ".join(map(str, value)) if isinstance(value, list) else str(value)


def _markdown(head: list[str], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---"] + ["--:"] * (len(head) - 1)) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _anchor(title: str) -> str:
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -")
    return kept.replace(" ", "-")


# -- plots --------------------------------------------------------------------------------------------


def _plot(document: dict[str, Any]) -> str:
    if document["workload"] == "scale":
        return _scale(document)
    if document["by_section"]:
        return _by_section(document)
    entrants = [e for e in document["entrants"] if e["runs"]]
    if len(entrants) < 2:
        return ""
    found = [
        ("CPU seconds", [_bar(e["name"], least(e["runs"], "cpu") or 0.0) for e in entrants]),
        (
            "anonymous memory, MB",
            [_bar(e["name"], (least(e["runs"], "anonymous") or 0.0) / 1e6) for e in entrants if e["name"] != COPY],
        ),
    ]
    return bars(found)


def _bar(name: str, value: float) -> Bar:
    return Bar(name, value, name.startswith(OURS))


def _by_section(document: dict[str, Any]) -> str:
    """One group of bars a section that several entrants share: rates where there are amounts, else milliseconds."""
    groups: dict[str, list[Bar]] = {}
    for entrant in document["entrants"]:
        for name, s in best_sections(entrant["runs"]).items():
            if s["amount"] and s["cpu"]:
                bar = _bar(entrant["name"], s["amount"] / s["cpu"] / 1e6)
                groups.setdefault(f"{name}, millions a CPU second", []).append(bar)
    return bars([(title, found) for title, found in groups.items() if len(found) > 1])


def _scale(document: dict[str, Any]) -> str:
    runs = document["entrants"][0]["runs"]
    sections = list(best_sections(runs).values())
    x = [s["amount"] / 1e9 for s in sections]
    peaks = [p / 1e6 for p in runs[-1]["facts"]["peaks"]]
    return curves(
        [
            Curve("CPU seconds", "Gsamples", x, [s["cpu"] for s in sections]),
            Curve("resident at most, MB", "Gsamples", x, peaks, logarithmic=False),
        ]
    )
