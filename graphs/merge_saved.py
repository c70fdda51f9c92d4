"""Saved graphs in a merge: which of them stay nodes, and how one is merged by itself."""

from __future__ import annotations

from collections.abc import Iterable

from .schema import FORMAT, VERSION, Document, checked_document
from .subgraph_folding import Folded


def opened_alike(sides: Iterable[Document]) -> list[Document]:
    """Return checked documents in which a saved graph is used as a node on all sides or on none.

    A use that one side opened, to change something in the middle of it, is opened on the others.
    """
    sides = list(sides)
    folded = [Folded(s) if "graphs" in s else None for s in sides]
    uses = [set(f.uses) if f else set() for f in folded]
    opened = [
        {n["name"].partition(".")[0] for n in side["nodes"] if "." in n["name"]} - mine
        for side, mine in zip(sides, uses, strict=True)
    ]
    # Uses may have dots in their names, too: those are asked for one by one.
    dotted = {use for mine in uses for use in mine if "." in use}
    for side, mine, found in zip(sides, uses, opened, strict=True):
        found |= {d for d in dotted - mine if any(n["name"].startswith(f"{d}.") for n in side["nodes"])}
    gone = set().union(*uses) & set().union(*opened)
    return [f.opened_but(mine - gone) if f else s for s, f, mine in zip(sides, folded, uses, strict=True)]


def standalone(graph: Document | None) -> Document:
    """Return a saved graph as a document of its own; of one that is not there, an empty one."""
    kept = {"nodes": []} if graph is None else {k: v for k, v in graph.items() if k != "name"}
    return checked_document({"format": FORMAT, "version": VERSION, **kept})


def saved(name: str, document: Document) -> Document:
    """Return a document as the graph *name* that is saved in another."""
    return {"name": name, **{k: v for k, v in document.items() if k not in ("format", "version")}}
