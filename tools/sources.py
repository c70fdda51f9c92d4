"""Finding the files that went into an output: where they were, or by their digest where they went."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..engine.errors import SourceError
from ..engine.store import Store
from ..graphs.document import Graph
from ..graphs.provenance_reading import Embedded, Source


@dataclass(frozen=True, slots=True)
class Found:
    """A source, the path the graph gives for it, and where it is."""

    source: Source
    path: str
    place: str

    @property
    def moved(self) -> bool:
        return self.path != self.place


class SourcesMissing(SourceError):
    """Sources are not there any more, or hold something else."""

    def __init__(self, missing: Sequence[str]) -> None:
        self.missing = tuple(missing)
        super().__init__("; ".join(missing))


def located(
    embedded: Embedded, folder: str, search: Iterable[str | os.PathLike[str]], store: Store
) -> tuple[Graph, list[Found]]:
    """Return the graph of an output with its sources where they are now, each proved by its digest.

    Parameters
    ----------
    folder
        That of the output: names without folders are seen from there.
    search
        Folders in which, and below which, moved files are looked for by size and digest.

    Raises
    ------
    SourcesMissing
        Names every source that was not found.
    """
    graph = embedded.graph(folder)
    shelves = _Shelves([folder, *search], store)
    found: list[Found] = []
    missing: list[str] = []
    for source in embedded.sources:
        path = _path(graph, source)
        if _is(source, Path(path), store):
            found.append(Found(source, path, path))
        elif place := shelves.find(source):
            found.append(Found(source, path, place))
        else:
            missing.append(_told(source, path))
    if missing:
        raise SourcesMissing(missing)
    _put(graph, found)
    return graph, found


def _path(graph: Graph, source: Source) -> str:
    value = graph.spec(source.node).params.get(source.param)
    files = value if isinstance(value, tuple) else (value,)
    if source.index >= len(files) or not isinstance(files[source.index], str):
        raise SourceError(f"node '{source.node}' names no file {source.index} in {source.param}")
    return os.path.join(graph.folder or "", files[source.index])


def _is(source: Source, path: Path, store: Store) -> bool:
    try:
        return path.stat().st_size == source.bytes and store.content(path) == source.digest
    except OSError:
        return False


def _told(source: Source, path: str) -> str:
    state = "holds something else now" if os.path.exists(path) else "is not there"
    return f"{path} (node '{source.node}') {state}, and no file searched has its digest {source.digest}"


def _put(graph: Graph, found: Iterable[Found]) -> None:
    """Have *graph* read its sources where they are."""
    places: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for one in found:
        places[one.source.node, one.source.param][one.source.index] = one.place
    for (node, param), files in places.items():
        spec = graph.spec(node)
        before = spec.params[param]
        value = tuple(files.get(i, p) for i, p in enumerate(before)) if isinstance(before, tuple) else files[0]
        graph.replace(replace(spec, params={**spec.params, param: value}))
    _rename_frames(graph, found)
    graph.folder = None


def _rename_frames(graph: Graph, found: Iterable[Found]) -> None:
    """Let links that are frozen for each frame know their frames by the names that files have now."""
    names: dict[str, set[str]] = defaultdict(set)
    for one in found:
        names[Path(one.path).name].add(Path(one.place).name)
    new = {old: next(iter(now)) for old, now in names.items() if len(now) == 1}
    for at, link in graph.parameter_links.items():
        if link.taken is not None and link.frames:
            frames = tuple(replace(f, frame=_renamed(f.frame, new)) for f in link.frames)
            graph.parameter_links[at] = replace(link, taken=replace(link.taken, frames=frames))


def _renamed(frame: str, names: Mapping[str, str]) -> str:
    """Return what a frame is called once files have other names: ``cube.fits[3]`` is frame 3 of cube.fits."""
    if frame in names:
        return names[frame]
    file, bracket, index = frame.rpartition("[")
    return f"{names.get(file, file)}{bracket}{index}" if bracket else frame


class _Shelves:
    """Folders to look into; they are walked when something is missing, and only then."""

    def __init__(self, folders: Iterable[str | os.PathLike[str]], store: Store) -> None:
        self._folders, self._store = list(folders), store
        self._by_size: dict[int, list[Path]] | None = None

    def find(self, source: Source) -> str | None:
        if self._by_size is None:
            self._by_size = defaultdict(list)
            for path in self._files():
                self._by_size[path.stat().st_size].append(path)
        # Digests are taken of files of the right size only, those of the same name first.
        offers = sorted(self._by_size.get(source.bytes, ()), key=lambda p: (p.name != source.name, p))
        return next((str(p) for p in offers if _is(source, p, self._store)), None)

    def _files(self) -> Iterator[Path]:
        """Yield files: those beside the output, and all below the folders to be searched."""
        beside, *search = (Path(f) for f in self._folders)
        yield from (p for p in sorted(beside.iterdir()) if p.is_file())
        for folder in search:
            if not folder.is_dir():
                raise SourceError(f"{folder}: there is no such folder to search")
            for here, folders, names in os.walk(folder):
                folders.sort()
                yield from (p for n in sorted(names) if (p := Path(here, n)).is_file())
