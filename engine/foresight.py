"""Measures that need not wait: what they wait for is foreseen, they share its pass, and are kept if it comes true.

A float file that declares no range has to be gone over for its black and white before anything that depends on them
can be measured, although a few rows nearly always tell them. Where a source foresees its Value, the measures that
draw on it join its pass over the pixels. They count only if its frame, once measured, is the one they relied on;
else they are measured again. What is foreseen changes the time, never a result.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from .errors import EngineError
from .evaluation import Evaluation
from .steps import Feed


class Foresight:
    """What is supposed about sources that are to be measured, and the measures that may go ahead on it.

    Attributes
    ----------
    evaluation
        The plan as it will be known if all that is foreseen comes true.
    riders
        Steps to be measured together with what they would have to wait for.
    found
        What was measured of them so far.
    """

    def __init__(self, evaluation: Evaluation, supposed: Iterable[int], riders: list[int]) -> None:
        self.evaluation, self.riders = evaluation, riders
        self._supposed = tuple(supposed)
        self.found: dict[int, Any] = {}

    def confirmed(self, truth: Evaluation) -> list[tuple[int, Any]]:
        """Return the measures that stand, now that *truth* knows what was supposed, in the order of their steps."""
        false = {i for i in self._supposed if not self._came_true(i, truth)}
        return [(i, found) for i, found in sorted(self.found.items()) if not false & set(truth.upstream([i]))]

    def _came_true(self, index: int, truth: Evaluation) -> bool:
        outputs = truth.plan.steps[index].process.outputs
        feeds = [Feed(index, p.name) for p in outputs if p.is_image]
        return index in truth.measured and all(truth.frame(f) == self.evaluation.frame(f) for f in feeds)


def foresee(
    evaluation: Evaluation, ready: list[int], goal: list[int], stored: Callable[[int], bool]
) -> Foresight | None:
    """Return which measures on the way to *goal* can go ahead together with those that are *ready*; None for none.

    *stored* says of a step that its Value is in the store, so that nothing has to be measured for it.
    """
    supposed: dict[int, Any] = {}
    for i in ready:
        process = evaluation.plan.steps[i].process
        if process.answers("foresee"):
            foreseen = process.foresee(evaluation.known(i))
            if foreseen is not None:
                supposed[i] = foreseen
    if not supposed:
        return None
    ahead = evaluation.supposing(supposed)
    riders = [i for i in _next(ahead, set(ready), goal) if not stored(i)]
    return Foresight(ahead, supposed, riders) if riders else None


def _next(ahead: Evaluation, ready: set[int], goal: list[int]) -> list[int]:
    """Return the steps that wait for nothing but what is supposed."""
    found: list[int] = []
    blocked: set[int] = set()
    for i in ahead.upstream(goal):
        step = ahead.plan.steps[i]
        if i in ahead.measured:
            continue
        # Of what many images go into, pixels may be kept between passes, which is planned for what is certain.
        many = any(p.is_image and p.many for p in step.process.inputs)
        if many or i in ready or any(f.step in blocked for f in step.feeds()):
            blocked.add(i)
            continue
        waits = True
        with contextlib.suppress(EngineError):  # told where it is certain
            waits = ahead.needs_measure(i)
            if waits:
                found.append(i)
        if waits or step.process.answers("compute"):
            blocked.add(i)
    return found
