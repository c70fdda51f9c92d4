"""One graph over many folders or files: each gives its inputs, each gets its outputs."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..engine.errors import Cancelled, EngineError, GraphError, ParameterError, SourceError
from ..engine.report import Report
from ..graphs.document import Graph, file_params
from ..graphs.roles import Role, readers
from .binding import bind


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One folder or file, and where its outputs go."""

    path: str
    out: str

    @property
    def is_folder(self) -> bool:
        return os.path.isdir(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of one item: a report, or an error; and notes on inputs that stayed as they were."""

    item: Item
    notes: tuple[str, ...] = ()
    report: Report | None = None
    error: Exception | None = None


def items(patterns: Iterable[str], graph: str, out: str | None = None) -> list[Item]:
    """Return the folders and files that *patterns* name, sorted, each once.

    Parameters
    ----------
    graph
        The name of the graph, for *out*.
    out
        Where outputs go; ``{folder}`` is the folder (that of a file), ``{name}`` its name without extension,
        ``{graph}`` that of the graph. Default: ``{folder}/{graph}``, for files ``{folder}/{graph}/{name}``.

    Raises
    ------
    SourceError
        A pattern fits nothing.
    ParameterError
        *out* has other words in braces, or sends two items into one folder.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        matches = sorted(glob.glob(pattern)) if glob.has_magic(pattern) and not os.path.exists(pattern) else [pattern]
        matches = [m for m in matches if os.path.exists(m)]
        if not matches:
            raise SourceError(f"{pattern}: no folder and no file fits")
        found.update(dict.fromkeys(os.path.normpath(m) for m in matches))
    made = [Item(path=path, out=_out(path, Path(graph).name.partition(".")[0], out)) for path in found]
    owner: dict[str, str] = {}
    for item in made:
        place = os.path.abspath(item.out)
        if place in owner:
            raise ParameterError(f"outputs of {owner[place]} and {item.path} would both go to {item.out}; use {{name}}")
        owner[place] = item.path
    return made


def _out(path: str, graph: str, out: str | None) -> str:
    folder = path if os.path.isdir(path) else os.path.dirname(path) or os.curdir
    name = Path(path).name if os.path.isdir(path) else Path(path).name.partition(".")[0]
    if out is None:
        out = "{folder}/{graph}" if os.path.isdir(path) else "{folder}/{graph}/{name}"
    try:
        return os.path.normpath(out.format(folder=folder, name=name, graph=graph))
    except (KeyError, IndexError, ValueError) as e:
        raise ParameterError(f"'{out}': wanted {{folder}}, {{name}} or {{graph}} in braces ({e})") from None


def run_batch(
    graph: Graph,
    over: Iterable[Item],
    run: Callable[[Graph, Graph, Item], Report],
    *,
    given: Iterable[str] = (),
    roles: Mapping[str, Role] | None = None,
) -> Iterator[Done]:
    """Run *graph* over items one after the other and yield what came of each; one that fails stops no other.

    Parameters
    ----------
    run
        Runs the graph of one item. It gets the graph with the item's inputs twice: with outputs that go to the item's
        folder, which is to be run, and with outputs as they were, which is what was asked for.
    given
        ``NAME=PATH``, the path seen from the item's folder; without any, the files of a folder go where their roles
        fit, and a file goes to the only input there is.
    roles
        What each node read before; see `bind`.
    """
    for item in over:
        made = graph.copy()
        notes: tuple[str, ...] = ()
        try:
            notes = tuple(bind(made, _given(made, item, given), roles, skip=[item.out]))
            asked = made.copy()
            _send(made, item.out)
            yield Done(item=item, notes=notes, report=run(made, asked, item))
        except Cancelled:
            raise
        except (EngineError, OSError) as e:
            yield Done(item=item, notes=notes, error=e)


def _given(graph: Graph, item: Item, given: Iterable[str]) -> list[str]:
    if item.is_folder:
        named = []
        for text in given:
            name, _, path = text.partition("=")
            named.append(f"{name}={os.path.join(item.path, path)}")
        return named or [item.path]
    wanted = [r for r in readers(graph) if not r.optional]
    if len(wanted) != 1:
        names = ", ".join(f"'{r.name}'" for r in wanted) or "none"
        raise GraphError(f"{item.path} is a file: the graph must read one, it reads {names}; give folders")
    # What other inputs are given is the same for all files.
    return [*given, f"{wanted[0].name}={item.path}"]


def _send(graph: Graph, folder: str) -> None:
    """Let the outputs of *graph* go into *folder*, by their names where they are absolute."""
    for node in graph:
        spec = graph.spec(node)
        for param, files in file_params(spec):
            if param.file == "output":
                name = os.path.basename(files[0]) if os.path.isabs(files[0]) else files[0]
                graph.replace(replace(spec, params={**spec.params, param.name: os.path.join(folder, name)}))
