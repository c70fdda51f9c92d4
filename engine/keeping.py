"""Which pixels are kept for the length of a run rather than made anew in each pass.

After a barrier it is mostly cheaper to compute again: a calibrated frame costs little more than reading it. But
what many images went into, such as a master, costs many times its own size to make. It is made once, in a pass of
its own, and then read: from memory as long as the budget lasts, from the store beyond that.
"""

from __future__ import annotations

from collections.abc import Iterable

from .errors import EngineError
from .evaluation import Evaluation
from .plan import Feed
from .pull import needed_boxes

# Images that go into one: from here on making costs more than about three times writing and reading.
MANY = 6


def worth_keeping(
    evaluation: Evaluation, targets: Iterable[int], measuring: Iterable[int], kept: Iterable[Feed]
) -> list[list[Feed]]:
    """Return the image outputs that are to be made before anything else, those of one step together, in order.

    Parameters
    ----------
    targets
        Steps whose pixels are written or looked at, once each.
    measuring
        Steps that measure pixels, so that theirs are pulled in a pass of its own at least.
    kept
        What is there already.
    """
    targets, measuring, kept = list(targets), set(measuring), set(kept)
    steps = evaluation.plan.steps
    order = evaluation.upstream([*targets, *measuring])
    drawn = _drawn(evaluation, order, kept)
    demand: dict[Feed, int] = {}
    found: list[list[Feed]] = []
    own = {i: 2 if i in measuring else int(i in targets) for i in order}
    for i in reversed(order):
        asked = [Feed(i, p.name) for p in steps[i].process.outputs if p.is_image and demand.get(Feed(i, p.name))]
        passes = max([own[i], *(demand[f] for f in asked)])
        many = len(drawn[i]) >= MANY and all(f not in kept for f in asked)
        if many and asked and passes > 1 and i not in measuring:
            found.append(asked)
            passes = 1
        if not passes or any(f in kept for f in asked):
            continue
        for port in steps[i].process.inputs:
            linked = steps[i].inputs.get(port.name)
            if port.is_image and linked is not None:
                for feed in [linked] if isinstance(linked, Feed) else linked:
                    demand[feed] = demand.get(feed, 0) + passes
    left_alone = measuring | set(targets)
    return [
        [_narrowed(evaluation, order, left_alone, feeds[0])] if len(feeds) == 1 else feeds for feeds in found[::-1]
    ]


def _narrowed(evaluation: Evaluation, order: list[int], left_alone: set[int], feed: Feed) -> Feed:
    """Return what is smaller to keep where only one step takes *feed*, such as one of several maps made at once."""
    steps = evaluation.plan.steps
    while True:
        takers = [i for i in order if feed in evaluation.image_feeds(i)]
        if len(takers) != 1 or takers[0] in left_alone or evaluation.image_feeds(takers[0]) != [feed]:
            return feed
        outputs = [p.name for p in steps[takers[0]].process.outputs if p.is_image]
        if len(outputs) != 1:
            return feed
        after = Feed(takers[0], outputs[0])
        try:
            if _samples(evaluation, after) >= _samples(evaluation, feed):
                return feed
        except EngineError:  # not told yet, before something is measured
            return feed
        feed = after


def _samples(evaluation: Evaluation, feed: Feed) -> int:
    frame = evaluation.frame(feed)
    return frame.channels * frame.height * frame.width


def _drawn(evaluation: Evaluation, order: list[int], kept: set[Feed]) -> dict[int, frozenset[int]]:
    """Return for each step the source images that its pixels are made of; no more than MANY of them."""
    steps = evaluation.plan.steps
    drawn: dict[int, frozenset[int]] = {}
    for i in order:
        step = steps[i]
        sources: set[int] = set()
        for port in step.process.inputs:
            linked = step.inputs.get(port.name)
            if not port.is_image or linked is None:
                continue
            for feed in [linked] if isinstance(linked, Feed) else used(evaluation, i, port.name, linked):
                one = feed in kept or len(drawn[feed.step]) >= MANY
                sources |= {feed.step} if one else drawn[feed.step]
                if len(sources) >= MANY:
                    break
        drawn[i] = frozenset(sorted(sources)[:MANY] or [i])
    return drawn


def used(evaluation: Evaluation, index: int, port: str, linked: tuple[Feed, ...]) -> tuple[Feed, ...]:
    """Return the images of a `many` port that a step's pixels are made of: one that chooses takes only one."""
    if len(linked) < MANY:
        return linked
    process = evaluation.plan.steps[index].process
    image = next((p.name for p in process.outputs if p.is_image), None)
    if image is None:
        return linked
    try:
        known = evaluation.known(index, image)
    except EngineError:  # not told yet, before it is measured
        return linked
    boxes = needed_boxes(process, known.frame.box, port, known, len(linked))
    return tuple(feed for feed, box in zip(linked, boxes, strict=True) if not box.empty)
