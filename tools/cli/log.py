"""`lerar log`: the versions of a graph that were run, or how an image came about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import rich_click as click

from ._group import common
from ._output import note, table, tell, tell_json

if TYPE_CHECKING:
    from ...graphs.history import Run, Version
    from ..ancestry import Ancestor


@click.command("log")
@click.argument("name", metavar="GRAPH|RECIPE|IMAGE")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common
def command(name: str, as_json: bool) -> None:
    """Tell which versions of a graph were run, the last one first, and what changed from one to the next.

    Of an image: what made it, from which files, when, and what made those. `lerar checkout` gives back a version.
    """
    from ._graphs import is_graph_file

    if is_graph_file(name):
        _of_graph(name, as_json)
    else:
        _of_image(name, as_json)


# -- graphs -------------------------------------------------------------------------------------------


def _of_graph(name: str, as_json: bool) -> None:
    from ...engine.store import Store
    from ...graphs.history import log, name_of

    versions = log(Store(), name_of(name))
    changes = {v.id: list(_changes(old, v)) for old, v in zip([None, *versions], versions, strict=False)}
    if as_json:
        tell_json([{**_plain(v), "changes": changes[v.id]} for v in versions])
        return
    if not versions:
        note(f"{name}: no run of this graph is noted in the store")
        return
    rows: list[tuple[object, ...]] = []
    for v in reversed(versions):
        told = changes[v.id]
        rows.append((v.number, v.id[:8], _when(v.runs[-1]), len(v.runs), told[0] if told else ""))
        rows += [("", "", "", "", line) for line in told[1:]]
    tell(table(("version", "id", "last run", "runs", "changes"), rows, right=[0, 3]))


def _changes(old: Version | None, new: Version) -> Iterator[str]:
    """Yield what was changed from *old*, a line each."""
    if old is None:
        yield f"{len(new.document['nodes'])} nodes"
        return
    from ...graphs.diff.changes import diff
    from ...graphs.diff.text import sentence

    yield from (sentence(c) for c in diff(old.graph(), new.graph()).changes)


def _plain(version: Version) -> dict[str, Any]:
    return {"number": version.number, "id": version.id, "runs": [_plain_run(r) for r in version.runs]}


def _plain_run(run: Run) -> dict[str, Any]:
    return {
        "graph": run.graph,
        "when": run.when,
        "seconds": run.seconds,
        "targets": run.targets,
        "written": run.written,
        "lerarlink": run.lerarlink,
    }


def _when(run: Run) -> str:
    return datetime.fromisoformat(run.when).astimezone().strftime("%Y-%m-%d %H:%M")


# -- images -------------------------------------------------------------------------------------------


def _of_image(name: str, as_json: bool) -> None:
    from ...engine.store import Store
    from ..ancestry import ancestry

    found = list(ancestry(name, Store()))
    if as_json:
        tell_json([_plain_ancestor(a) for a in found])
    else:
        tell("\n".join(line for a in found for line in _lines(a)))


def _lines(a: Ancestor) -> Iterator[str]:
    e, indent = a.embedded, "  " * a.depth
    frame = "" if e.index is None else f", frame {e.index + 1}"
    yield f"{indent}{a.path}"
    made = f"written by {e.node}, lerarlink {e.versions['lerarlink']}, version {a.version[:8]}"
    yield f"{indent}  {e.image}{frame}, {made}"
    for run in a.runs[-3:]:
        yield f"{indent}  run {_when(run)} of {run.graph}"
    shown = 12
    for source, place in a.sources[:shown]:
        lost = "" if place else "  (not where it was)"
        yield f"{indent}  from {place or source.name}  {source.digest[:12]}{lost}"
    if len(a.sources) > shown:
        yield f"{indent}  and {len(a.sources) - shown} more files"


def _plain_ancestor(a: Ancestor) -> dict[str, Any]:
    return {
        "depth": a.depth,
        "path": a.path,
        "node": a.embedded.node,
        "image": a.embedded.image,
        "index": a.embedded.index,
        "key": a.embedded.key,
        "version": a.version,
        "versions": a.embedded.versions,
        "runs": [_plain_run(r) for r in a.runs],
        "sources": [
            {"node": s.node, "name": s.name, "path": place or None, "digest": s.digest, "bytes": s.bytes}
            for s, place in a.sources
        ],
    }
