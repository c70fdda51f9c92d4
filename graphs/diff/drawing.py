"""A difference drawn: both graphs side by side, what changed in colour, and a page with the list of changes."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import NamedTuple

from .. import svg_drawing
from .changes import Difference, Kind
from .sides import Side
from .text import WORDS, meaning, notes, sentence, some

TINTS: dict[str, svg_drawing.Tint] = {
    "removed": ("#fbd5d5", "#c03030"),
    "added": ("#d5f0d8", "#2f8a3c"),
    "replaced": ("#f3d9f5", "#97409f"),
    "changed": ("#ffe2b8", "#c47a10"),
    "renamed": ("#d9e8fc", "#2f6fbf"),
    "affected": ("#fdf6d8", "#b9a24a"),
    "same": ("#f6f7f9", "#a8b0ba"),
}
"""Fill and stroke by what became of a node."""

_FATE: dict[Kind, str] = {
    "removed": "removed", "added": "added", "replaced": "replaced", "updated": "changed", "rewired": "changed",
    "retuned": "changed", "described": "renamed", "renamed": "renamed",
}  # fmt: skip
_ORDER = ("affected", "renamed", "changed", "replaced", "added", "removed")
_GAP = 32.0
_HEAD = 34.0


class Figure(NamedTuple):
    """A picture for the page: its caption, and where it is, mostly a ``data:`` address."""

    caption: str
    address: str


def fates(found: Difference) -> tuple[dict[str, str], dict[str, str]]:
    """Return what became of each node, under its names in *a* and in *b*: the strongest thing to be said."""
    of_b = dict.fromkeys(found.b.nodes, "same")
    of_a = dict.fromkeys(found.a.nodes, "same")
    told = [(n, "affected") for n in found.affected]
    told += [(c.node, _FATE[c.kind]) for c in found.changes if c.kind in _FATE]
    for node, fate in sorted(told, key=lambda item: _ORDER.index(item[1])):
        (of_a if fate == "removed" else of_b)[node] = fate
    of_a |= {a: of_b[b] for a, b in found.pairs.items()}
    return of_a, of_b


def svg(found: Difference) -> str:
    """Return both graphs side by side as one SVG picture."""
    of_a, of_b = fates(found)
    left, right = _sheet(found.a, of_a), _sheet(found.b, of_b)
    at = left.width + _GAP
    top = _HEAD + 10
    elements = [
        _title(found.a.title or "before", _GAP),
        _title(found.b.title or "after", at + _GAP),
        f'<g transform="translate(0 {_HEAD:.0f})">{left.elements}</g>',
        f'<g transform="translate({at:.0f} {_HEAD:.0f})">{right.elements}</g>',
        f'<path d="M{at - _GAP / 2:.0f} {top:.0f}V{_HEAD + max(left.height, right.height):.0f}" stroke="#dde3ea"/>',
        _legend(_HEAD + max(left.height, right.height) + 8, sorted({*of_a.values(), *of_b.values()})),
    ]
    height = max(left.height, right.height) + _HEAD + 40
    width = max(at + right.width, 700.0)
    return svg_drawing.picture(width, height, f"{found.a.title} and {found.b.title}", "\n".join(elements))


def _sheet(side: Side, fate: dict[str, str]) -> svg_drawing.Sheet:
    return svg_drawing.sheet(side.graph(), {}, {n: TINTS[f] for n, f in fate.items()})


def _title(text: str, x: float) -> str:
    return f'<text x="{x:.0f}" y="24" font-size="15" font-weight="600" fill="#1c2733">{_text(text)}</text>'


def _legend(y: float, used: Iterable[str]) -> str:
    made = []
    x = _GAP
    for fate in [f for f in TINTS if f in set(used)]:
        fill, stroke = TINTS[fate]
        made.append(
            f'<rect x="{x:.0f}" y="{y:.0f}" width="16" height="12" rx="3" fill="{fill}" stroke="{stroke}"/>'
            f'<text x="{x + 22:.0f}" y="{y + 10:.0f}" fill="#55636f">{fate}</text>'
        )
        x += 40 + 8 * len(fate)
    return "".join(made)


_STYLE = """
body { font: 15px/1.5 system-ui, 'Segoe UI', sans-serif; margin: 28px auto; max-width: 1500px; padding: 0 24px;
  color: #1c2733; background: #f7f8fa; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 28px 0 8px; }
p { margin: 0 0 12px; color: #455; } .drawing { overflow-x: auto; background: #fff; border: 1px solid #dde3ea;
  border-radius: 6px; padding: 8px; }
table { border-collapse: collapse; } td { padding: 4px 14px 4px 0; vertical-align: top;
  border-bottom: 1px solid #dde3ea; } td:first-child { white-space: nowrap; }
.mark { padding: 1px 8px; border-radius: 4px; border: 1px solid; font-size: 13px; }
figure { margin: 0; } figcaption { color: #566; font-size: 13px; } img { max-width: 100%; height: auto; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 18px; }
pre { background: #fff; border: 1px solid #dde3ea; border-radius: 6px; padding: 10px; overflow-x: auto; }
"""


def html(
    found: Difference, said: Iterable[str] = (), pixels: Iterable[str] = (), figures: Iterable[Figure] = ()
) -> str:
    """Return a page that needs nothing else: sentences, the changes, the drawing, and what was found in pixels.

    Parameters
    ----------
    said
        Sentences in place of what the graphs alone tell about the outcome.
    pixels
        Lines about how pixels differ.
    figures
        Pictures of that.
    """
    title = f"{found.a.title} and {found.b.title}"
    lead = [*said] or [meaning(found) if found else "The graphs are equal."]
    parts = [f"<h1>{_text(title)}</h1>", *(f"<p>{_text(line)}</p>" for line in (*lead, *notes(found)))]
    if found:
        parts += ["<h2>Changes</h2>", f"<table>{''.join(_rows(found))}</table>"]
    if told := list(pixels):
        parts += ["<h2>Pixels</h2>", f"<pre>{_text(chr(10).join(told), keep=chr(10))}</pre>"]
    if shown := list(figures):
        parts.append(f'<div class="figures">{"".join(map(_figure, shown))}</div>')
    parts.append(f'<h2>Graphs</h2><div class="drawing">{svg(found)}</div>')
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>{_text(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _rows(found: Difference) -> Iterable[str]:
    for change in found.changes:
        yield _row(WORDS[change.kind], _FATE.get(change.kind, "same"), sentence(change))
    if found.affected:
        yield _row("affected", "affected", some(found.affected, 40))


def _row(word: str, fate: str, told: str) -> str:
    fill, stroke = TINTS[fate]
    mark = f'<span class="mark" style="background: {fill}; border-color: {stroke}">{word}</span>'
    return f"<tr><td>{mark}</td><td>{_text(told)}</td></tr>"


def _figure(figure: Figure) -> str:
    alt = _text(figure.caption)
    return f'<figure><img alt="{alt}" src="{escape(figure.address)}"/><figcaption>{alt}</figcaption></figure>'


def _text(text: str, keep: str = "") -> str:
    return escape("".join(c if c.isprintable() or c in keep else "\N{REPLACEMENT CHARACTER}" for c in text))
