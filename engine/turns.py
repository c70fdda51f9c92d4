"""In which order the ends of a graph are made.

Ends that draw on the same images are made together, so that these are read once. Stacks of different images have
little to give each other: they are made one after the other, so that what is held for one can go before the next.
"""

from __future__ import annotations

from .evaluation import Evaluation
from .keeping import MANY
from .plan import Feed


def turns(evaluation: Evaluation, ends: list[int]) -> list[list[int]]:
    """Return *ends* in groups, to be measured and made one group after the other; all of them together last."""
    stacks = _stacks(evaluation, ends)
    same = _alike(evaluation, sorted(set().union(*stacks.values())))
    groups: dict[int, list[int]] = {}
    rest = []
    for i in ends:
        mine = {same[s] for s in stacks[i]}
        if len(mine) == 1:
            groups.setdefault(mine.pop(), []).append(i)
        else:
            rest.append(i)
    return [g for g in (*groups.values(), rest) if g] if len(groups) > 1 else [list(ends)]


def _stacks(evaluation: Evaluation, ends: list[int]) -> dict[int, set[int]]:
    """Return for each end the steps that many images went into, the last on the way to it."""
    found: dict[int, set[int]] = {}
    for i in evaluation.upstream(ends):
        feeds = evaluation.image_feeds(i)
        found[i] = {i} if len(feeds) >= MANY else set().union(*(found[f.step] for f in feeds))
    return {i: found[i] for i in ends}


def _alike(evaluation: Evaluation, stacks: list[int]) -> dict[int, int]:
    """Return for each stack the first one that images of it went into as well."""
    first: dict[Feed, int] = {}
    same: dict[int, int] = {}
    for i in stacks:
        feeds = evaluation.image_feeds(i)
        same[i] = next((same[first[f]] for f in feeds if f in first), i)
        for f in feeds:
            first.setdefault(f, i)
    return same
