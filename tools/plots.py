"""Plots for reports, as SVG: the one door to matplotlib, which is imported when the first is drawn."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_INK, _PALE, _GRID = "#1c2330", "#55667a", "#dde3ea"
_COLOURS = {
    "L": "#5b6470", "R": "#c0392b", "G": "#2e8b57", "B": "#2f6fb5", "Ha": "#a33b5e", "OIII": "#1f8a8a",
    "SII": "#b5762f",
}  # fmt: skip
_OTHERS = ("#4a6a8a", "#8a6d3b", "#6b4c9a", "#3c8d6e", "#a05252", "#4d7c2a")


@dataclass(frozen=True, slots=True)
class Points:
    """One set of points of a panel: the lights of one master.

    Attributes
    ----------
    name
        For the legend; the usual filters have their own colours.
    x, y
        Places; those that are not finite are not drawn.
    used
        Which of them are used; the others are crossed out.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    used: Sequence[bool] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """A small plot with its title, what stands at its axes, and its points."""

    title: str
    points: Sequence[Points] = field(default_factory=tuple)
    x_label: str = ""
    y_label: str = ""
    square: bool = False


def panels(drawn: Sequence[Panel], *, columns: int = 3) -> str:
    """Return small plots side by side as one SVG element, the same for the same points; empty for none."""
    if not drawn:
        return ""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    rows = -(-len(drawn) // columns)
    look: Any = {"svg.hashsalt": "lerarlink", "svg.fonttype": "none", "font.size": 8.0, "axes.linewidth": 0.6}
    with matplotlib.rc_context(look):
        figure = Figure(figsize=(3.9 * columns, 2.3 * rows), layout="constrained")
        for at, panel in enumerate(drawn):
            _draw(figure.add_subplot(rows, columns, at + 1), panel)
        text = io.StringIO()
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(text, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _draw(axes: Any, panel: Panel) -> None:
    axes.set_title(panel.title, loc="left", fontsize=9, color=_INK)
    for at, points in enumerate(panel.points):
        _scatter(axes, points, _COLOURS.get(points.name, _OTHERS[at % len(_OTHERS)]))
    axes.set_xlabel(panel.x_label, color=_PALE)
    axes.set_ylabel(panel.y_label, color=_PALE)
    axes.tick_params(colors=_PALE, width=0.5, length=2.5)
    axes.grid(True, color=_GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if panel.square:
        axes.set_aspect("equal", adjustable="datalim")
    else:
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 5))
        axes.xaxis.get_major_locator().set_params(integer=True)
        places = [x for points in panel.points for x in points.x]
        axes.set_xlim(min(places, default=1.0) - 0.5, max(places, default=1.0) + 0.5)
    if len(panel.points) > 1:
        axes.legend(fontsize=7, frameon=False, ncols=4, handletextpad=0.1, columnspacing=0.8)


def _scatter(axes: Any, points: Points, colour: str) -> None:
    used = points.used or [True] * len(points.x)
    seen = [
        (x, y, u) for x, y, u in zip(points.x, points.y, used, strict=True) if math.isfinite(x) and math.isfinite(y)
    ]
    for wanted, marker, size, paint in ((True, "o", 9.0, colour), (False, "x", 18.0, "#c62828")):
        chosen = [(x, y) for x, y, u in seen if u == wanted]
        if chosen or wanted:
            axes.scatter(
                [c[0] for c in chosen], [c[1] for c in chosen], s=size, marker=marker, color=paint, linewidths=0.9,
                label=points.name if wanted else None,
            )  # fmt: skip


# -- benches ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its name, how long it is, and whether it is drawn strongly."""

    name: str
    value: float
    strong: bool = True


@dataclass(frozen=True, slots=True)
class Curve:
    """A panel of one curve through its points, over a logarithmic axis."""

    title: str
    x_label: str
    x: Sequence[float]
    y: Sequence[float]
    logarithmic: bool = True


def bars(groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Return groups of horizontal bars side by side, as one SVG element; empty for none."""
    if not groups:
        return ""
    columns = min(3, len(groups))
    rows = -(-len(groups) // columns)
    longest = max(len(found) for _, found in groups)

    def drawn(figure: Any) -> None:
        for at, (title, found) in enumerate(groups):
            _bars(figure.add_subplot(rows, columns, at + 1), title, found)

    return _svg((3.9 * columns, (0.7 + 0.26 * longest) * rows), drawn)


def curves(drawn: Sequence[Curve]) -> str:
    """Return curves side by side, as one SVG element; empty for none."""

    def made(figure: Any) -> None:
        for at, one in enumerate(drawn):
            axes = figure.add_subplot(1, len(drawn), at + 1)
            axes.plot(one.x, one.y, marker="o", markersize=3.5, linewidth=1.0, color=_OTHERS[0])
            axes.set_xscale("log")
            axes.set_yscale("log" if one.logarithmic else "linear")
            if not one.logarithmic:
                axes.set_ylim(0.0, 1.15 * max(one.y))
            axes.set_xlabel(one.x_label, color=_PALE)
            _calm(axes, one.title)

    return _svg((3.9 * len(drawn), 2.3), made) if drawn else ""


def _bars(axes: Any, title: str, found: Sequence[Bar]) -> None:
    places = range(len(found), 0, -1)
    colours = [_OTHERS[0] if b.strong else "#b9c4cf" for b in found]
    axes.barh(places, [b.value for b in found], height=0.62, color=colours)
    axes.set_yticks(list(places), [b.name for b in found])
    longest = max((b.value for b in found), default=0.0)
    axes.set_xlim(0.0, 1.18 * longest or 1.0)
    for place, bar in zip(places, found, strict=True):
        told = f"{bar.value:.0f}" if bar.value >= 100 else f"{bar.value:.3g}"
        axes.text(bar.value + 0.015 * longest, place, told, va="center", fontsize=7, color=_PALE)
    _calm(axes, title)
    axes.grid(False, axis="y")


def _calm(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, color=_INK)
    axes.tick_params(colors=_PALE, width=0.5, length=2.5)
    axes.grid(True, color=_GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _svg(size: tuple[float, float], draw: Callable[[Any], None]) -> str:
    """Return a figure as one SVG element, the same for the same figure."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    look: Any = {"svg.hashsalt": "lerarlink", "svg.fonttype": "none", "font.size": 8.0, "axes.linewidth": 0.6}
    with matplotlib.rc_context(look):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        text = io.StringIO()
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(text, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


# -- series -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """A panel of one curve, or of points where *points* is set, with errors and marks at some places.

    Attributes
    ----------
    model
        Places and heights of a smooth curve that is drawn besides.
    """

    title: str
    x: Sequence[float]
    y: Sequence[float]
    error: Sequence[float] = ()
    x_label: str = ""
    y_label: str = ""
    points: bool = False
    marks: Sequence[float] = ()
    model: tuple[Sequence[float], Sequence[float]] | None = None


@dataclass(frozen=True, slots=True)
class Map:
    """A panel of an image as colours, or greys where it is *plain*, from *low* to *high*, with rings around places."""

    title: str
    image: Any
    low: float
    high: float
    rings: Sequence[tuple[float, float]] = ()
    plain: bool = False


def lines_png(drawn: Sequence[Line], *, columns: int = 1) -> bytes:
    """Return curves one beside another as a PNG file."""
    rows = -(-len(drawn) // columns)

    def made(figure: Any) -> None:
        for at, one in enumerate(drawn):
            axes = figure.add_subplot(rows, columns, at + 1)
            if one.points:
                some = len(one.error) == len(one.x)
                axes.errorbar(one.x, one.y, one.error if some else None, fmt="o", markersize=3.0, linewidth=0.8,
                              color=_OTHERS[0], ecolor="#9fb0c2")  # fmt: skip
            else:
                axes.plot(one.x, one.y, linewidth=0.9, color=_OTHERS[0])
            for mark in one.marks:
                axes.axvline(mark, color="#c0392b", linewidth=0.8, linestyle="--")
            if one.model is not None:
                axes.plot(*one.model, linewidth=1.1, color="#c0392b")
            axes.set_xlabel(one.x_label, color=_PALE)
            axes.set_ylabel(one.y_label, color=_PALE)
            _calm(axes, one.title)

    return _png((5.6 * columns, 2.8 * rows), made)


def maps_png(drawn: Sequence[Map]) -> bytes:
    """Return images side by side as a PNG file, rows counted downwards."""

    def made(figure: Any) -> None:
        for at, one in enumerate(drawn):
            axes = figure.add_subplot(1, len(drawn), at + 1)
            shown = axes.imshow(one.image, cmap="gray" if one.plain else "magma", vmin=one.low, vmax=one.high,
                                interpolation="nearest")  # fmt: skip
            for y, x in one.rings:
                axes.plot([x], [y], marker="o", markersize=9.0, markerfacecolor="none", markeredgecolor="#4dd0e1")
            axes.set_title(one.title, loc="left", fontsize=9, color=_INK)
            axes.tick_params(colors=_PALE, width=0.5, length=2.5)
            figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.02)

    return _png((4.4 * len(drawn), 3.9), made)


def _png(size: tuple[float, float], draw: Callable[[Any], None]) -> bytes:
    """Return a figure as a PNG file."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 8.0, "axes.linewidth": 0.6}):
        figure = Figure(figsize=size, layout="constrained", dpi=110)
        draw(figure)
        made = io.BytesIO()
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(made, metadata={"Software": None})
    return made.getvalue()
