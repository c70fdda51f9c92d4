"""Everything that is wrong with a graph is told at once, with node and cure, before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lerarlink import Graph
from lerarlink.engine.api import Frame, Known, Port, Process, Tile, param
from lerarlink.engine.errors import EngineError, GraphError
from lerarlink.engine.graph import Link, NodeSpec
from lerarlink.engine.plan import lower
from lerarlink.engine.region import Box
from lerarlink.engine.registry import register
from lerarlink.graphs.check import Problem, check, states
from lerarlink.graphs.document import Input


@register
class Origin(Process, id="check.origin"):
    """A gray image out of nothing."""

    inputs = ()
    path: str = param(default="x", file="input", doc="a file that is never there")

    def check(self) -> None:
        if not self.path:
            raise GraphError("Origin: path must name a file")

    def frame(self, known: Known) -> Frame:
        raise AssertionError("checking asks for no frame")


@register
class Curve(Process, id="check.curve"):
    """Stretches."""

    gives = "stretched"
    amount: float = param(default=0.5, low=0.0, high=1.0, doc="how much")

    def pixels(self, known: Known, *tiles: Tile) -> Tile:
        raise AssertionError("checking makes no pixels")


@register
class Straighten(Process, id="check.straighten"):
    """Gives linear data again."""

    gives = "linear"


@register
class LinearOnly(Process, id="check.linear_only"):
    """Wants linear data, and something to go by."""

    inputs = (Port("image"), Port("psf", "psf"))
    requires = "linear"


@register
class StretchedOnly(Process, id="check.stretched_only"):
    """Wants stretched data."""

    requires = "stretched"


@register
class Measure(Process, id="check.measure"):
    """Gives a psf and stars."""

    outputs = (Port("psf", "psf"), Port("stars", "stars"))
    maskable = False


@register
class Stack(Process, id="check.stack"):
    """Takes many."""

    inputs = (Port("images", many=True), Port("guide", optional=True))


def put(g: Graph, process: str, name: str, params: dict[str, Any] | None = None, **feeds: str | list[str]) -> None:
    region = (params or {}).pop("region", None)
    g.insert(NodeSpec(name=name, process=process, version=1, params=params or {}, region=region), {})
    for port, feed in feeds.items():
        links = [Link(*f.rsplit(".", 1)) for f in ([feed] if isinstance(feed, str) else feed)]
        g.link(links[0] if isinstance(feed, str) else tuple(links), name, port)


def sound(g: Graph) -> None:
    put(g, "check.origin", "o")
    put(g, "check.measure", "measure", image="o.image")
    put(g, "check.linear_only", "deconvolve", image="o.image", psf="measure.psf")
    put(g, "check.curve", "curve", image="deconvolve.image", mask="o.image")
    put(g, "check.stretched_only", "polish", image="curve.image")
    put(g, "check.stack", "stack", images=["polish.image", "curve.image"])


Change = Callable[[Graph], Any]


def unlink_psf(g: Graph) -> None:
    g.unlink("deconvolve", "psf")


CASES: dict[str, tuple[Change, list[tuple[str, str, str]]]] = {
    "sound": (lambda g: None, []),
    "unlinked": (
        unlink_psf,
        [("deconvolve", "Process Error: Lerar Link unresolved: node 'deconvolve', input 'psf' (wants psf): "
          "nothing is linked; node 'measure' offers psf", "")],
    ),
    "unlinked, no offers": (
        lambda g: (g.remove("measure"), unlink_psf(g)),
        [("deconvolve", "Process Error: Lerar Link unresolved: node 'deconvolve', input 'psf' (wants psf): "
          "nothing is linked", "")],
    ),
    "unknown process": (
        lambda g: put(g, "check.curv", "x", image="o.image"),
        [("x", "node 'x': no installed pack has process 'check.curv'",
          "install the pack that has it, or remove the node")],
    ),
    "newer process": (
        lambda g: g.replace(NodeSpec(name="curve", process="check.curve", version=4)),
        [("curve", "node 'curve': the graph wants check.curve version 4, installed is 1",
          "install the pack that has it, or remove the node")],
    ),
    "parameter out of range": (
        lambda g: g.replace(NodeSpec(name="curve", process="check.curve", version=1, params={"amount": 2.0})),
        [("curve", "node 'curve': Curve: amount must lie in [0, 1], got 2.0", "")],
    ),
    "unknown parameter": (
        lambda g: g.replace(NodeSpec(name="curve", process="check.curve", version=1, params={"amuont": 1})),
        [("curve", "node 'curve': Curve has no parameter 'amuont'; it has amount", "")],
    ),
    "no such input": (
        lambda g: g.link(Link("o", "image"), "polish", "picture"),
        [("polish", "node 'polish' has no input 'picture'; it has image", "unlink 'picture'")],
    ),
    "no such output": (
        lambda g: g.link(Link("measure", "fwhm"), "deconvolve", "psf"),
        [("deconvolve", "node 'deconvolve', input 'psf': node 'measure' has no output 'fwhm'; it has psf, stars", "")],
    ),
    "type": (
        lambda g: g.link(Link("measure", "stars"), "deconvolve", "psf"),
        [("deconvolve", "node 'deconvolve', input 'psf' wants psf, 'measure.stars' gives stars",
          "link 'measure.psf' instead")],
    ),
    "mask of another type": (
        lambda g: g.link(Link("measure", "stars"), "curve", "mask"),
        [("curve", "node 'curve', input 'mask' wants image, 'measure.stars' gives stars", "")],
    ),
    "many into one": (
        lambda g: g.link((Link("o", "image"), Link("o", "image")), "polish", "image"),
        [("polish", "node 'polish': input 'image' takes one link, got 2", "link one of them, or a series")],
    ),
    "no such node": (
        lambda g: g.link(Link("gone", "image"), "stack", "guide"),
        [("stack", "Process Error: Lerar Link unresolved: "
          "node 'stack', input 'guide': linked to 'gone.image', but there is no node 'gone'",
          "add 'gone' or link 'guide' to another node")],
    ),
    "mask on what takes none": (
        lambda g: g.link(Link("o", "image"), "measure", "mask"),
        [("measure", "node 'measure': Measure takes no mask and no region, got a mask", "remove the mask")],
    ),
    "region on a source": (
        lambda g: g.replace(NodeSpec(name="o", process="check.origin", version=1, region=Box(0, 0, 1, 1))),
        [("o", "node 'o': Origin takes no mask and no region, got a region", "remove the region")],
    ),
    "linear after stretched": (
        lambda g: put(g, "check.linear_only", "late", image="stack.image", psf="measure.psf"),
        [("late", "node 'late' (check.linear_only) wants linear data, but 'curve' (check.curve) gives stretched data",
          "move 'late' before 'curve'")],
    ),
    "stretched after linear": (
        lambda g: (put(g, "check.straighten", "back", image="stack.image"),
                   put(g, "check.stretched_only", "late", image="back.image")),
        [("late", "node 'late' (check.stretched_only) wants stretched data, but 'back' (check.straighten) gives "
          "linear data",
          "stretch the image before 'late'")],
    ),
    "circle": (
        lambda g: g.link(Link("polish", "image"), "deconvolve", "image"),
        [("curve", "links run in a circle: curve -> polish -> deconvolve -> curve",
          "unlink one of them, such as 'deconvolve' from 'curve'"),
         ("deconvolve", "node 'deconvolve' (check.linear_only) wants linear data, but 'curve' (check.curve) gives "
          "stretched data", "move 'deconvolve' before 'curve'")],
    ),
    "to itself": (
        lambda g: g.link(Link("polish", "image"), "polish", "image"),
        [("polish", "links run in a circle: polish -> polish", "unlink one of them, such as 'polish' from 'polish'")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_fault_is_told_with_node_and_cure(case: str) -> None:
    change, wanted = CASES[case]
    g = Graph()
    sound(g)
    change(g)
    found = check(g)
    # The registry also names processes that are near; which ones is its affair.
    told = [(p.node, p.message.partition("; near it")[0], p.cure) for p in found]
    assert told == wanted


# The engine tells states apart when it knows the frames; that is tested with it.
@pytest.mark.parametrize("case", [c for c in CASES if c != "sound" and " after " not in c])
def test_the_engine_refuses_what_check_refuses(case: str) -> None:
    g = Graph()
    sound(g)
    CASES[case][0](g)
    with pytest.raises(EngineError):
        lower(g)


def test_the_engine_lowers_what_check_passes() -> None:
    g = Graph()
    sound(g)
    assert check(g) == []
    assert len(lower(g).steps) == 7  # one more: the mask is blended in


def test_all_faults_are_told_not_only_the_first() -> None:
    g = Graph()
    sound(g)
    for change in ("unlinked", "parameter out of range", "no such input", "no such node"):
        CASES[change][0](g)
    put(g, "no.such", "strange")
    put(g, "check.stack", "a", images=["b.image"])
    put(g, "check.stack", "b", images=["a.image"])
    found = check(g)
    assert {p.node for p in found} == {"deconvolve", "curve", "polish", "stack", "strange", "a"}
    assert len(found) == 6


def test_each_knot_of_circles_is_told_once() -> None:
    g = Graph()
    for pair in ("ab", "cd"):
        for x, y in (pair, pair[::-1]):
            put(g, "check.stack", x, images=[f"{y}.image"])
    put(g, "check.stack", "e", images=["a.image", "c.image"])
    assert [p.message for p in check(g)] == [
        "links run in a circle: a -> b -> a", "links run in a circle: c -> d -> c",
    ]  # fmt: skip


def test_a_very_long_chain_is_checked_without_recursion() -> None:
    g = Graph()
    put(g, "check.origin", "n0")
    for i in range(1, 3000):
        put(g, "check.stretched_only", f"n{i}", image=f"n{i - 1}.image")
    assert check(g) == []
    g.link(Link("n2999", "image"), "n1", "image")
    (problem,) = check(g)
    assert problem.message.count("->") == 2999


def test_inputs_that_were_not_given_are_told_unless_it_is_a_template() -> None:
    g = Graph()
    put(g, "io.read_image", "r")
    put(g, "io.read_image", "l", {"path": "", "optional": True})
    g.inputs = {
        "red": Input(name="red", node="r", param="path"),
        "lum": Input(name="lum", node="l", param="path", optional=True),
    }
    assert check(g, template=True) == []
    nothing = "input 'red' (wants a file): nothing is given (parameter 'path' of node 'r')"
    message = f"Process Error: Lerar Link unresolved: {nothing}"
    wanted = Problem("r", message, "give it a file: red=PATH", "G07", "path")
    assert check(g) == [wanted]
    assert str(wanted) == f"{wanted.message}; {wanted.cure}"
    g.bind("red", "x.fits")
    assert check(g) == []


def test_states_are_known_where_a_process_declares_them() -> None:
    g = Graph()
    sound(g)
    found = states(g)
    assert found["o"] == (None, "o")
    assert found["deconvolve"] == (None, "o")
    assert found["stack"] == found["curve"] == ("stretched", "curve")
