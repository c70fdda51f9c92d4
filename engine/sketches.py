"""Order statistics of an image whose samples rise with those of a source, without a pass over that image.

A median moves with its samples through everything that keeps their order: fitting a channel to another by a line,
putting channels together. So where an image comes from sources by such steps alone, its median and MAD follow from
the sources': a sketch tells how many samples of a source stand between which numbers, and at which. It rides on a
pass that goes over the source anyway, long before the line is known. Its numbers are then led through the same
arithmetic as pixels, and `order.search` proves the statistics of the result, or finds that the sketch tells too
little; then the image itself is gone over. What comes out is the same to the last bit.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from .chains import chains_of
from .errors import EngineError
from .evaluation import Evaluation
from .order import Wanted
from .steps import Feed, Step

_ADDING = threading.Lock()
"""Held while a plan grows, which several sessions may work on."""


class Sketches:
    """Adds sketches to a plan where they spare passes, and reads the statistics off them.

    *stored* says of a step that its Value is in the store.
    """

    def __init__(self, evaluation: Evaluation, stored: Callable[[int], bool]) -> None:
        self.evaluation, self._stored = evaluation, stored
        self.steps: set[int] = set()
        """Steps that were added to the plan; nothing takes their Values but `answer`."""
        self._of: dict[tuple[Feed, Any], int] = {}
        self._drawn: dict[int, list[int]] = {}

    def towards(self, targets: list[int]) -> list[int]:
        """Return the sketches that are worth measuring now, for statistics asked for on the way to *targets*."""
        found: dict[int, None] = {}
        order = self.evaluation.upstream(targets)
        waiting = {i for i in order if self.evaluation.waits(i)}
        for i in order:
            process = self.evaluation.plan.steps[i].process
            if process.statistics is None or i not in waiting or self._stored(i):
                continue
            with contextlib.suppress(EngineError):  # frames that are not known yet
                if bases := self._bases(i, waiting):
                    self._drawn[i] = [self._sketch(i, base, process.statistics) for base in bases]
                    found |= dict.fromkeys(self._drawn[i])
        return list(found)

    def answer(self, index: int) -> Any | None:
        """Return the Value of a step, as its sketches tell it; None where they do not."""
        drawn = self._drawn.pop(index, [])
        if not drawn or any(i not in self.evaluation.measured for i in drawn):
            return None
        from .order_sketch import summary  # numba takes a while to import

        step = self.evaluation.plan.steps[index]
        image = step.inputs[_port(step)]
        assert isinstance(image, Feed) and step.process.statistics is not None
        chains = chains_of(self.evaluation, image, lambda feed: False)
        if chains is None:
            return None
        found = []
        for chain in chains[: self.evaluation.frame(image).nominal]:
            at = next((i for i in drawn if self.evaluation.plan.steps[i].inputs["image"] == chain.base), None)
            told = self.evaluation.measured[at] if at is not None else []
            one = summary(step.process.statistics, told[chain.channel], chain) if told else None
            if one is None:
                return None
            found.append(one)
        return step.process.summarised(self.evaluation.known(index, ""), found)

    def _bases(self, index: int, waiting: set[int]) -> list[Feed]:
        """Return the sources that the samples of a step's image rise with; none where a sketch would spare nothing."""
        from .sifting import looks

        evaluation = self.evaluation
        step = evaluation.plan.steps[index]
        image = step.inputs[_port(step)]
        assert isinstance(image, Feed)
        frame = evaluation.frame(image)
        bases = [_base(evaluation, image, c) for c in range(frame.nominal)]
        feeds = [b for b in dict.fromkeys(bases) if b is not None]
        before = [i for i in evaluation.upstream([index]) if i in waiting and i != index]
        passes = {i for w in before for i in evaluation.upstream([w])}
        # A source is gone over for something else first: only then the sketch costs no pass of its own.
        spared = None not in bases and all(b.step in passes for b in feeds)
        return feeds if spared and looks(frame.width * frame.height) else []

    def _sketch(self, index: int, base: Feed, wanted: Wanted) -> int:
        from .order_sketch import OrderSketch

        plan = self.evaluation.plan
        process = OrderSketch(fractions=wanted.fractions, mad=wanted.mad)
        found = self._of.get((base, process))
        if found is None:
            with _ADDING:
                found = self._of[base, process] = len(plan.steps)
                plan.steps.append(Step(plan.steps[index].node, process, {"image": base}, plan.steps[index].frame))
            self.steps.add(found)
        return found


def _port(step: Step) -> str:
    return next(p.name for p in step.process.inputs if p.is_image)


def _base(evaluation: Evaluation, feed: Feed, channel: int) -> Feed | None:
    """Return the source whose samples those of a channel rise with, as far as can be told before measuring."""
    while True:
        step = evaluation.plan.steps[feed.step]
        process = step.process
        if not any(p.is_image for p in process.inputs):
            return feed
        if process.pixel is not None and process.rises is not None:
            port = _port(step)
        elif process.pixel is None and process.answers("plane"):
            found = process.plane(evaluation.known(feed.step, feed.port), channel)
            if found is None:
                return None
            port, channel = found
        else:
            return None
        linked = step.inputs[port]
        assert isinstance(linked, Feed)
        feed = linked
