"""Which versions of a graph were run, when, and what they wrote: notes in the store.

Each version is kept once, under the digest of its document, with a note for each run of it. Like everything in the
store the notes appear by rename and carry checksums: a killed run or a full disk leaves each whole or absent.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import __version__
from ..engine.errors import GraphError
from ..engine.identity import digest
from ..engine.store import Store
from .document import Graph
from .link_names import live
from .provenance import told_graph
from .schema import Document

_SHORTEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one version.

    Attributes
    ----------
    version
        Digest of the graph's document.
    graph
        The graph's file, ``recipe NAME``, ``preprocess FOLDER``, ``script FILE`` or ``Python``.
    when
        Its end, ISO 8601 in UTC.
    seconds
        How long it took.
    targets
        The nodes that were asked for; none means all.
    written
        The files that it wrote.
    lerarlink
        The version of this package.
    """

    version: str
    graph: str
    when: str
    seconds: float
    targets: tuple[str, ...]
    written: tuple[str, ...]
    lerarlink: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a graph, and its runs, the first one first; *number* counts from 1."""

    number: int
    id: str
    document: Document
    folder: str | None
    runs: tuple[Run, ...]

    def graph(self) -> Graph:
        made = Graph.from_document(self.document)
        made.folder = self.folder
        return made


def version_of(graph: Graph) -> str:
    """Return the digest of what a run of *graph* does: its document, with inputs by whole paths, without layout."""
    return version_of_document(told_graph(graph, private=False).to_document())


def version_of_document(told: Mapping[str, Any]) -> str:
    """Return the digest of a document as outputs tell it; what parameter links gave in one run does not count."""
    made = {k: v for k, v in told.items() if k != "layout"}
    if any("links" in node for node in made["nodes"]):
        made["nodes"] = [_without_values(node) for node in made["nodes"]]
    return digest("graph version", made)


def _without_values(node: Document) -> Document:
    links = live(node)
    params = {k: v for k, v in node.get("params", {}).items() if k not in links}
    return {k: v for k, v in {**node, "params": params}.items() if k != "params" or v}


def note_run(
    store: Store, graph: Graph, name: str, *, seconds: float, written: Iterable[str], targets: Iterable[str] = ()
) -> str:
    """Note that *graph*, called *name*, was run; return its version. Failing to is no error."""
    version = version_of(graph)
    store.note(version, {"what": "graph", "document": graph.to_document(), "folder": graph.folder})
    run = {
        "what": "run",
        "version": version,
        "graph": name,
        # A warm run of a small graph takes less than a millisecond to note, and the next one must sort after it.
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="microseconds"),
        "seconds": round(seconds, 3),
        "targets": list(targets),
        "written": [os.path.abspath(p) for p in written],
        "lerarlink": __version__,
    }
    store.note(digest("run", secrets.token_bytes(16)), run)
    return version


def name_of(graph: str | os.PathLike[str]) -> str:
    """Return the name under which runs of a graph file (or a recipe) are noted."""
    return os.path.realpath(graph) if os.path.exists(graph) else f"recipe {os.fspath(graph)}"


def name_of_graph(graph: Graph) -> str:
    """Return the name under which runs of a graph from Python are noted: its file, else the script that runs."""
    if graph.file is not None:
        return os.path.realpath(graph.file)
    script = sys.argv[0] if sys.argv else ""
    return f"script {os.path.realpath(script)}" if os.path.isfile(script) else "Python"


def runs(store: Store) -> list[Run]:
    """Return all runs that were noted, the first one first."""
    found = [_run(told) for _, told in store.notes() if isinstance(told, dict) and told.get("what") == "run"]
    return sorted(found, key=lambda r: r.when)


def log(store: Store, name: str) -> list[Version]:
    """Return the versions of the graph called *name* that were run, in the order of their first run."""
    notes = dict(store.notes())
    mine: dict[str, list[Run]] = {}
    for run in sorted((_run(t) for t in notes.values() if t.get("what") == "run"), key=lambda r: r.when):
        if run.graph == name:
            mine.setdefault(run.version, []).append(run)
    # A version whose note was damaged is passed over; its number stays its own.
    return [
        Version(number=n, id=v, document=notes[v]["document"], folder=notes[v]["folder"], runs=tuple(all_runs))
        for n, (v, all_runs) in enumerate(mine.items(), 1)
        if v in notes
    ]


def chosen(versions: Iterable[Version], wanted: str, name: str) -> Version:
    """Return the version that *wanted* names: its number, ``last``, or the beginning of its digest.

    Raises
    ------
    GraphError
        There is none, or several.
    """
    versions = list(versions)
    if not versions:
        raise GraphError(f"{name}: no run of this graph is noted in the store")
    if wanted == "last":
        return max(versions, key=lambda v: v.runs[-1].when)
    found = [v for v in versions if str(v.number) == wanted]
    if not found and len(wanted) >= _SHORTEST:
        found = [v for v in versions if v.id.startswith(wanted.lower())]
    if len(found) != 1:
        has = ", ".join(f"{v.number} ({v.id[:8]})" for v in versions[-8:])
        raise GraphError(f"{name}: wanted one version '{wanted}', {len(found) or 'none'} fit; there are {has}")
    return found[0]


def _run(told: Mapping[str, Any]) -> Run:
    return Run(
        version=told["version"],
        graph=told["graph"],
        when=told["when"],
        seconds=told["seconds"],
        targets=tuple(told["targets"]),
        written=tuple(told["written"]),
        lerarlink=told["lerarlink"],
    )
