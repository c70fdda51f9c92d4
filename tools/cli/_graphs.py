"""Opening a graph file or a recipe, and fitting it to what the command line says."""

from __future__ import annotations

import glob
import os
import typing
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...engine.errors import (
    UNRESOLVED,
    EngineError,
    GraphError,
    MissingSourceError,
    ParameterError,
    SourceError,
    UnknownProcessError,
    UnresolvedLinkError,
    unresolved,
)
from ...engine.graph import Link
from ...engine.links.parameter import link_text
from ...engine.wiring import check_params
from ._errors import Several
from ._images import GRAPHS
from ._values import split_setting, typed

if TYPE_CHECKING:
    from ...engine.params import Spec
    from ...graphs.document import Graph

BESIDE = ".lerar.json"
"""Ends the name of a file that tells of the image beside it; see `nodes.io`."""

Changes = dict[str, dict[str, Any]]
"""Node -> parameter -> new value."""


def opened(name: str) -> Graph:
    """Return the graph in file *name*, or that an image file carries, or else the recipe of that name.

    Raises
    ------
    SourceError
        There is neither.
    GraphError
        The file is no graph and carries none.
    """
    from ...graphs.document import Graph
    from ...graphs.recipe import load_recipe, templates

    if Path(name).exists():
        if is_graph_file(name):
            return Graph.load(name)
        from ..embedded import needed_document

        return needed_document(name).graph(os.path.dirname(os.path.abspath(name)))
    recipes = [t.name for t in templates()]
    if name not in recipes:
        raise SourceError(f"{name}: there is no such file, and no such recipe; recipes: {', '.join(recipes)}")
    return load_recipe(name)


def is_graph_file(name: str) -> bool:
    """Return whether *name* is that of a graph file, or a recipe; else it is an image that may carry a graph."""
    return not Path(name).exists() or (name.lower().endswith(GRAPHS) and not name.endswith(BESIDE))


def roles_of(name: str) -> Mapping[str, Any] | None:
    """Return what the files were that each node of the graph in image *name* read; None for a graph file."""
    if is_graph_file(name):
        return None
    from ..embedded import needed_document

    return needed_document(name).roles


def prepared(name: str, inputs: Iterable[str] = (), settings: Iterable[str] = ()) -> Graph:
    """Return graph *name* with files put in and parameters set; what it lacks or has too much is refused."""
    graph = opened(name)
    changes = _settings(graph, settings)
    for key, paths in _grouped(inputs).items():
        node, spec = _input(graph, key)
        changes[node][spec.name] = _files(graph, spec, paths, key)
    apply(graph, changes)
    return graph


def tuned(graph: Graph, settings: Iterable[str]) -> None:
    """Set parameters of *graph* as ``NODE.PARAM=VALUE`` says."""
    apply(graph, _settings(graph, settings))


def _settings(graph: Graph, settings: Iterable[str]) -> Changes:
    changes: Changes = defaultdict(dict)
    for text in settings:
        key, value = split_setting(text)
        for node, param in _targets(graph, key):
            changes[node][param] = _value(graph, node, param, value)
    return changes


def apply(graph: Graph, changes: Changes) -> None:
    """Set parameters; those of one node all at once, since they may only fit together."""
    for node, values in changes.items():
        spec = graph.spec(node)
        links = {k: text for k, v in values.items() if (text := link_text(v)) is not None}
        plain = {k: v for k, v in values.items() if k not in links}
        new = replace(spec, params={**spec.params, **plain})
        followed = (set(graph.links_of(node)) | set(links)) - set(plain)
        if all(p.name in new.params or p.name in followed for p in new.find().params.values() if p.required):
            check_params(new, followed)  # a recipe's files may come later
        graph.replace(new)
        for param in plain:
            graph.unfollow(node, param)
        for param in links:
            graph.set(node, param, values[param])


def redirect(graph: Graph, folder: str) -> None:
    """Let relative output paths of *graph* begin at *folder*."""
    changes: Changes = defaultdict(dict)
    for name in graph:
        for spec in graph.spec(name).find().params.values():
            value = graph.spec(name).params.get(spec.name, spec.default)
            if spec.file == "output" and value and isinstance(value, str):
                changes[name][spec.name] = os.path.join(folder, value)
    apply(graph, changes)


def _targets(graph: Graph, key: str) -> tuple[tuple[str, str], ...]:
    """Return the parameters that --set *key* means: those of a named setting, or NODE.PARAM."""
    if key in graph.settings:
        return graph.settings[key].sets
    node, dot, param = key.rpartition(".")
    if not dot:
        names = _names(graph.settings)
        raise ParameterError(f"--set wants NODE.PARAM, or a setting of the graph ({names}), got '{key}'")
    return graph.behind(node, param)


