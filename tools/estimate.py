"""How long a run will take, from what the same kinds of work took before."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from ..engine.costs import Memories, kind_of
from ..engine.errors import EngineError
from ..engine.evaluation import Evaluation
from ..engine.keeping import worth_keeping
from ..engine.plan import Feed
from ..engine.pull import needed_boxes
from ..engine.region import Box
from ..engine.schedule import usable_processors
from ..engine.store import Store
from ..engine.traffic import Traffic
from .cli._output import size

_MINUTE, _HOUR = 90, 5400


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would cost.

    Attributes
    ----------
    seconds
        Wall-clock time, about, of the work that was timed before.
    cpu_seconds
        Processor seconds of it.
    passes
        How often pixels are gone through: for measures, for masters that are kept, for files.
    read
        Bytes of source files to be read, about.
    never_timed
        Processes that would have to work and of which no run was timed yet.
    """

    seconds: float
    cpu_seconds: float
    passes: int
    read: int
    never_timed: tuple[str, ...]

    def work(self) -> str:
        """Return what there is to do: ``3 passes over pixels, 2.1 GB to read``."""
        if not self.passes:
            return "no pixel to be made"
        return f"{self.passes} {'pass' if self.passes == 1 else 'passes'} over pixels, {size(self.read)} to read"

    def told(self) -> str:
        """Return how long it takes, in words: ``about 40 s``."""
        some = ", ".join(self.never_timed[:4]) + (" and others" if len(self.never_timed) > 4 else "")
        if not self.never_timed:
            return about(self.seconds)
        if self.cpu_seconds == 0.0:
            return f"how long that takes cannot be told: {some} never timed"
        return f"{about(self.seconds)} without {some}, never timed"


def about(seconds: float) -> str:
    """Return a time as somebody would say it who does not know it exactly."""
    if seconds < 1:
        return "less than a second"
    if seconds < _MINUTE:
        return f"about {_rounded(seconds)} s"
    return f"about {_rounded(seconds / 60)} min" if seconds < _HOUR else f"about {_rounded(seconds / 3600)} h"


def _rounded(value: float) -> str:
    """Return *value* in two digits at most."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def kept_images(evaluation: Evaluation, store: Store, steps: Iterable[int]) -> dict[Feed, str]:
    """Return which images need not be made, as the store or a file of the user's holds them, and where they are."""
    found: dict[Feed, str] = {}
    if not (store.has("pixels") or store.has("written")):
        return found
    for i in steps:
        ports = [p.name for p in evaluation.plan.steps[i].process.outputs if p.is_image]
        try:
            key = evaluation.key(i, store.content) if ports else ""
        except Exception:  # a source that was never read has no key yet
            continue
        for port in ports:
            written = store.written(key, port)
            if written is not None:
                found[Feed(i, port)] = written.path
            elif store.has_pixels(key, port):
                found[Feed(i, port)] = "the store"
    return found


def estimate(
    evaluation: Evaluation,
    store: Store,
    measured: set[int],
    made: Iterable[int],
    *,
    kept: Iterable[Feed] = (),
    workers: int | None = None,
) -> Estimate:
    """Return what it costs to measure the steps *measured* and to write (or keep) the images of the steps *made*.

    No pixel is read. What depends on values that nobody has measured yet is taken for as large as what it is made of;
    *kept* images need not be made.
    """
    return _Pricing(evaluation, store, set(kept)).told(measured, list(made), workers or usable_processors())


