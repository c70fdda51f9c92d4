"""Drawings of graphs: as text, Mermaid, dot, SVG, and JSON for other programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from ..engine.errors import ParameterError
from ..engine.graph import Graph
from . import ascii_drawing, svg_drawing
from .check import states
from .document import Graph as DocumentGraph
from .labels import labels, wires
from .layers import layered

FORMATS = ("ascii", "mermaid", "dot", "svg", "json")


def draw(graph: Graph, format: str = "ascii", notes: Mapping[str, str] | None = None) -> str:
    """Return a drawing of *graph*, which may be broken. The same graph always gives the same text.

    Parameters
    ----------
    graph
        What to draw.
    format
        ``ascii`` (at most 100 columns: a list where boxes would need more), ``mermaid``, ``dot``, ``svg``
        or ``json`` (the document, with the layers of the drawing).
    notes
        A line to be shown with some of the nodes, by name: a median, a time.

    Raises
    ------
    ParameterError
        There is no such format.
    """
    if format not in _DRAW:
        raise ParameterError(f"draw: format must be one of {', '.join(FORMATS)}, got {format!r}")
    return _DRAW[format](graph, dict(notes or {}))


def _mermaid(graph: Graph, notes: dict[str, str]) -> str:
    """Return a flowchart; names in it are numbers, since Mermaid has words of its own."""
    ids, told = _ids(graph), labels(graph, notes)
    lines = ["flowchart TD"]
    for node, name in ids.items():
        text = "<br/>".join(map(_mermaid_text, told[node].lines()))
        lines.append(f'    {name}["{text}"]:::{svg_drawing.tint(told[node])}')
    for wire in wires(graph):
        label = f"|{_mermaid_text(wire.label)}|" if wire.label else ""
        arrow = "-->" if wire.is_image else "-.->"
        lines.append(f"    {ids[wire.source]} {arrow}{label} {ids[wire.node]}")
    lines += [
        f"    classDef {name} fill:{fill},stroke:{stroke},color:#1c2733"
        for name, (fill, stroke) in svg_drawing.TINTS.items()
    ]
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    # Entities in Mermaid are written #name; or #number; and markup must not be taken for its own.
    return "".join(c if c.isalnum() or c in " _-.,=/" else f"#{ord(c)};" for c in text)


def _dot(graph: Graph, notes: dict[str, str]) -> str:
    ids, told = _ids(graph), labels(graph, notes)
    lines = ["digraph lerarlink {", '    node [shape=box, style="rounded,filled", fontname="sans-serif"];']
    for node, name in ids.items():
        fill, stroke = svg_drawing.TINTS[svg_drawing.tint(told[node])]
        text = "\\n".join(map(_dot_text, told[node].lines()))
        lines.append(f'    {name} [label="{text}", fillcolor="{fill}", color="{stroke}"];')
    for wire in wires(graph):
        style = "" if wire.is_image else ", style=dotted" if wire.tunes else ", style=dashed"
        lines.append(f'    {ids[wire.source]} -> {ids[wire.node]} [label="{_dot_text(wire.label)}"{style}];')
    lines += [f"    {{ rank=same; {' '.join(f'{ids[n]};' for n in layer)} }}" for layer in layered(graph)]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _json(graph: Graph, notes: dict[str, str]) -> str:
    """Return the document, with layers and states beside it; a graph too broken for a document is refused."""
    made = graph.to_document(flat=True) if isinstance(graph, DocumentGraph) else {}
    made["layers"] = layered(graph)
    made["states"] = {n: state or "unknown" for n, (state, _) in sorted(states(graph).items())}
    if notes:
        made["notes"] = {n: notes[n] for n in sorted(notes) if n in graph}
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def _ids(graph: Graph) -> dict[str, str]:
    return {node: f"n{i}" for i, node in enumerate(n for layer in layered(graph) for n in layer)}


_DRAW: dict[str, Callable[[Graph, dict[str, str]], str]] = {
    "ascii": ascii_drawing.draw,
    "mermaid": _mermaid,
    "dot": _dot,
    "svg": svg_drawing.draw,
    "json": _json,
}
