"""Links as an SVG picture and as an HTML page around it: no scripts, nothing from outside."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from .group import ROLES, Group
from .match import FrameLink, Matching

_FONT = "font-family=\"system-ui, 'Segoe UI', sans-serif\""
_STRONG = ' font-weight="600"'
_INK, _PALE, _RED, _GREEN, _WIRE = "#1c2733", "#55636f", "#c62828", "#2e7d4f", "#4a6a8a"
_FILL = {"light": "#fdf0dc", "flat": "#e8f1fb", "dark": "#eeeef3", "darkflat": "#e6eaee", "bias": "#eef4e6"}
_EDGE = {"light": "#c98a2b", "flat": "#4a7fb5", "dark": "#80818f", "darkflat": "#6b7c8a", "bias": "#7a9a4e"}
_LINE, _PAD, _GAP, _CHANNEL, _BORDER = 16, 10, 18, 130, 24
_TEXT = 66
_LANE = 14
# Widths of letters differ; these are wide ones, in pixels at 12 px.
_LETTER, _BOLD = 6.6, 7.6
_COLUMNS: tuple[tuple[str, ...], ...] = (("bias", "dark", "darkflat"), ("flat",), ("light",))


@dataclass(slots=True)
class _Row:
    """A line of text in a box; the first line of a link has the place where its wire arrives."""

    text: str
    colour: str = _PALE
    bold: bool = False
    link: FrameLink | None = None


@dataclass(slots=True)
class _Box:
    group: Group
    rows: list[_Row]
    x: float = 0.0
    y: float = 0.0
    arrivals: dict[int, float] = field(default_factory=dict)

    @property
    def wide(self) -> float:
        return max(len(r.text) * (_BOLD if r.bold else _LETTER) for r in self.rows) + 3 * _PAD

    @property
    def tall(self) -> float:
        return len(self.rows) * _LINE + 1.4 * _PAD


def picture(matching: Matching) -> str:
    """Return the picture: sources left, flats between, lights right; a red X where a link is missing."""
    columns = _placed(matching)
    boxes = {box.group.name: box for column in columns for box in column}
    lanes = _lanes(columns, matching)
    width = max((b.x + b.wide for b in boxes.values()), default=200.0) + _BORDER
    height = max((b.y + b.tall for b in boxes.values()), default=40.0) + _BORDER + _LANE * len(lanes)
    wires = [_wire(boxes, link, lanes) for link in matching.links]
    crosses = [_cross(boxes, link) for link in matching.broken]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" style="max-width: 100%; height: auto" '
        f'{_FONT} font-size="12">'
    )
    title = f"<title>Links of {len(boxes)} groups of frames, unresolved links: {len(matching.broken)}</title>"
    ground = f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>'
    return "\n".join([head, title, ground, *wires, *map(_drawn, boxes.values()), *crosses, "</svg>"]) + "\n"


# -- layout -----------------------------------------------------------------------------------------


def _placed(matching: Matching) -> list[list[_Box]]:
    columns = []
    for kinds in _COLUMNS:
        groups = [g for kind in kinds for g in matching.groups if g.kind == kind]
        if groups:
            columns.append([_Box(g, list(_rows(g, matching))) for g in groups])
    tallest = max((_height(c) for c in columns), default=0.0)
    x = float(_BORDER)
    for column in columns:
        y = _BORDER + (tallest - _height(column)) / 2
        for box in column:
            box.x, box.y = x, y
            y += box.tall + _GAP
            for n, row in enumerate(box.rows):
                if row.link is not None:
                    box.arrivals[id(row.link)] = box.y + _PAD * 0.6 + _LINE * (n + 0.6)
        x += max(b.wide for b in column) + _CHANNEL
    return columns


def _height(column: Sequence[_Box]) -> float:
    return sum(b.tall for b in column) + _GAP * (len(column) - 1)


def _rows(group: Group, matching: Matching) -> Iterator[_Row]:
    yield _Row(group.title, _INK, bold=True)
    yield _Row(group.count + (f", night of {', '.join(group.nights)}" if len(group.nights) == 1 else ""))
    for link in matching.of(group).values():
        yield from _link_rows(link)


def _link_rows(link: FrameLink) -> Iterator[_Row]:
    role = ROLES[link.role]
    if link.status == "unresolved":
        lines, colour = [*_wrapped(link.miss), *_wrapped(link.cure)], _RED
    elif link.status == "linked":
        lines, colour = _wrapped(f"{role}: {link.reason}"), _GREEN
    else:
        lines, colour = _wrapped(f"{role}: {link.reason}"), _PALE
    for n, line in enumerate(lines):
        yield _Row(line, colour, bold=link.status == "unresolved" and n == 0, link=link if n == 0 else None)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _TEXT, break_on_hyphens=False)


# -- drawing ----------------------------------------------------------------------------------------


def _drawn(box: _Box) -> str:
    kind = box.group.kind
    dash = ' stroke-width="2"' if box.group.master else ""
    texts = "".join(
        f'<text x="{box.x + 1.5 * _PAD:.1f}" y="{box.y + _PAD * 0.6 + _LINE * (n + 0.8):.1f}" fill="{row.colour}"'
        f"{_STRONG if row.bold else ''}>{_clean(row.text)}</text>"
        for n, row in enumerate(box.rows)
    )
    tip = "\n".join(record.path for record in box.group.records)
    return (
        f'<g><title>{_clean(tip)}</title><rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.wide:.1f}" '
        f'height="{box.tall:.1f}" rx="6" fill="{_FILL[kind]}" stroke="{_EDGE[kind]}"{dash}/>{texts}</g>'
    )


@dataclass(frozen=True, slots=True)
class _Lane:
    """The way of one source's wires beneath the column between it and the lights."""

    left: float
    right: float
    y: float


