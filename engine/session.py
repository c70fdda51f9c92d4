"""One plan being worked on, stage by stage: measure what must be known, then make the pixels."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event as CancelEvent
from typing import Any

from .bands import Work, compute_value, fold, make_band, measure_block, measured_images
from .collected import Collected, Held
from .costs import Spent, Times
from .cpu_cache import strip_samples as usual_samples
from .errors import EngineError, GraphError, NodeFailed
from .evaluation import Evaluation
from .identity import pack, unpack
from .journal import journalled
from .keeping import dear_again, worth_keeping
from .kept import Kept, Pool
from .memory import Memory, peak_memory
from .plan import Feed, Lowering, Plan
from .portions import portions
from .process import Again, Tile, Writer
from .provenance import Origin, Sign
from .region import Box, measure_block_rows, measure_tile_rows, strip_rows, strips
from .report import Progress, Report, Stage, Watcher
from .schedule import Lane, processor_seconds
from .states import check_states
from .store import Store
from .stored_pixels import StoredPixels
from .thickness import best_cut

# Passes over the pixels that one measure may ask for; more means that it does not converge.
MAX_PASSES = 60
# Samples of one band: enough work (some 10 ms) that dask's cost of 0.1 ms a task does not count.
BAND_SAMPLES = 4 * 1024 * 1024

# Seconds from which on a computed Value is worth a file.
KEEP_COMPUTED = 0.005
# A second of computing is worth writing, and reading again, so many bytes: long lists are soon computed again.
KEEP_RATE = 10e6

Target = tuple[Feed, Writer | StoredPixels, int]
"""What is made, where it goes, and the step of the sink (-1 for pinned pixels)."""


class Session:
    """One plan being worked on: what is known so far, and the lane that does the work."""

    def __init__(
        self,
        plan: Plan,
        lane: Lane,
        store: Store,
        watch: Watcher | None,
        cancel: CancelEvent | None,
        memory: Memory | None = None,
        sign: Sign | None = None,
        pool: Pool | None = None,
    ) -> None:
        self.plan, self.lane, self.store = plan, lane, store
        self.watch, self.cancel = watch, cancel or CancelEvent()
        self._sign = sign
        self.evaluation = Evaluation(plan)
        self.report = Report()
        self._times = Times(plan)
        self._pulled: dict[int, float] = {}
        self._memory = memory or Memory.default()
        self.kept = Kept(self.evaluation, store, self._memory, pool, on_disk=lane.apart)
        self._goal: list[int] = []
        self._made: set[int] = set()
        """Sinks whose files were written because their pixels were asked for before the end."""
        self._stage = 0
        self._start = time.perf_counter()
        self._bytes = 0

    def aim(self, steps: list[int]) -> None:
        """Say all that is to be measured and made; what can be told to fail without pixels fails here."""
        self._goal = list(steps)
        self._look_ahead(steps)
        self._refuse_shared_files(steps)

    def reached(self, steps: list[int]) -> None:
        """Say what needs nothing more, so that what was kept for it can go."""
        self._goal = [i for i in self._goal if i not in set(steps)]
        self.kept.release(self._goal)

    def follow(self, lowering: Lowering) -> None:
        """Measure what parameter links read and lower what follows it, until all of the graph is lowered.

        Raises
        ------
        LinkError
            A link cannot be followed; LNK-7 where that is because a measurement failed.
        """
        while lowering.waiting:
            awaited = lowering.awaited()
            steps = sorted({i for behind in awaited.values() for i in behind})
            # What the rest of the graph takes by then stays where it is kept, for the stages after this one.
            taken = {f.step for step in self.plan.steps for f in step.feeds()}
            self.aim([*steps, *(i for i in range(len(self.plan.steps)) if i not in taken)])
            try:
                self.measure(steps)
            except NodeFailed as e:
                raise lowering.not_measured(e) from e
            lowering.go_on(self.evaluation, awaited)
        self.report.links = lowering.resolver.results()
        self.evaluation.links = self.report.links

    # -- Measuring --------------------------------------------------------------------------------

    def measure(self, steps: list[int]) -> None:
        """Measure everything that *steps* need, themselves included, one stage after the other."""
        if not set(steps) <= set(self._goal):
            self.aim(steps)
        while True:
            ready, _ = self.evaluation.pending(steps, self._recall, self._compute)
            if not ready:
                break
            check_states(self.evaluation, steps)
            self._keep([], ready)
            self._hold_dear(ready)
            ready, twins = self._distinct(ready)
            for portion in portions(self.evaluation, ready, self.kept.of(ready), self._memory.strip):
                self._stage += 1
                self._measure_stage(portion)
            for i, same in twins.items():
                self.evaluation.learn(i, self.evaluation.measured[same])
                self.report.states[self.plan.steps[i].label] = "measured"
            self.kept.release(self._goal)
        for i in self.evaluation.upstream(steps):
            if i in self.evaluation.measured:
                label = self.plan.steps[i].label
                self.report.values[label] = self.evaluation.measured[i]
                self.report.states.setdefault(label, "computed")
        check_states(self.evaluation, steps)

    def _look_ahead(self, steps: list[int]) -> None:
        """Ask for every frame before the first pixel is read, so that sizes that do not fit are told at once."""
        for i in self.evaluation.upstream(steps):
            for port in self.plan.steps[i].process.outputs:
                if port.is_image:
                    # A frame may need what is not measured yet; it is asked again then.
                    with contextlib.suppress(NodeFailed):
                        self.evaluation.frame(Feed(i, port.name))

    def _recall(self, index: int) -> bool:
        try:
            value = self.store.value(self._key(index))
        except KeyError:
            return False
        self.evaluation.learn(index, value)
        self.report.states[self.plan.steps[index].label] = "recalled"
        return True

    def _compute(self, steps: list[int]) -> None:
        """Compute steps that need Values only, such as the matching of stars, side by side."""
        start = time.perf_counter()
        if len(steps) == 1:
            found = [self.evaluation.computed(steps[0])]
        else:
            with self.lane.share(Work(self.evaluation, {}, cancel=self.cancel)) as ticket:
                tasks = {("value", i): (compute_value, ticket, i) for i in steps}
                with self._stage_of("compute", steps):
                    found = self.lane.get(tasks, list(tasks), lambda key, result: None, self.cancel)
        seconds = (time.perf_counter() - start) / len(steps)
        for i, value in zip(steps, found, strict=True):
            # Through the packer even when fresh, so that a stored Value and a new one cannot differ.
            packed = pack(value)
            plain = unpack(packed)
            self.evaluation.learn(i, plain)
            self._times.call("compute", i, seconds)
            if seconds > KEEP_COMPUTED + len(packed) / KEEP_RATE:
                self.store.put_value(self._key(i), plain)

    def _key(self, index: int) -> str:
        return self.evaluation.key(index, self.store.content)

    def _distinct(self, steps: list[int]) -> tuple[list[int], dict[int, int]]:
        """Return the steps that differ, and of each other one the step it is equal to: stars are found once."""
        first: dict[str, int] = {}
        twins: dict[int, int] = {}
        for i in steps:
            same = first.setdefault(self._key(i), i)
            if same != i:
                twins[i] = same
        return list(first.values()), twins

    def _measure_stage(self, steps: list[int]) -> None:
        """Measure *steps*, which wait for nothing; steps on images of one size share their passes."""
        states: dict[int, Any] = {}
        todo = steps
        for _ in range(MAX_PASSES):
            again: dict[int, Any] = {}
            for group in self._by_size(todo):
                self.report.passes += 1
                partials = self._pass(group, states)
                finished = self.lane.map(self._finished, group, partials, [states.get(i) for i in group])
                for i, found in zip(group, finished, strict=True):
                    if isinstance(found, Again):
                        again[i] = found.state
                    else:
                        self._learn(i, found)
            if not again:
                return
            states, todo = again, list(again)
        labels = ", ".join(self.plan.steps[i].label for i in todo)
        raise EngineError(f"{labels}: not measured after {MAX_PASSES} passes over the pixels")

    def _learn(self, index: int, value: Any) -> None:
        # Through the packer even when fresh, so that a stored Value and a new one cannot differ.
        plain = unpack(pack(value))
        self.evaluation.learn(index, plain)
        self.store.put_value(self._key(index), plain)
        if passes := self._pulled.pop(index, 0.0):
            self._times.call("passes", index, passes)
        self.report.states[self.plan.steps[index].label] = "measured"

    def _finished(self, index: int, partial: Any, state: Any) -> Any:
        step = self.plan.steps[index]
        begun = time.thread_time()
        try:
            found = step.process.finish(partial, self.evaluation.known(index, "", state=state))
            self._times.call("finish", index, time.thread_time() - begun)
            return found
        except EngineError as e:
            raise NodeFailed(step.label, step.process.id, "", str(e)) from e
        except Exception as e:
            raise NodeFailed(step.label, step.process.id, "its measure", f"{type(e).__name__}: {e}") from e

    def _by_size(self, steps: list[int]) -> list[list[int]]:
        groups: dict[tuple[int, int], list[int]] = {}
        for i in steps:
            grid = self.evaluation.grid(i)
            groups.setdefault((grid.height, grid.width), []).append(i)
        return list(groups.values())

    def _pass(self, group: list[int], states: dict[int, Any]) -> list[Any]:
        grid = self.evaluation.grid(group[0])
        block_rows = measure_block_rows(grid.width)
        images = measured_images(self.evaluation, group)
        stored = self.kept.of(group)
        tile_rows = measure_tile_rows(grid.width)
        cut = best_cut(self.evaluation, images, grid.box, tile_rows, stored, self._memory.strip)
        rows = min(block_rows, cut.rows)
        work = Work(self.evaluation, stored, states, rows=rows, columns=cut.columns, cancel=self.cancel)
        with self.lane.share(work) as ticket:
            tasks: dict[Any, Any] = {}
            last: Any = None
            for n, box in enumerate(strips(grid.box, block_rows)):
                tasks["block", n] = (measure_block, ticket, list(group), list(box))
                if last is None:
                    last = ("block", n)
                else:
                    # A chain, not a tree: blocks are merged from top to bottom whoever makes them.
                    tasks["fold", n] = (fold, ticket, list(group), last, ("block", n))
                    last = ("fold", n)
            with self._stage_of("measure", group) as cost:
                watch = self._watcher("measure", group, tasks, grid.width * grid.channels * 4)
                partials: list[Any]
                partials, read, spent = self.lane.get(tasks, [last], watch, self.cancel)[0]
                cost["read"] += read
            self._note_pass(group, spent)
            return partials

    def _note_pass(self, group: list[int], spent: list[Spent]) -> None:
        """Remember what a pass took, and how much of the images before each measure was made for it."""
        samples: dict[int, float] = {}
        for one in spent:
            self._times.add(one)
            for (what, step), (_, made) in one.items():
                if what == "pixels":
                    samples[step] = samples.get(step, 0.0) + made
        for i in group:
            shares = [0.0]
            for feed in self.evaluation.image_feeds(i):
                if feed.step in samples:
                    frame = self.evaluation.frame(feed)
                    shares.append(samples[feed.step] / (frame.channels * frame.height * frame.width))
            self._pulled[i] = self._pulled.get(i, 0.0) + max(shares)

    # -- Making -----------------------------------------------------------------------------------

    def make(self, sinks: list[int], pins: list[Feed], strip_samples: int | None = None) -> None:
        """Write all sinks and keep all pinned outputs; those of one size are made together."""
        self._keep([*sinks, *(f.step for f in pins)], [], self._later({*sinks, *(f.step for f in pins)}))
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
                self._stage += 1
                self._make_group(group, strip_samples)
                for target in group:
                    feed, writer, sink = target
                    if isinstance(writer, StoredPixels):
                        self.report.states[self.plan.steps[feed.step].label] = "kept"
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

    # -- Keeping ----------------------------------------------------------------------------------

    def _later(self, now: set[int]) -> list[int]:
        """Return what will want pixels once *now* is made."""
        rest = [i for i in self._goal if i not in now]
        return [i for i in self.evaluation.upstream(rest) if i in rest or self.evaluation.waits(i)]

    def _keep(self, targets: list[int], measuring: list[int], later: list[int] | None = None) -> None:
        """Make what many images went into and is asked for again.

        It goes into the file that is to hold it anyway, if there is one; else into memory while the budget lasts;
        else into the store.
        """
        kept = self.kept.of([*targets, *measuring])
        for feeds in worth_keeping(self.evaluation, targets, measuring, kept, later or ()):
            self._stage += 1
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

    def _hold_dear(self, measuring: list[int]) -> None:
        """Make what takes long and will be asked for again, as far as there is memory to hold it."""
        if self.lane.apart:  # other processes read from files: making it again costs less than these
            return
        for feed in dear_again(self.evaluation, measuring, self._goal, self.kept.of(measuring)):
            held = self.kept.in_memory(feed)
            if held is None:
                continue
            self._stage += 1
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
            if sink in self._goal and sink not in self._made:
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

    def close(self) -> None:
        """Let go of everything that was kept for this run; remember what it took."""
        self.kept.close()
        self._times.remember(self.store)

    def collect(self, feed: Feed, box: Box, strip_samples: int | None = None) -> Tile:
        """Return the pixels of *box* as one array."""
        frame = self.evaluation.frame(feed)
        if box == frame.box:
            self._keep([feed.step], [])
        rows = strip_rows(box.width, strip_samples or usual_samples())
        taken = Collected(box, frame.channels, on_disk=self.lane.apart)
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
        cut = best_cut(self.evaluation, [f for f, _ in targets], box, rows, stored, self._memory.strip)
        rows = cut.rows
        band = rows * max(1, BAND_SAMPLES // (rows * box.width * channels))
        band = min(band, rows * max(1, -(-box.height // (rows * 2 * self.lane.workers))))
        work = Work(self.evaluation, stored, targets=targets, rows=rows, columns=cut.columns, cancel=self.cancel)
        with self.lane.share(work) as ticket:
            tasks = {("band", n): (make_band, ticket, list(b)) for n, b in enumerate(strips(box, band))}
            with self._stage_of(action, nodes) as cost:
                for made, read, spent in self.lane.get(
                    tasks, list(tasks), self._watcher(action, nodes, tasks), self.cancel
                ):
                    cost["written"] += made
                    cost["read"] += read
                    self._times.add(spent)

    def _finish(self, feed: Feed, writer: Writer, sink: int) -> None:
        writer.finish()
        self.kept.note_written(feed, writer)
        self.report.states[self.plan.steps[sink].label] = "written"
        self.report.written.append(os.fspath(writer.path))

    def _writer(self, index: int) -> Writer:
        step = self.plan.steps[index]
        known = self.evaluation.known(index, "")
        if self._sign is not None:
            known = replace(known, provenance=self._sign(Origin(self.evaluation, index, self.store.content)))
        try:
            writer = step.process.writer(known)
            return journalled(writer, self.store.journal(self._key(index), writer.path))
        except OSError:
            raise
        except EngineError as e:
            raise GraphError(f"node '{step.label}' ({step.process.id}): {e}") from e

    def _sink_feed(self, index: int) -> Feed:
        return next(iter(self.plan.steps[index].feeds()))

    def _refuse_shared_files(self, steps: list[int]) -> None:
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

    @contextlib.contextmanager
    def _stage_of(self, action: str, steps: list[int]) -> Iterator[dict[str, float]]:
        """Note what the block costs as one stage of the report; it fills in the bytes."""
        cost = {"read": 0.0, "written": 0.0}
        wall, cpu = time.perf_counter(), processor_seconds()
        yield cost
        self.report.stages.append(
            Stage(
                action=action,
                nodes=tuple(dict.fromkeys(self.plan.steps[i].node for i in steps)),
                seconds=time.perf_counter() - wall,
                cpu_seconds=processor_seconds() - cpu,
                peak=peak_memory(),
                read=round(cost["read"]),
                written=round(cost["written"]),
            )
        )

    def _watcher(
        self, action: str, steps: list[int], tasks: dict[Any, Any], row_bytes: int = 0
    ) -> Callable[[Any, Any], None]:
        nodes = tuple(dict.fromkeys(self.plan.steps[i].label for i in steps))
        total = sum(1 for key in tasks if key[0] != "fold")
        done = 0

        def told(key: Any, result: Any) -> None:
            nonlocal done
            if key[0] == "fold":
                return
            done += 1
            box = Box(*tasks[key][-1])
            self._bytes += box.height * row_bytes if row_bytes else result[0]
            if self.watch is not None:
                seconds = time.perf_counter() - self._start
                self.watch(Progress(self._stage, action, nodes, done, total, self._bytes, seconds))

        return told
