"""Giving a graph other files: by name, or a whole folder in which each file finds its role."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence

from ..engine.errors import GraphError, ParameterError, SourceError
from ..graphs.document import Graph
from ..graphs.preprocess.records import FrameRecord
from ..graphs.roles import Reader, Role, assign, fitting, readers, told
from .scan import scan

Skip = Sequence[str | os.PathLike[str]]


def bind(graph: Graph, given: Iterable[str], roles: Mapping[str, Role] | None = None, skip: Skip = ()) -> list[str]:
    """Have *graph* read other files; return notes on inputs that stay as they were.

    Parameters
    ----------
    given
        ``NAME=PATH``: files of one input (a named input of the graph, or a node that reads), where PATH is a file, a
        pattern, or a folder of which the files of that input's role are taken; or just a PATH, whose files go to the
        inputs whose roles they have.
    roles
        What each node read before, as outputs tell it.
    skip
        Folders that are not looked into.

    Raises
    ------
    ParameterError, GraphError, SourceError
        An input is not there, or takes one file; no file, or more than one input, fits.
    """
    found = readers(graph, roles)
    named, loose = _sorted(given, found)
    for reader, paths in named.items():
        _fill(graph, reader, [p for path in paths for p in _files(path, reader, found, skip)])
    if not loose:
        return []
    taken, notes = assign([r for r in found if r not in named], _records(loose, skip))
    for reader, files in taken.items():
        _fill(graph, reader, files)
    return notes


def _sorted(given: Iterable[str], found: Sequence[Reader]) -> tuple[dict[Reader, list[str]], list[str]]:
    names = {**{r.node: r for r in found}, **{r.name: r for r in found}}
    named: dict[Reader, list[str]] = {}
    loose: list[str] = []
    for text in given:
        name, sign, path = text.partition("=")
        if os.path.exists(text) or not sign:
            loose.append(text)
        elif name.strip() in names:
            named.setdefault(names[name.strip()], []).append(path)
        else:
            has = ", ".join(f"'{r.name}'" for r in found) or "none"
            raise ParameterError(f"the graph has no input '{name.strip()}'; it has {has}")
    return named, loose


def _files(path: str, reader: Reader, found: Sequence[Reader], skip: Skip) -> list[str]:
    if os.path.isdir(path):
        records = _records([path], skip)
        if reader.role is None:
            return [r.path for r in records]
        fits = fitting(reader.role, records, [r.role for r in found if r.role is not None])
        if not fits:
            raise SourceError(f"'{reader.name}': of {len(records)} files in {path} none fits ({told(reader.role)})")
        return [r.path for r in fits]
    matches = sorted(glob.glob(path)) if glob.has_magic(path) and not os.path.exists(path) else [path]
    if not matches:
        raise SourceError(f"'{reader.name}': no file matches {path}")
    return matches


def _records(paths: Sequence[str], skip: Skip) -> list[FrameRecord]:
    return list(scan(paths, skip=skip).records)


def _fill(graph: Graph, reader: Reader, paths: Sequence[str]) -> None:
    whole = [os.path.abspath(p) for p in paths]
    if reader.single and len(whole) != 1:
        names = ", ".join(map(str, paths[:3]))
        raise GraphError(f"'{reader.name}' takes one file, got {len(whole)}: {names}")
    graph.set(reader.node, reader.param, whole[0] if reader.single else tuple(whole))
