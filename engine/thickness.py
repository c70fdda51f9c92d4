"""How many rows to pull at once.

Thin strips keep everything in the processor's cache. But a neighbourhood pays its halo for every strip, and a
quarter turn reads columns of files whose rows are what the disk gives. So strips are doubled as long as that
saves more than a tenth.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from .evaluation import Evaluation
from .plan import Feed
from .pull import needed_boxes
from .region import Box

# A source gives whole pages: fewer columns than this cost as much as this many.
PAGE_COLUMNS = 1024


def thicker(
    evaluation: Evaluation, feeds: Iterable[Feed], box: Box, rows: int, kept: Container[Feed], most: int
) -> int:
    """Return *rows* times the power of two that makes pulling *feeds* in strips of *box* cheap.

    *kept* need not be made; *most* samples of one channel may be pulled for a strip in all, from every image it
    depends on, so that a stack of many frames has thinner strips than a single one.
    """
    feeds = list(feeds)
    price, _ = _price(evaluation, feeds, box, rows, kept)
    while rows < box.height:
        doubled, pulled = _price(evaluation, feeds, box, 2 * rows, kept)
        if doubled > 0.9 * price or pulled > most:
            break
        rows, price = 2 * rows, doubled
    return rows


def _price(
    evaluation: Evaluation, feeds: list[Feed], box: Box, rows: int, kept: Container[Feed]
) -> tuple[float, int]:
    """Return the cost per output row of a strip from the middle of *box*, and the samples it pulls in all."""
    y = box.y0 + max(0, (box.height - rows) // 2)
    strip = Box(y, box.x0, min(y + rows, box.y1), box.x1)
    seen: set[tuple[Feed, Box]] = set()
    todo = [(feed, strip) for feed in feeds]
    total, pulled = 0.0, 0
    while todo:
        feed, part = todo.pop()
        if (feed, part) in seen or part.empty:
            continue
        seen.add((feed, part))
        step = evaluation.plan.steps[feed.step]
        before = [(p, step.inputs[p.name]) for p in step.process.inputs if p.is_image and p.name in step.inputs]
        width = part.width
        if not before and width < evaluation.frame(feed).width:
            width = max(width, PAGE_COLUMNS)
        total += part.height * width
        pulled += part.height * part.width
        if feed in kept:
            continue
        known = evaluation.known(feed.step, feed.port, box=part)
        for port, linked in before:
            sources = [linked] if isinstance(linked, Feed) else linked
            boxes = needed_boxes(step.process, part, port.name, known, len(sources))
            todo += [(f, b.overlap(evaluation.frame(f).box)) for f, b in zip(sources, boxes, strict=True)]
    return total / strip.height, pulled
