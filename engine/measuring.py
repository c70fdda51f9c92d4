"""Measuring steps: recalled from the store, computed of Values, or found in passes over pixels."""

from __future__ import annotations

import time
from typing import Any

from .bands import Work, compute_value, fold, measure_block, measured_images, passed
from .costs import Spent
from .errors import EngineError, NodeFailed
from .identity import pack, unpack
from .process import Again
from .region import measure_block_rows, measure_tile_rows, strips
from .thickness import best_cut
from .workbench import Workbench

# Blocks a worker may be ahead of merging what they told.
AHEAD = 4

# Passes over the pixels that one measure may ask for; more means that it does not converge.
MAX_PASSES = 60

# Seconds from which on a computed Value is worth a file.
KEEP_COMPUTED = 0.005
# A second of computing is worth writing, and reading again, so many bytes: long lists are soon computed again.
KEEP_RATE = 10e6


class Measuring:
    """Finds the Values of steps."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.plan, self.evaluation, self.kept = bench.plan, bench.evaluation, bench.kept
        self._pulled: dict[int, float] = {}

    def recall(self, index: int) -> bool:
        """Return whether the Value of a step is in the store; from now on it is known."""
        try:
            value = self.bench.store.value(self.bench.key(index))
        except KeyError:
            return False
        self.evaluation.learn(index, value)
        self.bench.report.states[self.plan.steps[index].label] = "recalled"
        return True

    def compute(self, steps: list[int]) -> None:
        """Compute steps that need Values only, such as the matching of stars, side by side."""
        start = time.perf_counter()
        if len(steps) == 1:
            found = [self.evaluation.computed(steps[0])]
        else:
            with self.bench.lane.share(Work(self.evaluation, {}, cancel=self.bench.cancel)) as ticket:
                tasks = {("value", i): (compute_value, ticket, i) for i in steps}
                with self.bench.stage_of("compute", steps):
                    found = self.bench.lane.get(tasks, list(tasks), lambda key, result: None, self.bench.cancel)
        seconds = (time.perf_counter() - start) / len(steps)
        for i, value in zip(steps, found, strict=True):
            # Through the packer even when fresh, so that a stored Value and a new one cannot differ.
            packed = pack(value)
            plain = unpack(packed)
            self.evaluation.learn(i, plain)
            self.bench.times.call("compute", i, seconds)
            if seconds > KEEP_COMPUTED + len(packed) / KEEP_RATE:
                self.bench.store.put_value(self.bench.key(i), plain)

    def distinct(self, steps: list[int]) -> tuple[list[int], dict[int, int]]:
        """Return the steps that differ, and of each other one the step it is equal to: stars are found once."""
        first: dict[str, int] = {}
        twins: dict[int, int] = {}
        for i in steps:
            same = first.setdefault(self.bench.key(i), i)
            if same != i:
                twins[i] = same
        return list(first.values()), twins

    def stage(self, steps: list[int]) -> None:
        """Measure *steps*, which wait for nothing; steps on images of one size share their passes."""
        states: dict[int, Any] = {}
        todo = steps
        for _ in range(MAX_PASSES):
            again: dict[int, Any] = {}
            for group in self._by_size(todo):
                self.bench.report.passes += 1
                partials = self._pass(group, states)
                finished = self.bench.lane.map(self._finished, group, partials, [states.get(i) for i in group])
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
        self.bench.store.put_value(self.bench.key(index), plain)
        if passes := self._pulled.pop(index, 0.0):
            self.bench.times.call("passes", index, passes)
        self.bench.report.states[self.plan.steps[index].label] = "measured"

    def _finished(self, index: int, partial: Any, state: Any) -> Any:
        step = self.plan.steps[index]
        begun = time.thread_time()
        try:
            found = step.process.finish(partial, self.evaluation.known(index, "", state=state))
            self.bench.times.call("finish", index, time.thread_time() - begun)
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
        cut = best_cut(self.evaluation, images, grid.box, tile_rows, stored, self.bench.memory.strip)
        rows = min(block_rows, cut.rows)
        work = Work(self.evaluation, stored, states, rows=rows, columns=cut.columns, cancel=self.bench.cancel)
        with self.bench.lane.share(work) as ticket:
            tasks: dict[Any, Any] = {}
            last: Any = None
            ahead = AHEAD * self.bench.lane.workers
            for n, box in enumerate(strips(grid.box, block_rows)):
                # Nobody begins a block while many wait to be merged, so that few partial measures lie in memory.
                behind = ("gate", n - ahead) if n > ahead else None
                tasks["block", n] = (measure_block, ticket, list(group), behind, list(box))
                if last is None:
                    last = ("block", n)
                else:
                    # A chain, not a tree: blocks are merged from top to bottom whoever makes them.
                    tasks["fold", n] = (fold, ticket, list(group), last, ("block", n))
                    tasks["gate", n] = (passed, ("fold", n))
                    last = ("fold", n)
            with self.bench.stage_of("measure", group) as cost:
                watch = self.bench.watcher("measure", group, tasks, grid.width * grid.channels * 4)
                partials: list[Any]
                partials, read, spent = self.bench.lane.get(tasks, [last], watch, self.bench.cancel)[0]
                cost["read"] += read
            self._note_pass(group, spent)
            return partials

    def _note_pass(self, group: list[int], spent: list[Spent]) -> None:
        """Remember what a pass took, and how much of the images before each measure was made for it."""
        samples: dict[int, float] = {}
        for one in spent:
            self.bench.times.add(one)
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
