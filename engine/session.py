"""One plan being worked on, stage by stage: measure what must be known, then make the pixels."""

from __future__ import annotations

import contextlib
from threading import Event as CancelEvent

from .errors import NodeFailed
from .evaluation import Evaluation
from .foresight import foresee
from .kept import Pool
from .making import Making
from .measuring import Measuring
from .memory import Memory
from .plan import Feed, Lowering, Plan
from .portions import portions
from .process import Tile
from .provenance import Sign
from .region import Box
from .report import Watcher
from .schedule import Lane
from .sketches import Sketches
from .states import check_states
from .store import Store
from .workbench import Workbench


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
        evaluation: Evaluation | None = None,
    ) -> None:
        self.bench = Workbench(plan, lane, store, watch, cancel, memory or Memory.default(), pool, evaluation)
        self.plan, self.store = plan, store
        self.evaluation, self.report = self.bench.evaluation, self.bench.report
        self.report.links = self.evaluation.links
        self.measuring, self.making = Measuring(self.bench), Making(self.bench, sign)
        self.sketches = Sketches(self.evaluation, self.measuring.stored)

    def aim(self, steps: list[int]) -> None:
        """Say all that is to be measured and made; what can be told to fail without pixels fails here."""
        self.bench.goal = list(steps)
        self._look_ahead(steps)
        self.making.refuse_shared_files(steps)

    def take_stock(self) -> None:
        """Learn all that the store knows on the way to what is aimed at, and compute what follows from it.

        What is made and kept first depends on what will be wanted later, and that on what is known by then.
        """
        if self.store.has("values"):
            wanted = [*self.bench.goal, *self.sketches.towards(self.bench.goal)]
            self.evaluation.pending(wanted, self._recall, self.measuring.compute)

    def reached(self, steps: list[int]) -> None:
        """Say what needs nothing more, so that what was kept for it can go."""
        self.bench.goal = [i for i in self.bench.goal if i not in set(steps)]
        self.bench.kept.release(self.bench.goal)

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
            taken = {f.step for step in self.plan.steps for f in step.feeds()} | self.sketches.steps
            self.aim([*steps, *(i for i in range(len(self.plan.steps)) if i not in taken)])
            try:
                self.measure(steps)
            except NodeFailed as e:
                raise lowering.not_measured(e) from e
            lowering.go_on(self.evaluation, awaited)
        self.report.links = lowering.resolver.results()
        # Of frames of a series each has its own value, and none is the last.
        lowering.graph.link_values |= {
            (r.node, r.param): r.value for r in self.report.links if r.frame is None and r.how != "frozen"
        }
        self.evaluation.links = self.report.links

    def measure(self, steps: list[int]) -> None:
        """Measure everything that *steps* need, themselves included, one stage after the other."""
        if not set(steps) <= set(self.bench.goal):
            self.aim(steps)
        while True:
            wanted = [*steps, *self.sketches.towards(steps)]
            ready, _ = self.evaluation.pending(wanted, self._recall, self.measuring.compute)
            if not ready:
                break
            check_states(self.evaluation, steps)
            self.making.keep([], ready)
            self.making.hold_dear(ready)
            ahead = foresee(self.evaluation, ready, wanted, self.measuring.stored)
            known = ahead.evaluation if ahead is not None else self.evaluation
            ready, twins = self.measuring.distinct([*ready, *(ahead.riders if ahead is not None else ())])
            for portion in portions(known, ready, self.bench.kept.of(ready), self.bench.memory.strip):
                self.bench.next_stage()
                self.measuring.stage(portion, ahead)
            for i, value in ahead.confirmed(self.evaluation) if ahead is not None else ():
                self.measuring.learn(i, value)
            for i, same in twins.items():
                if same not in self.evaluation.measured:
                    continue  # it rode on what did not come true
                self.evaluation.learn(i, self.evaluation.measured[same])
                self.report.states[self.plan.steps[i].label] = "measured"
            self.bench.kept.release(self.bench.goal)
        for i in self.evaluation.upstream(steps):
            if i in self.evaluation.measured:
                label = self.plan.steps[i].label
                self.report.values[label] = self.evaluation.measured[i]
                self.report.states.setdefault(label, "computed")
        check_states(self.evaluation, steps)

    def _recall(self, index: int) -> bool:
        """Return whether the Value of a step is known without a pass over its images."""
        if self.measuring.recall(index):
            return True
        found = self.sketches.answer(index)
        if found is not None:
            self.measuring.learn(index, found)
        return found is not None

    def _look_ahead(self, steps: list[int]) -> None:
        """Ask for every frame before the first pixel is read, so that sizes that do not fit are told at once."""
        for i in self.evaluation.upstream(steps):
            for port in self.plan.steps[i].process.outputs:
                if port.is_image:
                    # A frame may need what is not measured yet; it is asked again then.
                    with contextlib.suppress(NodeFailed):
                        self.evaluation.frame(Feed(i, port.name))

    def make(self, sinks: list[int], pins: list[Feed], strip_samples: int | None = None) -> None:
        """Write all sinks and keep all pinned outputs."""
        self.making.make(sinks, pins, strip_samples)

    def collect(self, feed: Feed, box: Box, strip_samples: int | None = None) -> Tile:
        """Return the pixels of *box* as one array.

        What a look at a part took is not remembered: that would cost as much as the look.
        """
        just_looking = not self.report.stages and box != self.evaluation.frame(feed).box
        tile = self.making.collect(feed, box, strip_samples)
        if just_looking:
            self.bench.times.forget()
        return tile

    def close(self) -> None:
        """Let go of everything that was kept for this run; remember what it took."""
        self.bench.kept.close()
        self.bench.times.remember(self.store)