def _lanes(columns: Sequence[Sequence[_Box]], matching: Matching) -> dict[str, _Lane]:
    """Return a lane for each source left of the flats that serves lights right of them."""
    if len(columns) < len(_COLUMNS):
        return {}
    left = min(b.x for b in columns[1]) - _CHANNEL / 4
    right = max(b.x + b.wide for b in columns[1]) + _CHANNEL / 4
    bottom = max(b.y + b.tall for column in columns for b in column)
    first = {box.group.name for box in columns[0]}
    served = {s.name for k in matching.links if k.target.kind == "light" and (s := _begin(k)) and s.name in first}
    return {name: _Lane(left, right, bottom + _LANE * (n + 1)) for n, name in enumerate(sorted(served))}


def _begin(link: FrameLink) -> Group | None:
    """Return where the wire of a link begins; that of a broken one at the nearest miss."""
    return link.source or (link.nearest if link.status == "unresolved" else None)


def _wire(boxes: dict[str, _Box], link: FrameLink, lanes: dict[str, _Lane]) -> str:
    """Return the line of a link; a broken one leads, dashed, to the nearest miss."""
    source, target = _begin(link), boxes[link.target.name]
    if source is None:
        return ""
    begin, end = boxes[source.name], (target.x, target.arrivals[id(link)])
    at = begin.x + begin.wide, begin.y + begin.tall / 2
    path = f"M{at[0]:.1f} {at[1]:.1f}"
    lane = lanes.get(source.name)
    if lane and target.group.kind == "light":
        path += _swing(at, (lane.left, lane.y)) + f"H{lane.right:.1f}"
        at = lane.right, lane.y
    path += _swing(at, end)
    broken = link.status == "unresolved"
    style = f'stroke="{_RED}" stroke-dasharray="5 4"' if broken else f'stroke="{_WIRE}"'
    dot = "" if broken else f'<circle cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="3.2" fill="{_WIRE}"/>'
    tip = f"<title>{_clean(str(link))}</title>"
    return f'<path d="{path}" fill="none" stroke-width="1.6" {style}>{tip}</path>{dot}'


def _swing(a: tuple[float, float], b: tuple[float, float]) -> str:
    """Return the curve from *a* to *b* that leaves and arrives level."""
    middle = (a[0] + b[0]) / 2
    return f"C{middle:.1f} {a[1]:.1f} {middle:.1f} {b[1]:.1f} {b[0]:.1f} {b[1]:.1f}"


def _cross(boxes: dict[str, _Box], link: FrameLink) -> str:
    box = boxes[link.target.name]
    x, y, r = box.x, box.arrivals[id(link)], 6
    return (
        f'<g stroke="{_RED}" stroke-width="3" stroke-linecap="round"><title>{_clean(str(link))}</title>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r + 3}" fill="#ffffff" stroke-width="1.5"/>'
        f'<path d="M{x - r + 2:.1f} {y - r + 2:.1f}L{x + r - 2:.1f} {y + r - 2:.1f}'
        f'M{x + r - 2:.1f} {y - r + 2:.1f}L{x - r + 2:.1f} {y + r - 2:.1f}"/></g>'
    )


# -- page -------------------------------------------------------------------------------------------

_STYLE = (
    "body{font:14px/1.45 system-ui,'Segoe UI',sans-serif;color:#1c2733;margin:2rem;max-width:110rem}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{text-align:left;padding:.25rem .8rem;"
    "border-bottom:1px solid #dde3e8;vertical-align:top}.no{color:#c62828}.ok{color:#2e7d4f}h2{margin-top:2rem}"
)


def page(matching: Matching) -> str:
    """Return a page with the picture, what is missing and how to mend it, all links and all that is left out."""
    broken = matching.broken
    told = f"{len(broken)} unresolved link{'' if len(broken) == 1 else 's'}" if broken else "all resolved"
    parts = [
        "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
        f"<title>Links: {told}</title><style>{_STYLE}</style></head><body>", f"<h1>Links: {told}</h1>",
    ]  # fmt: skip
    if broken:
        rows = [(f"\N{MULTIPLICATION SIGN} {b.target.title}", b.miss, b.cure.removeprefix("cure: ")) for b in broken]
        parts += ["<h2>Unresolved links</h2>", _table(("frames", "what is missing", "cure"), rows, "no")]
    parts += [picture(matching), "<h2>All links</h2>"]
    parts.append(_table(("frames", "step", "linked", "why"), map(_cells, matching.links)))
    for heading, lines in (
        ("Left out", [f"{item.path}: {item.why}" for item in matching.left_out]),
        ("To be noted", matching.notes),
    ):
        if lines:
            items = "".join(f"<li>{_clean(line)}</li>" for line in lines)
            parts.append(f"<h2>{heading}</h2><ul>{items}</ul>")
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _cells(link: FrameLink) -> tuple[str, ...]:
    linked = link.source.title if link.source else link.status
    return link.target.title, ROLES[link.role], linked, link.miss if link.status == "unresolved" else link.reason


def _table(head: Iterable[str], rows: Iterable[Sequence[str]], style: str = "") -> str:
    top = "".join(f"<th>{_clean(cell)}</th>" for cell in head)
    body = "".join(
        f'<tr class="{style}">' + "".join(f"<td>{_clean(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def _clean(text: str) -> str:
    """Return *text* for XML, which has no place for control characters."""
    return escape("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text))
