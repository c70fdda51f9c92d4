"""Measuring steps: recalled from the store, computed of Values, or found in passes over pixels."""

from __future__ import annotations

import time
from collections.abc import Container
from functools import partial
from typing import Any

from .bands import Work, compute_value, fold, measure_block, measured_images, passed
from .costs import Spent
from .errors import EngineError, NodeFailed
from .evaluation import Evaluation
from .foresight import Foresight
from .identity import pack, unpack
from .plan import Feed
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

    def stored(self, index: int) -> bool:
        """Return whether the Value of a step is in the store."""
        try:
            self.bench.store.value(self.bench.key(index))
        except KeyError:
            return False
        return True

    def stage(self, steps: list[int], ahead: Foresight | None = None) -> None:
        """Measure *steps*, which wait for nothing or ride *ahead*; steps on images of one size share their passes."""
        if ahead is not None and not set(steps).isdisjoint(ahead.riders):
            try:
                return self._stage(steps, ahead)
            except NodeFailed:
                # Perhaps what was supposed is false; if it is not, the rider fails again when its turn comes.
                steps = [i for i in steps if i not in ahead.riders and i not in self.evaluation.measured]
        self._stage(steps, None)

    def _stage(self, steps: list[int], ahead: Foresight | None) -> None:
        evaluation = ahead.evaluation if ahead is not None else self.evaluation
        states: dict[int, Any] = {}
        todo = steps
        for _ in range(MAX_PASSES):
            looking = _looking(evaluation, todo, states)
            waiting = [i for i in todo if i not in looking] if looking else []
            again: dict[int, Any] = {}
            for group in _by_size(evaluation, looking or todo):
                self.bench.report.passes += 1
                partials = self._pass(evaluation, group, states, bool(looking))
                finish = partial(self._finished, evaluation)
                finished = self.bench.lane.map(finish, group, partials, [states.get(i) for i in group])
                for i, found in zip(group, finished, strict=True):
                    if isinstance(found, Again):
                        again[i] = found.state
                    elif ahead is not None and i in ahead.riders:
                        ahead.found[i] = found
                    else:
                        self.learn(i, found)
            if not again and not waiting:
                return
            states |= again
            todo = sorted([*again, *waiting])
        labels = ", ".join(self.plan.steps[i].label for i in todo)
        raise EngineError(f"{labels}: not measured after {MAX_PASSES} passes over the pixels")

    def learn(self, index: int, value: Any) -> None:
        """Take note of a Value that was measured."""
        # Through the packer even when fresh, so that a stored Value and a new one cannot differ.
        plain = unpack(pack(value))
        self.evaluation.learn(index, plain)
        self.bench.store.put_value(self.bench.key(index), plain)
        if passes := self._pulled.pop(index, 0.0):
            self.bench.times.call("passes", index, passes)
        self.bench.report.states[self.plan.steps[index].label] = "measured"

    def _finished(self, evaluation: Evaluation, index: int, told: Any, state: Any) -> Any:
        step = self.plan.steps[index]
        begun = time.thread_time()
        try:
            found = step.process.finish(told, evaluation.known(index, "", state=state))
            self.bench.times.call("finish", index, time.thread_time() - begun)
            return found
        except EngineError as e:
            raise NodeFailed(step.label, step.process.id, "", str(e)) from e
        except Exception as e:
            raise NodeFailed(step.label, step.process.id, "its measure", f"{type(e).__name__}: {e}") from e

    def _pass(
        self, evaluation: Evaluation, group: list[int], states: dict[int, Any], looking: bool
    ) -> list[Any]:
        grid = evaluation.grid(group[0])
        block_rows = measure_block_rows(grid.width)
        images = measured_images(evaluation, group)
        stored = self.kept.of(group)
        tile_rows = measure_tile_rows(grid.width)
        cut = best_cut(evaluation, images, grid.box, tile_rows, stored, self.bench.memory.strip)
        rows = min(block_rows, cut.rows)
        work = Work(evaluation, stored, states, rows=rows, columns=cut.columns, cancel=self.bench.cancel)
        with self.bench.lane.share(work) as ticket:
            tasks: dict[Any, Any] = {}
            last: Any = None
            # Of rows that are just read there is so little to calculate that threads would wait for each other, which
            # takes processor time of its own: one alone is as soon done.
            alone = looking and not self.bench.lane.apart and _just_read(evaluation, images, stored)
            ahead = 1 if alone else AHEAD * self.bench.lane.workers
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
            self._note_pass(evaluation, group, spent)
            return partials

    def _note_pass(self, evaluation: Evaluation, group: list[int], spent: list[Spent]) -> None:
        """Remember what a pass took, and how much of the images before each measure was made for it."""
        samples: dict[int, float] = {}
        for one in spent:
            self.bench.times.add(one)
            for (what, step), (_, made) in one.items():
                if what == "pixels":
                    samples[step] = samples.get(step, 0.0) + made
        for i in group:
            shares = [0.0]
            for feed in evaluation.image_feeds(i):
                if feed.step in samples:
                    frame = evaluation.frame(feed)
                    shares.append(samples[feed.step] / (frame.channels * frame.height * frame.width))
            self._pulled[i] = self._pulled.get(i, 0.0) + max(shares)


def _looking(evaluation: Evaluation, steps: list[int], states: dict[int, Any]) -> list[int]:
    """Return which of *steps* only look at some rows in their next pass: they go first.

    The others wait, so that they share the pass in which these want all pixels too.
    """

    def looks(index: int) -> bool:
        process = evaluation.plan.steps[index].process
        return process.answers("looks") and process.looks(evaluation.known(index, "", state=states.get(index)))

    return [i for i in steps if looks(i)]


def _just_read(evaluation: Evaluation, images: list[Feed], kept: Container[Feed]) -> bool:
    """Return whether *images* are read, with nothing but arithmetic on single samples after it."""
    todo = list(images)
    while todo:
        feed = todo.pop()
        if feed in kept:
            continue
        process, before = evaluation.plan.steps[feed.step].process, evaluation.image_feeds(feed.step)
        if before and process.pixel is None and not process.answers("plane"):
            return False
        todo += before
    return True


def _by_size(evaluation: Evaluation, steps: list[int]) -> list[list[int]]:
    groups: dict[tuple[int, int], list[int]] = {}
    for i in steps:
        grid = evaluation.grid(i)
        groups.setdefault((grid.height, grid.width), []).append(i)
    return list(groups.values())
