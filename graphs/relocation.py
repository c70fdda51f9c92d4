"""Paths in graphs: which parameters name files, and how relative ones read from another folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine import registry
from ..engine.errors import GraphError, UnknownProcessError
from ..engine.graph import NodeSpec
from ..engine.params import Spec
from .schema import SAVED, Document, split_link

if TYPE_CHECKING:
    from .document import Graph


def file_params(spec: NodeSpec) -> list[tuple[Spec, tuple[str, ...]]]:
    """Return the parameters of *spec* that name files, and the files; none where the process is not installed."""
    try:
        declared = spec.find().params.values()
    except UnknownProcessError:
        return []
    found = []
    for param in declared:
        value = spec.params.get(param.name)
        files = value if isinstance(value, tuple) else (value,)
        if param.file and value and all(isinstance(f, str) for f in files):
            found.append((param, files))
    return found


def check_roots(graph: Graph, roots: list[Path]) -> None:
    """Raise GraphError where *graph* names a file outside of *roots*."""
    for name in graph:
        for param, files in file_params(graph.spec(name)):
            # Inputs are seen from the graph's folder, outputs from the current one, as when it runs.
            base = Path(graph.folder or "") if param.file == "input" else Path()
            for file in files:
                at = (base / file).resolve()
                if not any(at.is_relative_to(root) for root in roots):
                    raise GraphError(f"node '{name}', {param.name}: {at} lies outside of {', '.join(map(str, roots))}")


def relocated(document: Document, here: str | None, folder: str | None) -> Document:
    """Return *document*, whose relative input paths are seen from *here*, as it says the same from *folder*.

    None stands for the current folder.
    """
    here, folder = os.path.abspath(here or os.curdir), os.path.abspath(folder or os.curdir)
    if here == folder:
        return document
    made = dict(document)
    if "graphs" in document:
        made["graphs"] = [relocated(g, here, folder) for g in document["graphs"]]
    saved = {g["name"]: g for g in document.get("graphs", ())}
    declared: dict[str, frozenset[str]] = {}
    made["nodes"] = nodes = []
    for node in document["nodes"]:
        process = node["process"]
        if process not in declared:
            declared[process] = _file_inputs(process, saved)
        changed = {k: _moved(v, here, folder) for k, v in node.get("params", {}).items() if k in declared[process]}
        nodes.append({**node, "params": {**node["params"], **changed}} if changed else node)
    return made


def _file_inputs(process: str, saved: Mapping[str, Document]) -> frozenset[str]:
    """Return the parameters of a process (or of a saved graph) that name files to be read."""
    if process.startswith(SAVED):
        return frozenset(_inputs_of(saved[process.removeprefix(SAVED)]))
    try:
        declared = registry.find(process).params.values()
    except UnknownProcessError:
        return frozenset()
    return frozenset(p.name for p in declared if p.file == "input")


def _inputs_of(graph: Document) -> list[str]:
    """Return the names by which a saved graph is given files: inputs, and settings that set such parameters."""
    inner = {g["name"]: g for g in graph.get("graphs", ())}
    process = {n["name"]: n["process"] for n in graph["nodes"]}

    def reads(node: str, param: str) -> bool:
        return param in _file_inputs(process[node], inner)

    found = [i["name"] for i in graph.get("inputs", ()) if reads(i["node"], i["param"])]
    settings = graph.get("settings", ())
    return found + [s["name"] for s in settings if any(reads(*split_link(t)) for t in s["sets"])]


def _moved(value: Any, here: str, folder: str) -> Any:
    if isinstance(value, list | tuple):
        return [_moved(v, here, folder) for v in value]
    if not isinstance(value, str) or not value or os.path.isabs(value):
        return value
    whole = os.path.join(here, value)
    try:
        return os.path.relpath(whole, folder)
    except ValueError:  # on another drive there is no way from here to there
        return whole
