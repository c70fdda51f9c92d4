"""Which nodes the parameter links of a document name, found out from the texts alone: no process need be installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.errors import LinkError
from ..engine.links.grammar import parse, rewritten
from ..engine.links.references import NodeNames

Document = Mapping[str, Any]
_SHOWN = 4  # values of a list


@dataclass(frozen=True, slots=True)
class Named:
    """A node that a parameter link names.

    Attributes
    ----------
    param
        The parameter that follows.
    node
        The node that is named.
    rest
        What of it: ``median`` of ``stats.median``.
    """

    param: str
    node: str
    rest: str


def named(node: Document, names: NodeNames) -> Iterator[Named]:
    """Yield the nodes that the live links of a node's document name, each reference once."""
    for param, link in live(node).items():
        yield from named_in(param, texts(link), names)


def named_in(param: str, expressions: tuple[str, ...], names: NodeNames) -> Iterator[Named]:
    for text in expressions:
        try:
            references = parse(text).references
        except LinkError:  # what cannot be read names nothing
            continue
        for reference in references:
            if (found := names.found(reference.parts)) is not None:
                yield Named(param, found[0], ".".join(reference.parts[found[1] :]))


def paths(link: Document) -> Iterator[tuple[str, ...]]:
    """Yield the dotted paths that a link names, as tuples."""
    for text in texts(link):
        try:
            yield from (reference.parts for reference in parse(text).references)
        except LinkError:
            continue


def live(node: Document) -> dict[str, Document]:
    """Return the links of a node's document that are followed, by parameter."""
    return {p: link for p, link in node.get("links", {}).items() if link.get("mode") != "frozen"}


def settled(node: Document) -> Document:
    """Return the parameters of a node's document; of one that is frozen for each frame, the list of its values."""
    params: Document = node.get("params", {})
    kept = {p: frames_of(link) for p, link in node.get("links", {}).items()}
    return {**params, **{p: values for p, values in kept.items() if values}} if any(kept.values()) else params


def frames_of(link: Document) -> list[Any]:
    """Return what a link's document holds for each frame of a series; nothing where one value holds."""
    found = link.get("taken", {}).get("frames", ()) if link.get("mode") == "frozen" else ()
    return [one["value"] for one in found]


def texts(link: Document) -> tuple[str, ...]:
    """Return the expressions of a link."""
    return tuple(link[field] for field in ("expr", "fallback") if field in link)


def renamed(link: Document, names: NodeNames, called: Callable[[str], str]) -> dict[str, Any]:
    """Return a link with its nodes called as *called* says."""

    def change(path: tuple[str, ...]) -> tuple[str, ...]:
        found = names.found(path)
        if found is None or (new := called(found[0])) == found[0]:
            return path
        return (*new.replace("-", "_").split("."), *path[found[1] :])

    made = dict(link)
    for field in ("expr", "fallback"):
        if field in made:
            try:
                made[field] = rewritten(made[field], change)
            except LinkError:
                continue
    return made


def text_of(link: Document) -> str:
    """Return a link as people write it: ``= stats.median (clamp 0 .. 1, fallback 0.5)``."""
    said = [f"in {link['unit']}"] if link.get("unit") else []
    if link.get("clamp"):
        said.append(f"clamp {link['clamp'][0]:g} .. {link['clamp'][1]:g}")
    said += [f"fallback {link['fallback']}"] if link.get("fallback") else []
    said += [_frozen(link)] if link.get("mode") == "frozen" else []
    return f"= {link['expr']}" + (f" ({', '.join(said)})" if said else "")


def _frozen(link: Document) -> str:
    """Return that a link is frozen, and at what, where that is not among the parameters: the first few values."""
    values = frames_of(link)
    if not values:
        return "frozen"
    shown = [_short(v) for v in values[:_SHOWN]] + ["..."] * (len(values) > _SHOWN)
    return f"frozen for {len(values)} frames: {', '.join(shown)}"


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        most = [_short(v) for v in value[:_SHOWN]] + ["..."] * (len(value) > _SHOWN)
        return f"[{', '.join(most)}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
