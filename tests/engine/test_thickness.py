"""Strips thicken where halos are dear, stay thin where many images are pulled, and become blocks where images turn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.api import Box, Frame, Known, Port, Process, Tile, param
from lerarlink.engine.evaluation import Evaluation
from lerarlink.engine.graph import Graph
from lerarlink.engine.memory import Memory
from lerarlink.engine.plan import lower
from lerarlink.engine.thickness import Cut, best_cut

MOST = Memory(4 * 1024**3).strip


class Wide(Process, id="thickness.wide"):
    """A large image."""

    inputs = ()
    seed: int = param(default=0, doc="tells images apart")
    size: int = param(default=10_000, unit="px", doc="of each side")

    def frame(self, known: Known) -> Frame:
        return Frame(width=self.size, height=self.size)


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


class Turn(Process, id="thickness.turn"):
    """Looks at the image turned about its centre."""

    angle: float = param(default=0.0, unit="deg", doc="by how much")

    def needs(self, box: Box, port: str, known: Known) -> Box:
        height, width = known.frame.height, known.frame.width
        y, x = np.meshgrid([box.y0 - height / 2, box.y1 - height / 2], [box.x0 - width / 2, box.x1 - width / 2])
        c, s = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        v, u = s * x + c * y + height / 2, c * x - s * y + width / 2
        around = math.floor(v.min()), math.floor(u.min()), math.ceil(v.max()), math.ceil(u.max())
        return Box(*around).grow(5).overlap(known.of("image").box)


class Changed(Process, id="thickness.changed"):
    """Changes each sample."""

    pixel = staticmethod(lambda x: 2.0 * x)


def cut(node: Any, start: int = 16) -> Cut:
    plan = lower(node.output().graph, [node.name])
    evaluation = Evaluation(plan)
    feed = plan.feeds_of(node.output().link)
    return best_cut(evaluation, feed, evaluation.frame(feed[0]).box, start, {}, MOST)


def rows(node: Any, start: int = 16) -> int:
    found = cut(node, start)
    assert found.columns == 0
    return found.rows


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
    height, width = cut(stack)
    # Every frame is pulled twice: with its halo as source, and as what the halo process makes of it. Strips would
    # be so thin that they are mostly halo.
    assert width
    assert 30 * (height * width + (height + 80) * (width + 80)) <= MOST


@pytest.mark.parametrize("angle", [20.0, 45.0, -70.0, 135.0])
def test_turned_images_are_pulled_in_blocks_about_as_wide_as_high(angle: float) -> None:
    g = Graph()
    frames = [g.add(Turn, image=g.add(Wide, seed=i), angle=angle + 0.1 * i) for i in range(8)]
    found = cut(g.add(Changed, image=g.add(Stack, images=frames)))
    assert found.rows % 16 == 0
    assert 128 <= found.rows <= 1024
    assert 0.5 < found.columns / found.rows < 2


def test_a_turned_image_is_cut_the_same_way_beside_many_that_are_not() -> None:
    g = Graph()
    frames = [g.add(Turn, image=g.add(Wide, seed=i), angle=45.0 if i == 3 else 0.1) for i in range(8)]
    assert cut(g.add(Stack, images=frames)).columns


@pytest.mark.parametrize("angle", [0.0, 0.3, 180.0])
def test_what_is_hardly_turned_or_by_a_half_stays_in_strips(angle: float) -> None:
    g = Graph()
    frames = [g.add(Turn, image=g.add(Wide, seed=i), angle=angle) for i in range(8)]
    assert cut(g.add(Stack, images=frames)).columns == 0


def test_chains_of_pointwise_processes_are_pulled_in_thin_strips() -> None:
    g = Graph()
    node = g.add(Wide)
    for _ in range(4):
        node = g.add(Changed, image=node)
    assert cut(node) == Cut(16)


def test_small_images_are_not_cut_into_blocks() -> None:
    g = Graph()
    small = g.add(Wide, size=200)
    assert cut(g.add(Turn, image=small, angle=45.0), start=800).columns == 0


def test_blocks_pull_no_more_than_they_may() -> None:
    g = Graph()
    frames = [g.add(Turn, image=g.add(Wide, seed=i), angle=45.0) for i in range(60)]
    found = cut(g.add(Stack, images=frames))
    # Each is pulled twice: a box of the source, twice as large at 45 degrees, and what is made of it.
    assert found.columns
    assert 60 * 3 * found.rows * found.columns <= MOST
