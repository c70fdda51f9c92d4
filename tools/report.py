"""One self-contained HTML page about a run: pictures, tables, the drawn graph. No scripts, nothing from outside."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import PIL.Image

    from ..engine.report import Report
    from ..graphs.document import Graph

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1180px; padding: 24px; color: #1c2330; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 36px 0 10px; }
p.lead { color: #566; margin: 0 0 14px; max-width: 80ch; }
figure { margin: 0; } figcaption { color: #566; font-size: 13px; padding-top: 4px; }
img { max-width: 100%; height: auto; display: block; border-radius: 4px; background: #000; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 18px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 14px 4px 0; text-align: right; border-bottom: 1px solid #dde3ea; }
th:first-child, td:first-child { text-align: left; } th { color: #566; font-weight: 600; }
th.text, td.text { text-align: left; }
tr.no td { color: #b3261e; } .wide { overflow-x: auto; } .wide td { white-space: nowrap; }
ul.no li { color: #b3261e; } .small { font-size: 13px; }
.drawing { overflow-x: auto; border: 1px solid #dde3ea; border-radius: 4px; padding: 8px; background: #fff; }
"""
_RED, _TEXT = ' class="no"', ' class="text"'
# Rows of the statistics table: key of the Value, what a person calls it.
_STATISTICS = (
    ("count", "pixels"), ("median", "median"), ("mean", "mean"), ("std_dev", "standard deviation"),
    ("mad", "MAD"), ("sigma", "1.4826 MAD"), ("minimum", "minimum"), ("maximum", "maximum"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the page and what stands under it."""

    image: PIL.Image.Image
    caption: str
    small: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page, and a sentence under its title; cells are text or numbers. Some rows may be red."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    red: frozenset[int] = frozenset()


def write_report(
    path: Path,
    title: str,
    *,
    graph: Graph,
    report: Report,
    lead: str = "",
    pictures: Mapping[str, Sequence[Picture]] | None = None,
    tables: Iterable[Table] = (),
) -> None:
    """Write the page to *path*, whole or not at all.

    Parameters
    ----------
    lead
        A sentence under the title.
    pictures
        Groups of pictures by heading.
    tables
        Tables before those that every run has: the statistics measured, and what became of each node.
    """
    from ..graphs.draw import draw

    parts = [f"<h1>{escape(title)}</h1>", f'<p class="lead">{escape(lead)}</p>' if lead else ""]
    parts += [gallery(heading, group) for heading, group in (pictures or {}).items()]
    parts += [table(t) for t in (*tables, *statistics(report), states(graph, report))]
    parts.append(f'<h2>Graph</h2><div class="drawing">{draw(graph, "svg")}</div>')
    write_page(path, title, parts)


def write_page(path: Path, title: str, parts: Iterable[str]) -> None:
    """Write a page of *parts*, which are HTML, to *path*; empty ones are left out."""
    write_text(
        path,
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(p for p in parts if p) + "\n</body></html>\n",
    )


def write_text(path: Path, text: str) -> None:
    """Write *text* to *path*, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, "utf-8")
    part.replace(path)


def statistics(report: Report) -> list[Table]:
    """Return one table of all Statistics Values of a run, a column an image and channel."""
    columns: list[str] = []
    values: list[Mapping[str, Any]] = []
    for label, value in report.values.items():
        channels = value.get("channels", ()) if isinstance(value, dict) else ()
        for channel in channels:
            if "median" in channel and "std_dev" in channel:
                columns.append(f"{label} {channel.get('name', '')}".strip() if len(channels) > 1 else label)
                values.append(channel)
    if not values:
        return []
    rows = [(told, *(v.get(key) for v in values)) for key, told in _STATISTICS]
    return [Table("Statistics", ("", *columns), rows)]


def states(graph: Graph, report: Report) -> Table:
    """Return what each node did in a run."""
    rows = []
    for name in graph.order():
        state = report.states.get(name, "pulled, strip by strip")
        rows.append((name, graph.spec(name).find().__name__, state))
    return Table("Nodes", ("node", "process", "in this run"), rows)


def gallery(heading: str, pictures: Sequence[Picture]) -> str:
    """Return pictures with their captions under one heading as HTML."""
    figures = "".join(
        f'<figure><img alt="{escape(p.caption)}" src="{_embedded(p)}"/><figcaption>{escape(p.caption)}</figcaption>'
        "</figure>"
        for p in pictures
    )
    return f'<h2>{escape(heading)}</h2><div class="pictures">{figures}</div>'


def _embedded(picture: Picture) -> str:
    """Return a picture as the address of an image: PNG, or JPEG where small is better than exact."""
    buffer = io.BytesIO()
    kind = "JPEG" if picture.small else "PNG"
    picture.image.save(buffer, kind, **({"quality": 85} if picture.small else {"optimize": True}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def table(made: Table) -> str:
    """Return a table with its title as HTML."""
    texts = [any(_is_text(row[n]) for row in made.rows) for n in range(len(made.columns))]
    head = "".join(f"<th{_TEXT if t else ''}>{escape(c)}</th>" for c, t in zip(made.columns, texts, strict=True))
    body = "".join(
        f"<tr{_RED if at in made.red else ''}>{''.join(map(_drawn, row))}</tr>" for at, row in enumerate(made.rows)
    )
    note = f'<p class="lead">{escape(made.note)}</p>' if made.note else ""
    title = f"<h2>{escape(made.title)}</h2>" if made.title else ""
    return f'{title}{note}<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _drawn(cell: Any) -> str:
    return f"<td{_TEXT if _is_text(cell) else ''}>{escape(_cell(cell))}</td>"


def _is_text(cell: Any) -> bool:
    """Tell text from numbers, among them those that come with as many digits as are wanted, or in per cent."""
    if not isinstance(cell, str) or not cell:
        return False
    try:
        float(cell.removesuffix("%"))
    except ValueError:
        return True
    return False


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    return f"{value:.7g}" if isinstance(value, float) else str(value)
