"""What all parts of a session work with: the plan and what is known of it, the lane, the store, the report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from threading import Event as CancelEvent
from typing import Any

from .costs import Times
from .evaluation import Evaluation
from .kept import Kept, Pool
from .memory import Memory, peak_memory
from .plan import Plan
from .region import Box
from .report import Progress, Report, Stage, Watcher
from .schedule import Lane, processor_seconds
from .store import Store

# Tasks that make no rows.
_BETWEEN = ("fold", "gate")


class Workbench:
    """A plan being worked on.

    Attributes
    ----------
    evaluation
        What is known of the plan so far.
    goal
        All steps that are still to be measured or made.
    kept
        Pixels that need not be made again.
    times
        What the work took.
    """

    def __init__(
        self, plan: Plan, lane: Lane, store: Store, watch: Watcher | None, cancel: CancelEvent | None, memory: Memory,
        pool: Pool | None, evaluation: Evaluation | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.lane, self.store, self.memory = plan, lane, store, memory
        self.watch, self.cancel = watch, cancel or CancelEvent()
        self.evaluation = evaluation or Evaluation(plan)
        self.report = Report()
        self.times = Times(plan)
        self.kept = Kept(self.evaluation, store, memory, pool, on_disk=lane.apart)
        self.goal: list[int] = []
        self._stage = 0
        self._start = time.perf_counter()
        self._bytes = 0

    def key(self, index: int) -> str:
        """Return the key of a step."""
        return self.evaluation.key(index, self.store.content)

    def next_stage(self) -> None:
        """Count one stage more, for whoever watches."""
        self._stage += 1

    @contextlib.contextmanager
    def stage_of(self, action: str, steps: list[int]) -> Iterator[dict[str, float]]:
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

    def watcher(
        self, action: str, steps: list[int], tasks: dict[Any, Any], row_bytes: int
    ) -> Callable[[Any, Any], None]:
        """Return what is to be called as tasks end, each with rows of *row_bytes* bytes."""
        nodes = tuple(dict.fromkeys(self.plan.steps[i].label for i in steps))
        total = sum(1 for key in tasks if key[0] not in _BETWEEN)
        done = 0

        def told(key: Any, result: Any) -> None:
            nonlocal done
            if key[0] in _BETWEEN:
                return
            done += 1
            box = Box(*tasks[key][-1])
            self._bytes += box.height * row_bytes
            if self.watch is not None:
                seconds = time.perf_counter() - self._start
                self.watch(Progress(self._stage, action, nodes, done, total, self._bytes, seconds))

        return told
