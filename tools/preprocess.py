"""Preprocessing as a session: look at the raw frames, leave out what is of no use, make the masters, tell all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..engine.errors import Cancelled, EngineError, MissingSourceError, SourceError
from ..engine.report import Report
from ..graphs.document import Graph
from ..graphs.preprocess.build import build
from ..graphs.preprocess.match import LeftOut, Matching, match
from ..graphs.preprocess.options import Options
from ..graphs.preprocess.stacks import Stack, Stacks, stacks_of
from ..graphs.preprocess.survey import by_frame, levels, spoilt, survey, surveyed


class UnresolvedLinks(MissingSourceError):
    """Links broke when frames were left out."""

    def __init__(self, links: Iterable[object]) -> None:
        self.links = tuple(map(str, links))
        super().__init__("; ".join(self.links))


@dataclass(frozen=True)
class Job:
    """What is to be made, and what is left out of it.

    Attributes
    ----------
    matching
        The frames that are used, and what links them.
    stacks
        What is integrated into what.
    left_out
        Frames that turned out to be of no use.
    """

    matching: Matching
    stacks: Stacks
    options: Options
    left_out: tuple[LeftOut, ...] = ()

    @classmethod
    def of(cls, matching: Matching, options: Options, left_out: tuple[LeftOut, ...] = ()) -> Job:
        return cls(matching, stacks_of(matching, register=options.register), options, left_out)

    @property
    def told(self) -> Matching:
        """The matching, with all that is left out and all notes."""
        return replace(
            self.matching,
            left_out=(*self.matching.left_out, *self.stacks.left_out, *self.left_out),
            notes=(*self.matching.notes, *self.stacks.notes),
        )

    def graph(self) -> Graph:
        return build(self.told, self.stacks, self.options)

    def without(self, found: Mapping[str, str]) -> Job:
        """Return the job without some files (path -> why); what is left is matched anew.

        Raises
        ------
        SourceError
            No light is left.
        """
        if not found:
            return self
        kept = [r for g in self.matching.groups for r in g.records if r.path not in found]
        if not any(r.kind == "light" for r in kept):
            lights = {r.path for g in self.matching.lights() for r in g.records}
            told = [(path, why) for path, why in found.items() if path in lights]
            path, why = told[0]
            raise SourceError(f"no light is left of {len(told)}, such as {path}: {why}{_remedy(why)}")
        matching = replace(match(kept, self.matching.rules), left_out=self.matching.left_out)
        left_out = tuple(LeftOut(path, why) for path, why in found.items())
        return Job.of(matching, self.options, (*self.left_out, *left_out))


_UNREGISTERED = "could not be registered: "


def _remedy(why: str) -> str:
    return "; --no-registration stacks lights as they lie" if why.startswith(_UNREGISTERED) else ""


@dataclass
class Session:
    """A session of preprocessing: the job as it was begun, what was found on the way, and what was made.

    Attributes
    ----------
    begun, job
        With all frames, and as it became when some were left out.
    allow_broken
        Go on where frames that are left out break a link.
    levels, figures, transforms
        By path: the range of the raw samples of each light and flat; of each light its row of figures, and how it
        lies on the reference.
    references
        The light that all others of an object are registered to.
    runs
        What each run did: ``levels``, ``survey``, ``masters``.
    """

    begun: Job
    job: Job
    allow_broken: bool = False
    levels: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    transforms: dict[str, Any] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    runs: dict[str, Report] = field(default_factory=dict)

    @classmethod
    def of(cls, matching: Matching, options: Options, *, allow_broken: bool = False) -> Session:
        """Return a session that is to make masters of what *matching* holds."""
        job = Job.of(matching, options)
        return cls(begun=job, job=job, allow_broken=allow_broken)

    def look(self, **how: Any) -> None:
        """Look at all frames and leave out what is of no use: spoilt, not approved, not to be registered.

        Parameters
        ----------
        how
            For `Graph.run`: workers, watch and the like. What is measured is in the store for the run that follows.

        Raises
        ------
        SourceError
            No light is left.
        UnresolvedLinks
            Frames that served others are of no use, and `allow_broken` is not set.
        """
        self._leave_out(self._spoilt(how))
        self._leave_out(self._judged(how))

    def make(self, graph: Graph, **how: Any) -> Report:
        """Run *graph*, that of the job; with the rejected samples of each light counted, if measures are wanted."""
        counted = [f"integrated-{s.name}" for s in self.job.stacks.stacks] if self.job.options.measures else []
        report = graph.run([*graph.ends(), *(n for n in counted if n not in graph.ends())], **how)
        self.runs["masters"] = report
        self.references.clear()  # the best of all lights may have been left out
        self._learn(self.job.stacks, report.values)
        return report

    def _leave_out(self, found: Mapping[str, str]) -> None:
        before = {str(link) for link in self.job.told.broken}
        self.job = self.job.without(found)
        broken = [link for link in self.job.told.broken if str(link) not in before]
        if broken and not self.allow_broken:
            raise UnresolvedLinks(broken)

    # -- samples ----------------------------------------------------------------------------------

    def _spoilt(self, how: Mapping[str, Any]) -> dict[str, str]:
        """Return the frames that cannot be read, or whose samples tell nothing."""
        graph = levels(self.job.matching)
        unreadable: dict[str, str] = {}
        try:
            self.runs["levels"] = graph.run(**how)
        except Cancelled:
            raise
        except (EngineError, OSError):
            unreadable = {p: why for n in graph.ends() for p in _paths(graph, n) if (why := _trouble(p))}
            if not unreadable:
                raise
            graph = levels(self.job.without(unreadable).matching)
            self.runs["levels"] = graph.run(**how)
        values = self.runs["levels"].values
        for node in graph.ends():
            self.levels |= by_frame(values, node, _paths(graph, node))
        return {**unreadable, **{p: why for p, value in self.levels.items() if (why := spoilt(value))}}

    # -- figures ----------------------------------------------------------------------------------

    def _judged(self, how: Mapping[str, Any]) -> dict[str, str]:
        """Return the lights that cannot be registered or are not approved."""
        graph = survey(self.job.matching, self.job.stacks, self.job.options)
        nodes = surveyed(graph)
        if not nodes:
            return {}
        report = self.runs["survey"] = graph.run(nodes, **how)
        self._learn(self.job.stacks, report.values)
        found: dict[str, str] = {}
        for stack in self.job.stacks.stacks:
            found |= dict(self._unaligned(stack))
            found |= dict(_not_approved(stack, report.values, self.job.options.approval))
        return found

    def _learn(self, stacks: Stacks, values: Mapping[str, Any]) -> None:
        """Take in what a run tells of the lights of some stacks."""
        for stack in stacks.stacks:
            self.transforms |= by_frame(values, f"registered-{stack.name}/match", stack.paths)
            for group in stack.groups:
                name = f"measures-{group.name.removeprefix('light-')}/summary"
                self.figures |= by_frame(values, name, [r.path for r in group.records])
            choice = values.get(f"choose-{stack.name}")
            if choice is not None:
                self.references[stack.object] = stack.paths[int(choice["choice"]["index"])]

    def _unaligned(self, stack: Stack) -> Iterator[tuple[str, str]]:
        for path in stack.paths:
            transform = self.transforms.get(path)
            if transform is not None and transform["kind"] == "none":
                yield path, f"{_UNREGISTERED}{transform['why']}"


def _not_approved(stack: Stack, values: Mapping[str, Any], formula: str) -> Iterator[tuple[str, str]]:
    selection = values.get(f"select-{stack.name}")
    if selection is None:
        return
    for path, why in zip(stack.paths, selection["why"], strict=True):
        if why:
            yield path, f"not approved: {formula}" if why == "not approved" else f"not approved: {why}"


def _paths(graph: Graph, node: str) -> tuple[str, ...]:
    """Return the files behind a node of `levels`."""
    paths: tuple[str, ...] = graph.spec(node.removeprefix("levels-")).params["paths"]
    return paths


def _trouble(path: str) -> str:
    """Return why the samples of a file cannot be read; empty where they can."""
    graph = Graph()
    graph.add("SampleRange", name="levels", image=graph.add("ReadImage", path=path))
    try:
        graph.run()
    except (EngineError, OSError) as e:
        return f"cannot be read: {str(e).replace(f'{path}: ', '')}"
    return ""

