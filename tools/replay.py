"""Making an output again from what it tells of itself, and comparing it with what is there."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..engine.errors import GraphError
from ..engine.folders import scratch
from ..engine.memory import Memory
from ..engine.plan import Lowering
from ..engine.process import Provenance
from ..engine.provenance import Sign
from ..engine.report import Watcher
from ..engine.schedule import Lane, Scheduler
from ..engine.session import Session
from ..engine.store import Store
from ..graphs.document import Graph, file_params
from ..graphs.provenance_reading import Embedded
from .embedded import needed_document, read_document
from .pixel_comparison import Deviation, deviation, same_bytes
from .sources import Found, located

State = Literal["identical", "same pixels", "different", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How pixels are made again; has no say in what comes out. See `lerarlink.engine.run.run`."""

    scheduler: Scheduler = "threads"
    workers: int | None = None
    memory: int | None = None
    strip_samples: int | None = None
    watch: Watcher | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of making one output again.

    Attributes
    ----------
    path
        The output that was there before.
    state
        ``identical``: the whole file to the last bit; ``same pixels``: those to the last bit, but not all that stands
        beside them; ``different``; ``missing``: there was no output to compare with.
    node, image
        Which node wrote it, and what.
    deviation
        How the pixels differ.
    key, former_key
        Of the image, now and when the file was made (empty: it does not tell). Unequal keys: a process is computed
        in another way since, or the graph or its sources are others.
    moved
        Sources found elsewhere than the graph says.
    sources
        How many sources there are, all proved by their digests; for a graph file, none.
    kept
        Where the output that was made again was put.
    """

    path: str
    state: State
    node: str
    image: str
    key: str
    former_key: str = ""
    deviation: Deviation | None = None
    moved: tuple[Found, ...] = ()
    sources: int = 0
    kept: str = ""

    @property
    def same(self) -> bool:
        return self.state in ("identical", "same pixels")


def replay_image(
    path: str | os.PathLike[str],
    *,
    search: Iterable[str | os.PathLike[str]] = (),
    ways: Ways | None = None,
    keep: str | os.PathLike[str] | None = None,
) -> Outcome:
    """Make the image in *path* again from the graph it carries, and compare.

    Nothing is taken from the store: every Value is measured and every pixel made anew.

    Parameters
    ----------
    search
        Folders in which sources that moved are looked for.
    keep
        Folder that takes the image that was made again.

    Raises
    ------
    GraphError
        The file does not tell how it was made.
    SourceError
        A source is missing or holds something else now.
    """
    there = Path(path)
    embedded = needed_document(there)
    with _workshop() as (folder, store):
        graph, found = located(embedded, os.path.abspath(there.parent), search, store)
        _send(graph, embedded.node, folder)
        made = _remade(graph, embedded.node, embedded.index, _signed(embedded), store, ways or Ways())
        return _compared(made[0], there, embedded, found, keep)


def replay_graph(
    graph: Graph, *, ways: Ways | None = None, keep: str | os.PathLike[str] | None = None
) -> list[Outcome]:
    """Make all outputs of *graph* again and compare them with those that are there.

    Raises
    ------
    GraphError
        The graph writes nothing.
    """
    outputs = {
        node: os.path.dirname(files[0])
        for node in graph
        for param, files in file_params(graph.spec(node))
        if param.file == "output"
    }
    if not outputs:
        raise GraphError("the graph writes no file, so there is nothing to compare with")
    outcomes = []
    with _workshop() as (folder, store):
        for number, (node, place) in enumerate(outputs.items()):
            copy = graph.copy()
            _send(copy, node, folder / str(number))
            for made in _remade(copy, node, None, None, store, ways or Ways()):
                there = Path(place) / made.path.name
                former = read_document(there) if there.exists() else None
                outcomes.append(_compared(made, there, former, [], keep))
    return outcomes


# -- making -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Made:
    path: Path
    node: str
    image: str
    key: str


@contextlib.contextmanager
def _workshop() -> Iterator[tuple[Path, Store]]:
    """Give a folder for the output, and a store that knows nothing yet."""
    with tempfile.TemporaryDirectory(prefix="replay-", dir=scratch()) as folder:
        made = Path(folder) / "made"
        made.mkdir()
        yield made, Store(Path(folder) / "store")


def _send(graph: Graph, node: str, folder: Path) -> None:
    """Let *node* write into *folder*."""
    for param, files in file_params(graph.spec(node)):
        if param.file == "output":
            graph.set(node, param.name, os.fspath(folder / Path(files[0]).name))


def _signed(embedded: Embedded) -> Sign:
    # What the file told is told again, so that whole files can be compared.
    found: Provenance = embedded.provenance()
    return lambda origin: found


def _remade(graph: Graph, node: str, index: int | None, sign: Sign | None, store: Store, ways: Ways) -> list[_Made]:
    """Write the output of *node* (of a series: frame *index*, or all), and nothing else."""
    lowering = Lowering(graph, [node])
    plan = lowering.plan
    image = next(str(f) for f in graph.feeds(node).values())
    made = []
    with Lane(ways.scheduler, ways.workers) as lane:
        memory = Memory.default(lane.workers) if ways.memory is None else Memory(ways.memory, lane.workers)
        session = Session(plan, lane, store, ways.watch, None, memory, sign)
        with contextlib.closing(session):
            session.follow(lowering)
            sinks = [i for i in plan.sinks.get(node, ()) if index is None or plan.steps[i].frame == index]
            if not sinks:
                frame = "" if index is None else f" for frame {index}"
                raise GraphError(f"node '{node}' writes nothing{frame}")
            session.measure(sinks)
            for sink in sinks:
                session.make([sink], [], ways.strip_samples)
                made.append(_Made(Path(session.report.written[-1]), node, image, _key(session, sink)))
    return made


def _key(session: Session, sink: int) -> str:
    feed = next(iter(session.plan.steps[sink].feeds()))
    return f"{session.evaluation.key(feed.step, session.store.content)}.{feed.port}"


def _compared(
    made: _Made, there: Path, former: Embedded | None, found: list[Found], keep: str | os.PathLike[str] | None
) -> Outcome:
    difference: Deviation | None = None
    state: State
    if not there.exists():
        state = "missing"
    elif same_bytes(made.path, there):
        state = "identical"
    else:
        difference = deviation(there, made.path)
        state = "same pixels" if difference is None else "different"
    return Outcome(
        path=os.fspath(there),
        state=state,
        node=made.node,
        image=made.image,
        key=made.key,
        former_key="" if former is None else former.key,
        deviation=difference,
        moved=tuple(f for f in found if f.moved),
        sources=len(found),
        kept=_kept(made.path, keep),
    )


def _kept(made: Path, keep: str | os.PathLike[str] | None) -> str:
    if keep is None:
        return ""
    place = Path(keep)
    place.mkdir(parents=True, exist_ok=True)
    target = place / made.name
    with target.open("xb") as out, made.open("rb") as pixels:  # what is there already is not replaced
        shutil.copyfileobj(pixels, out)
    return os.fspath(target)