class _Pricing:
    def __init__(self, evaluation: Evaluation, store: Store, kept: set[Feed]) -> None:
        self.evaluation, self.plan, self.kept = evaluation, evaluation.plan, kept
        self.memories = Memories(store)
        self.traffic = Traffic(evaluation)
        self.seconds, self.read, self.passes = 0.0, 0.0, 0
        self.never: set[int] = set()

    def told(self, measured: set[int], made: list[int], workers: int) -> Estimate:
        everything = self.evaluation.upstream([*measured, *made])
        measured = {i for i in measured if not self._only_computes(i)}
        for level in self._levels(measured, everything):
            self._keep([], level)
            self._measure(level)
        known = measured.union(self.evaluation.measured)
        for i in everything:
            if self.plan.steps[i].process.answers("compute") and i not in known:
                self._spend("compute", i, 1.0)
        if made:
            self._keep(made, [])
            self._write(made)
        never = dict.fromkeys(type(self.plan.steps[i].process).__name__ for i in sorted(self.never))
        return Estimate(self.seconds / workers, self.seconds, self.passes, round(self.read), tuple(never))

    def _only_computes(self, step: int) -> bool:
        """Return whether a step that may have to be measured was, with its parameters, always computed instead."""
        seconds = (self.memories.seconds(kind_of(self.plan, what, step)[0], 1.0) for what in ("measure", "compute"))
        measure, compute = seconds
        return measure is None and compute is not None

    def _levels(self, measured: set[int], everything: list[int]) -> list[list[int]]:
        """Return the steps to be measured, those that wait for nothing first, then those that wait for these."""
        depth: dict[int, int] = {}
        levels: dict[int, list[int]] = {}
        for i in everything:
            feeds = [f.step for f in self.plan.steps[i].feeds()]
            depth[i] = max((depth[s] + (s in measured) for s in feeds), default=0)
            if i in measured:
                levels.setdefault(depth[i], []).append(i)
        return [levels[d] for d in sorted(levels)]

    # -- passes -----------------------------------------------------------------------------------

    def _keep(self, targets: list[int], measuring: list[int]) -> None:
        for feeds in worth_keeping(self.evaluation, targets, measuring, self.kept):
            self.passes += 1
            self._pull(dict.fromkeys(feeds, 1.0))
            for feed in feeds:
                self._spend("write memory", feed.step, self._samples(feed))
            self.kept |= set(feeds)

    def _measure(self, level: list[int]) -> None:
        self.passes += 1
        wanted: dict[Feed, float] = {}
        for i in level:
            passes = self.memories.seconds(kind_of(self.plan, "passes", i)[0], 1.0) or 1.0
            feeds = self.evaluation.image_feeds(i)
            for feed in feeds:
                wanted[feed] = max(wanted.get(feed, 0.0), passes)
            self._spend("measure", i, max((self._pixels(f) for f in feeds), default=self._pixels(self._image(i))))
            self._spend("finish", i, 1.0)
        self._pull(wanted)

    def _write(self, made: list[int]) -> None:
        self.passes += 1
        wanted: dict[Feed, float] = {}
        for i in made:
            process = self.plan.steps[i].process
            feeds = [Feed(i, p.name) for p in process.outputs if p.is_image] or self.evaluation.image_feeds(i)
            paths = [getattr(process, s.name) for s in process.params.values() if s.file == "output"]
            what = f"write {os.path.splitext(paths[0])[1].lower()}" if paths and paths[0] else "write store"
            for feed in feeds:
                wanted[feed] = 1.0
                self._spend(what, i, self._samples(feed))
        self._pull(wanted)

    def _pull(self, wanted: dict[Feed, float]) -> None:
        """Count what making images takes; *wanted* says how much of each, parts as such, several times as such."""
        demand: dict[int, float] = {}
        for feed, share in wanted.items():
            if feed not in self.kept:
                demand[feed.step] = max(demand.get(feed.step, 0.0), share)
        while demand:
            i = max(demand)  # followers before what feeds them
            share = demand.pop(i)
            image = self._image(i)
            self._spend("pixels", i, share * self._samples(image))
            if not self.evaluation.image_feeds(i):
                self.read += share * self._file_bytes(i)
            for feed, part in self._needed(i, image):
                if feed not in self.kept and part > 0.0:
                    demand[feed.step] = max(demand.get(feed.step, 0.0), share * part)

    # -- one step ---------------------------------------------------------------------------------

    def _spend(self, what: str, step: int, amount: float) -> None:
        kind, images = kind_of(self.plan, what, step)
        seconds = self.memories.seconds(kind, amount * images)
        if seconds is not None:
            self.seconds += seconds
        elif what in ("pixels", "measure", "compute"):
            self.never.add(step)

    def _needed(self, step: int, image: Feed | None) -> list[tuple[Feed, float]]:
        """Return the images that an image is made of, and how much of each is needed."""
        feeds = self.evaluation.image_feeds(step)
        process = self.plan.steps[step].process
        if image is None:
            return [(f, 1.0) for f in feeds]
        found: list[tuple[Feed, float]] = []
        try:
            known = self.evaluation.known(step, image.port)
            for port in process.inputs:
                linked = self.plan.steps[step].inputs.get(port.name)
                if port.is_image and linked is not None:
                    many = (linked,) if isinstance(linked, Feed) else linked
                    boxes = needed_boxes(process, known.frame.box, port.name, known, len(many))
                    found += [(f, self._share(f, b)) for f, b in zip(many, boxes, strict=True)]
        except EngineError:  # it depends on what is to be measured
            return [(f, 1.0) for f in feeds]
        return found

    def _share(self, feed: Feed, box: Box) -> float:
        whole = self.evaluation.frame(feed).box
        inside = box.overlap(whole)
        return 0.0 if inside.empty else inside.height * inside.width / (whole.height * whole.width)

    def _image(self, step: int) -> Feed | None:
        return next((Feed(step, p.name) for p in self.plan.steps[step].process.outputs if p.is_image), None)

    def _samples(self, feed: Feed | None) -> float:
        return self._size(feed)[0]

    def _pixels(self, feed: Feed | None) -> float:
        return self._size(feed)[1]

    def _size(self, feed: Feed | None) -> tuple[float, float]:
        """Return samples and pixels of an image; of one that is not known yet, those of what it is made of."""
        while feed is not None:
            try:
                frame = self.evaluation.frame(feed)
                return frame.channels * frame.height * frame.width, frame.height * frame.width
            except EngineError:
                feed = next(iter(self.evaluation.image_feeds(feed.step)), None)
        return 0.0, 0.0

    def _file_bytes(self, step: int) -> float:
        image = self._image(step)
        try:
            return 0.0 if image is None else self.traffic.bytes(step, self.evaluation.frame(image).box)
        except (EngineError, OSError):
            return 0.0