def _value(graph: Graph, node: str, param: str, text: str) -> Any:
    spec = _spec(graph, node, param)
    if link_text(text) is not None:
        return text.strip()
    if spec.file == "input":
        return _files(graph, spec, [text], f"{node}.{param}")
    return typed(spec, text, f"node '{node}'")


def _spec(graph: Graph, node: str, param: str) -> Spec:
    cls = graph.spec(node).find()
    if param not in cls.params:
        has = ", ".join(cls.params) or "none"
        raise ParameterError(f"node '{node}': {cls.__name__} has no parameter '{param}'; it has {has}")
    found: Spec = cls.params[param]
    return found


def _grouped(inputs: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for text in inputs:
        name, path = split_setting(text)
        found[name].append(path)
    return found


def _input(graph: Graph, key: str) -> tuple[str, Spec]:
    """Return node and parameter that --input *key* fills: a named input, or a node that reads files."""
    if key in graph.inputs:
        item = graph.inputs[key]
        return item.node, _spec(graph, item.node, item.param)
    readers = {n: files[0] for n in graph if len(files := _file_params(graph, n)) == 1}
    if key not in readers:
        raise ParameterError(f"--input: the graph has no input '{key}'; it has {_names({**graph.inputs, **readers})}")
    return key, readers[key]


def _file_params(graph: Graph, node: str) -> list[Spec]:
    return [s for s in graph.spec(node).find().params.values() if s.file == "input"]


def _files(graph: Graph, spec: Spec, paths: list[str], key: str) -> Any:
    """Return paths as the parameter takes them: one, or a tuple with patterns and folders expanded.

    They are meant from here; in a graph file they are seen from its folder, so there they become absolute.
    """
    if typing.get_origin(spec.type) is not tuple:
        if len(paths) > 1:
            raise ParameterError(f"'{key}' takes one file, got {len(paths)}: {', '.join(paths)}")
        return _from_here(graph, paths[0])
    from ..folders import image_files

    found: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            matches = image_files(path)
        else:
            matches = sorted(glob.glob(path)) if glob.has_magic(path) and not os.path.exists(path) else [path]
        if not matches:
            raise SourceError(f"'{key}': no file matches {path}")
        found += [_from_here(graph, m) for m in matches]
    return tuple(found)


def _from_here(graph: Graph, path: str) -> str:
    return path if not path or graph.folder is None else os.path.abspath(path)


def _names(of: Iterable[str]) -> str:
    return ", ".join(f"'{n}'" for n in of) or "none"


def refuse_problems(graph: Graph, targets: Iterable[str] = ()) -> None:
    """Raise all that keeps *targets* of *graph* (default: everything) from running, before anything is read.

    Raises
    ------
    GraphError
        The graph has no such node.
    Several
        One error for each problem.
    """
    from ...graphs.check import check

    wanted = _upstream(graph, targets) or set(graph)
    errors: list[BaseException] = [
        MissingSourceError(
            unresolved(
                f"input '{i.name}'", "nothing is given", wants="a file",
                cure=f"--input {i.name}=PATH ({i.doc or f'file of {i.node}'})",
            )
        )
        for i in graph.inputs.values()
        if i.node in wanted and not i.optional and not graph.spec(i.node).params.get(i.param)
    ]
    for problem in check(graph, template=True):
        if problem.node in wanted:
            kind: type[EngineError] = UnresolvedLinkError if problem.message.startswith(UNRESOLVED) else GraphError
            errors.append((kind if _installed(graph, problem.node) else UnknownProcessError)(str(problem)))
    if errors:
        raise Several(errors)


def _upstream(graph: Graph, targets: Iterable[str]) -> set[str]:
    """Return *targets* and all they depend on, in graphs with circles and missing nodes, too."""
    from ...graphs.walk import read_by

    todo = list(targets)
    for name in todo:
        graph.spec(name)
    seen = set(todo)
    while todo:
        name = todo.pop()
        linked = [feed for feed in graph.feeds(name).values() for feed in ([feed] if isinstance(feed, Link) else feed)]
        for node in (*(link.node for link in linked), *read_by(graph, name)):
            if node in graph and node not in seen:
                seen.add(node)
                todo.append(node)
    return seen


def _installed(graph: Graph, node: str) -> bool:
    try:
        graph.spec(node).find()
    except UnknownProcessError:
        return False
    return True
