"""Making pixels: strip by strip into files, into the store, or into memory for passes to come."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from .bands import Work, make_band
from .collected import Collected, Held
from .cpu_cache import strip_samples as usual_samples
from .dear import Dear
from .errors import EngineError, GraphError
from .journal import journalled
from .keeping import dear_again, worth_keeping
from .plan import Feed
from .process import Tile, Writer
from .provenance import Origin, Sign
from .region import Box, strip_rows, strips
from .stored_pixels import StoredPixels
from .thickness import best_cut
from .workbench import Workbench

# Samples of one band: enough work (some 10 ms) that dask's cost of 0.1 ms a task does not count.
BAND_SAMPLES = 4 * 1024 * 1024

Target = tuple[Feed, Writer | StoredPixels, int]
"""What is made, where it goes, and the step of the sink (-1 for pinned pixels)."""


class Making:
    """Makes pixels, and decides which of them are kept from one pass to the next."""

    def __init__(self, bench: Workbench, sign: Sign | None) -> None:
        self.bench = bench
        self.plan, self.evaluation, self.kept = bench.plan, bench.evaluation, bench.kept
        self._sign = sign
        self._dear = Dear(bench.evaluation, bench.store)
        self._made: set[int] = set()
        """Sinks whose files were written because their pixels were asked for before the end."""

    def make(self, sinks: list[int], pins: list[Feed], strip_samples: int | None = None) -> None:
        """Write all sinks and keep all pinned outputs; those of one size are made together."""
        self.keep([*sinks, *(f.step for f in pins)], [], self._later({*sinks, *(f.step for f in pins)}))
        targets: list[Target] = [(feed, self.kept.stored(feed), -1) for feed in pins]
        try:
            for i in sinks:
                if i not in self._made:
                    targets.append((self._sink_feed(i), self._writer(i), i))  # noqa: PERF401 - each opens a file
            self._refuse_shared_paths(targets)
            groups: dict[tuple[int, int], list[Target]] = {}
            for target in targets:
                frame = self.evaluation.frame(target[0])
                groups.setdefault((frame.height, frame.width), []).append(target)
            for group in groups.values():
                self.bench.next_stage()
                self._make_group(group, strip_samples)
                for target in group:
                    feed, writer, sink = target
                    if isinstance(writer, StoredPixels):
                        self.bench.report.states[self.plan.steps[feed.step].label] = "kept"
                    else:
                        self._finish(feed, writer, sink)
                    targets.remove(target)
        except BaseException:
            for _, writer, _ in targets:
                if not isinstance(writer, StoredPixels):
                    writer.abandon()
            raise

    def _make_group(self, group: list[Target], strip_samples: int | None) -> None:
        frame = self.evaluation.frame(group[0][0])
        rows = strip_rows(frame.width, strip_samples or usual_samples())
        if any(isinstance(w, StoredPixels) for _, w, _ in group):
            rows = strip_rows(frame.width)  # the store takes whole strips of its own size
        nodes = [i if i >= 0 else f.step for f, _, i in group]
        self._bands([(f, w) for f, w, _ in group], frame.box, rows, "write", nodes)

    def _later(self, now: set[int]) -> list[int]:
        """Return what will want pixels once *now* is made."""
        rest = [i for i in self.bench.goal if i not in now]
        return [i for i in self.evaluation.upstream(rest) if i in rest or self.evaluation.waits(i)]

    def keep(self, targets: list[int], measuring: list[int], later: list[int] | None = None) -> None:
        """Make what many images went into and is asked for again.

        It goes into the file that is to hold it anyway, if there is one; else into memory while the budget lasts;
        else into the store.
        """
        kept = self.kept.of([*targets, *measuring, *(later or ())])
        for feeds in worth_keeping(self.evaluation, targets, measuring, kept, later or ()):
            self.bench.next_stage()
            frame = self.evaluation.frame(feeds[0])
            places: list[tuple[Feed, Writer | StoredPixels | Held, int]] = []
            try:
                places += [self._place(feed) for feed in feeds]
                made = [(f, place) for f, place, _ in places]
                self._bands(made, frame.box, strip_rows(frame.width), "keep", [f.step for f in feeds])
                for feed, place, sink in places:
                    if isinstance(place, Held):
                        self.kept.hold(feed, place)
                    elif not isinstance(place, StoredPixels):
                        self._finish(feed, place, sink)
                        self._made.add(sink)
            except BaseException:
                for _, place, sink in places:
                    if not isinstance(place, StoredPixels) and sink not in self._made:
                        place.abandon()
                raise

    def hold_dear(self, measuring: list[int]) -> None:
        """Make what takes long and will be asked for again, as far as there is memory to hold it."""
        if self.bench.lane.apart:  # other processes read from files: making it again costs less than these
            return
        found = dear_again(self.evaluation, measuring, self.bench.goal, self.kept.of(measuring), self._dear)
        for feed in self._dear.within(found, self.bench.memory.held):
            held = self.kept.in_memory(feed)
            if held is None:
                continue
            self.bench.next_stage()
            frame = self.evaluation.frame(feed)
            try:
                self._bands([(feed, held)], frame.box, strip_rows(frame.width), "keep", [feed.step])
            except BaseException:
                held.abandon()
                raise
            self.kept.hold(feed, held, this_run=True)

    def _place(self, feed: Feed) -> tuple[Feed, Writer | StoredPixels | Held, int]:
        """Return where pixels that are kept go, and the sink whose file that is (-1 for none)."""
        for sink in self.plan.sinks_of(feed):
            if sink in self.bench.goal and sink not in self._made:
                writer = self._writer(sink)
                if getattr(writer, "exact", None) and self._alone(writer, sink):
                    return feed, writer, sink
                writer.abandon()
        return feed, self.kept.place(feed), -1

    def _alone(self, writer: Writer, sink: int) -> bool:
        """Return whether nothing else in the plan reads or writes the file of *writer*."""
        path = os.path.realpath(writer.path)
        return not any(
            os.path.realpath(p) == path
            for i, step in enumerate(self.plan.steps)
            if i != sink
            for p in step.process.files()
        )

    def collect(self, feed: Feed, box: Box, strip_samples: int | None = None) -> Tile:
        """Return the pixels of *box* as one array."""
        frame = self.evaluation.frame(feed)
        if box == frame.box:
            self.keep([feed.step], [])
        rows = strip_rows(box.width, strip_samples or usual_samples())
        taken = Collected(box, frame.channels, on_disk=self.bench.lane.apart)
        try:
            self._bands([(feed, taken)], box, rows, "compute", [feed.step])
            return taken.array()
        finally:
            taken.abandon()

    def _bands(
        self,
        targets: list[tuple[Feed, Any]],
        box: Box,
        rows: int,
        action: str,
        nodes: list[int],
    ) -> None:
        """Make *box* of all targets, strips of *rows* rows in bands of enough strips to be worth a task."""
        channels = self.evaluation.frame(targets[0][0]).channels
        stored = self.kept.of([f.step for f, _ in targets])
        cut = best_cut(self.evaluation, [f for f, _ in targets], box, rows, stored, self.bench.memory.strip)
        rows = cut.rows
        band = rows * max(1, BAND_SAMPLES // (rows * box.width * channels))
        band = min(band, rows * max(1, -(-box.height // (rows * 2 * self.bench.lane.workers))))
        work = Work(self.evaluation, stored, targets=targets, rows=rows, columns=cut.columns, cancel=self.bench.cancel)
        with self.bench.lane.share(work) as ticket:
            tasks = {("band", n): (make_band, ticket, list(b)) for n, b in enumerate(strips(box, band))}
            watch = self.bench.watcher(action, nodes, tasks, len(targets) * box.width * channels * 4)
            with self.bench.stage_of(action, nodes) as cost:
                for stored_bytes, read, spent in self.bench.lane.get(tasks, list(tasks), watch, self.bench.cancel):
                    cost["written"] += stored_bytes
                    cost["read"] += read
                    self.bench.times.add(spent)

    def _finish(self, feed: Feed, writer: Writer, sink: int) -> None:
        writer.finish()
        stage = self.bench.report.stages[-1]  # it made what the file holds
        size = os.path.getsize(writer.path) if os.path.exists(writer.path) else 0
        self.bench.report.stages[-1] = replace(stage, written=stage.written + size)
        self.kept.note_written(feed, writer)
        self.bench.report.states[self.plan.steps[sink].label] = "written"
        self.bench.report.written.append(os.fspath(writer.path))

    def _writer(self, index: int) -> Writer:
        step = self.plan.steps[index]
        known = self.evaluation.known(index, "")
        if self._sign is not None:
            known = replace(known, provenance=self._sign(Origin(self.evaluation, index, self.bench.store.content)))
        try:
            writer = step.process.writer(known)
            return journalled(writer, self.bench.store.journal(self.bench.key(index), writer.path))
        except OSError:
            raise
        except EngineError as e:
            raise GraphError(f"node '{step.label}' ({step.process.id}): {e}") from e

    def _sink_feed(self, index: int) -> Feed:
        return next(iter(self.plan.steps[index].feeds()))

    def refuse_shared_files(self, steps: list[int]) -> None:
        """Refuse nodes that name the same output: the files of one may be finished before another begins."""
        seen: dict[str, str] = {}
        for i in steps:
            step = self.plan.steps[i]
            for path in map(os.path.realpath, step.process.files() if step.process.answers("writer") else ()):
                if seen.setdefault(path, step.node) != step.node:
                    raise GraphError(f"{path} is written by both '{seen[path]}' and '{step.node}'")

    def _refuse_shared_paths(self, targets: list[tuple[Feed, Any, int]]) -> None:
        seen: dict[str, str] = {}
        for _, writer, sink in targets:
            if sink < 0:
                continue
            label, path = self.plan.steps[sink].label, os.fspath(writer.path)
            if path in seen:
                raise GraphError(f"{path} is written by both '{seen[path]}' and '{label}'")
            seen[path] = label
