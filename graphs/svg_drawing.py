"""A graph as an SVG picture that can stand in a page: no scripts, no style sheet, nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from ..engine.graph import Graph
from .labels import Label, Wire, cut, labels, wires
from .layers import Place, places

TINTS = {
    "linear": ("#e8f1fb", "#4a7fb5"),
    "stretched": ("#fdf0dc", "#c98a2b"),
    "value": ("#eef4e6", "#7a9a4e"),
    "file": ("#f1f1f5", "#80818f"),
    "unknown": ("#fbe6e6", "#c05050"),
}
"""Fill and stroke by kind of node; images whose state only their file knows are shown as linear."""

_IMAGE, _VALUE, _TUNES = "#4a6a8a", "#7a9a4e", "#8a5a9a"
_INK, _PALE = "#1c2733", "#55636f"
_LINE = 15
_PAD = 8
_GAP = 24
_CHANNEL = 56
_BEND = 14
_FONT = "font-family=\"system-ui, 'Segoe UI', sans-serif\""
# Widths of letters differ; these are wide ones, in parts of the font size.
_LETTER, _BOLD = 0.6, 0.68


def tint(label: Label) -> str:
    if not label.installed:
        return "unknown"
    if label.is_sink:
        return "file"
    if not label.gives_image:
        return "value"
    return label.state or "linear"


Tint = tuple[str, str]
"""Fill and stroke of a box."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A drawn graph without the picture around it: its size, and the elements inside."""

    width: float
    height: float
    elements: str


def draw(graph: Graph, notes: dict[str, str]) -> str:
    """Return the picture as text; it scales to the width it is given, at most to its own size."""
    made = sheet(graph, notes)
    return picture(made.width, made.height, f"Graph of {len(graph)} nodes", made.elements)


def sheet(graph: Graph, notes: Mapping[str, str], tints: Mapping[str, Tint] | None = None) -> Sheet:
    """Return the graph drawn from 0, 0 on; *tints* colour some of its nodes, by name."""
    told = labels(graph, notes)
    layers = places(graph)
    made = _Sheet(told, layers, tints or {})
    parts = [*_links(made, wires(graph)), *(_box(made, p) for layer in layers for p in layer if not p.bend)]
    return Sheet(made.width, made.height, "\n".join(parts))


