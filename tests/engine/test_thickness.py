"""Strips thicken where halos are dear, and stay thin where many images are pulled at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from lerarlink.engine.api import Box, Frame, Known, Port, Process, Tile, param
from lerarlink.engine.evaluation import Evaluation
from lerarlink.engine.graph import Graph
from lerarlink.engine.memory import Memory
from lerarlink.engine.plan import lower
from lerarlink.engine.thickness import thicker

MOST = Memory(4 * 1024**3).strip


class Wide(Process, id="thickness.wide"):
    """A large image."""

    inputs = ()
    seed: int = param(default=0, doc="tells images apart")

    def frame(self, known: Known) -> Frame:
        return Frame(width=10_000, height=10_000)


class Halo(Process, id="thickness.halo"):
    """Needs neighbours."""

    radius: int = param(default=0, low=0, unit="px", doc="half width")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        return box.grow(self.radius)


class Stack(Process, id="thickness.stack"):
    """Adds many."""

    inputs = (Port("images", many=True),)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return np.asarray(np.sum(tiles[0], axis=0))


def rows(node: Any, start: int = 16) -> int:
    plan = lower(node.output().graph, [node.name])
    evaluation = Evaluation(plan)
    feed = plan.feeds_of(node.output().link)
    return thicker(evaluation, feed, evaluation.frame(feed[0]).box, start, (), MOST)


def test_pointwise_strips_stay_as_they_are() -> None:
    g = Graph()
    assert rows(g.add(Halo, image=g.add(Wide), radius=0)) == 16


def test_halos_thicken_strips_until_they_cost_little() -> None:
    g = Graph()
    wide = g.add(Wide)
    found = [rows(g.add(Halo, image=wide, radius=r)) for r in (8, 20, 60)]
    assert found == sorted(found)
    assert 16 < found[0] < found[-1]


def test_a_stack_of_many_images_does_not_pull_more_than_one_does() -> None:
    g = Graph()
    frames = [g.add(Halo, image=g.add(Wide, seed=i), radius=40) for i in range(30)]
    stack = g.add(Stack, images=frames)
    height = rows(stack)
    assert height < rows(frames[0])
    # Every frame is pulled twice: with its halo as source, and as what the halo process makes of it.
    assert height == 16 or 30 * 10_000 * (2 * height + 80) <= MOST
