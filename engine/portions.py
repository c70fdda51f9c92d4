"""Which steps are measured in one pass over the pixels.

Measures that draw on the same images share a pass. Images that have nothing in common gain nothing from it: a night
of lights is measured a few at a time, so that less is open at once and a run that was killed goes on at the light it
had come to.
"""

from __future__ import annotations

from collections.abc import Container

from .bands import measured_images
from .evaluation import Evaluation
from .plan import Feed

# Samples of one channel: enough work (a second or so) that the ends of passes, where workers wait, do not count.
PORTION = 64 * 1024 * 1024


def portions(evaluation: Evaluation, steps: list[int], kept: Container[Feed]) -> list[list[int]]:
    """Return *steps* in groups, each to be measured in one pass.

    Parameters
    ----------
    steps
        Steps to be measured that wait for nothing.
    kept
        Images that are there already: reading them twice costs little.
    """
    together = _together(evaluation, steps, kept)
    found: list[list[int]] = []
    size = PORTION
    for group in together:
        grid = evaluation.grid(group[0])
        samples = grid.height * grid.width * max(1, len(measured_images(evaluation, group)))
        if size + samples > PORTION:
            found.append([])
            size = 0
        found[-1] += group
        size += samples
    return found


def _together(evaluation: Evaluation, steps: list[int], kept: Container[Feed]) -> list[list[int]]:
    """Return groups of steps that draw on common images, in the order of their first steps."""
    group_of: dict[int, int] = {}
    joined = list(range(len(steps)))

    def head(n: int) -> int:
        while joined[n] != n:
            joined[n] = joined[joined[n]]
            n = joined[n]
        return n

    for n, step in enumerate(steps):
        todo = [step]
        while todo:
            i = todo.pop()
            if i in group_of:
                a, b = sorted((head(group_of[i]), head(n)))
                joined[b] = a
                continue
            group_of[i] = n
            todo += [f.step for f in evaluation.image_feeds(i) if f not in kept]
    groups: dict[int, list[int]] = {}
    for n, step in enumerate(steps):
        groups.setdefault(head(n), []).append(step)
    return list(groups.values())