def picture(width: float, height: float, title: str, elements: str) -> str:
    """Return an SVG picture of *elements*."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'style="max-width: {width:.0f}px; width: 100%; height: auto" {_FONT} font-size="12">'
    )
    ground = f'<rect width="{width:.0f}" height="{height:.0f}" rx="6" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{_clean(title)}</title>", _markers(), ground, elements, "</svg>"]) + "\n"


def _markers() -> str:
    made = "".join(
        f'<marker id="lerar-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
        for name, colour in (("image", _IMAGE), ("value", _VALUE), ("tunes", _TUNES))
    )
    return f"<defs>{made}</defs>"


class _Sheet:
    """Sizes and places of everything on the picture."""

    def __init__(self, told: dict[str, Label], layers: list[list[Place]], tints: Mapping[str, Tint]) -> None:
        self.told, self.tints = told, tints
        self.x: dict[int, float] = {}
        self.y: dict[int, float] = {}
        self.low: dict[int, float] = {}  # where bends end: they go straight down beside the boxes
        self.at = {p.node: p for layer in layers for p in layer if not p.bend}
        self.through = {(p.node, p.layer): p for layer in layers for p in layer if p.bend}
        widths = [sum(map(self.wide, layer)) + _GAP * (len(layer) - 1) for layer in layers]
        self.width = max(widths, default=0.0) + 2 * _GAP
        top = float(_GAP)
        for layer in layers:
            tall = max(self.tall(p) for p in layer if not p.bend)
            self._place(layer, top, tall)
            top += tall + _CHANNEL
        self.height = max(top - _CHANNEL, 0.0) + _GAP

    def wide(self, place: Place) -> float:
        if place.bend:
            return _BEND
        name, *others = self.lines(place.node)
        longest = max(len(name) * _BOLD, *(len(line) * _LETTER for line in others))
        return max(84.0, longest * 12 + 2 * _PAD)

    def tall(self, place: Place) -> float:
        return len(self.lines(place.node)) * _LINE + 1.5 * _PAD

    def lines(self, node: str) -> list[str]:
        return [cut(line, 32) for line in self.told[node].lines()]

    def _place(self, layer: list[Place], top: float, tall: float) -> None:
        """Put a layer as near below its neighbours as its order and the width of the picture allow."""
        rest = sum(map(self.wide, layer)) + _GAP * (len(layer) - 1)
        least = float(_GAP)
        if not any(p.above for p in layer):
            least = (self.width - rest) / 2
        for place in layer:
            wide = self.wide(place)
            wish = [self.centre(a) for a in place.above]
            left = sum(wish) / len(wish) - wide / 2 if wish else least
            left = max(least, min(left, self.width - _GAP - rest))
            self.x[id(place)], self.y[id(place)] = left, top
            if place.bend:
                self.low[id(place)] = top + tall
            least = left + wide + _GAP
            rest -= wide + _GAP

    def centre(self, place: Place) -> float:
        return self.x[id(place)] + self.wide(place) / 2

    def bottom(self, place: Place) -> float:
        return self.y[id(place)] + self.tall(place)


def _box(sheet: _Sheet, place: Place) -> str:
    label = sheet.told[place.node]
    fill, stroke = sheet.tints.get(place.node) or TINTS[tint(label)]
    x, y = sheet.x[id(place)], sheet.y[id(place)]
    dash = "" if label.installed else ' stroke-dasharray="5 3"'
    texts = []
    for i, (line, whole) in enumerate(zip(sheet.lines(place.node), label.lines(), strict=True)):
        style = ' font-weight="600"' if i == 0 else ""
        colour = _INK if i < 2 else _PALE
        full = f"<title>{_clean(whole)}</title>" if line != whole else ""
        texts.append(
            f'<text x="{x + _PAD:.1f}" y="{y + _LINE * (i + 1):.1f}" fill="{colour}"{style}>{full}{_clean(line)}</text>'
        )
    return (
        f'<g><rect x="{x:.1f}" y="{y:.1f}" width="{sheet.wide(place):.1f}" height="{sheet.tall(place):.1f}" rx="5" '
        f'fill="{fill}" stroke="{stroke}"{dash}/>{"".join(texts)}</g>'
    )


def _links(sheet: _Sheet, all_wires: list[Wire]) -> list[str]:
    """Return all links, each ending in a place of its own on the upper edge of its node."""
    into: dict[str, list[Wire]] = {}
    for wire in all_wires:
        into.setdefault(wire.node, []).append(wire)
    made = []
    for node, arriving in into.items():
        place = sheet.at[node]
        # From left to right as they come, so that they do not cross just above the box.
        arriving.sort(key=lambda w: _arrival(sheet, w))
        step = sheet.wide(place) / (len(arriving) + 1)
        for i, wire in enumerate(arriving):
            end = sheet.x[id(place)] + step * (i + 1), sheet.y[id(place)]
            made.append(_curve(sheet, wire, end))
    return made


def _arrival(sheet: _Sheet, wire: Wire) -> float:
    last = sheet.through.get((wire.source, sheet.at[wire.node].layer - 1))
    return sheet.centre(last or sheet.at[wire.source])


def _curve(sheet: _Sheet, wire: Wire, end: tuple[float, float]) -> str:
    source = sheet.at[wire.source]
    at = sheet.centre(source), sheet.bottom(source)
    path = f"M{at[0]:.1f} {at[1]:.1f}"
    for layer in range(source.layer + 1, sheet.at[wire.node].layer):
        bend = sheet.through.get((wire.source, layer))
        if bend is not None:
            x, low = sheet.centre(bend), sheet.low[id(bend)]
            path += f"{_swing(at, (x, sheet.y[id(bend)]))}V{low:.1f}"
            at = x, low
    path += _swing(at, end)
    kind, colour = ("image", _IMAGE) if wire.is_image else ("tunes", _TUNES) if wire.tunes else ("value", _VALUE)
    dash = "" if wire.is_image else f' stroke-dasharray="{"2 3" if wire.tunes else "4 3"}"'
    line = f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.3"{dash} marker-end="url(#lerar-{kind})"/>'
    if not wire.label:
        return line
    return line + (
        f'<text x="{end[0] + 4:.1f}" y="{end[1] - 9:.1f}" font-size="10" fill="{colour}" '
        f'paint-order="stroke" stroke="#ffffff" stroke-width="3">{_clean(wire.label)}</text>'
    )


def _swing(a: tuple[float, float], b: tuple[float, float]) -> str:
    """Return the curve from *a* to *b* that leaves and arrives upright."""
    middle = (a[1] + b[1]) / 2
    return f"C{a[0]:.1f} {middle:.1f} {b[0]:.1f} {middle:.1f} {b[0]:.1f} {b[1]:.1f}"


def _clean(text: str) -> str:
    """Return *text* for XML, which has no place for control characters at all."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))
