"""Results as rows of tables: what each entrant cost, and the figures a bench is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .workload import COPY

Document = Mapping[str, Any]


def lines(document: Document) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the head and the rows of the table of entrants; the least of all rounds, ratios as medians."""
    return _rates(document) if document["by_section"] else _costs(document)


def _costs(document: Document) -> tuple[list[str], list[tuple[str, ...]]]:
    head = ["", "CPU s", "wall s", "CPU / cp", "anonymous MB", "resident MB", "read MB", "written MB"]
    rows = []
    for entrant in document["entrants"]:
        runs = entrant["runs"]
        name = entrant["name"]
        rows.append(
            (
                _named(entrant), _number(least(runs, "cpu")), _number(least(runs, "wall")),
                "" if name == COPY else _number(entrant["ratio_to_cp"]),
                *(_megabytes(least(runs, what)) for what in ("anonymous", "resident", "read", "written")),
            )
        )  # fmt: skip
    return head, rows


def _rates(document: Document) -> tuple[list[str], list[tuple[str, ...]]]:
    """One row a section: its least cost, and what that makes of its amount."""
    head = ["", "", "CPU ms", "wall ms", "M a CPU s"]
    rows: list[tuple[str, ...]] = []
    for entrant in document["entrants"]:
        if entrant["name"] == COPY:
            continue
        for name, section in best_sections(entrant["runs"]).items():
            rate = section["amount"] / section["cpu"] / 1e6 if section["amount"] and section["cpu"] else None
            rows.append(
                (_named(entrant), name, _number(1e3 * section["cpu"]), _number(1e3 * section["wall"]), _number(rate))
            )
    return head, rows


def best_sections(runs: Any) -> dict[str, Any]:
    """Return of each section the cheapest of all rounds."""
    found: dict[str, Any] = {}
    for run in runs:
        for section in run["sections"]:
            held = found.get(section["name"])
            if held is None or section["cpu"] < held["cpu"]:
                found[section["name"]] = section
    return found


def figure_rows(document: Document) -> list[tuple[str, ...]]:
    """Return what was measured, what was wanted, and whether it was reached."""
    rows: list[tuple[str, ...]] = []
    for figure in document["figures"]:
        value, wanted = figure["value"], figure["wanted"]
        sign = ">=" if figure["least"] else "<="
        rows.append(
            (
                figure["what"],
                "not measured" if value is None else f"{_number(value)} {figure['unit']}".strip(),
                "" if wanted is None else f"{sign} {_number(wanted)}",
                {True: "reached", False: "missed", None: ""}[figure["reached"]],
            )
        )
    return rows


def least(runs: Any, what: str) -> float | None:
    return min((run[what] for run in runs), default=None)


def _named(entrant: Mapping[str, Any]) -> str:
    version = entrant["runs"][-1]["facts"].get("version", "")
    return f"{entrant['name']} {version}".strip()


def _megabytes(count: float | None) -> str:
    return "" if count is None else f"{count / 1e6:.0f}"


def _number(value: float | None) -> str:
    """Return a number with three digits that count, never as a power of ten."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"
