"""One HTML page about a graph: what it is, and, as far as that is known, what it gives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.errors import EngineError, UnknownProcessError
from ..engine.graph import Link
from ..engine.image import ImageHandle, Stf
from ..engine.links.resolving import Resolved
from ..engine.report import Report
from .report import Picture, Table, gallery, statistics, table, write_page

if TYPE_CHECKING:
    from ..graphs.document import Graph

# A page is for reading: more pictures than that, or figures of one value, belong elsewhere.
_PICTURES = 8
_FIGURES = 12
_PREVIEW = 800


def write_graph_report(path: Path, graph: Graph, *, title: str, run: bool = False) -> str:
    """Write the page to *path*, whole or not at all, and return in a few words what it rests on.

    Parameters
    ----------
    run
        Run the graph first, outputs and all, and show previews of them. Otherwise nothing is computed: Values are
        shown that the store has of earlier runs of the same nodes on the same files.

    Raises
    ------
    EngineError
        With *run*: what the run raises. Without it a graph may be broken; the page says how.
    """
    from ..graphs.draw import draw

    report, told = (graph.run(), "of a run") if run else _stored(graph)
    pictures = list(_pictures(graph)) if run else []
    lead = f'<p class="lead">{"<br/>".join(map(escape, graph.doc.splitlines()))}</p>' if graph.doc else ""
    parts = [f"<h1>{escape(title)}</h1>", lead, f'<p class="lead">{len(graph)} nodes; values: {escape(told)}.</p>']
    parts += [gallery("Previews", pictures)] if pictures else []
    parts.append(f'<h2>Graph</h2><div class="drawing">{draw(graph, "svg", _notes(report))}</div>')
    parts += [table(t) for t in (*_problems(graph), *_inputs(graph), *statistics(report))]
    last = (_nodes(graph, report), *_links(graph), *_tuned(graph, report), *_written(report), *_values(report))
    parts += [table(t) for t in last]
    write_page(path, title, parts)
    return f"values {told}"


def _stored(graph: Graph) -> tuple[Report, str]:
    """Return what the store has of the Values of *graph*."""
    from .cli._dry_run import recalled

    report = Report()
    try:
        report.values, report.links = recalled(graph, graph.ends())
    except (EngineError, OSError) as e:
        return report, f"none ({e})"
    report.states = dict.fromkeys(report.values, "recalled")
    return report, "of earlier runs, from the store" if report.values else "none, it was not run yet"


# -- what the graph is ----------------------------------------------------------------------------------


def _problems(graph: Graph) -> list[Table]:
    from ..graphs.check import check

    found = check(graph, template=True)
    rows = [(p.node, p.message, p.cure) for p in found]
    return [Table("Problems", ("node", "what is wrong", "what would help"), rows)] if rows else []


def _inputs(graph: Graph) -> list[Table]:
    rows, red = [], set()
    for at, item in enumerate(graph.inputs.values()):
        value = graph.spec(item.node).params.get(item.param)
        if not value and not item.optional:
            red.add(at)
        given = _text(value) if value else "not given"
        rows.append((item.name, given, "may be left out" if item.optional else "", item.doc))
    return [Table("Inputs", ("name", "file", "", "what it is"), rows, red=frozenset(red))] if rows else []


def _nodes(graph: Graph, report: Report) -> Table:
    rows = []
    for name in graph:
        spec = graph.spec(name)
        set_ = ", ".join(f"{k} = {_text(v)}" for k, v in spec.params.items())
        region = f"; only inside {tuple(spec.region)}" if spec.region is not None else ""
        id_ = f"{spec.process} {spec.version}"
        rows.append((name, _process(graph, name), id_, set_ + region, _state(report, name)))
    note = "Parameters that are not named are at their defaults; see the reference page of the process."
    return Table("Nodes", ("node", "process", "id and version", "parameters", "values"), rows, note)


def _process(graph: Graph, name: str) -> str:
    try:
        return graph.spec(name).find().__name__
    except UnknownProcessError:
        return "not installed"


def _links(graph: Graph) -> list[Table]:
    rows = sorted((str(link), f"{node}.{port}") for link, node, port in graph.links())
    return [Table("Links", ("from", "to"), rows)] if rows else []


def _tuned(graph: Graph, report: Report) -> list[Table]:
    """Return what parameters follow, and what that gave where it is known."""
    gave: dict[tuple[str, str], list[Resolved]] = {}
    for one in report.links:
        gave.setdefault((one.node, one.param), []).append(one)
    rows = []
    for at, link in sorted(graph.parameter_links.items()):
        found = gave.get(at, [])
        value = _given(found[0]) if len(found) == 1 else f"{len(found)} frames" if found else "not known yet"
        if link.mode == "frozen" and not found:
            kept = graph.spec(at[0]).params.get(at[1], "none")
            value = f"{len(link.frames)} frames" if link.frames else _text(kept)
        inputs = ", ".join(f"{i.reference} = {_text(i.value)}" for i in found[0].inputs) if found else ""
        rows.append((".".join(at), f"= {link.expr}", inputs, value, found[0].how if found else link.mode))
    names = ("parameter", "follows", "which is", "gives", "how")
    return [Table("Parameter links", names, rows)] if rows else []


def _given(one: Resolved) -> str:
    error = "" if one.error is None else f" ± {_text(one.error)}"
    return f"{_text(one.value)}{error}{' ' + one.unit if one.unit else ''}"


def _text(value: Any) -> str:
    """Return the value of a parameter, long ones cut."""
    if isinstance(value, tuple | list):
        told = ", ".join(map(_text, value[:4]))
        return f"({told}{f', and {len(value) - 4} more' if len(value) > 4 else ''})"
    text = f"{value:.7g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


# -- what it gives --------------------------------------------------------------------------------------


def _state(report: Report, name: str) -> str:
    found = {s for label, s in report.states.items() if label.partition("[")[0].partition("/")[0] == name}
    return ", ".join(sorted(found))


def _values(report: Report) -> list[Table]:
    """Return the figures of all Values but the tables of Statistics, which have a page's table of their own."""
    rows = []
    for label, value in report.values.items():
        channels = value.get("channels", ()) if isinstance(value, Mapping) else ()
        if any("std_dev" in c for c in channels if isinstance(c, Mapping)):
            continue
        for at, (key, figure) in enumerate(_figures(value)):
            if at == _FIGURES:
                rows.append((label, "...", "and more"))
                break
            rows.append((label, key, figure))
    return [Table("Values", ("node", "", ""), rows)] if rows else []


