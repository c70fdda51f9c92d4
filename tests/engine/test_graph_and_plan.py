"""Building graphs, and lowering them to steps: series, composites, absent sources, unresolved links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from lerarlink.engine.api import Composite, Frame, Known, Port, Process, Tile, param
from lerarlink.engine.errors import GraphError, ParameterError, UnknownProcessError, UnresolvedLinkError
from lerarlink.engine.graph import Graph
from lerarlink.engine.plan import ABSENT, lower
from lerarlink.engine.registry import register


class Flat(Process, id="plan.flat"):
    """An image of one value."""

    inputs = ()
    level: float = param(default=1.0, doc="value of every sample")
    height: int = param(default=5, low=1, doc="rows")

    def frame(self, known: Known) -> Frame:
        return Frame(width=7, height=self.height)

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return np.full((1, known.box.height, known.box.width), self.level, np.float32)


class Shelf(Process, id="plan.shelf"):
    """A source that may be absent."""

    inputs = ()
    path: str = param(default="", file="input", doc="file")
    optional: bool = param(default=False, doc="may be absent")

    def frame(self, known: Known) -> Frame:
        return Frame(width=7, height=5)


class Times(Process, id="plan.times"):
    """Multiplies."""

    k: float = param(default=2.0, low=0.0, high=10.0, doc="factor")

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return np.asarray(tiles[0] * np.float32(self.k))


class Add(Process, id="plan.add"):
    """Adds a series; a bonus when linked, else hands on the first."""

    inputs = (Port("images", many=True), Port("bonus", optional=True, bypass=True))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        total = np.sum(tiles[0], axis=0, dtype=np.float32)
        return np.asarray(total if tiles[1] is None else total + tiles[1])


class Pair(Process, id="plan.pair"):
    """Needs two images."""

    inputs = (Port("left"), Port("right"))

    def pixels(self, known: Known, *tiles: Any) -> Tile:
        return np.asarray(tiles[0] - tiles[1])


class Three(Composite, id="plan.three"):
    """Three flats in a series."""

    inputs = ()

    def expand(self, add: Any, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"image": tuple(add("plan.flat", f"part{i}", level=float(i))["image"] for i in range(3))}


register(Flat)


def value_of(node: Any) -> float:
    return float(node.compute()[0, 0, 0])


def test_names_are_made_from_the_process_and_stay_unique() -> None:
    g = Graph()
    assert [g.add(Flat).name for _ in range(3)] == ["flat", "flat-2", "flat-3"]
    with pytest.raises(GraphError, match="already a node 'flat'"):
        g.add(Flat, name="flat")


def test_unknown_processes_ports_and_parameters_are_named() -> None:
    g = Graph()
    a = g.add(Flat)
    with pytest.raises(UnknownProcessError, match="no installed pack has process 'Fltat'"):
        g.add("Fltat")
    with pytest.raises(GraphError, match="Times has no input 'picture'; it has image"):
        g.add(Times, picture=a)
    with pytest.raises(ParameterError, match="Times has no parameter 'factor'; it has k"):
        g.add(Times, image=a, factor=2.0)
    with pytest.raises(ParameterError, match=r"k must lie in \[0, 10\], got 11"):
        g.add(Times, image=a, k=11)
    assert list(g) == ["flat"]


def test_a_required_port_without_a_link_is_an_unresolved_link() -> None:
    g = Graph()
    a = g.add(Flat, name="sky")
    g.add(Pair, name="difference", left=a)
    expected = (
        r"Process Error: Lerar Link unresolved: node 'difference', input 'right' \(wants image\): "
        "nothing is linked; node 'sky' offers image"
    )
    with pytest.raises(UnresolvedLinkError, match=expected):
        lower(g)


def test_a_circle_is_named() -> None:
    g = Graph()
    a = g.add(Flat)
    b = g.add(Times, name="b", image=a)
    c = g.add(Times, name="c", image=b)
    g.link(c.output().link, "b", "image")
    with pytest.raises(GraphError, match=r"circle: (b -> c -> b|c -> b -> c)"):
        lower(g)


def test_a_link_to_a_missing_node_or_port_is_named() -> None:
    g = Graph()
    a = g.add(Flat)
    b = g.add(Times, name="b", image=a)
    with pytest.raises(AttributeError, match="node 'b' has no output 'picture'; it has image"):
        _ = b.picture
    g.remove("flat")
    with pytest.raises(UnresolvedLinkError):
        lower(g)


def test_a_process_is_mapped_over_a_series_and_many_takes_it_whole() -> None:
    g = Graph()
    three = g.add(Three)
    doubled = g.add(Times, image=three)
    total = g.add(Add, images=doubled)
    plan = lower(g)
    assert [s.label for s in plan.steps if s.node == "times"] == ["times[0]", "times[1]", "times[2]"]
    assert value_of(total) == 2 * (0 + 1 + 2)
    assert len(doubled.image) == 3
    with pytest.raises(GraphError, match=r"times.image is a series of 3 frames; take one, such as image\[0\]"):
        doubled.compute()
    assert float(doubled.image[2].compute()[0, 0, 0]) == 4.0


def test_series_pair_up_and_single_images_broadcast() -> None:
    g = Graph()
    three, one = g.add(Three), g.add(Flat, level=10.0, name="one")
    paired = g.add(Pair, left=g.add(Times, image=three), right=three)
    assert value_of(g.add(Add, images=paired)) == 0 + 1 + 2
    broadcast = g.add(Pair, left=three, right=one)
    assert value_of(g.add(Add, images=broadcast, name="add-2")) == 3 - 30


def test_series_of_different_lengths_are_refused() -> None:
    g = Graph()
    three = g.add(Three)
    g.add(Pair, name="odd", left=three, right=three)

    class Two(Composite, id="plan.two"):
        """Two flats."""

        inputs = ()

        def expand(self, add: Any, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"image": tuple(add("plan.flat", f"p{i}")["image"] for i in range(2))}

    g.link(g.add(Two).output().link, "odd", "right")
    with pytest.raises(GraphError, match="series of one node must be equally long: 'left' has 3, 'right' has 2"):
        lower(g)


def test_what_needs_an_absent_source_is_absent_and_optional_ports_do_without() -> None:
    g = Graph()
    here, gone = g.add(Flat, level=4.0), g.add(Shelf, optional=True)
    scaled = g.add(Times, image=gone)
    with_bonus = g.add(Add, images=[here, here], bonus=scaled)
    plan = lower(g)
    assert plan.outputs[scaled.name] == {"image": ABSENT}
    # `bypass`: with the bonus absent the node hands its first input on unchanged.
    assert plan.feeds_of(with_bonus.output().link) == plan.feeds_of(here.output().link) * 2
    assert [float(with_bonus.image[i].compute()[0, 0, 0]) for i in range(2)] == [4.0, 4.0]


def test_an_unlinked_optional_port_is_no_bypass() -> None:
    g = Graph()
    here = g.add(Flat, level=4.0)
    assert value_of(g.add(Add, images=[here, here])) == 8.0


def test_copies_are_independent() -> None:
    g = Graph()
    g.add(Times, name="t", image=g.add(Flat))
    other = g.copy()
    other.set("t", "k", 5.0)
    assert (g.spec("t").params, other.spec("t").params) == ({}, {"k": 5.0})
    with pytest.raises(ParameterError):
        other.set("t", "k", -1.0)
    assert other.spec("t").params == {"k": 5.0}


def test_masks_and_regions_blend_in_units_of_the_bounds() -> None:
    g = Graph()
    a = g.add(Flat, level=0.5)
    half = g.add(Flat, name="mask", level=0.25)
    assert value_of(g.add(Times, image=a, k=4.0, mask=half)) == pytest.approx(0.25 * 2.0 + 0.75 * 0.5)
    boxed = g.add(Times, name="boxed", image=a, k=4.0, region=(1, 2, 3, 4)).compute()[0]
    assert boxed[1:3, 2:4].tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert boxed.sum() == pytest.approx(4 * 2.0 + (35 - 4) * 0.5)


def test_a_mask_of_another_size_is_refused() -> None:
    g = Graph()
    node = g.add(Times, image=g.add(Flat), mask=g.add(Flat, name="m", height=6))
    with pytest.raises(GraphError, match="the result is 7x5, the mask 7x6"):
        node.compute()
