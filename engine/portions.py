"""Which steps are measured in one pass over the pixels.

Measures that draw on the same images share a pass. Images that have nothing in common gain nothing from it: a night
of lights is measured a few at a time, so that less is open at once and a run that was killed goes on at the light it
had come to.
"""

from __future__ import annotations

from collections.abc import Container

from .bands import measured_images
from .evaluation import Evaluation
from .keeping import drawn_on
from .plan import Feed

# Samples of one channel: enough work (a second or so) that the ends of passes, where workers wait, do not count.
PORTION = 64 * 1024 * 1024
# Groups that hang together are one where they draw on so few images in all: channels that are fitted to one of them.
FEW = 4
# How many strips a portion is pulled in at least, so that small budgets make small portions.
_STRIPS = 4


def portions(evaluation: Evaluation, steps: list[int], kept: Container[Feed], most: int) -> list[list[int]]:
    """Return *steps* in groups, each to be measured in one pass.

    Parameters
    ----------
    steps
        Steps to be measured that wait for nothing.
    kept
        Images that are there already: reading them twice costs little.
    most
        Samples that may be pulled for a strip in all.
    """
    limit = min(PORTION, most * _STRIPS)
    together = _together(evaluation, steps, kept)
    found: list[list[int]] = []
    size = limit
    for group in together:
        grid = evaluation.grid(group[0])
        samples = grid.height * grid.width * max(1, len(measured_images(evaluation, group)))
        if size + samples > limit:
            found.append([])
            size = 0
        found[-1] += group
        size += samples
    return found


def _together(evaluation: Evaluation, steps: list[int], kept: Container[Feed]) -> list[list[int]]:
    """Return groups of steps that draw on the same images, in the order of their first steps.

    A step belongs to a group that draws on all its images and perhaps more: the noise of a light goes with its local
    normalisation. One image that all have in common, such as a reference, ties a few together, but not a night.
    """
    drawn: dict[int, frozenset[int]] = {}
    sources = {step: _sources(evaluation, step, kept, drawn) for step in steps}
    groups: dict[frozenset[int], list[int]] = {}
    for step in sorted(steps, key=lambda i: (-len(sources[i]), i)):
        mine = sources[step]
        home = mine if mine in groups else next((g for g in groups if mine <= g), mine)
        groups.setdefault(home, []).append(step)
    return sorted((sorted(group) for group in _few_joined(groups)), key=lambda group: group[0])


def _few_joined(groups: dict[frozenset[int], list[int]]) -> list[list[int]]:
    """Return the groups; those that hang together by images they have in common are one if these are few in all."""
    clusters: list[list[frozenset[int]]] = []
    for sources in groups:
        touched = [c for c in clusters if any(sources & other for other in c)]
        clusters = [c for c in clusters if c not in touched] + [[sources, *(o for c in touched for o in c)]]
    found: list[list[int]] = []
    for cluster in clusters:
        steps = [groups[sources] for sources in cluster]
        few = len(frozenset().union(*cluster)) <= FEW
        found += [[i for group in steps for i in group]] if few else steps
    return found


def _sources(
    evaluation: Evaluation, step: int, kept: Container[Feed], drawn: dict[int, frozenset[int]]
) -> frozenset[int]:
    """Return the steps that *step* draws on and that draw on nothing: they have no image inputs, or are kept."""
    todo = [step]
    while todo:
        i = todo[-1]
        linked = drawn_on(evaluation, i)
        feeds = [f for f in linked if f not in kept]
        if missing := [f.step for f in feeds if f.step not in drawn]:
            todo += missing
            continue
        todo.pop()
        own = frozenset(f.step for f in linked if f in kept) if linked else frozenset([i])
        drawn[i] = own.union(*(drawn[f.step] for f in feeds))
    return drawn[step]
