"""How many rows to pull at once, and whether strips are better put together from blocks of columns.

Thin strips keep everything in the processor's cache. But a neighbourhood pays its halo for every strip, and a
quarter turn reads columns of files whose rows are what the disk gives. So strips are doubled as long as that
saves more than a tenth. A strip of an image that was turned by some other angle needs a box of its source many
times as large as itself; blocks about as wide as high need twice their own size at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from .evaluation import Evaluation
from .plan import Feed
from .pull import needed_boxes
from .region import Box, columns_of
from .stored_pixels import Pixels, StoredPixels

# A source gives whole pages: fewer columns than this cost as much as this many.
PAGE_COLUMNS = 1024

# Asking for a box, and all that is done once a box, took as long as reading this many samples.
BOX_SAMPLES = 64 * 1024

# Blocks are looked at where images need this many times what would do, and taken where they save a quarter.
DEAR = 1.3
SAVING = 0.75

# Output samples of a block: below, the cost of each box is felt; above, memory grows and nothing else.
BLOCK_SAMPLES = (48 * 1024, 400 * 1024)
# Columns of a block are a multiple of this many, so that rows begin and end on a line of the cache.
STEP = 64
# How many blocks of a strip are looked at to tell the price of all.
LOOKS = 4


class Cut(NamedTuple):
    """How an image is cut: rows of a strip, and columns of its blocks (0: strips are not cut)."""

    rows: int
    columns: int = 0


class Price(NamedTuple):
    """What an output sample costs, in samples read; the samples pulled at once; the images they come from."""

    sample: float
    pulled: int
    images: int


def best_cut(
    evaluation: Evaluation, feeds: Iterable[Feed], box: Box, rows: int, kept: Mapping[Feed, Pixels], most: int
) -> Cut:
    """Return how to cut *box* so that pulling *feeds* is cheap: strips of *rows* times a power of two rows.

    *kept* need not be made; *most* samples of one channel may be pulled at once in all, from every image that the
    output depends on, so that a stack of many frames has thinner strips than a single one.
    """
    feeds = list(feeds)
    thick, full = _thicker(evaluation, feeds, box, rows, kept, most)
    if full.sample <= DEAR * full.images:
        return Cut(thick)
    tried = [(_price(evaluation, feeds, box, cut, kept), cut) for cut in _block_cuts(box, rows)]
    # Where none fits, as strips do not either, the one that pulls least does.
    allowed = max(most, min((price.pulled for price, _ in tried), default=0))
    fitting = [(price, cut) for price, cut in tried if price.pulled <= allowed]
    least = min((price.sample for price, _ in fitting), default=full.sample)
    if least > SAVING * full.sample:
        return Cut(thick)
    return min((price.pulled, cut) for price, cut in fitting if price.sample <= 1.1 * least)[1]


def _block_cuts(box: Box, rows: int) -> Iterator[Cut]:
    """Return the cuts of *box* into blocks about as wide as high."""
    fewest, most = BLOCK_SAMPLES
    while rows < 2 * box.height and rows * rows <= most:
        count = max(1, round(box.width / rows))
        columns = -(-box.width // (count * STEP)) * STEP
        if rows * columns >= fewest and columns < box.width:
            yield Cut(rows, columns)
        rows *= 2


def _thicker(
    evaluation: Evaluation, feeds: list[Feed], box: Box, rows: int, kept: Mapping[Feed, Pixels], most: int
) -> tuple[int, Price]:
    price = _price(evaluation, feeds, box, Cut(rows), kept)
    while rows < box.height:
        doubled = _price(evaluation, feeds, box, Cut(2 * rows), kept)
        if doubled.sample > 0.9 * price.sample or doubled.pulled > most:
            break
        rows, price = 2 * rows, doubled
    return rows, price


def _price(evaluation: Evaluation, feeds: list[Feed], box: Box, cut: Cut, kept: Mapping[Feed, Pixels]) -> Price:
    """Return the price of a strip from the middle of *box*, told from some of its blocks."""
    y = box.y0 + max(0, (box.height - cut.rows) // 2)
    strip = Box(y, box.x0, min(y + cut.rows, box.y1), box.x1)
    blocks = list(columns_of(strip, cut.columns or max(1, strip.width)))
    looks = blocks[len(blocks) // (2 * LOOKS) :: max(1, len(blocks) // LOOKS)]
    total, most, images = 0.0, 0, 1
    for block in looks:
        cost, pulled, count = _pulled(evaluation, feeds, block, kept)
        total, most, images = total + cost, max(most, pulled), max(images, count)
    if cut.columns:
        most += strip.height * strip.width * len(feeds)
        total += BOX_SAMPLES * images * len(looks)
    return Price(total / sum(b.height * b.width for b in looks), most, images)


def _pulled(
    evaluation: Evaluation, feeds: list[Feed], block: Box, kept: Mapping[Feed, Pixels]
) -> tuple[float, int, int]:
    """Return what pulling *block* costs, the samples pulled for it, and how many boxes that is."""
    seen: set[tuple[Feed, Box]] = set()
    todo = [(feed, block) for feed in feeds]
    total, pulled = 0.0, 0
    while todo:
        feed, part = todo.pop()
        if (feed, part) in seen or part.empty:
            continue
        seen.add((feed, part))
        step = evaluation.plan.steps[feed.step]
        before = [(p, step.inputs[p.name]) for p in step.process.inputs if p.is_image and p.name in step.inputs]
        total += part.height * _columns_read(evaluation, feed, part.width, bool(before), kept.get(feed))
        pulled += part.height * part.width
        if feed in kept:
            continue
        known = evaluation.known(feed.step, feed.port, box=part)
        for port, linked in before:
            sources = [linked] if isinstance(linked, Feed) else linked
            boxes = needed_boxes(step.process, part, port.name, known, len(sources))
            todo += [(f, b.overlap(evaluation.frame(f).box)) for f, b in zip(sources, boxes, strict=True)]
    return total, pulled, len(seen)


def _columns_read(evaluation: Evaluation, feed: Feed, width: int, made: bool, kept: Pixels | None) -> int:
    """Return how many columns cost as much as *width* columns of an image do."""
    if isinstance(kept, StoredPixels):
        return evaluation.frame(feed).width  # full rows are read, for their checksums
    if made or kept is not None:
        return width
    return min(max(width, PAGE_COLUMNS), evaluation.frame(feed).width)