def _figures(value: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the numbers and words of a Value with their way to it; arrays are told by their shape."""
    if hasattr(value, "shape") and value.size != 1:
        yield key, f"array {value.shape}"
    elif isinstance(value, Mapping) and depth < 4:
        for name, item in value.items():
            yield from _figures(item, f"{key}.{name}" if key else str(name), depth + 1)
    elif isinstance(value, list | tuple):
        if len(value) > 6 or depth >= 4:
            yield key, f"{len(value)} items"
        else:
            for i, item in enumerate(value):
                yield from _figures(item, f"{key}[{i}]", depth + 1)
    else:
        plain = value.item() if hasattr(value, "item") else value
        yield key, "nan" if isinstance(plain, float) and math.isnan(plain) else plain


def _notes(report: Report) -> dict[str, str]:
    """Return a line for the drawing: the medians that Statistics found."""
    found = {}
    for label, value in report.values.items():
        channels = value.get("channels", ()) if isinstance(value, Mapping) else ()
        medians = [c["median"] for c in channels if isinstance(c, Mapping) and "median" in c]
        if medians:
            found[label] = "median " + ", ".join(f"{m:.6g}" for m in medians)
    return found


def _written(report: Report) -> list[Table]:
    return [Table("Files written", ("file",), [(p,) for p in report.written])] if report.written else []


def _pictures(graph: Graph) -> Iterator[Picture]:
    """Yield previews of the outputs, stretched for the eye where they are linear."""
    links = dict.fromkeys(link for name in graph.outputs or graph.ends() for link in _images(graph, name))
    images = [ImageHandle(graph, link) for link in links]
    # A series is many pictures, an optional source that was not given none.
    for image in [i for i in images if len(i) == 1][:_PICTURES]:
        stf: Stf = "none" if image.frame.state == "stretched" else "linked"
        yield Picture(image.preview(stf=stf, size=_PREVIEW), f"{image.link.node}, {_STRETCHED[stf]}")


_STRETCHED = {"none": "as it is", "linked": "auto-stretched"}


def _images(graph: Graph, name: str) -> list[Link]:
    """Return the image that a node gives; or, where it gives none, those it takes."""
    process = graph.spec(name).find()
    own = [Link(name, p.name) for p in process.outputs if p.is_image]
    taken = {p.name for p in process.inputs if p.is_image}
    feeds = [f for port, f in graph.feeds(name).items() if port in taken]
    return own[:1] or [link for f in feeds for link in ((f,) if isinstance(f, Link) else f)]
