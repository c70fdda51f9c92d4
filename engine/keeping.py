"""Which pixels are kept for the length of a run rather than made anew in each pass.

After a barrier it is mostly cheaper to compute again: a calibrated frame costs little more than reading it. But
what many images went into, such as a master, costs many times its own size to make. It is made once, in a pass of
its own, and then read: from memory as long as the budget lasts, from the store beyond that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .errors import EngineError
from .evaluation import Evaluation
from .plan import Feed
from .pull import needed_boxes

# Images that go into one: from here on making costs more than about three times writing and reading.
MANY = 6


def worth_keeping(
    evaluation: Evaluation,
    targets: Iterable[int],
    measuring: Iterable[int],
    kept: Iterable[Feed],
    later: Iterable[int] = (),
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
    later
        Steps that will want pixels afterwards; what only they want is not made now.
    """
    targets, measuring, kept, later = list(targets), set(measuring), set(kept), list(later)
    steps = evaluation.plan.steps
    now = set(evaluation.upstream([*targets, *measuring]))
    order = evaluation.upstream([*targets, *measuring, *later])
    drawn = _drawn(evaluation, order, kept)
    demand: dict[Feed, int] = {}
    found: list[list[Feed]] = []
    own = {i: 2 if i in measuring else int(i in targets or i in later) for i in order}
    for i in reversed(order):
        asked = [Feed(i, p.name) for p in steps[i].process.outputs if p.is_image and demand.get(Feed(i, p.name))]
        passes = max([own[i], *(demand[f] for f in asked)])
        many = len(drawn[i]) >= MANY and all(f not in kept for f in asked)
        if many and asked and passes > 1 and i not in measuring:
            if i in now:
                found.append(asked)
            passes = 1
        if not passes or any(f in kept for f in asked):
            continue
        for feed in drawn_on(evaluation, i):
            demand[feed] = demand.get(feed, 0) + passes
    left_alone = {*measuring, *targets, *later}
    return [_narrowed(evaluation, order, left_alone, feeds[0]) if len(feeds) == 1 else feeds for feeds in found[::-1]]


def dear_again(
    evaluation: Evaluation, measuring: Iterable[int], goal: Iterable[int], kept: Iterable[Feed],
    dear: Callable[[int], bool],
) -> list[Feed]:  # fmt: skip
    """Return what is *dear* to make and is drawn on now, by *measuring*, and again later on the way to *goal*."""
    kept, now, goal = set(kept), set(measuring), set(goal)
    later = [i for i in evaluation.upstream(list(goal)) if i not in now and (i in goal or evaluation.waits(i))]
    wanted = {f for f in _behind(evaluation, later, kept) if dear(f.step)} - kept
    return sorted(wanted & _behind(evaluation, now, kept | wanted))


def _behind(evaluation: Evaluation, steps: Iterable[int], stop: set[Feed]) -> set[Feed]:
    """Return all images that the pixels of *steps* are made of; nothing that only images of *stop* are made of."""
    todo = [f for i in steps for f in drawn_on(evaluation, i)]
    found: set[Feed] = set()
    while todo:
        feed = todo.pop()
        if feed not in found:
            found.add(feed)
            if feed not in stop:
                todo += drawn_on(evaluation, feed.step)
    return found


def drawn_on(evaluation: Evaluation, index: int) -> list[Feed]:
    """Return the images that the pixels of a step are made of.

    Of a step that chooses, that is the chosen one; what only its measure looked at is none of them once it is known.
    """
    step = evaluation.plan.steps[index]
    found: list[Feed] = []
    for port in step.process.inputs:
        linked = step.inputs.get(port.name)
        if port.is_image and linked is not None:
            feeds = (linked,) if isinstance(linked, Feed) else linked
            found += used(evaluation, index, port.name, feeds)
    return found


def _narrowed(evaluation: Evaluation, order: list[int], left_alone: set[int], feed: Feed) -> list[Feed]:
    """Return what is smaller to keep than *feed*: only those of several maps made at once that are wanted."""
    steps = evaluation.plan.steps
    after: list[Feed] = []
    for i in (i for i in order if feed in evaluation.image_feeds(i)):
        outputs = [p.name for p in steps[i].process.outputs if p.is_image]
        if i in left_alone or evaluation.image_feeds(i) != [feed] or len(outputs) != 1:
            return [feed]
        after.append(Feed(i, outputs[0]))
    try:
        if not after or sum(_samples(evaluation, f) for f in after) >= _samples(evaluation, feed):
            return [feed]
        if len({evaluation.frame(f).box for f in after}) > 1:  # made in one pass, so of one size
            return [feed]
    except EngineError:  # not told yet, before something is measured
        return [feed]
    return _narrowed(evaluation, order, left_alone, after[0]) if len(after) == 1 else after


def _samples(evaluation: Evaluation, feed: Feed) -> int:
    frame = evaluation.frame(feed)
    return frame.channels * frame.height * frame.width


def _drawn(evaluation: Evaluation, order: list[int], kept: set[Feed]) -> dict[int, frozenset[int]]:
    """Return for each step the source images that its pixels are made of; no more than MANY of them."""
    drawn: dict[int, frozenset[int]] = {}
    for i in order:
        sources: set[int] = set()
        for feed in drawn_on(evaluation, i):
            one = feed in kept or len(drawn[feed.step]) >= MANY
            sources |= {feed.step} if one else drawn[feed.step]
            if len(sources) >= MANY:
                break
        drawn[i] = frozenset(sorted(sources)[:MANY] or [i])
    return drawn


def used(evaluation: Evaluation, index: int, port: str, linked: tuple[Feed, ...]) -> tuple[Feed, ...]:
    """Return the images of a port that a step's pixels are made of: one that chooses takes only one."""
    if len(linked) < MANY and (index not in evaluation.measured or len(evaluation.image_feeds(index)) < 2):
        return linked
    process = evaluation.plan.steps[index].process
    image = next((p.name for p in process.outputs if p.is_image), None)
    if image is None:
        return linked
    try:
        known = evaluation.known(index, image)
        boxes = needed_boxes(process, known.frame.box, port, known, len(linked))
    except (EngineError, KeyError, TypeError):  # it asks for what is not known before other steps are measured
        return linked
    return tuple(feed for feed, box in zip(linked, boxes, strict=True) if not box.empty)
